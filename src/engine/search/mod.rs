//! Elasticsearch and OpenSearch: formed, kept green and changed through their own API, asked
//! by `curl` in the guest.
//!
//! A cluster elects its master and places its shards itself. A deploy founds it by one voter,
//! once, and never again; takes an instance away only while everything it holds is held by
//! another one that serves, and waits until that is so again before the next.

mod api;
mod documents;
mod observe;
mod send;
mod steps;
mod target;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::observe::{ENABLE, Observed, Seen};
use self::steps::Step;
use self::target::Target;
use self::upgrade::Version;
use super::cluster::{
    Answer, Broken, Cluster, Copies, FileChange, Goal, Patience, Serving, Uptake,
};
use super::load::{Bound, Measured};
use super::{Crew, Difference, EngineError, Fact, Through, identity_in};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::{Instance, Role};
use crate::recipe::search::{self, Package};
use crate::secret::{Identity, ServiceSecrets};

/// Elasticsearch.
pub static ELASTICSEARCH: Search = Search(&search::ELASTICSEARCH_PACKAGE);
/// OpenSearch.
pub static OPENSEARCH: Search = Search(&search::OPENSEARCH_PACKAGE);

/// A search engine as a package brings it.
#[derive(Debug)]
pub struct Search(&'static Package);

/// Settings of the cluster that somebody set by hand, and that its configuration holds.
#[derive(Debug)]
pub struct Reset(Vec<String>);

impl Cluster for Search {
    type Target = Target;
    type Seen = Seen;
    type Step = Step;
    type Live = Reset;

    const PATIENCE: Patience = Patience {
        // A JVM starts, and reads its indices.
        loading: Duration::from_secs(900),
        // An election and the delay before copies of a lost instance are made anew.
        idle: Duration::from_secs(180),
        longest: Duration::from_secs(86_400),
        pause: Duration::from_secs(2),
        settling: 15,
        refusals: 3,
    };
    const WORK: &'static str = "documents";
    /// Copies are made again once that is allowed.
    const REJOINS: bool = false;

    fn units(&self) -> &'static [&'static str] {
        &self.0.units
    }

    fn target(&self, crew: &Crew<'_>) -> Result<Target, EngineError> {
        Target::of(self.0, crew)
    }

    fn look(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &Instance,
    ) -> Result<Seen, EngineError> {
        observe::look(crew, target, instance)
    }

    fn steps(&self, target: &Target, observed: &Observed, goal: Goal) -> Result<Vec<Step>, String> {
        steps::steps(target, observed, goal)
    }

    fn differences(&self, target: &Target, observed: &Observed) -> Vec<Difference> {
        steps::differences(target, observed)
    }

    fn act<'s>(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        steps: &'s [Step],
    ) -> Result<Vec<(&'s Step, Answer)>, EngineError> {
        send::take_all(crew, target, steps)
    }

    fn kind(step: &Step) -> &'static str {
        step.order.kind()
    }

    fn entries<'a>(&self, crew: &Crew<'a>) -> Vec<(Through, &'a Instance)> {
        let holds = crew.members().iter().filter(|one| one.role != Role::Witness);
        holds.map(|one| (Through::Instance(one.name.clone()), *one)).collect()
    }

    /// All instances are one group without a number.
    fn copies(&self, _: &Target, _: &Observed, _: u32) -> Copies {
        Copies::default()
    }

    /// Any other is as good while the others hold all that an instance holds, and elect without
    /// it; else it is the only one.
    fn copies_with(&self, target: &Target, observed: &Observed, instance: &InstanceName) -> Copies {
        copies_with(target, observed, instance)
    }

    fn spare(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &InstanceName,
    ) -> Result<Vec<String>, EngineError> {
        let others = crew.only(|one| one.name != *instance);
        let observed = self.observe(&others, target);
        let Some(view) = observe::view(&observed) else { return Ok(Vec::new()) };
        let Some(at) = steps::spokesman(&observed, view) else { return Ok(Vec::new()) };
        let (guest, door) = (crew.guest(&at)?, target.member(&at)?.door);
        self.may_return(crew, (&guest, door), view, instance)?;
        api::command(&guest, door, &send::set(&json!({ ENABLE: "primaries" })))?;
        // What is on the disk need not be read from the log of changes; where it is not, the
        // instance only takes longer.
        let _ = api::command(&guest, door, &api::send("POST", "/_flush", None));
        Ok(vec!["copies wait meanwhile".to_owned()])
    }

    fn take_lead(&self, _: &Crew<'_>, _: &Target, _: &InstanceName) -> Result<(), EngineError> {
        Ok(())
    }

    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Reset> {
        let running = running.unwrap_or_default();
        let by_hand: Vec<String> = running
            .iter()
            .filter_map(|one| match &one.fact {
                Fact::Setting(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        let security = self.0.security.as_ref();
        let is_read_again = |change: &FileChange| {
            security.is_some_and(|security| security.is_read_again(&change.file.path))
        };
        if !files.iter().all(is_read_again) || running.len() > by_hand.len() {
            Uptake::Restart
        } else if by_hand.is_empty() && files.is_empty() {
            Uptake::Nothing
        } else {
            Uptake::Live(Reset(by_hand))
        }
    }

    fn take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        Reset(names): &Reset,
    ) -> Result<Vec<String>, EngineError> {
        if names.is_empty() {
            // The server looks at their files every few seconds.
            return Ok(vec!["users and certificates are read again".to_owned()]);
        }
        let guest = crew.guest(&instance.name)?;
        let door = target::Member::of(self.0, crew, instance)?.door;
        let all: Map<String, Value> =
            names.iter().map(|name| (name.clone(), Value::Null)).collect();
        api::command(&guest, door, &send::set(&all.into()))?;
        Ok(names.iter().map(|name| format!("{name} is as its configuration has it")).collect())
    }

    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError> {
        let member = target::Member::of(self.0, crew, instance)?;
        let guest = crew.guest(&instance.name)?;
        let question = api::get("/_nodes/_local?filter_path=nodes.*.attributes");
        let answer = match api::ask(&guest, member.door, &[question]) {
            Ok(answers) => answers.into_iter().next(),
            Err(error) if error.is_of_command() => return Ok(Serving::NotYet(error.to_string())),
            Err(error) => return Err(error),
        };
        let runs_with = answer.as_ref().and_then(observe::configuration);
        Ok(match answer {
            Some(answer) if !answer.is_ok() => Serving::NotYet(answer.reason()),
            _ if member.digest.is_some() && runs_with != member.digest => {
                Serving::Estranged("it runs with another configuration".to_owned())
            }
            _ => Serving::Yes,
        })
    }

    /// A server with encryption and one without do not understand one another.
    fn divides(&self, files: &[FileChange]) -> bool {
        let is_closed =
            |text: &str| text.lines().any(|line| line == "xpack.security.enabled: true");
        files.iter().filter(|change| change.file.path == self.0.config).any(|change| {
            let own = change.before.as_ref().filter(|text| text.contains("Written by hostsplit"));
            own.is_some_and(|before| is_closed(before) != is_closed(&change.file.text))
        })
    }

    fn recover(&self, guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError> {
        let Some(security) = &self.0.security else { return Ok(None) };
        let text = guest.read_file(security.own)?;
        Ok(text.and_then(|text| search::read(&text)).map(Into::into))
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        self.0.security.as_ref().map_or(Ok(None), |security| identity_in(guest, &security.tls))
    }

    fn round_trip(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        at: &Instance,
        via: &Instance,
    ) -> Result<(), Broken> {
        documents::round_trip(crew, target, (at, via))
    }

    fn write_numbered(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        ends: (&Instance, &Instance),
        value: (&str, u64),
    ) -> Result<Option<String>, Broken> {
        documents::write(crew, target, ends, value)
    }

    fn lost_numbers(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        ends: (&Instance, &Instance),
        series: (&str, &BTreeSet<u64>),
        forget: bool,
    ) -> Result<BTreeSet<u64>, Broken> {
        documents::lost(crew, target, ends, series, forget)
    }

    fn press(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        ends: (&Instance, &Instance),
        bound: Bound,
    ) -> Result<Measured, EngineError> {
        documents::press(crew, target, ends, bound)
    }
}

impl Search {
    /// Asks whether an instance that is about to be taken away may come back with the version
    /// that is in the image of the plan.
    fn may_return(
        &self,
        crew: &Crew<'_>,
        (guest, door): (&Guest<'_>, api::Door),
        view: &observe::View,
        instance: &InstanceName,
    ) -> Result<(), EngineError> {
        let image = crew.plan.image.as_ref();
        let planned = image.and_then(|image| image.engines.get(self.0.engine.as_str()));
        let to = planned.and_then(|version| Version::parse(version));
        let from = view.versions.get(instance.as_str()).and_then(|one| Version::parse(one));
        let Some((from, to)) = from.zip(to).filter(|(from, to)| from != to) else { return Ok(()) };
        let settings = api::command(
            guest,
            door,
            &api::get(
                "/_all/_settings/index.version.created,index.blocks.write?flat_settings=true\
                 &expand_wildcards=all",
            ),
        )?;
        let refusal = upgrade::refusal(self.0.engine, (from, to), &upgrade::makers(&settings));
        refusal.map_or(Ok(()), |why| Err(crew.refusal(format!("{instance}: {why}"))))
    }
}

fn copies_with(target: &Target, observed: &Observed, instance: &InstanceName) -> Copies {
    let mut copies = Copies::default();
    let Some(view) = observe::view(observed) else {
        let lost = observed.seen.keys().map(|name| (name.clone(), "it has no master".to_owned()));
        copies.ailing.extend(lost);
        copies
            .ailing
            .extend(observed.silent.iter().map(|(name, why)| (name.clone(), why.to_string())));
        return copies;
    };
    let name = instance.as_str();
    let is_member = |one: &&InstanceName| view.nodes.contains(one.as_str());
    let inside: Vec<&InstanceName> = observed.seen.keys().filter(is_member).collect();
    let outside = observed.seen.keys().filter(|one| !is_member(one));
    copies.ailing.extend(outside.map(|one| (one.clone(), "it has not joined".to_owned())));
    copies.ailing.extend(observed.silent.iter().map(|(name, why)| (name.clone(), why.to_string())));
    let is_used = view.nodes.contains(name)
        && (view.held_by(name).next().is_some() || view.voters.contains(name));
    let fault = steps::ailment(target, view)
        .or_else(|| (!view.elects_without(name)).then(|| "too few others vote".to_owned()));
    let others = inside.iter().filter(|one| **one != instance).copied();
    match fault {
        // What is short or on its way is there again first.
        Some(fault) if is_used => {
            copies.healthy.insert(instance.clone());
            copies.ailing.extend(others.map(|one| (one.clone(), fault.clone())));
        }
        Some(fault) => {
            let at = inside.first().copied().unwrap_or(instance);
            copies.ailing.insert(at.clone(), fault);
        }
        None if is_used && view.is_sole(name) => drop(copies.healthy.insert(instance.clone())),
        None => {
            copies.healthy.extend(others.cloned());
            copies.leader = copies.healthy.first().cloned();
            if is_used || target.members.contains_key(instance) && view.nodes.contains(name) {
                copies.healthy.insert(instance.clone());
            }
        }
    }
    copies
}
