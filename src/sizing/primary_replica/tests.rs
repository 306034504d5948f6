//! Formulas, the promise after every loss, and what binds.

use super::layouts::MOST;
use super::load::{self, Costs, Load};
use super::memory::{self, Pool};
use crate::ids::{HostName, ServiceName};
use crate::plan::{Binding, L3Use};
use crate::profile::{PrimaryReplica, Profile, Profiles, Rules, real};
use crate::sizing::{Candidate, LimitedResource, SizingContext, SizingInput};
use crate::spec::{Demand, Engine, FailoverMode, Policy, RelationalDemand, Service};
use crate::topology::{
    Core, Host, L3Domain, Level, Migration, NumaNode, Pool as Disk, Topology, Virtualization,
};
use crate::units::{Mebibytes, PerSecond};

/// Hosts of eight L3 domains of eight cores with two threads each, and a disk.
fn hosts(iops: Option<u64>) -> Topology {
    let domain = |first: u32| L3Domain {
        size_kib: None,
        cores: (first..first + 8).map(|cpu| Core { cpus: vec![cpu, cpu + 64] }).collect(),
    };
    let numa = NumaNode {
        id: 0,
        l3: (0..8).map(|number| domain(number * 8)).collect(),
        memory_mib: Mebibytes::from_gib(1024),
        reserved_memory_mib: Mebibytes::ZERO,
        reserved_cores: 0,
        pages: Vec::new(),
    };
    let host = |name: &str| Host {
        name: HostName::new(name).unwrap(),
        uri: None,
        hypervisor: Virtualization::Kvm,
        labels: std::collections::BTreeMap::new(),
        numa: vec![numa.clone()],
        pools: vec![Disk {
            name: "default".to_owned(),
            capacity_mib: Mebibytes::from_gib(8192),
            iops_per_s: iops.map(PerSecond::new),
            shared: false,
        }],
        bridges: Vec::new(),
        network_bits_per_s: None,
        cost: 1,
        fence: None,
        migration: Migration::default(),
        architecture: Default::default(),
        assumed: Default::default(),
    };
    Topology::new(vec![host("a"), host("b"), host("c")])
}

fn demand(reads: u64, writes: u64, data_gib: u64, working: u32, shards: u32) -> RelationalDemand {
    RelationalDemand {
        reads_per_s: PerSecond::new(reads),
        writes_per_s: PerSecond::new(writes),
        data_mib: Mebibytes::from_gib(data_gib),
        working_set_percent: working,
        shards,
        failover: FailoverMode::Manual,
    }
}

/// The brief's example: 400 GiB of which a fifth is in use.
fn orders(shards: u32) -> RelationalDemand {
    demand(60_000, 4_000, 400, 20, shards)
}

fn with<T>(
    demand: &RelationalDemand,
    iops: Option<u64>,
    policy: &Policy,
    f: impl FnOnce(&SizingInput) -> T,
) -> T {
    let profiles = Profiles::builtin().unwrap();
    let service = Service {
        name: ServiceName::new("orders").unwrap(),
        engine: Engine::Mysql,
        demand: Demand::PrimaryReplica(demand.clone()),
        gateway: None,
        access: Default::default(),
        serve: None,
        prefer: Vec::new(),
    };
    let topology = hosts(iops);
    let context = SizingContext::new(policy, &topology);
    f(&SizingInput::new(&service, &profiles, &context).unwrap())
}

fn found(demand: &RelationalDemand) -> Vec<Candidate> {
    with(demand, Some(1_000_000), &Policy::surviving(Level::Host), |input| input.full())
}

fn rules<T>(f: impl FnOnce(&Profile, &PrimaryReplica) -> T) -> T {
    let profiles = Profiles::builtin().unwrap();
    let profile = profiles.of(Engine::Mysql).unwrap();
    let Rules::PrimaryReplica(rules) = &profile.rules else { panic!("mysql has primaries") };
    f(profile, rules)
}

const SURVIVES: bool = true;

#[test]
fn work_follows_the_formula() {
    rules(|_, rules| {
        let costs = Costs::of(rules, &orders(1), SURVIVES);
        // A write is 2 reads, 2.15 with a replica's word, 0.8 on each replica.
        assert_eq!((costs.alone, costs.write, costs.applied), (2.0, 2.15, 0.8));
        let load = Load::of(&orders(1), 1);
        assert_eq!(load.primary_work(costs), 8_600);
        // 60,000 + 4,000 · 2.15 + (3 - 1 - 1) · 4,000 · 0.8
        assert_eq!(load.left_work(costs, 3), 71_800);
        assert_eq!(load::work(&orders(1), costs, 3).get(), 60_000 + 8_600 + 6_400);
        // One copy writes without a replica's word.
        let alone = Costs::of(rules, &orders(1), !SURVIVES);
        assert_eq!(load.left_work(alone, 1), 68_000);
        assert_eq!(load::work(&orders(1), alone, 1).get(), 68_000);
    });
}

#[test]
fn copies_are_the_fewest_that_keep_the_promise() {
    rules(|_, rules| {
        for survives in [true, false] {
            let costs = Costs::of(rules, &orders(1), survives);
            for reads in [0, 1, 999, 20_000, 71_800] {
                for writes in [0, 7, 3_000] {
                    let load = Load::of(&demand(reads, writes, 1, 100, 1), 1);
                    for usable in [1, 2_000, 6_449, 6_450, 9_000, 30_000] {
                        let fits = |copies: &u64| {
                            let left = if survives { copies - 1 } else { *copies };
                            let primary = if *copies > 1 { costs.write } else { costs.alone };
                            ceil_of(writes, primary) <= usable
                                && load.left_work(costs, *copies) <= left * usable
                        };
                        let least = if survives { 2 } else { 1 };
                        let fewest = (least..100_000).find(fits);
                        assert_eq!(load.copies(costs, usable), fewest, "{load:?} {usable}");
                    }
                }
            }
        }
    });
}

fn ceil_of(writes: u64, cost: f64) -> u64 {
    crate::profile::ceil(real(writes) * cost)
}

#[test]
fn page_reads_are_those_that_were_measured_under_uniform_access() {
    rules(|_, rules| {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        // A pool of 12 in 24 GB, then of 2.
        near(memory::misses(rules, 100, 0.5), 0.5);
        near(memory::misses(rules, 100, 2.0 / 24.0), 22.0 / 24.0);
        near(memory::misses(rules, 100, 1.3), 0.0);
        // A pool of the working set misses only what is cold: 0.02 · 0.8.
        near(memory::misses(rules, 20, 0.2), 0.016);
        near(memory::misses(rules, 20, 0.1), 0.98 * 0.5 + 0.02 * 0.9);
    });
}

#[test]
fn operations_and_traffic_are_those_of_the_busiest_copy_that_is_left() {
    rules(|_, rules| {
        let costs = Costs::of(rules, &orders(1), SURVIVES);
        let load = Load::of(&orders(1), 1);
        // Two are left: (60,000 + 8,600 + 3,200) / 2 - 3,200 reads on the replica.
        assert_eq!(load.reads_of_one(costs, 3), 32_700.0);
        // 32,700 · 18 · 0.5 + 4,000 · (24.6 · 0.5 + 5)
        assert_eq!(load.iops(costs, 3, 0.5, rules), 294_300 + 69_200);
        // 8 · (32,700 · 10,000 + 4,000 · (10,000 + 2 · 1,500))
        assert_eq!(load.network(costs, 3, rules), 8 * (327_000_000 + 52_000_000));
        // One is left and does everything.
        assert_eq!(load.reads_of_one(costs, 2), 60_000.0);
        // Writes fill the primary: the replicas serve all reads.
        let busy = Load::of(&demand(100, 4_000, 1, 100, 1), 1);
        assert_eq!(busy.reads_of_one(costs, 4), 50.0);
    });
}

#[test]
fn memory_holds_the_pool_and_the_volume_the_log() {
    rules(|profile, rules| {
        let gib = Mebibytes::from_gib;
        let all = demand(0, 100, 96, 100, 1);
        let pool = |percent| Pool::new((profile, rules), &all, 1, percent);
        assert_eq!(pool(100).memory, gib(128));
        assert_eq!(pool(50).memory, gib(64));
        assert_eq!(memory::pool_mib((profile, rules), &all, 1, gib(64)), gib(48));
        // A small one leaves the guest its own: 2048 - 768, not 2048 · 0.75.
        assert_eq!(memory::pool_mib((profile, rules), &all, 1, gib(2)), Mebibytes::new(1_280));
        // 96 · 1.3 GiB and 4 h of 100 writes/s of 1,500 bytes: 127,796 + 2,060 MiB.
        let volume = memory::volume(profile, rules, gib(96), 100);
        assert_eq!(volume, Mebibytes::new(129_856));
        assert_eq!(memory::volume(profile, rules, Mebibytes::new(10), 0), gib(2));
        assert!(
            Pool::new((profile, rules), &demand(0, 100, 400, 5, 1), 1, 5).is_extrapolated(rules)
        );
        assert!(!pool(35).is_extrapolated(rules));
    });
}

#[test]
fn whatever_copy_is_lost_the_others_serve_the_whole_demand() {
    for demand in [orders(1), orders(4), demand(500, 9_000, 10, 100, 3)] {
        let all = found(&demand);
        assert!(!all.is_empty());
        for one in all {
            let (layout, capacity) = (&one.layout, one.capacity.as_ref().unwrap());
            let groups = u64::from(layout.groups);
            let (usable, left) = (capacity.usable_per_s.get(), u64::from(layout.copies) - 1);
            assert_eq!(one.max_per_domain, Some(layout.groups));
            assert_eq!(one.leaders, layout.groups);
            assert!(layout.groups <= demand.shards && layout.copies >= 2 && layout.copies <= 6);
            let part = |whole: PerSecond| whole.get().div_ceil(groups);
            let (reads, writes) = (part(demand.reads_per_s), part(demand.writes_per_s));
            // Thousandths of a read: 2.15 on the primary, 0.8 on a replica.
            let asked = reads * 1_000 + writes * 2_150 + (left - 1) * writes * 800;
            assert!(asked <= left * usable * 1_000 && writes * 2_150 <= usable * 1_000);
            assert!(capacity.demand_per_s <= capacity.total_per_s);
            assert_eq!(capacity.total_per_s.get(), usable * u64::from(layout.instances));
            assert!(one.iops.get() <= 1_000_000);
        }
    }
}

#[test]
fn layouts_are_few_and_none_is_needless() {
    let shown = |demand: &RelationalDemand| {
        let row = |one: &Candidate| {
            let (layout, capacity) = (&one.layout, one.capacity.as_ref().unwrap());
            format!(
                "{} x {} of {:>2} vCPU {:>6} MiB, {:>6} op/s, {:?}\n",
                layout.groups,
                layout.copies,
                layout.vcpus,
                layout.memory_mib.get(),
                one.iops.get(),
                capacity.binding
            )
        };
        found(demand).iter().map(row).collect::<String>()
    };
    insta::assert_snapshot!(shown(&orders(1)), @"
    1 x 5 of 48 vCPU 546176 MiB,  20000 op/s, Throughput
    1 x 5 of 48 vCPU 409600 MiB,  21964 op/s, Throughput
    1 x 5 of 48 vCPU 273088 MiB,  23927 op/s, Throughput
    1 x 5 of 48 vCPU 191168 MiB,  25105 op/s, Throughput
    1 x 5 of 48 vCPU 109248 MiB,  26283 op/s, Throughput
    1 x 4 of 64 vCPU 546176 MiB,  20000 op/s, Throughput
    1 x 4 of 64 vCPU 409600 MiB,  22454 op/s, Throughput
    1 x 4 of 64 vCPU 273088 MiB,  24908 op/s, Throughput
    1 x 4 of 64 vCPU 191168 MiB,  26381 op/s, Throughput
    1 x 4 of 64 vCPU 109248 MiB,  27853 op/s, Throughput
    ");
    for shards in [1, 2, 4, 16] {
        let count = found(&orders(shards)).len();
        assert!(count <= MOST, "{count} for {shards}");
    }
}

#[test]
fn what_binds_is_named() {
    let first = |demand: &RelationalDemand, iops: u64| {
        let all = with(demand, Some(iops), &Policy::surviving(Level::Host), |input| input.full());
        let of = |one: &Candidate| one.capacity.as_ref().unwrap().binding;
        let mut found: Vec<Binding> = all.iter().map(of).collect();
        found.sort_by_key(|binding| format!("{binding:?}"));
        found.dedup();
        found
    };
    let only = |binding| vec![binding];
    // Two copies of the smallest machine are enough.
    assert_eq!(first(&demand(100, 10, 1, 100, 1), 1_000_000), only(Binding::Copies));
    assert!(first(&orders(1), 1_000_000).contains(&Binding::Throughput));
    // No primary here takes 15,000 writes/s.
    assert_eq!(first(&demand(10, 30_000, 10, 100, 3), 1_000_000), only(Binding::Writes));
    // A slow disk asks for copies that share the reads.
    let slow = demand(350, 5, 400, 100, 1);
    assert!(first(&slow, 3_000).contains(&Binding::Iops));
}

#[test]
fn more_writes_than_primaries_take_are_reported_by_number() {
    let none = |demand: &RelationalDemand| {
        with(demand, None, &Policy::surviving(Level::Host), |input| {
            assert!(input.full().is_empty());
            (input.exceeded_limit().unwrap(), input.unconstrained())
        })
    };
    let (limit, beyond) = none(&demand(10, 90_000, 10, 100, 2));
    assert_eq!((limit.limited, limit.needed), (LimitedResource::PrimaryWrites, 45_000));
    assert!(limit.available < 45_000 && beyond.iter().all(|one| one.layout.groups > 2));
    let (limit, beyond) = none(&demand(900_000, 10, 10, 100, 1));
    assert_eq!((limit.limited, limit.available), (LimitedResource::GroupCopies, 6));
    assert!(
        limit.needed > 6 && beyond.iter().all(|one| u64::from(one.layout.copies) >= limit.needed)
    );
}

#[test]
fn without_a_promise_one_copy_may_do() {
    let all = with(&demand(5_000, 500, 20, 100, 1), None, &Policy::nothing(), |input| input.full());
    assert!(all.iter().any(|one| one.layout.copies == 1));
    assert!(all.iter().all(|one| one.max_per_domain.is_none()));
    // Without numbers of the disks an instance counts on 30,000 operations.
    assert!(all.iter().all(|one| one.iops.get() <= 30_000));
}

#[test]
fn a_share_of_the_demand_needs_less() {
    let demand = orders(1);
    let parts = with(&demand, None, &Policy::surviving(Level::Host), |input| input.partial());
    assert!(!parts.is_empty());
    for one in parts {
        let capacity = one.capacity.unwrap();
        assert!(one.unmet_per_s > PerSecond::ZERO && one.unmet_per_s < capacity.demand_per_s);
        assert!(capacity.placement.l3 != L3Use::Straddling || capacity.placement.cores > 8);
    }
}

#[test]
fn copies_that_elect_are_three_and_keep_messages_in_memory() {
    let elect = |writes| RelationalDemand {
        failover: FailoverMode::Automatic,
        ..demand(100, writes, 1, 100, 1)
    };
    let (pair, group) = (found(&demand(100, 10, 1, 100, 1)), found(&elect(10)));
    assert!(pair.iter().all(|one| one.layout.copies == 2));
    assert!(!group.is_empty() && group.iter().all(|one| one.layout.copies == 3));
    rules(|profile, rules| {
        let gib = Mebibytes::from_gib;
        let pool =
            |demand: &RelationalDemand| memory::pool_mib((profile, rules), demand, 1, gib(2)).get();
        // 2048 - 768 - 128 - 128: 30 s of 10 writes/s are less than the least that there is.
        assert_eq!((pool(&demand(100, 10, 1, 100, 1)), pool(&elect(10))), (1_280, 1_024));
        // 30 · 20,000 · 1,500 bytes
        assert_eq!(memory::cache_mib(rules, &elect(20_000), 1), Mebibytes::new(859));
        assert_eq!(memory::cache_mib(rules, &elect(20_000), 4), Mebibytes::new(215));
    });
}
