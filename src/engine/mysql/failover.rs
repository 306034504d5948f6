//! Lets a replica take over from a primary that is off, as a person has decided.
//!
//! The caller has made sure that the former primary is off: it could go on taking writes that
//! nobody else gets. What it took without an acknowledgement is lost; what a replica
//! acknowledged is in that replica's relay log, which is applied first.

use std::time::Duration;

use super::Mysql;
use super::observe::{Observed, Server};
use super::send::{followed, opened};
use super::session::{self, commanding};
use super::sql;
use super::steps::{Primary, View};
use super::target::Target;
use crate::engine::cluster::Cluster as _;
use crate::engine::{Crew, EngineError};
use crate::hypervisor::clock::{Pauses, Poll};
use crate::ids::InstanceName;

/// How long what has arrived may take to be applied.
const APPLYING: Duration = Duration::from_secs(600);

/// Lets one of a group take over: `to`, or the one that has all transactions of the others.
pub(super) fn promote(
    engine: Mysql,
    crew: &Crew<'_>,
    group: u32,
    to: Option<&InstanceName>,
) -> Result<InstanceName, EngineError> {
    let target = engine.target(crew)?;
    let work = Work { engine, crew, target: &target, group };
    work.stop_reading()?;
    let observed = work.wait_until_applied()?;
    let view = work.view(&observed)?;
    let chosen = work.choose(view, to)?;
    let guest = crew.guest(&chosen)?;
    let open = opened(&target, &chosen);
    session::send(&guest, target.package, &open, commanding())?;
    // Those with more than it has are for the next deploy to fill anew, where that is allowed.
    let has = view.server(&chosen).map(|one| one.transactions.clone()).unwrap_or_default();
    let others = view.servers().filter(|(name, _)| **name != chosen);
    for (name, _) in others.filter(|(_, server)| has.contain(&server.transactions)) {
        let guest = crew.guest(name)?;
        let statements = followed(crew, &target, &chosen)?;
        session::send(&guest, target.package, &statements, commanding())?;
    }
    Ok(chosen)
}

/// Why a write to a primary that answers does not come back, if it does not. It is waited for
/// longer than a replica has for its acknowledgement: without one it goes on alone.
pub(super) fn stuck(
    engine: Mysql,
    crew: &Crew<'_>,
    primary: &InstanceName,
) -> Result<Option<String>, EngineError> {
    let guest = crew.guest(primary)?;
    let series = format!("stuck-{}", std::process::id());
    let statements = [sql::write_number(&series, 1), sql::forget_numbers(&series)].concat();
    let written = session::send(&guest, engine.0, &statements, commanding());
    Ok(written.err().map(|error| error.to_string()))
}

struct Work<'a> {
    engine: Mysql,
    crew: &'a Crew<'a>,
    target: &'a Target,
    group: u32,
}

impl Work<'_> {
    fn view<'o>(&'o self, observed: &'o Observed) -> Result<View<'o>, EngineError> {
        let view = Mysql::view(self.target, observed, self.group);
        view.ok_or_else(|| self.crew.refusal(format!("it has no group {}", self.group)))
    }

    /// Lets all that answer read nothing more, so that what they have is what counts.
    fn stop_reading(&self) -> Result<(), EngineError> {
        let observed = self.engine.observe(self.crew, self.target);
        let view = self.view(&observed)?;
        match view.primary() {
            Primary::Nobody => {}
            Primary::One(name, _) | Primary::Copy(name) => {
                return Err(self.crew.refusal(format!(
                    "{name} takes writes; let another one take over without --force"
                )));
            }
            Primary::Several(_) => return Err(self.crew.refusal("several take writes".to_owned())),
        }
        for (name, _) in view.servers().filter(|(_, server)| server.source.is_some()) {
            let guest = self.crew.guest(name)?;
            let stop = sql::stop_reading(self.target.package.dialect);
            session::send(&guest, self.target.package, stop, commanding())?;
        }
        Ok(())
    }

    fn wait_until_applied(&self) -> Result<Observed, EngineError> {
        let mut poll = Poll::new(self.crew.clock(), APPLYING, Pauses::every(Mysql::PATIENCE.pause));
        loop {
            let observed = self.engine.observe(self.crew, self.target);
            let view = self.view(&observed)?;
            let source = |(name, one): (&InstanceName, &Server)| {
                one.source.clone().map(|source| (name.clone(), source))
            };
            let found = view.servers().filter_map(source).find(|(_, source)| !source.drained);
            let Some((name, source)) = found else { return Ok(observed) };
            let fault = source.error.filter(|_| !source.applies);
            if !source.applies || !poll.pause() {
                let why = fault.unwrap_or_else(|| "what has arrived is not applied".to_owned());
                return Err(self.crew.refusal(format!("{name}: {why}")));
            }
        }
    }

    fn choose(
        &self,
        view: View<'_>,
        to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError> {
        let formed: Vec<_> = view.servers().filter(|(_, server)| server.formed).collect();
        let lacks = |server: &Server| {
            let mut others = formed.iter().map(|(_, other)| &other.transactions);
            others.find(|other| !server.transactions.contain(other)).cloned()
        };
        if let Some(to) = to {
            let found = formed.iter().find(|(name, _)| *name == to);
            let (_, server) = found.ok_or_else(|| {
                self.crew.refusal(format!("{to} does not answer, or holds no data"))
            })?;
            return match lacks(server) {
                Some(other) if !self.target.may_lose_data => Err(self.crew.refusal(format!(
                    "{to} lacks {} that another replica has; leave --to out, or give them up with \
                     --allow-data-loss",
                    server.transactions.lacks(&other)
                ))),
                _ => Ok(to.clone()),
            };
        }
        let complete = formed.iter().find(|(_, server)| lacks(server).is_none());
        let (name, _) = complete.ok_or_else(|| {
            self.crew.refusal(
                "no replica that answers has all transactions of the others; say which one is to \
                 be the primary with --to, and --allow-data-loss"
                    .to_owned(),
            )
        })?;
        Ok((*name).clone())
    }
}
