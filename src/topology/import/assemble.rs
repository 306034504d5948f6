//! A dump to a machine: checked, NUMA nodes and memory filled in, L3 domains
//! formed.

use std::collections::{BTreeMap, BTreeSet};

use super::dump::{CoreKey, Cpu, Dump, Numa as DumpNuma};
use super::near::{self, Near};
use super::siblings;
use super::split::{self, CoreOf};
use super::{
    HugePages, ImportError, MAX_NUMA, Machine, Numa, Provenance, Source, Sourced, Stated, Uplink,
};
use crate::topology::{Core, L3Domain};
use crate::units::Mebibytes;

/// Highest number of a CPU that a host file may hold.
const MAX_CPU: u32 = 65_535;

pub(super) fn machine(
    source: Source,
    mut dump: Dump,
    stated: &Stated,
) -> Result<Machine, ImportError> {
    siblings::join_caches(&mut dump);
    let mut cores = cores(&dump)?;
    let numa_provenance = match (stated.numa_per_socket, dump.numa_listed) {
        (None, true) => {
            every_cpu_has_a_numa_node(&dump)?;
            Provenance::Measured
        }
        (per_socket, _) => {
            let provenance = split::renumber(&mut cores, per_socket)?;
            if dump.numa.len() > 1 {
                dump.notes
                    .push("The NUMA nodes of the file were put together and cut anew.".into());
            }
            provenance
        }
    };
    dump.notes.extend(threads_note(&cores));
    let Near { nics, disks } = near::devices(&dump, &cores);
    let shared = shared_caches(&cores);
    let mut groups: BTreeMap<u32, Vec<CoreOf>> = BTreeMap::new();
    for core in cores {
        groups.entry(core.numa).or_default().push(core);
    }
    if let Some(id) = groups.keys().find(|id| **id > MAX_NUMA) {
        let message = format!("NUMA node {id} is out of range: at most {MAX_NUMA}");
        return Err(ImportError::new(message));
    }
    if numa_provenance == Provenance::Measured {
        note_half_nodes(&mut dump, &groups);
    }
    let is_split = numa_provenance != Provenance::Measured;
    let memory = memory(&dump, &groups, stated, is_split)?;
    let numa = groups
        .into_iter()
        .zip(memory)
        .map(|((id, cores), memory)| Numa {
            id,
            pages: pages(&dump, id, is_split, &memory),
            memory,
            l3: l3(&dump, &cores, &shared),
        })
        .collect();
    Ok(Machine {
        source,
        hostname: dump.hostname,
        architecture: dump.architecture,
        domain_types: dump.domain_types,
        numa: Sourced { value: numa, provenance: numa_provenance },
        uplink: Uplink::of(&nics),
        nics,
        disks,
        notes: dump.notes,
    })
}

/// The cores with their CPUs, in the order of their first CPU; each CPU once
/// and no core across a border.
fn cores(dump: &Dump) -> Result<Vec<CoreOf>, ImportError> {
    if dump.cpus.is_empty() {
        return Err(ImportError::new("the file lists no online CPU"));
    }
    let mut seen = BTreeSet::new();
    let mut cores: BTreeMap<CoreKey, (CoreOf, &Cpu)> = BTreeMap::new();
    for cpu in &dump.cpus {
        let wrong = |message: String| Err(ImportError::new(message).at(cpu.place));
        if cpu.id > MAX_CPU {
            return wrong(format!("CPU {} is out of range: at most {MAX_CPU}", cpu.id));
        }
        if !seen.insert(cpu.id) {
            return wrong(format!("CPU {} is in two cores, or twice in one", cpu.id));
        }
        let (core, first) = cores.entry(cpu.core).or_insert_with(|| (CoreOf::new(cpu), cpu));
        core.cpus.push(cpu.id);
        let differs = [
            ("socket", cpu.socket != first.socket),
            ("NUMA node", cpu.numa != first.numa),
            ("L3 cache", cpu.l3 != first.l3),
        ];
        if let Some((border, _)) = differs.iter().find(|(_, differs)| *differs) {
            let error = ImportError::new(format!(
                "CPUs {} and {} are of one core, but not of one {border}",
                first.id, cpu.id
            ));
            let hint = "numbers of cores must differ within a socket: lscpu without --physical";
            return Err(error.at(cpu.place).hint(hint));
        }
    }
    let mut cores: Vec<CoreOf> = cores.into_values().map(|(core, _)| core).collect();
    cores.iter_mut().for_each(|core| core.cpus.sort_unstable());
    cores.sort_by(|a, b| a.cpus.cmp(&b.cpus));
    Ok(cores)
}

/// Says what is made of cores with different numbers of threads: a plan counts on the
/// fewest of any core of the host.
fn threads_note(cores: &[CoreOf]) -> Option<String> {
    let threads = || cores.iter().map(|core| core.cpus.len());
    let (fewest, most) = (threads().min()?, threads().max()?);
    (fewest < most).then(|| {
        format!("The cores have {fewest} to {most} threads; a plan counts on {fewest} of each.")
    })
}

fn every_cpu_has_a_numa_node(dump: &Dump) -> Result<(), ImportError> {
    match dump.cpus.iter().find(|cpu| cpu.numa.is_none()) {
        None => Ok(()),
        Some(cpu) => {
            let hint = "libvirt knows the NUMA node of every CPU; import the output of: virsh capabilities";
            let message = format!("CPU {} belongs to no NUMA node that the file lists", cpu.id);
            Err(ImportError::new(message).at(cpu.place).hint(hint))
        }
    }
}

/// Notes NUMA nodes that have memory and no CPUs, or CPUs and no memory.
fn note_half_nodes(dump: &mut Dump, groups: &BTreeMap<u32, Vec<CoreOf>>) {
    let note = |(id, numa): (&u32, &DumpNuma)| {
        let has_cpus = groups.contains_key(id);
        let kind = numa.kind.as_ref().map_or_else(String::new, |kind| format!(" of {kind}"));
        match numa.memory_kib.map(|kib| Mebibytes::new(kib >> 10)) {
            Some(Mebibytes::ZERO) if has_cpus => {
                Some(format!("NUMA node {id} has CPUs and no memory: no VM fits there."))
            }
            _ if has_cpus => None,
            Some(memory) if memory > Mebibytes::ZERO => {
                Some(format!("NUMA node {id} has {memory}{kind} and no CPUs of its own: left out."))
            }
            _ => Some(format!("NUMA node {id} has no CPUs of its own: left out.")),
        }
    };
    let notes: Vec<String> = dump.numa.iter().filter_map(note).collect();
    dump.notes.extend(notes);
}

/// Memory of each NUMA node, in the order of `groups`.
fn memory(
    dump: &Dump,
    groups: &BTreeMap<u32, Vec<CoreOf>>,
    stated: &Stated,
    is_split: bool,
) -> Result<Vec<Sourced<Mebibytes>>, ImportError> {
    let measured: Option<Vec<Mebibytes>> = if is_split {
        None
    } else {
        let of = |id| Some(Mebibytes::new(dump.numa.get(id)?.memory_kib? >> 10));
        groups.keys().map(of).collect()
    };
    if let (None, Some(measured)) = (stated.memory, measured) {
        return Ok(measured
            .into_iter()
            .map(|value| Sourced { value, provenance: Provenance::Measured })
            .collect());
    }
    let listed: Option<u64> = dump.numa.values().map(|numa| numa.memory_kib).sum();
    let total =
        stated.memory.or(listed.filter(|kib| *kib > 0).map(|kib| Mebibytes::new(kib >> 10)));
    let total = total.ok_or_else(|| {
        ImportError::new("the file does not state the amount of memory")
            .hint("pass the total of the machine: --memory 768GiB")
    })?;
    let provenance = match (stated.memory, groups.len()) {
        (Some(_), 1) => Provenance::Stated("the whole machine's".to_owned()),
        (Some(_), _) => {
            Provenance::Assumed(format!("an equal share of the {total} that the user stated"))
        }
        (None, 1) => Provenance::Measured,
        (None, _) => Provenance::Assumed(format!("an equal share of {total}")),
    };
    let count = groups.len() as u64;
    let share = |rank| total.get() / count + u64::from(rank < total.get() % count);
    Ok((0..count)
        .map(|rank| Sourced { value: Mebibytes::new(share(rank)), provenance: provenance.clone() })
        .collect())
}

fn pages(dump: &Dump, id: u32, is_split: bool, memory: &Sourced<Mebibytes>) -> Sourced<HugePages> {
    let known = dump.numa.get(&id).and_then(|numa| numa.pages.as_ref());
    let known = known.filter(|_| !is_split).map(HugePages::among);
    match known {
        Some(value) if value.memory() <= memory.value => {
            Sourced { value, provenance: Provenance::Measured }
        }
        Some(_) => {
            let why = "none; those of the file do not fit into the memory stated";
            Sourced { value: HugePages::default(), provenance: Provenance::Assumed(why.to_owned()) }
        }
        None => {
            let why = "none; not in the file";
            Sourced { value: HugePages::default(), provenance: Provenance::Assumed(why.to_owned()) }
        }
    }
}

/// Caches that lie in several NUMA nodes.
fn shared_caches(cores: &[CoreOf]) -> BTreeSet<usize> {
    let mut numa: BTreeMap<usize, u32> = BTreeMap::new();
    let differs = |core: &CoreOf| {
        let l3 = core.l3?;
        (*numa.entry(l3).or_insert(core.numa) != core.numa).then_some(l3)
    };
    cores.iter().filter_map(differs).collect()
}

/// The L3 domains of a NUMA node: one for each cache, or for each die where the file
/// lists no caches. A cache that several NUMA nodes share is cut: a part of it has
/// no size of its own.
fn l3(dump: &Dump, cores: &[CoreOf], shared: &BTreeSet<usize>) -> Sourced<Vec<L3Domain>> {
    type Key = (Option<usize>, (u32, u32));
    let mut domains: BTreeMap<Key, Vec<Core>> = BTreeMap::new();
    for core in cores {
        let key = (core.l3, if core.l3.is_none() { (core.socket, core.die) } else { (0, 0) });
        domains.entry(key).or_default().push(Core { cpus: core.cpus.clone() });
    }
    let assumed = if cores.iter().any(|core| core.l3.is_none()) {
        Some("one for each NUMA node, socket and die; the file lists no L3 cache")
    } else if cores.iter().any(|core| core.l3.is_some_and(|l3| shared.contains(&l3))) {
        Some("cut where the NUMA node ends; the cache is larger and shared with others")
    } else {
        None
    };
    let provenance = match (&dump.cores_assumed, assumed) {
        (Some(what), _) => Provenance::Assumed(what.clone()),
        (None, Some(what)) => Provenance::Assumed(what.to_owned()),
        (None, None) => Provenance::Measured,
    };
    let size = |l3: usize| dump.caches_kib.get(l3).copied().flatten().filter(|kib| *kib > 0);
    let own = |l3: Option<usize>| l3.filter(|l3| !shared.contains(l3)).and_then(size);
    let mut value: Vec<L3Domain> =
        domains.into_iter().map(|((l3, _), cores)| L3Domain { size_kib: own(l3), cores }).collect();
    value.sort_by(|a, b| a.cores.cmp(&b.cores));
    Sourced { value, provenance }
}
