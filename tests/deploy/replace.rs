//! Plans that change: a changed instance is made again on its data, one that is
//! no longer planned goes, and its data stays.

use hostsplit::graph::{Action, Vertex, decide};
use hostsplit::plan::Role;
use hostsplit::simulated::SimulatedWorld;
use hostsplit::units::Mebibytes;

use crate::fixture::{Purpose, allowing, inventory, look, open, plan, run, run_allowing};

#[test]
fn a_changed_instance_is_defined_anew_on_its_disks() {
    let (mut plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    plan.instances[1].memory_mib = Mebibytes::new(1024);
    let name = plan.instances[1].name.clone();
    let changed = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    let action = |vertex: Vertex| changed.actions.step(&vertex).unwrap().action;
    // More memory needs no other disk.
    assert_eq!(action(Vertex::Root(name.clone())), Action::NoOp);
    assert_eq!(action(Vertex::Domain(name.clone())), Action::Update);
    assert_eq!(action(Vertex::Data(name)), Action::NoOp);
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn a_lost_volume_brings_its_domain_back() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let before = inventory(&plan, &world);
    let lost = plan.instances.iter().find(|one| one.role == Role::Replica).unwrap();
    open(&plan, &world, lost.host.as_str())
        .delete_volume("default", &lost.seed.as_ref().unwrap().name)
        .unwrap();
    let repaired = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(repaired.is_complete(), "{}", repaired.story());
    assert_eq!(inventory(&plan, &world), before);
}

#[test]
fn what_is_no_longer_planned_goes_and_its_data_stays() {
    let (old, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    let mut new = old.clone();
    let dropped = new.instances.pop().unwrap();
    assert_eq!(dropped.role, Role::Fixed);
    let refused = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(refused.story().contains("box does not serve meanwhile"), "{}", refused.story());
    let smaller = run_allowing(&new, &world, state.path(), &allowing("box"));
    assert!(smaller.is_complete(), "{}", smaller.story());
    assert_eq!(smaller.actions.counts().delete, 1);
    let left = inventory(&old, &world);
    assert!(!left.iter().any(|line| line.contains(&dropped.domain)), "{left:?}");
}

#[test]
fn a_machine_that_moves_leaves_its_old_host_last() {
    let (old, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    let mut new = old.clone();
    let last = new.instances.len() - 1;
    new.instances[last].host = new.instances[2].host.clone();
    let begun = world.log().len();
    let moved = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(moved.is_complete(), "{}", moved.story());
    let log = world.log();
    let calls: Vec<String> =
        log.iter().skip(begun).map(|call| format!("{} {}", call.name, call.object)).collect();
    let domain = &new.instances[last].domain;
    let at = |call: &str| calls.iter().rposition(|one| *one == format!("{call} {domain}"));
    assert!(at("finish migration") < at("undefine"), "{calls:?}");
    assert_eq!((at("start"), at("shutdown")), (None, None), "{calls:?}");
}
