//! What runs against what was planned: libvirt's word, the guest's own word, the
//! cluster's, and a value written and read through every group.

use std::collections::BTreeMap;
use std::{panic, thread};

use super::Context;
use super::address_conflicts::{AddressConflict, address_conflicts};
use super::observe::observe;
use crate::engine::load::Verdict;
use crate::engine::{Bound, Difference, EngineError, Fact, Guests, Load, Probe, operator_of};
use crate::graph::owned_domain;
use crate::guest::Facts;
use crate::hypervisor::fan_out::on_each;
use crate::hypervisor::{Definition, Domain, HypervisorError};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::render;
use crate::state::world::{Seen, World};
use crate::topology::{Virtualization, cpuset};

/// Share of its memory that a guest must see, in percent: its kernel keeps the
/// rest for itself.
const GUEST_MEMORY: u64 = 85;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a verification may have failed"]
pub struct Verification {
    /// Facts that were compared.
    pub checks: usize,
    /// Those that differ, in the order of the plan.
    pub differences: Vec<Difference>,
    /// Writes and reads, by service.
    pub probes: Vec<(ServiceName, Probe)>,
    /// Clusters that could not be judged, with the reason.
    pub unjudged: Vec<(ServiceName, String)>,
    /// Loads, by service; empty where none was asked for.
    pub loads: Vec<LoadFound>,
}

/// A load through a group, set beside the promise.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadFound {
    /// The service.
    pub service: ServiceName,
    /// What was measured.
    pub load: Load,
    /// What it says; `None` where a host emulates its guests, so that speeds
    /// mean nothing.
    pub verdict: Option<Verdict>,
}

impl LoadFound {
    /// Whether the group worked under load, and as fast as promised where that
    /// can be judged.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.load.outcome.is_ok() && !matches!(self.verdict, Some(Verdict::Short(_)))
    }
}

impl Verification {
    /// Whether everything is as planned and every probe came through.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.differences.is_empty()
            && self.unjudged.is_empty()
            && self.probes.iter().all(|(_, probe)| probe.failure.is_none())
            && self.loads.iter().all(LoadFound::is_ok)
    }
}

/// Looks at hosts, guests and clusters and compares all instances with the plan;
/// `unreachable` are the hosts that gave no connection. With `load`, a short load
/// then goes through each service that is as planned.
pub fn verify(
    context: &Context<'_>,
    unreachable: &BTreeMap<HostName, HypervisorError>,
    load: bool,
) -> Verification {
    let mut found = Verification::default();
    // Guests take their time to answer, so all of it is asked at once.
    let (world, mut guests, conflicts, probes) = thread::scope(|scope| {
        let probes = scope.spawn(|| probe(context));
        let world = observe(context, unreachable);
        let guests = guests(context, &world);
        let conflicts = address_conflicts(context, running(context.plan, &world));
        (
            world,
            guests,
            conflicts,
            probes.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
        )
    });
    let world = &world;
    for instance in &context.plan.instances {
        let mut compare = Comparison { instance, found: &mut found };
        match world.hosts.get(&instance.host) {
            Some(Seen::Reached(view)) => match owned_domain(context.plan, view, instance) {
                Some(domain) => {
                    compare.domain(context.plan, domain);
                    if let Some(facts) = guests.remove(&instance.name) {
                        compare.guest(facts, l3_to_see(context.plan, instance));
                    }
                    compare.address(&conflicts);
                }
                None => compare.same(Fact::Domain, &"defined", &"missing"),
            },
            _ => compare.same(Fact::Host, &"reachable", &"unreachable"),
        }
    }
    for (service, probes) in context.plan.services.iter().zip(probes) {
        of_service(context, world, service, &mut found);
        let name = || service.name.clone();
        match probes {
            Ok(probes) => found.probes.extend(probes.into_iter().map(|probe| (name(), probe))),
            Err(error) => found.unjudged.push((name(), error.to_string())),
        }
    }
    if load {
        press(context, &mut found);
    }
    found
}

/// Puts a load on each service whose groups all took a value, one after the
/// other: together they would measure each other.
fn press(context: &Context<'_>, found: &mut Verification) {
    for service in &context.plan.services {
        let mut own = found.probes.iter().filter(|(name, _)| *name == service.name).peekable();
        if own.peek().is_none() || own.any(|(_, probe)| probe.failure.is_some()) {
            continue;
        }
        let emulated = is_emulated(context.plan, service);
        let bound = if emulated { Bound::EMULATED } else { Bound::REAL };
        let loads =
            operator_of(service).and_then(|one| one.load(&context.whole_crew(service), bound));
        match loads {
            Ok(loads) => found.loads.extend(loads.into_iter().map(|load| {
                let pinned = !found
                    .differences
                    .iter()
                    .any(|one| one.instance == load.at && one.fact.is_placement());
                let verdict = (!emulated).then(|| load.verdict(pinned));
                LoadFound { service: service.name.clone(), load, verdict }
            })),
            Err(error) => found.unjudged.push((service.name.clone(), error.to_string())),
        }
    }
}

/// Whether any instance of a service is on a host that emulates its guests.
fn is_emulated(plan: &Plan, service: &ServicePlan) -> bool {
    let mut own = plan.members(&service.name);
    own.any(|one| {
        let host = plan.topology.host(&one.host);
        host.is_some_and(|host| host.hypervisor == Virtualization::Tcg)
    })
}

/// Writes and reads through every group of every service.
fn probe(context: &Context<'_>) -> Vec<Result<Vec<Probe>, EngineError>> {
    let services = context.plan.services.iter();
    services.map(|one| operator_of(one)?.probe(&context.whole_crew(one))).collect()
}

/// Returns instances whose domains run.
fn running<'a>(plan: &'a Plan, world: &World) -> impl Iterator<Item = &'a Instance> {
    plan.instances.iter().filter(|instance| {
        let view = world.view(&instance.host);
        let domain = view.and_then(|view| owned_domain(plan, view, instance));
        domain.is_some_and(|domain| domain.active)
    })
}

/// Asks all guests that run, at the same time, what they see of their machines.
fn guests(
    context: &Context<'_>,
    world: &World,
) -> BTreeMap<InstanceName, Result<Facts, EngineError>> {
    let running: Vec<&Instance> = running(context.plan, world).collect();
    let ask = |instance: &&Instance| {
        let facts = context.guest(&instance.name).and_then(|guest| Ok(guest.facts()?));
        (instance.name.clone(), facts)
    };
    on_each(&running, |instance| &instance.host, ask).into_iter().collect()
}

/// Returns size of the L3 cache that an instance's guest is to see, in KiB: that of its
/// CPUs, whose description is passed on to it. An emulated CPU has caches of its own.
fn l3_to_see(plan: &Plan, instance: &Instance) -> Option<u64> {
    let host = plan.topology.host(&instance.host)?;
    let own = host.l3_of(*instance.cpus.first()?)?;
    own.size_kib.filter(|_| host.hypervisor == Virtualization::Kvm)
}

/// Compares facts of one instance.
struct Comparison<'a> {
    instance: &'a Instance,
    found: &'a mut Verification,
}

impl Comparison<'_> {
    fn same<T: ToString + ?Sized>(&mut self, fact: Fact, planned: &T, found: &T) {
        self.found.checks += 1;
        let (planned, found) = (planned.to_string(), found.to_string());
        if planned != found {
            self.differs(fact, planned, found);
        }
    }

    fn differs(&mut self, fact: Fact, planned: String, found: String) {
        let instance = self.instance.name.clone();
        self.found.differences.push(Difference { instance, fact, planned, found });
    }

    fn domain(&mut self, plan: &Plan, domain: &Domain) {
        let instance = self.instance;
        let digest = domain.owner.as_ref().map_or("none", |owner| owner.digest.as_str());
        self.same(Fact::Digest, render::machine_digest(plan, instance).as_str(), digest);
        self.same(Fact::State, "running", if domain.active { "running" } else { "off" });
        self.definition(&domain.definition, &|fact| fact);
        if let Some(next) = &domain.next {
            self.definition(next, &|fact| Fact::AtNextBoot(Box::new(fact)));
        }
    }

    /// Compares what a domain has, now or at its next boot.
    fn definition(&mut self, found: &Definition, when: &dyn Fn(Fact) -> Fact) {
        let instance = self.instance;
        let mut same = |fact, planned: String, found| self.same(when(fact), &planned, &found);
        let pins = instance.cpus.iter().map(|cpu| vec![*cpu]).collect::<Vec<_>>();
        same(Fact::VcpuPins, pin_list(&pins), pin_list(&found.vcpu_pins));
        let emulator = cpuset::show_or_none(&instance.emulator_cpus);
        same(Fact::EmulatorPins, emulator, cpuset::show_or_none(&found.emulator_pins));
        let kib = |kib: u64| format!("{kib} KiB");
        same(Fact::Memory, kib(instance.memory_mib.kib()), kib(found.memory_kib));
        let node = cpuset::show_or_none(&[instance.numa]);
        same(Fact::MemoryNodes, node, cpuset::show_or_none(&found.memory_nodes));
        let binding = if found.memory_strict { "strict" } else { "loose" };
        same(Fact::NumaBinding, "strict".to_owned(), binding.to_owned());
        same(Fact::PageSize, kib(instance.page_kib), kib(found.page_kib));
    }

    /// Whether it is the one who answers at its address.
    fn address(&mut self, conflicts: &[AddressConflict]) {
        self.found.checks += 1;
        let other = conflicts.iter().find(|one| one.instance == self.instance.name);
        if let Some(AddressConflict { address, planned, mac, seen_by, .. }) = other {
            let found = format!("{mac} (seen from {seen_by})");
            self.differs(Fact::MachineAt(*address), planned.clone(), found);
        }
    }

    /// Compares what the guest itself sees of CPUs, memory and, where it is to see the
    /// host's, of the cache that its CPUs share: `l3_kib`.
    fn guest(&mut self, facts: Result<Facts, EngineError>, l3_kib: Option<u64>) {
        let facts = match facts {
            Ok(facts) => facts,
            Err(error) => {
                self.found.checks += 1;
                return self.differs(Fact::Guest, "answering".to_owned(), error.to_string());
            }
        };
        self.same(Fact::GuestCpus, &self.instance.cpus.len(), &facts.cpus);
        if let Some(planned) = l3_kib {
            let size = |kib: u64| format!("{kib} KiB");
            let seen = facts.l3_kib.map_or_else(|| "none".to_owned(), size);
            self.same(Fact::GuestCache, &size(planned), &seen);
        }
        self.found.checks += 1;
        let planned = self.instance.memory_mib.kib();
        let least = planned / 100 * GUEST_MEMORY;
        if !(least..=planned).contains(&facts.memory_kib) {
            let seen = format!("{} KiB", facts.memory_kib);
            self.differs(Fact::GuestMemory, format!("{least} to {planned} KiB"), seen);
        }
    }
}

fn pin_list(pins: &[Vec<u32>]) -> String {
    let texts: Vec<String> = pins.iter().map(cpuset::show_or_none).collect();
    texts.join(" ")
}

fn of_service(
    context: &Context<'_>,
    world: &World,
    service: &ServicePlan,
    found: &mut Verification,
) {
    found.checks += service.layout.all_instances() as usize;
    // A cluster whose guests are not all ready was not asked yet.
    let known = world.clusters.get(&service.name).cloned();
    let check =
        || operator_of(service)?.check(&context.whole_crew(service)).map(|one| one.differences);
    match known.map_or_else(check, Ok) {
        // Of a host that is gone this is reported already.
        Ok(differences) => found.differences.extend(differences.into_iter().filter(|one| {
            let instance = context.plan.instance(&one.instance);
            one.fact != Fact::Answer || instance.is_some_and(|one| world.view(&one.host).is_some())
        })),
        Err(error) => found.unjudged.push((service.name.clone(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_shown_by_virtual_cpu() {
        assert_eq!(pin_list(&[vec![3], vec![5, 4], vec![]]), "3 4-5 none");
    }
}
