//! NICs and disks in hwloc's dumps of all I/O objects (`lstopo --whole-io`).
//!
//! What the kernel makes up (lo, bridges, bonds, veth, tap, loop devices, the device
//! mapper) hwloc hangs at the machine, and what is built in below a PCI device: only
//! that is taken. It writes no speed of a NIC; `hwloc-annotate` adds one as an info.
//! Sources: <https://www.open-mpi.org/projects/hwloc/doc/v2.9.0/>, "I/O Devices" and
//! "Object attributes"; hwloc/topology-linux.c and hwloc/topology-xml.c of hwloc.

use std::collections::BTreeSet;

use roxmltree::Node;

use super::bitmap::Bitmap;
use super::dump::{Device, Dump, Kind};
use super::xml::{elements, number};
use crate::units::{BitsPerSecond, HumanUnit as _, Mebibytes, first_few};

/// Most places that devices hang at; beyond, where they hang stays unknown.
const MAX_PLACES: usize = 256;
/// Names of devices are cut after so many characters, and lists after so many names.
const MAX_NAME: usize = 32;
const SHOWN: usize = 8;
/// A host file takes no more; a faster NIC is a slip of the pen.
const MAX_SPEED: u64 = 1_000_000_000_000_000;
/// Infos with the speed of a NIC.
const SPEEDS: [&str; 2] = ["LinkSpeed", "Speed"];

/// What an I/O object hangs at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hanging {
    /// Whether it is below a PCI device.
    pub pci: bool,
    /// Whether any I/O object does.
    inside: bool,
    /// Index of the CPUs near to it.
    place: Option<usize>,
}

/// Devices while they are read.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Since version 3 a device has a set of kinds.
    pub kinds_are_sets: bool,
    found: Vec<Device>,
    /// Sets of CPUs, as text.
    places: Vec<String>,
    virtual_nics: BTreeSet<String>,
    virtual_disks: BTreeSet<String>,
}

/// What an operating system's device is used as.
enum Use {
    Nic,
    Disk,
}

impl Devices {
    /// What hangs below an I/O object, which itself hangs at `above` in an object with
    /// these CPUs.
    pub(super) fn below(&mut self, above: Hanging, cpuset: Option<&str>, pci: bool) -> Hanging {
        let place = if above.inside { above.place } else { cpuset.and_then(|set| self.place(set)) };
        Hanging { pci: above.pci || pci, inside: true, place }
    }

    fn place(&mut self, cpuset: &str) -> Option<usize> {
        let known = self.places.iter().position(|place| place == cpuset);
        if known.is_none() && self.places.len() < MAX_PLACES {
            self.places.push(cpuset.to_owned());
            return Some(self.places.len() - 1);
        }
        known
    }

    /// Takes a device of the operating system.
    pub(super) fn device(&mut self, node: Node<'_, '_>, at: Hanging) {
        let name = node.attribute("name").unwrap_or_default();
        let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        let Some(kind) = self.used_as(node).filter(|_| !name.is_empty()) else { return };
        let names = match kind {
            Use::Nic => &mut self.virtual_nics,
            Use::Disk => &mut self.virtual_disks,
        };
        if !at.pci {
            names.insert(name);
            return;
        }
        let kind = match kind {
            Use::Nic => Kind::Nic { speed: speed(node), address: info(node, "Address") },
            // The other paths to a disk that is listed under its own name.
            Use::Disk if is_path(&name) => return,
            Use::Disk => Kind::Disk { size: size(node) },
        };
        self.found.push(Device { name, kind, place: at.place });
    }

    fn used_as(&self, node: Node<'_, '_>) -> Option<Use> {
        let kind: u64 = number(node, "osdev_type")?;
        let (is_disk, is_nic) = if self.kinds_are_sets {
            let has = |bit: u64| kind >> bit & 1 == 1;
            // Memory that is also a disk, and the verbs side of a NIC.
            (has(0) && !has(1), has(4) && !has(5))
        } else {
            (kind == 0, kind == 2)
        };
        let subtype = node.attribute("subtype").map(str::to_owned).or_else(|| info(node, "Type"));
        let is_fixed = !matches!(
            subtype.as_deref(),
            Some("Tape" | "Removable Media Device" | "Removable Media")
        );
        if is_nic { Some(Use::Nic) } else { (is_disk && is_fixed).then_some(Use::Disk) }
    }

    /// Moves what was found into the dump, whose CPUs are all known.
    pub(super) fn into_dump(self, dump: &mut Dump) {
        dump.notes.extend(left_out("Network interfaces", &self.virtual_nics));
        dump.notes.extend(left_out("Block devices", &self.virtual_disks));
        let cpus = |text: &String| {
            let set = Bitmap::parse(text).unwrap_or_default();
            dump.cpus.iter().map(|cpu| cpu.id).filter(|cpu| set.contains(*cpu)).collect()
        };
        dump.places = self.places.iter().map(cpus).collect();
        dump.devices = self.found;
    }
}

fn left_out(what: &str, names: &BTreeSet<String>) -> Option<String> {
    let shown = first_few(names, SHOWN);
    (!names.is_empty())
        .then(|| format!("{what} below no PCI device, taken for virtual: left out ({shown})."))
}

/// `nvme0c1n1`: a path of multipath NVMe, hidden behind `nvme0n1`.
fn is_path(name: &str) -> bool {
    let digits = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    name.strip_prefix("nvme").is_some_and(|rest| digits(rest).starts_with('c'))
}

/// The speed, if it has a unit: `25Gbit/s`, or as ethtool writes it, `25000Mb/s`.
fn speed(node: Node<'_, '_>) -> Option<BitsPerSecond> {
    let text = SPEEDS.into_iter().find_map(|name| info(node, name))?;
    let text = text.trim();
    let text =
        text.strip_suffix("b/s").map_or_else(|| text.to_owned(), |rate| format!("{rate}bit/s"));
    BitsPerSecond::parse(&text).ok().filter(|speed| (1..=MAX_SPEED).contains(&speed.get()))
}

/// The size, in KiB with or without the unit.
fn size(node: Node<'_, '_>) -> Option<Mebibytes> {
    let text = info(node, "Size")?;
    let kib: u64 = text.trim().trim_end_matches("KiB").parse().ok()?;
    Some(Mebibytes::new(kib >> 10)).filter(|size| *size > Mebibytes::ZERO)
}

/// An info of an object.
pub(super) fn info(node: Node<'_, '_>, name: &str) -> Option<String> {
    let info = elements(Some(node), "info").find(|info| info.attribute("name") == Some(name));
    Some(info?.attribute("value")?.to_owned())
}
