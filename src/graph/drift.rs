//! Drift of a domain: what differs from its plan though it was made from it, and what puts
//! that right. Pure.
//!
//! A domain has two definitions while it runs: the one that it runs with and the one that
//! its next boot will have. Both are compared, by values and in the form in which libvirt
//! gives XML back, never by text.

use std::collections::BTreeSet;
use std::fmt;

use super::ImagePart;
use crate::engine::{Difference, Fact};
use crate::hypervisor::{
    AttachedDisk, Definition, Domain, DomainState, Pause, Thread, domain_xml, edit, outline,
};
use crate::plan::{Instance, Plan};
use crate::render::{self, DiskPaths};
use crate::state::world::HostView;
use crate::topology::cpuset;

/// A difference between a domain and its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What differs.
    pub fact: Fact,
    /// As planned.
    pub planned: String,
    /// As found.
    pub found: String,
    /// What puts it right.
    pub remedy: Remedy,
}

/// What puts a drift right; the gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Its definition is written again, while it runs.
    Define,
    /// Its host no longer starts it.
    Autostart,
    /// Its threads are pinned, while it runs.
    Pin,
    /// The links of its interfaces are set up.
    Plug,
    /// It is resumed.
    Resume,
    /// It is started.
    Start,
    /// It is powered off, defined again and started.
    Restart,
}

impl Remedy {
    /// Whether it changes the domain without a moment in which its guest does not run.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Define | Self::Autostart | Self::Pin | Self::Plug)
    }
}

impl Drift {
    /// Returns it as a difference of an instance.
    #[must_use]
    pub fn difference(&self, instance: &Instance) -> Difference {
        let Self { fact, planned, found, remedy: _ } = self.clone();
        Difference { instance: instance.name.clone(), fact, planned, found }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fact, planned, found, remedy: _ } = self;
        write!(f, "{fact} {found}, planned {planned}")
    }
}

/// A domain compared with its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// How many facts were compared.
    pub facts: usize,
    /// Those that differ.
    pub drifts: Vec<Drift>,
}

impl Compared {
    fn same(&mut self, fact: Fact, planned: &str, found: &str, remedy: Remedy) {
        self.facts += 1;
        if planned != found {
            let (planned, found) = (planned.to_owned(), found.to_owned());
            self.drifts.push(Drift { fact, planned, found, remedy });
        }
    }

    /// Whether some remedy is among those that are needed.
    #[must_use]
    pub fn needs(&self, remedy: Remedy) -> bool {
        self.drifts.iter().any(|drift| drift.remedy == remedy)
    }
}

/// What is to be done about the drift of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Repair {
    /// What differs in its definitions, in words.
    pub differs: Option<String>,
    /// Whether it is powered off and on for that.
    pub restart: bool,
    /// Its state, where it has a process that does not run on.
    pub halted: Option<DomainState>,
}

impl Repair {
    pub(super) fn of(compared: &Compared, domain: &Domain) -> Self {
        let restart = compared.needs(Remedy::Restart);
        let of_state = |one: &&Drift| one.fact != Fact::State || one.remedy == Remedy::Restart;
        let words = compared.drifts.iter().filter(of_state).map(ToString::to_string);
        let words: Vec<String> = words.collect();
        let is_halted = domain.active && domain.state != DomainState::Running && !restart;
        Self {
            differs: (!words.is_empty()).then(|| words.join(", ")),
            restart,
            halted: is_halted.then_some(domain.state),
        }
    }
}

/// Compares a domain that was made from the plan of its instance with that plan. `paths` is
/// where its host keeps the files that it boots.
///
/// Of a plan that cannot be rendered only the state is compared: it cannot be deployed
/// either.
#[must_use]
pub fn compare(plan: &Plan, instance: &Instance, domain: &Domain, paths: &DiskPaths) -> Compared {
    let mut compared = Compared::default();
    state(domain, &mut compared);
    let kept = if domain.persistent { "persistent" } else { "transient" };
    compared.same(Fact::Persistence, "persistent", kept, Remedy::Define);
    // A host that comes back must not start what was replaced elsewhere meanwhile.
    let autostart = if domain.autostart { "on" } else { "off" };
    compared.same(Fact::Autostart, "off", autostart, Remedy::Autostart);
    let Ok(xml) = render::domain_xml(plan, instance, paths) else { return compared };
    let Ok(planned) = domain_xml::definition(&xml) else { return compared };
    let planned = Planned { definition: &planned, host_cpus: &host_cpus(plan, instance) };
    if !domain.active {
        let found = planned.compare(&domain.definition, &|_| Remedy::Define);
        compared.take(found, at_next_boot);
        return compared;
    }
    let now = planned.compare(&domain.definition, &|fact| match fact {
        Fact::VcpuPins | Fact::EmulatorPins | Fact::IoThreadPins => Remedy::Pin,
        Fact::Links => Remedy::Plug,
        _ => Remedy::Restart,
    });
    if let Some(next) = &domain.next {
        let mut next = planned.compare(next, &|_| Remedy::Define);
        // What is wrong in both ways is one fault, and put right in both ways at once.
        let is_known = |one: &Drift| {
            now.drifts.iter().any(|known| known.fact == one.fact && known.found == one.found)
        };
        next.drifts.retain(|one| !is_known(one));
        compared.take(now, |fact| fact);
        compared.take(next, at_next_boot);
    } else {
        compared.take(now, |fact| fact);
    }
    compared
}

fn at_next_boot(fact: Fact) -> Fact {
    Fact::AtNextBoot(Box::new(fact))
}

impl Compared {
    fn take(&mut self, other: Self, when: impl Fn(Fact) -> Fact) {
        self.facts += other.facts;
        let drifts = other.drifts.into_iter();
        self.drifts.extend(drifts.map(|drift| Drift { fact: when(drift.fact), ..drift }));
    }
}

fn state(domain: &Domain, compared: &mut Compared) {
    let remedy = match domain.state {
        DomainState::Paused(Pause::Panic) => Remedy::Restart,
        DomainState::Crashed if domain.active => Remedy::Restart,
        DomainState::Paused(_) | DomainState::Asleep => Remedy::Resume,
        _ => Remedy::Start,
    };
    compared.same(Fact::State, "running", &domain.state.to_string(), remedy);
}

/// Returns how the threads of a running domain are to be pinned that are pinned otherwise.
#[must_use]
pub fn pins(plan: &Plan, instance: &Instance, found: &Definition) -> Vec<(Thread, Vec<u32>)> {
    let all = host_cpus(plan, instance);
    let own = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let vcpus = instance.cpus.iter().zip(&found.vcpu_pins).enumerate();
    let mut pins: Vec<(Thread, Vec<u32>)> = vcpus
        .filter(|(_, (planned, found))| **found != [**planned])
        .map(|(number, (planned, _))| (Thread::Vcpu(own(number)), vec![*planned]))
        .collect();
    let others = found.iothread_pins.iter().map(|(number, pins)| (Thread::Io(*number), pins));
    let others = std::iter::once((Thread::Emulator, &found.emulator_pins)).chain(others);
    let planned = bound(&instance.emulator_cpus, &all);
    pins.extend(others.filter(|(_, found)| bound(found, &all) != planned).map(|(thread, _)| {
        let unpinned = planned.is_empty();
        (thread, if unpinned { all.iter().copied().collect() } else { planned.clone() })
    }));
    pins
}

/// Returns where the host of an instance keeps the files that it boots.
#[must_use]
pub fn boot_paths(plan: &Plan, view: &HostView, instance: &Instance) -> DiskPaths {
    let path = |part: ImagePart| {
        let name = part.volume(part.file(plan.image.as_ref()?)?);
        Some(view.volume(&instance.root.as_ref()?.pool, &name)?.path.clone())
    };
    DiskPaths { kernel: path(ImagePart::Kernel), initrd: path(ImagePart::Initrd) }
}

fn host_cpus(plan: &Plan, instance: &Instance) -> BTreeSet<u32> {
    let host = plan.topology.host(&instance.host);
    let domains = host.iter().flat_map(|host| &host.numa).flat_map(|node| &node.l3);
    domains.flat_map(|l3| &l3.cores).flat_map(|core| core.cpus.iter().copied()).collect()
}

/// Returns the CPUs that threads are bound to, ascending; none where it is all that the
/// host has.
fn bound(cpus: &[u32], all: &BTreeSet<u32>) -> Vec<u32> {
    let cpus: BTreeSet<u32> = cpus.iter().copied().collect();
    if cpus.is_superset(all) { Vec::new() } else { cpus.into_iter().collect() }
}

/// The definition that a domain should have.
struct Planned<'a> {
    definition: &'a Definition,
    host_cpus: &'a BTreeSet<u32>,
}

/// Parts of the XML that are compared by their values, or that mean nothing.
const PASSED_OVER: [&str; 11] = [
    // What is in use of it, without a balloon, follows from the memory.
    "domain/currentMemory",
    "domain/name",
    "domain/uuid",
    "domain/title",
    "domain/memory",
    "domain/memoryBacking/hugepages",
    "domain/vcpu",
    "domain/cputune/vcpupin",
    "domain/cputune/emulatorpin",
    "domain/cputune/iothreadpin",
    "domain/numatune",
];

impl Planned<'_> {
    fn compare(&self, found: &Definition, remedy: &dyn Fn(&Fact) -> Remedy) -> Compared {
        let planned = self.definition;
        let mut compared = Compared::default();
        let mut same = |fact: Fact, show: &dyn Fn(&Definition) -> String| {
            let remedy = remedy(&fact);
            compared.same(fact, &show(planned), &show(found), remedy);
        };
        let kib = |kib: u64| format!("{kib} KiB");
        let emulator = |cpus: &[u32]| cpuset::show_or_none(&bound(cpus, self.host_cpus));
        same(Fact::VcpuPins, &|one| pin_list(one.vcpu_pins.iter().map(Vec::as_slice)));
        same(Fact::EmulatorPins, &|one| emulator(&one.emulator_pins));
        same(Fact::IoThreadPins, &|one| {
            let pins: Vec<String> = one.iothread_pins.values().map(|pins| emulator(pins)).collect();
            pins.join(" ")
        });
        same(Fact::Memory, &|one| kib(one.memory_kib));
        same(Fact::MemoryNodes, &|one| cpuset::show_or_none(&one.memory_nodes));
        same(Fact::NumaBinding, &|one| {
            (if one.memory_strict { "strict" } else { "loose" }).to_owned()
        });
        same(Fact::PageSize, &|one| kib(one.page_kib));
        same(Fact::Links, &|one| {
            (if one.devices.unplugged.is_empty() { "up" } else { "down" }).to_owned()
        });
        // A backup that is being made, or was cut off, takes its disk away again.
        let found = edit::without_disk(&found.xml, AttachedDisk::TARGET);
        if found != planned.xml {
            let (mut lost, mut gained) = outline::differences(&planned.xml, &found, &PASSED_OVER);
            forgive_files(&mut lost, &mut gained);
            let show = |lines: &[String]| match lines {
                [] => "nothing".to_owned(),
                lines => lines.join(" "),
            };
            let fact = Fact::Definition;
            let remedy = remedy(&fact);
            compared.same(fact, &show(&lost), &show(&gained), remedy);
        } else {
            compared.facts += 1;
        }
        compared
    }
}

/// Takes out disks that name the file of their volume instead of the volume: a domain that
/// was migrated with its storage runs with those until its next boot.
fn forgive_files(lost: &mut Vec<String>, gained: &mut Vec<String>) {
    let volume = |line: &str| {
        let (_, rest) = line.strip_prefix("<source pool=")?.split_once("volume=\"")?;
        rest.split_once('"').map(|(name, _)| name.to_owned())
    };
    let file = |line: &str| {
        let (path, _) = line.strip_prefix("<source file=\"")?.split_once('"')?;
        path.rsplit('/').next().map(str::to_owned)
    };
    let take = |from: &mut Vec<String>, is_it: &dyn Fn(&str) -> bool| {
        let at = from.iter().position(|line| is_it(line))?;
        Some(from.remove(at))
    };
    let names: Vec<String> = gained.iter().filter_map(|line| file(line)).collect();
    for name in names {
        let is_it = |line: &str| volume(line).as_ref() == Some(&name);
        if take(lost, &is_it).is_some() {
            take(gained, &|line| file(line).as_ref() == Some(&name));
            take(lost, &|line| line.starts_with("<disk ") && line.contains("type=\"volume\""));
            take(gained, &|line| line.starts_with("<disk ") && line.contains("type=\"file\""));
        }
    }
}

fn pin_list<'a>(pins: impl Iterator<Item = &'a [u32]>) -> String {
    let texts: Vec<String> = pins.map(cpuset::show_or_none).collect();
    texts.join(" ")
}
