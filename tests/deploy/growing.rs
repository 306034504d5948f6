//! Disks that are planned larger grow while their machines run; none is made anew for it.

use hostsplit::graph::{Action, Vertex, decide};
use hostsplit::plan::{Plan, Role};
use hostsplit::simulated::{Fault, Mode, SimulatedWorld};
use hostsplit::units::Mebibytes;

use crate::fixture::{Purpose, allowing, look, open, run, run_allowing, small};

const LARGE: Mebibytes = Mebibytes::new(8192);

/// The plan with larger disks: the data of an instance, the root of the machine.
fn larger(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.instances[1].data.as_mut().unwrap().size_mib = LARGE;
    let last = plan.instances.iter_mut().find(|one| one.role == Role::Fixed).unwrap();
    last.root.as_mut().unwrap().size_mib = LARGE;
    plan
}

/// Sizes of the file systems of each machine, in MiB.
fn file_systems(plan: &Plan, world: &SimulatedWorld) -> Vec<Vec<u64>> {
    let sizes = |domain: &str| -> Vec<u64> {
        world.file_systems(domain).into_iter().map(|bytes| bytes >> 20).collect()
    };
    plan.instances.iter().map(|one| sizes(&one.domain)).collect()
}

fn expected() -> Vec<Vec<u64>> {
    vec![vec![4096, 1024], vec![4096, 8192], vec![8192]]
}

fn is_settled(plan: &Plan, world: &SimulatedWorld) -> bool {
    decide(plan, &look(plan, world)).counts().changes() == 0
}

#[test]
fn disks_grow_while_their_machines_run() {
    let (old, state) = (small(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    let new = larger(&old);
    let (before, starts) = (world.log().len(), world.starts(&new.instances[1].domain));
    let grown = run(&new, &world, state.path(), Purpose::Deploy);
    assert!(grown.is_complete(), "{}", grown.story());
    assert_eq!(grown.actions.impacts(), []);
    let step = |vertex: Vertex| grown.actions.step(&vertex).unwrap().clone();
    let data = step(Vertex::Data(new.instances[1].name.clone()));
    assert_eq!(
        (data.action, data.reason.to_string()),
        (Action::Update, "grows from 1GiB to 8GiB".into())
    );
    let counts = grown.actions.counts();
    assert_eq!((counts.create, counts.replace, counts.delete), (0, 0, 0));
    let log = world.log();
    let off = ["shutdown", "power_off", "define", "start"];
    assert!(!log.iter().skip(before).any(|call| off.contains(&call.name.as_str())), "{log:?}");
    assert_eq!(world.starts(&new.instances[1].domain), starts);
    assert_eq!(file_systems(&new, &world), expected());
    assert!(is_settled(&new, &world));
}

#[test]
fn a_disk_grows_wherever_the_deploy_was_killed() {
    let old = small();
    let new = larger(&old);
    let modes = [Mode::DieBefore, Mode::DieAfter, Mode::After];
    let deployed = || {
        let (world, state) = (SimulatedWorld::new(&old.topology), tempfile::tempdir().unwrap());
        assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
        (world, state)
    };
    let (world, state) = deployed();
    let begun = world.log().len() as u64;
    assert!(run(&new, &world, state.path(), Purpose::Deploy).is_complete());
    for (number, mode) in
        (begun + 1..=world.log().len() as u64).flat_map(|number| modes.map(|mode| (number, mode)))
    {
        let (world, state) = deployed();
        world.fail(Fault::at(number, mode));
        let _ = run(&new, &world, state.path(), Purpose::Deploy);
        world.revive();
        let case = format!("call {number} {mode:?}");
        let second = run(&new, &world, state.path(), Purpose::Deploy);
        assert!(second.is_complete(), "{case}: {}", second.story());
        assert_eq!(file_systems(&new, &world), expected(), "{case}");
        assert!(is_settled(&new, &world), "{case}");
    }
}

#[test]
fn a_machine_that_is_off_or_replaced_has_the_larger_disk_too() {
    let (old, state) = (small(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    let mut new = larger(&old);
    let last = new.instances.iter().find(|one| one.role == Role::Fixed).unwrap();
    open(&old, &world, last.host.as_str()).power_off(&last.domain).unwrap();
    new.instances[1].memory_mib = Mebibytes::new(1024);
    let changed = run_allowing(&new, &world, state.path(), &allowing("box"));
    assert!(changed.is_complete(), "{}", changed.story());
    let step = |vertex: Vertex| changed.actions.step(&vertex).unwrap().action;
    assert_eq!(step(Vertex::Domain(new.instances[1].name.clone())), Action::Update);
    assert_eq!(file_systems(&new, &world), expected());
    assert!(is_settled(&new, &world));

    // With a new root the data stay and grow.
    new.network.as_mut().unwrap().gateway = Some([10, 20, 0, 1].into());
    new.instances[1].data.as_mut().unwrap().size_mib = Mebibytes::new(9216);
    let replaced = run_allowing(&new, &world, state.path(), &allowing("box"));
    assert!(replaced.is_complete(), "{}", replaced.story());
    let step = |vertex: Vertex| replaced.actions.step(&vertex).unwrap().action;
    assert_eq!(step(Vertex::Root(new.instances[1].name.clone())), Action::Replace);
    assert_eq!(file_systems(&new, &world)[1], [4096, 9216]);
    assert!(is_settled(&new, &world));
}

#[test]
fn a_disk_that_is_planned_smaller_is_refused() {
    let (old, state) = (small(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&old.topology);
    assert!(run(&old, &world, state.path(), Purpose::Deploy).is_complete());
    let mut new = old.clone();
    new.instances[1].data.as_mut().unwrap().size_mib = Mebibytes::new(512);
    let refused = run(&new, &world, state.path(), Purpose::Deploy);
    let shown: Vec<String> = refused.obstacles.iter().map(ToString::to_string).collect();
    assert!(
        shown.iter().any(|one| one.contains("it has 1GiB, and data of 512MiB is planned")),
        "{shown:?}"
    );
}
