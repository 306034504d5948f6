//! Machines that are to be restarted once their failure domain is lost: each has a place
//! outside of it, and the loss of each failure domain is replayed on what the others have:
//! whole cores, pages and ordinary memory with that of QEMU, space and operations of pools,
//! bandwidth, the spread of the machines and what they are beside.
//!
//! The failure domains are those of the widest level that is survived, else hosts. Of a smaller
//! one within it less is lost, and more is left: the same places do.

use std::collections::{BTreeMap, BTreeSet};

use super::fixed::is_allowed;
use super::hosts::{self, ORDINARY_KIB};
use super::index::Index;
use super::loss::domains;
use super::neighbours;
use super::service::bandwidth_of;
use super::{Findings, Kind};
use crate::ids::HostName;
use crate::plan::{Instance, Plan, RestartPlace, Volume};
use crate::profile::Profiles;
use crate::spec::{FixedVm, Spread};
use crate::topology::{Host, Level, NumaNode};
use crate::units::Mebibytes;

pub(super) fn check(plan: &Plan, profiles: &Profiles, index: &Index<'_>, findings: &mut Findings) {
    let is_concerned = plan.vms.iter().any(|vm| vm.restart)
        || plan.instances.iter().any(|one| one.restart.is_some());
    if !is_concerned {
        return;
    }
    let level = plan.policy.survive.last().map_or(Level::Host, |survive| survive.level);
    let domains = domains(plan, level);
    for machine in &plan.instances {
        let vm = plan.vms.iter().find(|vm| vm.name == machine.service);
        let wanted = vm.is_some_and(|vm| vm.restart);
        match &machine.restart {
            None if wanted => {
                let message = "no place where it is restarted once its host is lost";
                findings.add(Kind::Restart, &machine.name, message);
            }
            Some(_) if !wanted => {
                let message = "a place where it is restarted, and none was asked for";
                findings.add(Kind::Restart, &machine.name, message);
            }
            Some(place) => {
                let found = Place { plan, index, domains: &domains, machine, place };
                found.check(findings);
            }
            None => {}
        }
    }
    let losses: BTreeSet<&String> = domains.values().collect();
    for lost in losses {
        let replay = Replay::new(plan, index, &domains, (level, lost));
        replay.check(profiles, findings);
    }
}

/// A machine and where it is restarted.
#[derive(Clone, Copy)]
struct Place<'a> {
    plan: &'a Plan,
    index: &'a Index<'a>,
    domains: &'a BTreeMap<&'a HostName, String>,
    machine: &'a Instance,
    place: &'a RestartPlace,
}

impl Place<'_> {
    fn check(&self, findings: &mut Findings) {
        let Self { machine, place, .. } = self;
        let mut wrong = |message: String| findings.add(Kind::Restart, &machine.name, message);
        let Some(host) = self.index.host(&place.host).filter(|host| self.may_run(host)) else {
            wrong(format!("is restarted on {}, which can take no instance", place.host));
            return;
        };
        if self.domains.get(&place.host) == self.domains.get(&machine.host) {
            wrong(format!("is restarted on {}, which is lost with it", place.host));
        }
        if host.numa_node(place.numa).is_none() {
            wrong(format!("is restarted on NUMA node {} of {}: unknown", place.numa, host.name));
        }
        let is_known = |pool: &String| host.pool(pool).is_some();
        match (&machine.root, &place.pool) {
            (None, None) => {}
            (Some(_), Some(pool)) if is_known(pool) => {}
            (_, pool) => {
                let pool = pool.as_deref().unwrap_or("none");
                wrong(format!("pool of {} for its disks: {pool}", host.name));
            }
        }
        if let Some(root) = &machine.root
            && self.is_seen_elsewhere(root)
            && !self.keeps_its_disks()
        {
            let message = format!("is restarted where its disks in pool {:?} are not", root.pool);
            wrong(message);
        }
    }

    /// Whether a host is one that the machine may be planned on.
    fn may_run(&self, host: &Host) -> bool {
        let vm = self.plan.vms.iter().find(|vm| vm.name == self.machine.service);
        let bridge = self.plan.network.as_ref().map(|network| &network.bridge);
        host.architecture.is_of_guests()
            && !self.plan.drained.contains(&host.name)
            && bridge.is_none_or(|bridge| host.bridges.contains(bridge))
            && vm.is_none_or(|vm| is_allowed(vm, host))
    }

    fn is_shared(host: &Host, pool: &str) -> bool {
        host.pool(pool).is_some_and(|pool| pool.shared)
    }

    /// Whether a host outside of the machine's failure domain has its disks.
    fn is_seen_elsewhere(&self, root: &Volume) -> bool {
        let own = self.domains.get(&self.machine.host);
        let here = self.index.host(&self.machine.host);
        here.is_some_and(|host| Self::is_shared(host, &root.pool))
            && self.plan.topology.hosts.iter().any(|host| {
                self.domains.get(&host.name) != own
                    && self.may_run(host)
                    && Self::is_shared(host, &root.pool)
            })
    }

    /// Whether its disks are where it is restarted, so that they take nothing there.
    fn keeps_its_disks(&self) -> bool {
        let pool = self.place.pool.as_deref();
        let hosts = [&self.machine.host, &self.place.host];
        let root = self.machine.root.as_ref();
        root.is_some_and(|root| {
            Some(root.pool.as_str()) == pool
                && hosts.iter().all(|name| {
                    self.index.host(name).is_some_and(|host| Self::is_shared(host, &root.pool))
                })
        })
    }
}

/// The loss of a failure domain.
struct Replay<'a> {
    plan: &'a Plan,
    index: &'a Index<'a>,
    domains: &'a BTreeMap<&'a HostName, String>,
    level: Level,
    lost: &'a String,
    /// Machines that come to each host.
    coming: BTreeMap<&'a HostName, Vec<Place<'a>>>,
}

impl<'a> Replay<'a> {
    fn new(
        plan: &'a Plan,
        index: &'a Index<'a>,
        domains: &'a BTreeMap<&'a HostName, String>,
        (level, lost): (Level, &'a String),
    ) -> Self {
        let mut coming: BTreeMap<&HostName, Vec<Place>> = BTreeMap::new();
        let gone = |one: &&Instance| domains.get(&one.host) == Some(lost);
        for machine in plan.instances.iter().filter(gone) {
            if let Some(place) = &machine.restart {
                let place = Place { plan, index, domains, machine, place };
                coming.entry(&place.place.host).or_default().push(place);
            }
        }
        Self { plan, index, domains, level, lost, coming }
    }

    fn check(&self, profiles: &Profiles, findings: &mut Findings) {
        for (name, coming) in &self.coming {
            let Some(host) = self.index.host(name) else { continue };
            for node in &host.numa {
                self.numa(host, node, coming, findings);
            }
            self.pools(host, coming, findings);
            self.bandwidth(host, coming, profiles, findings);
        }
        for vm in self.plan.vms.iter().filter(|vm| vm.restart) {
            self.spread(vm, findings);
        }
        let is_lost = |host: &HostName| self.domains.get(host) == Some(self.lost);
        let lost = format!("{} {:?}", self.level, self.lost);
        neighbours::after_loss(self.plan, is_lost, &lost, findings);
    }

    /// Adds that a host is short of something after the loss.
    fn short(&self, host: &Host, what: &str, needed: u64, has: u64, findings: &mut Findings) {
        if needed > has {
            let (level, lost) = (self.level, self.lost);
            let message = format!(
                "after the loss of {level} {lost:?} it needs {needed} {what}; it has {has}"
            );
            findings.add(Kind::Restart, &host.name, message);
        }
    }

    fn numa(&self, host: &Host, node: &NumaNode, coming: &[Place], findings: &mut Findings) {
        let coming: Vec<&Place> = coming.iter().filter(|one| one.place.numa == node.id).collect();
        if coming.is_empty() {
            return;
        }
        let here = || self.plan.on_host(&host.name).filter(|one| one.numa == node.id);
        let pinned: BTreeSet<u32> = here().flat_map(|one| one.cpus.iter().copied()).collect();
        let cores = || node.cores().skip(node.reserved_cores as usize);
        let taken = cores().filter(|core| core.cpus.iter().any(|cpu| pinned.contains(cpu)));
        let threads = host.numa.iter().flat_map(NumaNode::cores).map(|core| core.cpus.len());
        let threads = threads.min().unwrap_or(1).max(1);
        let more = coming.iter().map(|one| one.machine.cpus.len().div_ceil(threads));
        let needed = taken.count().saturating_add(more.sum());
        self.short(host, "cores", needed as u64, cores().count() as u64, findings);
        let all = || {
            let more = coming.iter().map(|one| (one.machine, one.place.page_kib));
            here().map(|one| (one, one.page_kib)).chain(more)
        };
        let overhead: Mebibytes = all().map(|(one, _)| hosts::overhead(host, one)).sum();
        let ordinary =
            all().filter(|(_, page)| *page == ORDINARY_KIB).map(|(one, _)| one.memory_mib);
        let needed = ordinary.sum::<Mebibytes>().saturating_add(overhead);
        self.short(host, "MiB", needed.get(), hosts::ordinary_memory(node).get(), findings);
        let sizes: BTreeSet<u64> = coming.iter().map(|one| one.place.page_kib).collect();
        for size in sizes.into_iter().filter(|size| *size != ORDINARY_KIB) {
            let pages = all().filter(|(_, page)| *page == size);
            let pages = pages.map(|(one, _)| one.memory_mib.kib().checked_div(size));
            let needed =
                pages.fold(0u64, |sum, pages| sum.saturating_add(pages.unwrap_or(u64::MAX)));
            let divides = all().filter(|(_, page)| *page == size);
            let is_whole =
                divides.into_iter().all(|(one, _)| one.memory_mib.kib().is_multiple_of(size));
            let there = node.pages.iter().find(|pool| pool.size_kib == size && is_whole);
            let there = there.map_or(0, |pool| pool.count);
            self.short(host, &format!("pages of {size} KiB"), needed, there, findings);
        }
    }

    /// Disks that are restored need space and operations.
    fn pools(&self, host: &Host, coming: &[Place], findings: &mut Findings) {
        for pool in &host.pools {
            let is_here = |volume: &&Volume| volume.pool == pool.name;
            let restored = coming.iter().filter(|one| {
                one.place.pool.as_deref() == Some(&pool.name) && !one.keeps_its_disks()
            });
            let restored: Vec<&Instance> = restored.map(|one| one.machine).collect();
            if restored.is_empty() {
                continue;
            }
            let image =
                self.plan.image.as_ref().map_or(Mebibytes::ZERO, |one| one.virtual_size_mib);
            let volumes = self.plan.volumes_on(&host.name).filter(is_here);
            let more = restored.iter().flat_map(|one| hosts::volumes(one));
            let space: Mebibytes = volumes.chain(more).map(|volume| volume.size_mib).sum();
            let space = space.saturating_add(image).get();
            self.short(host, "MiB of disk", space, pool.capacity_mib.get(), findings);
            let Some(most) = pool.iops_per_s else { continue };
            let works = |one: &&Instance| {
                one.data.as_ref().or(one.root.as_ref()).is_some_and(|one| one.pool == pool.name)
            };
            let all = self.plan.on_host(&host.name).filter(works).chain(restored);
            let rates = all.map(|one| hosts::operations(self.plan, one));
            let needed = rates.fold(0, u64::saturating_add);
            self.short(host, "I/O operations/s", needed, most.get(), findings);
        }
    }

    fn bandwidth(
        &self,
        host: &Host,
        coming: &[Place],
        profiles: &Profiles,
        findings: &mut Findings,
    ) {
        let Some(most) = host.network_bits_per_s else { return };
        let all = self.plan.on_host(&host.name).chain(coming.iter().map(|one| one.machine));
        let needed = all.map(|one| bandwidth_of(self.plan, profiles, one));
        let needed = needed.fold(0u128, u128::saturating_add);
        let needed = u64::try_from(needed).unwrap_or(u64::MAX);
        self.short(host, "bit/s", needed, most.get(), findings);
    }

    /// No failure domain of the entry's spread holds too many of its machines after the loss.
    fn spread(&self, vm: &FixedVm, findings: &mut Findings) {
        let Some(Spread { per, at_most }) = vm.spread else { return };
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        for machine in self.plan.members(&vm.name) {
            let is_lost = self.domains.get(&machine.host) == Some(self.lost);
            let place = machine.restart.as_ref().map(|place| &place.host);
            let host = if is_lost { place } else { Some(&machine.host) };
            let Some(host) = host.and_then(|host| self.index.host(host)) else { continue };
            let domain = host.failure_domain(per);
            let count = taken.entry(domain.clone()).or_default();
            *count += 1;
            if *count > at_most.get() {
                let (of, lost) = (self.level, self.lost);
                let message = format!(
                    "is number {count} in {per} {domain:?} after the loss of {of} {lost:?}; \
                     expected at most {at_most}"
                );
                findings.add(Kind::Restart, &machine.name, message);
            }
        }
    }
}
