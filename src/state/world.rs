//! The state of the world: what was seen on the hosts, once, before anything is
//! decided.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::engine::Difference;
use crate::hypervisor::{Domain, HostReport, HypervisorError, VolumeInfo};
use crate::ids::{DeploymentName, HostName, InstanceName, ServiceName};

/// Everything that a decision looks at besides the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// The plan's hosts.
    pub hosts: BTreeMap<HostName, Seen>,
    /// Guests of ours that run as planned; others were not asked.
    pub guests: BTreeMap<InstanceName, GuestView>,
    /// What differs from the plan in each cluster; those whose running guests are
    /// not all ready were not asked.
    pub clusters: BTreeMap<ServiceName, Vec<Difference>>,
}

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
    /// Its engine runs with the planned configuration.
    pub configured: bool,
    /// We may not ask it: the connection may only look.
    pub denied: bool,
}

impl World {
    /// What was seen on a host that answered.
    #[must_use]
    pub fn view(&self, host: &HostName) -> Option<&HostView> {
        match self.hosts.get(host) {
            Some(Seen::Reached(view)) => Some(view),
            Some(Seen::Unreachable(_)) | None => None,
        }
    }
}

impl HostView {
    /// The domain of that name.
    #[must_use]
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    /// The volume of that name in that pool.
    #[must_use]
    pub fn volume(&self, pool: &str, name: &str) -> Option<&VolumeInfo> {
        self.volumes.get(pool)?.iter().find(|volume| volume.name == name)
    }

    /// Whether a volume of any pool is an overlay on the one at `path`.
    #[must_use]
    pub fn is_backing(&self, path: &str) -> bool {
        self.volumes.values().flatten().any(|volume| volume.backing.as_deref() == Some(path))
    }

    /// The volumes that a domain's XML names, with their pools.
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

/// What the XML of domains names as disks, kernels and initial RAM disks: by path,
/// or by pool and volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    paths: BTreeSet<String>,
    volumes: BTreeSet<(String, String)>,
}

impl Sources {
    /// The files of all these domains. XML that cannot be read names none.
    pub fn of<'a>(domains: impl IntoIterator<Item = &'a Domain>) -> Self {
        let mut sources = Self::default();
        for domain in domains {
            sources.add(&domain.xml);
        }
        sources
    }

    /// Whether a volume is among them.
    #[must_use]
    pub fn hold(&self, pool: &str, volume: &VolumeInfo) -> bool {
        self.paths.contains(&volume.path)
            || self.volumes.contains(&(pool.to_owned(), volume.name.clone()))
    }

    /// The data disk of a domain of ours: that of the serial `data`.
    #[must_use]
    pub fn of_data(domain: &Domain) -> Self {
        let mut sources = Self::default();
        let Ok(document) = roxmltree::Document::parse(&domain.xml) else { return sources };
        let serials = document.descendants().filter(|element| {
            element.has_tag_name("serial") && element.text().map(str::trim) == Some("data")
        });
        for disk in serials.filter_map(|serial| serial.parent()) {
            sources.add_below(disk);
        }
        sources
    }

    fn add(&mut self, xml: &str) {
        if let Ok(document) = roxmltree::Document::parse(xml) {
            self.add_below(document.root());
        }
    }

    fn add_below(&mut self, node: roxmltree::Node<'_, '_>) {
        for element in node.descendants() {
            match element.tag_name().name() {
                "source" => {
                    let path = element.attribute("file").or_else(|| element.attribute("dev"));
                    self.paths.extend(path.map(str::to_owned));
                    let volume = element.attribute("pool").zip(element.attribute("volume"));
                    self.volumes.extend(volume.map(|(p, v)| (p.to_owned(), v.to_owned())));
                }
                "kernel" | "initrd" => {
                    self.paths.extend(element.text().map(|text| text.trim().to_owned()));
                }
                _ => {}
            }
        }
    }
}

/// Files that more than one domain of a host names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shared {
    once: Sources,
    more: Sources,
}

impl Shared {
    /// Those of a host.
    #[must_use]
    pub fn of(view: &HostView) -> Self {
        let mut shared = Self::default();
        for domain in &view.domains {
            let Sources { paths, volumes } = Sources::of([domain]);
            let Self { once, more } = &mut shared;
            more.paths.extend(paths.intersection(&once.paths).cloned());
            more.volumes.extend(volumes.intersection(&once.volumes).cloned());
            once.paths.extend(paths);
            once.volumes.extend(volumes);
        }
        // One may name a file by its path and another by pool and volume.
        let listed = view.volumes.iter().flat_map(|(pool, all)| all.iter().map(move |v| (pool, v)));
        for (pool, volume) in listed {
            let name = (pool.clone(), volume.name.clone());
            if shared.once.paths.contains(&volume.path) && shared.once.volumes.contains(&name) {
                shared.more.volumes.insert(name);
            }
        }
        shared
    }

    /// Whether more than one domain names the volume.
    #[must_use]
    pub fn is_shared(&self, pool: &str, volume: &VolumeInfo) -> bool {
        self.more.hold(pool, volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_domain_are_its_disks_and_what_it_boots() {
        let mut sources = Sources::default();
        sources.add(
            "<domain><os><kernel>/p/k</kernel></os><devices><disk><source file='/p/a'/></disk>\
             <disk type='volume'><source pool='p' volume='b'/></disk></devices></domain>",
        );
        let volume = |name: &str, path: &str| VolumeInfo {
            name: name.to_owned(),
            path: path.to_owned(),
            capacity: 0,
            backing: None,
        };
        assert!(sources.hold("p", &volume("k", "/p/k")) && sources.hold("p", &volume("a", "/p/a")));
        assert!(
            sources.hold("p", &volume("b", "/p/b")) && !sources.hold("q", &volume("b", "/q/b"))
        );
        sources.add("<domain");
    }
}
