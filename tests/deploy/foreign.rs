//! What is not ours: never touched, and told before it gets in the way.

use hostsplit::hypervisor::clock::Clock;
use hostsplit::hypervisor::{VolumeFormat, VolumeRequest};
use hostsplit::simulated::SimulatedWorld;
use hostsplit::topology::{L3Domain, PagePool};

use hostsplit::deploy::EventKind;
use hostsplit::graph::lost_volumes;
use hostsplit::report::graph::lost_text;

use crate::fixture::{Purpose, Run, inventory, open, other_image, plan, run};

/// A domain that somebody else made, pinned to `cpu`.
fn foreign_xml(name: &str, uuid: &str, mac: &str, cpu: u32) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>\
         <memory unit='KiB'>524288</memory><vcpu>1</vcpu>\
         <cputune><vcpupin vcpu='0' cpuset='{cpu}'/></cputune>\
         <devices><interface type='bridge'><mac address='{mac}'/></interface></devices></domain>"
    )
}

const UUID: &str = "3c5d1dbe-6f0c-4d6c-9d0f-0c6b9f4a8f11";
const MAC: &str = "52:54:00:ff:ff:ff";

fn volume(name: &str) -> VolumeRequest {
    VolumeRequest {
        pool: "default".to_owned(),
        name: name.to_owned(),
        capacity: 1 << 20,
        format: VolumeFormat::Raw,
        backing: None,
    }
}

fn texts(run: &Run) -> Vec<String> {
    run.obstacles.iter().map(ToString::to_string).collect()
}

#[test]
fn destroy_leaves_only_foreign_things() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let h1 = open(&plan, &world, "h1");
    h1.define(&foreign_xml("theirs", UUID, MAC, 4)).unwrap();
    h1.start("theirs").unwrap();
    h1.create_volume(&volume("shop-cache-9-root.qcow2")).unwrap();
    h1.create_volume(&volume("hostsplit-cache-0-root.qcow2")).unwrap();
    let before = inventory(&plan, &world);
    let made = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(made.is_complete(), "{}", made.story());
    assert!(run(&plan, &world, state.path(), Purpose::Destroy { data: true }).is_complete());
    assert_eq!(inventory(&plan, &world), before);
}

#[test]
fn an_image_that_another_deployment_uses_stays() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let h1 = open(&plan, &world, "h1");
    let names = h1.volumes("default").unwrap();
    let disk =
        names.iter().find(|one| one.name.starts_with("hostsplit-") && one.name.ends_with("qcow2"));
    let disk = disk.unwrap().name.clone();
    let overlay = VolumeRequest { backing: Some(disk.clone()), ..volume("other-a-0-root.qcow2") };
    h1.create_volume(&VolumeRequest { format: VolumeFormat::Qcow2, ..overlay }).unwrap();
    assert!(run(&plan, &world, state.path(), Purpose::Destroy { data: true }).is_complete());
    let left: Vec<String> =
        h1.volumes("default").unwrap().into_iter().map(|volume| volume.name).collect();
    assert_eq!(left, [disk.clone(), format!("{disk}.complete"), "other-a-0-root.qcow2".to_owned()]);
}

#[test]
fn all_clashes_are_told_at_once_and_nothing_is_changed() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let own = &plan.instances[0];
    let (h1, h3) = (open(&plan, &world, "h1"), open(&plan, &world, "h3"));
    h1.define(&foreign_xml(&own.domain, UUID, MAC, 4)).unwrap();
    h1.define(&foreign_xml("theirs", &own.uuid.to_string(), MAC, 4)).unwrap();
    h3.define(&foreign_xml("mac", UUID, &own.mac, 1)).unwrap();
    h3.start("mac").unwrap();
    h1.create_volume(&volume(&own.root.as_ref().unwrap().name)).unwrap();
    let before = inventory(&plan, &world);
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(texts(&refused).join("\n"), @r"
    h1: foreign domain shop-cache-0 has the name of cache-0, shop-cache-0
    h1: foreign domain theirs has the UUID of cache-0, 41e45465-a998-5f1c-ac8f-bf8741eb7cde
    h1: volume default/shop-cache-0-root.qcow2 has a name that cache-0 needs, and is foreign: it is not an overlay on an image of hostsplit
    h3: foreign domain mac has the MAC address of cache-0, 52:54:00:00:00:0a
    h3: foreign domain mac is pinned to CPUs 1 of cache-4
    ");
    assert_eq!(inventory(&plan, &world), before);
}

/// Nobody can see by its name whose a volume is.
#[test]
fn a_volume_without_our_mark_is_neither_overwritten_nor_deleted() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let own = &plan.instances[0];
    let (seed, data) = (own.seed.as_ref().unwrap(), own.data.as_ref().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let h1 = open(&plan, &world, "h1");
    h1.create_volume(&VolumeRequest { capacity: 500 << 30, ..volume(&seed.name) }).unwrap();
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(
        texts(&refused).join("\n"),
        @"h1: volume default/shop-cache-0-seed.img has a name that cache-0 needs, and is foreign: it is larger than a seed"
    );
    // One that is as small as a seed is known by what it holds.
    h1.delete_volume("default", &seed.name).unwrap();
    h1.create_volume(&volume(&seed.name)).unwrap();
    h1.upload("default", &seed.name, &mut &b"precious"[..], 8).unwrap();
    let failed = run(&plan, &world, state.path(), Purpose::Deploy);
    let story = failed.story();
    assert!(!failed.is_complete(), "{story}");
    assert!(
        story.contains(
            "volume default/shop-cache-0-seed.img is foreign and stays: what it holds is no seed"
        ),
        "{story}"
    );
    let held = |name: &str| {
        let mut bytes = Vec::new();
        h1.download("default", name, 0, &mut bytes).unwrap();
        bytes
    };
    assert!(held(&seed.name).starts_with(b"precious"));
    // An empty one was left by a run that was cut off.
    h1.delete_volume("default", &seed.name).unwrap();
    h1.create_volume(&volume(&seed.name)).unwrap();
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    // Without its domain, data is known by the file system that a guest made.
    assert!(run(&plan, &world, state.path(), Purpose::Destroy { data: true }).is_complete());
    h1.create_volume(&volume(&data.name)).unwrap();
    h1.upload("default", &data.name, &mut &b"precious"[..], 8).unwrap();
    let kept = run(&plan, &world, state.path(), Purpose::Destroy { data: true });
    assert!(kept.is_complete(), "{}", kept.story());
    assert!(held(&data.name).starts_with(b"precious"));
}

fn notes(run: &Run) -> Vec<&str> {
    let events = run.events.iter();
    events
        .filter_map(|event| match &event.kind {
            EventKind::Note(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// A removal is not stopped by the audit, so that a plan may give a volume any name.
#[test]
fn a_removal_keeps_what_is_not_of_the_planned_role() {
    let (mut plan, state) = (plan(), tempfile::tempdir().unwrap());
    plan.instances[0].data.as_mut().unwrap().name = "precious.img".to_owned();
    plan.image.as_mut().unwrap().disk.sha256 = "other-0-root".to_owned();
    let seed = plan.instances[0].seed.clone().unwrap().name;
    let world = SimulatedWorld::new(&plan.topology);
    let h1 = open(&plan, &world, "h1");
    for name in [&seed, "precious.img", "hostsplit-other-0-root.qcow2"] {
        h1.create_volume(&volume(name)).unwrap();
        h1.upload("default", name, &mut &b"precious"[..], 8).unwrap();
    }
    let before = inventory(&plan, &world);
    let kept = run(&plan, &world, state.path(), Purpose::Destroy { data: true });
    assert!(kept.is_complete(), "{}", kept.story());
    assert_eq!(inventory(&plan, &world), before);
    let mut said = notes(&kept);
    said.sort_unstable();
    insta::assert_snapshot!(said.join("\n"), @"
    volume default/hostsplit-other-0-root.qcow2 is kept: its name is not that of a file of an image
    volume default/precious.img is kept: it holds no data of the deployment
    volume default/shop-cache-0-seed.img is kept: what it holds is no seed
    ");
}

/// Data that is not planned any more goes with its machine, if it is the machine's own.
#[test]
fn data_that_is_not_planned_any_more_is_named_and_foreign_data_stays() {
    let (old, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    // One holds something else by now, and one is a volume that somebody attached.
    let h2 = open(&old, &world, "h2");
    h2.upload("default", "shop-cache-1-data.raw", &mut &[1; 4096][..], 4096).unwrap();
    h2.create_volume(&volume("theirs.raw")).unwrap();
    let attached = |domain: &str| {
        let xml = h2.migratable_xml(domain).unwrap();
        xml.replace(&format!("{domain}-data.raw"), "theirs.raw")
    };
    h2.power_off("shop-cache-2").unwrap();
    h2.define(&attached("shop-cache-2")).unwrap();
    h2.start("shop-cache-2").unwrap();
    let mut new = plan();
    for one in new.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.data = None;
        one.settings.insert("appendonly".to_owned(), false.into());
    }
    let changed = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    let lost = lost_text(&lost_volumes(&new, &changed.actions));
    let lines: Vec<&str> = lost.lines().filter(|line| line.contains("-data.raw")).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    volumes on h1 deleted once others have its data: default/shop-cache-0-data.raw, default/shop-cache-5-data.raw
    volumes on h2 deleted once others have its data: default/shop-cache-1-data.raw
    volumes on h3 deleted once others have its data: default/shop-cache-3-data.raw, default/shop-cache-4-data.raw
    ");
    let data = |host: &str| -> Vec<String> {
        let all = open(&new, &world, host).volumes("default").unwrap().into_iter();
        all.map(|one| one.name).filter(|name| name.ends_with(".raw")).collect()
    };
    assert_eq!(data("h1"), [""; 0]);
    assert_eq!(data("h2"), ["shop-cache-1-data.raw", "shop-cache-2-data.raw", "theirs.raw"]);
    assert_eq!(data("h3"), [""; 0]);
    let kept = "volume default/shop-cache-1-data.raw is kept: it holds no data of the deployment";
    assert!(notes(&changed).contains(&kept), "{:?}", notes(&changed));
}

/// What is replaced is known by name before anything is done.
#[test]
fn volumes_that_are_given_up_are_named() {
    let (old, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    let mut new = plan();
    new.image = other_image();
    new.instances.truncate(6);
    let actions = run(&new, &world, state.path(), Purpose::Deploy).actions;
    let lost = lost_text(&lost_volumes(&new, &actions));
    insta::assert_snapshot!(lost, @"
    volumes on h1 made anew: default/shop-cache-0-root.qcow2, default/shop-cache-0-seed.img, default/shop-cache-5-root.qcow2, default/shop-cache-5-seed.img
    volumes on h1 deleted: default/shop-box-0-root.qcow2, default/shop-box-0-seed.img
    volumes on h2 made anew: default/shop-cache-1-root.qcow2, default/shop-cache-1-seed.img, default/shop-cache-2-root.qcow2, default/shop-cache-2-seed.img
    volumes on h3 made anew: default/shop-cache-3-root.qcow2, default/shop-cache-3-seed.img, default/shop-cache-4-root.qcow2, default/shop-cache-4-seed.img
    ");
}

#[test]
fn an_address_that_a_foreign_domain_has_is_told_before_anything_is_touched() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let h2 = open(&plan, &world, "h2");
    h2.define(&foreign_xml("theirs", UUID, MAC, 4)).unwrap();
    h2.start("theirs").unwrap();
    world.give_address("theirs", [10, 20, 0, 14].into());
    world.clock().wait(std::time::Duration::from_secs(60));
    let before = inventory(&plan, &world);
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(texts(&refused).join("\n"), @"h2: foreign domain theirs has the address of cache-4, 10.20.0.14");
    assert_eq!(inventory(&plan, &world), before);
}

#[test]
fn pages_and_caches_that_are_not_as_planned_are_refused_by_name() {
    let (mut plan, state) = (plan(), tempfile::tempdir().unwrap());
    let pages = |count| vec![PagePool { size_kib: 2048, count }];
    for host in &mut plan.topology.hosts {
        host.numa[0].pages = pages(1024);
        host.numa[0].l3[0].size_kib = Some(16 << 10);
    }
    for instance in &mut plan.instances {
        instance.page_kib = 2048;
    }
    let mut other = plan.topology.clone();
    other.hosts[0].numa[0].pages = pages(500);
    let rest = other.hosts[1].numa[0].l3[0].cores.split_off(3);
    other.hosts[1].numa[0].l3.push(L3Domain { size_kib: Some(16 << 10), cores: rest });
    let world = SimulatedWorld::new(&other);
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(texts(&refused).join("\n"), @r"
    h1: pages of 2048 KiB on NUMA node 0: found 500, planned with 768 for instances
    h2: L3 domain of CPU 0: found 0-2, planned with 0-4
    ");
}

#[test]
fn a_host_that_is_not_as_planned_is_refused_by_name() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let mut other = plan.topology.clone();
    other.hosts[1].numa[0].l3[0].cores.pop();
    other.hosts[1].numa[0].memory_mib = hostsplit::units::Mebibytes::from_gib(1);
    other.hosts[2].bridges = vec!["virbr0".to_owned()];
    other.hosts[2].pools[0].name = "ssd".to_owned();
    let world = SimulatedWorld::new(&other);
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(texts(&refused).join("\n"), @r"
    h2: CPUs of NUMA node 0: found 0-3, planned with 0-4
    h2: memory of NUMA node 0: found 1GiB, planned with 2722MiB for instances, QEMU and the host
    h3: no bridge br0; there are: virbr0
    h3: no active pool default
    ");
    assert!(refused.outcome.is_none());
}
