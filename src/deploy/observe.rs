//! Looks at the hosts once, in parallel, and makes a [`World`] of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::Site;
use crate::engine::{EngineError, Guests, engine_of};
use crate::graph::{is_as_planned, owned_domain};
use crate::guest::GuestError;
use crate::hypervisor::{Connector, ErrorKind, Hypervisor, HypervisorError};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::state::world::{GuestView, HostView, Seen, World, is_ours};

/// Connections, and the hosts that gave none.
pub type Connected = (BTreeMap<HostName, Box<dyn Hypervisor>>, BTreeMap<HostName, HypervisorError>);

/// Connects to all hosts that carry instances, at the same time.
pub fn connect(plan: &Plan, connector: &dyn Connector) -> Connected {
    let hosts = plan.topology.hosts.iter();
    let used = hosts.filter(|host| plan.on_host(&host.name).next().is_some() || host.uri.is_some());
    let mut connected = Connected::default();
    thread::scope(|scope| {
        let attempts: Vec<_> = used
            .map(|host| {
                let attempt = scope.spawn(|| match &host.uri {
                    Some(uri) => connector.connect(&host.name, uri),
                    None => Err(unreachable(&host.name, "the plan has no libvirt URI for it")),
                });
                (&host.name, attempt)
            })
            .collect();
        for (name, attempt) in attempts {
            let result = attempt.join();
            match result.unwrap_or_else(|_| Err(unreachable(name, "connecting to it broke"))) {
                Ok(host) => drop(connected.0.insert(name.clone(), host)),
                Err(error) => drop(connected.1.insert(name.clone(), error)),
            }
        }
    });
    connected
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
pub fn observe_hosts(site: &Site<'_>, unreachable: &BTreeMap<HostName, HypervisorError>) -> World {
    let mut world = World::default();
    for (name, error) in unreachable {
        world.hosts.insert(name.clone(), Seen::Unreachable(error.clone()));
    }
    let seen = in_parallel(site.hosts.iter().collect(), |(name, host)| {
        let seen = match look(site.plan, host.as_ref()) {
            Ok(view) => Seen::Reached(Box::new(view)),
            Err(error) => Seen::Unreachable(error),
        };
        ((*name).clone(), seen)
    });
    world.hosts.extend(seen);
    world
}

/// Looks at every connected host, then asks the guests of ours that run as
/// planned, then the clusters whose running guests are all ready.
pub fn observe(site: &Site<'_>, unreachable: &BTreeMap<HostName, HypervisorError>) -> World {
    let mut world = observe_hosts(site, unreachable);
    let running = site.plan.instances.iter().filter(|one| runs_as_planned(site.plan, &world, one));
    let guests = by_host(running, |instance| glance(site, instance));
    world.guests.extend(guests);
    ask_clusters(site, &mut world);
    world
}

/// Does something with all items at the same time, in their order.
pub(super) fn in_parallel<T: Sync, R: Send>(
    items: Vec<T>,
    look: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    thread::scope(|scope| {
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(|| look(item))).collect();
        // A look that broke has seen nothing.
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// libvirtd works on five calls of a client at a time by default
/// (`max_client_requests`). More of them wait unread, and with them the answers
/// to its keep-alive: hung guests would cost the connection.
const PER_HOST: usize = 4;

/// Does something with instances, on all hosts at once and a few at a time on
/// each; in no order.
pub(super) fn by_host<'a, R: Send>(
    instances: impl Iterator<Item = &'a Instance>,
    look: impl Fn(&'a Instance) -> R + Sync,
) -> Vec<R> {
    let mut hosts: BTreeMap<&HostName, Vec<&Instance>> = BTreeMap::new();
    for instance in instances {
        hosts.entry(&instance.host).or_default().push(instance);
    }
    let queues: Vec<Mutex<Vec<&Instance>>> = hosts.into_values().map(Mutex::new).collect();
    let next = |queue: &Mutex<Vec<&'a Instance>>| {
        queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
    };
    let work = |queue| {
        let mut found = Vec::new();
        while let Some(instance) = next(queue) {
            found.push(look(instance));
        }
        found
    };
    thread::scope(|scope| {
        let queues = queues.iter().flat_map(|queue| [queue; PER_HOST]);
        let work = &work;
        let threads: Vec<_> = queues.map(|queue| scope.spawn(move || work(queue))).collect();
        // A look that broke has seen nothing.
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    })
}

fn look(plan: &Plan, host: &dyn Hypervisor) -> Result<HostView, HypervisorError> {
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

fn runs_as_planned(plan: &Plan, world: &World, instance: &Instance) -> bool {
    let domain = world.view(&instance.host).and_then(|view| owned_domain(plan, view, instance));
    domain.is_some_and(|domain| domain.active && is_as_planned(plan, instance, domain))
}

fn glance(site: &Site<'_>, instance: &Instance) -> (InstanceName, GuestView) {
    let guest = site.guest(&instance.name);
    let booted = guest.and_then(|guest| Ok((guest.has_booted()?, guest)));
    let denied = matches!(&booted, Err(EngineError::Guest(GuestError::Hypervisor(error))) if error.kind == ErrorKind::Denied);
    let ready = booted.is_ok_and(|(booted, guest)| {
        booted && instance.address.is_none_or(|planned| guest.has_address(planned))
    });
    // A fixed machine has no engine to wait for.
    let configured = ready && instance.role == Role::Fixed;
    (instance.name.clone(), GuestView { ready, configured, denied })
}

/// Asks each cluster whose running guests are all ready. An instance counts as
/// configured where nothing differs.
fn ask_clusters(site: &Site<'_>, world: &mut World) {
    let plan = site.plan;
    let is_ready = |service: &&ServicePlan| {
        let mut guests =
            plan.members(&service.name).filter_map(|one| world.guests.get(&one.name)).peekable();
        guests.peek().is_some() && guests.all(|guest| guest.ready)
    };
    let ready: Vec<&ServicePlan> = site.plan.services.iter().filter(is_ready).collect();
    let answers = in_parallel(ready, |service| {
        let check = engine_of(service).and_then(|one| one.check(site, service, site.plan));
        (*service, check)
    });
    for (service, answer) in answers {
        let Ok(differences) = answer else { continue };
        for instance in plan.members(&service.name) {
            let differs = differences.iter().any(|one| one.instance == instance.name);
            if let Some(guest) = world.guests.get_mut(&instance.name) {
                guest.configured = !differs;
            }
        }
        world.clusters.insert(service.name.clone(), differences);
    }
}
