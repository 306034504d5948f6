//! Configuration that changes in running guests: no machine is replaced, nobody is
//! refused, and a run that was killed anywhere is finished by the next.

use hostsplit::deploy::{Event, EventKind};
use hostsplit::graph::{Action, Vertex, decide};
use hostsplit::plan::{Plan, Setting};
use hostsplit::recipe::Credentials;
use hostsplit::secret::Secret;
use hostsplit::simulated::{Client, Fault, Mode, Requests, SimulatedWorld};

use crate::fixture::{
    Purpose, Recording, Run, allowing, look, plan, run, run_allowing, run_knowing, run_with,
    secrets, starts,
};

/// A setting that Redis takes while it runs.
const LIVE: (&str, Setting) = ("maxmemory", Setting::Bytes(1 << 28));
/// A setting that Redis only reads when it starts.
const RESTART: (&str, Setting) = ("io-threads", Setting::Count(2));

/// The plan with another setting for every instance of its cluster.
fn with(setting: (&str, Setting)) -> Plan {
    changed(plan(), setting)
}

fn changed(mut plan: Plan, (name, value): (&str, Setting)) -> Plan {
    for instance in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        instance.settings.insert(name.to_owned(), value.clone());
    }
    plan
}

/// A cluster that was deployed, with a client that sends a request at each call.
fn deployed(state: &std::path::Path) -> SimulatedWorld {
    deployed_as(&plan(), state)
}

fn deployed_as(plan: &Plan, state: &std::path::Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(plan, &world, state, Purpose::Deploy).is_complete());
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts = members.filter_map(|one| Some((one.address?, 6379))).collect();
    world.attach(Client {
        contacts,
        password: Some("for-all-clients".to_owned()),
        encrypted: false,
    });
    let _ = world.take_requests();
    world
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

/// The plan without its replicas.
fn without_replicas() -> Plan {
    let mut plan = plan();
    let service = &mut plan.services[0];
    service.layout.copies = 1;
    service.groups.iter_mut().for_each(|group| group.replicas.clear());
    let leads: Vec<_> = service.groups.iter().map(|group| group.lead.clone()).collect();
    plan.instances.retain(|one| one.group.is_none() || leads.contains(&one.name));
    plan
}

#[test]
fn the_only_healthy_copy_of_a_group_is_not_restarted() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(state.path());
    let plan = with(RESTART);
    let before = world.starts("shop-cache-0");
    // Its replica is restarted first, and hangs when its own turn comes.
    let own_turn = |event: &Event| {
        let vertex = event.vertex.to_string();
        vertex == "configured cache-0" && matches!(event.kind, EventKind::Started(_))
    };
    let stopped = run_with(&plan, &world, state.path(), Purpose::Deploy, &|event| {
        if own_turn(event) {
            world.set_hung("shop-cache-1", true);
        }
    });
    assert!(!stopped.is_complete());
    let failures = &stopped.outcome.as_ref().unwrap().failures;
    let failure = failures.iter().find(|one| one.vertex.to_string() == "configured cache-0");
    let said = failure.unwrap().error.to_string();
    let sentence = "cache-0 is the only healthy copy of its data and is not taken away: cache-1: it \
                    does not answer; bring these back";
    assert!(said.contains(sentence), "{said}");
    assert_eq!(world.starts("shop-cache-0"), before, "{said}");

    world.set_hung("shop-cache-1", false);
    let second = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(second.is_complete(), "{}", second.story());
    assert_eq!(world.starts("shop-cache-0"), before + 1);
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn a_restart_of_single_copies_is_announced_as_an_outage() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed_as(&without_replicas(), state.path());
    let plan = changed(without_replicas(), RESTART);
    let before = starts(&plan, &world);
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    let sentence =
        "cache does not serve meanwhile: cache-0, cache-2, cache-4 (its engine is restarted)";
    assert!(refused.story().contains(sentence), "{}", refused.story());
    let restarted = run_allowing(&plan, &world, state.path(), &allowing("cache"));
    assert!(restarted.is_complete(), "{}", restarted.story());
    let outage = |n| {
        format!(
            "configured cache-{n}: configuration changes, restart: the only copy of its data, \
             which nobody serves meanwhile"
        )
    };
    assert_eq!(reasons(&restarted), [0, 2, 4].map(outage));
    assert_eq!(restarted.actions.counts().replace, 0);
    assert_eq!(starts(&plan, &world), before + 3);
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn a_password_and_a_setting_that_needs_a_restart_change_together() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(state.path());
    let plan = with(RESTART);
    let before = starts(&plan, &world);
    let secret = |text| Secret::parse(text).unwrap();
    let (client, internal) = (secret("for-all-clients"), secret("anew-for-ourselves"));
    let mut known = secrets();
    let credentials = Credentials { client, internal };
    known.services.insert(plan.services[0].name.clone(), credentials.into());
    let deploy = || {
        let quiet: (&(dyn Fn(&Event) + Sync), &Recording<'_>) =
            (&|_| {}, &|journal| Box::new(journal));
        run_knowing(&plan, &world, state.path(), Purpose::Deploy, quiet, &known)
    };
    let changed = deploy();
    assert!(changed.is_complete(), "{}", changed.story());
    assert_eq!(changed.actions.counts().replace, 0);
    assert_eq!(starts(&plan, &world), before + 6);
    assert_nobody_was_refused(&world.take_requests());
    assert_eq!(deploy().actions.counts().changes(), 0);
}

#[test]
fn one_further_deploy_finishes_a_change_that_was_killed_at_any_call() {
    // Every call to a replica and to a lead, and some of all the others.
    let cases: Vec<usize> = {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(state.path());
        let before = world.log().len();
        assert!(run(&with(RESTART), &world, state.path(), Purpose::Deploy).is_complete());
        let log = world.log();
        let calls = log[before..].iter().enumerate().map(|(at, call)| (at + 1, call));
        let chosen = calls.filter(|(number, call)| {
            ["shop-cache-1", "shop-cache-0"].contains(&call.object.as_str()) || number % 9 == 1
        });
        chosen.map(|(number, _)| number).collect()
    };
    assert!(cases.len() > 30, "{}", cases.len());
    let plan = with(RESTART);
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
