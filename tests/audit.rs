//! The audit: silent on a good plan, and for every rule one plan that breaks
//! just that rule.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;

use hostsplit::audit::{Finding, Kind, against, audit, is_fit, losses, rules};
use hostsplit::explain::spec_of;
use hostsplit::ids::{HostName, InstanceName, ServiceName};
use hostsplit::plan::{Instance, Plan, Role, ServicePlan, Setting, SlotRange};
use hostsplit::profile::Profiles;
use hostsplit::spec::{Demand, FixedVm, HostSet, Persistence, Policy, ShardedDemand, Spread, Tls};
use hostsplit::topology::{Architecture, Level};
use hostsplit::units::{BitsPerSecond, Mebibytes, PerSecond};

use crate::support::{USABLE, configure, cores, good_plan, instance};

fn audited(plan: &Plan) -> Vec<Finding> {
    audit(plan, &Profiles::builtin().unwrap())
}

/// Breaks the good plan so that it breaks one rule and no other.
fn break_rule(kind: Kind, plan: &mut Plan) {
    match kind {
        Kind::Format
        | Kind::Topology
        | Kind::Reference
        | Kind::Policy
        | Kind::DuplicateName
        | Kind::UnknownService
        | Kind::UnknownHost
        | Kind::DrainedHost
        | Kind::UnknownNuma => break_names(kind, plan),
        Kind::UnknownCpu
        | Kind::ReservedCpu
        | Kind::DuplicateCpu
        | Kind::SharedCore
        | Kind::GuestThreads
        | Kind::L3Straddled
        | Kind::EmulatorCpus => break_cpus(kind, plan),
        Kind::Memory
        | Kind::HugePages
        | Kind::UnknownPool
        | Kind::PoolCapacity
        | Kind::RootSize
        | Kind::Volumes
        | Kind::Bandwidth
        | Kind::Bridge
        | Kind::Architecture => break_hosts(kind, plan),
        Kind::Network
        | Kind::Address
        | Kind::DuplicateAddress
        | Kind::Identity
        | Kind::Derivation
        | Kind::DuplicateIdentity => break_identity(kind, plan),
        Kind::Slots
        | Kind::Copies
        | Kind::Role
        | Kind::Masters
        | Kind::Layout
        | Kind::Configuration
        | Kind::Data
        | Kind::Ceiling
        | Kind::ProcessMemory
        | Kind::Capacity => break_service(kind, plan),
        Kind::GroupSpread | Kind::LostGroup | Kind::Majority => break_survival(kind, plan),
        // The other kinds of cluster: see `audit_kinds.rs`; plans and specs: below.
        Kind::Spec
        | Kind::Engine
        | Kind::Gateway
        | Kind::Survivors
        | Kind::ShardSpread
        | Kind::Voters => {}
        Kind::Iops => {
            plan.topology.hosts[0].pools[0].iops_per_s = Some(PerSecond::new(9));
            plan.vms[0].iops_per_s = PerSecond::new(10);
        }
        Kind::ImageDigest => {
            plan.image.as_mut().unwrap().disk.sha256 = "AB".repeat(32);
        }
        Kind::Text => {
            plan.instances[0].settings.insert("loglevel".to_owned(), "a\nb".into());
        }
        Kind::Port => {
            plan.instances[0].settings.insert("port".to_owned(), Setting::Count(70_000));
        }
        Kind::Instances => plan.services[0].layout.instances = 7,
        Kind::Objective => plan.tiers[1].value = 4,
        Kind::FixedCount => plan.vms[0].count = 3,
        Kind::Restart => plan.vms[0].restart = true,
        Kind::FixedHost => plan.vms[0].not_on = vec![HostSet::Host(HostName::new("h2").unwrap())],
        Kind::FixedApart => plan.vms[0].apart = vec![plan.services[0].name.clone()],
        Kind::FixedNear => {
            // An entry without machines is nowhere.
            let none = FixedVm {
                name: ServiceName::new("none").unwrap(),
                count: 0,
                ..plan.vms[0].clone()
            };
            plan.vms[0].near = vec![none.name.clone()];
            plan.vms.push(none);
        }
        Kind::FixedSpread => move_to(plan, "builder-1", "h1", &[8, 9]),
    }
}

fn break_names(kind: Kind, plan: &mut Plan) {
    match kind {
        Kind::Format => plan.format = 99,
        Kind::Topology => {
            let pool = plan.topology.hosts[0].pools[0].clone();
            plan.topology.hosts[0].pools.push(pool);
        }
        Kind::Reference => plan.image.as_mut().unwrap().cmdline = "quiet".to_owned(),
        Kind::Policy => plan.policy.objective.reverse(),
        Kind::DuplicateName => plan.vms.push(plan.vms[0].clone()),
        Kind::UnknownService => {
            plan.instances.push(instance("ghost", 0, "h3", cores(&[6]), 12));
        }
        Kind::UnknownHost => plan.instances[0].host = HostName::new("h9").unwrap(),
        Kind::UnknownNuma => plan.instances[0].numa = 7,
        Kind::DrainedHost => drop(plan.drained.insert(plan.instances[0].host.clone())),
        other => panic!("{other}"),
    }
}

fn break_cpus(kind: Kind, plan: &mut Plan) {
    match kind {
        Kind::UnknownCpu => plan.instances[0].cpus = vec![2, 99],
        Kind::ReservedCpu => {
            // Emulator threads are elsewhere.
            plan.instances.iter_mut().for_each(|one| one.emulator_cpus = cores(&[0]));
            plan.instances[0].cpus = cores(&[1]);
        }
        Kind::DuplicateCpu => plan.instances[5].cpus = plan.instances[0].cpus.clone(),
        Kind::SharedCore => {
            for (place, cpus) in [(0, vec![2, 3]), (5, vec![14, 15])] {
                plan.instances[place].cpus = cpus;
                plan.instances[place].threads = 1;
            }
        }
        Kind::GuestThreads => plan.instances[0].cpus = vec![2, 4],
        Kind::L3Straddled => plan.instances[6].cpus = cores(&[5, 6]),
        Kind::EmulatorCpus => plan.instances[0].emulator_cpus = plan.instances[5].cpus.clone(),
        other => panic!("{other}"),
    }
}

fn break_hosts(kind: Kind, plan: &mut Plan) {
    let host = &mut plan.topology.hosts[0];
    match kind {
        Kind::Memory => host.numa[0].memory_mib = Mebibytes::new(5_000),
        Kind::HugePages => plan.instances[0].page_kib = 2_048,
        Kind::UnknownPool => {
            let one = &mut plan.instances[0];
            for volume in [&mut one.root, &mut one.data, &mut one.seed] {
                volume.as_mut().unwrap().pool = "fast".to_owned();
            }
        }
        Kind::Bandwidth => host.network_bits_per_s = Some(BitsPerSecond::new(100_000_000)),
        // Without the image below the roots it would do.
        Kind::PoolCapacity => host.pools[0].capacity_mib = Mebibytes::from_gib(13),
        Kind::RootSize => {
            plan.image.as_mut().unwrap().virtual_size_mib = Mebibytes::from_gib(5);
        }
        Kind::Volumes => {
            plan.instances[0].seed.as_mut().unwrap().size_mib = Mebibytes::new(8);
        }
        Kind::Bridge => host.bridges.clear(),
        Kind::Architecture => host.architecture = Architecture::Aarch64,
        other => panic!("{other}"),
    }
}

fn break_identity(kind: Kind, plan: &mut Plan) {
    match kind {
        Kind::Network => {
            plan.network.as_mut().unwrap().gateway = Some(Ipv4Addr::new(10, 20, 0, 90));
        }
        Kind::Address => readdress(plan, 0, Ipv4Addr::new(10, 20, 0, 200)),
        Kind::DuplicateAddress => readdress(plan, 0, plan.instances[1].address.unwrap()),
        Kind::Identity => plan.instances[0].mac = "52:54:00:00:00:0G".to_owned(),
        Kind::Derivation => plan.instances[0].mac = "52:54:00:00:00:01".to_owned(),
        Kind::DuplicateIdentity => plan.instances[0].mac = plan.instances[1].mac.clone(),
        other => panic!("{other}"),
    }
}

fn break_service(kind: Kind, plan: &mut Plan) {
    let service = &mut plan.services[0];
    match kind {
        Kind::Slots => service.groups[0].slots = slots(0, 5_459),
        Kind::Copies => service.layout.copies = 1,
        Kind::Role => plan.instances[1].role = Role::Master,
        Kind::Masters => {
            // Two masters cannot survive anything; nothing is promised here.
            plan.policy = Policy::nothing();
            service.groups.pop();
            service.groups[0].slots = slots(0, 8_191);
            service.groups[1].slots = slots(8_192, 16_383);
            service.layout.groups = 2;
            service.layout.instances = 4;
            service.capacity.total_per_s = PerSecond::new(2 * USABLE);
            service.capacity.demand_per_s = PerSecond::new(74_000);
            let demand = sharded(service);
            demand.reads_per_s = PerSecond::new(10_000);
            demand.data_mib = Mebibytes::new(700);
            plan.instances.retain(|instance| instance.group != Some(2));
        }
        Kind::Layout => plan.instances[0].memory_mib = Mebibytes::new(1_025),
        Kind::Configuration => {
            let key = "cluster-allow-replica-migration".to_owned();
            plan.instances[0].settings.insert(key, true.into());
        }
        Kind::Data => {
            let demand = sharded(service);
            demand.data_mib = Mebibytes::new(1_281);
        }
        Kind::Ceiling => service.capacity.ceiling_per_s = PerSecond::new(129_300),
        Kind::ProcessMemory => {
            plan.instances[0].settings.insert("maxmemory".to_owned(), Setting::Bytes(427 << 20));
        }
        Kind::Capacity => service.capacity.total_per_s = PerSecond::new(131_999),
        other => panic!("{other}"),
    }
}

fn break_survival(kind: Kind, plan: &mut Plan) {
    let service = &mut plan.services[0];
    match kind {
        Kind::GroupSpread => move_to(plan, "cache-1", "h1", &[4]),
        Kind::LostGroup => {
            service.layout.copies = 1;
            service.layout.instances = 3;
            service.groups.iter_mut().for_each(|group| group.replicas.clear());
            plan.instances.retain(|instance| instance.role != Role::Replica);
        }
        Kind::Majority => {
            // Group 1 is led from h3, which leads group 2 already.
            let group = &mut service.groups[1];
            std::mem::swap(&mut group.lead, &mut group.replicas[0]);
            plan.instances[2].role = Role::Replica;
            plan.instances[3].role = Role::Master;
        }
        other => panic!("{other}"),
    }
}

fn sharded(service: &mut ServicePlan) -> &mut ShardedDemand {
    match &mut service.demand {
        Demand::Sharded(demand) => demand,
        other => panic!("{other:?}"),
    }
}

fn slots(first: u16, last: u16) -> Vec<SlotRange> {
    vec![SlotRange { first, last }]
}

fn move_to(plan: &mut Plan, name: &str, host: &str, to: &[u32]) {
    let name = InstanceName::new(name).unwrap();
    let instance = plan.instances.iter_mut().find(|instance| instance.name == name).unwrap();
    instance.host = HostName::new(host).unwrap();
    instance.cpus = cores(to);
}

fn readdress(plan: &mut Plan, place: usize, address: Ipv4Addr) {
    let instance = &mut plan.instances[place];
    instance.address = Some(address);
    instance.settings.insert("cluster-announce-ip".to_owned(), address.into());
}

#[test]
fn a_good_plan_has_no_findings() {
    assert_eq!(audited(&good_plan()), []);
}

/// What the audit says of the good plan after a change.
fn told(change: impl FnOnce(&mut Plan)) -> Vec<Kind> {
    let mut plan = good_plan();
    change(&mut plan);
    audited(&plan).iter().map(|finding| finding.kind).collect()
}

#[test]
fn slots_that_are_dealt_out_unevenly_overload_a_group() {
    let kinds = told(|plan| {
        let groups = &mut plan.services[0].groups;
        for (group, (first, last)) in groups.iter_mut().zip([(0, 0), (1, 1), (2, 16_383)]) {
            group.slots = slots(first, last);
        }
    });
    // The third group's master and replica cannot hold nearly all of the data.
    assert_eq!(kinds, [Kind::Slots, Kind::Data, Kind::Data, Kind::Capacity]);
}

#[test]
fn a_replica_that_could_not_hold_the_data_is_told() {
    let kinds = told(|plan| {
        plan.instances[1].settings.insert("maxmemory".to_owned(), Setting::Bytes(200 << 20));
    });
    assert_eq!(kinds, [Kind::Data]);
}

#[test]
fn configuration_keeps_the_data_as_asked_for() {
    for (directive, value) in [
        ("appendonly", false.into()),
        ("save", Setting::words([3600, 1])),
        ("save", "".into()),
        ("maxmemory-policy", "allkeys-lru".into()),
    ] {
        let kinds = told(|plan| {
            plan.instances[0].settings.insert(directive.to_owned(), value);
        });
        assert_eq!(kinds, [Kind::Configuration], "{directive}");
    }
    let kinds = told(|plan| {
        let demand = sharded(&mut plan.services[0]);
        demand.persistence = Persistence::Rdb;
    });
    // Neither appendonly nor save is as a cluster with snapshots has them.
    assert_eq!(kinds, [Kind::Configuration; 12]);
}

#[test]
fn each_rule_is_broken_alone() {
    let others =
        [Kind::Spec, Kind::Engine, Kind::Gateway, Kind::Survivors, Kind::ShardSpread, Kind::Voters];
    for kind in Kind::ALL.iter().filter(|kind| !others.contains(kind)) {
        let mut plan = good_plan();
        break_rule(*kind, &mut plan);
        let findings = audited(&plan);
        let kinds: BTreeSet<Kind> = findings.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, BTreeSet::from([*kind]), "{kind}: {findings:#?}");
        assert_eq!(is_fit(&findings), *kind == Kind::L3Straddled);
    }
}

#[test]
fn volumes_follow_from_names_and_are_in_one_pool() {
    let said = |change: fn(&mut Instance)| {
        let mut plan = good_plan();
        let mut pool = plan.topology.hosts[0].pools[0].clone();
        pool.name = "other".to_owned();
        plan.topology.hosts[0].pools.push(pool);
        change(&mut plan.instances[0]);
        let shown: Vec<String> = audited(&plan).iter().map(ToString::to_string).collect();
        shown.join("\n")
    };
    insta::assert_snapshot!(
        said(|one| one.data.as_mut().unwrap().name = "shop-cache-1-data2.raw".to_owned()),
        @"error: cache-0: its data volume is shop-cache-1-data2.raw; expected shop-cache-0-data.raw, derived from its name (derivation)"
    );
    insta::assert_snapshot!(
        said(|one| one.seed.as_mut().unwrap().pool = "other".to_owned()),
        @"error: cache-0: its volumes are in the pools default and other; expected one pool (derivation)"
    );
}

/// The findings of a good plan that was changed, a line each.
fn said(change: fn(&mut Plan)) -> String {
    let mut plan = good_plan();
    change(&mut plan);
    let shown: Vec<String> = audited(&plan).iter().map(ToString::to_string).collect();
    shown.join("\n")
}

#[test]
fn texts_are_plain_and_ports_are_ports() {
    insta::assert_snapshot!(
        said(|plan| plan.image.as_mut().unwrap().disk.file = "root\u{1b}[2J".to_owned()),
        @r#"error: shop: "root\u{1b}[2J" has control characters and is not a valid file name of the image (text)"#
    );
    insta::assert_snapshot!(
        said(|plan| {
            plan.instances[0].settings.insert("port".to_owned(), Setting::Count(0));
        }),
        @"error: cache-0: port is 0; expected a port from 1 to 65535 (port)"
    );
    // Another driver of libvirt may read files of this machine, or another hypervisor's.
    for uri in ["h1", "xen:///system", "test+ssh://h1/default", "QEMU:///system"] {
        let finding = format!(
            "error: h1: {uri:?} is not a libvirt URI such as qemu+ssh://root@h1/system (text)"
        );
        let mut plan = good_plan();
        plan.topology.hosts[0].uri = Some(uri.to_owned());
        let shown: Vec<String> = audited(&plan).iter().map(ToString::to_string).collect();
        assert_eq!(shown, [finding]);
    }
    // Redis takes zero for: not at all.
    let with_tls = said(|plan| {
        plan.services[0].access.tls = Tls::On;
        configure(plan);
        assert_eq!(plan.instances[0].settings["port"], Setting::Count(0));
    });
    assert_eq!(with_tls, "");
}

/// From the rest of a plan follows what an instance is given, to the last setting.
#[test]
fn what_follows_from_a_plan_is_compared_with_it() {
    insta::assert_snapshot!(
        said(|plan| {
            let settings = &mut plan.instances[0].settings;
            settings.insert("loadmodule".to_owned(), "/tmp/x.so".into());
            settings.insert("cluster-node-timeout".to_owned(), Setting::Millis(1));
            settings.remove("dir");
        }),
        @r#"
        error: cache-0: "loadmodule" is no setting of such an instance (configuration)
        error: cache-0: cluster-node-timeout is 1 ms; expected 15000 ms (configuration)
        error: cache-0: dir is missing; expected /var/lib/redis (configuration)
        "#
    );
    insta::assert_snapshot!(
        said(|plan| {
            plan.services[0].layout.data_mib = Mebibytes::new(1_152);
            for one in plan.instances.iter_mut().filter(|one| one.data.is_some()) {
                one.data.as_mut().unwrap().size_mib = Mebibytes::new(1_152);
            }
            plan.services[0].capacity.iops_per_s = PerSecond::new(133);
        }),
        @"
        error: cache: data volumes of 1152 MiB; expected 1216 (layout)
        error: cache: disk of an instance: the plan states 133 I/O operations/s; expected 134 (ceiling)
        "
    );
    insta::assert_snapshot!(
        said(|plan| {
            plan.instances[0].emulator_cpus = vec![1, 13];
            plan.tiers[2].value = 9;
        }),
        @"
        error: cache-0: its emulator CPUs are 1, 13; expected 0, 1, 12, 13 (derivation)
        error: shop: cores: 9 is below its bound 10 (objective)
        error: shop: cores: the plan states 9; it has 10 (objective)
        "
    );
    insta::assert_snapshot!(
        said(|plan| plan.topology.hosts[1].uri = Some("qemu+tls://H1/system".to_owned())),
        @r#"error: h2: its URI "qemu+tls://H1/system" leads to the machine of h1 (topology)"#
    );
    insta::assert_snapshot!(
        said(|plan| plan.network.as_mut().unwrap().vip = Some(Ipv4Addr::new(10, 20, 0, 60))),
        @"error: shop: virtual address 10.20.0.60 is inside the range of the instances (network)"
    );
}

#[test]
fn findings_name_the_thing_the_place_and_the_numbers() {
    let mut said = String::new();
    for kind in [Kind::DuplicateCpu, Kind::Memory, Kind::Majority, Kind::L3Straddled, Kind::Slots] {
        let mut plan = good_plan();
        break_rule(kind, &mut plan);
        said += &format!("{}\n", audited(&plan)[0]);
    }
    insta::assert_snapshot!(said, @r#"
    error: cache-5: CPU 14 of h1 is also pinned by cache-0 (duplicate_cpu)
    error: h1 NUMA node 0: instances need 3GiB and QEMU itself 286MiB; allocatable: 2440MiB (memory)
    error: cache: host "h3" holds 2 of 3 masters, half or more (majority)
    warning: builder-0: 2 cores straddle 2 L3 domains; one of 6 cores would hold them (l3_straddled)
    error: cache: slots 5460-5460 are not assigned (slots)
    "#);
}

#[test]
fn every_kind_is_named_as_in_json() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn a_lost_host_is_replayed() {
    let plan = good_plan();
    let losses = losses(&plan, &Profiles::builtin().unwrap(), Level::Host);
    assert_eq!(losses.len(), 3);
    let loss = &losses[0];
    assert_eq!((loss.domain.as_str(), loss.service.as_str()), ("h1", "cache"));
    assert_eq!((loss.leads, loss.leads_lost), (3, 1));
    assert_eq!(loss.promoted, [InstanceName::new("cache-1").unwrap()]);
    assert_eq!((&loss.lost_groups[..], &loss.single_groups[..]), (&[][..], &[0, 2][..]));
    assert_eq!(loss.remaining_per_s, PerSecond::new(3 * USABLE));
    let failover = loss.failover.unwrap();
    // Half a node timeout until a ping is due, the timeout, and 2 s for the election.
    assert_eq!((failover.least_ms, failover.most_ms), (15_500, 24_500));
    assert_eq!(failover.node_timeout_ms, 15_000);
}

#[test]
fn no_time_is_promised_where_an_operator_has_to_help() {
    let mut plan = good_plan();
    for name in ["cache-2", "cache-3"] {
        let one = plan.instances.iter_mut().find(|one| one.name.as_str() == name).unwrap();
        one.host = HostName::new(if name == "cache-2" { "h1" } else { "h2" }).unwrap();
    }
    let losses = losses(&plan, &Profiles::builtin().unwrap(), Level::Host);
    assert_eq!(losses[0].leads_lost, 2);
    assert_eq!(losses[0].failover, None);
    // Only a replica is lost: nobody takes over, and nothing stops.
    assert_eq!((losses[1].leads_lost, losses[1].failover), (0, None));
}

#[test]
fn a_host_holds_as_many_machines_as_their_spread_lets_it() {
    let profiles = Profiles::builtin().unwrap();
    let spread = |at_most| Spread { per: Level::Host, at_most: NonZeroU32::new(at_most).unwrap() };
    let mut plan = good_plan();
    move_to(&mut plan, "builder-1", "h1", &[8, 9]);
    plan.vms[0].spread = Some(spread(1));
    let findings = rules(&plan, &profiles);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].message, r#"shares host "h1" with builder-0"#);
    plan.vms[0].spread = Some(spread(2));
    assert_eq!(rules(&plan, &profiles), []);
}

#[test]
fn one_host_may_hold_everything_where_nothing_is_promised() {
    let mut plan = good_plan();
    plan.policy = Policy::nothing();
    plan.vms[0].spread = None;
    for (place, instance) in plan.instances.iter_mut().enumerate() {
        instance.host = HostName::new("h1").unwrap();
        let place = u32::try_from(place).unwrap();
        instance.cpus = match place {
            0..=5 => cores(&[2 + place]),
            _ => cores(&[8 + 2 * (place - 6), 9 + 2 * (place - 6)]),
        };
    }
    // Nobody would plan two copies for it.
    assert_eq!(rules(&plan, &Profiles::builtin().unwrap()), []);
}

#[test]
fn nonsense_in_a_plan_file_is_found_and_never_panics() {
    let mut plan = good_plan();
    plan.network.as_mut().unwrap().prefix = 0;
    plan.services[0].layout.groups = u32::MAX;
    plan.services[0].capacity.usable_per_s = PerSecond::new(u64::MAX);
    plan.services[0].groups[1].slots = slots(u16::MAX, 0);
    plan.topology.hosts[0].numa[0].reserved_cores = u32::MAX;
    plan.instances[0].threads = 0;
    plan.instances[1].page_kib = 0;
    plan.instances[2].root.as_mut().unwrap().size_mib = Mebibytes::new(u64::MAX);
    plan.instances[3].service = ServiceName::new("gone").unwrap();
    plan.instances[4].cpus.clear();
    assert!(audited(&plan).len() >= 8);
}

#[test]
fn a_plan_is_one_of_its_spec_or_says_what_differs() {
    let plan = good_plan();
    let spec = spec_of(&plan);
    assert_eq!(against(&plan, &spec), []);
    let mut other = spec.clone();
    other.topology.hosts.remove(2);
    other.topology.hosts[0].numa[0].memory_mib = Mebibytes::from_gib(99);
    other.network.as_mut().unwrap().gateway = None;
    other.vms[0].count = 3;
    if let Demand::Sharded(demand) = &mut other.services[0].demand {
        demand.reads_per_s = PerSecond::new(1);
    }
    let shown: Vec<String> = against(&plan, &other).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    error: builder: its size, number or rules differs from what the spec says (spec)
    error: cache: its demand differs from what the spec says (spec)
    error: h1: its CPUs or memory differs from what its host file says (spec)
    error: h3: the spec has no such host (spec)
    error: shop: its network differs from what the spec says (spec)
    ");
    // While a host is emptied, a plan may promise less than its spec.
    let mut drained = plan.clone();
    drained.policy_when_whole = Some(plan.policy.clone());
    drained.policy = plan.policy.with_manual_quorum();
    assert_eq!(against(&drained, &spec), []);
}
