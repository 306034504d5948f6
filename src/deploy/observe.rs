//! Looks at the hosts once, in parallel, and makes a [`World`] of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::engine::{Checked, Difference, EngineError, Guests, Leaving, operator_of};
use crate::graph::{is_as_planned, leaving, owned_domain};
use crate::guest::{Guest, GuestError};
use crate::hypervisor::fan_out::on_each;
use crate::hypervisor::{Connector, Domain, ErrorKind, Hypervisor, HypervisorError};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::recipe;
use crate::state::world::{GuestView, HostView, Places, Seen, World, is_ours};

/// The hosts of a plan, and those of earlier ones, without those that are left out.
#[derive(Default)]
pub struct Hosts {
    /// Those that gave a connection.
    pub connected: BTreeMap<HostName, Box<dyn Hypervisor>>,
    /// Why the others gave none.
    pub unreachable: BTreeMap<HostName, HypervisorError>,
}

/// Connects to all hosts that carry instances, at the same time.
pub fn connect(plan: &Plan, connector: &dyn Connector) -> Hosts {
    connect_without(plan, connector, &BTreeSet::new(), &BTreeMap::new())
}

/// The same without hosts that are left out, and with those that earlier plans had, by
/// their URIs.
pub fn connect_without(
    plan: &Plan,
    connector: &dyn Connector,
    left_out: &BTreeSet<HostName>,
    former: &BTreeMap<HostName, String>,
) -> Hosts {
    let hosts = plan.topology.hosts.iter();
    let used = hosts.filter(|host| plan.on_host(&host.name).next().is_some() || host.uri.is_some());
    let mut places: BTreeMap<&HostName, Option<&str>> =
        former.iter().map(|(name, uri)| (name, Some(uri.as_str()))).collect();
    places.extend(used.map(|host| (&host.name, host.uri.as_deref())));
    let places: Vec<(&HostName, Option<&str>)> =
        places.into_iter().filter(|(name, _)| !left_out.contains(*name)).collect();
    let attempts = on_each(&places, |(name, _)| *name, |place| connect_to(*place, connector));
    let mut hosts = Hosts::default();
    for ((name, _), attempt) in places.into_iter().zip(attempts) {
        match attempt {
            Ok(hypervisor) => drop(hosts.connected.insert(name.clone(), hypervisor)),
            Err(error) => drop(hosts.unreachable.insert(name.clone(), error)),
        }
    }
    hosts
}

fn connect_to(
    (name, uri): (&HostName, Option<&str>),
    connector: &dyn Connector,
) -> Result<Box<dyn Hypervisor>, HypervisorError> {
    let _span = tracing::info_span!("connect", host = %name).entered();
    let connected = match uri {
        Some(uri) => connector.connect(name, uri),
        None => Err(unreachable(name, "the plan has no libvirt URI for it")),
    };
    connected.inspect_err(|error| tracing::info!(%error, "no connection"))
}

fn unreachable(host: &HostName, message: &str) -> HypervisorError {
    HypervisorError {
        host: host.to_string(),
        what: "connect".to_owned(),
        kind: ErrorKind::Unreachable,
        message: message.to_owned(),
        code: None,
    }
}

/// Looks at every connected host, and at no guest.
pub fn observe_hosts(context: &Context<'_>) -> World {
    let mut world = World { left_out: context.allowed.left_out.clone(), ..World::default() };
    for (name, error) in &context.hosts.unreachable {
        world.hosts.insert(name.clone(), Seen::Unreachable(error.clone()));
    }
    let hosts: Vec<_> = context.hosts.connected.iter().collect();
    let seen =
        on_each(&hosts, |(name, _)| *name, |(name, host)| look(context.plan, name, host.as_ref()));
    world.hosts.extend(hosts.into_iter().map(|(name, _)| name.clone()).zip(seen));
    world
}

/// Looks at every connected host, then asks the deployment's guests that run, then the
/// clusters through those that are ready. What a guest reports of itself counts for those
/// that run as planned; what brings its engine to its configuration, for all: where the
/// machine changes as well, the others notice all the same.
pub fn observe(context: &Context<'_>) -> World {
    let mut world = observe_hosts(context);
    let running: Vec<&Instance> =
        context.plan.instances.iter().filter(|one| runs(context.plan, &world, one)).collect();
    let guests =
        on_each(&running, |instance| &instance.host, |instance| probe_guest(context, instance));
    let ready: BTreeMap<InstanceName, bool> =
        guests.iter().map(|(name, guest)| (name.clone(), guest.ready)).collect();
    let as_planned = |one: &Instance| {
        domain(context.plan, &world, one)
            .is_some_and(|domain| is_as_planned(context.plan, one, domain))
    };
    let own = running.into_iter().zip(guests).filter(|(one, _)| as_planned(one));
    let own: Vec<_> = own.map(|(_, guest)| guest).collect();
    world.guests.extend(own);
    world.leaving = find_leaving(context, &world);
    ask_clusters(context, &mut world, &ready);
    world
}

/// Finds the instances that are to leave, and asks their guests where they are.
fn find_leaving(context: &Context<'_>, world: &World) -> Vec<Leaving> {
    let mut found = leaving(context.plan, world);
    let addresses = on_each(
        &found,
        |one| &one.host,
        |one| {
            let hypervisor = context.hosts.connected.get(&one.host)?.as_ref();
            let guest = Guest { hypervisor, domain: &one.domain, clock: context.clock };
            let network = context.plan.network.as_ref()?;
            let addresses = guest.addresses().ok()??;
            addresses.into_iter().find(|address| network.contains(*address))
        },
    );
    for (one, address) in found.iter_mut().zip(addresses) {
        one.address = address;
    }
    found
}

/// Looks at one host. One that stops answering counts as unreachable.
fn look(plan: &Plan, name: &HostName, host: &dyn Hypervisor) -> Seen {
    let _span = tracing::info_span!("observe", host = %name).entered();
    match view(plan, host) {
        Ok(view) => {
            tracing::info!(domains = view.domains.len(), "seen");
            Seen::Reached(Box::new(view))
        }
        Err(error) => {
            tracing::info!(%error, "stopped answering");
            Seen::Unreachable(error)
        }
    }
}

fn view(plan: &Plan, host: &dyn Hypervisor) -> Result<HostView, HypervisorError> {
    let report = host.describe()?;
    let domains = host.domains()?;
    let mut volumes = BTreeMap::new();
    for pool in &report.pools {
        volumes.insert(pool.name.clone(), host.volumes(&pool.name)?);
    }
    let mut addresses = BTreeMap::new();
    for domain in domains.iter().filter(|one| one.active && !is_ours(one, &plan.name)) {
        match host.addresses(&domain.name) {
            Ok(found) => drop(addresses.insert(domain.name.clone(), found)),
            // One that has just gone has none.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(HostView { report, domains, volumes, addresses })
}

fn domain<'w>(plan: &Plan, world: &'w World, instance: &Instance) -> Option<&'w Domain> {
    owned_domain(plan, world.view(&instance.host)?, instance)
}

fn runs(plan: &Plan, world: &World, instance: &Instance) -> bool {
    domain(plan, world, instance).is_some_and(|domain| domain.active)
}

fn probe_guest(context: &Context<'_>, instance: &Instance) -> (InstanceName, GuestView) {
    let (host, name) = (&instance.host, &instance.name);
    let _span = tracing::info_span!("probe", %host, instance = %name).entered();
    let guest = context.guest(name);
    let booted = guest.and_then(|guest| Ok((guest.has_booted()?, guest)));
    let denied = matches!(&booted, Err(EngineError::Guest(GuestError::Hypervisor(error))) if error.kind == ErrorKind::Denied);
    let ready = booted.as_ref().is_ok_and(|(booted, guest)| {
        *booted && instance.address.is_none_or(|planned| guest.has_address(planned))
    });
    let mounted_at = context.plan.service_of(instance).and_then(|service| {
        let setup = recipe::of(service.engine).setup?;
        instance.data.as_ref().map(|_| setup.data)
    });
    let guest = booted.ok().filter(|_| ready).map(|(_, guest)| guest);
    let full = guest.zip(mounted_at).map(|(guest, path)| guest.full_percent(path));
    let full_percent = full.and_then(Result::ok).flatten();
    // A fixed machine has no engine to wait for.
    let configured = ready && instance.role == Role::Fixed;
    tracing::info!(ready, denied, "seen");
    (name.clone(), GuestView { ready, checked: configured, configured, denied, full_percent })
}

/// Notes what is lost of services with data of which no host that answers has anything, while
/// hosts have that do not answer or are left out: without a word they would begin anew.
pub fn note_lost(plan: &Plan, world: &mut World, places: &Places) {
    for service in plan.services.iter().filter(|one| one.engine.cluster().holds_data()) {
        let of_service =
            |name: &str| name.rsplit_once('-').is_some_and(|(of, _)| of == service.name.as_str());
        let away = places.iter().filter(|(host, names)| {
            world.view(host).is_none() && names.iter().any(|name| of_service(name.as_str()))
        });
        let away: Vec<&str> = away.map(|(host, _)| host.as_str()).collect();
        let reached = world.hosts.keys().filter_map(|host| world.view(host));
        let mut domains = reached.flat_map(|view| &view.domains);
        let is_seen = domains.any(|domain| {
            let owner = domain.owner.as_ref().filter(|_| is_ours(domain, &plan.name));
            owner.is_some_and(|owner| of_service(&owner.instance))
        });
        let keeps = |one: &Instance| {
            let view = world.view(&one.host);
            one.data
                .as_ref()
                .zip(view)
                .is_some_and(|(data, view)| view.volume(&data.pool, &data.name).is_some())
        };
        let is_kept = is_seen || plan.members(&service.name).any(keeps);
        let mut planned = plan.members(&service.name);
        let heir = planned.find(|one| world.view(&one.host).is_some());
        if let Some(heir) = heir.filter(|_| !is_kept && !away.is_empty()) {
            let cause = format!("all that holds its data is on {}", away.join(", "));
            world.lost.insert(heir.name.clone(), cause);
        }
    }
}

/// Asks each cluster through its guests that are ready. An instance counts as configured
/// where nothing differs that its configuration brings about. How the cluster itself
/// differs is only known where all of its running guests are ready.
fn ask_clusters(context: &Context<'_>, world: &mut World, ready: &BTreeMap<InstanceName, bool>) {
    let plan = context.plan;
    let is_ready = |one: &Instance| ready.get(&one.name).copied();
    let some_ready =
        |service: &&ServicePlan| plan.members(&service.name).any(|one| is_ready(one) == Some(true));
    let asked: Vec<&ServicePlan> = context.plan.services.iter().filter(some_ready).collect();
    let answers = on_each(
        &asked,
        |service| &service.name,
        |service| {
            let crew = context.crew(service, &world.leaving);
            operator_of(service)?.check(&crew.without(|one| is_ready(one) == Some(false)))
        },
    );
    let whole: Vec<bool> = asked
        .iter()
        .map(|service| plan.members(&service.name).all(|one| is_ready(one) != Some(false)))
        .collect();
    for ((service, answer), is_whole) in asked.into_iter().zip(answers).zip(whole) {
        let Ok(Checked { differences, pending, admissions, lost, leaders }) = answer else {
            continue;
        };
        let group = |(index, leader)| ((service.name.clone(), index), leader);
        world.leaders.extend(leaders.into_iter().map(group));
        // A host that does not answer may have it.
        if context.hosts.unreachable.is_empty() {
            world.lost.extend(lost);
        }
        world.pending.extend(pending);
        world.admissions.extend(admissions);
        for instance in plan.members(&service.name) {
            let differs =
                |one: &Difference| one.instance == instance.name && one.fact.is_configured();
            if let Some(guest) = world.guests.get_mut(&instance.name).filter(|guest| guest.ready) {
                guest.checked = true;
                guest.configured = !differences.iter().any(differs);
            }
        }
        if is_whole {
            world.clusters.insert(service.name.clone(), differences);
        }
    }
}
