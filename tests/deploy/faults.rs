//! Every call that changes something fails once, in every way; one further run
//! converges to the same world.

use hostsplit::graph::decide;
use hostsplit::hypervisor::simulated::{Mode, SimulatedWorld};
use hostsplit::plan::Plan;

use crate::fixture::{Purpose, inventory, look, plan, run};

const MODES: [Mode; 4] = [Mode::Before, Mode::After, Mode::DieBefore, Mode::DieAfter];

/// The world of an undisturbed deploy, and the changing calls that made it.
fn undisturbed(plan: &Plan) -> (Vec<String>, u64) {
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    assert!(run(plan, &world, state.path(), Purpose::Deploy).is_complete());
    (inventory(plan, &world), world.log().len() as u64)
}

/// Fails call `number`, then lives again and deploys once more.
fn converges(plan: &Plan, number: u64, mode: Mode, keep_state: bool, expected: &[String]) {
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    let directory = state.path().join("state");
    world.fail_at(number, mode);
    let first = run(plan, &world, &directory, Purpose::Deploy);
    world.revive();
    if !keep_state {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    let case = format!("call {number} {mode:?}, state kept: {keep_state}");
    let second = run(plan, &world, &directory, Purpose::Deploy);
    assert!(second.is_complete(), "{case}: {}\nfirst: {}", second.story(), first.story());
    let left = decide(plan, &look(plan, &world)).counts();
    assert_eq!(left.changes(), 0, "{case}: {left:?}");
    assert_eq!(inventory(plan, &world), expected, "{case}");
}

/// All calls of the hypervisor itself, and a stride through those in guests,
/// which the engine's own tests fail one by one.
#[test]
fn one_further_run_converges_whatever_call_fails() {
    let plan = plan();
    let (expected, calls) = undisturbed(&plan);
    assert!(calls > 50, "{calls}");
    std::thread::scope(|scope| {
        for mode in MODES {
            let (plan, expected) = (&plan, &expected);
            scope.spawn(move || {
                for number in 1..=calls {
                    converges(plan, number, mode, number % 2 == 0, expected);
                }
            });
        }
    });
}

#[test]
fn an_interrupted_destroy_is_finished_by_the_next() {
    let plan = plan();
    let destroy = Purpose::Destroy { data: true };
    let prepare = || {
        let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
        assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
        (world, state)
    };
    let (world, state) = prepare();
    let begin = world.log().len() as u64;
    assert!(run(&plan, &world, state.path(), destroy).is_complete());
    let calls = world.log().len() as u64 - begin;
    for mode in MODES {
        for number in 1..=calls {
            let (world, state) = prepare();
            world.fail_at(world.log().len() as u64 + number, mode);
            let _ = run(&plan, &world, state.path(), destroy).outcome;
            world.revive();
            let second = run(&plan, &world, state.path(), destroy);
            assert!(second.is_complete(), "call {number} {mode:?}: {}", second.story());
            let left = inventory(&plan, &world);
            assert!(left.is_empty(), "call {number} {mode:?}: {left:?}");
        }
    }
}
