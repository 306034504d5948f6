//! Databases whose copies elect their primary: formed once, changed while a majority is left, and
//! formed anew only where every copy is known.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hostsplit::deploy::Failover;
use hostsplit::graph::decide;
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::planner::make_with;
use hostsplit::profile::Profiles;
use hostsplit::simulated::{Client, Mode, Requests, Server, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Access, Demand, Engine, FailoverMode, Password, Policy, RelationalDemand, Spec,
};
use hostsplit::topology::{Host, Level};
use hostsplit::units::{Mebibytes, PerSecond};

use crate::fixture::{self, Purpose, Run, at_every, connected, look, reasons, run, starts};
use crate::plain;

fn spec(hosts: u32) -> Spec {
    let host = |number: u32| {
        let node = plain::node(0, vec![plain::l3(0..=31)], 64);
        let name = format!("h{number}");
        let uri = Some(format!("test://{name}"));
        Host { uri, ..plain::host(&name, vec![node], 100) }
    };
    let demand = Demand::PrimaryReplica(RelationalDemand {
        reads_per_s: PerSecond::new(100),
        writes_per_s: PerSecond::new(10),
        data_mib: Mebibytes::from_gib(1),
        working_set_percent: 100,
        shards: 1,
        failover: FailoverMode::Automatic,
    });
    let mut orders = plain::service("orders", Engine::Mysql, demand);
    orders.access = Access { password: Some(Password::Generated), ..Access::default() };
    let mut spec =
        plain::spec((1..=hosts).map(host).collect(), Policy::surviving(Level::Host), vec![orders]);
    spec.image = fixture::plan().image;
    spec
}

fn planned(spec: &Spec, prior: Option<&Plan>) -> Plan {
    let profiles = Profiles::builtin().unwrap();
    make_with(spec, &profiles, &Limits::default(), prior).unwrap().0
}

/// Three copies on three hosts.
fn trio() -> Plan {
    let plan = planned(&spec(3), None);
    assert_eq!(plan.instances.len(), 3);
    plan
}

fn primary(plan: &Plan) -> &Instance {
    plan.instances.iter().find(|one| one.role == Role::Primary).unwrap()
}

fn replicas(plan: &Plan) -> Vec<&Instance> {
    plan.instances.iter().filter(|one| one.role == Role::Replica).collect()
}

/// A client that knows the addresses of all instances.
fn client(plan: &Plan) -> Client {
    Client {
        contacts: plan.instances.iter().filter_map(|one| Some((one.address?, 3306))).collect(),
        password: Some("for-all-clients".to_owned()),
        encrypted: false,
    }
}

/// A world with a deployed plan; a client writes all the time.
fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    assert_planned(plan, &world);
    world.attach(client(plan));
    let _ = world.take_requests();
    world
}

fn assert_planned(plan: &Plan, world: &SimulatedWorld) {
    let left = decide(plan, &look(plan, world));
    let steps = left.steps().filter(|(_, step)| step.action != hostsplit::graph::Action::NoOp);
    let left: Vec<String> =
        steps.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect();
    assert_eq!(left, [""; 0]);
}

/// One server takes writes, and it has all that was acknowledged to clients.
fn assert_kept(world: &SimulatedWorld) {
    world.glance(|scene| {
        let servers = scene.servers();
        let open: Vec<&Server> = servers.iter().filter(|one| one.writable).collect();
        assert_eq!(open.len(), 1, "one takes writes");
        for (key, value) in scene.acknowledged() {
            assert_eq!(scene.value(open[0].id, &key), Some(value.as_str()), "{key}");
        }
    });
}

/// A deploy that comes to its plan; how many of the client's requests were answered, and why
/// others were refused.
fn follow(plan: &Plan, world: &SimulatedWorld, state: &Path) -> (Run, Requests) {
    let _ = world.take_requests();
    let changed = run(plan, world, state, Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    assert_planned(plan, world);
    assert_kept(world);
    (changed, world.take_requests())
}

fn wait(world: &SimulatedWorld, seconds: u64) {
    world.clock().wait(Duration::from_secs(seconds));
}

fn host(one: &Instance) -> HostName {
    one.host.clone()
}

#[test]
fn a_group_is_formed_and_a_second_deploy_needs_nothing() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let before = starts(&plan, &world);
    let (again, requests) = follow(&plan, &world, state.path());
    assert_eq!(reasons(&again), [""; 0]);
    assert_eq!(requests.refused, [""; 0]);
    assert_eq!(starts(&plan, &world), before);
    let found = connected(&plan, &world, &fixture::secrets(), |context| {
        hostsplit::deploy::verify(context, true)
    });
    assert!(found.is_ok(), "{found:?}");
}

#[test]
fn a_deploy_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = trio();
    let begin = |_: &Path| SimulatedWorld::new(&plan.topology);
    at_every(5, &plan, &begin, |call| {
        let (world, state) = (begin(Path::new("")), tempfile::tempdir().unwrap());
        world.fail_at(call as u64, if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter });
        let _ = run(&plan, &world, state.path(), Purpose::Deploy);
        world.revive();
        let second = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(second.is_complete(), "call {call}: {}", second.story());
        assert_planned(&plan, &world);
        assert_kept(&world);
    });
}

#[test]
fn a_dead_primary_is_replaced_by_the_others_and_returns_by_itself() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    world.power_cut(&host(primary(&plan)));
    wait(&world, 10);
    assert!(world.request(&client(&plan), "goes on").is_ok());
    world.power_on(&host(primary(&plan)));
    wait(&world, 120);
    assert!(world.request(&client(&plan), "went on").is_ok());
    let (_, requests) = follow(&plan, &world, state.path());
    assert_read_only(&requests);
}

/// What was refused only because a primary hands over: it takes no writes for a moment.
fn assert_read_only(requests: &Requests) {
    let others = requests.refused.iter().filter(|why| !why.contains("read-only"));
    assert_eq!(others.count(), 0, "{:?}", requests.refused);
}

#[test]
fn more_memory_is_given_to_one_after_the_other_behind_a_hand_over() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let mut changed = plan.clone();
    for one in &mut changed.instances {
        one.memory_mib = one.memory_mib.saturating_add(Mebibytes::new(512));
    }
    let (_, requests) = follow(&changed, &world, state.path());
    assert_read_only(&requests);
    assert!(requests.answered > 0);
}

#[test]
fn no_member_is_taken_away_where_the_others_would_be_no_majority() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let mut changed = plan.clone();
    for one in &mut changed.instances {
        one.settings.insert("back_log".to_owned(), 300.into());
    }
    let lost = replicas(&plan)[1].clone();
    world.power_cut(&lost.host);
    wait(&world, 30);
    let before = starts(&plan, &world);
    let refused = run(&changed, &world, state.path(), Purpose::Deploy);
    assert!(!refused.is_complete());
    assert!(refused.story().contains("no majority of its group"), "{}", refused.story());
    assert_eq!(starts(&plan, &world), before);
    world.power_on(&lost.host);
    wait(&world, 60);
    let (_, requests) = follow(&changed, &world, state.path());
    assert_read_only(&requests);
}

#[test]
fn after_a_whole_outage_the_group_is_started_once_all_are_known() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    for number in 1..=3 {
        world.power_cut(&HostName::new(format!("h{number}")).unwrap());
    }
    for number in 2..=3 {
        world.power_on(&HostName::new(format!("h{number}")).unwrap());
    }
    wait(&world, 120);
    assert!(world.request(&client(&plan), "before").is_err(), "all boot read-only");
    let early = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(!early.is_complete(), "one is missing");
    assert!(world.request(&client(&plan), "still").is_err());
    world.power_on(&HostName::new("h1").unwrap());
    wait(&world, 120);
    follow(&plan, &world, state.path());
    assert!(world.request(&client(&plan), "after").is_ok());
}

#[test]
fn a_group_without_a_majority_is_formed_anew_by_order_only() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let (left, lost) = (replicas(&plan)[0].clone(), replicas(&plan)[1].clone());
    world.power_cut(&host(primary(&plan)));
    world.power_cut(&lost.host);
    wait(&world, 60);
    let waits = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(!waits.is_complete());
    assert!(world.request(&client(&plan), "nobody decided").is_err());
    connected(&plan, &world, &fixture::secrets(), |context| {
        let service = context.plan.service(&ServiceName::new("orders").unwrap()).unwrap();
        let failover = Failover::of(context, service, 0).unwrap();
        let found = failover.leadership().unwrap();
        assert_eq!(found.leader, None);
        assert_eq!(found.silent.len(), 2);
        let off: BTreeSet<_> = found.silent.iter().map(|one| one.name.clone()).collect();
        assert_eq!(failover.promote(&off, None), Ok(left.name.clone()));
    });
    assert!(world.request(&client(&plan), "goes on").is_ok());
    world.power_on(&host(primary(&plan)));
    world.power_on(&lost.host);
    wait(&world, 120);
    follow(&plan, &world, state.path());
    assert!(world.request(&client(&plan), "whole again").is_ok());
}

#[test]
fn a_primary_hands_over_without_losing_a_write() {
    let (plan, state) = (trio(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let to = replicas(&plan)[1];
    connected(&plan, &world, &fixture::secrets(), |context| {
        let service = context.plan.service(&ServiceName::new("orders").unwrap()).unwrap();
        let failover = Failover::of(context, service, 0).unwrap();
        failover.hand_over(&to.name).unwrap();
        let copies = failover.leadership().unwrap();
        assert_eq!(copies.leader.as_ref(), Some(&to.name));
        assert_eq!(copies.ailing.len(), 0, "{:?}", copies.ailing);
        let refused = failover.promote(&BTreeSet::new(), None).unwrap_err();
        assert!(refused.to_string().contains("leads the group"), "{refused}");
    });
    assert_read_only(&world.take_requests());
}
