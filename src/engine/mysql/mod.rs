//! MySQL and MariaDB: primaries with replicas that acknowledge each write, filled, proved and
//! handed over, all through the client inside the guests.
//!
//! `target` is what is wanted and `observe` what is seen; `steps` and `differences` are
//! pure functions of both. A pair has two votes, so nobody but a person decides that a primary
//! which does not answer is none any more: nothing here promotes a replica beside it.
//!
//! Status alone proves nothing: a source says that it waits for acknowledgements while nobody
//! gives any. What counts is a write that was acknowledged and read at every replica
//! (`proof`).
//! <https://dev.mysql.com/doc/refman/8.4/en/replication-semisync-monitoring.html>

mod differences;
mod failover;
pub mod group;
mod live;
mod load;
mod observe;
mod proof;
mod send;
mod session;
mod sql;
mod steps;
mod switch;
mod target;
mod transactions;
mod way;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

pub use self::live::Live;
pub use self::observe::{Seen, Server, Source};
pub use self::steps::{Order, Step};
pub use self::target::Target;
pub use self::transactions::Transactions;

use self::observe::Observed;
use self::steps::View;
use crate::engine::cluster::{
    Answer, Broken, Cluster, Copies, FileChange, Goal, Patience, Serving, Uptake,
};
use crate::engine::load::Measured;
use crate::engine::{Bound, Crew, Difference, EngineError, Leaving, identity_in};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::mysql::{self as recipe, Package, SECRETS};
use crate::secret::{Identity, ServiceSecrets};

/// An engine that replicates as MySQL does.
#[derive(Clone, Copy, Debug)]
pub struct Mysql(&'static Package);

/// The engine `mysql`.
pub static MYSQL: Mysql = Mysql(&recipe::MYSQL_PACKAGE);
/// The engine `mariadb`.
pub static MARIADB: Mysql = Mysql(&recipe::MARIADB_PACKAGE);

impl Mysql {
    fn view<'a>(target: &'a Target, observed: &'a Observed, group: u32) -> Option<View<'a>> {
        let group = target.groups.get(&group)?;
        Some(View { target, group, observed })
    }
}

impl Cluster for Mysql {
    type Target = Target;
    type Seen = Seen;
    type Step = Step;
    type Live = Live;

    const WORK: &'static str = "transactions";

    /// A server that was killed reads its redo log first; a copy of all data takes hours.
    const PATIENCE: Patience = Patience {
        loading: Duration::from_secs(900),
        idle: Duration::from_secs(120),
        longest: Duration::from_secs(24 * 3600),
        pause: Duration::from_secs(1),
        settling: 10,
        refusals: 5,
    };

    /// One that was the primary boots read-only.
    const REJOINS: bool = false;

    fn units(&self) -> &'static [&'static str] {
        &self.0.units
    }

    fn target(&self, crew: &Crew<'_>) -> Result<Target, EngineError> {
        Target::of(*self, crew)
    }

    fn look(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &Instance,
    ) -> Result<Seen, EngineError> {
        observe::look(&crew.guest(&instance.name)?, target, &instance.name)
    }

    /// In its own guest: nobody else may ask a server for everything.
    fn look_at_leaving(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        leaving: &Leaving,
        _: &Instance,
    ) -> Option<Result<Seen, EngineError>> {
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

    /// Counters and positions grow with the writes of clients.
    fn settle(seen: &mut Seen) {
        if let Seen::Server(server) = seen {
            server.transactions = Transactions::default();
            server.position.clear();
            (server.acknowledged, server.alone) = (0, 0);
            if let Some(source) = &mut server.source {
                source.drained = true;
                source.error = None;
            }
        }
    }

    fn copies(&self, target: &Target, observed: &Observed, group: u32) -> Copies {
        Self::view(target, observed, group).map(differences::copies).unwrap_or_default()
    }

    fn copies_with(&self, target: &Target, observed: &Observed, instance: &InstanceName) -> Copies {
        let mut views = View::all(target, observed);
        let view = views.find(|view| {
            view.group.members.contains(instance)
                || view.servers().any(|(name, _)| name == instance)
        });
        let holds =
            |name| observed.seen.get(name).and_then(Seen::server).is_some_and(|one| one.formed);
        let copies = match view {
            Some(view) => differences::copies(view),
            // One that leaves with data that no group of the plan has.
            None if holds(instance) => Copies {
                leader: Some(instance.clone()),
                healthy: BTreeSet::from([instance.clone()]),
                ..Copies::default()
            },
            None => Copies::default(),
        };
        // One without data that anybody relies on can go at any time.
        if copies.is_in_use(instance) || copies.ailing.contains_key(instance) {
            copies
        } else {
            Copies::default()
        }
    }

    fn take_lead(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &InstanceName,
    ) -> Result<(), EngineError> {
        switch::take_lead(crew, target, &self.observe(crew, target), instance)
    }

    fn promote(
        &self,
        crew: &Crew<'_>,
        group: u32,
        to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError> {
        failover::promote(*self, crew, group, to)
    }

    fn stuck(&self, crew: &Crew<'_>, leader: &InstanceName) -> Result<Option<String>, EngineError> {
        failover::stuck(*self, crew, leader)
    }

    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Live> {
        live::uptake(self.0, files, running)
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
        live::take_up(crew, &Target::of(*self, crew)?, instance, changes)
    }

    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError> {
        let guest = crew.guest(&instance.name)?;
        match observe::takes_writes(&guest, self.0) {
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
        let text = guest.read_file(SECRETS)?;
        Ok(text.and_then(|text| recipe::read(&text)).map(Into::into))
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        identity_in(guest, &self.0.tls)
    }
}
