//! Configuration that changes in running guests: no machine is replaced, nobody is
//! refused, and a run that was killed anywhere is finished by the next.

use hostsplit::graph::{Action, Vertex, decide};
use hostsplit::plan::{Plan, Setting};
use hostsplit::simulated::{Client, Fault, Mode, Requests, SimulatedWorld};

use crate::fixture::{Purpose, Run, look, plan, run};

/// A setting that Redis takes while it runs.
const LIVE: (&str, Setting) = ("maxmemory", Setting::Bytes(1 << 28));
/// A setting that Redis only reads when it starts.
const RESTART: (&str, Setting) = ("io-threads", Setting::Count(2));

/// The plan with another setting for every instance of its cluster.
fn with((name, value): (&str, Setting)) -> Plan {
    let mut plan = plan();
    for instance in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        instance.settings.insert(name.to_owned(), value.clone());
    }
    plan
}

/// A cluster that was deployed, with a client that sends a request at each call.
fn deployed(state: &std::path::Path) -> SimulatedWorld {
    let plan = plan();
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state, Purpose::Deploy).is_complete());
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts = members.filter_map(|one| Some((one.address?, 6379))).collect();
    world.attach(Client { contacts, password: Some("for-all-clients".to_owned()) });
    let _ = world.take_requests();
    world
}

fn starts(plan: &Plan, world: &SimulatedWorld) -> u32 {
    plan.instances.iter().map(|one| world.starts(&one.domain)).sum()
}

/// What is to be done with the configuration of each instance.
fn reasons(run: &Run) -> Vec<String> {
    let steps = run.actions.steps().filter(|(vertex, step)| {
        matches!(vertex, Vertex::Configured(_)) && step.action != Action::NoOp
    });
    steps.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect()
}

fn assert_nobody_was_refused(requests: &Requests) {
    assert_eq!(requests.refused, [""; 0]);
    assert!(requests.answered > 20, "{requests:?}");
}

#[test]
fn a_setting_that_an_engine_takes_while_it_runs_restarts_nothing() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(state.path());
    let plan = with(LIVE);
    let before = starts(&plan, &world);
    let changed = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    let each =
        (0..6).map(|n| format!("configured cache-{n}: configuration changes, taken up live"));
    assert_eq!(reasons(&changed), each.collect::<Vec<_>>());
    assert_eq!(changed.actions.counts().replace, 0);
    assert_eq!(starts(&plan, &world), before);
    assert_nobody_was_refused(&world.take_requests());
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn a_setting_that_needs_a_restart_gets_one_instance_after_the_other() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(state.path());
    let plan = with(RESTART);
    let before = starts(&plan, &world);
    let changed = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    let replica = |n| format!("configured cache-{n}: configuration changes, restart");
    let lead = |n| format!("configured cache-{n}: configuration changes, hand-over then restart");
    let order: Vec<String> =
        [1, 3, 5].map(replica).into_iter().chain([0, 2, 4].map(lead)).collect();
    assert_eq!(reasons(&changed), order);
    assert_eq!(changed.actions.counts().replace, 0);
    assert_eq!(starts(&plan, &world), before + 6);
    assert_nobody_was_refused(&world.take_requests());
    // Roles are as planned again, too.
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn one_further_deploy_finishes_a_change_that_was_killed_at_any_call() {
    let calls = {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(state.path());
        let before = world.log().len();
        assert!(run(&with(RESTART), &world, state.path(), Purpose::Deploy).is_complete());
        world.log().len() - before
    };
    assert!(calls > 50, "{calls}");
    let plan = with(RESTART);
    let cases: Vec<usize> = (1..=calls).step_by(9).collect();
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(4)) {
            let plan = &plan;
            scope.spawn(move || {
                for call in part {
                    let mode = if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter };
                    let state = tempfile::tempdir().unwrap();
                    let world = deployed(state.path());
                    let number = (world.log().len() + call) as u64;
                    world.fail(Fault::at(number, mode));
                    let _ = run(plan, &world, state.path(), Purpose::Deploy);
                    world.revive();
                    let second = run(plan, &world, state.path(), Purpose::Deploy);
                    assert!(second.is_complete(), "call {call} {mode:?}: {}", second.story());
                    assert_eq!(second.actions.counts().replace, 0, "call {call}");
                    let requests = world.take_requests();
                    assert_eq!(requests.refused, [""; 0], "call {call} {mode:?}");
                    let left = decide(plan, &look(plan, &world)).counts();
                    assert_eq!(left.changes(), 0, "call {call} {mode:?}");
                }
            });
        }
    });
}
