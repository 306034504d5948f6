//! Tests of the world itself.

use std::io::{Cursor, Write as _};
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::hypervisor::{
    Definition, DomainState, MigrationProgress, MigrationRequest, Pause, VolumeFormat,
    VolumeRequest,
};
use crate::sample;

const XML: &str = "<domain><name>d</name><uuid>00000000-0000-0000-0000-00000000000a</uuid>\
    <memory unit='GiB'>2</memory><vcpu>2</vcpu><devices>\
    <disk><source pool='default' volume='root'/></disk>\
    <disk><source pool='default' volume='seed'/><readonly/></disk></devices></domain>";

fn world() -> (SimulatedWorld, HostName, Box<dyn Hypervisor>) {
    let world = SimulatedWorld::new(&sample::plan().topology);
    let host = HostName::new("h1").unwrap();
    let hypervisor = world.connect(&host, "simulated://h1").unwrap();
    (world, host, hypervisor)
}

fn volume(name: &str) -> VolumeRequest {
    VolumeRequest {
        pool: "default".into(),
        name: name.into(),
        capacity: 1 << 20,
        format: VolumeFormat::Raw,
        backing: None,
    }
}

fn running(hypervisor: &dyn Hypervisor) {
    hypervisor.create_volume(&volume("root")).unwrap();
    hypervisor.create_volume(&volume("seed")).unwrap();
    hypervisor.define(XML).unwrap();
    hypervisor.start("d").unwrap();
}

fn ping(hypervisor: &dyn Hypervisor) -> Result<serde_json::Value> {
    hypervisor.agent("d", &json!({ "execute": "guest-ping" }), Duration::from_secs(1))
}

#[test]
fn failures_strike_on_the_side_of_the_effect_that_was_asked_for() {
    for (mode, happened) in [
        (Mode::Before, false),
        (Mode::After, true),
        (Mode::DieBefore, false),
        (Mode::DieAfter, true),
    ] {
        let (world, _, hypervisor) = world();
        world.fail_at(1, mode);
        assert!(hypervisor.create_volume(&volume("a")).is_err(), "{mode:?}");
        let dies = matches!(mode, Mode::DieBefore | Mode::DieAfter);
        assert_eq!(hypervisor.volumes("default").is_err(), dies, "{mode:?}");
        world.revive();
        assert_eq!(hypervisor.volumes("default").unwrap().len(), usize::from(happened), "{mode:?}");
        assert_eq!(world.log().len(), 1);
    }
}

#[test]
fn a_guest_boots_in_virtual_time_and_loses_its_power() {
    let (world, host, hypervisor) = world();
    running(hypervisor.as_ref());
    assert_eq!(ping(hypervisor.as_ref()).unwrap_err().kind, ErrorKind::AgentSilent);
    world.clock().wait(Duration::from_secs(40));
    ping(hypervisor.as_ref()).unwrap();
    world.power_cut(&host);
    assert_eq!(ping(hypervisor.as_ref()).unwrap_err().kind, ErrorKind::Unreachable);
    world.power_on(&host);
    let domains = hypervisor.domains().unwrap();
    assert!(!domains[0].active && domains[0].definition.memory_kib == 2 << 20);
    assert_eq!(hypervisor.volumes("default").unwrap().len(), 2);
}

#[test]
fn a_guest_can_hang_and_an_agent_fall_silent() {
    let (world, _, hypervisor) = world();
    running(hypervisor.as_ref());
    world.clock().wait(Duration::from_secs(40));
    world.silence_agent("d", 2);
    let answers: Vec<bool> = (0..3).map(|_| ping(hypervisor.as_ref()).is_ok()).collect();
    assert_eq!(answers, [false, false, true]);
    world.never_boots("d");
    hypervisor.power_off("d").unwrap();
    hypervisor.start("d").unwrap();
    world.clock().wait(Duration::from_secs(4000));
    assert!(ping(hypervisor.as_ref()).is_err());
}

#[test]
fn a_domain_without_its_volumes_does_not_start() {
    let (_, _, hypervisor) = world();
    hypervisor.define(XML).unwrap();
    let error = hypervisor.start("d").unwrap_err();
    assert_eq!(error.message, "Storage volume not found: default/root");
}

#[test]
fn the_address_is_the_seeds() {
    let mut image = vec![0; 1 << 20];
    let options = fatfs::FormatVolumeOptions::new();
    fatfs::format_volume(Cursor::new(&mut image), options).unwrap();
    let system = fatfs::FileSystem::new(Cursor::new(&mut image), fatfs::FsOptions::new()).unwrap();
    let mut file = system.root_dir().create_file("network-config").unwrap();
    file.write_all(b"ethernets:\n  p:\n    addresses:\n      - 10.20.0.7/24\n").unwrap();
    drop(file);
    system.unmount().unwrap();

    let (world, host, hypervisor) = world();
    running(hypervisor.as_ref());
    hypervisor.upload("default", "seed", &mut image.as_slice(), image.len() as u64).unwrap();
    world.clock().wait(Duration::from_secs(40));
    ping(hypervisor.as_ref()).unwrap();
    let state = world.state();
    let running = state.hosts[&host].domains["d"].running.clone().unwrap();
    assert_eq!(running.address, Some(Ipv4Addr::new(10, 20, 0, 7)));
}

#[test]
fn waits_of_several_threads_overlap() {
    let clock = SimulatedClock::default();
    clock.wait(Duration::from_secs(5));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| clock.wait(Duration::from_secs(1)));
        }
    });
    // One after the other at worst, never less than one.
    let now = clock.elapsed().as_secs();
    assert!((6..=9).contains(&now), "{now}");
}

/// A domain that runs on `h1`, its guest up, and room for it on `h2`.
fn moving() -> (SimulatedWorld, Box<dyn Hypervisor>, Box<dyn Hypervisor>, MigrationRequest) {
    let (world, _, from) = world();
    let to = world.connect(&HostName::new("h2").unwrap(), "simulated://h2").unwrap();
    let xml = XML
        .replace("'root'/>", "'root'/><target dev='vda'/>")
        .replace("'seed'/>", "'seed'/><target dev='vdz'/>");
    for host in [&from, &to] {
        host.create_volume(&volume("root")).unwrap();
        host.create_volume(&volume("seed")).unwrap();
    }
    from.define(&xml).unwrap();
    from.start("d").unwrap();
    world.clock().wait(Duration::from_secs(60));
    ping(from.as_ref()).unwrap();
    world.put_file("d", "/etc/motd", "hello");
    let request = MigrationRequest {
        domain: "d".into(),
        xml: xml.clone(),
        persistent_xml: xml,
        copied_disks: vec!["vda".into()],
        ..MigrationRequest::default()
    };
    (world, from, to, request)
}

/// The domain's name where it runs and its guest answers.
fn answering(hosts: [&dyn Hypervisor; 2]) -> Vec<usize> {
    (0..2).filter(|at| ping(hosts[*at]).is_ok()).collect()
}

#[test]
fn a_guest_moves_while_it_runs() {
    let (world, from, to, request) = moving();
    let mut seen = Vec::new();
    let mut watch = |progress: &MigrationProgress| {
        seen.push(progress.done);
        ControlFlow::Continue(())
    };
    let moved = from.migrate(to.as_ref(), &request, &mut watch).unwrap();
    assert_eq!(moved.sent, Some((2 << 30) + (1 << 20)), "its memory and its disk");
    assert_eq!(seen, [0, moved.sent.unwrap()]);
    assert_eq!(answering([from.as_ref(), to.as_ref()]), [1]);
    assert!(!from.is_active("d").unwrap(), "off, and still defined");
    from.undefine("d").unwrap();
    assert_eq!(world.file("d", "/etc/motd").as_deref(), Some("hello"));
    assert_eq!(world.starts("d"), 0, "it did not boot");
}

#[test]
fn a_migration_that_is_given_up_or_refused_leaves_the_guest_where_it_is() {
    let (_, from, to, request) = moving();
    let error = from.migrate(to.as_ref(), &request, &mut |_| ControlFlow::Break(()));
    assert!(error.unwrap_err().message.contains("canceled by client"));
    assert_eq!(answering([from.as_ref(), to.as_ref()]), [0]);

    let mut go = |_: &MigrationProgress| ControlFlow::Continue(());
    let xml = request.xml.replace("'GiB'>2<", "'GiB'>3<");
    let larger = MigrationRequest { xml, ..request.clone() };
    let error = from.migrate(to.as_ref(), &larger, &mut go).unwrap_err();
    assert!(error.message.contains("domain memory does not match"), "{error}");
    to.delete_volume("default", "root").unwrap();
    let error = from.migrate(to.as_ref(), &request, &mut go).unwrap_err();
    assert!(error.message.contains("Storage volume not found"), "{error}");
    assert_eq!(answering([from.as_ref(), to.as_ref()]), [0]);
}

#[test]
fn a_migration_whose_client_dies_runs_nowhere_twice() {
    let phases = ["migrate", "finish migration", "confirm migration"];
    for (phase, mode, expected) in [
        (phases[0], Mode::DieBefore, [0].as_slice()),
        // It is paused until somebody lets it run again.
        (phases[0], Mode::DieAfter, &[]),
        (phases[1], Mode::DieBefore, &[]),
        (phases[1], Mode::DieAfter, &[1]),
        (phases[2], Mode::DieBefore, &[1]),
        (phases[2], Mode::DieAfter, &[1]),
        // The destination fails while the client lives.
        (phases[1], Mode::Before, &[0]),
    ] {
        let (world, from, to, request) = moving();
        world.fail(Fault::when(mode, 1, move |call| call.name == phase));
        let mut go = |_: &MigrationProgress| ControlFlow::Continue(());
        from.migrate(to.as_ref(), &request, &mut go).unwrap_err();
        world.revive();
        assert_eq!(answering([from.as_ref(), to.as_ref()]), expected, "{phase} {mode:?}");
    }
}

#[test]
fn a_paused_guest_is_silent_and_runs_on() {
    let (world, _, hypervisor) = world();
    running(hypervisor.as_ref());
    world.clock().wait(Duration::from_secs(40));
    hypervisor.suspend("d").unwrap();
    assert_eq!(ping(hypervisor.as_ref()).unwrap_err().kind, ErrorKind::AgentSilent);
    let state = || hypervisor.domains().unwrap()[0].state;
    assert_eq!(state(), DomainState::Paused(Pause::Asked));
    hypervisor.resume("d").unwrap();
    ping(hypervisor.as_ref()).unwrap();
    world.crash("d");
    assert_eq!(state(), DomainState::Crashed);
    hypervisor.start("d").unwrap();
    assert_eq!(state(), DomainState::Running);
}

#[test]
fn what_runs_and_what_the_next_boot_has_are_two_definitions() {
    let (world, host, hypervisor) = world();
    running(hypervisor.as_ref());
    let seen = || hypervisor.domains().unwrap().into_iter().next();
    let memory = |one: Definition| one.memory_kib >> 20;
    hypervisor.define(&XML.replace("'GiB'>2<", "'GiB'>3<")).unwrap();
    let found = seen().unwrap();
    assert_eq!((memory(found.definition), found.next.map(memory)), (2, Some(3)));
    world.pin_live("d", Thread::Vcpu(0), &[5]);
    let found = seen().unwrap();
    let pins = [found.definition.vcpu_pins, found.next.unwrap().vcpu_pins];
    assert_eq!(pins, [[vec![5], vec![]], [vec![], vec![]]]);
    hypervisor.power_off("d").unwrap();
    let found = seen().unwrap();
    assert_eq!((memory(found.definition), found.next), (3, None));

    hypervisor.set_autostart("d", true).unwrap();
    world.power_cut(&host);
    world.power_on(&host);
    assert_eq!(seen().unwrap().state, DomainState::Running);
    world.forget_definition("d");
    assert!(!seen().unwrap().persistent);
    world.power_cut(&host);
    world.power_on(&host);
    assert_eq!(seen(), None, "it was never defined");
}
