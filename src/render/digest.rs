//! Two numbers for what makes a VM what it is: the whole machine, and the part of it that
//! its disks were made from.

use std::net::Ipv4Addr;

use serde::Serialize;
use uuid::Uuid;

use super::seed::{EngineSetup, engine};
use super::templates;
use crate::digest::sha256;
use crate::plan::{Instance, Plan, Volume};
use crate::spec::{Image, Network};
use crate::units::Mebibytes;

/// What a VM consists of, in canonical order. Its role, its group and the configuration
/// of its engine are none of it: they change in the running guest.
#[derive(Serialize)]
struct Machine<'a> {
    system: String,
    host: &'a str,
    numa: u32,
    cpus: &'a [u32],
    threads: u32,
    emulator_cpus: &'a [u32],
    memory_mib: Mebibytes,
    page_kib: u64,
    domain: &'a str,
    uuid: Uuid,
    hypervisor: Option<&'a str>,
    bridge: Option<&'a str>,
    template: &'a str,
}

/// What the disks of a VM and its first boot were made of.
#[derive(Serialize)]
struct System<'a> {
    deployment: &'a str,
    name: &'a str,
    mac: &'a str,
    address: Option<Ipv4Addr>,
    volumes: Vec<Place<'a>>,
    network: Option<NetworkIdentity>,
    image: Option<ImageIdentity<'a>>,
    seed: Option<EngineSetup>,
    templates: Vec<&'a str>,
}

/// A volume without its size: disks grow in place.
#[derive(Serialize)]
struct Place<'a> {
    pool: &'a str,
    name: &'a str,
}

/// The part of the network that a guest sees; the range that addresses come from
/// is not.
#[derive(Serialize)]
struct NetworkIdentity {
    prefix: u8,
    gateway: Option<Ipv4Addr>,
}

/// The image by content: where the files lie, and its name, change nothing.
#[derive(Serialize)]
struct ImageIdentity<'a> {
    disk: &'a str,
    kernel: Option<&'a str>,
    initrd: Option<&'a str>,
    cmdline: &'a str,
}

/// SHA-256, in hexadecimal, over everything that makes the machine. It is in the
/// domain's metadata; a domain with another one is to be defined anew, on its disks if its
/// [`system_digest`] is the planned one.
#[must_use]
pub fn machine_digest(plan: &Plan, instance: &Instance) -> String {
    digest(&Machine {
        system: system_digest(plan, instance),
        host: instance.host.as_str(),
        numa: instance.numa,
        cpus: &instance.cpus,
        threads: instance.threads,
        emulator_cpus: &instance.emulator_cpus,
        memory_mib: instance.memory_mib,
        page_kib: instance.page_kib,
        domain: &instance.domain,
        uuid: instance.uuid,
        hypervisor: plan.topology.host(&instance.host).map(|host| host.hypervisor.as_str()),
        bridge: plan.network.as_ref().map(|network| network.bridge.as_str()),
        template: templates::DOMAIN.text,
    })
}

/// SHA-256, in hexadecimal, over what the disks of a machine and its first boot are made
/// of: a machine with another one gets a new root.
#[must_use]
pub fn system_digest(plan: &Plan, instance: &Instance) -> String {
    digest(&System {
        deployment: plan.name.as_str(),
        name: instance.name.as_str(),
        mac: &instance.mac,
        address: instance.address,
        volumes: instance.volumes().map(place).collect(),
        network: plan.network.as_ref().map(network),
        image: plan.image.as_ref().map(image),
        seed: engine(plan, instance),
        templates: templates::SEED.iter().map(|template| template.text).collect(),
    })
}

/// Only maps with keys that are no text fail to become JSON, and there are none.
fn digest(value: &impl Serialize) -> String {
    sha256(serde_json::to_string(value).unwrap_or_default())
}

fn place(volume: &Volume) -> Place<'_> {
    Place { pool: &volume.pool, name: &volume.name }
}

const fn network(network: &Network) -> NetworkIdentity {
    NetworkIdentity { prefix: network.prefix, gateway: network.gateway }
}

fn image(image: &Image) -> ImageIdentity<'_> {
    ImageIdentity {
        disk: &image.disk.sha256,
        kernel: image.kernel.as_ref().map(|file| file.sha256.as_str()),
        initrd: image.initrd.as_ref().map(|file| file.sha256.as_str()),
        cmdline: &image.cmdline,
    }
}
