//! What somebody changed past us: a verification names it, a deploy puts it right, and a
//! verification is clean again.

use hostsplit::deploy::Cause;
use hostsplit::hypervisor::Thread;
use hostsplit::hypervisor::clock::Clock;
use hostsplit::ids::{HostName, InstanceName};
use hostsplit::plan::{Instance, Plan};
use hostsplit::report::deploy::obstacles_text;
use hostsplit::report::faults::fault_line;
use hostsplit::simulated::{Mode, SimulatedWorld};

use crate::fixture::{Purpose, Run, allowing, open, plan, run, run_allowing};
use crate::verifying::verified;

/// What somebody does to a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meddling {
    PinVcpu,
    PinVcpuNow,
    PinEmulator,
    PinIoThread,
    Undefine,
    Autostart,
    Pause,
    Unplug,
    MemoryAtNextBoot,
    DiskAtNextBoot,
    Crash,
    PowerOff,
    Memory,
}

use Meddling as M;

const ALL: [M; 13] = [
    M::PinVcpu,
    M::PinVcpuNow,
    M::PinEmulator,
    M::PinIoThread,
    M::Undefine,
    M::Autostart,
    M::Pause,
    M::Unplug,
    M::MemoryAtNextBoot,
    M::DiskAtNextBoot,
    M::Crash,
    M::PowerOff,
    M::Memory,
];

impl Meddling {
    /// Whether it is put right without a moment in which the guest does not run.
    const fn is_live(self) -> bool {
        !matches!(self, Self::Pause | Self::Crash | Self::PowerOff | Self::Memory)
    }
}

fn meddle(plan: &Plan, world: &SimulatedWorld, instance: &Instance, what: Meddling) {
    let host = open(plan, world, instance.host.as_str());
    let name = &instance.domain;
    let domains = host.domains().unwrap();
    let Some(found) = domains.into_iter().find(|one| one.name == *name) else { return };
    let xml = found.definition.xml;
    let more = |xml: &str| xml.replace("\"KiB\">524288<", "\"KiB\">524544<");
    // Some of it is refused to a domain that is off, or has no definition.
    let _ = match what {
        M::PinVcpu => host.pin(name, Thread::Vcpu(0), &[0]),
        M::PinVcpuNow => {
            world.pin_live(name, Thread::Vcpu(0), &[0, 4]);
            Ok(())
        }
        M::PinEmulator => host.pin(name, Thread::Emulator, &[3]),
        M::PinIoThread => host.pin(name, Thread::Io(1), &[2, 3]),
        M::Undefine => {
            if found.active {
                world.forget_definition(name);
            }
            Ok(())
        }
        M::Autostart => host.set_autostart(name, true),
        M::Pause => host.suspend(name),
        M::Unplug => host.set_link(name, &instance.mac, false),
        M::MemoryAtNextBoot => host.define(&more(&xml)),
        M::DiskAtNextBoot => host.define(&xml.replacen("cache=\"none\"", "cache=\"unsafe\"", 1)),
        M::Crash => {
            world.crash(name);
            Ok(())
        }
        M::PowerOff => host.power_off(name),
        M::Memory => host
            .define(&more(&xml))
            .and_then(|()| host.power_off(name))
            .and_then(|()| host.start(name)),
    };
}

fn deployed() -> (Plan, tempfile::TempDir, SimulatedWorld) {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    (plan, state, world)
}

fn instance<'a>(plan: &'a Plan, name: &str) -> &'a Instance {
    plan.instance(&InstanceName::new(name).unwrap()).unwrap()
}

/// Changing calls to hosts since the `from`-th, without what guests are asked.
fn calls(world: &SimulatedWorld, from: usize) -> Vec<String> {
    let log = world.log().split_off(from).into_iter();
    let own = log.filter(|call| !call.name.starts_with("agent"));
    own.map(|call| format!("{} {}", call.name, call.object)).collect()
}

#[test]
fn each_drift_is_one_fault_and_is_put_right_by_a_deploy() {
    for what in ALL {
        let (plan, state, world) = deployed();
        meddle(&plan, &world, instance(&plan, "cache-1"), what);
        let (found, _) = verified(&plan, &world, false);
        let lines: Vec<String> = found.faults.iter().map(fault_line).collect();
        assert!(!found.is_ok() && lines[0].starts_with("cache-1: "), "{what:?}: {lines:?}");
        if what != M::Memory {
            assert_eq!((lines.len(), &found.undone[..]), (1, &[][..]), "{what:?}: {lines:?}");
        }
        let before = world.log().len();
        let repaired = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(repaired.is_complete(), "{what:?}: {}", repaired.story());
        let calls = calls(&world, before);
        if what.is_live() {
            let stops = |call: &String| call.starts_with("power_off") || call.starts_with("start");
            assert!(!calls.is_empty() && !calls.iter().any(stops), "{what:?}: {calls:?}");
            // One that was cut off is asked whether its cluster has it again.
            let more = if what == M::Unplug { 2 } else { 0 };
            assert_eq!(repaired.actions.counts().changes(), 1 + more, "{what:?}");
        }
        let (found, _) = verified(&plan, &world, false);
        let lines: Vec<String> = found.faults.iter().map(fault_line).collect();
        assert!(found.is_ok(), "{what:?}: {lines:?} {:?}", found.undone);
    }
}

#[test]
fn what_is_put_right_how_is_said_before() {
    let (plan, _state, world) = deployed();
    for (name, what) in [
        ("cache-0", M::PinVcpu),
        ("cache-1", M::Pause),
        ("cache-2", M::Undefine),
        ("cache-3", M::MemoryAtNextBoot),
        ("cache-4", M::Autostart),
        ("cache-5", M::DiskAtNextBoot),
    ] {
        meddle(&plan, &world, instance(&plan, name), what);
    }
    let (found, _) = verified(&plan, &world, false);
    let lines: Vec<String> = found.faults.iter().map(fault_line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    cache-1: state is paused, planned running; cache group 0 serves with 1 of 2 copies, cache-0 leads; 1 more difference follows; deploy resumes it
    cache-0: vCPU pins is 0, planned 1; it may share CPUs with others; deploy pins it again while it runs
    cache-2: definition of the running domain is transient, planned persistent; it is gone once it stops; deploy defines it again while it runs
    cache-3: memory at the next boot is 524544 KiB, planned 524288 KiB; deploy defines it again while it runs
    cache-4: autostart is on, planned off; its host would start it after it was replaced elsewhere; deploy turns it off
    cache-5: domain XML at the next boot is <driver cache="unsafe" discard="unmap" io="native" iothread="1" name="qemu" type="qcow2"/>, planned <driver cache="none" discard="unmap" io="native" iothread="1" name="qemu" type="qcow2"/>; deploy defines it again while it runs
    "#);
}

/// A machine that runs with what is not planned is powered off and on in its turn: clients
/// notice nothing.
#[test]
fn machines_that_run_otherwise_are_restarted_one_after_the_other() {
    let (plan, state, world) = deployed();
    for name in ["cache-0", "cache-1"] {
        meddle(&plan, &world, instance(&plan, name), M::Memory);
        // It boots, and its cluster takes it back.
        world.clock().wait(std::time::Duration::from_secs(120));
    }
    let before = world.log().len();
    let repaired = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(repaired.is_complete(), "{}", repaired.story());
    let calls = calls(&world, before);
    let at = |call: &str| calls.iter().position(|one| one == call).unwrap();
    let stopped = |name: &str| {
        calls.iter().position(|one| one.starts_with("shutdown") && one.ends_with(name)).unwrap()
    };
    let (first, second) = (stopped("shop-cache-0"), stopped("shop-cache-1"));
    let (first, then) = if first < second { ("0", "1") } else { ("1", "0") };
    let begun = at(&format!("start shop-cache-{first}"));
    assert!(begun < stopped(&format!("shop-cache-{then}")), "{calls:?}");
    assert!(verified(&plan, &world, false).0.is_ok());
}

/// Nobody has a copy of a fixed machine: it is only stopped where that is allowed.
#[test]
fn a_fixed_machine_is_powered_off_and_on_only_where_that_is_allowed() {
    let (plan, state, world) = deployed();
    meddle(&plan, &world, instance(&plan, "box-0"), M::Memory);
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(refused.outcome.is_none(), "{}", refused.story());
    let said = obstacles_text(&refused.obstacles);
    assert!(said.contains("box") && said.contains("--allow-downtime box"), "{said}");
    let allowed = run_allowing(&plan, &world, state.path(), &allowing("box"));
    assert!(allowed.is_complete(), "{}", allowed.story());
    assert!(verified(&plan, &world, false).0.is_ok());
}

/// One fault is not as many as members who see it.
#[test]
fn what_all_others_see_of_a_paused_master_is_one_fault() {
    let (plan, _state, world) = deployed();
    let master = instance(&plan, "cache-0");
    meddle(&plan, &world, master, M::Pause);
    world.clock().wait(std::time::Duration::from_secs(60));
    let (found, _) = verified(&plan, &world, false);
    assert!(found.differences.len() > 5, "{:?}", found.differences);
    let lines: Vec<String> = found.faults.iter().map(fault_line).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let starts = "cache-0: state is paused, planned running; cache group 0 ";
    assert!(lines[0].starts_with(starts), "{lines:?}");
    assert!(lines[0].contains("1 of 2 copies, cache-1 leads; "), "{lines:?}");
    assert!(lines[0].ends_with("deploy resumes it"), "{lines:?}");

    let h2 = HostName::new("h2").unwrap();
    world.power_cut(&h2);
    let (found, _) = verified(&plan, &world, false);
    assert_eq!(found.faults.len(), 2, "{:?}", found.faults);
    assert!(matches!(&found.faults[0].cause, Cause::Host { host, .. } if *host == h2));
}

/// Splitmix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// What a verification names, a deploy puts right, also one that is killed on the way and
/// run again; and a clean verification means that a deploy has nothing to do.
#[test]
fn a_verification_and_a_deploy_never_contradict_each_other() {
    for seed in 0..24 {
        let (plan, state, world) = deployed();
        let mut random = Random(seed);
        let mut done = Vec::new();
        for _ in 0..=random.below(4) {
            let instance = &plan.instances[random.below(plan.instances.len())];
            let what = ALL[random.below(ALL.len())];
            // Two copies of the same data may not both be taken away.
            let taken = |(other, what): &(&Instance, M)| {
                other.group.is_some() && other.group == instance.group && !what.is_live()
            };
            if done.iter().any(taken) {
                continue;
            }
            meddle(&plan, &world, instance, what);
            done.push((instance, what));
        }
        let story: Vec<String> =
            done.iter().map(|(one, m)| format!("{} {m:?}", one.name)).collect();
        assert!(!verified(&plan, &world, false).0.is_ok(), "seed {seed}: {story:?}");
        let calls = world.log().len() as u64;
        let mode = [Mode::DieBefore, Mode::DieAfter][random.below(2)];
        world.fail_at(calls + 1 + random.below(30) as u64, mode);
        let deploy = || run_allowing(&plan, &world, state.path(), &allowing("box"));
        let cut_off = deploy();
        drop(cut_off);
        world.revive();
        let whole: Run = deploy();
        assert!(whole.is_complete(), "seed {seed}: {story:?}: {}", whole.story());
        let (found, _) = verified(&plan, &world, false);
        let lines: Vec<String> = found.faults.iter().map(fault_line).collect();
        assert!(found.is_ok(), "seed {seed}: {story:?}: {lines:#?} {:?}", found.undone);
        let again = deploy();
        assert_eq!(again.actions.counts().changes(), 0, "seed {seed}: {story:?}");
    }
}
