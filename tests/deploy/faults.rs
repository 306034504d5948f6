//! Every call that changes something fails once; one further run converges to
//! the same world.

use std::path::Path;

use hostsplit::graph::decide;
use hostsplit::plan::Plan;
use hostsplit::simulated::{Call, Mode, SimulatedWorld};

use crate::fixture::{Purpose, inventory, look, plan, run, small};

const MODES: [Mode; 4] = [Mode::Before, Mode::After, Mode::DieBefore, Mode::DieAfter];

/// Each call with the ways that it fails in: calls in guests, of which there are
/// many alike, take turns; the others fail in every way.
fn cases(calls: &[Call]) -> Vec<(u64, Mode)> {
    let turns = MODES.iter().copied().cycle();
    let both = calls.iter().zip(turns);
    let modes = both.flat_map(|(call, turn)| {
        let modes = if call.name.starts_with("agent") { vec![turn] } else { MODES.to_vec() };
        modes.into_iter().map(|mode| (call.number, mode))
    });
    modes.collect()
}

/// Fails call `number`, then lives again and deploys once more.
fn converges_after(plan: &Plan, number: u64, mode: Mode, expected: &[String]) {
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    let directory = state.path().join("state");
    world.fail_at(number, mode);
    let first = run(plan, &world, &directory, Purpose::Deploy);
    let case = format!("call {number} {mode:?}, first {}", first.story());
    converges(plan, &world, &directory, number, expected, &case);
}

/// Lives again and deploys once more, which ends with everything as expected.
pub fn converges(
    plan: &Plan,
    world: &SimulatedWorld,
    directory: &Path,
    number: u64,
    expected: &[String],
    case: &str,
) {
    world.revive();
    // Nothing hangs on the journal: every other time it is lost.
    let is_lost = number.is_multiple_of(2);
    if is_lost {
        std::fs::remove_dir_all(directory).unwrap();
    }
    let second = run(plan, world, directory, Purpose::Deploy);
    assert!(second.is_complete(), "{case}, state lost {is_lost}: {}", second.story());
    let left = decide(plan, &look(plan, world)).counts();
    assert_eq!(left.changes(), 0, "{case}, state lost {is_lost}: {left:?}");
    assert_eq!(inventory(plan, world), expected, "{case}, state lost {is_lost}");
}

#[test]
fn one_further_run_converges_whatever_call_fails() {
    let plan = plan();
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let (expected, cases) = (inventory(&plan, &world), cases(&world.log()));
    assert!(cases.len() > 200, "{}", cases.len());
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(4)) {
            let (plan, expected) = (&plan, &expected);
            scope.spawn(move || {
                for (number, mode) in part {
                    converges_after(plan, *number, *mode, expected);
                }
            });
        }
    });
}

#[test]
fn an_interrupted_destroy_is_finished_by_the_next() {
    let plan = small();
    let destroy = Purpose::Destroy { data: true };
    let prepare = || {
        let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
        assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
        let begin = world.log().len();
        (world, state, begin)
    };
    let (world, state, begin) = prepare();
    assert!(run(&plan, &world, state.path(), destroy).is_complete());
    let calls = world.log().split_off(begin);
    let is_removing = |call: &&Call| !call.name.starts_with("agent");
    for (index, call) in calls.iter().enumerate().filter(|(_, call)| is_removing(call)) {
        for mode in [Mode::After, Mode::DieBefore] {
            let (world, state, begin) = prepare();
            world.fail_at((begin + index + 1) as u64, mode);
            let _ = run(&plan, &world, state.path(), destroy).outcome;
            world.revive();
            let second = run(&plan, &world, state.path(), destroy);
            assert!(second.is_complete(), "{call:?} {mode:?}: {}", second.story());
            let left = inventory(&plan, &world);
            assert!(left.is_empty(), "{call:?} {mode:?}: {left:?}");
        }
    }
}
