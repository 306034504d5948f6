//! The state of the world: what was seen on the hosts, once, before anything is
//! decided.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::engine::{Admission, Difference, Leaving, Pending};
use crate::hypervisor::{Domain, HostReport, HypervisorError, StorageSource, VolumeInfo};
use crate::ids::{DeploymentName, HostName, InstanceName, ServiceName};

/// Everything that a decision looks at besides the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// The plan's hosts.
    pub hosts: BTreeMap<HostName, Seen>,
    /// The deployment's guests that run as planned; others were not asked.
    pub guests: BTreeMap<InstanceName, GuestView>,
    /// What brings engines to their planned configuration, where those are in use; also of
    /// guests whose machine is another than planned.
    pub pending: BTreeMap<InstanceName, Pending>,
    /// How that alters whom they let in.
    pub admissions: BTreeMap<InstanceName, Admission>,
    /// What differs from the plan in each cluster, as those guests report it that are ready.
    pub clusters: BTreeMap<ServiceName, Vec<Difference>>,
    /// Who leads each group now, as those of it say that answer.
    pub leaders: BTreeMap<(ServiceName, u32), InstanceName>,
    /// What is lost and why, in words, by the instance that is to serve it.
    pub lost: BTreeMap<InstanceName, String>,
    /// Instances that a host may still run which does not answer: they were planned there.
    pub unseen: BTreeMap<InstanceName, HostName>,
    /// Hosts that the operator leaves out: nothing on them is waited for.
    pub left_out: BTreeSet<HostName>,
    /// Instances that the plan does not hold, of services that it has.
    pub leaving: Vec<Leaving>,
}

/// Instances by the host that may run them.
pub type Places = BTreeMap<HostName, BTreeSet<InstanceName>>;

/// A host as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It did not answer, or stopped answering.
    Unreachable(HypervisorError),
    /// It answered every question.
    Reached(Box<HostView>),
}

/// What a host holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView {
    /// What it says of itself.
    pub report: HostReport,
    /// Its domains, ours and foreign.
    pub domains: Vec<Domain>,
    /// The volumes of its active pools.
    pub volumes: BTreeMap<String, Vec<VolumeInfo>>,
    /// Addresses of running domains of others, as far as the host knows them.
    pub addresses: BTreeMap<String, Vec<Ipv4Addr>>,
}

/// What a guest says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestView {
    /// The agent answers and the first boot is over.
    pub ready: bool,
    /// Its engine has been asked what it runs with.
    pub checked: bool,
    /// Its engine runs with the planned configuration.
    pub configured: bool,
    /// We may not ask it: the connection may only look.
    pub denied: bool,
    /// How full its data disk is, in percent, where it has one and its agent says so.
    pub full_percent: Option<u64>,
}

impl World {
    /// Returns what was seen on a host that answered.
    #[must_use]
    pub fn view(&self, host: &HostName) -> Option<&HostView> {
        match self.hosts.get(host) {
            Some(Seen::Reached(view)) => Some(view),
            Some(Seen::Unreachable(_)) | None => None,
        }
    }

    /// Returns what hosts may run of a deployment, of what was planned there: all of it, but
    /// for what a host that was seen has not.
    #[must_use]
    pub fn may_run(&self, deployment: &DeploymentName, planned: Places) -> Places {
        let mut places = planned;
        for (host, names) in &mut places {
            let Some(view) = self.view(host) else { continue };
            names.retain(|name| {
                let own = |domain: &&Domain| is_ours(domain, deployment);
                let owners = view.domains.iter().filter(own).filter_map(|one| one.owner.as_ref());
                owners.into_iter().any(|owner| owner.instance == name.as_str())
            });
        }
        places.retain(|_, names| !names.is_empty());
        places
    }

    /// Returns whether something of a plan could not be looked at: one of the hosts that it
    /// uses does not answer, or one that may still run what it has elsewhere.
    pub fn is_partly_seen<'a>(&self, used: impl IntoIterator<Item = &'a HostName>) -> bool {
        !self.unseen.is_empty() || used.into_iter().any(|host| self.is_silent(host))
    }

    fn is_silent(&self, host: &HostName) -> bool {
        let is_left_out = self.left_out.contains(host);
        !is_left_out && matches!(self.hosts.get(host), Some(Seen::Unreachable(_)))
    }

    /// Returns those that hosts may run which do not answer and are not left out.
    #[must_use]
    pub fn out_of_sight(&self, places: &Places) -> BTreeMap<InstanceName, HostName> {
        let silent = places.iter().filter(|(host, _)| self.is_silent(host));
        silent
            .flat_map(|(host, names)| names.iter().map(|name| (name.clone(), host.clone())))
            .collect()
    }
}

impl HostView {
    /// Returns the domain of that name.
    #[must_use]
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    /// Returns the volume of that name in that pool.
    #[must_use]
    pub fn volume(&self, pool: &str, name: &str) -> Option<&VolumeInfo> {
        self.volumes.get(pool)?.iter().find(|volume| volume.name == name)
    }

    /// Whether a volume of any pool is an overlay on the one at `path`.
    #[must_use]
    pub fn is_backing(&self, path: &str) -> bool {
        self.volumes.values().flatten().any(|volume| volume.backing.as_deref() == Some(path))
    }

    /// Returns the volumes that a domain names, with their pools.
    #[must_use]
    pub fn volumes_of(&self, domain: &Domain) -> Vec<(&str, &VolumeInfo)> {
        let sources = Sources::of([domain]);
        self.volumes
            .iter()
            .flat_map(|(pool, volumes)| volumes.iter().map(move |volume| (pool.as_str(), volume)))
            .filter(|(pool, volume)| sources.hold(pool, volume))
            .collect()
    }
}

/// Whether a domain's tag says that it belongs to the deployment.
#[must_use]
pub fn is_ours(domain: &Domain, deployment: &DeploymentName) -> bool {
    domain.owner.as_ref().is_some_and(|owner| owner.deployment == deployment.as_str())
}

/// Storage that domains name, by path or by pool and volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources<'a>(BTreeSet<&'a StorageSource>);

impl<'a> Sources<'a> {
    /// Returns all that these domains name.
    pub fn of(domains: impl IntoIterator<Item = &'a Domain>) -> Self {
        Self(domains.into_iter().flat_map(|domain| &domain.definition.devices.storage).collect())
    }

    /// Returns those of the data disk of a deployed domain: the disk of the serial
    /// `data`.
    #[must_use]
    pub fn of_data(domain: &'a Domain) -> Self {
        let disks = domain.definition.devices.disks.iter();
        let data = disks.filter(|disk| disk.serial.as_deref() == Some("data"));
        Self(data.flat_map(|disk| &disk.sources).collect())
    }

    /// Whether a volume is among them.
    #[must_use]
    pub fn hold(&self, pool: &str, volume: &VolumeInfo) -> bool {
        names(pool, volume).iter().any(|name| self.0.contains(name))
    }
}

/// Returns the two names that a domain can give a volume.
fn names(pool: &str, volume: &VolumeInfo) -> [StorageSource; 2] {
    [
        StorageSource::Path(volume.path.clone()),
        StorageSource::Volume { pool: pool.to_owned(), name: volume.name.clone() },
    ]
}

/// Storage that more than one domain of a host names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared<'a>(Sources<'a>);

impl<'a> Shared<'a> {
    /// Returns that of a host.
    #[must_use]
    pub fn of(view: &'a HostView) -> Self {
        let (mut once, mut more) = (BTreeSet::new(), BTreeSet::new());
        for source in view.domains.iter().flat_map(|domain| &domain.definition.devices.storage) {
            if !once.insert(source) {
                more.insert(source);
            }
        }
        // One may name a volume by its path and another by pool and name.
        let listed = view.volumes.iter().flat_map(|(pool, all)| all.iter().map(move |v| (pool, v)));
        for (pool, volume) in listed {
            let [path, name] = names(pool, volume);
            if let (true, Some(name)) = (once.contains(&path), once.get(&name)) {
                more.insert(*name);
            }
        }
        Self(Sources(more))
    }

    /// Whether more than one domain names the volume.
    #[must_use]
    pub fn is_shared(&self, pool: &str, volume: &VolumeInfo) -> bool {
        self.0.hold(pool, volume)
    }
}
