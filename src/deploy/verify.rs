//! What runs against what was planned: libvirt's word, the guest's own word, the
//! cluster's, and a value written and read through every group.

use std::collections::BTreeMap;
use std::{panic, thread};

use super::Context;
use super::address_conflicts::{AddressConflict, address_conflicts};
use super::certificates::{self, CertificateFound};
use super::faults::{Fault, Findings};
use super::observe::observe;
use crate::engine::load::Verdict;
use crate::engine::{
    Bound, Difference, EngineError, Fact, Guests, Load, Probe, Through, operator_of,
};
use crate::graph::drift::{self, Remedy};
use crate::graph::{Action, Step, Vertex, decide, is_as_planned, owned_domain};
use crate::guest::Facts;
use crate::hypervisor::fan_out::on_each;
use crate::hypervisor::{Domain, DomainState};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::render;
use crate::state::world::{HostView, Seen, World};
use crate::topology::Virtualization;

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
    /// What is behind them, each once.
    pub faults: Vec<Fault>,
    /// What a deploy would do that none of them speaks of.
    pub undone: Vec<Undone>,
    /// Writes and reads, by service.
    pub probes: Vec<(ServiceName, Probe)>,
    /// Clusters that could not be judged, with the reason.
    pub unjudged: Vec<(ServiceName, String)>,
    /// Loads, by service; empty where none was asked for.
    pub loads: Vec<LoadFound>,
    /// When the certificates of services end that have some.
    pub certificates: Vec<CertificateFound>,
    /// What puts differences of domains right.
    remedies: BTreeMap<Difference, Remedy>,
}

/// Something that a deploy would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// With what.
    pub vertex: Vertex,
    /// Where.
    pub host: Option<HostName>,
    /// What, and why.
    pub step: Step,
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
            && self.undone.is_empty()
            && self.unjudged.is_empty()
            && self.probes.iter().all(|(_, probe)| probe.failure.is_none())
            && self.loads.iter().all(LoadFound::is_ok)
    }

    /// Whether an instance's domain was made from the plan and is not as it was made.
    #[must_use]
    pub fn has_drifted(&self, instance: &InstanceName) -> bool {
        self.remedies.keys().any(|one| one.instance == *instance && one.fact != Fact::State)
    }

    /// Whether a fault speaks of the group that a probe went through.
    #[must_use]
    pub fn explains(&self, service: &ServiceName, probe: &Probe) -> bool {
        self.faults.iter().flat_map(|fault| &fault.effects).any(|effect| {
            let through = match (&probe.through, effect.group) {
                (Through::Group(index), group) => Some(*index) == group,
                (Through::Address(_), group) => group.is_some(),
                (Through::Instance(_), _) => false,
            };
            effect.service == *service && through
        })
    }
}

/// Looks at hosts, guests and clusters and compares all instances with the plan;
/// with `load`, a short load then goes through each service that is as planned.
pub fn verify(context: &Context<'_>, load: bool) -> Verification {
    // Guests take their time to answer, so all of it is asked at once.
    let (world, guests, conflicts, probes) = thread::scope(|scope| {
        let probes = scope.spawn(|| probe(context));
        let world = observe(context);
        let guests = guests(context, &world);
        let conflicts = address_conflicts(context, running(context.plan, &world));
        (
            world,
            guests,
            conflicts,
            probes.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
        )
    });
    let mut found = Verification::default();
    instances(context.plan, &world, &mut found, &mut |compare, domain| {
        if let Some(facts) = domain.and_then(|_| guests.get(&compare.instance.name)) {
            compare.guest(facts, l3_to_see(context.plan, compare.instance));
        }
        if domain.is_some() {
            compare.address(&conflicts);
        }
    });
    for (service, probes) in context.plan.services.iter().zip(probes) {
        of_service(context, &world, service, &mut found);
        let name = || service.name.clone();
        match probes {
            Ok(probes) => found.probes.extend(probes.into_iter().map(|probe| (name(), probe))),
            Err(error) => found.unjudged.push((name(), error.to_string())),
        }
    }
    certificates::look(context, &mut found);
    if load {
        press(context, &mut found);
    }
    conclude(context.plan, &world, &mut found);
    found
}

/// Compares what was seen already with the plan, and asks clusters that were not asked:
/// without a value, without a load, and without a question to a guest about its machine.
pub fn review(context: &Context<'_>, world: &World) -> Verification {
    let mut found = Verification::default();
    instances(context.plan, world, &mut found, &mut |compare, domain| {
        let guest = world.guests.get(&compare.instance.name);
        if domain.is_some_and(|one| one.state == DomainState::Running)
            && let Some(guest) = guest.filter(|guest| !guest.denied)
        {
            let found = if guest.ready { "ready" } else { "not ready" };
            compare.same(Fact::Guest, "ready", found);
        }
    });
    for service in &context.plan.services {
        let mut members = context.plan.members(&service.name);
        if members.any(|one| world.guests.get(&one.name).is_some_and(|guest| guest.ready)) {
            of_service(context, world, service, &mut found);
        }
    }
    certificates::look(context, &mut found);
    conclude(context.plan, world, &mut found);
    found
}

/// From which part on a data disk counts as full: engines stop at the last byte, and their
/// logs grow within hours.
const FULL_PERCENT: u64 = 95;

/// Compares all instances, and something more of each, with its domain if it has one.
fn instances(
    plan: &Plan,
    world: &World,
    found: &mut Verification,
    more: &mut dyn FnMut(&mut Comparison<'_>, Option<&Domain>),
) {
    let here = |one: &&Instance| !world.left_out.contains(&one.host);
    for instance in plan.instances.iter().filter(here) {
        let mut compare = Comparison { instance, found: &mut *found };
        let mut domain = None;
        match world.hosts.get(&instance.host) {
            Some(Seen::Reached(view)) => match owned_domain(plan, view, instance) {
                Some(own) => {
                    compare.domain(plan, view, own);
                    domain = Some(own);
                }
                None => compare.same(Fact::Domain, "defined", "missing"),
            },
            _ => compare.same(Fact::Host, "reachable", "unreachable"),
        }
        let full = world.guests.get(&instance.name).and_then(|guest| guest.full_percent);
        if let Some(full) = full.filter(|full| *full >= FULL_PERCENT) {
            compare.same(Fact::DataDisk, "with room", &format!("{full} % full"));
        }
        more(&mut compare, domain);
    }
}

/// Finds what is behind the differences, and what a deploy would do besides.
fn conclude(plan: &Plan, world: &World, found: &mut Verification) {
    let findings = Findings {
        plan,
        world,
        differences: &found.differences,
        remedies: &found.remedies,
        probes: &found.probes,
    };
    let faults = findings.faults();
    let is_named = |name: &InstanceName| {
        let own = plan.instance(name);
        let unjudged = |one: &Instance| found.unjudged.iter().any(|(name, _)| *name == one.service);
        own.is_some_and(unjudged)
            || found.differences.iter().any(|one| {
                let other = plan.instance(&one.instance);
                one.instance == *name
                    || own.zip(other).is_some_and(|(own, other)| own.service == other.service)
            })
    };
    let actions = decide(plan, world);
    let changes = actions.steps().filter(|(vertex, step)| {
        let counts = match vertex {
            Vertex::Unwanted { .. } | Vertex::ImageFile { .. } => true,
            // The steps of a cluster follow from those of its instances.
            other => other.instance().is_some_and(|name| !is_named(name)),
        };
        counts && !matches!(step.action, Action::NoOp | Action::Unknown)
    });
    let undone = changes.map(|(vertex, step)| Undone {
        vertex: vertex.clone(),
        host: actions.graph().host(vertex).cloned(),
        step: step.clone(),
    });
    found.undone = undone.collect();
    found.faults = faults;
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
        domain.is_some_and(|domain| domain.state == DomainState::Running)
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

    fn domain(&mut self, plan: &Plan, view: &HostView, domain: &Domain) {
        let instance = self.instance;
        let digest = domain.owner.as_ref().map_or("none", |owner| owner.digest.as_str());
        self.same(Fact::Digest, render::machine_digest(plan, instance).as_str(), digest);
        for volume in instance.volumes() {
            let found = view.volume(&volume.pool, &volume.name);
            let found = if found.is_some() { "there" } else { "missing" };
            self.same(Fact::Volume(volume.name.clone()), "there", found);
        }
        if !is_as_planned(plan, instance, domain) {
            // It is made anew, and everything else with it.
            return self.same(Fact::State, "running", domain.state.to_string().as_str());
        }
        let paths = drift::boot_paths(plan, view, instance);
        let compared = drift::compare(plan, instance, domain, &paths);
        self.found.checks += compared.facts;
        for drift in &compared.drifts {
            let difference = drift.difference(instance);
            self.found.remedies.insert(difference.clone(), drift.remedy);
            self.found.differences.push(difference);
        }
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
    fn guest(&mut self, facts: &Result<Facts, EngineError>, l3_kib: Option<u64>) {
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
