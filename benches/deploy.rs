//! A deploy of 200 VMs to 20 simulated hosts, then one that has nothing to do:
//! seconds of each, and the most memory that the process ever took. Guests boot
//! in virtual time, so this is everything but the wait for them.
//!
//! ```text
//! cargo bench --no-default-features --bench deploy
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures and prints"
)]

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use hostsplit::content::ContentError;
use hostsplit::deploy::{
    Allowed, Context, Event, ImageError, ImageStore, Observer, Patience, connect, execute, gaps,
    observe, preflight, walk,
};
use hostsplit::graph::decide;
use hostsplit::ids::{DeploymentName, ServiceName};
use hostsplit::plan::{FORMAT, Group, Instance, Plan, Role, ServicePlan, SlotRange};
use hostsplit::secret::Secrets;
use hostsplit::simulated::SimulatedWorld;
use hostsplit::spec::{Access, Image, ImageFile, Network, Policy};
use hostsplit::state::store::Store;
use hostsplit::topology::{Host, Level, Topology};
use hostsplit::units::Mebibytes;
use sha2::{Digest, Sha256};

#[path = "../tests/support/built.rs"]
mod built;
#[path = "../tests/support/plain.rs"]
mod plain;

const HOSTS: u32 = 20;
const SERVICES: u32 = 10;
/// Groups of a service, each a master and a replica.
const GROUPS: u32 = 9;
/// Fixed machines, one a host.
const FIXED: u32 = 20;
const DISK: &[u8] = &[7; 1 << 20];

/// The image in memory.
struct Disk;

impl ImageStore for Disk {
    fn open(&self, _: &ImageFile) -> Result<(Box<dyn Read>, u64), ImageError> {
        Ok((Box::new(Cursor::new(DISK)), DISK.len() as u64))
    }

    fn content(&self, _: &str) -> Result<Vec<u8>, ContentError> {
        Ok(Vec::new())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn on(&self, _: &Event) {}
}

fn host(number: u32) -> Host {
    let name = format!("h{number}");
    Host {
        uri: Some(format!("test://{name}")),
        ..plain::host(&name, vec![plain::node(0, vec![plain::l3(0..=23)], 64)], 1000)
    }
}

/// The `number`-th machine of all.
fn instance(service: &ServiceName, ordinal: u32, number: u32, role: Role) -> Instance {
    let octet = |value: u32| u8::try_from(value).unwrap();
    let address = [10, 20, octet(1 + number / 200), octet(1 + number % 200)].into();
    let place = (number % HOSTS, 1 + number / HOSTS);
    built::instance(service, ordinal, place, address, role)
}

/// A cluster and its instances.
fn cluster(index: u32, instances: &mut Vec<Instance>) -> ServicePlan {
    let name = ServiceName::new(format!("cache{index}")).unwrap();
    let mut groups = Vec::new();
    for group in 0..GROUPS {
        let mut add = |ordinal, role| {
            let number = u32::try_from(instances.len()).unwrap();
            instances.push(instance(&name, ordinal, number, role));
            instances.last().unwrap().name.clone()
        };
        let lead = add(2 * group, Role::Master);
        let replicas = vec![add(2 * group + 1, Role::Replica)];
        let slot = |index: u32| u16::try_from(index * 16384 / GROUPS).unwrap();
        let slots = vec![SlotRange { first: slot(group), last: slot(group + 1) - 1 }];
        groups.push(Group { index: group, slots, lead, replicas });
    }
    built::redis(name, Access::default(), groups)
}

fn plan() -> Plan {
    let mut instances = Vec::new();
    let services = (0..SERVICES).map(|index| cluster(index, &mut instances)).collect();
    let name = ServiceName::new("box").unwrap();
    for ordinal in 0..FIXED {
        let number = u32::try_from(instances.len()).unwrap();
        instances.push(instance(&name, ordinal, number, Role::Fixed));
    }
    let sha256 = Sha256::digest(DISK).iter().map(|byte| format!("{byte:02x}")).collect();
    Plan {
        format: FORMAT,
        hostsplit: "bench".to_owned(),
        name: DeploymentName::new("shop").unwrap(),
        policy: Policy::surviving(Level::Host),
        network: Some(Network {
            bridge: "br0".to_owned(),
            subnet: [10, 20, 0, 0].into(),
            prefix: 16,
            first: [10, 20, 1, 1].into(),
            last: [10, 20, 9, 199].into(),
            gateway: None,
            vip: None,
        }),
        image: Some(Image {
            name: "small".to_owned(),
            disk: ImageFile { file: "disk.qcow2".to_owned(), sha256 },
            virtual_size_mib: Mebibytes::new(2048),
            kernel: None,
            initrd: None,
            cmdline: String::new(),
            engines: [].into(),
        }),
        profiles: Default::default(),
        topology: Topology { hosts: (0..HOSTS).map(host).collect() },
        services,
        vms: Vec::new(),
        drained: Default::default(),
        policy_when_whole: None,
        restart_when_whole: BTreeSet::new(),
        instances,
        tiers: Vec::new(),
    }
}

/// What `deploy` does: looks, decides, checks, walks. Returns the changes.
fn deploy(plan: &Plan, world: &SimulatedWorld, state: &Path) -> usize {
    assert!(gaps(plan).is_empty(), "{:?}", gaps(plan));
    let part = |what: &str, begun: &Instant| println!("    {what}: {}", seconds(begun.elapsed()));
    let begun = Instant::now();
    let store = Store::new(state.to_owned());
    let lock = store.lock("bench").unwrap();
    let journal = store.journal(&lock).unwrap();
    let hosts = connect(plan, world);
    let clock = world.clock();
    let patience = Patience::default();
    let secrets = Secrets::default();
    let context = Context {
        plan,
        hosts: &hosts,
        clock: &clock,
        images: &Disk,
        patience,
        secrets: &secrets,
        allowed: Allowed::default(),
    };
    let seen = observe(&context);
    part("look", &begun);
    let begun = Instant::now();
    let actions = decide(plan, &seen);
    let obstacles = preflight(plan, &seen, &actions, &Disk);
    assert!(obstacles.is_empty(), "{obstacles:?}");
    part("decide", &begun);
    let begun = Instant::now();
    let work = |vertex: &_| execute(&context, &actions, vertex, &Nobody);
    let end = walk(&actions, 4, &work, Some(&journal), &Nobody, &clock);
    part("walk", &begun);
    assert!(end.failures.is_empty() && end.skipped == 0, "{:?}", end.failures);
    end.done
}

fn seconds(took: Duration) -> String {
    format!("{:.2} s", took.as_secs_f64())
}

/// The most memory that this process ever held, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

fn main() {
    let plan = plan();
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    println!("{} VMs on {HOSTS} simulated hosts", plan.instances.len());
    for (what, limit) in [("first deploy", 2), ("deploy with nothing to do", 1)] {
        let (begun, before) = (Instant::now(), world.log().len());
        let changes = deploy(&plan, &world, state.path());
        let took = seconds(begun.elapsed());
        println!("{what}: {changes} changes in {took} (at most {limit} s)");
        let calls = world.log().len();
        println!("    calls that change something in hosts or guests: {}", calls - before);
    }
    println!("peak memory: {} MiB (at most 200 MiB)", peak_mib());
}
