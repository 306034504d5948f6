//! What is to be decided, in the canonical order of the model.
//!
//! Hosts are ordered by what they are, and by name only where they are alike.
//! So another name for a host changes nothing but that name in the plan.

use std::collections::BTreeMap;

use super::neighbours;
use super::prior::{Prior, PriorHost};
use crate::plan::CpuPlacement;
use crate::sizing::{Candidate, cores_on, offered};
use crate::spec::{Cluster, FixedVm, Quorum, Service, Spec, Spread, Survive};
use crate::topology::{Host, Level, NumaNode, Pool};
use crate::units::Mebibytes;

/// Size of the NoCloud seed's volume.
pub const SEED: Mebibytes = Mebibytes::new(4);

/// Root disk of a service's instance where there is no image yet.
pub const ROOT_WITHOUT_IMAGE: Mebibytes = Mebibytes::from_gib(8);

/// Services and fixed machines to be placed on hosts.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// Services, then fixed machines, in the order of the spec.
    pub parts: Vec<Part>,
    /// Hosts that carry the network, in canonical order.
    pub hosts: Vec<CandidateHost<'a>>,
    /// Kinds of failure domain whose loss the plan survives, smallest first.
    pub survive: Vec<Survive>,
    /// Sets of hosts that fixed machines may be on, by host.
    pub allowed: Vec<Vec<bool>>,
    /// Pairs of parts that share no host: fixed machines, and what they are apart from.
    pub apart: Vec<(usize, usize)>,
    /// Pairs of parts of which the first is only on hosts that the second is on.
    pub near: Vec<(usize, usize)>,
    /// Hosts that services prefer for their leading instances: by part, whether each host is
    /// one.
    pub preferred: BTreeMap<usize, Vec<bool>>,
    /// Addresses that instances may have; `None` where none are planned.
    pub addresses: Option<u64>,
    /// Rows beyond the rules; none where a plan is made.
    pub requirements: Vec<Requirement>,
    /// Instances of a prior plan by host; none where there is no prior plan, or where
    /// moves are no objective.
    pub prior: Vec<Prior>,
    /// Instances of a prior plan whose host, service or size is gone.
    pub cannot_stay: u64,
    /// Instances of a prior plan by host, of whatever size.
    pub prior_hosts: Vec<PriorHost>,
    /// Memory in MiB, by host and NUMA node, of prior instances whose service is gone:
    /// they are there until everything else is done.
    pub prior_memory: BTreeMap<(usize, usize), u64>,
    /// Services with the indices of the candidates whose layout is that of a prior
    /// plan.
    pub prior_layouts: Vec<(usize, Vec<usize>)>,
}

/// A requirement: that many instances of a part, or more, on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Index of the part.
    pub part: usize,
    /// Index of the host.
    pub host: usize,
    /// How many.
    pub least: u64,
}

/// One service, or one entry of fixed machines.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// The ways to split it.
    pub candidates: Vec<Candidate>,
    /// The sizes of instances that these have, each once.
    pub shapes: Vec<Shape>,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A service of that kind of cluster.
    Service(Cluster),
    /// Fixed machines under these rules.
    Fixed(FixedRules),
}

/// Rules of an entry of fixed machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FixedRules {
    /// The most that a failure domain holds.
    pub spread: Option<Spread>,
    /// Whether room is kept to restart each.
    pub restart: bool,
}

/// Size of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Data volume.
    pub data_mib: u64,
    /// Root, data and seed together.
    pub disk_mib: u64,
    /// Bandwidth.
    pub bits_per_s: u64,
    /// I/O operations per second.
    pub iops_per_s: u64,
    /// Whether it is the instance that only votes.
    pub is_witness: bool,
    /// The CPUs it needs at least; `None` where any host will do.
    pub placement: Option<CpuPlacement>,
    /// Index in [`Problem::allowed`] of the hosts that it may be on; `None` for all.
    pub allowed: Option<usize>,
}

/// A host and the NUMA nodes that can take instances.
#[derive(Clone, Debug)]
pub struct CandidateHost<'a> {
    /// The host.
    pub host: &'a Host,
    /// Index among hosts that are alike in everything but name.
    pub class: usize,
    /// Its NUMA nodes.
    pub numa: Vec<NumaCapacity<'a>>,
    /// Its pools with the space that plans may use, largest first, then by name.
    pub pools: Vec<(&'a Pool, u64)>,
}

/// A NUMA node.
#[derive(Clone, Copy, Debug)]
pub struct NumaCapacity<'a> {
    /// The node.
    pub node: &'a NumaNode,
    /// Cores for VMs.
    pub cores: u64,
    /// Memory for VMs, all of it behind pages of one size.
    pub memory_mib: u64,
    /// Memory for QEMU itself where that of VMs is in huge pages; `None` where both take
    /// it from `memory_mib`.
    pub overhead_mib: Option<u64>,
}

impl<'a> Problem<'a> {
    /// Makes a problem of a spec and the candidates of its services, which are
    /// in the order of the spec.
    #[must_use]
    pub fn new(spec: &'a Spec, candidates: Vec<Vec<Candidate>>) -> Self {
        let image = spec.image.as_ref().map(|image| image.virtual_size_mib);
        let root = image.unwrap_or(ROOT_WITHOUT_IMAGE);
        let services = spec.services.iter().zip(candidates).map(|(service, candidates)| {
            let kind = PartKind::Service(service.engine.cluster());
            Part::new(service.name.to_string(), kind, candidates, root)
        });
        let fixed = spec.vms.iter().map(|vm: &FixedVm| {
            let only = vec![crate::sizing::fixed(vm)];
            let rules = FixedRules { spread: vm.spread, restart: vm.restart };
            Part::new(vm.name.to_string(), PartKind::Fixed(rules), only, root)
        });
        let mut parts: Vec<Part> = services.chain(fixed).collect();
        let sizes: Vec<u64> =
            parts.iter().flat_map(|part| &part.shapes).map(|shape| shape.memory_mib).collect();
        // Each pool that holds roots also holds the image they are overlays on.
        let hosts = hosts(spec, &sizes, image.unwrap_or(Mebibytes::ZERO));
        let allowed = allowed(spec, &hosts, &mut parts);
        let apart = neighbours::pairs(spec, &parts, |vm| &vm.apart);
        let near = neighbours::pairs(spec, &parts, |vm| &vm.near);
        let preferred = preferred(spec, &hosts);
        let addresses = spec.network.as_ref().map(|network| {
            let (first, last) = (u32::from(network.first), u32::from(network.last));
            let all = u64::from(last).saturating_add(1).saturating_sub(first.into());
            let gateway = network.gateway.map(u32::from);
            let taken = gateway.is_some_and(|gateway| (first..=last).contains(&gateway));
            all.saturating_sub(taken.into())
        });
        Self {
            parts,
            hosts,
            survive: spec.policy.survive.clone(),
            allowed,
            apart,
            near,
            preferred,
            addresses,
            requirements: Vec::new(),
            prior: Vec::new(),
            cannot_stay: 0,
            prior_hosts: Vec::new(),
            prior_memory: BTreeMap::new(),
            prior_layouts: Vec::new(),
        }
    }

    /// Whether there are instances of a prior plan that may stay.
    #[must_use]
    pub const fn has_prior(&self) -> bool {
        !self.prior_hosts.is_empty()
    }

    /// Returns the level whose failure domains leading instances are counted in: the
    /// smallest that is promised.
    #[must_use]
    pub fn leader_level(&self) -> Option<Level> {
        self.survive.first().map(|survive| survive.level)
    }

    /// Returns the level of the failure domains that no two copies of a group share: the
    /// widest that is promised. Smaller ones lie within it.
    #[must_use]
    pub fn anti_affinity_level(&self) -> Option<Level> {
        self.survive.last().map(|survive| survive.level)
    }

    /// Levels of failure domain of which none may hold half of the voters.
    pub fn quorum_levels(&self) -> impl Iterator<Item = Level> {
        let automatic = self.survive.iter().filter(|one| one.quorum == Quorum::Automatic);
        automatic.map(|survive| survive.level)
    }

    /// Whether the host with that index is one that `shape` may be on.
    #[must_use]
    pub fn is_allowed(&self, host: usize, shape: Shape) -> bool {
        let hosts = shape.allowed.map(|at| self.allowed.get(at));
        hosts.is_none_or(|hosts| hosts.and_then(|hosts| hosts.get(host)) == Some(&true))
    }

    /// Whether the host with that index is one that `shape` may be on, and has CPUs that are
    /// good enough for it.
    #[must_use]
    pub fn is_eligible(&self, host: usize, shape: Shape) -> bool {
        if !self.is_allowed(host, shape) {
            return false;
        }
        shape.placement.is_none_or(|needed| {
            self.hosts
                .get(host)
                .is_some_and(|host| offered(host.host, shape.vcpus).is_as_good_as(needed))
        })
    }

    /// Returns the indices of hosts by failure domain, in the order of their first host.
    #[must_use]
    pub fn domains(&self, level: Level) -> Vec<(String, Vec<usize>)> {
        let mut found: Vec<(String, Vec<usize>)> = Vec::new();
        let mut at: BTreeMap<String, usize> = BTreeMap::new();
        for (index, host) in self.hosts.iter().enumerate() {
            let name = host.host.failure_domain(level);
            let domain = *at.entry(name).or_insert_with_key(|name| {
                found.push((name.clone(), Vec::new()));
                found.len() - 1
            });
            if let Some((_, hosts)) = found.get_mut(domain) {
                hosts.push(index);
            }
        }
        found
    }

    /// Returns the cores that an instance of `shape` takes on the host with that index.
    #[must_use]
    pub fn cores(&self, host: usize, shape: Shape) -> u64 {
        self.hosts.get(host).map_or(0, |host| cores_on(host.host, shape.vcpus).into())
    }

    /// Returns the memory that QEMU itself takes for an instance of `shape` on the host with
    /// that index.
    #[must_use]
    pub fn overhead(&self, host: usize, shape: Shape) -> u64 {
        let memory = Mebibytes::new(shape.memory_mib);
        self.hosts.get(host).map_or(0, |host| host.host.overhead(shape.vcpus, memory).get())
    }

    /// Returns what an instance of `shape` takes of `memory_mib` of a NUMA node, which is on
    /// the host with that index.
    #[must_use]
    pub fn memory(&self, host: usize, numa: &NumaCapacity, shape: Shape) -> u64 {
        let overhead = if numa.overhead_mib.is_none() { self.overhead(host, shape) } else { 0 };
        shape.memory_mib.saturating_add(overhead)
    }

    /// Returns how many instances of `shape` the memory of a NUMA node holds, which is on
    /// the host with that index.
    #[must_use]
    pub fn fit_memory(&self, host: usize, numa: &NumaCapacity, shape: Shape) -> u64 {
        let fit = numa.memory_mib / self.memory(host, numa, shape).max(1);
        let beside = numa.overhead_mib.map(|most| most / self.overhead(host, shape).max(1));
        fit.min(beside.unwrap_or(u64::MAX))
    }
}

impl Part {
    fn new(name: String, kind: PartKind, candidates: Vec<Candidate>, root: Mebibytes) -> Self {
        let mut shapes: Vec<Shape> = Vec::new();
        for shape in candidates.iter().flat_map(|candidate| Shape::all_of(candidate, root)) {
            // Layouts of one size differ in groups, so in the share of traffic:
            // the size takes the larger.
            match shapes.iter_mut().find(|other| other.same_size(shape)) {
                Some(other) => {
                    other.bits_per_s = other.bits_per_s.max(shape.bits_per_s);
                    other.iops_per_s = other.iops_per_s.max(shape.iops_per_s);
                }
                None => shapes.push(shape),
            }
        }
        Self { name, kind, candidates, shapes }
    }

    /// Returns how many instances of a shape a candidate has.
    #[must_use]
    pub fn count(candidate: &Candidate, shape: Shape) -> u32 {
        let mut sizes = Shape::all_of(candidate, Mebibytes::ZERO);
        match sizes.find(|size| size.same_instance(shape)) {
            None => 0,
            Some(size) if size.is_witness => 1,
            Some(_) => candidate.layout.instances,
        }
    }

    /// Returns the indices of the shapes that a candidate has, with how many instances.
    pub fn instances(&self, candidate: &Candidate) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.shapes.iter().map(|shape| Self::count(candidate, *shape).into());
        counts.enumerate().filter(|(_, count)| *count > 0)
    }

    /// Whether room is kept to restart its machines.
    #[must_use]
    pub const fn restarts(&self) -> bool {
        matches!(self.kind, PartKind::Fixed(FixedRules { restart: true, .. }))
    }

    /// Whether its leading instances vote, so that a majority of them must stay.
    #[must_use]
    pub const fn votes(&self) -> bool {
        matches!(self.kind, PartKind::Service(Cluster::Sharded | Cluster::Quorum))
    }
}

impl Shape {
    /// Returns the shapes of a candidate's instances: one, or two with a witness.
    fn all_of(candidate: &Candidate, root: Mebibytes) -> impl Iterator<Item = Self> + use<> {
        let layout = &candidate.layout;
        let root = candidate.root_mib.unwrap_or(root);
        let disk = |data: Mebibytes| {
            // A machine without a disk has no seed either.
            let bare = root == Mebibytes::ZERO && data == Mebibytes::ZERO;
            if bare { 0 } else { root.saturating_add(data).saturating_add(SEED).get() }
        };
        let main = Self {
            vcpus: layout.vcpus,
            memory_mib: layout.memory_mib.get(),
            data_mib: layout.data_mib.get(),
            disk_mib: disk(layout.data_mib),
            bits_per_s: candidate.network.get(),
            iops_per_s: candidate.iops.get(),
            is_witness: false,
            placement: candidate.capacity.as_ref().map(|capacity| capacity.placement),
            allowed: None,
        };
        let witness = layout.witness.as_ref().map(|witness| Self {
            vcpus: witness.vcpus,
            memory_mib: witness.memory_mib.get(),
            data_mib: witness.data_mib.get(),
            disk_mib: disk(witness.data_mib),
            bits_per_s: 0,
            iops_per_s: 0,
            is_witness: true,
            placement: None,
            allowed: None,
        });
        [Some(main), witness].into_iter().flatten()
    }

    /// Whether both are the same instance, whatever its traffic and root.
    fn same_instance(self, other: Self) -> bool {
        let bare = |shape: Self| Self {
            bits_per_s: 0,
            iops_per_s: 0,
            disk_mib: 0,
            allowed: None,
            ..shape
        };
        bare(self) == bare(other)
    }

    fn same_size(self, other: Self) -> bool {
        self.disk_mib == other.disk_mib && self.same_instance(other)
    }
}

/// Returns the hosts in canonical order. A host without the network's bridge, or of another
/// architecture than guests, cannot take an instance and is left out, as one that is being emptied is.
fn hosts<'a>(spec: &'a Spec, sizes: &[u64], image: Mebibytes) -> Vec<CandidateHost<'a>> {
    let carries = |host: &&Host| spec.takes_instances(host) && !spec.drained.contains(&host.name);
    let mut classes: BTreeMap<String, Vec<&Host>> = BTreeMap::new();
    for host in spec.topology.hosts.iter().filter(carries) {
        // Hosts that differ in what may be on them are not alike.
        let ruled = spec.vms.iter().filter(|vm| vm.has_host_rules());
        let may: Vec<bool> = ruled.map(|vm| vm.may_be_on(host)).collect();
        let prefers: Vec<bool> = spec.services.iter().map(|one| one.prefers(host)).collect();
        classes.entry(format!("{} {may:?} {prefers:?}", signature(host))).or_default().push(host);
    }
    let mut found = Vec::new();
    for (class, (_, mut hosts)) in classes.into_iter().enumerate() {
        hosts.sort_by_key(|host| &host.name);
        found.extend(hosts.into_iter().map(|host| CandidateHost::new(host, class, sizes, image)));
    }
    found
}

/// Returns the sets of hosts that fixed machines may be on, each once, and writes into sizes
/// which it is.
fn allowed(spec: &Spec, hosts: &[CandidateHost], parts: &mut [Part]) -> Vec<Vec<bool>> {
    let mut found: Vec<Vec<bool>> = Vec::new();
    let fixed = parts.iter_mut().skip(spec.services.len());
    for (vm, part) in spec.vms.iter().zip(fixed).filter(|(vm, _)| vm.has_host_rules()) {
        let may: Vec<bool> = hosts.iter().map(|host| vm.may_be_on(host.host)).collect();
        let at = found.iter().position(|other| *other == may).unwrap_or(found.len());
        if at == found.len() {
            found.push(may);
        }
        part.shapes.iter_mut().for_each(|shape| shape.allowed = Some(at));
    }
    found
}

/// Returns the hosts that services prefer for their leading instances, by part.
fn preferred(spec: &Spec, hosts: &[CandidateHost]) -> BTreeMap<usize, Vec<bool>> {
    let services = spec.services.iter().enumerate().filter(|(_, one)| !one.prefer.is_empty());
    let of = |(part, service): (usize, &Service)| {
        (part, hosts.iter().map(|host| service.prefers(host.host)).collect())
    };
    services.map(of).collect()
}

/// Returns everything about a host but how it is called and reached.
fn signature(host: &Host) -> String {
    let Host {
        name: _,
        uri: _,
        hypervisor,
        labels,
        numa,
        pools,
        bridges: _,
        network_bits_per_s,
        cost,
        fence: _,
        migration: _,
        assumed: _,
        // Guests run on one architecture only.
        architecture: _,
    } = host;
    format!("{cost:020} {hypervisor:?} {numa:?} {pools:?} {network_bits_per_s:?} {labels:?}")
}

impl<'a> CandidateHost<'a> {
    fn new(host: &'a Host, class: usize, sizes: &[u64], image: Mebibytes) -> Self {
        let numa = host.numa.iter().map(|node| NumaCapacity::new(node, sizes));
        let mut pools: Vec<(&Pool, u64)> = host
            .pools
            .iter()
            .map(|pool| (pool, pool.capacity_mib.saturating_sub(image).get()))
            .collect();
        pools.sort_by(|(a, space), (b, other)| other.cmp(space).then_with(|| a.name.cmp(&b.name)));
        Self { host, class, numa: numa.collect(), pools }
    }
}

impl<'a> NumaCapacity<'a> {
    /// Memory is that for VMs which all have pages of one size: the largest of what is left
    /// for ordinary pages and of each pool whose pages divide all sizes.
    fn new(node: &'a NumaNode, sizes: &[u64]) -> Self {
        let most = node.allocatable_memory().get();
        let held = node.pages.iter().map(|pool| pool.size_kib.saturating_mul(pool.count) / 1024);
        let ordinary = most.saturating_sub(held.fold(0, u64::saturating_add));
        let pools = node.pages.iter().filter(|pool| {
            let divides = |size: &u64| size.saturating_mul(1024).is_multiple_of(pool.size_kib);
            pool.size_kib > 0 && sizes.iter().all(divides)
        });
        let huge = pools.map(|pool| pool.size_kib.saturating_mul(pool.count) / 1024).max();
        let huge = huge.unwrap_or(0).min(most);
        let is_huge = huge > ordinary;
        Self {
            node,
            cores: node.allocatable_cores().into(),
            memory_mib: if is_huge { huge } else { ordinary },
            overhead_mib: is_huge.then_some(ordinary),
        }
    }
}
