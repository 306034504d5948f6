//! Databases whose copies elect their primary: formed once, changed while a majority is left, and
//! formed anew only where every copy is known.

use std::collections::BTreeSet;
use std::time::Duration;

use hostsplit::deploy::Failover;
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::simulated::SimulatedWorld;
use hostsplit::spec::{Engine, FailoverMode, Spec};
use hostsplit::units::Mebibytes;

use crate::fixture::{
    self, Purpose, assert_planned, connected, reasons, resumed_at_every, run, starts,
};
use crate::orders::{
    assert_kept, assert_read_only, client, deployed, follow, named, planned, primary, spec_of,
};

fn spec(hosts: u32) -> Spec {
    spec_of(Engine::Mysql, FailoverMode::Automatic, (hosts, 100))
}

/// Three copies on three hosts.
fn trio() -> Plan {
    let plan = planned(&spec(3), None);
    assert_eq!(plan.instances.len(), 3);
    plan
}

fn replicas(plan: &Plan) -> Vec<&Instance> {
    named(plan, Role::Replica)
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
    resumed_at_every(5, &plan, |world| {
        assert_planned(&plan, world);
        assert_kept(world);
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
