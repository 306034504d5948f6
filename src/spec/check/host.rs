//! A host in wire form to a [`Host`].

use std::collections::{BTreeMap, BTreeSet};

use super::flat;
use super::network::is_interface;
use super::numa;
use crate::ids::HostName;
use crate::spec::diagnostic::{Mark, Place, nearest};
use crate::spec::read::form::{At, Spanned};
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::wire::{self, Reserve, ReserveOf};
use crate::topology::uri::{SCHEMES, is_known, scheme};
use crate::topology::{
    Fence, Host, Level, Migration, NumaNode, Pool, Virtualization, assumed as defaults, reserve,
};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

pub(super) const MAX_POOL: Mebibytes = Mebibytes::from_gib(1 << 20);
pub(super) const MAX_IOPS: PerSecond = PerSecond::new(1_000_000_000);
const MAX_NETWORK: BitsPerSecond = BitsPerSecond::new(1_000_000_000_000_000);
/// libvirt counts the speed of a migration in whole MiB/s, and 0 has no limit.
const MIN_BANDWIDTH: u64 = 10_000_000;
const MAX_COST: u64 = 1_000_000_000;

/// The names of a host, and the host if nothing was wrong with it: a name is taken
/// also by a host that has another error.
pub(super) struct FoundHost {
    pub name: HostName,
    pub name_at: Place,
    pub uri: Option<String>,
    pub uri_at: Place,
    pub host: Option<Host>,
}

/// The hosts of one entry: one, or as many as a flat one counts. `bridge` is the
/// network's, which flat hosts have unless they say otherwise.
pub(super) fn host(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::Host>,
    bridge: Option<&str>,
) -> Vec<FoundHost> {
    let (owner, wire) = (node.mark, &node.value);
    let flat = flat::is_flat(wire);
    flat::mixed(scope, wire);
    let name = scope.required("name", &wire.name, owner);
    let uri = uri(scope, wire);
    let hypervisor = if flat && wire.hypervisor.is_none() {
        Some(Virtualization::Kvm)
    } else {
        scope.required("hypervisor", &wire.hypervisor, owner)
    };
    let architecture = scope.optional("architecture", &wire.architecture).unwrap_or_default();
    let labels = labels(scope, wire);
    let cost = scope.within("cost", &wire.cost, &(0..=MAX_COST));
    let network = scope.within("network", &wire.network, &(BitsPerSecond::new(1)..=MAX_NETWORK));
    let migration = migration(scope, wire);
    let mut bridges = bridges(scope, wire);
    if flat && wire.bridges.is_none() {
        bridges.extend(bridge.map(str::to_owned));
    }
    let pools = if flat && wire.pools.is_none() {
        flat::pools(scope, wire)
    } else {
        if flat {
            flat::disk_beside_pools(scope, wire);
        }
        pools(scope, owner, wire)
    };
    let numa = if flat {
        flat::numa(scope, owner, wire)
    } else {
        numa::nodes(scope, owner, wire.numa.as_deref())
    };
    let numa = numa.and_then(|numa| reserved(scope, wire, numa));
    let fence = fence(scope, wire);
    let fields = wire.assumed.iter().flatten();
    let assumed: BTreeSet<String> =
        fields.filter_map(|at| scope.value("assumed", at)).map(|text| text.0).collect();
    let names = name.map(|name| flat::names(scope, wire, name));
    let name_at = scope.place(mark_or(&wire.name, owner));
    let uri_at = scope.place(mark_or(&wire.uri, owner));
    let uri = uri.filter(|_| wire.count.is_none());
    let whole = hypervisor.zip(numa);
    let found = |name: HostName| FoundHost {
        host: whole.as_ref().map(|(hypervisor, numa)| Host {
            name: name.clone(),
            uri: uri.clone(),
            hypervisor: *hypervisor,
            architecture,
            labels: labels.clone(),
            numa: numa.clone(),
            pools: pools.clone(),
            bridges: bridges.clone(),
            network_bits_per_s: network,
            cost: cost.unwrap_or(1),
            fence: fence.clone(),
            migration: migration.clone(),
            assumed: assumed.clone(),
        }),
        name,
        name_at: name_at.clone(),
        uri: uri.clone(),
        uri_at: uri_at.clone(),
    };
    names.into_iter().flatten().map(found).collect()
}

fn uri(scope: &mut Scope<'_>, wire: &wire::Host) -> Option<String> {
    let mark = wire.uri.as_ref()?.mark;
    let uri = scope.optional("uri", &wire.uri)?.0;
    if is_known(&uri) {
        return Some(uri);
    }
    let near = scheme(&uri).and_then(|scheme| nearest(scheme, SCHEMES));
    scope.error_with(
        mark,
        format!("uri: {uri:?} is not a libvirt URI such as qemu+ssh://root@h1/system"),
        near.map(|near| format!("did you mean {near:?}?")),
    );
    None
}

fn fence(scope: &mut Scope<'_>, wire: &wire::Host) -> Option<Fence> {
    let node = wire.fence.as_ref()?;
    let command = scope.required("fence.command", &node.value.command, node.mark)?;
    Some(Fence { command: command.0 })
}

fn labels(scope: &mut Scope<'_>, wire: &wire::Host) -> BTreeMap<Level, String> {
    let Some(labels) = &wire.labels else { return BTreeMap::new() };
    let labels = &labels.value;
    let mut take = |level: Level, field: &str, at: &Option<At<_>>| {
        scope.optional(field, at).map(|text: crate::spec::read::scalar::Text| (level, text.0))
    };
    [take(Level::Rack, "labels.rack", &labels.rack), take(Level::Site, "labels.site", &labels.site)]
        .into_iter()
        .flatten()
        .collect()
}

/// How VMs that move reach the host. Of many equal hosts none has the address.
fn migration(scope: &mut Scope<'_>, wire: &wire::Host) -> Migration {
    let Some(node) = &wire.migration else { return Migration::default() };
    let of = &node.value;
    let bandwidths = BitsPerSecond::new(MIN_BANDWIDTH)..=MAX_NETWORK;
    let address = scope.optional("migration.address", &of.address).map(|text| text.0);
    if let (Some(address), Some(at)) = (&address, &of.address)
        && !address.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c))
    {
        let message =
            format!("migration.address: {address:?} is neither an address nor a host name");
        scope.error(at.mark, message);
    }
    Migration {
        address: address.filter(|_| wire.count.is_none()),
        bits_per_s: scope.within("migration.bandwidth", &of.bandwidth, &bandwidths),
        tls: scope.optional("migration.tls", &of.tls).unwrap_or(false),
    }
}

fn bridges(scope: &mut Scope<'_>, wire: &wire::Host) -> Vec<String> {
    let mut bridges = BTreeSet::new();
    for at in wire.bridges.iter().flatten() {
        let Some(bridge) = scope.value("bridges", at) else { continue };
        if !is_interface(&bridge.0) {
            scope.error(at.mark, format!("bridges: {:?} is not an interface name", bridge.0));
        }
        bridges.insert(bridge.0);
    }
    bridges.into_iter().collect()
}

fn pools(scope: &mut Scope<'_>, owner: Mark, wire: &wire::Host) -> Vec<Pool> {
    let Some(nodes) = &wire.pools else {
        scope.missing("pools", owner);
        return Vec::new();
    };
    let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for node in nodes {
        let (owner, wire) = (node.mark, &node.value);
        let name = scope.required("name", &wire.name, owner).map(|text| text.0);
        let sizes = Mebibytes::new(1)..=MAX_POOL;
        let capacity = scope.required_within("capacity", &wire.capacity, owner, &sizes);
        let iops = scope.within("iops", &wire.iops, &(PerSecond::new(1)..=MAX_IOPS));
        let shared = scope.optional("shared", &wire.shared).unwrap_or(false);
        let Some(name) = name else { continue };
        if !seen.insert(name.clone()) {
            let mark = mark_or(&wire.name, owner);
            scope.error(mark, format!("name: duplicate pool {name:?}"));
        }
        if let Some(capacity_mib) = capacity {
            let pool = Pool { name: name.clone(), capacity_mib, iops_per_s: iops, shared };
            pools.insert(name, pool);
        }
    }
    pools.into_values().collect()
}

/// Keeps back what the host needs, as [`reserve::spread`] says.
fn reserved(
    scope: &mut Scope<'_>,
    wire: &wire::Host,
    mut numa: Vec<NumaNode>,
) -> Option<Vec<NumaNode>> {
    let (cores, memory) = (reserve::total_cores(&numa), reserve::total_memory(&numa));
    let default = defaults::reserve(&reserve::cores_of_each(&numa), memory);
    let default_cores = u32::try_from(default.cores).unwrap_or(cores);
    let default_memory = default.memory;
    let (kept_cores, kept_memory) = match wire.reserve.as_ref().map(|node| &node.value) {
        None => (default_cores, default_memory),
        Some(Reserve::None) => (0, Mebibytes::ZERO),
        Some(Reserve::Of(ReserveOf { cores: c, memory: m })) => {
            let kept_cores = scope.optional("reserve.cores", c);
            let kept_memory = scope.optional("reserve.memory", m);
            let has = |field: &str, kept: String, has: String| {
                format!("reserve.{field}: {kept} is more than the host has: {has}")
            };
            if let (Some(kept), Some(at)) = (kept_cores, c)
                && kept > cores
            {
                scope.error(at.mark, has("cores", kept.to_string(), cores.to_string()));
                return None;
            }
            if let (Some(kept), Some(at)) = (kept_memory, m)
                && kept > memory
            {
                scope.error(at.mark, has("memory", kept.to_string(), memory.to_string()));
                return None;
            }
            (kept_cores.unwrap_or(default_cores), kept_memory.unwrap_or(default_memory))
        }
    };
    reserve::spread(&mut numa, kept_cores, kept_memory);
    Some(numa)
}
