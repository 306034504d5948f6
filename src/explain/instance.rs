//! Where else an instance could be placed: it alone is moved to every other host, all
//! others stay, and the audit checks what comes of it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Totals;
use crate::audit::{Finding, Severity, rules};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan};
use crate::profile::Profiles;
use crate::topology::{Host, NumaNode};
use crate::units::Mebibytes;

/// Why an instance is placed where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceWhy {
    /// The instance.
    pub name: InstanceName,
    /// Where it is placed.
    pub host: HostName,
    /// Every other host.
    pub elsewhere: Vec<Elsewhere>,
}

/// Another host for an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// The host.
    pub host: HostName,
    /// What would come of it.
    pub verdict: Verdict,
}

/// What comes of moving one instance and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is too little of something: what it needs, what is free at most.
    NoRoom {
        /// Of what.
        resource: &'static str,
        /// What the instance needs.
        needs: u64,
        /// The most that is free in one place.
        free: u64,
        /// Unit of both.
        unit: &'static str,
    },
    /// Rules would be broken: the findings of the audit.
    Breaks(Vec<Finding>),
    /// The plan is valid with the move, with these totals.
    Possible {
        /// Totals of the plan with the move.
        totals: Totals,
        /// Cores taken on the busiest host.
        busiest: u64,
    },
}

/// Returns why an instance is placed where it is; `None` if the plan has none of that
/// name.
#[must_use]
pub fn instance(plan: &Plan, profiles: &Profiles, name: &InstanceName) -> Option<InstanceWhy> {
    let own = plan.instance(name)?;
    let before: BTreeSet<Finding> = rules(plan, profiles).into_iter().collect();
    let others = plan.topology.hosts.iter().filter(|host| host.name != own.host);
    let elsewhere = others.map(|host| {
        let verdict = match moved(plan, own, host) {
            Err(verdict) => verdict,
            Ok(plan) => checked(&plan, profiles, &before),
        };
        Elsewhere { host: host.name.clone(), verdict }
    });
    Some(InstanceWhy { name: name.clone(), host: own.host.clone(), elsewhere: elsewhere.collect() })
}

fn checked(plan: &Plan, profiles: &Profiles, before: &BTreeSet<Finding>) -> Verdict {
    let new = rules(plan, profiles).into_iter().filter(|one| !before.contains(one));
    let broken: Vec<Finding> = new.filter(|one| one.severity == Severity::Error).collect();
    if !broken.is_empty() {
        return Verdict::Breaks(broken);
    }
    let hosts = plan.topology.hosts.iter();
    let busiest = hosts.map(|host| taken(plan, host).len() as u64).max().unwrap_or(0);
    Verdict::Possible { totals: Totals::of(plan), busiest }
}

/// Returns the plan with one instance on another host, on the first cores that are free.
fn moved(plan: &Plan, own: &Instance, host: &Host) -> Result<Plan, Verdict> {
    let taken = taken(plan, host);
    let threads = host.threads_per_core();
    let needs = u64::try_from(own.cpus.len()).unwrap_or(u64::MAX).div_ceil(threads.into());
    let (node, cores) = room(plan, own, host, &taken, needs)?;
    let (cpus, spare) = (own.cpus.len(), threads as usize);
    let mut plan = plan.clone();
    let instance = plan.instances.iter_mut().find(|one| one.name == own.name);
    if let Some(instance) = instance {
        let all = cores.iter().flat_map(|core| core.iter().take(spare).copied());
        instance.cpus = all.take(cpus).collect();
        instance.threads = if cpus % spare == 0 { threads } else { 1 };
        instance.numa = node.id;
        instance.host = host.name.clone();
        instance.page_kib = 4;
        instance.emulator_cpus = match host.reserved_cpus() {
            none if none.is_empty() => instance.cpus.clone(),
            reserved => reserved,
        };
        let pool = host.pools.first().map(|pool| pool.name.clone()).unwrap_or_default();
        for volume in instance.root.iter_mut().chain(&mut instance.data).chain(&mut instance.seed) {
            volume.pool.clone_from(&pool);
        }
    }
    Ok(plan)
}

/// Returns a NUMA node with enough cores and memory, and the cores.
fn room<'a>(
    plan: &Plan,
    own: &Instance,
    host: &'a Host,
    taken: &BTreeSet<u32>,
    needs: u64,
) -> Result<(&'a NumaNode, Vec<Vec<u32>>), Verdict> {
    let free = |node: &NumaNode| -> Vec<Vec<u32>> {
        let own = node.cores().skip(node.reserved_cores as usize);
        let free = own.filter(|core| core.cpus.iter().all(|cpu| !taken.contains(cpu)));
        free.map(|core| core.cpus.clone()).collect()
    };
    let memory = |node: &NumaNode| {
        let here = plan.on_host(&host.name).filter(|one| one.numa == node.id);
        let used: Mebibytes = here.map(|one| with_overhead(host, one)).sum();
        node.allocatable_memory().saturating_sub(used)
    };
    let nodes = || host.numa.iter();
    let most = nodes().map(|node| free(node).len() as u64).max().unwrap_or(0);
    if most < needs {
        return Err(Verdict::NoRoom { resource: "cores", needs, free: most, unit: "cores" });
    }
    let with_cores = || nodes().filter(|node| free(node).len() as u64 >= needs);
    let most = with_cores().map(memory).max().unwrap_or(Mebibytes::ZERO);
    let node = with_cores().find(|node| memory(node) >= with_overhead(host, own));
    let node = node.ok_or(Verdict::NoRoom {
        resource: "memory",
        needs: with_overhead(host, own).get(),
        free: most.get(),
        unit: "MiB",
    })?;
    let mut cores = free(node);
    cores.truncate(usize::try_from(needs).unwrap_or(usize::MAX));
    Ok((node, cores))
}

/// Returns the memory of an instance with what QEMU itself takes on a host.
fn with_overhead(host: &Host, one: &Instance) -> Mebibytes {
    one.memory_mib.saturating_add(host.overhead(one.vcpus(), one.memory_mib))
}

/// Returns the CPUs of a host that belong to instances, siblings included.
fn taken(plan: &Plan, host: &Host) -> BTreeSet<u32> {
    let pinned: BTreeSet<u32> =
        plan.on_host(&host.name).flat_map(|one| one.cpus.iter().copied()).collect();
    let cores = host.numa.iter().flat_map(NumaNode::cores);
    let taken = cores.filter(|core| core.cpus.iter().any(|cpu| pinned.contains(cpu)));
    taken.flat_map(|core| core.cpus.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_other_host_is_checked() {
        let plan = sample::plan();
        let profiles = Profiles::builtin().unwrap();
        let name = InstanceName::new("cache-3").unwrap();
        let why = instance(&plan, &profiles, &name).unwrap();
        assert_eq!(why.host.as_str(), "h2");
        let [h1, h3] = why.elsewhere.as_slice() else { panic!("{why:?}") };
        // Its master is on h1.
        let Verdict::Breaks(rules) = &h1.verdict else { panic!("{h1:?}") };
        assert!(
            rules[0].message.contains("shares host \"h1\" with another copy of group 0"),
            "{rules:?}"
        );
        let Verdict::Possible { totals, busiest } = &h3.verdict else { panic!("{h3:?}") };
        assert_eq!((totals.hosts, totals.cores, *busiest), (3, 6, 3));
        assert_eq!(instance(&plan, &profiles, &InstanceName::new("x-0").unwrap()), None);
    }
}
