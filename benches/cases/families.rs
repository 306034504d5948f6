//! Families of generated specs, as the text of a spec file: each of the same shape at any
//! size, so that growth can be measured, and one program beside another.
//!
//! | family | hosts | to be placed |
//! | --- | --- | --- |
//! | `priced HOSTS VMS` | 12 classes of prices, three resources | VMs of 40 sizes |
//! | `distinct HOSTS VMS` | the same | VMs, each of a size of its own |
//! | `packing ITEMS DIMENSIONS SEED` | equal hosts | VMs of two to five resources, about three to a host |
//! | `services HOSTS SERVICES` | 10 classes of prices | services of four engines that survive the loss of a host |

use std::fmt::Write;

use super::dice::Dice;

/// Returns the text of a family's spec; `None` if there is no such family.
pub fn text(words: &[&str]) -> Option<String> {
    let (family, sizes) = words.split_first()?;
    let sizes: Vec<u64> = sizes.iter().filter_map(|word| word.parse().ok()).collect();
    match (*family, sizes.as_slice()) {
        ("priced", [hosts, vms]) => Some(priced(*hosts, *vms, 40)),
        ("distinct", [hosts, vms]) => Some(priced(*hosts, *vms, *vms)),
        ("packing", [items, dimensions, seed]) => Some(packing(*items, *dimensions, *seed)),
        ("services", [hosts, count]) => Some(services(*hosts, *count)),
        _ => None,
    }
}

/// Hosts of 12 prices, and VMs of `sizes` sizes that take about three quarters of them.
fn priced(hosts: u64, vms: u64, sizes: u64) -> String {
    let mut dice = Dice(hosts ^ (vms << 20) ^ (sizes << 40));
    let mut text = "name: fleet\npolicy: { survive: none }\nhosts:\n".to_owned();
    for class in 0..12 {
        let count = hosts / 12 + u64::from(class < hosts % 12);
        let cores = [16, 24, 32, 48, 64, 96][usize::try_from(class % 6).unwrap()];
        let gib = cores * [4, 8][usize::try_from(class / 6).unwrap()];
        let cost = (cores * 9 + gib + 90 + dice.below(cores * 2)) / 10 * 10;
        let disk = cores * (30 + dice.below(30));
        let _ = writeln!(
            text,
            "  - {{ name: c{class}h, count: {count}, cores: {cores}, memory: {gib}GiB, \
             disk: {disk}GiB, cost: {cost}, reserve: none }}"
        );
    }
    text.push_str("vms:\n");
    for at in 0..sizes {
        let count = vms / sizes + u64::from(at < vms % sizes);
        let vcpus = 2 + dice.below(7) + dice.below(8) * dice.below(2);
        let mib = vcpus * (2048 + 64 * dice.below(100));
        let disk = 10 + vcpus * dice.below(60);
        let _ = writeln!(
            text,
            "  - {{ name: m{at}, count: {count}, vcpus: {vcpus}, memory: {mib}MiB, \
             disk: {disk}GiB }}"
        );
    }
    text
}

/// Equal hosts and machines that take a sixth to a half of one in each resource.
fn packing(items: u64, dimensions: u64, seed: u64) -> String {
    let mut dice = Dice(items ^ (dimensions << 20) ^ (seed << 40));
    let (disk, iops, network) = ("disk: 1000GiB", "iops: 100k/s", "network: 100 Gbit/s");
    let more = match dimensions {
        0..=2 => String::new(),
        3 => format!(", {disk}"),
        4 => format!(", {disk}, {iops}"),
        _ => format!(", {disk}, {iops}, {network}"),
    };
    let mut text = format!(
        "name: packing\npolicy: {{ survive: none }}\nhosts:\n  - {{ name: h, count: {items}, \
         cores: 96, memory: 400GiB{more}, reserve: none }}\nvms:\n"
    );
    for at in 0..items {
        let mut share = |of: u64| of / 6 + dice.below(of / 3);
        let (vcpus, mib) = (share(96), share(400 << 10));
        let mut vm = format!("name: m{at}, count: 1, vcpus: {vcpus}, memory: {mib}MiB");
        let names = [("disk", "GiB", 1000), ("iops", "k/s", 100), ("network", " Gbit/s", 100)];
        for (name, unit, of) in names.iter().take(usize::try_from(dimensions).unwrap() - 2) {
            let _ = write!(vm, ", {name}: {}{unit}", share(*of));
        }
        let _ = writeln!(text, "  - {{ {vm} }}");
    }
    text
}

/// Hosts of 10 classes of prices, and services that survive the loss of a host.
fn services(hosts: u64, services: u64) -> String {
    let mut dice = Dice(hosts ^ (services << 20));
    let mut text = "name: fleet\npolicy: { survive: host }\nnetwork: { bridge: br0, subnet: \
                    10.20.0.0/16, addresses: 10.20.1.0-10.20.99.250 }\nhosts:\n"
        .to_owned();
    for class in 0..10 {
        let count = hosts / 10 + u64::from(class < hosts % 10);
        let cores = [32, 48, 64, 96, 128][usize::try_from(class % 5).unwrap()];
        let gib = cores * [4, 8][usize::try_from(class / 5).unwrap()];
        let cost = (cores * 60 + gib * 5 + 500 + dice.below(cores * 8)) / 10 * 10;
        let _ = writeln!(
            text,
            "  - {{ name: c{class}h, count: {count}, cores: {cores}, threads: 2, \
             memory: {gib}GiB, disk: 8TiB, iops: 600k/s, network: 25 Gbit/s, cost: {cost}, \
             reserve: {{ cores: 2, memory: 8GiB }} }}"
        );
    }
    text.push_str("services:\n");
    for at in 0..services {
        let demand = match at % 4 {
            0 => format!(
                "engine: redis, demand: {{ reads: {}k/s, writes: {}k/s, value: 512B, data: \
                 {}GiB, persistence: aof }}",
                200 + dice.below(900),
                20 + dice.below(90),
                20 + dice.below(200)
            ),
            1 => format!(
                "engine: mysql, demand: {{ reads: {}k/s, writes: {}/s, data: {}GiB, \
                 working_set: 20% }}",
                2 + dice.below(8),
                200 + dice.below(800),
                100 + dice.below(400)
            ),
            2 => format!(
                "engine: opensearch, demand: {{ index: {}k docs/s, queries: {}/s, data: {}GiB, \
                 copies: 2 }}",
                10 + dice.below(60),
                100 + dice.below(500),
                200 + dice.below(1500)
            ),
            _ => format!(
                "engine: apache, demand: {{ requests: {}k/s, response: 10KiB }}",
                10 + dice.below(50)
            ),
        };
        let _ = writeln!(text, "  - {{ name: s{at}, {demand} }}");
    }
    text
}
