//! Carries out one vertex. Every function may run again after a lost answer or a
//! killed run: what is there already is fine, what cannot be trusted is made
//! anew.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::address_conflicts::address_conflicts;
use super::grow::{grow_file_systems, grow_volume};
use super::mend::{mend, run_on};
use super::relocate::{copy_seed, make_target, relocate};
use super::volumes::{delete, delete_marked, make_data, make_root, make_seed, upload_image};
use super::{Context, Event, EventKind, Observer, StepError};
use crate::engine::{Change, Crew, Disruption, Goal, Guests, Outage, Pending, operator_of};
use crate::graph::{Action, Actions, Object, Reason, Step, Unwanted, Vertex, VolumeRole};
use crate::hypervisor::clock::{Pauses, Poll};
use crate::hypervisor::{Domain, ErrorKind, Hypervisor};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Instance, ServicePlan};
use crate::render::{self, DiskPaths};
use crate::state::world::is_ours;

/// How long a domain may take to go off after its power was cut.
const POWER_OFF: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

/// Does what a vertex's step says.
///
/// # Errors
/// The first thing that failed, with its host and object.
pub fn execute(
    context: &Context<'_>,
    actions: &Actions,
    vertex: &Vertex,
    observer: &dyn Observer,
) -> Result<(), StepError> {
    let host = actions.graph().host(vertex).cloned();
    let emit = |kind: EventKind| {
        let (vertex, host) = (vertex.clone(), host.clone());
        observer.on(&Event { vertex, host, kind });
    };
    let note = |text: String| emit(EventKind::Note(text));
    let replace = actions.step(vertex).is_some_and(|step| step.action == Action::Replace);
    if let Some(done) = of_kept(context, actions, vertex, &emit) {
        return done;
    }
    match vertex {
        Vertex::Unwanted { host, .. } => {
            let unwanted = actions.unwanted(vertex);
            let unwanted = unwanted.ok_or_else(|| StepError::NotInPlan(vertex.to_string()))?;
            let is_removal = actions.step(vertex).is_some_and(|s| s.reason == Reason::Removal);
            let instance = unwanted.instance.as_deref().filter(|_| !is_removal);
            let spared = match &unwanted.what {
                Object::Domain(domain) => {
                    let host = context.host(host)?;
                    take_down(context, actions, instance, (host, domain), &note)?
                }
                Object::Volume { .. } => Spared::No,
            };
            remove(context.host(host)?, unwanted, spared, &note)
        }
        Vertex::ImageFile { host, pool, part } => {
            upload_image(context, vertex, (host, pool), *part, observer)
        }
        Vertex::Root(name) => {
            let instance = context.instance(name)?;
            if replace {
                retire(context, actions, instance, &note)?;
            }
            make_root(context, instance)
        }
        Vertex::Data(name) => make_data(context, context.instance(name)?),
        Vertex::Seed(name) => make_seed(context, context.instance(name)?),
        Vertex::Domain(name) => {
            let instance = context.instance(name)?;
            match actions.step(vertex).map(|step| &step.reason) {
                Some(Reason::Drifted { restart: false, .. }) => mend(context, instance),
                Some(Reason::DefinitionDiffers | Reason::Drifted { restart: true, .. }) => {
                    stop(context, actions, instance, &note)?;
                    make_domain(context, actions, instance)
                }
                _ => make_domain(context, actions, instance),
            }
        }
        Vertex::Running(name) => {
            let instance = context.instance(name)?;
            match actions.step(vertex).map(|step| &step.reason) {
                Some(Reason::Halted(_)) => run_on(context, instance),
                _ => start(context, instance),
            }
        }
        Vertex::Ready(name) => {
            let guest = context.guest(name)?;
            guest.wait_until_answering(context.patience.boot)?;
            let warnings = guest.wait_for_first_boot(context.patience.boot)?;
            warnings.into_iter().for_each(note);
            let instance = context.instance(name)?;
            if let Some(planned) = instance.address {
                guest.wait_for_address(planned)?;
            }
            grow_file_systems(context, instance)
        }
        Vertex::Configured(name) => {
            let instance = context.instance(name)?;
            let disruption = actions.step(vertex).map_or(Disruption::None, |step| {
                disruption(step, context.allowed.outage(&instance.service))
            });
            configure(context, actions, instance, disruption, &note)
        }
        Vertex::Prepared(name) => {
            let instance = context.instance(name)?;
            let service = service(context, &instance.service)?;
            let crew = context.crew(service, actions.leaving());
            note_change(operator_of(service)?.prepare(&crew, instance)?, &note);
            Ok(())
        }
        Vertex::Joined(name) => form(context, actions, name, Goal::Joined, &emit),
        Vertex::Balanced(name) => form(context, actions, name, Goal::Balanced, &emit),
        Vertex::Resumed(name) => {
            run_on(context, context.instance(name)?)?;
            Ok(context.guest(name)?.wait_until_answering(context.patience.boot)?)
        }
        Vertex::Rejoined(name) => {
            let service = &context.instance(name)?.service;
            form(context, actions, service, Goal::Joined, &emit)
        }
        Vertex::Cluster(name) => form(context, actions, name, Goal::Planned, &emit),
    }
}

/// Works on a machine that goes on at another host, or on a volume that grows; `None` for
/// everything else.
fn of_kept(
    context: &Context<'_>,
    actions: &Actions,
    vertex: &Vertex,
    emit: &dyn Fn(EventKind),
) -> Option<Result<(), StepError>> {
    let step = actions.step(vertex)?;
    let instance = context.instance(vertex.instance()?).ok()?;
    let volume = match vertex {
        Vertex::Root(_) => instance.root.as_ref(),
        Vertex::Data(_) => instance.data.as_ref(),
        Vertex::Seed(_) => instance.seed.as_ref(),
        _ => None,
    };
    match (&step.reason, vertex, volume) {
        (Reason::Moves(moving), Vertex::Domain(_), _) => {
            Some(relocate(context, instance, moving, emit))
        }
        (Reason::Moves(moving), Vertex::Seed(_), Some(seed)) => {
            Some(copy_seed(context, instance, seed, moving))
        }
        (Reason::Moves(moving), _, Some(volume)) => {
            Some(make_target(context, instance, volume, moving))
        }
        (Reason::Grows { .. }, _, Some(volume)) => Some(grow_volume(context, instance, volume)),
        _ => None,
    }
}

/// Forms a cluster. One that does not form may have met machines that are none of
/// ours.
fn form(
    context: &Context<'_>,
    actions: &Actions,
    name: &ServiceName,
    goal: Goal,
    emit: &(dyn Fn(EventKind) + Sync),
) -> Result<(), StepError> {
    let service = service(context, name)?;
    let crew = match goal {
        Goal::Planned => context.crew(service, actions.leaving()),
        Goal::Joined | Goal::Balanced => crew_that_runs(context, actions, service)?,
    };
    let doing = |what| emit(EventKind::Doing(what));
    let crew = crew.reporting(&doing);
    let change = operator_of(service)?.form(&crew, goal).map_err(|error| {
        let own = context.plan.members(&service.name);
        match address_conflicts(context, own) {
            none if none.is_empty() => StepError::from(error),
            found => StepError::AddressConflict { found, error },
        }
    })?;
    note_change(change, &|text| emit(EventKind::Note(text)));
    Ok(())
}

/// A service with those of its instances that run now: the machines of others are yet to
/// be made.
fn crew_that_runs<'a>(
    context: &'a Context<'_>,
    actions: &'a Actions,
    service: &'a ServicePlan,
) -> Result<Crew<'a>, StepError> {
    let crew = context.crew(service, actions.leaving());
    let operator = operator_of(service)?;
    let runs = |instance: &Instance| -> Result<bool, StepError> {
        if !is_active(context.host(&instance.host)?, &instance.domain)? {
            return Ok(false);
        }
        // Its turn comes later, and a run that was cut off may not have set it up yet. One
        // that does not say is waited for.
        let configured = actions.step(&Vertex::Configured(instance.name.clone()));
        let is_queued = configured.is_some_and(|step| step.reason == Reason::ToBeChecked);
        Ok(!is_queued || operator.runs(&crew, instance).unwrap_or(true))
    };
    let mut off = BTreeSet::new();
    for (instance, runs) in crew.members().iter().zip(crew.each_member(runs)) {
        if !runs? {
            off.insert(&instance.name);
        }
    }
    Ok(crew.without(|instance| off.contains(&instance.name)))
}

/// Whether others have what an instance holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spared {
    /// They do: its data is a copy, which would only get old.
    Yes,
    /// Nobody knows, or they do not.
    No,
}

/// Powers a domain off, once nobody relies on its instance: the engine is asked just
/// before, by one at a time.
fn take_down(
    context: &Context<'_>,
    actions: &Actions,
    instance: Option<&str>,
    (host, domain): (&dyn Hypervisor, &str),
    note: &dyn Fn(String),
) -> Result<Spared, StepError> {
    let name = instance.and_then(|name| InstanceName::new(name).ok());
    let planned = name.as_ref().and_then(|name| context.plan.instance(name));
    let leaving = actions.leaving().iter().find(|one| Some(&one.name) == name.as_ref());
    let service = planned.map(|one| &one.service).or_else(|| Some(&leaving?.service));
    let service = service.and_then(|name| context.plan.service(name));
    let Some((name, service)) = name.zip(service) else {
        power_down(context, host, domain)?;
        return Ok(Spared::No);
    };
    let turn = actions.turn(&service.name).map(Mutex::lock);
    // A thread that panicked is reported as a failed step.
    let _turn = turn.map(|turn| turn.unwrap_or_else(PoisonError::into_inner));
    // Who leaves and still serves something has nobody who takes over: that is no outage
    // that ends, and not what was allowed.
    let is_final = planned.is_none() && !context.allowed.data_loss.contains(&service.name);
    let outage = if is_final { Outage::Refused } else { context.allowed.outage(&service.name) };
    if !is_active(host, domain)? {
        // Nobody was asked who has its data.
        return Ok(Spared::No);
    }
    let crew = crew_that_runs(context, actions, service)?;
    note_change(operator_of(service)?.vacate(&crew, &name, outage)?, note);
    power_down(context, host, domain)?;
    Ok(if outage == Outage::Refused { Spared::Yes } else { Spared::No })
}

fn note_change(change: Change, note: &dyn Fn(String)) {
    match change {
        Change::Made(what) => note(what),
        Change::NotNeeded => {}
    }
}

fn service<'a>(context: &Context<'a>, name: &ServiceName) -> Result<&'a ServicePlan, StepError> {
    context.plan.service(name).ok_or_else(|| StepError::NotInPlan(format!("service {name}")))
}

/// Takes something away. A domain is forgotten last: until then its tag says
/// whose the volumes are. Data goes along that others have: should its instance ever come
/// back, it would begin with data of long ago.
fn remove(
    host: &dyn Hypervisor,
    unwanted: &Unwanted,
    spared: Spared,
    note: &dyn Fn(String),
) -> Result<(), StepError> {
    match &unwanted.what {
        Object::Volume { pool, name, role } => delete_marked(host, *role, (pool, name), note),
        Object::Domain(domain) => {
            for (pool, name) in &unwanted.volumes {
                delete(host, pool, name)?;
            }
            give_up(host, &unwanted.kept, spared, note)?;
            undefine(host, domain)
        }
    }
}

/// Deletes data that others have, or that was given up by name; keeps all other.
fn give_up(
    host: &dyn Hypervisor,
    data: &[(String, String)],
    spared: Spared,
    note: &dyn Fn(String),
) -> Result<(), StepError> {
    for (pool, name) in data {
        match spared {
            Spared::Yes => delete_marked(host, VolumeRole::Data, (pool, name), note)?,
            Spared::No => note(format!("data volume {pool}/{name} is kept")),
        }
    }
    Ok(())
}

/// The domain of an instance, as its host has it.
pub(super) fn found(
    context: &Context<'_>,
    instance: &Instance,
) -> Result<Option<Domain>, StepError> {
    let domains = context.host(&instance.host)?.domains()?;
    let own = |one: &Domain| one.uuid == instance.uuid && is_ours(one, &context.plan.name);
    Ok(domains.into_iter().find(own))
}

/// Powers the domain of an instance off that is to be defined anew, once nobody relies on
/// it. It is defined after that, so that a run that is cut off in between leaves one that
/// is off and known to differ.
fn stop(
    context: &Context<'_>,
    actions: &Actions,
    instance: &Instance,
    note: &dyn Fn(String),
) -> Result<(), StepError> {
    let Some(old) = found(context, instance)?.filter(|domain| domain.active) else {
        return Ok(());
    };
    let place = (context.host(&instance.host)?, old.name.as_str());
    take_down(context, actions, Some(instance.name.as_str()), place, note)?;
    Ok(())
}

/// Takes the domain of an older plan away; its data stays, if it is planned to have any. What
/// it had otherwise goes with it where others have it or where it was given up by name: an
/// instance that is planned to have data later would begin with that of long ago.
fn retire(
    context: &Context<'_>,
    actions: &Actions,
    instance: &Instance,
    note: &dyn Fn(String),
) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let Some(old) = found(context, instance)? else { return Ok(()) };
    let place = (host, old.name.as_str());
    let spared = take_down(context, actions, Some(instance.name.as_str()), place, note)?;
    let is_given_up = context.allowed.data_loss.contains(&instance.service);
    let spared = if is_given_up { Spared::Yes } else { spared };
    give_up(host, actions.former_data(&instance.name), spared, note)?;
    undefine(host, &old.name)
}

pub(super) fn undefine(host: &dyn Hypervisor, domain: &str) -> Result<(), StepError> {
    match host.undefine(domain) {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Shuts a domain down, politely for a while, then by its power.
pub(super) fn power_down(
    context: &Context<'_>,
    host: &dyn Hypervisor,
    domain: &str,
) -> Result<(), StepError> {
    if !is_active(host, domain)? {
        return Ok(());
    }
    // A guest without ACPI or agent refuses; then only the power is left.
    if host.shutdown(domain).is_ok() && goes_off(context, host, domain, context.patience.shutdown)?
    {
        return Ok(());
    }
    power_off(context, host, domain)
}

/// Cuts the power of a domain, if it runs.
pub(super) fn power_off(
    context: &Context<'_>,
    host: &dyn Hypervisor,
    domain: &str,
) -> Result<(), StepError> {
    if let Err(error) = host.power_off(domain)
        && is_active(host, domain)?
    {
        return Err(error.into());
    }
    if goes_off(context, host, domain, POWER_OFF)? {
        return Ok(());
    }
    Err(StepError::StillRunning { domain: domain.to_owned(), waited: POWER_OFF })
}

fn goes_off(
    context: &Context<'_>,
    host: &dyn Hypervisor,
    domain: &str,
    patience: Duration,
) -> Result<bool, StepError> {
    let mut poll = Poll::new(context.clock, patience, Pauses::every(PAUSE));
    while is_active(host, domain)? {
        if !poll.pause() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn is_active(host: &dyn Hypervisor, domain: &str) -> Result<bool, StepError> {
    match host.is_active(domain) {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        other => Ok(other?),
    }
}

/// Defines a machine that was made. Data that it finds may be on a disk that was made larger
/// by a run that was killed.
fn make_domain(
    context: &Context<'_>,
    actions: &Actions,
    instance: &Instance,
) -> Result<(), StepError> {
    let step = |vertex: Vertex| actions.step(&vertex).map(|step| step.action);
    let (root, data) =
        (step(Vertex::Root(instance.name.clone())), step(Vertex::Data(instance.name.clone())));
    let is_new = |action| matches!(action, None | Some(Action::Create | Action::Replace));
    let is_kept = !is_new(root) || !is_new(data);
    let host = context.host(&instance.host)?;
    let paths = boot_paths(context, host, instance)?;
    let xml = render::domain_xml(context.plan, instance, &paths)?;
    Ok(host.define(&if is_kept { render::growing_xml(&xml) } else { xml })?)
}

pub(super) fn define(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let paths = boot_paths(context, host, instance)?;
    Ok(host.define(&render::domain_xml(context.plan, instance, &paths)?)?)
}

/// Returns where the host keeps kernel and initial RAM disk.
pub(super) fn boot_paths(
    context: &Context<'_>,
    host: &dyn Hypervisor,
    instance: &Instance,
) -> Result<DiskPaths, StepError> {
    use crate::graph::ImagePart;
    let Some(image) = context.plan.image.as_ref().filter(|image| image.kernel.is_some()) else {
        return Ok(DiskPaths::default());
    };
    let Some(pool) = instance.root.as_ref().map(|root| &root.pool) else {
        return Ok(DiskPaths::default());
    };
    let path = |part: ImagePart| {
        let Some(name) = part.file(image).map(|file| part.volume(file)) else { return Ok(None) };
        match host.volume(pool, &name) {
            Ok(volume) => Ok(Some(volume.path)),
            Err(error) if error.kind == ErrorKind::NotFound => {
                let (host, pool) = (instance.host.clone(), pool.clone());
                Err(StepError::Vanished { host, pool, name })
            }
            Err(error) => Err(StepError::from(error)),
        }
    };
    Ok(DiskPaths { kernel: path(ImagePart::Kernel)?, initrd: path(ImagePart::Initrd)? })
}

pub(super) fn start(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    match host.start(&instance.domain) {
        Err(error) if !is_active(host, &instance.domain)? => Err(error.into()),
        _ => Ok(()),
    }
}

/// What the configuration of an instance may do, as was decided and shown.
const fn disruption(step: &Step, outage: Outage) -> Disruption {
    match (step.action, &step.reason, outage) {
        (Action::Create, ..) => Disruption::Any,
        (_, Reason::Pending(Pending::Live) | Reason::Admission(_), _) => Disruption::None,
        (_, Reason::Pending(Pending::Together), Outage::Allowed) => Disruption::Any,
        (_, Reason::Pending(Pending::Together), Outage::Refused) => Disruption::None,
        (.., Outage::Allowed) => Disruption::Outage,
        (.., Outage::Refused) => Disruption::Covered,
    }
}

fn configure(
    context: &Context<'_>,
    actions: &Actions,
    instance: &Instance,
    disruption: Disruption,
    note: &dyn Fn(String),
) -> Result<(), StepError> {
    let service = service(context, &instance.service)?;
    let crew = context.crew(service, actions.leaving());
    let change = operator_of(service)?.configure(&crew, instance, disruption)?;
    note_change(change, note);
    Ok(())
}
