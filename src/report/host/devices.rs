//! NICs and disks of a machine that was read from another program's file.

use std::collections::BTreeMap;

use super::Writer;
use crate::topology::import::{Disk, Machine, Nic, Uplink, UplinkChoice};
use crate::units::{BitsPerSecond, Mebibytes, first_few};

/// Most lines on NICs and on kinds of disks, and names in a line: virtual functions
/// and disk shelves come in hundreds.
const SHOWN: usize = 16;

/// What is for people: nothing is planned from it.
pub(super) fn nics(file: &mut Writer, nics: &[Nic]) {
    for nic in nics.iter().take(SHOWN) {
        let speed = nic.bits_per_s;
        let speed = speed.map_or_else(|| "speed unknown".to_owned(), |speed| speed.to_string());
        let bond =
            if nic.shares_address { "; same address as another NIC, as in a bond" } else { "" };
        file.comment(&format!("NIC {}: {speed}{}{bond}.", nic.name, place(nic.numa)));
    }
    if let rest @ 1.. = nics.len().saturating_sub(SHOWN) {
        file.comment(&format!("and {rest} more."));
    }
}

/// The bandwidth: the stated one, else that of the assumed uplink.
pub(super) fn network(file: &mut Writer, machine: &Machine, stated: Option<BitsPerSecond>) {
    if let Some(speed) = stated {
        file.line(&format!("network: {speed}"), "stated by the user");
        return;
    }
    let Some(Uplink { nic, bits_per_s, choice }) = &machine.uplink else {
        let remedy = "it does not limit plans; set it with --network 25Gbit/s";
        file.comment(&format!("network: speed unknown, so {remedy}"));
        return;
    };
    let which = match choice {
        UplinkChoice::Only => "the only NIC that is listed",
        UplinkChoice::Fastest => "the fastest NIC",
        UplinkChoice::FastestKnown => "the fastest NIC of known speed",
    };
    file.line(
        &format!("network: {bits_per_s}"),
        &format!("assumed: the bridge is on {nic}, {which}"),
    );
    file.assumed.push("network".to_owned());
}

/// Comments beside the pools: equal disks together.
pub(super) fn disks(file: &mut Writer, disks: &[Disk]) {
    let mut kinds: BTreeMap<(Option<u32>, Option<Mebibytes>), Vec<&str>> = BTreeMap::new();
    for disk in disks {
        kinds.entry((disk.numa, disk.size_mib)).or_default().push(&disk.name);
    }
    if !kinds.is_empty() {
        file.comment("Disks (the file lists neither their pools nor their free space):");
    }
    for ((numa, size), names) in kinds.iter().take(SHOWN) {
        let size = size.map_or_else(|| "size unknown".to_owned(), |size| rounded(size).to_string());
        let shown = first_few(names, SHOWN);
        let each = if names.len() == 1 { "" } else { " each" };
        file.comment(&format!("  {shown}: {size}{each}{}.", place(*numa)));
    }
    if let rest @ 1.. = kinds.len().saturating_sub(SHOWN) {
        file.comment(&format!("  and {rest} more kinds."));
    }
}

/// Whole GiB where that is exact enough for people.
fn rounded(size: Mebibytes) -> Mebibytes {
    if size < Mebibytes::from_gib(10) { size } else { Mebibytes::from_gib(size.get() >> 10) }
}

fn place(numa: Option<u32>) -> String {
    numa.map_or_else(String::new, |numa| format!(", NUMA node {numa}"))
}
