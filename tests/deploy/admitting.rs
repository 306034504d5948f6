//! A password that is turned on and off: clients that keep to the order are never refused, no
//! engine is restarted, and a run that was killed anywhere is finished by the next.

use std::path::Path;

use hostsplit::deploy::Allowed;
use hostsplit::graph::decide;
use hostsplit::plan::Plan;
use hostsplit::simulated::{Client, Fault, Mode, SimulatedWorld};
use hostsplit::spec::{Access, Entry, Password};
use hostsplit::units::Mebibytes;

use crate::fixture::{
    Purpose, Run, allowing, at_every, look, plan, reasons, run, run_allowing, starts,
};

/// The plan with another rule of whom its service lets in, and the settings of that.
fn with(entry: Entry) -> Plan {
    let mut plan = plan();
    let password = (entry != Entry::Open).then_some(Password::Generated);
    let optional = entry == Entry::Both;
    plan.services[0].access = Access { password, optional, ..Access::default() };
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.settings.insert("protected-mode".to_owned(), (entry == Entry::Closed).into());
        if entry == Entry::Open {
            one.settings.remove("include");
            one.settings.remove("masteruser");
        }
    }
    plan
}

/// A cluster that was deployed with one rule, and writers who are let in by it and by
/// another.
fn deployed(from: Entry, to: Entry, state: &Path) -> SimulatedWorld {
    let plan = with(from);
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(&plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts: Vec<_> = members.filter_map(|one| Some((one.address?, 6379))).collect();
    let password = Some("for-all-clients".to_owned());
    world.attach(Client { contacts: contacts.clone(), password, encrypted: false });
    if from != Entry::Closed && to != Entry::Closed {
        world.attach(Client { contacts, password: None, encrypted: false });
    }
    let _ = world.take_requests();
    world
}

/// Whether a client without a password is let in.
fn is_open(plan: &Plan, world: &SimulatedWorld) -> bool {
    let contacts = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts = contacts.filter_map(|one| Some((one.address?, 6379))).collect();
    world.request(&Client { contacts, password: None, encrypted: false }, "open").is_ok()
}

/// Deploys a rule while writers of both kinds write.
fn follow(from: Entry, to: Entry, allowed: &Allowed) -> Run {
    let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
    let world = deployed(from, to, state.path());
    let before = starts(&plan, &world);
    let changed = run_allowing(&plan, &world, state.path(), allowed);
    assert!(changed.is_complete(), "{from:?} to {to:?}: {}", changed.story());
    assert_eq!(changed.actions.counts().replace, 0, "{from:?} to {to:?}");
    assert_eq!(starts(&plan, &world), before, "{from:?} to {to:?}");
    let requests = world.take_requests();
    assert_eq!(requests.refused, [""; 0], "{from:?} to {to:?}");
    assert!(requests.answered > 20, "{requests:?}");
    assert_eq!(is_open(&plan, &world), to != Entry::Closed, "{from:?} to {to:?}");
    assert_eq!(reasons(&run(&plan, &world, state.path(), Purpose::Deploy)), [""; 0]);
    // It starts with the rule that it was given while it ran.
    world.power_cut(&plan.instances[0].host);
    world.power_on(&plan.instances[0].host);
    let again = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(again.is_complete(), "{from:?} to {to:?}: {}", again.story());
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
    changed
}

const CHANGES: [(Entry, Entry); 5] = [
    (Entry::Open, Entry::Both),
    (Entry::Both, Entry::Closed),
    (Entry::Closed, Entry::Both),
    (Entry::Both, Entry::Open),
    (Entry::Closed, Entry::Open),
];

#[test]
fn a_password_is_turned_on_and_off_while_clients_write() {
    let words = CHANGES.map(|(from, to)| {
        let changed = follow(from, to, &Allowed::default());
        let words = reasons(&changed).into_iter().filter(|line| line.contains("cache-0"));
        words.collect::<Vec<_>>().join("\n")
    });
    let prepared = "prepared cache-0: lets others in by both rules before any changes over\n";
    let configured = "configured cache-0: ";
    let live = ", taken up live";
    assert_eq!(
        words,
        [
            format!("{prepared}{configured}a password is accepted beside none{live}"),
            format!("{configured}a password is required, clients without one are refused{live}"),
            format!("{configured}clients without the password are let in beside others{live}"),
            format!("{prepared}{configured}no password is needed any more{live}"),
            format!("{prepared}{configured}no password is needed any more{live}"),
        ]
    );
}

#[test]
fn a_password_that_is_required_at_once_has_to_be_allowed() {
    let (state, plan) = (tempfile::tempdir().unwrap(), with(Entry::Closed));
    let world = deployed(Entry::Open, Entry::Closed, state.path());
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    let sentence = "clients without a password are refused at once: `password: optional` first \
                    lets both in";
    assert!(refused.story().contains(sentence), "{}", refused.story());
    // Also where all machines change, of which none runs as planned.
    let mut larger = plan.clone();
    for one in larger.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.memory_mib = Mebibytes::new(1024);
    }
    let refused = run(&larger, &world, state.path(), Purpose::Deploy);
    assert!(refused.story().contains(sentence), "{}", refused.story());
    assert!(is_open(&plan, &world));
    follow(Entry::Open, Entry::Closed, &allowing("cache"));
}

#[test]
fn a_password_is_turned_on_and_off_with_machines_that_change() {
    for (from, to) in CHANGES {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(from, to, state.path());
        let mut plan = with(to);
        for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
            one.memory_mib = Mebibytes::new(1024);
        }
        let changed = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(changed.is_complete(), "{from:?} to {to:?}: {}", changed.story());
        assert_eq!(world.take_requests().refused, [""; 0], "{from:?} to {to:?}");
        assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
    }
}

#[test]
fn one_further_deploy_finishes_a_rule_that_was_killed_at_any_call() {
    for (from, to) in CHANGES {
        let begin = |state: &Path| deployed(from, to, state);
        at_every(11, &with(to), &begin, |call| killed_at(from, to, call));
    }
}

fn killed_at(from: Entry, to: Entry, call: usize) {
    let case = format!("{from:?} to {to:?}, call {call}");
    let mode = if call.is_multiple_of(2) { Mode::DieBefore } else { Mode::DieAfter };
    let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
    let world = deployed(from, to, state.path());
    world.fail(Fault::at((world.log().len() + call) as u64, mode));
    let _ = run(&plan, &world, state.path(), Purpose::Deploy);
    world.revive();
    // Or back again.
    let back = if call.is_multiple_of(3) { &with(from) } else { &plan };
    let allowed = if call.is_multiple_of(3) { allowing("cache") } else { Allowed::default() };
    let before = starts(back, &world);
    let second = run_allowing(back, &world, state.path(), &allowed);
    assert!(second.is_complete(), "{case}: {}", second.story());
    assert_eq!(starts(back, &world), before, "{case}");
    assert_eq!(world.take_requests().refused, [""; 0], "{case}");
    assert_eq!(decide(back, &look(back, &world)).counts().changes(), 0, "{case}");
}
