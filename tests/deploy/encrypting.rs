//! Encryption that is turned on and off: clients that keep to the order are never refused, no
//! engine is restarted, and a run that was killed anywhere is finished by the next.

use std::path::Path;
use std::time::Duration;

use hostsplit::deploy::Allowed;
use hostsplit::graph::decide;
use hostsplit::hypervisor::clock::Clock;
use hostsplit::plan::Plan;
use hostsplit::simulated::{Client, Fault, Mode, SimulatedWorld};
use hostsplit::spec::Tls;
use hostsplit::units::Mebibytes;

use crate::fixture::{
    Purpose, Run, allowing, at_every, look, plan, reasons, run, run_allowing, run_in_turn, starts,
};

const PLAIN: u16 = 6379;
const ENCRYPTED: u16 = 6380;

/// The plan with another rule of encryption: connections without it come to one port, those
/// with it to another.
pub fn with(tls: Tls) -> Plan {
    let mut plan = plan();
    let access = &mut plan.services[0].access;
    (access.tls, access.port) = (tls, (tls == Tls::On).then_some(ENCRYPTED));
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        let mut set = |name: &str, value: hostsplit::plan::Setting| {
            one.settings.insert(name.to_owned(), value);
        };
        if tls == Tls::Off {
            continue;
        }
        set("cluster-announce-bus-port", 16379.into());
        set("cluster-port", 16379.into());
        set("tls-port", u64::from(ENCRYPTED).into());
        set("tls-auth-clients", false.into());
        set("tls-ca-cert-file", "/etc/redis/ca.crt".into());
        set("tls-cert-file", "/etc/redis/server.crt".into());
        set("tls-key-file", "/etc/redis/server.key".into());
        if tls == Tls::On {
            set("port", 0.into());
            set("tls-cluster", true.into());
            set("tls-replication", true.into());
        }
    }
    plan
}

fn client(plan: &Plan, encrypted: bool) -> Client {
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let port = if encrypted { ENCRYPTED } else { PLAIN };
    let contacts = members.filter_map(|one| Some((one.address?, port))).collect();
    Client { contacts, password: Some("for-all-clients".to_owned()), encrypted }
}

/// A cluster that was deployed with one rule, and writers who are let in by it and by
/// another.
fn deployed(from: Tls, to: Tls, state: &Path) -> SimulatedWorld {
    let plan = with(from);
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(&plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    for encrypted in [false, true] {
        let refuses = if encrypted { Tls::Off } else { Tls::On };
        if from != refuses && to != refuses {
            world.attach(client(&plan, encrypted));
        }
    }
    let _ = world.take_requests();
    world
}

/// By which kinds of connections clients are let in now: without encryption, and with it.
fn taken(plan: &Plan, world: &SimulatedWorld) -> [bool; 2] {
    [false, true].map(|encrypted| world.request(&client(plan, encrypted), "taken").is_ok())
}

/// By which they are to be let in.
fn takes(tls: Tls) -> [bool; 2] {
    [tls != Tls::On, tls != Tls::Off]
}

const CHANGES: [(Tls, Tls); 4] = [
    (Tls::Off, Tls::Optional),
    (Tls::Optional, Tls::On),
    (Tls::On, Tls::Optional),
    (Tls::Optional, Tls::Off),
];

/// Deploys a rule while writers write.
fn follow(from: Tls, to: Tls) -> Run {
    let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
    let world = deployed(from, to, state.path());
    let before = starts(&plan, &world);
    let changed = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(changed.is_complete(), "{from:?} to {to:?}: {}", changed.story());
    assert_eq!(changed.actions.counts().replace, 0, "{from:?} to {to:?}");
    assert_eq!(starts(&plan, &world), before, "{from:?} to {to:?}");
    let requests = world.take_requests();
    assert_eq!(requests.refused, [""; 0], "{from:?} to {to:?}");
    assert!(requests.answered > 20, "{requests:?}");
    assert_eq!(taken(&plan, &world), takes(to), "{from:?} to {to:?}");
    assert_eq!(reasons(&run_again(&plan, &world, state.path())), [""; 0]);
    // It starts with the rule that it was given while it ran.
    world.power_cut(&plan.instances[0].host);
    world.power_on(&plan.instances[0].host);
    let again = run_again(&plan, &world, state.path());
    assert!(again.is_complete(), "{from:?} to {to:?}: {}", again.story());
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
    assert_eq!(taken(&plan, &world), takes(to), "{from:?} to {to:?}");
    changed
}

fn run_again(plan: &Plan, world: &SimulatedWorld, state: &Path) -> Run {
    run(plan, world, state, Purpose::Deploy)
}

#[test]
fn encryption_is_turned_on_and_off_while_clients_write() {
    let words = CHANGES.map(|(from, to)| {
        let changed = follow(from, to);
        let words = reasons(&changed)
            .into_iter()
            .filter(|line| line.contains("cache-0") || line.contains("joined"));
        words.collect::<Vec<_>>().join("\n")
    });
    insta::assert_snapshot!(words.join("\n\n"), @r"
    configured cache-0: encrypted connections are accepted beside others, taken up live

    joined cache: all instances change over at once, to connections between them that are encrypted
    configured cache-0: encryption is required, other connections are refused, taken up live

    prepared cache-0: lets others in by both rules before any changes over
    joined cache: all instances change over at once, to connections between them that are not encrypted
    configured cache-0: connections without encryption are accepted beside others, taken up live

    configured cache-0: encrypted connections are not accepted any more, taken up live
    ");
}

#[test]
fn encryption_that_replaces_other_connections_at_once_has_to_be_allowed() {
    for (from, to) in [(Tls::Off, Tls::On), (Tls::On, Tls::Off)] {
        let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
        let world = deployed(from, to, state.path());
        let refused = run(&plan, &world, state.path(), Purpose::Deploy);
        for sentence in [
            "all of its engines are restarted together",
            "connections as clients have them now are refused at once: `tls: optional` first \
             takes both kinds",
        ] {
            assert!(refused.story().contains(sentence), "{}", refused.story());
        }
        assert_eq!(taken(&plan, &world), takes(from));
        let allowed = run_allowing(&plan, &world, state.path(), &allowing("cache"));
        assert!(allowed.is_complete(), "{}", allowed.story());
        assert_eq!(taken(&plan, &world), takes(to));
    }
}

#[test]
fn encryption_is_turned_on_and_off_with_machines_that_change() {
    for (from, to) in CHANGES {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(from, to, state.path());
        let mut plan = with(to);
        for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
            one.memory_mib = Mebibytes::new(1024);
        }
        // A hand-over has its limit, and time that others wait for their boot counts.
        let changed = run_in_turn(&plan, &world, state.path(), Purpose::Deploy);
        assert!(changed.is_complete(), "{from:?} to {to:?}: {}", changed.story());
        assert_eq!(world.take_requests().refused, [""; 0], "{from:?} to {to:?}");
        assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
        assert_eq!(taken(&plan, &world), takes(to), "{from:?} to {to:?}");
    }
}

#[test]
fn one_further_deploy_finishes_a_change_that_was_killed_at_any_call() {
    for (from, to) in CHANGES {
        let begin = |state: &Path| deployed(from, to, state);
        at_every(7, &with(to), &begin, |call| killed_at(from, to, call));
    }
}

/// Members that leave are changed over as well: they have data until others have it.
#[test]
fn encryption_is_turned_on_and_off_while_copies_leave() {
    for (from, to) in CHANGES {
        let (state, mut plan) = (tempfile::tempdir().unwrap(), with(to));
        let service = &mut plan.services[0];
        service.layout.copies = 1;
        service.groups.iter_mut().for_each(|group| group.replicas.clear());
        let leads: Vec<_> = service.groups.iter().map(|group| group.lead.clone()).collect();
        plan.instances.retain(|one| one.group.is_none() || leads.contains(&one.name));
        let world = deployed(from, to, state.path());
        let changed = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(changed.is_complete(), "{from:?} to {to:?}: {}", changed.story());
        assert_eq!(world.take_requests().refused, [""; 0], "{from:?} to {to:?}");
        assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
        assert_eq!(taken(&plan, &world), takes(to), "{from:?} to {to:?}");
    }
}

/// A server that answers nobody keeps the cluster from changing over, and nobody from it.
#[test]
fn one_that_hangs_keeps_the_others_as_they_are() {
    let (from, to) = (Tls::Optional, Tls::On);
    let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
    let world = deployed(from, to, state.path());
    let replica = &plan.services[0].groups[0].replicas[0];
    let domain = &plan.instance(replica).unwrap().domain;
    world.set_hung(domain, true);
    let first = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(!first.is_complete(), "{}", first.story());
    assert_eq!(world.take_requests().refused, [""; 0], "{}", first.story());
    world.set_hung(domain, false);
    let second = run_again(&plan, &world, state.path());
    assert!(second.is_complete(), "{}", second.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
    assert_eq!(taken(&plan, &world), takes(to));
}

/// Whose host does not answer runs on all the same, and must not be cut off from the others.
#[test]
fn who_cannot_be_looked_at_changes_over_with_the_others() {
    for (from, to) in [(Tls::Optional, Tls::On), (Tls::On, Tls::Optional)] {
        let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
        let world = deployed(from, to, state.path());
        let host = &plan.instances[0].host;
        world.set_reachable(host, false);
        let partial = run(&plan, &world, state.path(), Purpose::Deploy);
        let end = partial.outcome.as_ref().unwrap();
        assert!(end.failures.is_empty() && end.skipped > 0, "{}", partial.story());
        // As long as a server waits before it takes another for failed.
        world.clock().wait(Duration::from_secs(60));
        assert_eq!(world.take_requests().refused, [""; 0], "{from:?} to {to:?}");
        world.set_reachable(host, true);
        let whole = run_again(&plan, &world, state.path());
        assert!(whole.is_complete(), "{from:?} to {to:?}: {}", whole.story());
        assert_eq!(world.take_requests().refused, [""; 0], "{from:?} to {to:?}");
        assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
        assert_eq!(taken(&plan, &world), takes(to), "{from:?} to {to:?}");
    }
}

/// An instance that does not answer when the deploy looks must not close its port before
/// the others have changed over: its replica would find no port of it any more.
#[test]
fn one_further_deploy_finishes_a_change_in_which_a_call_failed() {
    let (from, to) = (Tls::Optional, Tls::On);
    let looks = {
        let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
        let world = deployed(from, to, state.path());
        let before = world.log().len();
        let _ = look(&plan, &world);
        world.log().len() - before
    };
    let mut refused = 0;
    for call in 1..=looks {
        let case = format!("call {call}");
        let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
        let world = deployed(from, to, state.path());
        world.fail(Fault::at((world.log().len() + call) as u64, Mode::Before));
        let first = run(&plan, &world, state.path(), Purpose::Deploy);
        refused += u32::from(first.story().contains("did not answer when the deploy looked"));
        let second = run_again(&plan, &world, state.path());
        assert!(second.is_complete(), "{case}: {}", second.story());
        assert_eq!(world.take_requests().refused, [""; 0], "{case}");
        assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0, "{case}");
        assert_eq!(taken(&plan, &world), takes(to), "{case}");
    }
    assert!(refused > 0, "it came to that");
}

fn killed_at(from: Tls, to: Tls, call: usize) {
    let case = format!("{from:?} to {to:?}, call {call}");
    let mode = if call.is_multiple_of(2) { Mode::DieBefore } else { Mode::DieAfter };
    let (state, plan) = (tempfile::tempdir().unwrap(), with(to));
    let world = deployed(from, to, state.path());
    world.fail(Fault::at((world.log().len() + call) as u64, mode));
    let _ = run(&plan, &world, state.path(), Purpose::Deploy);
    world.revive();
    // Or back again.
    let back = if call.is_multiple_of(3) { &with(from) } else { &plan };
    let before = starts(back, &world);
    let second = run_allowing(back, &world, state.path(), &Allowed::default());
    assert!(second.is_complete(), "{case}: {}", second.story());
    assert_eq!(starts(back, &world), before, "{case}");
    assert_eq!(world.take_requests().refused, [""; 0], "{case}");
    assert_eq!(decide(back, &look(back, &world)).counts().changes(), 0, "{case}");
    assert_eq!(taken(back, &world), takes(back.services[0].access.tls), "{case}");
}
