//! Passwords that were lost on this machine, out of the guests that use them: a
//! state directory that was deleted must lock no client out.

use std::collections::BTreeMap;

use super::Site;
use super::observe::observe_hosts;
use crate::engine::{EngineError, engine_of};
use crate::guest::{Guest, GuestError};
use crate::hypervisor::fan_out::on_each;
use crate::hypervisor::{Domain, ErrorKind, HypervisorError};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::secret::{Credentials, Lacking, Missing, Recovered};
use crate::state::world::{World, is_ours};

/// What hosts and guests know of what is missing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The passwords that were found.
    pub passwords: Recovered,
    /// Service by service what became of its passwords, in the plan's order.
    pub services: Vec<(ServiceName, Fate)>,
    /// Whether instances run that hold certificates of an authority that is
    /// gone. Its key is in no guest, and so beyond recovery.
    pub authority_lost: bool,
}

/// What became of the passwords of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They were found.
    Found {
        /// In the guest of this instance.
        from: InstanceName,
        /// Instances that were given others.
        others: Vec<InstanceName>,
    },
    /// They are in guests that are off, and a deploy starts these and asks.
    Asleep {
        /// Whom to ask, in the plan's order.
        sleepers: Vec<Sleeper>,
    },
    /// We may not ask the guests: the connection may only look.
    Denied,
    /// There are instances or their data, and none told any. Clients that have a
    /// password have a wrong one then.
    Lost,
    /// There is nothing that could be locked.
    New,
}

/// An instance that is there and off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sleeper {
    /// The instance.
    pub instance: InstanceName,
    /// Where it is, which may be another host than the planned one.
    pub host: HostName,
    /// Its libvirt domain.
    pub domain: String,
}

/// What one instance tells.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Told(Credentials),
    /// Its guest answers and was given no password yet.
    Without,
    Denied,
    Off(Sleeper),
    /// It is silent, or only its data is there.
    Silent,
    /// Nothing of it is there.
    Nothing,
}

/// Looks for what is missing: at the hosts, then in the guests of ours that run,
/// whether or not they are as planned.
pub fn recover(
    site: &Site<'_>,
    unreachable: &BTreeMap<HostName, HypervisorError>,
    missing: &Missing,
) -> Recovery {
    let mut recovery = Recovery::default();
    if missing.is_nothing() {
        return recovery;
    }
    let world = observe_hosts(site, unreachable);
    let of = |lacking: &Lacking| Some((site.plan.service(&lacking.service)?, lacking.client));
    let services: Vec<(&ServicePlan, bool)> = missing.passwords.iter().filter_map(of).collect();
    let wanted =
        |instance: &&Instance| services.iter().any(|(service, _)| service.name == instance.service);
    let asked: Vec<&Instance> = site.plan.instances.iter().filter(wanted).collect();
    let words = on_each(&asked, |instance| &instance.host, |instance| ask(site, &world, instance));
    let words: BTreeMap<&InstanceName, Word> =
        asked.iter().map(|instance| &instance.name).zip(words).collect();
    for (service, client) in services {
        let own = site.plan.members(&service.name);
        let told = own.filter_map(|one| Some((&one.name, words.get(&one.name)?))).collect();
        let (fate, found) = judge(told, client);
        recovery.services.push((service.name.clone(), fate));
        recovery.passwords.extend(found.map(|found| (service.name.clone(), found)));
    }
    recovery.authority_lost = missing.authority && has_certificates(site.plan, &world);
    recovery
}

/// What an instance tells, wherever it stands: it may be about to move.
fn ask(site: &Site<'_>, world: &World, instance: &Instance) -> Word {
    let Some((host, domain)) = domain_of(site.plan, world, instance) else {
        let data = instance.data.as_ref().zip(world.view(&instance.host));
        let there = data.is_some_and(|(data, view)| view.volume(&data.pool, &data.name).is_some());
        let unseen = world.view(&instance.host).is_none();
        return if there || unseen { Word::Silent } else { Word::Nothing };
    };
    let Some(hypervisor) = site.hosts.get(host) else { return Word::Silent };
    if !domain.active {
        let (instance, domain) = (instance.name.clone(), domain.name.clone());
        return Word::Off(Sleeper { instance, host: host.clone(), domain });
    }
    let guest = Guest { hypervisor: hypervisor.as_ref(), domain: &domain.name, clock: site.clock };
    let service = site.plan.service_of(instance);
    let Some(service) = service else { return Word::Nothing };
    match engine_of(service).and_then(|engine| engine.credentials(&guest)) {
        Ok(Some(found)) => Word::Told(found),
        Ok(None) => Word::Without,
        Err(EngineError::Guest(GuestError::Hypervisor(error)))
            if error.kind == ErrorKind::Denied =>
        {
            Word::Denied
        }
        Err(_) => Word::Silent,
    }
}

/// The domain of an instance, on any host.
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

/// The planned host, if it was seen.
fn on_first<'a>(world: &'a World, instance: &Instance) -> impl Iterator<Item = &'a HostName> {
    world.hosts.get_key_value(&instance.host).map(|(host, _)| host).into_iter()
}

/// What most instances were given is what clients use; of equals the first in
/// the plan's order. They differ where a change of passwords was cut off.
fn judge(told: Vec<(&InstanceName, &Word)>, client: bool) -> (Fate, Option<Credentials>) {
    let given = |word: &Word| told.iter().filter(|(_, other)| *other == word).count();
    let mut best: Option<(&InstanceName, &Word, usize)> = None;
    for (name, word) in told.iter().filter(|(_, word)| matches!(word, Word::Told(_))) {
        let count = given(word);
        if best.is_none_or(|(_, _, most)| count > most) {
            best = Some((name, word, count));
        }
    }
    if let Some((from, Word::Told(credentials), _)) = best {
        let differs = |word: &Word| matches!(word, Word::Told(other) if other != credentials);
        let others = told.iter().filter(|(_, word)| differs(word));
        let others = others.map(|(name, _)| (*name).clone()).collect();
        return (Fate::Found { from: from.clone(), others }, Some(credentials.clone()));
    }
    let any = |wanted: &Word| told.iter().any(|(_, word)| *word == wanted);
    let off = told.iter().filter_map(|(_, word)| match word {
        Word::Off(sleeper) => Some(sleeper.clone()),
        _ => None,
    });
    let sleepers: Vec<Sleeper> = off.collect();
    let fate = match () {
        () if any(&Word::Denied) => Fate::Denied,
        // Our own alone is nothing that a client knows.
        () if !client => Fate::New,
        () if !sleepers.is_empty() => Fate::Asleep { sleepers },
        () if any(&Word::Silent) => Fate::Lost,
        () => Fate::New,
    };
    (fate, None)
}

/// Whether an instance that speaks TLS is there.
fn has_certificates(plan: &Plan, world: &World) -> bool {
    let speaks =
        |instance: &&Instance| plan.service_of(instance).is_some_and(|service| service.access.tls);
    let mut speaking = plan.instances.iter().filter(speaks);
    speaking.any(|instance| domain_of(plan, world, instance).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn told(client: &str) -> Word {
        let secret = |text: &str| Secret::parse(text).unwrap();
        Word::Told(Credentials { client: secret(client), internal: secret("for-ourselves") })
    }

    fn fate(words: &[Word], client: bool) -> Fate {
        let names: Vec<InstanceName> =
            (0..words.len()).map(|n| InstanceName::new(format!("cache-{n}")).unwrap()).collect();
        judge(names.iter().zip(words).collect(), client).0
    }

    #[test]
    fn the_passwords_of_most_are_taken_and_the_others_named() {
        let (old, new) = (told("the-old-password"), told("the-new-password"));
        let found = |from: &str, others: &[&str]| Fate::Found {
            from: InstanceName::new(from).unwrap(),
            others: others.iter().map(|name| InstanceName::new(*name).unwrap()).collect(),
        };
        let words = [Word::Silent, new.clone(), old.clone(), old.clone()];
        assert_eq!(fate(&words, true), found("cache-2", &["cache-1"]));
        assert_eq!(fate(&[new, old, Word::Without], true), found("cache-0", &["cache-1"]));
    }

    #[test]
    fn without_any_word_it_depends_on_what_is_there() {
        assert_eq!(fate(&[Word::Nothing, Word::Without], true), Fate::New);
        assert_eq!(fate(&[Word::Nothing, Word::Silent], true), Fate::Lost);
        assert_eq!(fate(&[Word::Silent], false), Fate::New, "clients have theirs from elsewhere");
        assert_eq!(fate(&[Word::Silent, Word::Denied], true), Fate::Denied);
        let sleeper = Sleeper {
            instance: InstanceName::new("cache-1").unwrap(),
            host: HostName::new("h1").unwrap(),
            domain: "shop-cache-1".to_owned(),
        };
        let words = [Word::Silent, Word::Off(sleeper.clone()), Word::Without];
        assert_eq!(fate(&words, true), Fate::Asleep { sleepers: vec![sleeper.clone()] });
        assert_eq!(fate(&words, false), Fate::New);
        assert_eq!(fate(&[Word::Off(sleeper), Word::Denied], true), Fate::Denied);
    }
}
