//! One number for everything that makes a VM what it is.

use serde::Serialize;

use super::templates;
use crate::digest::sha256;
use crate::plan::{Instance, Plan};
use crate::spec::{Image, Network};

/// What a VM consists of, in canonical order.
#[derive(Serialize)]
struct Identity<'a> {
    deployment: &'a str,
    instance: &'a Instance,
    hypervisor: Option<&'a str>,
    network: Option<NetworkIdentity<'a>>,
    image: Option<ImageIdentity<'a>>,
    templates: Vec<&'a str>,
}

/// The part of the network that a VM sees; the range that addresses come from
/// is not.
#[derive(Serialize)]
struct NetworkIdentity<'a> {
    bridge: &'a str,
    prefix: u8,
    gateway: Option<std::net::Ipv4Addr>,
}

/// The image by content: where the files lie, and its name, change nothing.
#[derive(Serialize)]
struct ImageIdentity<'a> {
    disk: &'a str,
    kernel: Option<&'a str>,
    initrd: Option<&'a str>,
    cmdline: &'a str,
}

/// SHA-256, in hexadecimal, over everything that makes the VM what it is. It
/// stands in the domain's metadata; a domain with another one is to be
/// replaced.
#[must_use]
pub fn instance_digest(plan: &Plan, instance: &Instance) -> String {
    let identity = Identity {
        deployment: plan.name.as_str(),
        instance,
        hypervisor: plan.topology.host(&instance.host).map(|host| host.hypervisor.as_str()),
        network: plan.network.as_ref().map(network),
        image: plan.image.as_ref().map(image),
        templates: templates::ALL.iter().map(|template| template.text).collect(),
    };
    // Only maps with keys that are no text fail to become JSON, and there are none. If one ever
    // came in, the digest would still be a function of the value.
    let json = serde_json::to_string(&identity).unwrap_or_else(|_| format!("{instance:?}"));
    sha256(json)
}

fn network(network: &Network) -> NetworkIdentity<'_> {
    NetworkIdentity { bridge: &network.bridge, prefix: network.prefix, gateway: network.gateway }
}

fn image(image: &Image) -> ImageIdentity<'_> {
    ImageIdentity {
        disk: &image.disk.sha256,
        kernel: image.kernel.as_ref().map(|file| file.sha256.as_str()),
        initrd: image.initrd.as_ref().map(|file| file.sha256.as_str()),
        cmdline: &image.cmdline,
    }
}
