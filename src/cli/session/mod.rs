//! What every command that contacts hosts starts with: the plan, its state
//! directory, the connections, the observed state.

mod secrets;
mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::simulated::Simulation;
use crate::audit::{Finding, Severity, audit};
use crate::cli::error::{CliError, exit};
use crate::cli::file_kind::FileKind;
use crate::cli::secrets::System;
use crate::cli::ui;
use crate::cli::uris::refuse_programs;
use crate::deploy::{
    Allowed, Context, Hosts, ImageStore, LocalImages, Patience, connect_without, note_lost,
    observe, observe_hosts,
};
use crate::digest::sha256;
use crate::hypervisor::Connector;
use crate::hypervisor::clock::{Clock, SystemClock};
use crate::ids::HostName;
use crate::plan::{self, Plan};
use crate::recipe;
use crate::secret::{SecretStore, Secrets};
use crate::state::guard::guard;
use crate::state::journal::History;
use crate::state::store::{self, Lock, Store};
use crate::state::world::{Places, World};
use crate::topology;
use crate::units::counted;

/// A plan and where its state lies.
pub struct Session {
    /// The plan.
    pub plan: Plan,
    /// The plan as its file holds it.
    pub text: String,
    /// The state directory.
    pub store: Store,
    secret_store: SecretStore,
    secrets: Secrets,
    sources: System,
    /// Messages about secrets that were shown already.
    shown: BTreeSet<String>,
    images: Box<dyn ImageStore>,
    clock: Box<dyn Clock>,
    patience: Patience,
    allowed: Allowed,
    /// The plan that was deployed last.
    deployed: Option<Plan>,
    /// Hosts of earlier plans, as they were kept.
    former: BTreeMap<HostName, String>,
    /// What hosts may run, as it was kept.
    places: Places,
    /// What the audit found that keeps the plan, as its file holds it, from being used.
    faults: Vec<Finding>,
    /// Only without real hosts.
    simulation: Option<Simulation>,
}

impl Session {
    /// Reads a plan that passes its audit. `state` and `images` replace the directories
    /// beside it.
    ///
    /// # Errors
    /// As [`Session::read`] and [`Session::refuse_findings`].
    pub fn open(
        file: &Path,
        state: Option<PathBuf>,
        images: Option<PathBuf>,
    ) -> Result<Self, CliError> {
        let session = Self::read(file, state, images)?;
        session.refuse_findings()?;
        Ok(session)
    }

    /// Reads a plan for a command that looks at no host, or only removes what carries the
    /// deployment's tag. It says what the audit finds and goes on: what was deployed by
    /// such a plan must remain in hand.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub fn open_despite_findings(file: &Path, state: Option<PathBuf>) -> Result<Self, CliError> {
        let session = Self::read(file, state, None)?;
        if !session.faults.is_empty() {
            ui::say(&format!(
                "warning: {}: {}; all that looks at hosts refuses it:\n{}",
                file.display(),
                counted(session.faults.len() as u64, "audit finding"),
                shown(&session.faults)
            ));
        }
        Ok(session)
    }

    /// Refuses a plan that fails its audit: it is as trusted as a script once it is
    /// carried out, and may have been changed since it was made.
    ///
    /// # Errors
    /// The findings, with [`exit::FAILED_CHECK`].
    pub fn refuse_findings(&self) -> Result<(), CliError> {
        refuse(&self.plan, &self.faults)
    }

    /// Reads a plan as it is, beside a state directory that is trusted.
    ///
    /// # Errors
    /// The file cannot be read, or is no plan that this version reads; somebody else could
    /// have filled the state directory.
    pub fn read(
        file: &Path,
        state: Option<PathBuf>,
        images: Option<PathBuf>,
    ) -> Result<Self, CliError> {
        let is_chosen = state.is_some();
        let mut session = Self::read_alone(file, state, images)?;
        guard(session.store.directory(), is_chosen).map_err(|error| {
            let hint = "look at what is there; a state directory is the user's own (chown, chmod \
                        go-w), and holds no links";
            let is_untrusted = matches!(error, store::StoreError::Untrusted { .. });
            let error = CliError::from(error);
            if is_untrusted { error.hint(hint) } else { error }
        })?;
        let damaged = |error: store::StoreError| {
            CliError::from(error).hint(
                "restore the file; or remove it if no host that is away now runs anything of \
                 the deployment",
            )
        };
        session.former = session.store.former_hosts().map_err(damaged)?;
        session.places = session.store.places().map_err(damaged)?;
        session.deployed = session.deployed_plan()?;
        Ok(session)
    }

    /// The same without a look at the state directory.
    fn read_alone(
        file: &Path,
        state: Option<PathBuf>,
        images: Option<PathBuf>,
    ) -> Result<Self, CliError> {
        let plan = plan::store::read(file).map_err(|error| {
            let error = CliError::from(error).hint("write a plan with: hostsplit plan SPEC");
            FileKind::explain(file, FileKind::Plan, error)
        })?;
        let text = plan.to_text()?;
        let instances = plan.instances.len();
        tracing::info!(path = %file.display(), deployment = %plan.name, instances, "plan read");
        let directory = state.unwrap_or_else(|| store::beside(file, &plan.name));
        let beside = file.parent().unwrap_or_else(|| Path::new("")).to_owned();
        let secret_store = SecretStore::new(&directory, &beside, recipe::secret_needs);
        Ok(Self {
            secret_store,
            secrets: Secrets::default(),
            sources: System::default(),
            shown: BTreeSet::new(),
            faults: faults(&plan)?,
            plan,
            text,
            store: Store::new(directory),
            images: Box::new(LocalImages { directory: images.unwrap_or(beside) }),
            clock: Box::new(SystemClock::default()),
            patience: Patience::default(),
            allowed: Allowed::default(),
            deployed: None,
            former: BTreeMap::new(),
            places: Places::new(),
            simulation: None,
        })
    }

    /// The same, with another patience for guests that boot.
    #[must_use]
    pub fn patience(mut self, boot: Option<Duration>) -> Self {
        if let Some(boot) = boot {
            self.patience.boot = boot;
        }
        self
    }

    /// The same, with what the operator allows.
    #[must_use]
    pub fn allowing(mut self, allowed: Allowed) -> Self {
        self.allowed = allowed;
        self
    }

    /// What the operator allows.
    #[must_use]
    pub const fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// The image's files on this machine.
    #[must_use]
    pub fn images(&self) -> &dyn ImageStore {
        self.images.as_ref()
    }

    /// SHA-256 of the plan, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(&self.text)
    }

    /// Takes the deployment's lock.
    ///
    /// # Errors
    /// Another run holds it, or the state directory cannot be written.
    pub fn lock(&self, command: &str) -> Result<Lock, CliError> {
        let holder = format!("{command} by {}, pid {}", who(), std::process::id());
        tracing::debug!(holder, "taking the lock");
        self.store.lock(&holder).map_err(|error| {
            let hint = "wait for it to finish; the lock of a dead process is released by itself";
            let locked = matches!(error, store::StoreError::Locked { .. });
            let error = CliError::from(error);
            if locked { error.hint(hint) } else { error }
        })
    }

    /// What the journal records; empty if it cannot be read, since no decision depends
    /// on it.
    #[must_use]
    pub fn history(&self) -> History {
        self.store.history().unwrap_or_else(|error| {
            ui::say(&format!("note: {error}"));
            History::default()
        })
    }

    /// Connects to the plan's hosts.
    ///
    /// # Errors
    /// A URI runs a program; this binary was built without libvirt.
    pub fn connect(&self) -> Result<Hosts, CliError> {
        self.refuse_programs()?;
        Ok(self.connect_by(self.connector()?.as_ref()))
    }

    /// The way to the hosts, for those that connect again.
    ///
    /// # Errors
    /// This binary was built without libvirt.
    pub fn connector(&self) -> Result<Box<dyn Connector>, CliError> {
        match &self.simulation {
            Some(simulation) => Ok(Box::new(simulation.world.clone())),
            None => connector(),
        }
    }

    /// The same for reading only, which needs no right to change anything.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn connect_to_look(&self) -> Result<Hosts, CliError> {
        self.refuse_programs()?;
        Ok(self.connect_by(viewer()?.as_ref()))
    }

    fn refuse_programs(&self) -> Result<(), CliError> {
        if self.is_simulated() {
            return Ok(());
        }
        let former = self.former_hosts();
        let hosts = self.plan.topology.hosts.iter();
        let uris = hosts.filter_map(|host| Some((&host.name, host.uri.as_deref()?)));
        refuse_programs(uris.chain(former.iter().map(|(host, uri)| (host, uri.as_str()))))
    }

    fn connect_by(&self, connector: &dyn Connector) -> Hosts {
        let left_out = &self.allowed.left_out;
        let former = self.former_hosts();
        let hosts = connect_without(&self.plan, connector, left_out, &former);
        for host in former.keys().filter(|host| hosts.unreachable.contains_key(*host)) {
            ui::say(&format!(
                "note: {host}, which the plan has no more, does not answer; what it may still run \
                 is removed by a deploy once it does; if it is off for good, leave it out with \
                 --without {host}"
            ));
        }
        let (connected, unreachable) = (hosts.connected.len(), hosts.unreachable.len());
        tracing::info!(hosts = connected, unreachable, "connected");
        hosts
    }

    /// The context of a deploy: the plan with its connected hosts.
    #[must_use]
    pub fn context<'a>(&'a self, hosts: &'a Hosts) -> Context<'a> {
        Context {
            plan: &self.plan,
            hosts,
            clock: self.clock.as_ref(),
            images: self.images.as_ref(),
            patience: self.patience,
            secrets: &self.secrets,
            allowed: self.allowed.clone(),
        }
    }

    /// Where passwords and keys are kept.
    #[must_use]
    pub const fn secret_store(&self) -> &SecretStore {
        &self.secret_store
    }

    /// Observes the hosts, the guests and the clusters.
    #[must_use]
    pub fn observe(&self, hosts: &Hosts) -> World {
        let mut world = observe(&self.context(hosts));
        let places = self.places(&world);
        world.unseen = world.out_of_sight(&places);
        note_lost(&self.plan, &mut world, &places);
        let (guests, clusters) = (world.guests.len(), world.clusters.len());
        tracing::info!(hosts = world.hosts.len(), guests, clusters, "observed");
        world
    }

    /// Observes the hosts only, which is enough for a removal.
    #[must_use]
    pub fn observe_hosts(&self, hosts: &Hosts) -> World {
        observe_hosts(&self.context(hosts))
    }

    /// The last plan that was deployed from this state directory.
    #[must_use]
    pub const fn prior(&self) -> Option<&Plan> {
        self.deployed.as_ref()
    }

    /// Reads the plan that was deployed last. One that cannot be read is an error: it says which
    /// hosts may run something of the deployment.
    fn deployed_plan(&self) -> Result<Option<Plan>, CliError> {
        match plan::store::read(&self.store.plan_path()) {
            Ok(plan) => Ok(Some(plan)),
            Err(plan::store::StoreError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(CliError::from(error).hint(
                "it is the plan that was deployed last, and says which hosts may run something \
                 of it: restore it, with the plan that you deployed if you have it; or remove it \
                 if all of that is on hosts of this plan",
            )),
        }
    }

    /// Keeps the plan as the deployed one, and the one before it if its image was another.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn save_plan(&self) -> Result<(), CliError> {
        if let Some(prior) = &self.deployed
            && prior.image != self.plan.image
        {
            self.store.save_former_plan(prior.to_text()?.as_bytes())?;
        }
        Ok(self.store.save_plan(self.text.as_bytes())?)
    }

    /// Hosts of earlier plans that the plan has no more, and that may still run something of
    /// the deployment, with their URIs.
    #[must_use]
    pub fn former_hosts(&self) -> BTreeMap<HostName, String> {
        let mut former = self.former.clone();
        if let Some(prior) = &self.deployed {
            let used = |host: &&topology::Host| prior.on_host(&host.name).next().is_some();
            let used = prior.topology.hosts.iter().filter(used);
            former.extend(used.filter_map(|host| Some((host.name.clone(), host.uri.clone()?))));
        }
        former.retain(|name, _| self.plan.topology.host(name).is_none());
        former
    }

    /// What hosts may run, by the plans that put it there and by what is seen of them.
    fn places(&self, world: &World) -> Places {
        let mut planned = self.places.clone();
        if let Some(prior) = &self.deployed {
            for one in &prior.instances {
                planned.entry(one.host.clone()).or_default().insert(one.name.clone());
            }
        }
        world.may_run(&self.plan.name, planned)
    }

    /// Remembers what hosts may run, until they are seen without it.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn keep_places(&self, world: &World) -> Result<(), CliError> {
        Ok(self.store.save_places(&self.places(world))?)
    }

    /// Forgets hosts that the plan has no more and that are left out: they are off for good.
    /// Otherwise each deploy would go without them for ever.
    ///
    /// # Errors
    /// The state directory.
    pub fn forget_left_out(&self) -> Result<(), CliError> {
        let mut former = self.store.former_hosts()?;
        let mut places = self.store.places()?;
        for host in &self.allowed.left_out {
            if self.plan.topology.host(host).is_none() && former.remove(host).is_some() {
                places.remove(host);
                ui::say(&format!(
                    "note: {host}, which the plan has no more, is forgotten: should it return, \
                     nothing of the deployment is removed there, and nothing of it starts by itself"
                ));
            }
        }
        self.store.save_former_hosts(&former)?;
        Ok(self.store.save_places(&places)?)
    }

    /// What waiting and durations go by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// Time since the session began.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.clock.elapsed()
    }
}

/// Refuses a plan that fails its audit, for commands that need nothing else of a session.
///
/// # Errors
/// As [`Session::refuse_findings`].
pub fn refuse_faults(plan: &Plan) -> Result<(), CliError> {
    refuse(plan, &faults(plan)?)
}

fn refuse(plan: &Plan, faults: &[Finding]) -> Result<(), CliError> {
    if faults.is_empty() {
        return Ok(());
    }
    let count = counted(faults.len() as u64, "audit finding");
    let own = env!("CARGO_PKG_VERSION");
    let hint = if plan.hostsplit == own {
        "make the plan again with: hostsplit plan SPEC".to_owned()
    } else {
        format!(
            "another version of hostsplit made the plan, this is {own}: make it again with \
             hostsplit plan SPEC --prior PLAN"
        )
    };
    Err(CliError::new(format!("{count}; the plan is refused:\n{}", shown(faults)))
        .code(exit::FAILED_CHECK)
        .hint(hint))
}

/// What the audit finds that keeps a plan from being used.
fn faults(plan: &Plan) -> Result<Vec<Finding>, CliError> {
    let mut findings = audit(plan, &plan.profiles.resolve()?);
    findings.retain(|finding| finding.severity == Severity::Error);
    Ok(findings)
}

/// Findings that are shown; more are usually one that is repeated.
const MAX_SHOWN: usize = 20;

fn shown(faults: &[Finding]) -> String {
    let mut lines: Vec<String> =
        faults.iter().take(MAX_SHOWN).map(|one| format!("  {one}")).collect();
    if let Some(more) = faults.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

/// The backend for real hosts.
#[cfg(feature = "libvirt")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn connector() -> Result<Box<dyn Connector>, CliError> {
    Ok(Box::new(crate::hypervisor::libvirt::LibvirtConnector))
}

/// The backend for real hosts, to look at them.
#[cfg(feature = "libvirt")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn viewer() -> Result<Box<dyn Connector>, CliError> {
    Ok(Box::new(crate::hypervisor::libvirt::LibvirtViewer))
}

#[cfg(not(feature = "libvirt"))]
fn viewer() -> Result<Box<dyn Connector>, CliError> {
    connector()
}

#[cfg(not(feature = "libvirt"))]
fn connector() -> Result<Box<dyn Connector>, CliError> {
    Err(CliError::new("this hostsplit was built without libvirt and cannot reach hosts")
        .hint("build it with: cargo install hostsplit --features libvirt (needs libvirt-dev)"))
}

/// User and host, as well as the environment knows them.
#[expect(clippy::disallowed_methods, reason = "edge: the only room that reads the environment")]
fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let user = user.unwrap_or_else(|_| "someone".to_owned());
    let host = host.map_or_else(|_| "this machine".to_owned(), |host| host.trim().to_owned());
    format!("{user}@{host}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::InstanceName;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test")]
    fn a_host_that_is_off_for_good_is_remembered_until_it_is_left_out() {
        let (directory, mut plan) = (tempfile::tempdir().unwrap(), crate::sample::plan());
        plan.topology.hosts.truncate(2);
        let file = directory.path().join("plan.json");
        std::fs::write(&file, plan.to_text().unwrap()).unwrap();
        let (gone, away) = (HostName::new("h3").unwrap(), HostName::new("h4").unwrap());
        let read = || Session::read(&file, None, None).unwrap();
        let uris = [&gone, &away].map(|host| (host.clone(), format!("qemu+ssh://{host}/system")));
        let store = read().store;
        store.save_former_hosts(&BTreeMap::from(uris)).unwrap();
        let runs = BTreeSet::from([InstanceName::new("cache-2").unwrap()]);
        store.save_places(&BTreeMap::from([(gone.clone(), runs)])).unwrap();

        read().forget_left_out().unwrap();
        assert_eq!(read().former_hosts().len(), 2);
        let left_out = BTreeSet::from([gone.clone()]);
        let session = read().allowing(Allowed { left_out, ..Allowed::default() });
        session.forget_left_out().unwrap();
        let former = read().former_hosts();
        assert_eq!(former.keys().collect::<Vec<_>>(), [&away]);
        assert!(session.store.places().unwrap().is_empty());
    }
}
