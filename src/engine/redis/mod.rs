//! Redis Cluster, and Valkey's: a planned service to a formed, checked and proved
//! one, all through `redis-cli` (7 or later) or `valkey-cli` inside the guests.
//!
//! [`target`] is what is wanted and [`observe`] what is seen; [`view`] joins the two, [`steps`] and [`differences`] are pure functions of it.
//! No master is ever flushed or reset; a copy gives its data up only where its group keeps
//! others. What differs between the two
//! engines is in [`crate::recipe::redis`].
//!
//! Why steps and not a script: `docs/cluster-formation.md`.

mod access;
mod between;
mod copies;
pub mod differences;
mod identity;
mod live;
mod load;
mod moves;
pub mod nodes;
mod numbered;
pub mod observe;
mod probe;
mod refusal;
mod reshard;
mod send;
mod session;
mod settings;
pub mod steps;
pub mod target;
mod users;
pub mod view;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use self::access::ClientAccess;
pub use self::live::Live;

use self::observe::{Observed, Seen};
use self::steps::Step;
use self::target::Target;
use self::view::ClusterView;
use crate::engine::cluster::{
    Answer, Broken, Cluster, Copies, FileChange, Goal, Patience, Serving, Uptake,
};
use crate::engine::load::Measured;
use crate::engine::{Admission, Bound, Crew, Difference, EngineError, Leaving};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::redis::{self as recipe, Package};
use crate::secret::{Identity, ServiceSecrets};

/// An engine whose cluster speaks as Redis' does.
#[derive(Clone, Copy, Debug)]
pub struct Redis(&'static Package);

/// The engine `redis`.
pub static REDIS: Redis = Redis(&recipe::REDIS);
/// The engine `valkey`.
pub static VALKEY: Redis = Redis(&recipe::VALKEY);

impl Cluster for Redis {
    type Target = Target;
    type Seen = Seen;
    type Step = Step;
    type Live = Live;

    const WORK: &'static str = "reads";

    /// Failure detection, an election and a failover take about 30 s with Redis's own
    /// timeouts; gossip reaches everybody within a few.
    const PATIENCE: Patience = Patience {
        loading: Duration::from_secs(900),
        idle: Duration::from_secs(120),
        longest: Duration::from_secs(6 * 3600),
        pause: Duration::from_secs(1),
        settling: 10,
        refusals: 5,
    };

    fn units(&self) -> &'static [&'static str] {
        &self.0.units
    }

    fn target(&self, crew: &Crew<'_>) -> Result<Target, EngineError> {
        Target::of(ClientAccess::of(self.0, crew), crew)
    }

    fn look(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &Instance,
    ) -> Result<Seen, EngineError> {
        observe::look(crew, &target.access, target.known(&instance.name)?, &instance.name)
    }

    fn look_at_leaving(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        leaving: &Leaving,
        via: &Instance,
    ) -> Option<Result<Seen, EngineError>> {
        let known = target.known(&leaving.name);
        Some(known.and_then(|known| observe::look(crew, &target.access, known, &via.name)))
    }

    fn steps(&self, target: &Target, observed: &Observed, goal: Goal) -> Result<Vec<Step>, String> {
        let cluster = ClusterView::new(target, observed);
        steps::steps(&cluster, goal).map_err(|refusal| refusal.to_string())
    }

    fn makes_progress(step: &Step) -> bool {
        matches!(step.order, steps::Order::Move { .. })
    }

    fn differences(&self, target: &Target, observed: &Observed) -> Vec<Difference> {
        differences::differences(&ClusterView::new(target, observed))
    }

    fn lost(&self, target: &Target, observed: &Observed) -> BTreeMap<InstanceName, String> {
        differences::lost(&ClusterView::new(target, observed))
    }

    /// A server that the plan does not know is never met.
    fn hindrances(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        observed: &Observed,
        steps: &[Step],
    ) -> Vec<String> {
        identity::foreign_nodes(crew, target, observed, steps)
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

    fn settle(seen: &mut Seen) {
        if let Some(link) = &mut seen.view.link {
            link.offset = 0;
        }
        // To one that does not answer a link is made again and again.
        let nodes = seen.view.nodes.iter_mut();
        for node in nodes.filter(|node| node.failed || node.suspect) {
            node.connected = false;
        }
    }

    fn foresee(observed: &Observed, steps: &[Step]) -> Option<Observed> {
        observe::after(observed, steps)
    }

    fn copies(&self, target: &Target, observed: &Observed, group: u32) -> Copies {
        copies::copies(&ClusterView::new(target, observed), group)
    }

    fn copies_with(&self, target: &Target, observed: &Observed, instance: &InstanceName) -> Copies {
        copies::copies_with(&ClusterView::new(target, observed), instance)
    }

    fn take_lead(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        instance: &InstanceName,
    ) -> Result<(), EngineError> {
        let order = steps::Order::Failover;
        let step = [Step { at: instance.clone(), order }];
        send::send(crew, target, &step)?.into_iter().try_for_each(|(_, answer)| answer.map(drop))
    }

    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Live> {
        live::uptake(self.0, files, running)
    }

    fn admission(&self, files: &[FileChange]) -> Option<Admission> {
        live::admission(self.0, files)
    }

    fn moves_door(&self, files: &[FileChange]) -> bool {
        live::moves_door(self.0, files)
    }

    fn takes_up_first(&self, files: &[FileChange]) -> bool {
        live::takes_up_first(self.0, files)
    }

    fn reserved(&self, _: &Target, observed: &Observed) -> BTreeSet<InstanceName> {
        let differs = observed.seen.iter().filter(|(_, seen)| !seen.users.is_empty());
        differs.map(|(name, _)| name.clone()).collect()
    }

    fn prepare(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Vec<String>, EngineError> {
        live::prepare(crew, &ClientAccess::of(self.0, crew), instance)
    }

    fn divides(&self, files: &[FileChange]) -> bool {
        live::divides(self.0, files)
    }

    fn may_take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        changes: &Live,
    ) -> Result<(), EngineError> {
        live::may_take_up(crew, &ClientAccess::of(self.0, crew), instance, changes)
    }

    fn take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        changes: &Live,
    ) -> Result<Vec<String>, EngineError> {
        live::take_up(crew, &ClientAccess::of(self.0, crew), instance, changes)
    }

    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError> {
        live::serving(crew, &ClientAccess::of(self.0, crew), instance)
    }

    fn round_trip(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        at: &Instance,
        via: &Instance,
    ) -> Result<(), Broken> {
        probe::round_trip(crew, target, &at.name, &via.name)
    }

    fn write_numbered(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        (at, via): (&Instance, &Instance),
        value: (&str, u64),
    ) -> Result<Option<String>, Broken> {
        numbered::write(crew, target, (&at.name, &via.name), value)
    }

    fn lost_numbers(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        (at, via): (&Instance, &Instance),
        series: (&str, &BTreeSet<u64>),
        forget: bool,
    ) -> Result<BTreeSet<u64>, Broken> {
        numbered::lost(crew, target, (&at.name, &via.name), series, forget)
    }

    fn press(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        (at, via): (&Instance, &Instance),
        bound: Bound,
    ) -> Result<Measured, EngineError> {
        load::press(crew, target, (at, &via.name), bound)
    }

    fn recover(&self, guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError> {
        Ok(guest.read_file(self.0.secrets)?.and_then(|text| recipe::read(&text)).map(Into::into))
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        super::identity_in(guest, &self.0.tls)
    }
}
