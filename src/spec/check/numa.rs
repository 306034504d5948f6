//! NUMA nodes, L3 domains, cores and pages of a host: every CPU once.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::diagnostic::Mark;
use crate::spec::read::form::{At, Spanned};
use crate::spec::read::scope::Scope;
use crate::spec::wire;
use crate::topology::{Core, L3Domain, NumaNode, PagePool};
use crate::units::{Bytes, Mebibytes};

pub(super) const MAX_MEMORY: Mebibytes = Mebibytes::from_gib(64 << 10);
const MAX_ID: u32 = 1_023;
const MAX_CPU: u32 = 65_535;
const KIB_PER_2MIB: u64 = 2 << 10;
const KIB_PER_1GIB: u64 = 1 << 20;

/// The NUMA nodes, nothing reserved yet; `None` if they are not all there to
/// go on with.
pub(super) fn nodes(
    scope: &mut Scope<'_>,
    owner: Mark,
    wire: Option<&[Spanned<wire::NumaNode>]>,
) -> Option<Vec<NumaNode>> {
    let Some(wire) = wire else {
        let hint = "list its NUMA nodes as `hostsplit discover` writes them, or flat: \
                    `cores: 24, memory: 96GiB`";
        scope.missing_with("numa", owner, hint.to_owned());
        return None;
    };
    let mut nodes: BTreeMap<u32, NumaNode> = BTreeMap::new();
    let (mut ids, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut complete = true;
    for spanned in wire {
        // An id is taken also by a NUMA node that has another error.
        if let Some(at) = &spanned.value.id
            && let Ok(id) = at.value
            && !ids.insert(id)
        {
            scope.error(at.mark, format!("id: duplicate NUMA node {id}"));
        }
        match node(scope, spanned, &mut seen) {
            Some(node) => drop(nodes.insert(node.id, node)),
            None => complete = false,
        }
    }
    if !complete {
        return None;
    }
    if seen.is_empty() {
        scope.error(owner, "numa: the host has no cores");
        return None;
    }
    Some(nodes.into_values().collect())
}

fn node(
    scope: &mut Scope<'_>,
    spanned: &Spanned<wire::NumaNode>,
    seen: &mut BTreeSet<u32>,
) -> Option<NumaNode> {
    let (owner, wire) = (spanned.mark, &spanned.value);
    let id = scope.required_within("id", &wire.id, owner, &(0..=MAX_ID));
    let memories = Mebibytes::ZERO..=MAX_MEMORY;
    let memory = scope.required_within("memory", &wire.memory, owner, &memories);
    let pages = wire.pages.as_ref().map(|pages| self::pages(scope, pages, memory));
    let Some(domains) = &wire.l3 else {
        scope.missing("l3", owner);
        return None;
    };
    let mut l3: Vec<L3Domain> = Vec::new();
    for domain in domains {
        l3.extend(self::domain(scope, domain, seen));
    }
    l3.sort_by(|a, b| a.cores.cmp(&b.cores));
    Some(NumaNode {
        id: id?,
        l3,
        memory_mib: memory?,
        reserved_memory_mib: Mebibytes::ZERO,
        reserved_cores: 0,
        pages: pages.unwrap_or_default(),
    })
}

/// A domain with its cores; `None` if it has none.
fn domain(
    scope: &mut Scope<'_>,
    spanned: &Spanned<wire::L3Domain>,
    seen: &mut BTreeSet<u32>,
) -> Option<L3Domain> {
    let (owner, wire) = (spanned.mark, &spanned.value);
    let size = scope.within("size", &wire.size, &(Bytes::new(1 << 10)..=Bytes::new(1 << 40)));
    let Some(nodes) = &wire.cores else {
        scope.missing("cores", owner);
        return None;
    };
    let mut cores: Vec<Core> = Vec::new();
    for node in nodes {
        let mut cpus: Vec<u32> = node.value.iter().filter_map(|at| cpu(scope, at, seen)).collect();
        cpus.sort_unstable();
        if node.value.is_empty() {
            scope.error(node.mark, "cores: a core without CPUs");
        } else if !cpus.is_empty() {
            cores.push(Core { cpus });
        }
    }
    if nodes.is_empty() {
        scope.error(owner, "cores: an L3 domain without cores");
    }
    cores.sort();
    (!cores.is_empty()).then_some(L3Domain { size_kib: size.map(|size| size.get() >> 10), cores })
}

fn cpu(scope: &mut Scope<'_>, at: &At<u32>, seen: &mut BTreeSet<u32>) -> Option<u32> {
    let cpu = scope.value("cores", at)?;
    if cpu > MAX_CPU {
        scope.error(at.mark, format!("cores: CPU {cpu} is out of range: at most {MAX_CPU}"));
        return None;
    }
    if !seen.insert(cpu) {
        scope.error(at.mark, format!("cores: duplicate CPU {cpu} on this host"));
        return None;
    }
    Some(cpu)
}

fn pages(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::Pages>,
    memory: Option<Mebibytes>,
) -> Vec<PagePool> {
    let wire = &node.value;
    let mut pools = Vec::new();
    for (field, at, size_kib) in
        [("pages.2MiB", &wire.small, KIB_PER_2MIB), ("pages.1GiB", &wire.large, KIB_PER_1GIB)]
    {
        if let Some(count) = scope.optional(field, at)
            && count > 0
        {
            pools.push(PagePool { size_kib, count });
        }
    }
    let taken = pools
        .iter()
        .map(|pool| Mebibytes::new((pool.size_kib >> 10).saturating_mul(pool.count)))
        .sum::<Mebibytes>();
    if let Some(memory) = memory
        && taken > memory
    {
        scope.error(
            node.mark,
            format!("pages: huge pages take {taken}, more than the NUMA node's {memory}"),
        );
    }
    pools
}
