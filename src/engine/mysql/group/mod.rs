//! MySQL whose copies elect their primary by themselves: Group Replication with one primary.
//!
//! `observe` asks every server whom it sees, `steps` is a pure function of the answers: who joins,
//! who leads as planned, and, where nobody is in a group, who starts it. Who leads otherwise is
//! the group's own decision; nothing here opens a server for writes.
//! <https://dev.mysql.com/doc/refman/8.4/en/group-replication.html>

mod differences;
mod failover;
mod observe;
mod send;
mod sql;
mod steps;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::observe::{Member, Sight, State};
pub use self::steps::{Order, Step};

use self::observe::Observed;
use self::steps::{Existence, View};
use super::{MYSQL, Mysql, Target, Transactions, live, load, observe as servers, proof};
use crate::engine::cluster::{
    Broken, Cluster, Copies, FileChange, Goal, Patience, Serving, Uptake,
};
use crate::engine::load::Measured;
use crate::engine::mysql::Live;
use crate::engine::{Bound, Crew, Difference, EngineError, Leaving};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::mysql::MYSQL_PACKAGE;
use crate::secret::{Identity, ServiceSecrets};

/// The engine `mysql` in groups that elect.
#[derive(Clone, Copy, Debug)]
pub struct Elected;

/// See [`Elected`].
pub static ELECTED: Elected = Elected;

/// What an answer to a step is called.
type Answer = crate::engine::cluster::Answer;

impl Cluster for Elected {
    type Target = Target;
    type Seen = Member;
    type Step = Step;
    type Live = Live;

    const WORK: &'static str = Mysql::WORK;

    /// One that was started looks for its group for a minute, and one that has lost the others
    /// takes as long to leave.
    const PATIENCE: Patience = Patience { idle: Duration::from_secs(240), ..Mysql::PATIENCE };

    /// Where its start at boot found no group, it is started again.
    const REJOINS: bool = false;

    fn units(&self) -> &'static [&'static str] {
        MYSQL.units()
    }

    fn target(&self, crew: &Crew<'_>) -> Result<Target, EngineError> {
        Target::of(MYSQL, crew)
    }

    fn look(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &Instance,
    ) -> Result<Member, EngineError> {
        observe::look(&crew.guest(&instance.name)?, target, &instance.name)
    }

    /// In its own guest: nobody else may ask a server for everything.
    fn look_at_leaving(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        leaving: &Leaving,
        _: &Instance,
    ) -> Option<Result<Member, EngineError>> {
        let leaving = crew.leaving().iter().find(|one| one.name == leaving.name)?;
        let guest = crew.guest_of(leaving);
        Some(guest.and_then(|guest| observe::look(&guest, target, &leaving.name)))
    }

    fn steps(&self, target: &Target, observed: &Observed, goal: Goal) -> Result<Vec<Step>, String> {
        steps::steps(target, observed, goal)
    }

    fn differences(&self, target: &Target, observed: &Observed) -> Vec<Difference> {
        differences::differences(target, observed)
    }

    fn act<'s>(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        steps: &'s [Step],
    ) -> Result<Vec<(&'s Step, Answer)>, EngineError> {
        send::send(crew, target, steps)
    }

    fn kind(step: &Step) -> &'static str {
        step.order.kind()
    }

    /// Transactions grow with the writes of clients; those of a member that gets what it lacks
    /// show that it does.
    fn settle(member: &mut Member) {
        if member.state() != State::Recovering {
            member.transactions = Transactions::default();
        }
    }

    fn copies(&self, target: &Target, observed: &Observed, group: u32) -> Copies {
        let group = target.groups.get(&group);
        let view = group.map(|group| View { target, group, observed });
        view.map(differences::copies).unwrap_or_default()
    }

    fn copies_with(&self, target: &Target, observed: &Observed, instance: &InstanceName) -> Copies {
        let mut views = View::all(target, observed);
        let view = views
            .find(|view| view.stays(instance) || view.members().any(|(name, _)| name == instance));
        let copies = view.map(|view| differences::copies_without(view, instance));
        // One without data that anybody relies on can go at any time.
        copies
            .filter(|copies| copies.is_in_use(instance) || copies.ailing.contains_key(instance))
            .unwrap_or_default()
    }

    fn take_lead(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &InstanceName,
    ) -> Result<(), EngineError> {
        let observed = self.observe(crew, target);
        let mut views = View::all(target, &observed);
        let view = views.find(|view| view.stays(instance));
        let view = view.ok_or_else(|| crew.refusal(format!("{instance} is in no group")))?;
        match view.existence() {
            Existence::Led(primary) if primary == instance => Ok(()),
            Existence::Led(primary) => send::lead(crew, target, &observed, (primary, instance)),
            _ => Err(crew.refusal("its group has no primary now".to_owned())),
        }
    }

    fn promote(
        &self,
        crew: &Crew<'_>,
        group: u32,
        to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError> {
        failover::promote(crew, group, to)
    }

    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Live> {
        live::uptake(&MYSQL_PACKAGE, files, running)
    }

    fn judge(
        &self,
        crew: &Crew<'_>,
        _: &Instance,
        files: &[FileChange],
    ) -> Result<(), EngineError> {
        live::judge(crew, files)
    }

    fn take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        changes: &Live,
    ) -> Result<Vec<String>, EngineError> {
        MYSQL.take_up(crew, instance, changes)
    }

    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError> {
        let guest = crew.guest(&instance.name)?;
        match servers::takes_writes(&guest, &MYSQL_PACKAGE) {
            Ok(_) => Ok(Serving::Yes),
            Err(error) if error.is_of_command() => Ok(Serving::NotYet(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn round_trip(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        at: &Instance,
        via: &Instance,
    ) -> Result<(), Broken> {
        proof::round_trip(crew, target, (at, via))
    }

    fn write_numbered(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        ends: (&Instance, &Instance),
        value: (&str, u64),
    ) -> Result<Option<String>, Broken> {
        proof::write(crew, target, ends, value)
    }

    fn lost_numbers(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        ends: (&Instance, &Instance),
        series: (&str, &BTreeSet<u64>),
        forget: bool,
    ) -> Result<BTreeSet<u64>, Broken> {
        proof::lost(crew, target, ends, series, forget)
    }

    fn press(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        ends: (&Instance, &Instance),
        bound: Bound,
    ) -> Result<Measured, EngineError> {
        load::press(crew, target, ends, bound)
    }

    fn recover(&self, guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError> {
        Cluster::recover(&MYSQL, guest)
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        Cluster::identity(&MYSQL, guest)
    }
}
