//! Another port for clients: one engine after the other changes it while it runs and another
//! copy leads, and a run that was killed anywhere is finished by the next.

use std::path::Path;

use hostsplit::graph::{Action, Vertex, decide};
use hostsplit::plan::Plan;
use hostsplit::simulated::{Client, Fault, Mode, SimulatedWorld};

use crate::fixture::{Purpose, at_every, look, plan, run, starts};

const PORT: u16 = 6379;
const OTHER: u16 = 7000;

/// The plan with a port for clients, and the settings of that.
fn with(port: u16) -> Plan {
    let mut plan = plan();
    plan.services[0].access.port = (port != PORT).then_some(port);
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.settings.insert("port".to_owned(), u64::from(port).into());
        for name in ["cluster-port", "cluster-announce-bus-port"] {
            match port {
                PORT => drop(one.settings.remove(name)),
                _ => drop(one.settings.insert(name.to_owned(), 16379.into())),
            }
        }
    }
    plan
}

/// A cluster that was deployed, and a writer who knows both ports of each instance.
fn deployed(port: u16, state: &Path) -> SimulatedWorld {
    let plan = with(port);
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(&plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts = members.filter_map(|one| one.address);
    let contacts = contacts.flat_map(|address| [(address, PORT), (address, OTHER)]).collect();
    world.attach(Client {
        contacts,
        password: Some("for-all-clients".to_owned()),
        encrypted: false,
    });
    let _ = world.take_requests();
    world
}

fn listens(plan: &Plan, world: &SimulatedWorld, port: u16) -> usize {
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let at = members.filter_map(|one| Some(vec![(one.address?, port)]));
    let password = Some("for-all-clients".to_owned());
    at.filter(|at| {
        let client = Client { contacts: at.clone(), password: password.clone(), encrypted: false };
        world.request(&client, "listens") != Err("Connection refused".to_owned())
    })
    .count()
}

#[test]
fn a_port_changes_one_by_one_while_a_client_writes() {
    for (from, to) in [(PORT, OTHER), (OTHER, PORT)] {
        let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
        let world = deployed(from, state.path());
        let before = starts(&plan, &world);
        let changed = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(changed.is_complete(), "{from} to {to}: {}", changed.story());
        let steps = changed.actions.steps().filter(|(vertex, step)| {
            step.action != Action::NoOp && !matches!(vertex, Vertex::Cluster(_))
        });
        let reasons: Vec<String> = steps.map(|(_, step)| step.reason.to_string()).collect();
        let reason = "port changes, hand-over then taken up live";
        assert_eq!(reasons, [reason; 6]);
        assert_eq!(starts(&plan, &world), before);
        let requests = world.take_requests();
        assert_eq!(requests.refused, [""; 0], "{from} to {to}");
        assert!(requests.answered > 20, "{requests:?}");
        assert_eq!((listens(&plan, &world, from), listens(&plan, &world, to)), (0, 6));
        assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
    }
}

#[test]
fn one_further_deploy_finishes_a_port_that_was_killed_at_any_call() {
    at_every(5, &with(OTHER), &|state: &Path| deployed(PORT, state), killed_at);
}

fn killed_at(call: usize) {
    let mode = if call.is_multiple_of(2) { Mode::DieBefore } else { Mode::DieAfter };
    let (state, plan) = (tempfile::tempdir().unwrap(), with(OTHER));
    let world = deployed(PORT, state.path());
    let before = starts(&plan, &world);
    world.fail(Fault::at((world.log().len() + call) as u64, mode));
    let _ = run(&plan, &world, state.path(), Purpose::Deploy);
    world.revive();
    let second = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(second.is_complete(), "call {call}: {}", second.story());
    assert_eq!(starts(&plan, &world), before, "call {call}");
    assert_eq!(world.take_requests().refused, [""; 0], "call {call}");
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0, "call {call}");
}
