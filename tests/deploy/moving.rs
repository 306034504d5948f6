//! Fixed machines that a plan has on another host go there as they are: while they run,
//! with their disks, wherever the deploy is killed.

use hostsplit::deploy::Allowed;
use hostsplit::graph::{Action, Vertex, decide};
use hostsplit::ids::{HostName, InstanceName};
use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::simulated::{Fault, Mode, SimulatedWorld};
use hostsplit::topology::Virtualization;
use tempfile::TempDir;

use crate::fixture::{Purpose, Run, allowing, inventory, look, open, run, run_allowing, small};

const NOTE: &str = "/srv/note";

fn fixed(plan: &Plan) -> &Instance {
    plan.instances.iter().find(|one| one.role == Role::Fixed).unwrap()
}

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

/// A plan with a machine on `h1`, and the one that has it on `h2`.
fn plans(change: impl Fn(&mut Plan)) -> (Plan, Plan) {
    let mut old = small();
    change(&mut old);
    let mut new = old.clone();
    let one = new.instances.iter_mut().find(|one| one.role == Role::Fixed).unwrap();
    one.host = host("h2");
    one.cpus = vec![4];
    (old, new)
}

fn share(plan: &mut Plan) {
    for host in &mut plan.topology.hosts {
        host.pools[0].shared = true;
    }
}

/// The first plan deployed, and a note in its machine.
fn deployed(plan: &Plan) -> (SimulatedWorld, TempDir) {
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    let first = run(plan, &world, state.path(), Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    world.put_file(&fixed(plan).domain, NOTE, "kept");
    (world, state)
}

fn note(world: &SimulatedWorld, plan: &Plan) -> Option<String> {
    world.file(&fixed(plan).domain, NOTE)
}

/// Calls for the machine since a number of calls, by name.
fn calls(world: &SimulatedWorld, plan: &Plan, since: usize) -> Vec<String> {
    let domain = &fixed(plan).domain;
    let own = world.log().into_iter().skip(since).filter(|call| call.object == *domain);
    own.map(|call| call.name).filter(|name| !name.starts_with("agent")).collect()
}

fn is_settled(plan: &Plan, world: &SimulatedWorld) -> bool {
    decide(plan, &look(plan, world)).counts().changes() == 0
}

#[test]
fn a_running_machine_moves_without_a_boot_and_leaves_nothing_behind() {
    let (old, new) = plans(|_| {});
    let (world, state) = deployed(&old);
    let before = world.log().len();
    let moved = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(moved.is_complete(), "{}", moved.story());
    let name = fixed(&new).name.clone();
    assert_eq!(moved.actions.step(&Vertex::Domain(name)).unwrap().action, Action::Migrate);
    assert_eq!(moved.actions.impacts(), []);
    assert_eq!((moved.actions.counts().migrate, moved.actions.counts().delete), (1, 1));
    assert_eq!(
        calls(&world, &new, before),
        ["migrate", "finish migration", "confirm migration", "undefine"]
    );
    assert_eq!(note(&world, &new).as_deref(), Some("kept"));
    let domain = &fixed(&new).domain;
    let left = inventory(&new, &world);
    let left: Vec<&String> = left.iter().filter(|line| line.contains(domain.as_str())).collect();
    assert!(left.iter().all(|line| line.starts_with("h2 ")), "{left:#?}");
    assert_eq!(left.len(), 3, "the domain, its root and its seed: {left:#?}");
    let seen = open(&new, &world, "h2").domains().unwrap();
    let seen = seen.into_iter().find(|one| one.name == *domain).unwrap();
    assert_eq!(seen.definition.vcpu_pins, [[4]]);
    assert!(is_settled(&new, &world));
}

#[test]
fn on_shared_storage_no_volume_is_made_or_deleted() {
    let (old, new) = plans(share);
    let (world, state) = deployed(&old);
    let before = world.log().len();
    let moved = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(moved.is_complete(), "{}", moved.story());
    let log = world.log();
    let volumes = log.iter().skip(before).filter(|call| call.name.contains("volume"));
    assert_eq!(volumes.count(), 0);
    assert_eq!(note(&world, &new).as_deref(), Some("kept"));
    assert!(is_settled(&new, &world));
}

#[test]
fn a_machine_that_is_off_boots_at_its_new_host_from_its_own_disk() {
    for (change, expected) in [
        ((|_| {}) as fn(&mut Plan), ["start paused", "migrate", "finish migration"].as_slice()),
        (share, ["start"].as_slice()),
    ] {
        let (old, new) = plans(change);
        let (world, state) = deployed(&old);
        open(&old, &world, "h1").power_off(&fixed(&old).domain).unwrap();
        let before = world.log().len();
        let moved = run(&new, &world, state.path(), Purpose::Deploy);
        assert!(moved.is_complete(), "{}", moved.story());
        let calls = calls(&world, &new, before);
        assert!(calls.iter().any(|call| expected.contains(&call.as_str())), "{calls:?}");
        assert_eq!(note(&world, &new).as_deref(), Some("kept"));
        assert!(open(&new, &world, "h2").is_active(&fixed(&new).domain).unwrap());
        assert!(is_settled(&new, &world));
    }
}

#[test]
fn a_machine_of_a_dead_host_starts_elsewhere_from_its_disks_or_from_empty_ones() {
    let cases: [(fn(&mut Plan), _, _); 2] =
        [(|_| {}, Action::Create, None), (share, Action::NoOp, Some("kept"))];
    for (change, root, left) in cases {
        let (old, mut new) = plans(|plan| {
            change(plan);
            plan.services.clear();
            plan.instances.retain(|one| one.role == Role::Fixed);
        });
        let (world, state) = deployed(&old);
        let h1 = host("h1");
        world.power_cut(&h1);
        new.drained.insert(h1.clone());
        let name = fixed(&new).name.clone();
        let allowed = Allowed { left_out: [h1.clone()].into(), ..Allowed::default() };
        let started = run_allowing(&new, &world, state.path(), &allowed);
        assert!(started.is_complete(), "{}", started.story());
        assert_eq!(started.actions.step(&Vertex::Root(name)).unwrap().action, root);
        assert!(open(&new, &world, "h2").is_active(&fixed(&new).domain).unwrap());
        // What comes back starts nothing, and what is left there of the machine goes.
        world.power_on(&h1);
        let back = run(&new, &world, state.path(), Purpose::Deploy);
        assert!(back.is_complete(), "{}", back.story());
        assert_eq!(note(&world, &new).as_deref(), left);
        assert!(is_settled(&new, &world));
    }
}

#[test]
fn a_move_that_is_not_possible_needs_to_be_allowed() {
    let kvm = |plan: &mut Plan| {
        for host in &mut plan.topology.hosts {
            host.hypervisor = Virtualization::Kvm;
        }
    };
    let other_cpus = |world: &SimulatedWorld| {
        world.set_cpu_model(&host("h1"), "EPYC-Milan by AMD");
        world.set_cpu_model(&host("h2"), "Skylake-Server by Intel");
    };
    let shown =
        |run: &Run| -> Vec<String> { run.obstacles.iter().map(ToString::to_string).collect() };
    let (old, new) = plans(kvm);
    let (world, state) = deployed(&old);
    other_cpus(&world);
    let refused = run(&new, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(shown(&refused).join("\n"), @"
    box does not serve meanwhile: box-0 (it cannot move to h2: its CPUs are EPYC-Milan by AMD, the new host's are Skylake-Server by Intel)
    box loses data: box-0 (it cannot move to h2: its CPUs are EPYC-Milan by AMD, the new host's are Skylake-Server by Intel)
    ");
    assert_eq!(note(&world, &new).as_deref(), Some("kept"));
    let anew = run_allowing(&new, &world, state.path(), &allowing("box"));
    assert!(anew.is_complete(), "{}", anew.story());
    assert!(is_settled(&new, &world));

    // On shared storage its disk goes with it.
    let (old, new) = plans(|plan| {
        kvm(plan);
        share(plan);
    });
    let (world, state) = deployed(&old);
    other_cpus(&world);
    let refused = run(&new, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(shown(&refused).join("\n"), @"box does not serve meanwhile: box-0 (it is shut down to move to another host)");
    let moved = run_allowing(&new, &world, state.path(), &allowing("box"));
    assert!(moved.is_complete(), "{}", moved.story());
    assert_eq!(note(&world, &new).as_deref(), Some("kept"));
    assert!(is_settled(&new, &world));
}

#[test]
fn machines_change_places() {
    let mut old = small();
    let mut second = fixed(&old).clone();
    second.name = InstanceName::of(&second.service, 1).unwrap();
    second.domain = "shop-box-1".to_owned();
    second.uuid = uuid::Uuid::from_u128(7);
    second.mac = "52:54:00:00:00:99".to_owned();
    second.address = Some([10, 20, 0, 150].into());
    second.host = host("h2");
    for volume in second.root.iter_mut().chain(&mut second.seed) {
        volume.name = volume.name.replace("box-0", "box-1");
    }
    old.instances.push(second);
    let (world, state) = deployed(&old);
    let mut new = old.clone();
    let places: Vec<HostName> =
        new.instances.iter().rev().take(2).map(|one| one.host.clone()).collect();
    for (one, place) in new.instances.iter_mut().rev().take(2).zip(places.into_iter().rev()) {
        one.host = place;
    }
    let moved = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(moved.is_complete(), "{}", moved.story());
    assert_eq!(moved.actions.counts().migrate, 2);
    assert_eq!(note(&world, &new).as_deref(), Some("kept"));
    assert!(is_settled(&new, &world));
}

/// Where the machine's guest runs, and whether anything was lost.
fn survives(plan: &Plan, world: &SimulatedWorld, case: &str) {
    let domain = &fixed(plan).domain;
    let runs = |name: &str| {
        let host = open(plan, world, name);
        host.is_active(domain).unwrap_or(false) && {
            let ping = serde_json::json!({ "execute": "guest-ping" });
            host.agent(domain, &ping, std::time::Duration::from_secs(1)).is_ok()
        }
    };
    assert!(!(runs("h1") && runs("h2")), "{case}: it runs twice");
}

#[test]
fn a_move_goes_on_wherever_it_was_killed() {
    for change in [(|_| {}) as fn(&mut Plan), share] {
        let (old, new) = plans(change);
        let (world, state) = deployed(&old);
        let begun = world.log().len() as u64;
        assert!(run(&new, &world, state.path(), Purpose::Deploy).is_complete());
        let (expected, ended) = (inventory(&new, &world), world.log().len() as u64);
        assert!(ended - begun >= 4, "{begun} {ended}");
        let modes = [Mode::DieBefore, Mode::DieAfter, Mode::Before, Mode::After];
        for (number, mode) in (begun + 1..=ended).flat_map(|number| modes.map(|m| (number, m))) {
            let case = format!("call {number} {mode:?}");
            let (world, state) = deployed(&old);
            world.fail(Fault::at(number, mode));
            let _ = run(&new, &world, state.path(), Purpose::Deploy);
            world.revive();
            survives(&new, &world, &case);
            let second = run(&new, &world, state.path(), Purpose::Deploy);
            assert!(second.is_complete(), "{case}: {}", second.story());
            assert_eq!(note(&world, &new).as_deref(), Some("kept"), "{case}");
            assert_eq!(inventory(&new, &world), expected, "{case}");
            assert!(is_settled(&new, &world), "{case}");
        }
    }
}
