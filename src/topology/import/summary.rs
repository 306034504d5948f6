//! lscpu's summary, `lscpu -J`: counts of sockets, cores, threads and caches,
//! and the CPUs of each NUMA node.
//!
//! It lists no cores. Which CPUs are siblings is taken from how Linux numbers
//! them: on POWER, on mainframes and on modules of AMD siblings are neighbours. Elsewhere,
//! on a machine whose NUMA nodes have their CPUs in several runs (`0-47,96-143`), or
//! that has one NUMA node, the first threads of all cores come first; else siblings are
//! neighbours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dump::{CoreKey, Cpu, Dump, Numa, offline_note};
use super::{ImportError, Place};
use crate::topology::{Architecture, cpuset};
use crate::units::{Bytes, HumanUnit as _};

const REMEDY: &str =
    "lscpu -J lists counts only; write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE";

/// A field's text and its place.
struct Fields(BTreeMap<String, (String, Place)>);

/// Reads the fields of `lscpu -J`.
pub(super) fn dump(value: &Value) -> Result<Dump, ImportError> {
    let list = value
        .as_array()
        .ok_or_else(|| ImportError::new("\"lscpu\" is not a list of fields").hint(REMEDY))?;
    let mut fields = Fields(BTreeMap::new());
    fields.collect(list);
    let nodes = fields.numa_nodes()?;
    let threads = fields.count("Thread(s) per core")?.unwrap_or(1).max(1);
    let sockets = fields.count("Socket(s)")?.unwrap_or(1).max(1);
    fields.threads_are_equal(threads, sockets, nodes.cpus.values().map(Vec::len).sum())?;
    let order = fields.order();
    let mut cores: Vec<(u32, Vec<u32>)> = Vec::new();
    for (numa, cpus) in &nodes.cpus {
        let siblings = siblings(cpus, threads, order, nodes.cpus.len() == 1).ok_or_else(|| {
            let message = format!(
                "{} CPUs in NUMA node {numa} with {threads} threads per core: \
                 siblings cannot be determined",
                cpus.len()
            );
            ImportError::new(message).hint(REMEDY)
        })?;
        cores.extend(siblings.into_iter().map(|core| (*numa, core)));
    }
    // A core of POWER has eight threads and an L3 cache; of four, two cores share it.
    let uncounted = match order {
        Order::Power => (cores.len() * threads as usize).div_ceil(8),
        _ => sockets as usize,
    };
    let (count, kib) = fields.l3(uncounted)?;
    let mut dump = Dump {
        architecture: fields.text("Architecture").map(|(name, _)| Architecture::named(name)),
        numa_listed: nodes.is_told,
        numa: nodes.cpus.keys().chain(&nodes.empty).map(|id| (*id, Numa::default())).collect(),
        caches_kib: vec![kib; count],
        cores_assumed: Some(format!("{}; lscpu -J lists no cores", order.ground())),
        ..Dump::default()
    };
    dump.notes.extend(offline_note(&fields.set("Off-line CPU(s) list")?));
    place_cores(&mut dump, cores, sockets as usize);
    Ok(dump)
}

/// Gives cores to sockets and caches in equal parts, in the order of their NUMA
/// nodes and CPUs.
fn place_cores(dump: &mut Dump, cores: Vec<(u32, Vec<u32>)>, sockets: usize) {
    let (all, caches) = (cores.len().max(1), dump.caches_kib.len());
    for (index, (numa, cpus)) in cores.into_iter().enumerate() {
        let socket = u32::try_from(index * sockets / all).unwrap_or(0);
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        dump.cpus.extend(cpus.into_iter().map(|id| Cpu {
            place: Place::Whole,
            id,
            socket,
            die: 0,
            core: CoreKey { within: 0, number },
            numa: dump.numa_listed.then_some(numa),
            l3: (caches > 0).then(|| index * caches / all),
        }));
    }
    if !dump.numa_listed {
        dump.numa.clear();
    }
}

/// How the threads of cores are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As most machines do; the sets of CPUs decide.
    Usual,
    /// Threads of one core follow each other, on POWER.
    Power,
    /// Threads of one core follow each other, on other machines that do it always.
    Neighbours,
}

impl Order {
    const fn ground(self) -> &'static str {
        match self {
            Self::Usual => "the usual numbering of CPUs",
            Self::Power => "siblings are neighbours, as on every POWER machine",
            Self::Neighbours => "siblings are neighbours, as on every machine of its kind",
        }
    }
}

/// CPUs of a NUMA node core by core; `None` if they do not come out even.
fn siblings(cpus: &[u32], threads: u32, order: Order, is_alone: bool) -> Option<Vec<Vec<u32>>> {
    let threads = threads as usize;
    if cpus.is_empty() || !cpus.len().is_multiple_of(threads) {
        return None;
    }
    let cores = cpus.len() / threads;
    let has_gap = cpus.windows(2).any(|pair| matches!(pair, [a, b] if b - a > 1));
    if order == Order::Usual && (has_gap || is_alone) {
        let core = |first| cpus.iter().skip(first).step_by(cores).copied().collect();
        Some((0..cores).map(core).collect())
    } else {
        Some(cpus.chunks(threads).map(<[u32]>::to_vec).collect())
    }
}

/// Online CPUs by NUMA node.
struct Nodes {
    cpus: BTreeMap<u32, Vec<u32>>,
    /// NUMA nodes without one.
    empty: Vec<u32>,
    is_told: bool,
}

impl Fields {
    /// Takes fields and those below them: newer releases nest them.
    fn collect(&mut self, list: &[Value]) {
        let mut open: Vec<&Value> = list.iter().rev().collect();
        let mut index = 0;
        while let Some(value) = open.pop() {
            let name = value.get("field").and_then(Value::as_str);
            let text = match value.get("data") {
                Some(Value::String(text)) => text.trim().to_owned(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            };
            if let Some(name) = name {
                let name = name.trim().trim_end_matches(':').to_owned();
                self.0.entry(name).or_insert((text, Place::Field(index)));
            }
            index += 1;
            let children = value.get("children").and_then(Value::as_array);
            open.extend(children.into_iter().flatten().rev());
        }
    }

    fn text(&self, name: &str) -> Option<(&str, Place)> {
        let (text, place) = self.0.get(name)?;
        (!matches!(text.as_str(), "" | "-")).then_some((text.as_str(), *place))
    }

    fn count(&self, name: &str) -> Result<Option<u32>, ImportError> {
        let Some((text, place)) = self.text(name) else { return Ok(None) };
        let wrong = |_| ImportError::new(format!("{name}: {text:?} is not a number")).at(place);
        text.parse().map(Some).map_err(wrong)
    }

    fn set(&self, name: &str) -> Result<Vec<u32>, ImportError> {
        let Some((text, place)) = self.text(name) else { return Ok(Vec::new()) };
        let cpus = cpuset::parse(text);
        if cpus.is_empty() {
            let message = format!("{name}: {text:?} is not a list of CPUs such as 0-3,8");
            return Err(ImportError::new(message).at(place));
        }
        Ok(cpus)
    }

    fn numa_nodes(&self) -> Result<Nodes, ImportError> {
        let online: BTreeSet<u32> = self.set("On-line CPU(s) list")?.into_iter().collect();
        let mut cpus: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut empty = Vec::new();
        for name in self.0.keys() {
            let id = name.strip_prefix("NUMA node").and_then(|rest| rest.strip_suffix(" CPU(s)"));
            if let Some(id) = id.and_then(|id| id.parse().ok()) {
                let mut set = self.set(name)?;
                set.retain(|cpu| online.is_empty() || online.contains(cpu));
                if set.is_empty() {
                    empty.push(id);
                } else {
                    cpus.insert(id, set);
                }
            }
        }
        if !cpus.is_empty() {
            return Ok(Nodes { cpus, empty, is_told: true });
        }
        let all = match (online.is_empty(), self.count("CPU(s)")?) {
            (true, None | Some(0)) => {
                return Err(ImportError::new("the file lists no online CPU").hint(REMEDY));
            }
            // More is refused with the number of the first CPU that is too high.
            (true, Some(count)) => (0..count.min(1 << 17)).collect(),
            (false, _) => online.into_iter().collect(),
        };
        // Of a kernel that knows no NUMA nodes lscpu lists none: it has one.
        let is_told = self.count("NUMA node(s)")?.is_none_or(|count| count <= 1);
        Ok(Nodes { cpus: BTreeMap::from([(0, all)]), empty: Vec::new(), is_told })
    }

    /// Cores of different kinds have different numbers of threads, of which lscpu lists
    /// one: then the counts do not multiply to the number of CPUs.
    fn threads_are_equal(
        &self,
        threads: u32,
        sockets: u32,
        cpus: usize,
    ) -> Result<(), ImportError> {
        let name = "Core(s) per socket";
        let Some(cores) = self.count(name)? else { return Ok(()) };
        let product = u64::from(cores) * u64::from(threads) * u64::from(sockets);
        if product == cpus as u64 {
            return Ok(());
        }
        let place = self.text(name).map_or(Place::Whole, |(_, place)| place);
        let message = format!(
            "{sockets} sockets of {cores} cores of {threads} threads are not the {cpus} CPUs online: \
             siblings cannot be determined"
        );
        Err(ImportError::new(message).at(place).hint(REMEDY))
    }

    /// How the machine numbers the threads of its cores.
    fn order(&self) -> Order {
        let is = |name: &str, word: &str| self.text(name).is_some_and(|(text, _)| text == word);
        let architecture = self.text("Architecture").map_or("", |(text, _)| text);
        if architecture.starts_with("ppc") {
            Order::Power
        } else if architecture.starts_with("s390")
            // The family of the processors that are made of modules.
            || is("Vendor ID", "AuthenticAMD") && is("CPU family", "21")
        {
            Order::Neighbours
        } else {
            Order::Usual
        }
    }

    /// Number of L3 caches and the size of one in KiB. Older releases give the
    /// size of one and no number: then there are as many as `uncounted`.
    fn l3(&self, uncounted: usize) -> Result<(usize, Option<u64>), ImportError> {
        let Some((text, place)) = self.text("L3 cache").or_else(|| self.text("L3")) else {
            return Ok((0, None));
        };
        let wrong = || {
            let message = format!("L3 cache: {text:?}; expected such as \"64 MiB (2 instances)\"");
            ImportError::new(message).at(place)
        };
        let (size, rest) = text.split_once('(').map_or((text, None), |(a, b)| (a, Some(b)));
        let size = size.trim();
        // Bytes have no unit: lscpu -B.
        let unit = match size.chars().last() {
            Some('K' | 'M' | 'G') => "iB",
            Some(digit) if digit.is_ascii_digit() => "B",
            _ => "",
        };
        let kib = Bytes::parse(&format!("{size}{unit}")).map_err(|_| wrong())?.get() >> 10;
        let Some(rest) = rest else { return Ok((uncounted, Some(kib))) };
        let count = rest.split_whitespace().next().and_then(|count| count.parse::<u64>().ok());
        let count = count.filter(|count| (1..=1 << 16).contains(count)).ok_or_else(wrong)?;
        Ok((usize::try_from(count).map_err(|_| wrong())?, Some(kib / count)))
    }
}
