//! Edits of a spec, carried out.

use crate::ids::ServiceName;
use crate::sizing::{Ratio, Scale};
use crate::solve::Edit;
use crate::spec::{Demand, FixedVm, Service, Spec};
use crate::topology::{Architecture, PagePool};

/// The size of a small huge page in KiB.
const SMALL_PAGE: u64 = 2_048;

/// Returns the spec with all of these edits; `None` if one of them is none of it.
pub(super) fn edited(spec: &Spec, edits: &[Edit]) -> Option<Spec> {
    let mut edited = spec.clone();
    edits.iter().all(|edit| apply(&mut edited, edit).is_some()).then_some(edited)
}

fn apply(spec: &mut Spec, edit: &Edit) -> Option<()> {
    match edit {
        Edit::Bridge => {
            let bridge = spec.network.as_ref()?.bridge.clone();
            for host in &mut spec.topology.hosts {
                if !host.bridges.contains(&bridge) {
                    host.bridges.push(bridge.clone());
                }
            }
        }
        Edit::Architecture => {
            for host in &mut spec.topology.hosts {
                host.architecture = Architecture::X86;
            }
        }
        Edit::Addresses(more) => {
            let network = spec.network.as_mut()?;
            let last = u32::from(network.last).checked_add(u32::try_from(*more).ok()?)?;
            network.last = last.into();
            // The last address of a subnet reaches everybody.
            let beyond = last.checked_add(1)?.into();
            return network.contains(beyond).then_some(());
        }
        Edit::ManualQuorum(_) => spec.policy = spec.policy.with_manual_quorum(),
        Edit::NoSurvival => spec.policy.survive.clear(),
        Edit::Count { vms, count } => machines(spec, vms)?.count = *count,
        Edit::SmallPages => {
            for node in spec.topology.hosts.iter_mut().flat_map(|host| &mut host.numa) {
                let held = node.pages.iter().map(|one| one.size_kib.saturating_mul(one.count));
                let held = held.fold(0, u64::saturating_add);
                let small = PagePool { size_kib: SMALL_PAGE, count: held / SMALL_PAGE };
                node.pages = if held > 0 { vec![small] } else { Vec::new() };
            }
        }
        Edit::Spread { vms, spread } => machines(spec, vms)?.spread = Some(*spread),
        Edit::NoSpread { vms } => machines(spec, vms)?.spread = None,
        Edit::AnyHost { vms } => {
            let machines = machines(spec, vms)?;
            (machines.on, machines.not_on) = (Vec::new(), Vec::new());
        }
        Edit::NoApart { vms } => machines(spec, vms)?.apart.clear(),
        Edit::NoNear { vms } => machines(spec, vms)?.near.clear(),
        Edit::NoRestart { vms } => machines(spec, vms)?.restart = false,
        Edit::Size { vms, vcpus, memory, disk } => {
            let machines = machines(spec, vms)?;
            (machines.vcpus, machines.memory_mib, machines.disk_mib) = (*vcpus, *memory, *disk);
        }
        Edit::Copies { service, copies } => match demand(spec, service)? {
            Demand::Quorum(demand) => demand.copies = *copies,
            Demand::Sharded(demand) => demand.copies = Some(*copies),
            _ => return None,
        },
        Edit::ShardsPerQuery { service, shards } => match demand(spec, service)? {
            Demand::Quorum(demand) => demand.shards_per_query = Some(*shards),
            _ => return None,
        },
        Edit::Shards { service, shards } => match demand(spec, service)? {
            Demand::PrimaryReplica(demand) => demand.shards = *shards,
            _ => return None,
        },
        Edit::WorkingSet { service, percent } => match demand(spec, service)? {
            Demand::PrimaryReplica(demand) => demand.working_set_percent = *percent,
            _ => return None,
        },
        Edit::CpuTime { service, micros } => match demand(spec, service)? {
            Demand::Pool(demand) => demand.cpu_us = *micros,
            _ => return None,
        },
        Edit::Split { service, parts, .. } => return split(spec, service, *parts),
    }
    Some(())
}

fn machines<'a>(spec: &'a mut Spec, name: &ServiceName) -> Option<&'a mut FixedVm> {
    spec.vms.iter_mut().find(|vm| vm.name == *name)
}

fn demand<'a>(spec: &'a mut Spec, name: &ServiceName) -> Option<&'a mut Demand> {
    spec.services.iter_mut().find(|one| one.name == *name).map(|one| &mut one.demand)
}

/// Puts so many services in the place of one, each with its part of load and data.
fn split(spec: &mut Spec, name: &ServiceName, parts: u64) -> Option<()> {
    let at = spec.services.iter().position(|one| one.name == *name)?;
    let whole = spec.services.get(at)?.clone();
    let part = |number: u64| {
        let name = ServiceName::new(format!("{}-{number}", whole.name)).ok()?;
        let demand = whole.demand.scaled(Ratio::new(1, parts));
        Some(Service { name, demand, ..whole.clone() })
    };
    let all: Vec<Service> = (1..=parts).map(part).collect::<Option<_>>()?;
    spec.services.splice(at..=at, all);
    Some(())
}
