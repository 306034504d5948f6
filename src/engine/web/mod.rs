//! Apache and nginx: members of a pool, which serve the same and do not know each other.
//!
//! There is no cluster to form. What is observed is whether each member answers, and which
//! configuration it says that it runs with; a configuration is judged by the engine's own
//! program before it is taken up, and taken up without a connection being closed.

mod content;
pub(super) mod judge;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::cluster::{
    Answer, Broken, Cluster, Complaints, Copies, FileChange, Goal, Observed, Patience, Serving,
    Uptake,
};
use super::http::{self, Url};
use super::load::{Bound, Measured};
use super::{Admission, Crew, Difference, EngineError, Fact, Through, identity_in};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::web::{self, Expected, Package, STATUS_PORT};
use crate::secret::Identity;
use crate::spec::Engine;
use crate::spec::Tls;

/// Apache httpd.
pub static APACHE: Web = Web(&web::APACHE_PACKAGE);
/// nginx.
pub static NGINX: Web = Web(&web::NGINX_PACKAGE);

/// How long a unit may take to read its configuration again.
const RELOAD: Duration = Duration::from_secs(60);

/// A web server as a package brings it.
#[derive(Debug)]
pub struct Web(&'static Package);

/// The members of a pool as planned.
#[derive(Debug)]
pub struct Target {
    members: BTreeMap<InstanceName, Member>,
}

/// One of them.
#[derive(Debug)]
struct Member {
    /// Where clients ask.
    door: Url,
    /// What they are to be answered.
    expected: Expected,
    /// Where it says which configuration it runs with.
    status: Url,
    /// The digest of the planned configuration.
    digest: Option<String>,
}

/// What a member answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The digest of the configuration that it runs with.
    configuration: Option<String>,
    /// Why it does not answer clients; `None` if it does.
    fault: Option<String>,
    /// What is wrong with what it answers them.
    complaint: Option<String>,
}

impl Seen {
    /// Why it does not serve clients; `None` if it does.
    fn unserved(&self) -> Option<String> {
        self.fault.clone().or_else(|| self.complaint.clone())
    }

    /// What clients of a member can do nothing with: all are asked for the same.
    fn complaints(&self, member: &Member) -> Complaints {
        self.complaint.iter().map(|what| (member.door.path.clone(), what.clone())).collect()
    }
}

/// There is nothing to command: members do not know each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {}

impl fmt::Display for Step {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// The configuration is read again while connections go on.
#[derive(Debug)]
pub struct Reload;

impl Target {
    fn of(crew: &Crew<'_>) -> Result<Self, EngineError> {
        let all = crew.members().iter().chain(crew.absent());
        let members = all.map(|one| Ok((one.name.clone(), Member::of(crew, one)?)));
        Ok(Self { members: members.collect::<Result<_, EngineError>>()? })
    }

    fn member(&self, name: &InstanceName) -> Result<&Member, EngineError> {
        self.members.get(name).ok_or_else(|| EngineError::Plan {
            instance: name.clone(),
            problem: "not a member of the pool".to_owned(),
        })
    }
}

impl Member {
    fn of(crew: &Crew<'_>, instance: &Instance) -> Result<Self, EngineError> {
        let address = instance.address.ok_or_else(|| EngineError::Plan {
            instance: instance.name.clone(),
            problem: "it has no address".to_owned(),
        })?;
        let access = &crew.service.access;
        let (port, encrypted) = (web::port(access), access.tls == Tls::On);
        let (path, expected) = web::health(crew.service);
        Ok(Self {
            door: Url::new(encrypted, address, port, path.to_owned()).named(access),
            expected,
            status: http::status(address, STATUS_PORT),
            digest: web::planned_digest(crew.service, instance),
        })
    }
}

impl Web {
    /// Asks an instance from a guest whether it serves, and what it runs with.
    fn ask(
        &self,
        crew: &Crew<'_>,
        member: &Member,
        from: &InstanceName,
    ) -> Result<Seen, EngineError> {
        let guest = crew.guest(from)?;
        let urls = [member.status.clone(), member.door.clone()];
        let replies = http::get(&guest, self.0.tls.authority, &urls)?;
        let [status, door] = replies.as_slice() else {
            return Err(http::unanswered(&guest, &member.status, "no reply".to_owned()));
        };
        if let http::Reply::None(reason) = status {
            return Err(http::unanswered(&guest, &member.status, reason.clone()));
        }
        let configuration = status.configuration().map(str::to_owned);
        // With its former configuration it may serve at another port.
        let is_elsewhere = configuration != member.digest && matches!(door, http::Reply::None(_));
        let fault = door.silence().filter(|_| !is_elsewhere).map(str::to_owned);
        Ok(Seen { configuration, fault, complaint: door.complaint(member.expected) })
    }
}

/// What differs at one member.
fn differences_of(
    (name, member): (&InstanceName, &Member),
    seen: &Seen,
    former_serves: bool,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let is_to_blame = former_serves && seen.configuration == member.digest;
    let complaint = seen.complaint.as_ref();
    if let Some(fault) = seen.fault.as_ref().or(complaint.filter(|_| is_to_blame)) {
        let fault = format!("{fault} at {}", member.door);
        found.push(Difference::unanswered(name.clone(), &fault));
    }
    found.extend(complaint.filter(|_| !is_to_blame).map(|complaint| Difference {
        instance: name.clone(),
        fact: Fact::Response(member.door.to_string()),
        planned: member.expected.to_string(),
        found: complaint.clone(),
    }));
    let (runs_with, planned) = (seen.configuration.as_ref(), member.digest.as_ref());
    found.extend(http::loaded_another(name, runs_with, planned));
    found
}

impl Cluster for Web {
    type Target = Target;
    type Seen = Seen;
    type Step = Step;
    type Live = Reload;

    const PATIENCE: Patience = http::PATIENCE;
    const WORK: &'static str = "requests";

    fn units(&self) -> &'static [&'static str] {
        &self.0.units
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
        self.ask(crew, target.member(&instance.name)?, &instance.name)
    }

    fn steps(&self, _: &Target, _: &Observed<Seen>, _: Goal) -> Result<Vec<Step>, String> {
        Ok(Vec::new())
    }

    fn differences(&self, target: &Target, observed: &Observed<Seen>) -> Vec<Difference> {
        let silent = observed.silent.iter();
        let silent = silent.map(|(name, error)| Difference::unanswered(name.clone(), error));
        // Another one shows that it is the planned configuration that serves nobody.
        let serves = observed.seen.iter().any(|(name, seen)| {
            let planned = target.members.get(name).and_then(|one| one.digest.as_ref());
            seen.unserved().is_none() && planned.is_some() && seen.configuration.as_ref() != planned
        });
        let seen = observed.seen.iter().filter_map(|(name, seen)| {
            Some(differences_of((name, target.members.get(name)?), seen, serves))
        });
        silent.chain(seen.flatten()).collect()
    }

    fn act<'s>(
        &self,
        _: &Crew<'_>,
        _: &Target,
        _: &'s [Step],
    ) -> Result<Vec<(&'s Step, Answer)>, EngineError> {
        Ok(Vec::new())
    }

    fn kind(step: &Step) -> &'static str {
        match *step {}
    }

    fn entries<'a>(&self, crew: &Crew<'a>) -> Vec<(Through, &'a Instance)> {
        let through = |one: &&'a Instance| (Through::Instance(one.name.clone()), *one);
        crew.members().iter().map(through).collect()
    }

    /// A pool has no groups.
    fn copies(&self, _: &Target, _: &Observed<Seen>, _: u32) -> Copies {
        Copies::default()
    }

    /// Any other that serves is as good, so it counts as the one that leads.
    fn copies_with(
        &self,
        target: &Target,
        observed: &Observed<Seen>,
        instance: &InstanceName,
    ) -> Copies {
        if !target.members.contains_key(instance) {
            return Copies::default();
        }
        let mut copies = Copies::by_fault(observed, |_, seen| seen.unserved());
        let itself = || copies.healthy.get(instance);
        copies.leader = copies.stand_in(instance).or_else(itself).cloned();
        copies
    }

    fn take_lead(&self, _: &Crew<'_>, _: &Target, _: &InstanceName) -> Result<(), EngineError> {
        Ok(())
    }

    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Reload> {
        if files.iter().any(|change| needs_restart(self.0, change)) {
            return Uptake::Restart;
        }
        let runs_another = running.is_some_and(|all| !all.is_empty());
        if files.is_empty() && !runs_another { Uptake::Nothing } else { Uptake::Live(Reload) }
    }

    fn admission(&self, files: &[FileChange]) -> Option<Admission> {
        let config = files.iter().find(|change| change.file.path == self.0.config)?;
        http::moves(config, ["listen ", "Listen "])
    }

    fn supply(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Vec<String>, EngineError> {
        content::supply(crew, instance)
    }

    fn judge(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        files: &[FileChange],
    ) -> Result<(), EngineError> {
        judge::judge(crew, instance, files, &judge::Judge::of(self.0))
    }

    fn take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        _: &Reload,
    ) -> Result<Vec<String>, EngineError> {
        let guest = crew.guest(&instance.name)?;
        let mut done = Vec::new();
        for unit in self.0.units {
            guest.run_ok(&["systemctl", "reload", unit], RELOAD)?;
            done.push(format!("reloaded {unit}"));
        }
        content::forget_former(crew, &guest)?;
        Ok(done)
    }

    /// One that shows another certificate than the one in its files has not read them.
    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError> {
        let member = Member::of(crew, instance)?;
        let seen = match self.ask(crew, &member, &instance.name) {
            Ok(seen) => seen,
            // One that takes connections and does not answer is helped by a restart.
            Err(error) if error.is_of_command() && http::is_silence(&error) => {
                return Ok(Serving::Estranged(error.to_string()));
            }
            Err(error) if error.is_of_command() => {
                return Ok(Serving::NotYet(error.to_string()));
            }
            Err(error) => return Err(error),
        };
        Ok(match seen {
            Seen { fault: Some(fault), .. } if fault.contains("certificate") => {
                Serving::Estranged(fault)
            }
            seen => {
                let complaints = seen.complaints(&member);
                let Seen { fault, configuration, .. } = seen;
                http::serving(fault, complaints, configuration.as_ref(), member.digest.as_ref())
            }
        })
    }

    fn complaints(&self, crew: &Crew<'_>, one: &Instance) -> Result<Complaints, EngineError> {
        let member = Member::of(crew, one)?;
        Ok(self.ask(crew, &member, &one.name)?.complaints(&member))
    }

    fn round_trip(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        at: &Instance,
        via: &Instance,
    ) -> Result<(), Broken> {
        let member = target.member(&at.name)?;
        let guest = crew.guest(&via.name)?;
        http::answers(&guest, self.0.tls.authority, (&member.door, member.expected))
    }

    fn press(
        &self,
        crew: &Crew<'_>,
        target: &Target,
        (at, via): (&Instance, &Instance),
        bound: Bound,
    ) -> Result<Measured, EngineError> {
        let member = target.member(&at.name)?;
        let (served, sent) = (crew.guest(&at.name)?, crew.guest(&via.name)?);
        let promised = crew.service.capacity.usable_per_s;
        http::press((&served, &sent), &member.door, bound, promised)
    }

    fn identity(&self, guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        identity_in(guest, &self.0.tls)
    }
}

/// Directives that Apache reads at a start only: "changes are ignored during a restart".
/// <https://httpd.apache.org/docs/2.4/mod/mpm_common.html>
const AT_START: [&str; 3] = ["ServerLimit", "ThreadLimit", "ListenCoresBucketsRatio"];

/// Whether a running server ignores what changed.
fn needs_restart(package: &Package, change: &FileChange) -> bool {
    let FileChange { file, before } = change;
    let value = |text: &str, name: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once(' '));
        lines.find(|(directive, _)| *directive == name).map(|(_, value)| value.trim().to_owned())
    };
    let Some(before) = before.as_ref().filter(|_| file.path == package.config) else {
        return false;
    };
    package.engine == Engine::Apache
        && AT_START.iter().any(|name| value(before, name) != value(&file.text, name))
}
