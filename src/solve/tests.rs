//! What the packing proves must be so: the program per host alone, without a
//! start and without a bound from elsewhere, finds the same values.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::exact::exact;
use super::pack::{BranchOnHosts, Packed, pack};
use super::tiers::solve;
use super::{Deadline, Limits, SolveError};
use crate::ids::{HostName, ServiceName};
use crate::model::{CandidateHost, FixedRules, NumaCapacity, Part, PartKind, Problem, Shape};
use crate::plan::{Binding, Capacity, CpuPlacement, L3Use, Layout};
use crate::sizing::Candidate;
use crate::spec::{Cluster, Quorum, Spread, Survive};
use crate::topology::{Core, Host, L3Domain, Level, NumaNode, Pool, Virtualization};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// Cores of each NUMA node, GiB, disk, price, rack.
type Kit = (Vec<u32>, u64, u64, u64, u8);

fn host(at: usize, (nodes, gib, disk, cost, rack): &Kit) -> Host {
    let node = |(id, cores): (u32, &u32)| NumaNode {
        id,
        l3: vec![L3Domain {
            size_kib: None,
            cores: (0..*cores).map(|core| Core { cpus: vec![id * 100 + core] }).collect(),
        }],
        memory_mib: Mebibytes::from_gib(*gib),
        reserved_memory_mib: Mebibytes::ZERO,
        reserved_cores: 0,
        pages: Vec::new(),
    };
    let labels = (*rack > 0).then(|| (Level::Rack, format!("r{rack}")));
    Host {
        name: HostName::new(format!("h{at}")).unwrap(),
        uri: None,
        hypervisor: Virtualization::Kvm,
        labels: labels.into_iter().collect(),
        numa: (0..).zip(nodes).map(node).collect(),
        pools: ["a", "b"][..1 + usize::from(*disk > 60)]
            .iter()
            .map(|name| Pool {
                name: (*name).to_owned(),
                capacity_mib: Mebibytes::from_gib(*disk),
                iops_per_s: Some(PerSecond::new(*disk * 10)),
                shared: false,
            })
            .collect(),
        bridges: Vec::new(),
        network_bits_per_s: (*disk % 2 == 0).then(|| BitsPerSecond::new(*disk * 40_000_000)),
        cost: *cost,
        fence: None,
        migration: Default::default(),
        architecture: Default::default(),
        assumed: Default::default(),
    }
}

fn shape(vcpus: u32, gib: u64, disk: u64) -> Shape {
    Shape {
        vcpus,
        memory_mib: gib * 1024,
        data_mib: 0,
        disk_mib: disk * 1024,
        bits_per_s: disk * 10_000_000,
        iops_per_s: disk * 7,
        is_witness: false,
        allowed: None,
        placement: None,
    }
}

fn candidate(shape: Shape, instances: u32, served: Option<(u32, u32)>) -> Candidate {
    let capacity = served.map(|_| Capacity {
        unit: "reads".to_owned(),
        ceiling_per_s: PerSecond::new(100),
        usable_per_s: PerSecond::new(50),
        total_per_s: PerSecond::new(1000),
        demand_per_s: PerSecond::new(500),
        iops_per_s: PerSecond::ZERO,
        binding: Binding::Throughput,
        placement: CpuPlacement { cores: 1, l3: L3Use::Straddling },
        extrapolated: false,
    });
    Candidate {
        layout: Layout {
            groups: served.map_or(1, |(leaders, _)| leaders),
            copies: 2,
            instances,
            vcpus: shape.vcpus,
            memory_mib: Mebibytes::new(shape.memory_mib),
            data_mib: Mebibytes::ZERO,
            witness: None,
        },
        capacity,
        unmet_per_s: PerSecond::ZERO,
        network: BitsPerSecond::new(shape.bits_per_s),
        iops: PerSecond::new(shape.iops_per_s),
        root_mib: None,
        max_per_domain: served.map(|(_, max_per_domain)| max_per_domain),
        leaders: served.map_or(0, |(leaders, _)| leaders),
    }
}

/// Returns a service with two layouts: three small groups or five smaller ones.
fn service() -> Part {
    let shapes = vec![shape(3, 3, 4), shape(2, 2, 3)];
    let candidates =
        vec![candidate(shapes[0], 6, Some((3, 3))), candidate(shapes[1], 10, Some((5, 5)))];
    Part { name: "cache".to_owned(), kind: PartKind::Service(Cluster::Sharded), candidates, shapes }
}

fn fixed(at: usize, (vcpus, gib, disk, count, spread): (u32, u64, u64, u32, u8)) -> Part {
    let per = [Level::Host, Level::Rack][usize::from(spread % 2)];
    let at_most = NonZeroU32::new((spread / 2).into());
    let spread = at_most.map(|at_most| Spread { per, at_most });
    let shape = shape(vcpus, gib, disk);
    Part {
        name: ServiceName::new(format!("m{at}")).unwrap().to_string(),
        kind: PartKind::Fixed(FixedRules { spread, restart: false }),
        candidates: vec![candidate(shape, count, None)],
        shapes: vec![shape],
    }
}

fn problem<'a>(hosts: &'a [Host], parts: Vec<Part>, survive: Vec<Survive>) -> Problem<'a> {
    let mut classes: BTreeMap<String, Vec<&'a Host>> = BTreeMap::new();
    for host in hosts {
        let Host { numa, pools, network_bits_per_s, cost, labels, .. } = host;
        let key = format!("{cost} {numa:?} {pools:?} {network_bits_per_s:?} {labels:?}");
        classes.entry(key).or_default().push(host);
    }
    let hosts = classes.into_values().enumerate().flat_map(|(class, hosts)| {
        hosts.into_iter().map(move |host| CandidateHost {
            host,
            class,
            numa: host
                .numa
                .iter()
                .map(|node| NumaCapacity {
                    node,
                    cores: node.allocatable_cores().into(),
                    memory_mib: node.allocatable_memory().get(),
                    // Some have huge pages and little memory besides.
                    overhead_mib: (host.cost % 3 == 0).then_some(400),
                })
                .collect(),
            pools: host.pools.iter().map(|pool| (pool, pool.capacity_mib.get())).collect(),
        })
    });
    let (hosts, requirements) = (hosts.collect(), Vec::new());
    Problem {
        parts,
        hosts,
        survive,
        allowed: Vec::new(),
        apart: Vec::new(),
        near: Vec::new(),
        preferred: BTreeMap::new(),
        addresses: None,
        requirements,
        prior: Vec::new(),
        cannot_stay: 0,
        prior_hosts: Vec::new(),
        prior_memory: Default::default(),
        prior_layouts: Vec::new(),
    }
}

/// Returns the values and bounds of all tiers, or that there is no plan.
fn values(found: Result<super::Solution, SolveError>) -> Option<Vec<(u64, u64)>> {
    let found = found.ok()?;
    let all: Vec<(u64, u64)> = found.tiers.iter().map(|one| (one.value, one.bound)).collect();
    (all[0].0 == 0).then_some(all)
}

fn kits() -> impl Strategy<Value = Vec<Kit>> {
    let kit = (proptest::collection::vec(2u32..9, 1..3), 4u64..20, 20u64..100, 1u64..6, 0u8..3);
    let times = proptest::collection::vec((kit, 1usize..4), 1..4);
    times.prop_map(|all| all.into_iter().flat_map(|(kit, n)| vec![kit; n]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn packing_changes_no_value(
        kits in kits(),
        machines in proptest::collection::vec((1u32..6, 1u64..8, 1u64..30, 1u32..5, 0u8..6), 1..6),
        survives in 0u8..4,
        serves in any::<bool>(),
        prefers in proptest::option::of(proptest::collection::vec(any::<bool>(), 9)),
        rules in proptest::collection::vec((any::<bool>(), 0usize..6, 0usize..6), 0..3),
    ) {
        let hosts: Vec<Host> = kits.iter().enumerate().map(|(at, kit)| host(at, kit)).collect();
        let mut parts: Vec<Part> = serves.then(service).into_iter().collect();
        parts.extend(machines.into_iter().enumerate().map(|(at, one)| fixed(at, one)));
        let level = [None, Some(Level::Host), Some(Level::Rack), Some(Level::Host)];
        let quorum = if survives == 3 { Quorum::Manual } else { Quorum::Automatic };
        let survive = level[usize::from(survives)].map(|level| Survive { level, quorum });
        let mut problem = problem(&hosts, parts, survive.into_iter().collect());
        if let Some(mut hosts) = prefers.filter(|_| serves) {
            hosts.truncate(problem.hosts.len());
            problem.preferred.insert(0, hosts);
        }
        for (is_near, one, other) in rules {
            let parts = problem.parts.len();
            let (one, other) = (one % parts, other % parts);
            let is_fixed = matches!(problem.parts[one].kind, PartKind::Fixed(_));
            let rules = if is_near { &mut problem.near } else { &mut problem.apart };
            rules.extend((is_fixed && one != other).then_some((one, other)));
        }
        let limits = Limits::default();
        let alone = values(exact(&problem, None, &Deadline::new(&limits)));
        prop_assert_eq!(&values(solve(&problem, &limits)), &alone);

        // Branching on hosts, which small problems do without, finds and proves the least cost.
        let branched = pack(&problem, BranchOnHosts::Always, &Deadline::new(&limits));
        if let (Ok(Packed::Feasible(found)), Some(alone)) = (branched, &alone)
            && let [unmet, cost, ..] = found.tiers.as_slice()
        {
            prop_assert_eq!(unmet.value, 0);
            prop_assert_eq!((cost.value, cost.bound), (alone[1].0, alone[1].0));
        }

        // With a gap each tier ends within it, and the bounds still hold.
        let gap = Limits { gap: 0.1, ..limits };
        let loose = values(solve(&problem, &gap));
        prop_assert_eq!(loose.is_some(), alone.is_some());
        let (Some(loose), Some(alone)) = (loose, alone) else { return Ok(()) };
        prop_assert!(loose.iter().all(|(value, bound)| bound <= value && value * 9 <= bound * 10));
        prop_assert!(loose[1].1 <= alone[1].0 && alone[1].0 <= loose[1].0, "{loose:?} {alone:?}");
    }
}
