//! The host file: what a host said of itself, in the form that a spec
//! includes, with a word on every value that was not measured.

mod devices;
mod imported;
mod reported;
mod words;

use std::fmt::Write as _;

pub use self::imported::{Stated, imported_file};
pub use self::words::{domain_words, nic_words};
use crate::hypervisor::{Domain, HostReport, ReportedNic, ReportedPool, version};
use crate::ids::{HostName, MAX_NAME};
use crate::quote;
use crate::topology::assumed::{self, IOPS, Reserve, VirtualizationGround as Ground};
use crate::topology::import::{Numa, Sourced, Uplink};
use crate::topology::{Architecture, L3Domain, Virtualization};
use crate::units::{Bytes, Mebibytes};

/// A host file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFile {
    /// The text.
    pub text: String,
    /// How the host runs guests.
    pub hypervisor: Virtualization,
    /// Paths of the values that nobody measured, as the file lists them.
    pub assumed: Vec<String>,
}

/// The host file of a host with the domains that run on it already. `hypervisor` is the user's word on how it runs
/// guests; without it, what the host offers is taken, and marked.
#[must_use]
pub fn host_file(
    name: &HostName,
    uri: &str,
    hypervisor: Option<Virtualization>,
    report: &HostReport,
    domains: &[Domain],
) -> HostFile {
    let mut file = Writer::default();
    file.head(uri, report);
    file.seen(report, domains);
    file.line(&format!("name: {name}"), "");
    file.line(&format!("uri: {}", scalar(uri)), "");
    let hypervisor = file.hypervisor(hypervisor, Some(&report.domain_types));
    file.architecture(Some(report.architecture));
    let numa = reported::numa(&report.numa);
    file.cost();
    file.reserve(&numa);
    file.bridges(&report.bridges, "libvirt lists none");
    file.network(&report.nics);
    file.line("numa:", "");
    file.numa(&numa);
    file.pools(&report.pools);
    file.done(hypervisor)
}

/// A host's name from its libvirt hostname: the first label, made to follow
/// the grammar of names; `None` if nothing of it does.
#[must_use]
pub fn name_of(hostname: &str) -> Option<HostName> {
    let label = hostname.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let words: Vec<&str> = label
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
        .collect();
    let name = words.join("-");
    let name =
        if name.starts_with(|c: char| c.is_ascii_digit()) { format!("h{name}") } else { name };
    let short = name.get(..MAX_NAME).unwrap_or(&name).trim_end_matches('-');
    HostName::new(short).ok()
}

/// The file without what changes from one look to the next by itself: comments
/// and the free space of pools. Two files that agree in this describe the same
/// host.
#[must_use]
pub fn without_fleeting_values(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.fold(String::new(), |mut kept, line| {
        match line.split_once("capacity: ").filter(|(start, _)| start.starts_with("  - { name: ")) {
            Some((start, rest)) => {
                kept.push_str(start);
                kept.push_str(rest.split_once(',').map_or("", |(_, rest)| rest));
            }
            None => kept.push_str(line),
        }
        kept.push('\n');
        kept
    })
}

#[derive(Default)]
struct Writer {
    text: String,
    assumed: Vec<String>,
}

impl Writer {
    /// A line with a comment, if there is one.
    fn line(&mut self, line: &str, comment: &str) {
        // Writing to a string cannot fail.
        let _ = match comment {
            "" => writeln!(self.text, "{line}"),
            _ => writeln!(self.text, "{line:<38} # {comment}"),
        };
    }

    fn head(&mut self, uri: &str, report: &HostReport) {
        let (libvirt, qemu) = (version(report.libvirt_version), version(report.qemu_version));
        let shown: String = uri.chars().filter(|c| !c.is_control()).collect();
        self.line(&format!("# Written by hostsplit discover from {shown}; edit as you like."), "");
        self.line(
            &format!("# libvirt {libvirt}, QEMU {qemu}. Measured unless a comment says otherwise."),
            "",
        );
    }

    /// What is for people: nothing is planned from it.
    fn seen(&mut self, report: &HostReport, domains: &[Domain]) {
        if let Some(model) = &report.cpu_model {
            self.comment(&format!("CPUs: {model}."));
        }
        for nic in &report.nics {
            self.comment(&format!("NIC {}.", nic_words(nic)));
        }
        if !domains.is_empty() {
            self.comment("Existing domains; reserve what the running ones need:");
        }
        for domain in domains {
            self.comment(&format!("  {}", domain_words(domain)));
        }
    }

    /// A comment of its own line; names come from the host.
    fn comment(&mut self, text: &str) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        self.line(&format!("# {text}"), "");
    }

    /// The bandwidth of the assumed uplink, where there is one.
    fn network(&mut self, nics: &[ReportedNic]) {
        let Some(Uplink { nic, bits_per_s, .. }) = reported::uplink(nics) else { return };
        let nic: String = nic.chars().filter(|c| !c.is_control()).collect();
        let comment = format!("assumed: the bridge is on {nic}, the fastest link");
        self.line(&format!("network: {bits_per_s}"), &comment);
        self.assumed.push("network".to_owned());
    }

    /// How the host runs guests, by what the user says and libvirt offers.
    fn hypervisor(
        &mut self,
        stated: Option<Virtualization>,
        offered: Option<&[String]>,
    ) -> Virtualization {
        let (hypervisor, ground) = assumed::virtualization(stated, offered);
        let comment = match ground {
            Ground::Stated => "stated by the user",
            Ground::StatedNotOffered => "stated by the user, though libvirt does not offer it",
            Ground::Unknown => "assumed: not in the file",
            Ground::KvmOffered => "assumed: offered, not verified by starting a guest",
            Ground::OnlyTcgOffered => "kvm is not offered",
            Ground::NothingOffered => "assumed: libvirt offers no guests of its architecture",
        };
        if ground.is_assumed() {
            self.assumed.push("hypervisor".to_owned());
        }
        let line = format!("hypervisor: {}", hypervisor.as_str());
        self.line(&line, &format!("kvm | qemu; {comment}"));
        hypervisor
    }

    /// What the CPUs are; x86_64 where the file does not say.
    fn architecture(&mut self, known: Option<Architecture>) {
        let architecture = known.unwrap_or_default();
        let comment = match known {
            None => "assumed: not in the file",
            Some(known) if known.is_of_guests() => "",
            Some(_) => "guests are x86_64, so the host takes no instance",
        };
        if known.is_none() {
            self.assumed.push("architecture".to_owned());
        }
        self.line(&format!("architecture: {}", architecture.as_str()), comment);
    }

    fn cost(&mut self) {
        self.line("cost: 1", "assumed: all hosts cost the same");
        self.assumed.push("cost".to_owned());
    }

    fn reserve(&mut self, numa: &[Numa]) {
        let each: Vec<usize> = numa.iter().map(core_count).collect();
        let memory: Mebibytes = numa.iter().map(|node| node.memory.value).sum();
        let Reserve { cores, memory } = assumed::reserve(&each, memory);
        let nodes = each.iter().filter(|cores| **cores > 0).count();
        let why = match cores {
            0 => "no core, since there are too few",
            _ if cores < nodes => "a sixteenth of the cores, at least one",
            _ => "one core per NUMA node",
        };
        let reserve = format!("reserve: {{ cores: {cores}, memory: {memory} }}");
        self.line(&reserve, &format!("assumed: for the host, emulator and I/O threads; {why}"));
        self.assumed.push("reserve".to_owned());
    }

    fn bridges(&mut self, bridges: &[String], why_none: &str) {
        let names: Vec<String> = bridges.iter().map(|bridge| scalar(bridge)).collect();
        if names.is_empty() {
            let comment = format!("assumed: {why_none}; add those that exist");
            self.line("bridges: []", &comment);
            self.assumed.push("bridges".to_owned());
        } else {
            self.line(&format!("bridges: [{}]", names.join(", ")), "");
        }
    }

    fn numa(&mut self, numa: &[Numa]) {
        for node in numa {
            self.line(&format!("  - id: {}", node.id), "");
            // In MiB also where GiB would do: columns of numbers compare.
            let memory = format!("    memory: {}MiB", node.memory.value.get());
            self.sourced(&memory, &node.memory, node, "memory");
            let pages = node.pages.value;
            let pages = format!("    pages: {{ 2MiB: {}, 1GiB: {} }}", pages.small, pages.large);
            self.sourced(&pages, &node.pages, node, "pages");
            self.l3(node);
        }
    }

    /// Writes a line of a NUMA node with the provenance of its value.
    fn sourced<T>(&mut self, line: &str, value: &Sourced<T>, node: &Numa, field: &str) {
        self.line(line, &value.provenance.comment());
        if value.provenance.is_assumed() {
            self.assumed.push(format!("numa.{}.{field}", node.id));
        }
    }

    fn l3(&mut self, node: &Numa) {
        if node.l3.value.is_empty() {
            self.line("    l3: []", "no CPU is online here");
            return;
        }
        self.sourced("    l3:", &node.l3, node, "l3");
        for L3Domain { size_kib, cores } in &node.l3.value {
            let size = size_kib
                .map_or_else(String::new, |kib| format!("size: {}, ", Bytes::new(kib << 10)));
            let cores: Vec<String> = cores.iter().map(|core| format!("{:?}", core.cpus)).collect();
            self.line(&format!("      - {{ {size}cores: [{}] }}", cores.join(", ")), "");
        }
    }

    /// The file with its last line.
    fn done(mut self, hypervisor: Virtualization) -> HostFile {
        let assumed = format!("assumed: [{}]", self.assumed.join(", "));
        self.line(&assumed, "");
        HostFile { text: self.text, hypervisor, assumed: self.assumed }
    }

    fn pools(&mut self, pools: &[ReportedPool]) {
        let usable = |pool: &&ReportedPool| pool.available >= 1 << 20;
        if !pools.iter().any(|pool| usable(&pool)) {
            self.line("pools: []", "libvirt lists no active pool with free space");
            return;
        }
        self.line("pools:", "capacity: free when discovered; iops: assumed");
        for pool in pools.iter().filter(usable) {
            let (name, mib) = (scalar(&pool.name), pool.available >> 20);
            let capacity =
                if mib < 1024 { Mebibytes::new(mib) } else { Mebibytes::from_gib(mib >> 10) };
            let line = format!("  - {{ name: {name}, capacity: {capacity}, iops: {IOPS} }}");
            self.line(&line, "");
            self.assumed.push(scalar(&format!("pools.{}.iops", pool.name)));
        }
    }
}

fn core_count(node: &Numa) -> usize {
    node.l3.value.iter().map(|domain| domain.cores.len()).sum()
}

/// A text as a YAML scalar, also inside brackets: as it is if nobody can take it
/// for anything else, else quoted.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 8] = ["null", "true", "false", "yes", "no", "on", "off", "y"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:+@?=&%".contains(c))
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && text.len() > 1;
    if plain { text.to_owned() } else { quote::yaml(text) }
}

#[cfg(test)]
mod tests;
