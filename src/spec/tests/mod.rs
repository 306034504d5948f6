//! Specs right and wrong, through the door that everybody uses.

mod certificates;
mod described;
mod engines;
mod hostile;
mod hosts;
mod parts;
mod passing;
mod policies;
mod serving;

use std::num::NonZeroU32;

use super::*;
use crate::topology::Level;

const SPEC: &str = "\
name: quickstart
policy: { survive: host }
network: { bridge: br0, subnet: 10.77.0.0/24, addresses: 10.77.0.50-10.77.0.99, gateway: 10.77.0.1 }
image: { include: image/image.yaml }
hosts:
  - include: hosts/*.yaml
services:
  - { name: cache, engine: redis, demand: { reads: 3k/s, writes: 1k/s, data: 150MiB } }
vms:
  - { name: builder, count: 2, vcpus: 1, memory: 1GiB, disk: 4GiB, spread: host }
";

const HOST: &str = "\
name: h1
uri: qemu+unix:///system?socket=/run/h1
hypervisor: qemu
reserve: { cores: 1, memory: 2GiB }
bridges: [br0]
numa:
  - id: 0
    memory: 24000MiB
    l3:
      - { size: 32MiB, cores: [[0, 4], [1, 5], [2, 6], [3, 7]] }
pools:
  - { name: default, capacity: 70GiB, iops: 20k/s }
assumed: [pools.default.iops]
";

const IMAGE: &str = "\
name: debian
cmdline: root=/dev/vda ro
disk:   { file: root.qcow2, format: qcow2, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef, virtual_size: 3GiB }
kernel: { file: vmlinuz, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }
engines: { redis: \"8.0.2\" }
";

/// A directory of files: `spec.yaml`, `hosts/h1.yaml`, `image/image.yaml`.
struct Files(tempfile::TempDir);

impl Files {
    fn good() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put("spec.yaml", SPEC).put("hosts/h1.yaml", HOST).put("image/image.yaml", IMAGE);
        files
    }

    #[expect(clippy::disallowed_methods, reason = "makes the files that the test reads")]
    fn put(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn load(&self) -> Result<Spec, SpecErrors> {
        load(&self.0.path().join("spec.yaml"))
    }

    /// What is said, less the temporary directory.
    fn errors(&self) -> String {
        let text = self.load().unwrap_err().to_string();
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// What is said when, in one file, one text is written for another.
fn changed(file: &str, from: &str, to: &str) -> String {
    let good = match file {
        "spec.yaml" => SPEC,
        "hosts/h1.yaml" => HOST,
        _ => IMAGE,
    };
    assert!(good.contains(from), "{file} has no {from:?}");
    let files = Files::good();
    files.put(file, good.replace(from, to)).errors()
}

#[test]
fn a_good_spec_is_read_with_its_defaults() {
    let files = Files::good();
    let spec = files.load().unwrap();
    assert_eq!(spec.name.as_str(), "quickstart");
    assert_eq!(spec.policy, Policy::surviving(Level::Host));
    let network = spec.network.as_ref().unwrap();
    assert_eq!((network.prefix, network.last), (24, Ipv4Addr::new(10, 77, 0, 99)));
    let Demand::Sharded(demand) = &spec.services[0].demand else { panic!("redis is sharded") };
    assert_eq!((demand.reads_per_s.get(), demand.value_bytes.get()), (3_000, 512));
    assert_eq!(demand.persistence, Persistence::Aof);
    assert_eq!((spec.vms[0].count, spec.vms[0].spread), (2, Some(Level::Host.into())));
    let host = &spec.topology.hosts[0];
    assert_eq!((host.cost, host.threads_per_core()), (1, 2));
    assert_eq!(host.reserved_cpus(), [0, 4]);
    assert_eq!(host.numa[0].l3[0].size_kib, Some(32 << 10));
    assert_eq!(host.numa[0].allocatable_memory().get(), 24_000 - 2_048);
    assert_eq!(spec.image.unwrap().disk.file, "image/root.qcow2");
}

#[test]
fn paths_of_the_image_stay_relative_to_the_spec_or_absolute() {
    let files = Files::good();
    let path = |files: &Files| files.load().unwrap().image.unwrap().disk.file;
    files.put("image/image.yaml", IMAGE.replace("root.qcow2", "/srv/root.qcow2"));
    assert_eq!(path(&files), "/srv/root.qcow2");
    files.put("image/image.yaml", IMAGE);
    let manifest = files.0.path().join("image/image.yaml");
    files.put("spec.yaml", SPEC.replace("image/image.yaml", manifest.to_str().unwrap()));
    let beside = files.0.path().join("image/root.qcow2");
    assert_eq!(path(&files), beside.to_str().unwrap(), "an absolute include is absolute");
}

#[test]
fn everything_is_ordered_whatever_the_order_in_the_files() {
    let files = Files::good();
    files.put("hosts/a.yaml", HOST.replace("h1", "h9")).put(
        "hosts/h1.yaml",
        HOST.replace("[[0, 4], [1, 5], [2, 6], [3, 7]]", "[[7, 3], [2, 6], [1, 5], [4, 0]]"),
    );
    let spec = files.load().unwrap();
    let names: Vec<&str> = spec.topology.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["h1", "h9"]);
    assert_eq!(spec.topology.hosts[0].numa, spec.topology.hosts[1].numa);
}

#[test]
fn fields_are_checked_by_name() {
    insta::assert_snapshot!(changed("spec.yaml", "name: quick", "nam: quick"), @r#"
    spec.yaml:1:1: unknown field "nam"; expected name, include, policy, network, image, profiles, hosts, services or vms
    hint: did you mean "name"?
    "#);
    insta::assert_snapshot!(changed("spec.yaml", "reads: 3k/s, ", ""), @r#"spec.yaml:8:43: the field "reads" is missing"#);
    insta::assert_snapshot!(changed("spec.yaml", "policy:", "name:"), @r#"spec.yaml:2:1: duplicate field "name""#);
}

#[test]
fn values_are_checked_by_kind() {
    insta::assert_snapshot!(changed("hosts/h1.yaml", "24000MiB", "24000"), @r#"hosts/h1.yaml:8:13: memory: "24000" has no unit; expected a size such as 64GiB or 512MiB"#);
    insta::assert_snapshot!(changed("spec.yaml", "survive: host", "survive: hots"), @r#"
    spec.yaml:2:20: policy.survive: "hots" is not known; expected host, rack, site or none
    hint: did you mean "host"?
    "#);
    insta::assert_snapshot!(changed("spec.yaml", "engine: redis", "engine: rediss"), @r#"
    spec.yaml:8:28: engine: "rediss" is not known; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    hint: did you mean "redis"?
    "#);
    insta::assert_snapshot!(changed("spec.yaml", "count: 2", "count: 0"), @"spec.yaml:10:29: count: 0 is out of range: at least 1");
    insta::assert_snapshot!(changed("spec.yaml", "memory: 1GiB", "memory: 1024TiB, count: 3"), @r#"spec.yaml:10:59: duplicate field "count""#);
    insta::assert_snapshot!(changed("hosts/h1.yaml", "24000MiB", "24000TiB"), @"hosts/h1.yaml:8:13: memory: 24000TiB is out of range: at most 64TiB");
    insta::assert_snapshot!(changed("hosts/h1.yaml", "bridges: [br0]", "bridges: br0"), @r#"hosts/h1.yaml:5:10: bridges: found "br0"; expected a list such as [a, b]"#);
    insta::assert_snapshot!(changed("spec.yaml", "policy: { survive: host }", "policy: host"), @r#"spec.yaml:2:9: policy: found "host"; expected a map such as { field: value }"#);
    insta::assert_snapshot!(changed("hosts/h1.yaml", "{ cores: 1, memory: 2GiB }", "nothing"), @r#"hosts/h1.yaml:4:10: reserve: found "nothing"; expected `none` or a map such as { cores: 1, memory: 2GiB }"#);
    insta::assert_snapshot!(changed("hosts/h1.yaml", "uri: qemu+unix", "uri: qmeu+unix"), @r#"
    hosts/h1.yaml:2:6: uri: "qmeu+unix:///system?sock…" is not a libvirt URI such as qemu+ssh://root@h1/system
    hint: did you mean "qemu+unix"?
    "#);
    insta::assert_snapshot!(changed("image/image.yaml", "qcow2, sha256: 0123456789", "qcow2, sha256: 012345678"), @"
    image/image.yaml:3:52: disk.sha256: is not a SHA-256 digest: expected 64 hexadecimal digits, found 63 characters
    hint: `sha256sum FILE` prints it
    ");
}

#[test]
fn networks_agree_with_themselves_and_the_hosts() {
    let range = |to: &str| changed("spec.yaml", "10.77.0.50-10.77.0.99", to);
    insta::assert_snapshot!(range("10.77.0.99-10.77.0.50"), @r#"
    spec.yaml:3:58: addresses: "10.77.0.99-10.77.0.50" ends before it begins
    hint: write 10.77.0.50-10.77.0.99
    "#);
    insta::assert_snapshot!(range("10.77.0.50-10.77.1.99"), @"spec.yaml:3:58: addresses: 10.77.1.99 is outside the subnet 10.77.0.0/24");
    insta::assert_snapshot!(range("10.77.0.50-10.77.0.255"), @"spec.yaml:3:58: addresses: 10.77.0.255 is the broadcast address of 10.77.0.0/24");
    insta::assert_snapshot!(range("10.77.0.1-10.77.0.99"), @"
    spec.yaml:3:89: gateway: 10.77.0.1 lies in the instances' range 10.77.0.1-10.77.0.99
    hint: an instance would take the gateway's address; shorten `addresses`
    ");
    insta::assert_snapshot!(changed("spec.yaml", "10.77.0.0/24", "10.77.0.7/24"), @r#"
    spec.yaml:3:33: subnet: "10.77.0.7/24" is an address in a subnet, not the subnet
    hint: the subnet is 10.77.0.0/24
    "#);
    insta::assert_snapshot!(changed("spec.yaml", "10.77.0.0/24", "10.77.0.0/33"), @r#"spec.yaml:3:33: subnet: "10.77.0.0/33" has the prefix length 33; expected 1 to 30"#);
    insta::assert_snapshot!(changed("spec.yaml", "bridge: br0", "bridge: br1"), @r#"
    spec.yaml:3:20: bridge: no host has the bridge "br1"
    hint: did you mean "br0"?
    "#);
}

#[test]
fn a_failure_domain_that_is_named_is_known_of_every_host() {
    insta::assert_snapshot!(changed("spec.yaml", "survive: host", "survive: rack"), @r#"
    spec.yaml:2:20: policy.survive: 1 of 1 hosts have no label rack, such as h1
    hint: add `labels: { rack: NAME }` to each of their host files
    "#);
    insta::assert_snapshot!(changed("spec.yaml", "spread: host", "spread: site"), @r#"
    spec.yaml:10:76: spread: 1 of 1 hosts have no label site, such as h1
    hint: add `labels: { site: NAME }` to each of their host files
    "#);
    let two = "spread: { per: site, at_most: 2 }";
    insta::assert_snapshot!(changed("spec.yaml", "spread: host", two), @r#"
    spec.yaml:10:83: spread: 1 of 1 hosts have no label site, such as h1
    hint: add `labels: { site: NAME }` to each of their host files
    "#);
    let files = Files::good();
    files.put("spec.yaml", SPEC.replace("survive: host", "survive: rack"));
    files.put("hosts/h1.yaml", format!("{HOST}labels: {{ rack: r1 }}\n"));
    assert!(files.load().is_ok());
}

#[test]
fn machines_are_spread_by_a_level_and_a_number() {
    let spread = |text: &str| changed("spec.yaml", "spread: host", &format!("spread: {text}"));
    insta::assert_snapshot!(spread("hots"), @r#"
    spec.yaml:10:76: spread: "hots" is not known; expected host, rack or site
    hint: did you mean "host"?
    "#);
    insta::assert_snapshot!(spread("[host]"), @"spec.yaml:10:76: spread: found a list; expected host, rack, site or a map such as { per: host, at_most: 2 }");
    insta::assert_snapshot!(spread("{ at_most: 2 }"), @r#"spec.yaml:10:76: the field "spread.per" is missing"#);
    insta::assert_snapshot!(spread("{ per: hots, atmost: 2 }"), @r#"
    spec.yaml:10:83: spread.per: "hots" is not known; expected host, rack or site
    hint: did you mean "host"?
    spec.yaml:10:89: unknown field "atmost" in spread; expected per or at_most
    hint: did you mean "at_most"?
    "#);
    insta::assert_snapshot!(spread("{ per: host, at_most: 0 }"), @"spec.yaml:10:98: spread.at_most: 0 is out of range: at least 1");
    let files = Files::good();
    for (text, at_most) in [("{ per: host }", 1), ("{ per: host, at_most: 2 }", 2)] {
        files.put("spec.yaml", SPEC.replace("spread: host", &format!("spread: {text}")));
        let at_most = NonZeroU32::new(at_most).unwrap();
        let expected = Some(Spread { per: Level::Host, at_most });
        assert_eq!(files.load().unwrap().vms[0].spread, expected, "{text}");
    }
}

#[test]
fn machines_are_apart_from_or_near_others() {
    let rules = |text: &str| changed("spec.yaml", "spread: host", text);
    insta::assert_snapshot!(rules("apart: cach, near: []"), @r#"
    spec.yaml:10:75: apart: there is no service or entry of vms "cach"
    hint: did you mean "cache"?
    spec.yaml:10:87: near: is an empty list; expected at least one name
    "#);
    insta::assert_snapshot!(rules("apart: [builder, cache], near: [cache, builder]"), @r#"
    spec.yaml:10:76: apart: "builder" is the entry itself
    hint: `spread: host` keeps the machines of one entry on different hosts
    spec.yaml:10:100: near: "cache" is to be apart from it as well
    spec.yaml:10:107: near: "builder" is the entry itself
    "#);
    insta::assert_snapshot!(rules("near: { service: cache }"), @"spec.yaml:10:74: near: found a map; expected a name or a list such as [a, b]");
    let files = Files::good();
    let more = "near: [cache], apart: other }\n  - { name: other, vcpus: 1, memory: 1GiB";
    files.put("spec.yaml", SPEC.replace("spread: host", more));
    let vms = files.load().unwrap().vms;
    assert_eq!((vms[0].near[0].as_str(), vms[0].apart[0].as_str()), ("cache", "other"));
    // What is to be apart from one may not be near it, whichever of both says so.
    let both = more.replace("1GiB", "1GiB, near: builder");
    files.put("spec.yaml", SPEC.replace("spread: host", &both));
    insta::assert_snapshot!(files.errors(), @r#"spec.yaml:11:50: near: "builder" is to be apart from it as well"#);
}

#[test]
fn leading_instances_prefer_hosts() {
    let prefer = |text: &str| {
        changed("spec.yaml", "engine: redis,", &format!("engine: redis, prefer: {text},"))
    };
    insta::assert_snapshot!(prefer("[h2, { site: main }]"), @r#"
    spec.yaml:8:44: prefer: there is no host "h2"
    hint: did you mean "h1"?
    spec.yaml:8:48: prefer: there is no site "main"
    "#);
    insta::assert_snapshot!(prefer("[]"), @"spec.yaml:8:43: prefer: is an empty list; expected at least one host");
    let search = "engine: elasticsearch, prefer: h1, demand: { index: 1k docs/s, queries: 1/s, data: 1GiB, copies: 2 } }";
    let from = "engine: redis, demand: { reads: 3k/s, writes: 1k/s, data: 150MiB } }";
    insta::assert_snapshot!(changed("spec.yaml", from, search), @r#"
    image/image.yaml:1:1: engines: "elasticsearch" is not in the image; it holds redis
    spec.yaml:8:51: prefer: not supported for elasticsearch, of which no instance leads
    hint: remove it; supported for redis, valkey, mysql, mariadb or haproxy
    "#);
    let files = Files::good();
    files.put("spec.yaml", SPEC.replace("engine: redis,", "engine: redis, prefer: h1,"));
    let prefer = files.load().unwrap().services[0].prefer.clone();
    assert_eq!(prefer, [HostSet::Host(HostName::new("h1").unwrap())]);
}

#[test]
fn a_fixed_machine_holds_the_image() {
    insta::assert_snapshot!(changed("spec.yaml", "disk: 4GiB", "disk: 3071MiB"), @"spec.yaml:10:62: disk: 3071MiB is less than the image's 3GiB; expected at least that");
    let files = Files::good();
    assert!(files.put("spec.yaml", SPEC.replace("disk: 4GiB", "disk: 3GiB")).load().is_ok());
}

#[test]
fn nothing_is_given_out_twice() {
    insta::assert_snapshot!(changed("hosts/h1.yaml", "[1, 5]", "[0, 5]"), @"hosts/h1.yaml:10:41: cores: duplicate CPU 0 on this host");
    insta::assert_snapshot!(changed("hosts/h1.yaml", "memory: 2GiB }", "memory: 200GiB }"), @"hosts/h1.yaml:4:30: reserve.memory: 200GiB is more than the host has: 24000MiB");
    insta::assert_snapshot!(changed("spec.yaml", "name: builder", "name: cache"), @r#"spec.yaml:10:13: duplicate name "cache", first defined at spec.yaml:8:13"#);
    let files = Files::good();
    insta::assert_snapshot!(files.put("hosts/h2.yaml", HOST).errors(), @r#"hosts/h2.yaml:1:7: duplicate host name "h1", first defined at hosts/h1.yaml:1:7"#);
    insta::assert_snapshot!(files.put("hosts/h2.yaml", HOST.replace("name: h1", "name: h2")).errors(), @r#"
    hosts/h2.yaml:2:6: uri: "qemu+unix:///system?sock…" is also the uri of the host "h1" at hosts/h1.yaml:2:6
    hint: its cores and memory would be given out twice
    "#);
}

#[test]
fn includes_lead_to_files() {
    insta::assert_snapshot!(changed("spec.yaml", "hosts/*", "host/*"), @r#"
    spec.yaml:6:14: include: "host/*.yaml" matches no file
    hint: paths are relative to this file; `hostsplit discover URI` writes host files
    "#);
    insta::assert_snapshot!(changed("spec.yaml", "hosts/*.yaml", "hosts/[a.yaml"), @r#"spec.yaml:6:14: include: invalid pattern "hosts/[a.yaml": invalid range pattern"#);
    insta::assert_snapshot!(changed("spec.yaml", "hosts/*.yaml", "host*"), @"hosts: is a directory; expected a file");
    insta::assert_snapshot!(changed("spec.yaml", "image/image.yaml", "image/img.yaml"), @"image/img.yaml: cannot read it: No such file or directory (os error 2)");
    insta::assert_snapshot!(changed("hosts/h1.yaml", "name: h1", "name: h1\ninclude: h1.yaml"), @r#"hosts/h1.yaml:2:1: unknown field "include"; expected name, count, uri, hypervisor, architecture, labels, cost, reserve, cores, threads, memory, disk, iops, network, migration, bridges, numa, pools, fence or assumed"#);
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let files = Files::good();
    files
        .put("spec.yaml", SPEC.replace("150MiB", "0MiB").replace("vcpus: 1", "vcpus: many"))
        .put("hosts/h1.yaml", HOST.replace("70GiB", "70Gb").replace("qemu\n", "xen\n"))
        .put("hosts/h2.yaml", "nmae: h2\n");
    insta::assert_snapshot!(files.errors(), @r#"
    hosts/h1.yaml:3:13: hypervisor: "xen" is not known; expected kvm or qemu
    hosts/h1.yaml:12:32: capacity: "70Gb" has the unknown unit "Gb"; expected a size such as 64GiB or 512MiB
    hosts/h2.yaml:1:1: the field "hypervisor" is missing
    hosts/h2.yaml:1:1: the field "numa" is missing
    hint: list its NUMA nodes as `hostsplit discover` writes them, or flat: `cores: 24, memory: 96GiB`
    hosts/h2.yaml:1:1: the field "pools" is missing
    hosts/h2.yaml:1:1: unknown field "nmae"; expected name, count, uri, hypervisor, architecture, labels, cost, reserve, cores, threads, memory, disk, iops, network, migration, bridges, numa, pools, fence or assumed
    hint: did you mean "name"?
    spec.yaml:8:78: data: 0MiB is out of range: at least 1MiB
    spec.yaml:10:39: vcpus: "many" is not a whole number such as 4
    "#);
}

#[test]
fn hostile_files_are_refused() {
    let files = Files::good();
    let said = |text: &[u8]| files.put("hosts/h1.yaml", text).errors();
    insta::assert_snapshot!(said(b""), @"hosts/h1.yaml: the file is empty");
    insta::assert_snapshot!(said(b"# nothing\n\n"), @"hosts/h1.yaml: the file is empty");
    insta::assert_snapshot!(said(b"name: \xff"), @"hosts/h1.yaml:1:7: is not UTF-8 text: byte 7 is wrong");
    insta::assert_snapshot!(said(&vec![b'#'; 50 << 20]), @"
    hosts/h1.yaml: is larger than 4 MiB
    hint: split it: `include: [part.yaml]`
    ");
    insta::assert_snapshot!(said("name: h1\n---\nname: h2\n".as_bytes()), @"
    hosts/h1.yaml:3:1: a second YAML document begins; a file holds one
    hint: remove the line `---`
    ");
    insta::assert_snapshot!(said(&vec![b'['; 9_999]), @"hosts/h1.yaml:1:256: recursion limit exceeded");
    let aliases = vec!["*a"; 2_000].join(", ");
    insta::assert_snapshot!(said(format!("bridges: [&a br0, {aliases}]").as_bytes()), @"hosts/h1.yaml:1:4019: the file is too large or too deeply nested (budget breached: Aliases { aliases: 1001 })");
    let cores = vec!["[0]"; 500].join(", ");
    let aliases = vec!["*a"; 900].join(", ");
    let bomb = format!("numa: [{{ l3: [&a {{ cores: [{cores}] }}, {aliases}] }}]");
    insta::assert_snapshot!(said(bomb.as_bytes()), @"hosts/h1.yaml:1:2795: the file is too large or too deeply nested (alias replay limit exceeded: total_replayed_events=100001 > 100000)");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", bytes in proptest::collection::vec(0u8.., 0..200)) {
        let files = Files::good();
        let _ = files.put("spec.yaml", text).load();
        let _ = files.put("spec.yaml", bytes).load();
    }

    #[test]
    fn no_slip_of_the_pen_makes_it_panic(
        edits in proptest::collection::vec((0usize..700, "[-a-z0-9{}\\[\\]:,&*#\"' \n\t.%|>!?]{0,3}", 0usize..4), 1..4)
    ) {
        let files = Files::good();
        for (name, good) in [("spec.yaml", SPEC), ("hosts/h1.yaml", HOST), ("image/image.yaml", IMAGE)] {
            let mut text = good.to_owned();
            for (at, with, cut) in &edits {
                let start = at % text.len();
                let end = (start + cut).min(text.len());
                if text.is_char_boundary(start) && text.is_char_boundary(end) {
                    text.replace_range(start..end, with);
                }
            }
            if let Err(errors) = files.put(name, &text).load() {
                proptest::prop_assert!(!errors.diagnostics.is_empty());
                proptest::prop_assert!(errors.diagnostics.iter().all(|diagnostic| !diagnostic.message.is_empty()));
            }
            files.put(name, good);
        }
    }
}

#[test]
fn what_is_kept_for_a_time_follows_from_what_is_indexed() {
    let with = |demand: &str| {
        let files = Files::good();
        let further = format!("  - {{ name: find, engine: opensearch, demand: {{ {demand} }} }}\n");
        let spec = SPEC.replace("image: { include: image/image.yaml }\n", "");
        files.put("spec.yaml", spec.replace("vms:\n", &format!("{further}vms:\n")));
        files.load()
    };
    let kept = |demand: &str| {
        let spec = with(demand).unwrap();
        let find = spec.services.iter().find(|one| one.name.as_str() == "find").unwrap();
        let Demand::Quorum(demand) = &find.demand else { panic!() };
        (demand.data_mib.get(), demand.retention_days)
    };
    // 1,000 KiB/s for 30 days, and for the 3 of an index.
    let days = kept("index: 1k docs/s, queries: 1/s, document: 1KiB, retention: 30d");
    assert_eq!(days, (2_784_375, Some(30)));
    let weeks = kept("index: 1k docs/s, queries: 1/s, document: 1KiB, retention: 4w, data: 1GiB");
    assert_eq!(weeks, (1_024, Some(28)));
    assert_eq!(kept("index: 1k docs/s, queries: 1/s, data: 1GiB"), (1_024, None));
    for (demand, why) in [
        ("index: 1k docs/s, queries: 1/s", "data"),
        ("index: 1k docs/s, queries: 1/s, retention: 0d", "retention"),
        ("index: 900M docs/s, queries: 1/s, document: 1MiB, retention: 30d", "expected at most"),
    ] {
        let said = with(demand).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_search_engine_encrypts_and_asks_for_a_password_or_does_neither() {
    let with = |engine: &str, more: &str| {
        let files = Files::good();
        let demand = "demand: { index: 1k docs/s, queries: 1/s, data: 1GiB }";
        let further = format!("  - {{ name: find, engine: {engine}{more}, {demand} }}\n");
        let spec = SPEC.replace("image: { include: image/image.yaml }\n", "");
        files.put("spec.yaml", spec.replace("vms:\n", &format!("{further}vms:\n")));
        files.load()
    };
    let access = |engine: &str, more: &str| {
        let spec = with(engine, more).unwrap();
        spec.services.iter().find(|one| one.name.as_str() == "find").unwrap().access.clone()
    };
    let closed = Access { password: Some(Password::Generated), tls: Tls::On, ..Access::default() };
    for more in ["", ", tls: true"] {
        assert_eq!(access("elasticsearch", more), closed);
    }
    let by_file = Access { password: Some(Password::File("pw".into())), ..closed };
    assert_eq!(access("elasticsearch", ", password: { file: pw }"), by_file);
    for more in [", password: none", ", password: none, tls: false"] {
        assert_eq!(access("elasticsearch", more), Access::default());
        assert_eq!(access("opensearch", more), Access::default());
    }
    assert_eq!(access("opensearch", ""), Access::default());
    for (engine, more, why) in [
        ("elasticsearch", ", tls: false", "asks for a password only over encrypted connections"),
        ("elasticsearch", ", tls: optional", "encrypts all connections or none"),
        ("elasticsearch", ", password: optional", "asks everybody for one or nobody"),
        ("elasticsearch", ", password: none, tls: true", "encrypts only where it asks"),
        ("opensearch", ", tls: true", "tls: takes its security plugin"),
        ("opensearch", ", password: { file: pw }", "password: takes its security plugin"),
        ("elasticsearch", ", port: 9201", "not supported for elasticsearch without a gateway"),
    ] {
        let said = with(engine, more).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_password_is_made_or_referenced_and_never_written() {
    let with = |more: &str| {
        let files = Files::good();
        files.put("spec.yaml", SPEC.replace("engine: redis", &format!("engine: redis{more}")));
        files.load()
    };
    let access = |more| with(more).unwrap().services[0].access.clone();
    let by = |password| Access { password: Some(password), ..Access::default() };
    assert_eq!(access(""), by(Password::Generated));
    assert_eq!(access(", password: { file: pw }"), by(Password::File("pw".into())));
    assert_eq!(access(", password: { env: PW }"), by(Password::Environment("PW".into())));
    assert_eq!(access(", password: { command: pass x }"), by(Password::Command("pass x".into())));
    assert_eq!(access(", password: none"), Access::default());
    let both = |password| Access { optional: true, ..by(password) };
    assert_eq!(access(", password: optional"), both(Password::Generated));
    let file = ", password: { file: pw, optional: true }";
    assert_eq!(access(file), both(Password::File("pw".into())));
    assert_eq!(access(", tls: true").tls, Tls::On);
    assert_eq!(access(", tls: optional").tls, Tls::Optional);
    for (text, tls) in [("true", Tls::On), ("false", Tls::Off), ("\"optional\"", Tls::Optional)] {
        assert_eq!(serde_json::from_str::<Tls>(text).unwrap(), tls);
        assert_eq!(serde_json::to_string(&tls).unwrap(), text);
    }
    let said = serde_json::from_str::<Tls>("\"maybe\"").unwrap_err().to_string();
    assert!(said.starts_with("expected true, false or \"optional\" for tls"), "{said}");
    assert_eq!((access("").port, access(", port: 7000").port), (None, Some(7000)));
    for bad in [
        ", port: 16379",
        ", port: 70000",
        ", port: 0",
        ", tls: optional, port: 16378",
        ", tls: optional, port: 65535",
        ", password: {}",
        ", password: { optional: true }",
        ", password: { env: A, file: b }",
        ", tls: perhaps",
        ", password: secret",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}
