//! HAProxy with keepalived: two gateways of which one holds the address that clients use.
//!
//! Who holds it is decided by VRRP and asked of both; VRRP alone does not give it back to one
//! that returns. Forming lets one go of it where both hold it, and at last where the one that
//! is planned to be active can take it.

mod databases;
mod observe;
mod target;

use std::fmt;
use std::time::Duration;

pub use self::observe::Seen;
pub use self::target::Target;

use super::cluster::{
    Answer, Broken, Cluster, Complaints, Copies, FileChange, Goal, Observed, Patience, Serving,
    Uptake,
};
use super::load::{Bound, Measured};
use super::web::judge::{Judge, judge};
use super::{Admission, Crew, Difference, EngineError, Through, http};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::haproxy;
use crate::secret::{Identity, ServiceSecrets};

/// HAProxy with keepalived.
pub static HAPROXY: Gateway = Gateway;

/// How long a unit may take to read its configuration again, or to start anew.
const SYSTEMD: Duration = Duration::from_secs(60);

/// The gateways of a service.
#[derive(Debug)]
pub struct Gateway;

/// keepalived of one of several that hold the address is started anew: it lets go of the
/// address, and does not take it back from one that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    from: InstanceName,
    /// Another one that holds it already.
    remains: Option<InstanceName>,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lets go of the address", self.from)
    }
}

/// HAProxy reads its configuration again while connections go on.
#[derive(Debug)]
pub struct Reload;

/// Those that hold the address, as each says of itself.
fn holders(observed: &Observed<Seen>) -> Vec<&InstanceName> {
    let seen = observed.seen.iter().filter(|(_, seen)| seen.holds);
    seen.map(|(name, _)| name).collect()
}

fn vrrp(crew: &Crew<'_>, verb: &str, gateway: &InstanceName) -> Result<String, EngineError> {
    let guest = crew.guest(gateway)?;
    Ok(guest.run_ok(&["systemctl", verb, haproxy::VRRP_UNIT], SYSTEMD)?)
}

/// Announces to neighbours where the address is: VRRP announces what moves, and not what remains
/// where it is while another one lets go of it. In an image without `arping` they ask again
/// when they miss it, or hear keepalived's own reminder.
fn announce(crew: &Crew<'_>, target: &Target, gateway: &InstanceName) -> Result<(), EngineError> {
    let Some(address) = target.address else { return Ok(()) };
    let guest = crew.guest(gateway)?;
    let interfaces = guest.interfaces()?.unwrap_or_default();
    let Some(interface) = interfaces.get(&address) else { return Ok(()) };
    let address = address.to_string();
    guest.run(&["arping", "-q", "-U", "-c", "2", "-w", "3", "-I", interface, &address], SYSTEMD)?;
    Ok(())
}

impl Cluster for Gateway {
    type Target = Target;
    type Seen = Seen;
    type Step = Release;
    type Live = Reload;

    const PATIENCE: Patience = http::PATIENCE;
    const WORK: &'static str = "requests";

    fn units(&self) -> &'static [&'static str] {
        haproxy::UNITS
    }

    fn target(&self, crew: &Crew<'_>) -> Result<Target, EngineError> {
        Target::of(crew)
    }

    fn look(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &Instance,
    ) -> Result<Seen, EngineError> {
        observe::look(crew, target, instance)
    }

    fn steps(
        &self,
        target: &Target,
        observed: &Observed<Seen>,
        goal: Goal,
    ) -> Result<Vec<Release>, String> {
        let holders = holders(observed);
        let serves = |name: &&InstanceName| {
            let seen = observed.seen.get(*name);
            seen.is_some_and(|seen| observe::unserved(observed, name, seen).is_none())
        };
        let lead = target.lead.as_ref().filter(serves);
        let keeper = match goal {
            Goal::Planned if lead.is_some() => lead,
            _ => lead.filter(|lead| holders.contains(lead)).or(holders.first().copied()),
        };
        let remains = keeper.filter(|one| holders.contains(one));
        let others = holders.iter().filter(|one| target.moves && Some(**one) != keeper);
        let release =
            |one: &&InstanceName| Release { from: (*one).clone(), remains: remains.cloned() };
        Ok(others.map(release).collect())
    }

    fn differences(&self, target: &Target, observed: &Observed<Seen>) -> Vec<Difference> {
        observe::differences(target, observed)
    }

    fn act<'s>(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        steps: &'s [Release],
    ) -> Result<Vec<(&'s Release, Answer)>, EngineError> {
        let act = |step: &Release| {
            let announce = || step.remains.iter().try_for_each(|one| announce(crew, target, one));
            announce()?;
            let answer = vrrp(crew, "restart", &step.from)?;
            announce()?;
            Ok(answer)
        };
        Ok(steps.iter().map(|step| (step, act(step))).collect())
    }

    fn kind(_: &Release) -> &'static str {
        "gateway that lets go of the address"
    }

    fn entries<'a>(&self, crew: &Crew<'a>) -> Vec<(Through, &'a Instance)> {
        let through = |lead: &'a Instance| match target::address(crew) {
            Some(address) => (Through::Address(address), lead),
            None => (Through::Instance(lead.name.clone()), lead),
        };
        crew.leads().map(through).collect()
    }

    fn copies(&self, target: &Target, observed: &Observed<Seen>, _: u32) -> Copies {
        let unserved = |name: &InstanceName, seen: &Seen| observe::unserved(observed, name, seen);
        let mut copies = Copies::by_fault(observed, unserved);
        copies.leader = match holders(observed).as_slice() {
            [one] => Some((*one).clone()),
            // Without an address that moves, the one there is serves.
            [] if target.address.is_none() => copies.healthy.first().cloned(),
            _ => None,
        };
        copies
    }

    fn copies_with(
        &self,
        target: &Target,
        observed: &Observed<Seen>,
        instance: &InstanceName,
    ) -> Copies {
        let mut copies = self.copies(target, observed, 0);
        if copies.leader.is_none() {
            // As long as they do not know each other's password, both hold it. Neighbours may
            // take either for the one, so it lets go of it in order.
            copies.leader = holders(observed).into_iter().find(|one| *one == instance).cloned();
        }
        // One that the plan does not hold is in use as long as it holds the address.
        let is_known = target.gateways.contains_key(instance);
        if is_known || copies.is_in_use(instance) { copies } else { Copies::default() }
    }

    fn take_lead(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &InstanceName,
    ) -> Result<(), EngineError> {
        let observed = self.observe(crew, target);
        let holders = holders(&observed);
        let mut others = holders.iter().filter(|one| **one != instance);
        if !holders.contains(&instance) {
            return others.try_for_each(|one| vrrp(crew, "restart", one).map(drop));
        }
        announce(crew, target, instance)?;
        // Started anew, one that does not hear of the other would take it back.
        others.try_for_each(|one| vrrp(crew, "stop", one).map(drop))?;
        announce(crew, target, instance)
    }

    /// keepalived does not say which configuration it runs with, so it is stopped before
    /// its file is replaced.
    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Reload> {
        let of_vrrp = [haproxy::VRRP_CONFIG, haproxy::VRRP_UNIT_CONFIG];
        if files.iter().any(|change| of_vrrp.contains(&change.file.path.as_str())) {
            return Uptake::Restart;
        }
        let runs_another = running.is_some_and(|all| !all.is_empty());
        if files.is_empty() && !runs_another { Uptake::Nothing } else { Uptake::Live(Reload) }
    }

    fn admission(&self, files: &[FileChange]) -> Option<Admission> {
        let config = files.iter().find(|change| change.file.path == haproxy::CONFIG)?;
        http::moves(config, ["bind ", "bind "])
    }

    fn judge(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        files: &[FileChange],
    ) -> Result<(), EngineError> {
        let gate = haproxy::GATE;
        for (config, command) in haproxy::CHECKS {
            judge(crew, instance, files, &Judge { config, command, gate })?;
        }
        Ok(())
    }

    fn take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        _: &Reload,
    ) -> Result<Vec<String>, EngineError> {
        let guest = crew.guest(&instance.name)?;
        guest.run_ok(&["systemctl", "reload", haproxy::UNIT], SYSTEMD)?;
        Ok(vec![format!("reloaded {}", haproxy::UNIT)])
    }

    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError> {
        let target = Target::of(crew)?;
        let seen = match observe::look(crew, &target, instance) {
            Ok(seen) => seen,
            Err(error) if error.is_of_command() => {
                return Ok(Serving::NotYet(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        let planned = target.gateways.get(&instance.name).and_then(|one| one.digest.as_ref());
        let complaints = databases::without_common(crew, &target, instance, seen.complaints)?;
        Ok(http::serving(seen.fault, complaints, seen.configuration.as_ref(), planned))
    }

    fn complaints(&self, crew: &Crew<'_>, one: &Instance) -> Result<Complaints, EngineError> {
        Ok(observe::look(crew, &Target::of(crew)?, one)?.complaints)
    }

    /// A request through each frontend.
    fn round_trip(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        _: &Instance,
        via: &Instance,
    ) -> Result<(), Broken> {
        let guest = crew.guest(&via.name)?;
        let mut doors = target.doors.iter();
        doors.try_for_each(|door| {
            http::answers(&guest, target.authority, (&door.url, door.expected))
        })
    }

    fn press(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        (at, via): (&Instance, &Instance),
        bound: Bound,
    ) -> Result<Measured, EngineError> {
        let (served, sent) = (crew.guest(&at.name)?, crew.guest(&via.name)?);
        let Some(door) = target.doors.first() else { return Ok(Measured::default()) };
        http::press((&served, &sent), &door.url, bound, crew.service.capacity.usable_per_s)
    }

    fn recover(&self, guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError> {
        let read = |path| Ok::<_, EngineError>(guest.read_file(path)?.unwrap_or_default());
        Ok(haproxy::secrets_in(&read(haproxy::CONFIG)?, &read(haproxy::VRRP_CONFIG)?))
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        let Some(authority) = guest.read_file(haproxy::AUTHORITY)? else { return Ok(None) };
        // One that passes connections on has none of its own.
        let both = guest.read_file(haproxy::CERTIFICATE)?.unwrap_or_default();
        let (certificate, key) =
            both.split_at(both.find(haproxy::KEY_BEGINS).unwrap_or(both.len()));
        let (certificate, key) = (certificate.to_owned(), key.to_owned().into());
        Ok(Some(Identity { authority, certificate, key }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn name(text: &str) -> InstanceName {
        InstanceName::new(text).unwrap()
    }

    fn target() -> Target {
        let status = || http::status([10, 20, 0, 52].into(), haproxy::STATUS_PORT);
        let planned = |text: &str| (name(text), target::Planned { status: status(), digest: None });
        Target {
            address: Some([10, 20, 0, 10].into()),
            moves: true,
            lead: Some(name("edge-0")),
            gateways: ["edge-0", "edge-1"].map(planned).into(),
            doors: Vec::new(),
            databases: Vec::new(),
            authority: haproxy::AUTHORITY,
        }
    }

    /// Both, with who holds the address, and who does not serve.
    fn seen(holders: &[&str], ailing: &[&str]) -> Observed<Seen> {
        let one = |text: &str| {
            let fault = ailing.contains(&text).then(|| "HTTP 503".to_owned());
            let holds = holders.contains(&text);
            let (down, complaints) = (BTreeSet::new(), Complaints::new());
            (name(text), Seen { configuration: None, holds, down, fault, complaints })
        };
        Observed { seen: ["edge-0", "edge-1"].map(one).into(), silent: BTreeMap::new() }
    }

    fn steps(holders: &[&str], ailing: &[&str], goal: Goal) -> Vec<String> {
        let steps = HAPROXY.steps(&target(), &seen(holders, ailing), goal).unwrap();
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_of_two_holders_lets_go_and_the_planned_one_gets_it_at_last() {
        let lets_go = |one: &str| vec![format!("{one} lets go of the address")];
        let nobody = Vec::<String>::new();
        assert_eq!(steps(&["edge-0"], &[], Goal::Planned), nobody);
        assert_eq!(steps(&[], &[], Goal::Planned), nobody, "VRRP decides");
        for goal in [Goal::Joined, Goal::Planned] {
            assert_eq!(steps(&["edge-0", "edge-1"], &[], goal), lets_go("edge-1"));
        }
        assert_eq!(steps(&["edge-1"], &[], Goal::Joined), nobody);
        assert_eq!(steps(&["edge-1"], &[], Goal::Planned), lets_go("edge-1"));
        assert_eq!(steps(&["edge-1"], &["edge-0"], Goal::Planned), nobody, "it could not serve");
    }

    #[test]
    fn where_both_hold_it_either_can_be_taken_away() {
        for (one, other) in [("edge-0", "edge-1"), ("edge-1", "edge-0")] {
            let both = seen(&["edge-0", "edge-1"], &[]);
            let copies = HAPROXY.copies_with(&target(), &both, &name(one));
            assert_eq!(copies.leader, Some(name(one)), "handed over to {other} first");
            assert!(copies.healthy.contains(&name(other)));
        }
        assert_eq!(HAPROXY.copies(&target(), &seen(&[], &[]), 0).leader, None);
    }
}
