//! Flat hosts: so many cores and so much memory, one NUMA node, one L3 domain.

use super::host::{MAX_IOPS, MAX_POOL};
use super::numa::MAX_MEMORY;
use crate::ids::HostName;
use crate::spec::diagnostic::Mark;
use crate::spec::read::form::At;
use crate::spec::read::scope::Scope;
use crate::spec::wire;
use crate::topology::{Core, L3Domain, NumaNode, Pool};
use crate::units::{Mebibytes, PerSecond};

const MAX_CORES: u32 = 4_096;
/// POWER has cores of eight threads; none has more.
const MAX_THREADS: u32 = 8;
const MAX_COUNT: u32 = 10_000;
/// The pool that a flat host has, libvirt's usual name.
const POOL: &str = "default";

/// Whether a host is described by flat fields alone.
pub(super) fn is_flat(wire: &wire::Host) -> bool {
    wire.numa.is_none() && flat_fields(wire).next().is_some()
}

/// The flat fields that are present.
fn flat_fields(wire: &wire::Host) -> impl Iterator<Item = (&'static str, Mark)> {
    fn mark<T>(at: &Option<At<T>>) -> Option<Mark> {
        at.as_ref().map(|at| at.mark)
    }
    [
        ("cores", mark(&wire.cores)),
        ("threads", mark(&wire.threads)),
        ("memory", mark(&wire.memory)),
        ("disk", mark(&wire.disk)),
        ("iops", mark(&wire.iops)),
        ("count", mark(&wire.count)),
    ]
    .into_iter()
    .filter_map(|(field, mark)| mark.map(|mark| (field, mark)))
}

/// Reports flat fields beside `numa`, which says the same with more detail.
pub(super) fn mixed(scope: &mut Scope<'_>, wire: &wire::Host) {
    if wire.numa.is_none() {
        return;
    }
    for (field, mark) in flat_fields(wire) {
        let instead = match field {
            "cores" | "threads" => "`numa` says each core with its threads",
            "memory" => "`numa` says the memory of each NUMA node",
            "disk" | "iops" => {
                "write it as `pools: [{ name: default, capacity: 1TiB, iops: 100k/s }]`"
            }
            _ => "only flat hosts are counted; give each of the others a file of its own",
        };
        scope.error_with(
            mark,
            format!("{field}: cannot be combined with `numa`; remove one of them"),
            instead.to_owned(),
        );
    }
}

/// The one NUMA node, nothing reserved yet. Core `i` has the CPUs `i`, `i + cores`
/// and so on, as Linux usually numbers them.
pub(super) fn numa(scope: &mut Scope<'_>, owner: Mark, wire: &wire::Host) -> Option<Vec<NumaNode>> {
    let cores = scope.required_within("cores", &wire.cores, owner, &(1..=MAX_CORES));
    let threads = scope.within("threads", &wire.threads, &(1..=MAX_THREADS));
    let memories = Mebibytes::new(1)..=MAX_MEMORY;
    let memory = scope.required_within("memory", &wire.memory, owner, &memories);
    let (cores, threads) = (cores?, threads.unwrap_or(1));
    let core =
        |first: u32| Core { cpus: (0..threads).map(|thread| first + thread * cores).collect() };
    Some(vec![NumaNode {
        id: 0,
        l3: vec![L3Domain { size_kib: None, cores: (0..cores).map(core).collect() }],
        memory_mib: memory?,
        reserved_memory_mib: Mebibytes::ZERO,
        reserved_cores: 0,
        pages: Vec::new(),
    }])
}

/// The pool, if the host has a disk.
pub(super) fn pools(scope: &mut Scope<'_>, wire: &wire::Host) -> Vec<Pool> {
    let disk = scope.within("disk", &wire.disk, &(Mebibytes::new(1)..=MAX_POOL));
    let iops = scope.within("iops", &wire.iops, &(PerSecond::new(1)..=MAX_IOPS));
    if let (None, Some(at)) = (&wire.disk, &wire.iops) {
        let hint = "set its size: `disk: 1TiB`";
        scope.error_with(at.mark, "iops: needs a `disk` to go with it", hint.to_owned());
    }
    let pool = |capacity_mib| Pool {
        name: POOL.to_owned(),
        capacity_mib,
        iops_per_s: iops,
        shared: false,
    };
    disk.map(pool).into_iter().collect()
}

/// Reports a disk beside the pools, which say the same.
pub(super) fn disk_beside_pools(scope: &mut Scope<'_>, wire: &wire::Host) {
    let marks = [
        ("disk", wire.disk.as_ref().map(|at| at.mark)),
        ("iops", wire.iops.as_ref().map(|at| at.mark)),
    ];
    for (field, mark) in marks {
        if let Some(mark) = mark {
            scope.error(
                mark,
                format!("{field}: cannot be combined with `pools`; remove one of them"),
            );
        }
    }
}

/// The names of the hosts of an entry: its own, or `NAME-1` and so on.
pub(super) fn names(scope: &mut Scope<'_>, wire: &wire::Host, name: HostName) -> Vec<HostName> {
    let Some(at) = &wire.count else { return vec![name] };
    if let Some(uri) = &wire.uri {
        let hint = "hosts that exist have an entry each; `count` is for planning what to buy";
        scope.error_with(uri.mark, "uri: one address for several hosts", hint.to_owned());
    }
    let Some(count) = scope.within("count", &wire.count, &(1..=MAX_COUNT)) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for number in 1..=count {
        match HostName::new(format!("{name}-{number}")) {
            Ok(name) => names.push(name),
            Err(error) => {
                scope.error(at.mark, format!("count: {error}"));
                return Vec::new();
            }
        }
    }
    names
}
