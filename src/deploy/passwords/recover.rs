//! Passwords read from the guests that use them: the loss of a state directory must
//! lock no client out.

use std::collections::BTreeMap;

use crate::deploy::{Context, observe_hosts};
use crate::engine::{EngineError, operator_of};
use crate::guest::{Guest, GuestError};
use crate::hypervisor::fan_out::on_each;
use crate::hypervisor::{Domain, ErrorKind};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::secret::{Identity, Lacking, Missing, Recovered, ServiceSecrets};
use crate::state::world::{World, is_ours};

/// What hosts and guests know of what is missing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The passwords that were found.
    pub passwords: Recovered,
    /// Service by service what became of its passwords, in the plan's order.
    pub services: Vec<(ServiceName, RecoveryOutcome)>,
    /// Whether instances run that hold certificates of an authority that is
    /// gone. Its key is in no guest, and so beyond recovery.
    pub authority_lost: bool,
    /// The certificates of instances, which go on to be used then.
    pub identities: BTreeMap<InstanceName, Identity>,
}

/// What became of the passwords of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecoveryOutcome {
    /// They were found.
    Found {
        /// In the guest of this instance.
        from: InstanceName,
        /// Instances that were given others.
        others: Vec<InstanceName>,
    },
    /// They are in guests that are powered off; a deploy starts these and asks.
    PoweredOff {
        /// Instances to ask, in the plan's order.
        instances: Vec<PoweredOff>,
    },
    /// We may not ask the guests: the connection may only look.
    Denied,
    /// There are instances or their data, and none has any. Clients that have a
    /// password have a wrong one then.
    Lost,
    /// There is nothing that could be locked.
    New,
}

/// An instance that is there and powered off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoweredOff {
    /// The instance.
    pub instance: InstanceName,
    /// Where it is, which may be another host than the planned one.
    pub host: HostName,
    /// Its libvirt domain.
    pub domain: String,
}

/// The answer of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Passwords(ServiceSecrets),
    /// Its guest answers and was given no password yet.
    NoPassword,
    Denied,
    Off(PoweredOff),
    /// It is silent, or only its data is there.
    Silent,
    /// Nothing of it is there.
    Absent,
}

/// Looks for what is missing: at the hosts, then in the deployment's guests that run,
/// whether or not they are as planned.
pub fn recover(context: &Context<'_>, missing: &Missing) -> Recovery {
    let mut recovery = Recovery::default();
    if missing.is_nothing() {
        return recovery;
    }
    let world = observe_hosts(context);
    let of = |lacking: &Lacking| Some((context.plan.service(&lacking.service)?, lacking.client));
    let services: Vec<(&ServicePlan, bool)> = missing.passwords.iter().filter_map(of).collect();
    let wanted =
        |instance: &&Instance| services.iter().any(|(service, _)| service.name == instance.service);
    let asked: Vec<&Instance> = context.plan.instances.iter().filter(wanted).collect();
    let replies =
        on_each(&asked, |instance| &instance.host, |instance| ask(context, &world, instance));
    let replies: BTreeMap<&InstanceName, Reply> =
        asked.iter().map(|instance| &instance.name).zip(replies).collect();
    for (service, client) in services {
        let own = context.plan.members(&service.name);
        let given = own.filter_map(|one| Some((&one.name, replies.get(&one.name)?))).collect();
        let (outcome, found) = judge(given, client);
        recovery.services.push((service.name.clone(), outcome));
        recovery.passwords.extend(found.map(|found| (service.name.clone(), found)));
    }
    if missing.authority || missing.certificates {
        let (found, is_unread) = identities(context, &world);
        recovery.authority_lost = missing.authority && (is_unread || !found.is_empty());
        recovery.identities = found;
    }
    recovery
}

/// Asks an instance, on whichever host it is: it may be about to move.
fn ask(context: &Context<'_>, world: &World, instance: &Instance) -> Reply {
    let Some((host, domain)) = domain_of(context.plan, world, instance) else {
        let data = instance.data.as_ref().zip(world.view(&instance.host));
        let there = data.is_some_and(|(data, view)| view.volume(&data.pool, &data.name).is_some());
        let unseen = world.view(&instance.host).is_none();
        return if there || unseen { Reply::Silent } else { Reply::Absent };
    };
    let Some(hypervisor) = context.hosts.connected.get(host) else { return Reply::Silent };
    if !domain.active {
        let (instance, domain) = (instance.name.clone(), domain.name.clone());
        return Reply::Off(PoweredOff { instance, host: host.clone(), domain });
    }
    let guest =
        Guest { hypervisor: hypervisor.as_ref(), domain: &domain.name, clock: context.clock };
    let service = context.plan.service_of(instance);
    let Some(service) = service else { return Reply::Absent };
    match operator_of(service).and_then(|engine| engine.recover(&guest)) {
        Ok(Some(found)) => Reply::Passwords(found),
        Ok(None) => Reply::NoPassword,
        Err(EngineError::Guest(GuestError::Hypervisor(error)))
            if error.kind == ErrorKind::Denied =>
        {
            Reply::Denied
        }
        Err(_) => Reply::Silent,
    }
}

/// Finds the domain of an instance, on any host.
fn domain_of<'a>(
    plan: &Plan,
    world: &'a World,
    instance: &Instance,
) -> Option<(&'a HostName, &'a Domain)> {
    let is_its = |domain: &&Domain| {
        let owner = domain.owner.as_ref().map(|owner| owner.instance.as_str());
        is_ours(domain, &plan.name) && owner == Some(instance.name.as_str())
    };
    let on = |host| Some((host, world.view(host)?.domains.iter().find(is_its)?));
    on_first(world, instance).chain(world.hosts.keys()).find_map(on)
}

/// Returns the planned host, if it was seen.
fn on_first<'a>(world: &'a World, instance: &Instance) -> impl Iterator<Item = &'a HostName> {
    world.hosts.get_key_value(&instance.host).map(|(host, _)| host).into_iter()
}

/// What most instances were given is what clients use; of equals the first in
/// the plan's order. They differ where a change of passwords was cut off.
fn judge(
    replies: Vec<(&InstanceName, &Reply)>,
    client: bool,
) -> (RecoveryOutcome, Option<ServiceSecrets>) {
    let alike = |reply: &Reply| replies.iter().filter(|(_, other)| *other == reply).count();
    let mut best: Option<(&InstanceName, &Reply, usize)> = None;
    for (name, reply) in replies.iter().filter(|(_, one)| matches!(one, Reply::Passwords(_))) {
        let count = alike(reply);
        if best.is_none_or(|(_, _, most)| count > most) {
            best = Some((name, reply, count));
        }
    }
    if let Some((from, Reply::Passwords(secrets), _)) = best {
        let differs = |reply: &Reply| matches!(reply, Reply::Passwords(other) if other != secrets);
        let others = replies.iter().filter(|(_, reply)| differs(reply));
        let others = others.map(|(name, _)| (*name).clone()).collect();
        return (RecoveryOutcome::Found { from: from.clone(), others }, Some(secrets.clone()));
    }
    let any = |wanted: &Reply| replies.iter().any(|(_, reply)| *reply == wanted);
    let off = replies.iter().filter_map(|(_, reply)| match reply {
        Reply::Off(off) => Some(off.clone()),
        _ => None,
    });
    let instances: Vec<PoweredOff> = off.collect();
    let outcome = match () {
        () if any(&Reply::Denied) => RecoveryOutcome::Denied,
        // Our own alone is nothing that a client knows.
        () if !client => RecoveryOutcome::New,
        () if !instances.is_empty() => RecoveryOutcome::PoweredOff { instances },
        () if any(&Reply::Silent) => RecoveryOutcome::Lost,
        () => RecoveryOutcome::New,
    };
    (outcome, None)
}

/// The certificates of instances, and whether one has or may have one that cannot be read: it
/// cannot be asked. Where encryption is about to be turned on none has.
fn identities(context: &Context<'_>, world: &World) -> (BTreeMap<InstanceName, Identity>, bool) {
    let plan = context.plan;
    let has_tls = |instance: &&Instance| {
        plan.service_of(instance).is_some_and(|service| service.access.tls.is_offered())
    };
    let asked: Vec<&Instance> = plan.instances.iter().filter(has_tls).collect();
    let read = |instance: &&Instance| {
        let Some((host, domain)) = domain_of(plan, world, instance) else { return Ok(None) };
        let hypervisor = context.hosts.connected.get(host).filter(|_| domain.active);
        let (hypervisor, service) = hypervisor.zip(plan.service_of(instance)).ok_or(())?;
        let guest =
            Guest { hypervisor: hypervisor.as_ref(), domain: &domain.name, clock: context.clock };
        operator_of(service).and_then(|engine| engine.identity(&guest)).map_err(|_| ())
    };
    let found = on_each(&asked, |instance| &instance.host, read);
    let is_unread = found.contains(&Err(()));
    let known = asked
        .iter()
        .zip(found)
        .filter_map(|(one, found)| Some((one.name.clone(), found.ok().flatten()?)));
    (known.collect(), is_unread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn passwords(client: &str) -> Reply {
        let secret = |text: &str| Secret::parse(text).unwrap();
        Reply::Passwords(ServiceSecrets::from_iter([
            ("client", secret(client)),
            ("internal", secret("for-ourselves")),
        ]))
    }

    fn outcome(replies: &[Reply], client: bool) -> RecoveryOutcome {
        let names: Vec<InstanceName> =
            (0..replies.len()).map(|n| InstanceName::new(format!("cache-{n}")).unwrap()).collect();
        judge(names.iter().zip(replies).collect(), client).0
    }

    #[test]
    fn the_passwords_of_most_are_taken_and_the_others_named() {
        let (old, new) = (passwords("the-old-password"), passwords("the-new-password"));
        let found = |from: &str, others: &[&str]| RecoveryOutcome::Found {
            from: InstanceName::new(from).unwrap(),
            others: others.iter().map(|name| InstanceName::new(*name).unwrap()).collect(),
        };
        let replies = [Reply::Silent, new.clone(), old.clone(), old.clone()];
        assert_eq!(outcome(&replies, true), found("cache-2", &["cache-1"]));
        assert_eq!(outcome(&[new, old, Reply::NoPassword], true), found("cache-0", &["cache-1"]));
    }

    #[test]
    fn without_any_reply_it_depends_on_what_is_there() {
        assert_eq!(outcome(&[Reply::Absent, Reply::NoPassword], true), RecoveryOutcome::New);
        assert_eq!(outcome(&[Reply::Absent, Reply::Silent], true), RecoveryOutcome::Lost);
        assert_eq!(
            outcome(&[Reply::Silent], false),
            RecoveryOutcome::New,
            "clients have theirs from elsewhere"
        );
        assert_eq!(outcome(&[Reply::Silent, Reply::Denied], true), RecoveryOutcome::Denied);
        let off = PoweredOff {
            instance: InstanceName::new("cache-1").unwrap(),
            host: HostName::new("h1").unwrap(),
            domain: "shop-cache-1".to_owned(),
        };
        let replies = [Reply::Silent, Reply::Off(off.clone()), Reply::NoPassword];
        assert_eq!(
            outcome(&replies, true),
            RecoveryOutcome::PoweredOff { instances: vec![off.clone()] }
        );
        assert_eq!(outcome(&replies, false), RecoveryOutcome::New);
        assert_eq!(outcome(&[Reply::Off(off), Reply::Denied], true), RecoveryOutcome::Denied);
    }
}
