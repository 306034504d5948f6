//! What a deploy sees of an engine: written once for every [`Cluster`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::cluster::{Cluster, Copies, FileChange, Goal, Observed, Serving, Uptake};
use super::load::{Bound, Load};
use super::rolling::{Outage, make_room};
use super::{
    Acknowledged, Admission, Attempt, Change, Crew, Difference, EngineError, Fact, Probe, Series,
};
use super::{converge, load, numbered, probe, unit};
use crate::guest::{Guest, GuestError};
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::secret::{Identity, ServiceSecrets};

/// Instances that answer.
pub type Answering = BTreeSet<InstanceName>;

/// Sets services of an engine up, checks and tries them.
pub trait Operator: Send + Sync {
    /// Writes the configuration of an instance, enables its service, lets it take up
    /// what changed, and waits until it answers.
    ///
    /// # Errors
    /// The guest, with the command and what it said; [`EngineError::Refused`] where a
    /// restart would take the last healthy copy of a group.
    fn configure(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        disruption: Disruption,
    ) -> Result<Change, EngineError>;

    /// Lets an instance that runs let the others in by its former rule and by the planned
    /// one, where the two differ.
    ///
    /// # Errors
    /// The guest, or the engine's refusal.
    fn prepare(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Change, EngineError>;

    /// Whether the engine of an instance runs: its unit is active.
    ///
    /// # Errors
    /// The guest.
    fn runs(&self, crew: &Crew<'_>, instance: &Instance) -> Result<bool, EngineError>;

    /// Brings the cluster to a goal, or repairs it; idempotent.
    ///
    /// # Errors
    /// [`EngineError::Refused`] where going on could lose data,
    /// [`EngineError::Unformed`] with what is missing.
    fn form(&self, crew: &Crew<'_>, goal: Goal) -> Result<Change, EngineError>;

    /// Sees to it, just before an instance is taken away, that nobody relies on it:
    /// another copy of what it serves leads, as everybody agrees.
    ///
    /// # Errors
    /// [`EngineError::Refused`] where it is the only healthy copy and no outage is
    /// allowed.
    fn vacate(
        &self,
        crew: &Crew<'_>,
        instance: &InstanceName,
        outage: Outage,
    ) -> Result<Change, EngineError>;

    /// Returns who leads a group and who could, and all of the service that answer.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn copies(&self, crew: &Crew<'_>, group: u32) -> Result<(Copies, Answering), EngineError>;

    /// Lets an instance take the lead of its group over from one that answers.
    ///
    /// # Errors
    /// The guest, or the engine's refusal.
    fn take_lead(&self, crew: &Crew<'_>, instance: &InstanceName) -> Result<(), EngineError>;

    /// Lets one of a group lead whose leader is off, as the caller has made sure; returns who
    /// leads.
    ///
    /// # Errors
    /// The guest, or the engine's refusal.
    fn promote(
        &self,
        crew: &Crew<'_>,
        group: u32,
        to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError>;

    /// Why a write to a leader that answers does not come back, if it does not.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn stuck(&self, crew: &Crew<'_>, leader: &InstanceName) -> Result<Option<String>, EngineError>;

    /// Compares all instances with the plan. One that does not answer is a difference,
    /// not an error.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn check(&self, crew: &Crew<'_>) -> Result<Checked, EngineError>;

    /// What it takes to bring a running instance to other files, by these alone; `None` where
    /// it runs with them.
    fn foresee(&self, changes: &[FileChange]) -> Option<Pending>;

    /// Writes and reads back a value through every group, and removes it.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn probe(&self, crew: &Crew<'_>) -> Result<Vec<Probe>, EngineError>;

    /// Writes a numbered value through every group, at the same time, and reads it back, as a
    /// client that does not wait for long.
    ///
    /// # Errors
    /// The plan contradicts itself. What is refused is an attempt.
    fn write_numbered(
        &self,
        crew: &Crew<'_>,
        series: &Series,
        number: u64,
    ) -> Result<Vec<Attempt>, EngineError>;

    /// Returns what cannot be read of what was acknowledged; with `forget` removes all of it.
    ///
    /// # Errors
    /// A group that does not answer.
    fn lost_numbers(
        &self,
        crew: &Crew<'_>,
        series: &Series,
        acknowledged: &[Acknowledged],
        forget: bool,
    ) -> Result<Vec<Acknowledged>, EngineError>;

    /// Puts a short load on every group at the same time, from instances of other
    /// groups, and leaves nothing behind.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn load(&self, crew: &Crew<'_>, bound: Bound) -> Result<Vec<Load>, EngineError>;

    /// Reads the passwords that a guest was given; `None` where it was given none.
    ///
    /// # Errors
    /// The guest does not answer.
    fn recover(&self, guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError>;

    /// Reads the certificate that a guest was given, with its key and who signed it; `None`
    /// where it was given none.
    ///
    /// # Errors
    /// The guest does not answer.
    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError>;
}

/// What the configuration of an instance may do to those who use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disruption {
    /// Anything: nobody uses it yet.
    Any,
    /// A restart while other copies of its data serve.
    Covered,
    /// A restart, even if nobody serves its data meanwhile: the operator allowed that.
    Outage,
    /// None.
    None,
}

/// A service compared with its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What differs, instance by instance; empty if nothing does.
    pub differences: Vec<Difference>,
    /// What brings the configuration of instances to the plan that are in use.
    pub pending: BTreeMap<InstanceName, Pending>,
    /// How that alters whom those let in.
    pub admissions: BTreeMap<InstanceName, Admission>,
    /// Data of which nothing is left, by the instance that is to serve it.
    pub lost: BTreeMap<InstanceName, String>,
    /// Who leads each group now, where those that answered agree.
    pub leaders: BTreeMap<u32, InstanceName>,
}

/// What it takes to bring an instance in use to its configuration; the gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pending {
    /// It takes it up while it runs.
    Live,
    /// It takes them up while it runs, and clients reach it at another port then: another copy
    /// leads meanwhile.
    Door,
    /// It is restarted; other copies of its data serve meanwhile.
    Restart,
    /// It hands its lead over and is restarted then.
    HandOver,
    /// It is restarted, and nobody serves its data meanwhile.
    Outage,
    /// All are restarted together, and nobody serves meanwhile: those that have the change
    /// and those that have not could not talk to each other.
    Together,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "configuration changes, taken up live",
            Self::Door => "port changes, hand-over then taken up live",
            Self::Restart => "configuration changes, restart",
            Self::HandOver => "configuration changes, hand-over then restart",
            Self::Outage => {
                "configuration changes, restart: the only copy of its data, which nobody serves \
                 meanwhile"
            }
            Self::Together => "configuration changes, all restart together",
        })
    }
}

impl<C: Cluster> Operator for C {
    fn configure(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        disruption: Disruption,
    ) -> Result<Change, EngineError> {
        unit::configure(self, crew, instance, disruption)
    }

    fn prepare(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Change, EngineError> {
        unit::prepare(self, crew, instance)
    }

    fn runs(&self, crew: &Crew<'_>, instance: &Instance) -> Result<bool, EngineError> {
        unit::runs(self, crew, &instance.name)
    }

    fn form(&self, crew: &Crew<'_>, goal: Goal) -> Result<Change, EngineError> {
        converge::form(self, crew, goal)
    }

    fn vacate(
        &self,
        crew: &Crew<'_>,
        instance: &InstanceName,
        outage: Outage,
    ) -> Result<Change, EngineError> {
        let mut made = Vec::new();
        make_room(self, crew, instance, outage, &mut made)?;
        Ok(if made.is_empty() { Change::NotNeeded } else { Change::Made(made.join(", ")) })
    }

    fn copies(&self, crew: &Crew<'_>, group: u32) -> Result<(Copies, Answering), EngineError> {
        let target = self.target(crew)?;
        let observed = self.observe(crew, &target);
        let copies = self.copies(&target, &observed, group);
        Ok((copies, observed.seen.into_keys().collect()))
    }

    fn take_lead(&self, crew: &Crew<'_>, instance: &InstanceName) -> Result<(), EngineError> {
        self.take_lead(crew, &self.target(crew)?, instance)
    }

    fn promote(
        &self,
        crew: &Crew<'_>,
        group: u32,
        to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError> {
        self.promote(crew, group, to)
    }

    fn stuck(&self, crew: &Crew<'_>, leader: &InstanceName) -> Result<Option<String>, EngineError> {
        self.stuck(crew, leader)
    }

    fn check(&self, crew: &Crew<'_>) -> Result<Checked, EngineError> {
        let target = self.target(crew)?;
        let observed = self.observe(crew, &target);
        let mut differences = self.differences(&target, &observed);
        differences.extend(shared_hosts(crew));
        let (mut pending, mut admissions) = (BTreeMap::new(), BTreeMap::new());
        // Where the agent itself is silent there is nothing to read.
        let is_lost = |one: &Instance| observed.silent.get(&one.name).is_some_and(is_lost);
        let changes =
            crew.each_member(|one| if is_lost(one) { Vec::new() } else { changes(crew, one) });
        for (instance, changes) in crew.members().iter().zip(changes) {
            let own = differences.iter().filter(|one| one.instance == instance.name);
            let own: Vec<Difference> = own.cloned().collect();
            differences.extend(changes.iter().map(|change| change.difference(&instance.name)));
            if self.copies_with(&target, &observed, &instance.name).is_in_use(&instance.name) {
                let admission = self.admission(&changes);
                admissions.extend(admission.map(|one| (instance.name.clone(), one)));
            }
            if self.divides(&changes) {
                pending.insert(instance.name.clone(), Pending::Together);
                continue;
            }
            let what = match self.uptake(&changes, running(&own).as_deref()) {
                Uptake::Nothing => None,
                Uptake::Live(_) if self.moves_door(&changes) => Some(Pending::Door),
                Uptake::Live(_) => Some(Pending::Live),
                Uptake::Restart => restart(self, crew, instance, (&target, &observed)),
            };
            pending.extend(what.map(|what| (instance.name.clone(), what)));
        }
        let lost = self.lost(&target, &observed);
        let leaders = crew.service.groups.iter().filter_map(|group| {
            Some((group.index, self.copies(&target, &observed, group.index).leader?))
        });
        Ok(Checked { differences, pending, admissions, lost, leaders: leaders.collect() })
    }

    fn foresee(&self, changes: &[FileChange]) -> Option<Pending> {
        if self.divides(changes) {
            return Some(Pending::Together);
        }
        match self.uptake(changes, None) {
            Uptake::Nothing => None,
            Uptake::Live(_) if self.moves_door(changes) => Some(Pending::Door),
            Uptake::Live(_) => Some(Pending::Live),
            Uptake::Restart => Some(Pending::Restart),
        }
    }

    fn probe(&self, crew: &Crew<'_>) -> Result<Vec<Probe>, EngineError> {
        probe::probe(self, crew)
    }

    fn write_numbered(
        &self,
        crew: &Crew<'_>,
        series: &Series,
        number: u64,
    ) -> Result<Vec<Attempt>, EngineError> {
        numbered::write(self, crew, series, number)
    }

    fn lost_numbers(
        &self,
        crew: &Crew<'_>,
        series: &Series,
        acknowledged: &[Acknowledged],
        forget: bool,
    ) -> Result<Vec<Acknowledged>, EngineError> {
        numbered::lost(self, crew, series, acknowledged, forget)
    }

    fn load(&self, crew: &Crew<'_>, bound: Bound) -> Result<Vec<Load>, EngineError> {
        load::load(self, crew, bound)
    }

    fn recover(&self, guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError> {
        self.recover(guest)
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        self.identity(guest)
    }
}

/// What a restart of an instance comes to; `None` where nobody uses it. One that runs
/// with former secrets cannot be asked for its role: it has the planned one, most likely.
fn restart<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
    (target, observed): (&C::Target, &Observed<C::Seen>),
) -> Option<Pending> {
    let copies = cluster.copies_with(target, observed, &instance.name);
    let has_former_secrets = || {
        observed.silent.contains_key(&instance.name)
            && matches!(cluster.serving(crew, instance), Ok(Serving::Estranged(_)))
    };
    let leads = match &copies.leader {
        Some(leader) => *leader == instance.name,
        None => crew.is_lead(instance),
    };
    if !copies.is_in_use(&instance.name) && !has_former_secrets() {
        return None;
    }
    Some(match crew.copies_of(instance).count() {
        0 | 1 => Pending::Outage,
        _ if leads => Pending::HandOver,
        _ => Pending::Restart,
    })
}

/// The files of an instance that are not as they should be. Files that cannot be
/// rendered or read are not compared.
fn changes(crew: &Crew<'_>, instance: &Instance) -> Vec<FileChange> {
    let read = || unit::changes(crew, instance, &crew.files(instance)?);
    read().unwrap_or_default()
}

/// Whether no answer can be had from the guest at all.
const fn is_lost(error: &EngineError) -> bool {
    matches!(error, EngineError::Guest(GuestError::Hypervisor(_)) | EngineError::Plan { .. })
}

/// What an instance runs with that is not as planned; `None` where it does not say.
pub(super) fn running(own: &[Difference]) -> Option<Vec<Difference>> {
    let unknown = |one: &Difference| matches!(one.fact, Fact::Answer | Fact::Configuration);
    if own.iter().any(unknown) {
        return None;
    }
    Some(own.iter().filter(|one| one.fact.is_configured()).cloned().collect())
}

/// Copies of a group that share a host.
fn shared_hosts(crew: &Crew<'_>) -> Vec<Difference> {
    let pairs = crew.leads().flat_map(|lead| {
        crew.copies_of(lead).filter(|one| one.name != lead.name).map(move |copy| (lead, copy))
    });
    let shared = pairs.filter(|(lead, copy)| lead.host == copy.host);
    shared
        .map(|(lead, copy)| Difference {
            instance: copy.name.clone(),
            fact: Fact::SharedHost,
            planned: format!("another than {}'s", lead.name),
            found: copy.host.to_string(),
        })
        .collect()
}
