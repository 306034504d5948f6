//! Threads of cores and shared caches, as machines of several kinds have them.

use std::fmt::Write as _;

use hostsplit::topology::import;

use crate::MEMORY;

/// The L3 domains with the CPUs of their cores, NUMA node by NUMA node, and the notes.
fn cores(text: &str) -> (Vec<Vec<Vec<u32>>>, Vec<String>) {
    let machine = import::read(text, &MEMORY).unwrap();
    let domains = machine.numa.value.iter().flat_map(|node| &node.l3.value);
    let cores = |cores: &[hostsplit::topology::Core]| {
        cores.iter().map(|core| core.cpus.clone()).collect::<Vec<_>>()
    };
    (domains.map(|domain| cores(&domain.cores)).collect(), machine.notes)
}

fn table(rows: &[&str]) -> String {
    format!("# CPU,Core,Socket,Node,,L1d,L1i,L2,L3\n{}\n", rows.join("\n"))
}

fn summary(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(field, data)| format!("{{\"field\": \"{field}:\", \"data\": \"{data}\"}}"))
        .collect();
    format!("{{\"lscpu\": [{}]}}", fields.join(", "))
}

#[test]
fn cores_of_clusters_have_their_numbers_in_common_and_no_cache() {
    let (cores, notes) = cores(&table(&[
        "0,0,0,0,,0,0,0,0",
        "1,1,0,0,,1,1,0,0",
        "2,0,0,0,,2,2,1,0",
        "3,1,0,0,,3,3,1,0",
        "4,0,0,0,,4,4,2,0",
        "5,1,0,0,,5,5,2,0",
    ]));
    assert_eq!(cores, [[[0], [1], [2], [3], [4], [5]]]);
    insta::assert_snapshot!(notes.join("\n"), @"CPUs 0 and 4 have the same number of a core and no cache in common: taken for cores of their own, as all CPUs like them.");
}

#[test]
fn clusters_in_the_extended_table_are_the_same() {
    let row = |cpu: u32| {
        let core = cpu % 2;
        format!(
            "{{\"cpu\":{cpu},\"node\":0,\"socket\":0,\"core\":{core},\"l1d:l1i:l2:l3\":\"{cpu}:{cpu}:{cpu}:0\"}}"
        )
    };
    let rows: Vec<String> = (0..4).map(row).collect();
    let (cores, notes) = cores(&format!("{{\"cpus\": [{}]}}", rows.join(",")));
    assert_eq!((cores, notes.len()), (vec![vec![vec![0], vec![1], vec![2], vec![3]]], 1));
}

#[test]
fn the_halves_of_a_module_share_the_cache_for_instructions() {
    let (cores, notes) = cores(&table(&[
        "0,0,0,0,,0,0,0,0",
        "1,0,0,0,,1,0,0,0",
        "2,1,0,0,,2,1,1,0",
        "3,1,0,0,,3,1,1,0",
    ]));
    assert_eq!((cores, notes.len()), (vec![vec![vec![0, 1], vec![2, 3]]], 0));
}

#[test]
fn a_core_of_power_has_two_halves_with_caches_of_their_own() {
    let mut text = table(&[]);
    for cpu in 0..16 {
        let (core, half) = (cpu / 8, cpu / 8 * 2 + cpu % 2);
        let _ = writeln!(text, "{cpu},{core},0,0,,{half},{half},{half},{half}");
    }
    let (cores, notes) = cores(&text);
    let core = |first: u32| (first..first + 8).collect::<Vec<_>>();
    assert_eq!(cores, [[core(0)], [core(8)]]);
    insta::assert_snapshot!(notes.join("\n"), @"The threads of a core are on two L3 caches: taken for one of their size together.");
}

#[test]
fn siblings_of_power_are_neighbours_and_pairs_of_cores_share_a_cache() {
    let fields = |threads, cores, cpus| {
        summary(&[
            ("Architecture", "ppc64le"),
            ("On-line CPU(s) list", cpus),
            ("Thread(s) per core", threads),
            ("Core(s) per socket", cores),
            ("Socket(s)", "1"),
            ("L3 cache", "10240K"),
        ])
    };
    let (pairs, _) = cores(&fields("4", "4", "0-15"));
    assert_eq!(pairs, [[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 9, 10, 11], [12, 13, 14, 15]]]);
    let (eight, _) = cores(&fields("8", "2", "0-15"));
    let core = |first: u32| (first..first + 8).collect::<Vec<_>>();
    assert_eq!(eight, [[core(0)], [core(8)]]);
    // Half of the threads are off.
    let (four, _) = cores(&fields("4", "2", "0-3,8-11"));
    assert_eq!(four, [[[0, 1, 2, 3], [8, 9, 10, 11]]]);
}

#[test]
fn siblings_of_modules_are_neighbours_in_a_summary() {
    let (modules, _) = cores(&summary(&[
        ("Architecture", "x86_64"),
        ("Vendor ID", "AuthenticAMD"),
        ("CPU family", "21"),
        ("On-line CPU(s) list", "0-7"),
        ("Thread(s) per core", "2"),
        ("Core(s) per socket", "4"),
        ("Socket(s)", "1"),
    ]));
    assert_eq!(modules, [[[0, 1], [2, 3], [4, 5], [6, 7]]]);
}

#[test]
fn caches_in_bytes_are_read() {
    let text = summary(&[
        ("On-line CPU(s) list", "0-3"),
        ("Socket(s)", "1"),
        ("L3", "33554432 (2 instances)"),
    ]);
    let machine = import::read(&text, &MEMORY).unwrap();
    let sizes: Vec<_> = machine.numa.value[0].l3.value.iter().map(|l3| l3.size_kib).collect();
    assert_eq!(sizes, [Some(16 << 10), Some(16 << 10)]);
}
