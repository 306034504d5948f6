//! What is rendered for the plans in `tests/golden/<case>/plan.json`, compared
//! byte for byte with the files beside them. After a wanted change:
//! `HOSTSPLIT_BLESS=1 cargo test --test golden`, then read the diff.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "edge: reads and writes golden files, runs a validator"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hostsplit::hypervisor::StorageSource;
use hostsplit::plan::{Instance, Plan, Role, Setting};
use hostsplit::recipe::redis;
use hostsplit::render::{self, DiskPaths};
use hostsplit::units::{Mebibytes, PerSecond};

#[path = "golden/databases.rs"]
mod databases;
#[path = "golden/search.rs"]
mod search;
#[path = "golden/web.rs"]
mod web;

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("plan.json").exists())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no golden cases");
    cases
}

fn plan(case: &Path) -> Plan {
    Plan::from_text(&fs::read_to_string(case.join("plan.json")).unwrap()).unwrap()
}

fn paths() -> DiskPaths {
    let path = |name: &str| Some(format!("/var/lib/libvirt/images/{name}"));
    DiskPaths { kernel: path("vmlinuz"), initrd: path("initrd.img") }
}

fn texts(plan: &Plan, instance: &Instance) -> Vec<(String, String)> {
    let name = &instance.name;
    let seed = render::seed_files(plan, instance).unwrap();
    let mut texts = vec![
        (format!("domain-{name}.xml"), render::domain_xml(plan, instance, &paths()).unwrap()),
        ("meta-data".to_owned(), seed.meta_data),
        ("user-data".to_owned(), seed.user_data),
        ("network-config".to_owned(), seed.network_config),
    ];
    if !instance.settings.is_empty() {
        texts.push((format!("{name}.conf"), redis::configuration(instance).unwrap()));
    }
    texts
}

#[test]
fn rendered_texts_are_the_golden_ones() {
    let bless = std::env::var_os("HOSTSPLIT_BLESS").is_some();
    let mut differing = Vec::new();
    for case in cases() {
        let plan = plan(&case);
        for (file, text) in plan.instances.iter().flat_map(|instance| texts(&plan, instance)) {
            let path = case.join(file);
            if bless {
                fs::write(&path, &text).unwrap();
            } else if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                differing.push(format!("{}:\n{text}", path.display()));
            }
        }
    }
    assert!(differing.is_empty(), "not as in the golden files:\n{}", differing.join("\n"));
}

#[test]
fn domain_xml_follows_libvirts_schema() {
    for program in ["virt-xml-validate", "xmllint"] {
        if Command::new(program).arg("--version").output().is_err() {
            println!("skipped: {program} is not installed, so libvirt's schema was not asked");
            return;
        }
    }
    let dir = tempfile::tempdir().unwrap();
    for case in cases() {
        let plan = plan(&case);
        for instance in &plan.instances {
            let path = dir.path().join("domain.xml");
            fs::write(&path, render::domain_xml(&plan, instance, &paths()).unwrap()).unwrap();
            let output =
                Command::new("virt-xml-validate").arg(&path).arg("domain").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {}: {said}", case.display(), instance.name);
        }
    }
}

#[test]
fn the_seed_is_a_file_system_with_the_three_files() {
    for case in cases() {
        let plan = plan(&case);
        for instance in &plan.instances {
            let mut bytes = render::seed_image(&plan, instance).unwrap();
            assert_eq!(bytes, render::seed_image(&plan, instance).unwrap());
            assert_eq!(bytes.len() as u64, instance.seed.as_ref().unwrap().size_mib.bytes());
            let system =
                fatfs::FileSystem::new(Cursor::new(&mut bytes), fatfs::FsOptions::new()).unwrap();
            assert_eq!(
                system.read_volume_label_from_root_dir().unwrap().as_deref(),
                Some("CIDATA")
            );
            let mut user_data = String::new();
            system
                .root_dir()
                .open_file("user-data")
                .unwrap()
                .read_to_string(&mut user_data)
                .unwrap();
            assert_eq!(user_data, render::seed_files(&plan, instance).unwrap().user_data);
        }
    }
}

#[test]
fn every_part_of_a_vm_is_in_its_digest() {
    let plan = plan(&cases()[0]);
    let digest = |plan: &Plan| render::machine_digest(plan, &plan.instances[0]);
    let changed = |change: &dyn Fn(&mut Plan)| {
        let mut other = plan.clone();
        change(&mut other);
        digest(&other)
    };
    let mut seen = vec![digest(&plan)];
    seen.push(changed(&|plan| plan.instances[0].cpus.reverse()));
    seen.push(changed(&|plan| plan.instances[0].memory_mib = Mebibytes::new(1)));
    seen.push(changed(&|plan| plan.instances[0].address = Some([10, 9, 9, 9].into())));
    seen.push(changed(&|plan| plan.instances[0].mac = "52:54:00:09:09:09".into()));
    seen.push(changed(&|plan| plan.instances[0].page_kib = 4096));
    seen.push(changed(&|plan| plan.instances[0].root.as_mut().unwrap().name = "other".into()));
    seen.push(changed(&|plan| plan.network.as_mut().unwrap().gateway = None));
    seen.push(changed(&|plan| plan.network.as_mut().unwrap().prefix = 25));
    seen.push(changed(&|plan| plan.network.as_mut().unwrap().bridge = "br1".into()));
    seen.push(changed(&|plan| plan.image.as_mut().unwrap().disk.sha256 = "e".repeat(64)));
    seen.push(changed(&|plan| {
        plan.topology.hosts[0].hypervisor = hostsplit::topology::Virtualization::Tcg;
    }));
    let total = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), total, "two different VMs have one digest");
    let moved = changed(&|plan| plan.image.as_mut().unwrap().disk.file = "elsewhere".into());
    assert_eq!(moved, digest(&plan), "where the image's file lies changes no VM");
}

#[test]
fn what_changes_in_a_running_guest_is_not_in_the_digest_of_its_machine() {
    for case in cases() {
        let plan = plan(&case);
        let mut other = plan.clone();
        for instance in &mut other.instances {
            instance.settings.insert("io-threads".into(), 4.into());
            instance.role = Role::Master;
            instance.group = Some(7);
        }
        for service in &mut other.services {
            service.groups.clear();
            service.capacity.usable_per_s = PerSecond::new(1);
        }
        for (one, changed) in plan.instances.iter().zip(&other.instances) {
            let digest = render::machine_digest(&other, changed);
            assert_eq!(digest, render::machine_digest(&plan, one), "{}", one.name);
        }
    }
}

/// A domain as libvirt gives it back: with what it chose by itself.
fn as_it_runs(xml: &str) -> String {
    let tidy: String = xml.lines().map(str::trim).collect();
    tidy.replace("machine=\"q35\"", "machine=\"pc-q35-9.2\"")
        .replace("bus=\"virtio\"/>", "bus=\"virtio\"/><alias name=\"d\"/><address bus=\"0x04\"/>")
        .replace("<hvm", "<emulator>/usr/bin/qemu</emulator><hvm")
}

#[test]
fn a_domain_that_moves_keeps_what_its_guest_sees_and_has_the_rest_as_planned() {
    for case in cases() {
        let old = plan(&case);
        let mut new = old.clone();
        for instance in &mut new.instances {
            instance.cpus.reverse();
            instance.emulator_cpus = vec![7];
            instance.numa += 1;
            instance.page_kib = if instance.page_kib == 4 { 2048 } else { 4 };
            for volume in instance.root.iter_mut().chain(&mut instance.data) {
                volume.pool = "other".to_owned();
            }
        }
        new.network.as_mut().unwrap().bridge = "br7".to_owned();
        let there = DiskPaths { kernel: Some("/there/k".to_owned()), ..paths() };
        let none = BTreeMap::new();
        for (before, after) in old.instances.iter().zip(&new.instances) {
            let running = as_it_runs(&render::domain_xml(&old, before, &paths()).unwrap());
            let running = running.replace("<cputune>", "<cputune><shares>512</shares>").replace(
                "<serial>root",
                "<backingStore><source file='/i'/></backingStore><serial>root",
            );
            let found = render::destination_xml(&new, after, &running, &there, &none).unwrap();
            // What comes from the plan is indented, what runs is not.
            let found: String = found.lines().map(str::trim).collect();
            let expected = as_it_runs(&render::domain_xml(&new, after, &there).unwrap())
                .replace("</cputune>", "<shares>512</shares></cputune>");
            assert_eq!(found, expected, "{}", case.display());

            let unpinned = |xml: &str| {
                let (before, rest) = xml.split_once("<cputune>").unwrap();
                let (_, after) = rest.split_once("</numatune>").unwrap();
                before.replace("placement=\"static\"", "cpuset=\"0-3\"") + after
            };
            let found =
                render::destination_xml(&new, after, &unpinned(&running), &there, &none).unwrap();
            let domain = hostsplit::hypervisor::domain_xml::parse(&found, true).unwrap();
            let pins: Vec<Vec<u32>> = after.cpus.iter().map(|cpu| vec![*cpu]).collect();
            assert_eq!(
                (domain.definition.vcpu_pins, domain.definition.memory_nodes),
                (pins, vec![after.numa])
            );

            let copied = BTreeMap::from([("vda".to_owned(), "/pool/a&b".to_owned())]);
            let found = render::destination_xml(&new, after, &running, &there, &copied).unwrap();
            let domain = hostsplit::hypervisor::domain_xml::parse(&found, true).unwrap();
            let root = domain.definition.devices.disks.first().unwrap();
            assert_eq!(root.sources, [StorageSource::Path("/pool/a&b".to_owned())]);
            assert!(found.contains("<disk type=\"file\" device"), "{found}");

            let disk = "<disk type='file'><target dev='vdq'/></disk><interface";
            let more = running.replace("<interface", disk);
            let error = render::destination_xml(&new, after, &more, &there, &none).unwrap_err();
            assert!(error.to_string().contains("disk vdq is not in the plan"), "{error}");
        }
    }
}

#[test]
fn what_cannot_be_rendered_is_named() {
    let mut plan = plan(&cases()[0]);
    let error = |plan: &Plan| {
        render::domain_xml(plan, &plan.instances[0], &DiskPaths::default()).unwrap_err().to_string()
    };
    plan.instances[0].threads = 3;
    assert_eq!(
        error(&plan),
        "instance builder-0: 10 virtual CPUs do not make whole cores of 3 threads"
    );
    plan.instances[0].threads = 2;
    plan.instances[0].root.as_mut().unwrap().name = "a\u{1}b".into();
    assert!(error(&plan).starts_with("instance builder-0: not well-formed domain XML: "));
    plan.instances[0].seed.as_mut().unwrap().size_mib = Mebibytes::new(1 << 40);
    assert_eq!(
        render::seed_image(&plan, &plan.instances[0]).unwrap_err().to_string(),
        "instance builder-0: seed shop-builder-0-seed.img of 1099511627776 MiB; expected 1 to 64 MiB"
    );
    plan.image = None;
    assert_eq!(error(&plan), "instance builder-0: the plan has no image to boot from");
    plan.topology.hosts.clear();
    assert_eq!(error(&plan), "instance builder-0: host h1 is not in the plan's topology");
}

#[test]
fn nasty_values_reach_redis_and_xml_as_they_are() {
    let mut plan = plan(&cases()[0]);
    let image = plan.image.as_mut().unwrap();
    image.kernel = Some(image.disk.clone());
    image.cmdline = "a=\"<&>'\" b".into();
    let xml = render::domain_xml(&plan, &plan.instances[0], &paths()).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let cmdline = document.descendants().find(|node| node.has_tag_name("cmdline")).unwrap();
    assert_eq!(cmdline.text(), Some("a=\"<&>'\" b"));

    plan.instances[0].settings =
        [("requirepass".into(), "a b\nport 1".into()), ("save".into(), Setting::words([60, 1]))]
            .into();
    let conf = redis::configuration(&plan.instances[0]).unwrap();
    assert!(conf.ends_with("\nrequirepass \"a b\\x0aport 1\"\nsave 60 1\n"), "{conf}");
    plan.instances[0].settings = [("save\nport".into(), "".into())].into();
    assert!(redis::configuration(&plan.instances[0]).is_err());
}
