//! The libvirt side against libvirt's own test driver: in this process, no
//! daemon, no root.
#![cfg(feature = "libvirt")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use hostsplit::hypervisor::libvirt::{LibvirtConnector, LibvirtViewer};
use hostsplit::hypervisor::{
    Connector, DomainState, ErrorKind, Hypervisor, METADATA_NAMESPACE, Pause, Thread, VolumeFormat,
    VolumeRequest,
};
use hostsplit::ids::HostName;

/// The driver's built-in host. The tests share its state, so no two use the same names.
fn host() -> Box<dyn Hypervisor> {
    LibvirtConnector.connect(&HostName::new("h1").unwrap(), "test:///default").unwrap()
}

fn domain_xml(name: &str, uuid: &str) -> String {
    format!(
        "<domain type='test'>
           <name>{name}</name><uuid>{uuid}</uuid>
           <metadata><h:instance xmlns:h='{METADATA_NAMESPACE}' deployment='shop' instance='a' digest='d1'/></metadata>
           <memory unit='KiB'>65536</memory><vcpu>2</vcpu>
           <cputune><vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='1' cpuset='3'/><emulatorpin cpuset='0'/></cputune>
           <numatune><memory mode='strict' nodeset='1'/></numatune>
           <os><type>hvm</type></os>
         </domain>"
    )
}

#[test]
fn a_host_describes_itself() {
    let report = host().describe().unwrap();
    assert_eq!(report.numa.iter().map(|node| node.id).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(report.numa[1].cpus.len(), 8);
    assert_eq!(report.numa[1].memory_kib, 4_194_304);
    assert!(report.numa[0].pages.contains(&(4, 524_288)), "{report:?}");
    assert!(report.libvirt_version > 1_000_000);
    assert_eq!(
        report.pools.iter().map(|pool| pool.name.as_str()).collect::<Vec<_>>(),
        ["default-pool"]
    );
    assert_eq!(report.bridges, ["virbr0"]);
}

#[test]
fn a_domain_from_its_definition_to_its_end() {
    let host = host();
    let name = "shop-a";
    host.define(&domain_xml(name, "5f6c3c0a-6d5e-5b6f-9c39-1f2a3b4c5d6e")).unwrap();
    let find = || host.domains().unwrap().into_iter().find(|domain| domain.name == name);

    let defined = find().unwrap();
    assert!(!defined.active);
    assert_eq!(
        (defined.state, defined.persistent, defined.autostart),
        (DomainState::Off, true, false)
    );
    assert_eq!(defined.next, None, "one that is off has one definition");
    assert_eq!(defined.owner.unwrap().digest, "d1");
    let defined = defined.definition;
    assert_eq!(defined.vcpu_pins, [[2], [3]]);
    assert_eq!(defined.emulator_pins, [0]);
    assert_eq!((defined.memory_nodes.as_slice(), defined.memory_strict), (&[1][..], true));
    assert_eq!(defined.memory_kib, 65536);

    host.start(name).unwrap();
    assert!(find().unwrap().active && host.is_active(name).unwrap());
    // It has no interface, so nobody knows an address.
    assert_eq!(host.addresses(name).unwrap(), [std::net::Ipv4Addr::LOCALHOST; 0]);
    assert_eq!(host.undefine(name).unwrap_err().message, "the domain is running");
    host.power_off(name).unwrap();
    assert!(!find().unwrap().active && !host.is_active(name).unwrap());
    host.undefine(name).unwrap();
    assert_eq!(find(), None);
}

#[test]
fn a_running_domain_is_paused_and_defined_anew() {
    let host = host();
    let (name, uuid) = ("shop-live", "5f6c3c0a-6d5e-5b6f-9c39-00000000000a");
    host.define(&domain_xml(name, uuid)).unwrap();
    host.start(name).unwrap();
    let find = || host.domains().unwrap().into_iter().find(|domain| domain.name == name).unwrap();
    let started = find();
    assert_eq!((started.state, started.active), (DomainState::Running, true));
    assert_eq!(started.next.unwrap().vcpu_pins, started.definition.vcpu_pins);

    host.suspend(name).unwrap();
    assert_eq!((find().state, find().active), (DomainState::Paused(Pause::Asked), true));
    host.resume(name).unwrap();
    host.resume(name).unwrap();
    assert_eq!(find().state, DomainState::Running);

    host.set_autostart(name, true).unwrap();
    assert!(find().autostart);
    host.set_autostart(name, false).unwrap();
    assert!(!find().autostart);

    // What it runs with stays, what its next boot will have is new.
    host.define(&domain_xml(name, uuid).replace("65536", "131072")).unwrap();
    let defined = find();
    assert_eq!(defined.definition.memory_kib, 65536);
    assert_eq!(defined.next.unwrap().memory_kib, 131_072);

    host.power_off(name).unwrap();
    assert_eq!((find().definition.memory_kib, find().next), (131_072, None));
    host.undefine(name).unwrap();
}

/// Somebody undefines a domain that runs: then it has no definition besides that.
#[test]
fn a_domain_that_was_undefined_while_it_runs_is_pinned_and_defined_again() {
    let host = host();
    let (name, uuid) = ("shop-lost", "5f6c3c0a-6d5e-5b6f-9c39-00000000000b");
    host.define(&domain_xml(name, uuid)).unwrap();
    host.start(name).unwrap();
    let find = || host.domains().unwrap().into_iter().find(|domain| domain.name == name).unwrap();
    let connection = virt::connect::Connect::open(Some("test:///default")).unwrap();
    connection.lookup_domain_by_name(name).unwrap().undefine().unwrap();
    assert_eq!((find().active, find().persistent, find().next), (true, false, None));

    host.pin(name, Thread::Vcpu(1), &[9, 4]).unwrap();
    assert_eq!(find().definition.vcpu_pins, [vec![2], vec![4, 9]]);
    let error = host.pin(name, Thread::Vcpu(7), &[1]).unwrap_err();
    assert_eq!(error.what, "pin vCPU 7 of domain shop-lost");
    host.pin(name, Thread::Emulator, &[1]).unwrap();
    assert_eq!(find().definition.emulator_pins, [1]);
    let error = host.pin(name, Thread::Io(1), &[1]).unwrap_err();
    assert!(error.message.contains("iothreadid 1 not found"), "{error}");
    let error = host.set_link(name, "52:54:00:00:00:01", false).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert_eq!(error.what, "set the link of 52:54:00:00:00:01 of domain shop-lost");

    host.define(&domain_xml(name, uuid)).unwrap();
    assert!(find().persistent && find().active);
    assert_eq!(find().next.unwrap().vcpu_pins, [[2], [3]]);
    host.power_off(name).unwrap();
    host.undefine(name).unwrap();
}

#[test]
fn a_second_domain_of_the_same_name_is_refused() {
    let host = host();
    host.define(&domain_xml("shop-twin", "5f6c3c0a-6d5e-5b6f-9c39-000000000001")).unwrap();
    let error = host.define(&domain_xml("shop-twin", "5f6c3c0a-6d5e-5b6f-9c39-000000000002"));
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Exists, "{error}");
    assert_eq!(error.what, "define domain shop-twin");
    host.undefine("shop-twin").unwrap();
}

#[test]
fn volumes_come_and_go() {
    let host = host();
    let request = VolumeRequest {
        pool: "default-pool".to_owned(),
        name: "shop-a-data".to_owned(),
        capacity: 64 << 20,
        format: VolumeFormat::Raw,
        backing: None,
    };
    host.create_volume(&request).unwrap();
    assert_eq!(host.create_volume(&request).unwrap_err().kind, ErrorKind::Exists);
    let volumes = host.volumes("default-pool").unwrap();
    let made = volumes.iter().find(|volume| volume.name == "shop-a-data").unwrap();
    assert_eq!((made.capacity, made.path.as_str()), (64 << 20, "/default-pool/shop-a-data"));
    assert_eq!(host.volume("default-pool", "shop-a-data").as_ref(), Ok(made));
    host.delete_volume("default-pool", "shop-a-data").unwrap();
    let gone = host.volume("default-pool", "shop-a-data").unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound, "{gone}");
    let error = host.delete_volume("default-pool", "shop-a-data").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.code.is_some());
    let over_nothing = VolumeRequest { backing: Some("no-base".to_owned()), ..request };
    assert_eq!(host.create_volume(&over_nothing).unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn what_is_not_there_is_named() {
    let host = host();
    let error = host.start("nobody").unwrap_err();
    assert_eq!((error.kind, error.what.as_str()), (ErrorKind::NotFound, "start domain nobody"));
    assert_eq!(host.is_active("nobody").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(host.addresses("nobody").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(host.volumes("no-pool").unwrap_err().kind, ErrorKind::NotFound);
    let ping = serde_json::json!({ "execute": "guest-ping" });
    let error = host.agent("nobody", &ping, Duration::from_secs(1)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = host.upload("default-pool", "none", &mut [0u8].as_slice(), 1).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn whoever_may_only_look_is_told_so() {
    let name = HostName::new("h1").unwrap();
    // A connection that is not refused is not restricted.
    let viewer = LibvirtViewer.connect(&name, "test:///default").unwrap();
    assert_eq!(viewer.describe().unwrap().hostname, host().describe().unwrap().hostname);
    let Err(error) = LibvirtViewer.connect(&name, "nonsense://") else { panic!("connected") };
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}

#[test]
fn a_host_that_cannot_be_reached_says_so() {
    let name = HostName::new("far").unwrap();
    for uri in ["qemu+unix:///system?socket=/nonexistent/libvirt-sock", "nonsense://", ""] {
        let Err(error) = LibvirtConnector.connect(&name, uri) else {
            panic!("connected to {uri:?}")
        };
        assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
        assert_eq!((error.host.as_str(), error.what), ("far", format!("connect to {uri}")));
    }
}

#[test]
fn discover_writes_a_host_file_once_and_never_over_an_edited_one() {
    let desk = tempfile::tempdir().unwrap();
    let discover = |more: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "edge: runs the program under test")]
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hostsplit"));
        command.current_dir(&desk).args(["discover", "h7=test:///default"]).args(more);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let file = desk.path().join("hosts/h7.yaml");
    #[expect(clippy::disallowed_methods, reason = "edge: reads what was written")]
    let read = || std::fs::read_to_string(&file).unwrap();

    let (code, stdout, stderr) = discover(&["--hypervisor", "qemu"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("16 CPUs in 2 NUMA, 6144MiB"), "{stdout}");
    assert!(stdout.contains("    domain test: running, 2 vCPUs not pinned, 8GiB"), "{stdout}");
    let written = read();
    assert!(written.contains("\nname: h7\nuri: test:///default\nhypervisor: qemu "), "{written}");
    let (code, stdout, _) = discover(&["--hypervisor", "qemu", "--format", "json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(json["hosts"][0]["result"], "kept");

    assert_eq!(json["hosts"][0]["domains"][0]["name"], "test");

    // `plan` takes it as it is.
    let spec = "name: shop\nnetwork: { bridge: virbr0, subnet: 192.168.122.0/24, \
                addresses: 192.168.122.50-192.168.122.60 }\nhosts:\n  - include: hosts/*.yaml\nvms:\n  - { name: box, count: 1, \
                vcpus: 1, memory: 512MiB, disk: 1GiB }\n";
    #[expect(clippy::disallowed_methods, reason = "edge: plays the user")]
    std::fs::write(desk.path().join("spec.yaml"), spec).unwrap();
    #[expect(clippy::disallowed_methods, reason = "edge: runs the program under test")]
    let mut plan = std::process::Command::new(env!("CARGO_BIN_EXE_hostsplit"));
    let planned = plan.current_dir(&desk).args(["plan", "spec.yaml"]).output().unwrap();
    assert!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));

    let edited = written.replace("cost: 1 ", "cost: 9 ");
    #[expect(clippy::disallowed_methods, reason = "edge: plays the user")]
    std::fs::write(&file, &edited).unwrap();
    let (code, _, stderr) = discover(&["--hypervisor", "qemu"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("  - cost: 9") && stderr.contains("  + cost: 1"), "{stderr}");
    assert!(stderr.contains("pass --force to replace the files"), "{stderr}");
    assert_eq!(read(), edited);
    assert_eq!(discover(&["--hypervisor", "qemu", "--force"]).0, Some(0));
    assert_eq!(read(), written);

    let (code, _, stderr) = discover(&["qemu+unix:///system?socket=/nonexistent"]);
    assert_eq!(code, Some(1));
    assert_eq!(stderr.matches("error: ").count(), 1, "libvirt printed by itself:\n{stderr}");
}
