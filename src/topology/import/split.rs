//! NUMA nodes where a file lists none: each socket cut into equal parts.

use std::collections::BTreeMap;

use super::dump::Cpu;
use super::{ImportError, Provenance};

/// A core and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreOf {
    pub cpus: Vec<u32>,
    pub socket: u32,
    pub die: u32,
    pub numa: u32,
    pub l3: Option<usize>,
}

impl CoreOf {
    /// The core of a CPU, nothing in it yet.
    pub(super) const fn new(cpu: &Cpu) -> Self {
        let numa = match cpu.numa {
            Some(numa) => numa,
            None => 0,
        };
        Self { cpus: Vec::new(), socket: cpu.socket, die: cpu.die, numa, l3: cpu.l3 }
    }
}

/// Numbers NUMA nodes anew: `per_socket` in each socket, one if nobody said.
///
/// Whole L3 domains stay together where there are as many of them as parts. The
/// parts follow the order of the CPUs, as firmware numbers them.
///
/// # Errors
/// A socket has too few cores.
pub(super) fn renumber(
    cores: &mut [CoreOf],
    per_socket: Option<u32>,
) -> Result<Provenance, ImportError> {
    let parts = per_socket.unwrap_or(1) as usize;
    let mut sockets: BTreeMap<u32, Vec<&mut CoreOf>> = BTreeMap::new();
    for core in cores {
        sockets.entry(core.socket).or_default().push(core);
    }
    let mut base = 0;
    for (socket, cores) in &mut sockets {
        let count = cores.len();
        if count < parts {
            let message =
                format!("socket {socket} has {count} cores, too few for {parts} NUMA nodes");
            return Err(ImportError::new(message).hint("give fewer with --numa-per-socket"));
        }
        let domains = domains(cores);
        for (index, core) in cores.iter_mut().enumerate() {
            let rank = domains.get(&core.l3).copied();
            let part = match rank {
                Some(rank) if domains.len() >= parts => rank * parts / domains.len(),
                _ => index * parts / count,
            };
            core.numa = u32::try_from(base + part).unwrap_or(u32::MAX);
        }
        base += parts;
    }
    Ok(match per_socket {
        Some(count) => Provenance::Assumed(format!(
            "{count} per socket as the user stated, cut in the order of CPUs"
        )),
        None => Provenance::Assumed("one per socket; the file lists none".to_owned()),
    })
}

/// L3 domains of a socket's cores with their rank by first CPU; cores without
/// a cache are together in one.
fn domains(cores: &[&mut CoreOf]) -> BTreeMap<Option<usize>, usize> {
    let mut ranks = BTreeMap::new();
    for core in cores {
        let next = ranks.len();
        ranks.entry(core.l3).or_insert(next);
    }
    ranks
}
