//! A drill of one host: cut off, measured, brought back, waited for.

use std::time::Duration;

use super::cut::Target;
use super::error::faults;
use super::trickle::{Gap, STEADY, Trickle};
use super::{Cut, DrillError, Fence, Finding, Promise};
use crate::deploy::{
    Allowed, Context, ImageStore, Observer, Patience, Verification, connect, execute, observe,
    verify, walk,
};
use crate::engine::{EngineError, Series};
use crate::graph::decide;
use crate::hypervisor::Connector;
use crate::hypervisor::clock::{Clock, Pauses, Poll};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::secret::Secrets;
use crate::topology::Host;

/// Rounds before the cut within which all groups have to serve steadily.
const FIRST: u64 = 4 * STEADY;
/// How much longer than promised is measured, before a host is brought back all the same.
const BEYOND: Duration = Duration::from_secs(60);
/// How long is watched where nothing is refused: longer than a silent member is waited for.
const QUIET: Duration = Duration::from_secs(30);
/// How long a cluster may take to settle once a walk is done.
const SETTLING: Duration = Duration::from_secs(120);
/// Actions on each host at a time, as a deploy takes them.
const PARALLEL: usize = 4;
/// Between two looks at what comes back.
const PAUSE: Duration = Duration::from_secs(2);

/// A deployment whose hosts are to fail.
pub struct Drill<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The way to its hosts, also to one that comes back.
    pub connector: &'a dyn Connector,
    /// What waiting goes by.
    pub clock: &'a dyn Clock,
    /// Where the image's files are.
    pub images: &'a dyn ImageStore,
    /// How long things may take.
    pub patience: Patience,
    /// Passwords and certificates of the deployment.
    pub secrets: &'a Secrets,
    /// Runs the operator's own commands.
    pub fence: &'a dyn Fence,
    /// Takes the events while the deployment is made whole.
    pub observer: &'a dyn Observer,
    /// Whether the operator wants an end.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
    /// Takes what the drill is at.
    pub says: &'a dyn Fn(&HostName, &Phase),
}

/// What a drill is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The host is about to be cut off.
    Cutting(Cut),
    /// All groups serve again, after that long; `None` where they never did.
    Serving(Option<Gap>),
    /// The host is brought back.
    Returning,
    /// The deployment is whole again, after that long.
    Whole(Duration),
}

impl Drill<'_> {
    /// Compares the deployment with its plan.
    ///
    /// # Errors
    /// [`DrillError::NotWhole`].
    pub fn check(&self) -> Result<(), DrillError> {
        let found = self.verify();
        if found.is_ok() { Ok(()) } else { Err(DrillError::NotWhole(Box::new(found))) }
    }

    /// Lets a host fail that [`Drill::check`] found whole, and brings it back whatever
    /// happens.
    ///
    /// # Errors
    /// What ended the drill; each error says whether the host is back.
    pub fn run(&self, host: &Host, cut: Cut, promised: Promise) -> Result<Finding, DrillError> {
        let series = Series { name: series(&host.name, cut), avoid: host.name.clone() };
        let mut trickle = Trickle::new(series);
        let most = promised.most;
        let cut_at = self.connected(|context| self.measure(context, host, cut, most, &mut trickle));
        if let Err(error @ (DrillError::NotServing { .. } | DrillError::NotConnected(_))) = cut_at {
            return Err(error);
        }
        // Also where it was cut off in part.
        let whole_after = self.give_back(host, cut)?;
        let cut_at = cut_at?;
        let lost = self.lost(&trickle);
        let lost = lost.map_err(|error| DrillError::Engine { host: host.name.clone(), error })?;
        if (self.is_stopped)() {
            return Err(DrillError::Stopped(host.name.clone()));
        }
        Ok(Finding {
            host: host.name.clone(),
            cut,
            promised,
            acknowledged: trickle.count(|one| one.acknowledged),
            refused: trickle.count(|one| !one.acknowledged),
            unread: trickle.count(|one| one.acknowledged && one.failure.is_some()),
            lost,
            gap: trickle.gap(cut_at),
            whole_after,
        })
    }

    /// Brings a host back and makes the deployment whole; returns how long that took.
    fn give_back(&self, host: &Host, cut: Cut) -> Result<Duration, DrillError> {
        let not_back = |cause| DrillError::NotBack { host: host.name.clone(), cut, cause };
        (self.says)(&host.name, &Phase::Returning);
        let begun = self.clock.elapsed();
        self.bring_back(host, cut).map_err(not_back)?;
        self.make_whole().map_err(not_back)?;
        let took = self.clock.elapsed().saturating_sub(begun);
        (self.says)(&host.name, &Phase::Whole(took));
        Ok(took)
    }

    /// Starts, configures and forms what is not as planned, as a deploy does; then waits
    /// until nothing differs.
    ///
    /// # Errors
    /// What differs still, in words.
    pub fn make_whole(&self) -> Result<(), String> {
        let work = |context: &Context<'_>| {
            let actions = decide(self.plan, &observe(context));
            let execute = |vertex: &_| execute(context, &actions, vertex, self.observer);
            walk(&actions, PARALLEL, &execute, None, self.observer, self.clock)
        };
        let outcome = self.connected(work);
        let failures = outcome.failures.iter();
        let failures: Vec<String> =
            failures.map(|one| format!("{}: {}", one.vertex, one.error)).collect();
        let mut poll = Poll::new(self.clock, SETTLING, Pauses::every(PAUSE));
        loop {
            let found = self.verify();
            if found.is_ok() {
                return Ok(());
            }
            if !failures.is_empty() || !poll.pause() {
                let differs = std::iter::once(faults(&found)).filter(|text| !text.is_empty());
                return Err(failures.into_iter().chain(differs).collect::<Vec<_>>().join("; "));
            }
        }
    }

    /// Does something with all hosts connected anew: connections do not outlive a host.
    fn connected<T>(&self, work: impl FnOnce(&Context<'_>) -> T) -> T {
        let hosts = connect(self.plan, self.connector);
        let context = Context {
            plan: self.plan,
            hosts: &hosts,
            clock: self.clock,
            images: self.images,
            patience: self.patience,
            secrets: self.secrets,
            allowed: Allowed::default(),
        };
        work(&context)
    }

    fn verify(&self) -> Verification {
        self.connected(|context| verify(context, false))
    }

    const fn target<'t>(&'t self, host: &'t Host) -> Target<'t> {
        Target { host, deployment: &self.plan.name, fence: self.fence }
    }

    /// Sends values while the host is cut off, until all groups take them steadily again.
    /// Returns when it was cut off.
    fn measure(
        &self,
        context: &Context<'_>,
        host: &Host,
        cut: Cut,
        most: Duration,
        trickle: &mut Trickle,
    ) -> Result<Duration, DrillError> {
        let name = || host.name.clone();
        let libvirt = context
            .hosts
            .connected
            .get(&host.name)
            .ok_or_else(|| DrillError::NotConnected(name()))?;
        let broken =
            |error: EngineError| DrillError::NotServing { host: name(), what: error.to_string() };
        for _ in 0..FIRST {
            if trickle.is_steady() {
                break;
            }
            trickle.round(context).map_err(broken)?;
        }
        if !trickle.is_steady() {
            let what = trickle.last_failure().unwrap_or_default();
            return Err(DrillError::NotServing { host: name(), what });
        }
        (self.says)(&host.name, &Phase::Cutting(cut));
        let cut_at = self.clock.elapsed();
        let failed = |cause| DrillError::Cut { host: name(), cut, cause };
        self.target(host).cut_off(libvirt.as_ref(), cut).map_err(failed)?;
        trickle.unsettle();
        let refused = trickle.count(|one| !one.acknowledged);
        let mut poll = Poll::new(self.clock, most + BEYOND, Pauses::every(Duration::ZERO));
        loop {
            trickle.round(context).map_err(|error| failed(error.to_string()))?;
            // A fence may return before the host is off.
            let was_hit = trickle.count(|one| !one.acknowledged) > refused;
            let is_over = trickle.is_steady() && (was_hit || poll.waited() >= most.max(QUIET));
            if is_over || (self.is_stopped)() || !poll.pause() {
                break;
            }
        }
        (self.says)(&host.name, &Phase::Serving(trickle.gap(cut_at)));
        Ok(cut_at)
    }

    /// Gives a host back what was cut off, and waits until it answers.
    fn bring_back(&self, host: &Host, cut: Cut) -> Result<(), String> {
        let target = self.target(host);
        target.unfence(cut)?;
        let mut poll = Poll::new(self.clock, self.patience.boot, Pauses::every(PAUSE));
        loop {
            let answer = self.connected(|context| match context.hosts.connected.get(&host.name) {
                Some(libvirt) => target.bring_back(libvirt.as_ref(), cut),
                None => Err(context
                    .hosts
                    .unreachable
                    .get(&host.name)
                    .map(ToString::to_string)
                    .unwrap_or_default()),
            });
            match answer {
                Ok(()) => return Ok(()),
                Err(_) if poll.pause() => {}
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Counts what was acknowledged and cannot be read; groups are asked again for a while.
    fn lost(&self, trickle: &Trickle) -> Result<u64, EngineError> {
        let mut poll = Poll::new(self.clock, SETTLING, Pauses::every(PAUSE));
        loop {
            match self.connected(|context| trickle.lost(context)) {
                Err(_) if poll.pause() => {}
                answer => return answer,
            }
        }
    }
}

/// A word that no other run has.
fn series(host: &HostName, cut: Cut) -> String {
    format!("drill:{}:{host}:{cut}", std::process::id())
}
