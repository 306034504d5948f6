//! Whole clusters on simulated hosts: formed, broken, repaired.

mod closed;
mod hanging;
mod matrix;
mod stage;

use proptest::prelude::*;

use self::stage::Stage;
use super::Redis;
use super::steps::Order;
use crate::engine::cluster::Cluster as _;
use crate::engine::converge::at_rest;
use crate::engine::{Change, EngineError, Fact, Goal, Operator as _, Through};
use crate::guest::GuestError;
use crate::plan::Setting;
use crate::simulated::{Fault, Mode};

fn assert_as_planned(stage: &Stage) {
    assert_eq!(stage.check(), [], "what differs from the plan");
    assert_eq!(stage.form().unwrap(), Change::NotNeeded);
}

#[test]
fn a_fresh_cluster_is_formed_as_planned_and_a_second_run_does_nothing() {
    let stage = Stage::configured();
    assert!(!stage.check().is_empty());
    let Change::Made(done) = stage.form().unwrap() else { panic!("nothing was done") };
    assert_eq!(done, "6 epochs, 3 slot ranges, 5 introductions, 3 replicas");
    assert_as_planned(&stage);
    assert!(stage.plan.instances.iter().all(|i| stage.configure(i) == Change::NotNeeded));
}

#[test]
fn a_value_goes_through_every_group() {
    let stage = Stage::formed();
    let probes = stage.probe();
    assert_eq!(probes.len(), 3);
    for probe in &probes {
        assert_eq!(probe.failure, None);
        let via = stage.plan.instance(&probe.via).unwrap();
        assert!(via.group.is_some_and(|group| probe.through != Through::Group(group)));
    }
    for ordinal in 0..6 {
        assert_eq!(stage.cli(ordinal, &["DBSIZE"]).unwrap().trim(), "0", "cache-{ordinal}");
    }
}

#[test]
fn a_probe_of_a_dead_group_says_why() {
    let stage = Stage::formed();
    stage.cut("h1");
    let probes = stage.probe();
    let failed: Vec<_> = probes.iter().filter_map(|probe| probe.failure.as_ref()).collect();
    assert!(failed.iter().any(|failure| failure.contains("Connection refused")), "{failed:?}");
}

#[test]
fn after_a_lost_host_the_replica_serves_and_a_repair_restores_the_plan() {
    let stage = Stage::formed();
    stage.cli(1, &["SET", "foo", "bar"]).unwrap();
    stage.wait(2); // until the replica has it
    stage.cut("h3"); // cache-2, the master of the group of foo
    stage.wait(30);
    assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar");
    let differing = stage.check();
    assert!(differing.iter().any(|m| m.instance.as_str() == "cache-2" && m.fact == Fact::Answer));
    assert!(differing.iter().any(|m| m.instance.as_str() == "cache-5" && m.fact == Fact::Role));
    assert!(
        matches!(stage.form(), Err(EngineError::Guest(GuestError::Hypervisor(_)))),
        "a lost host is named"
    );
    stage.restore("h3");
    stage.wait(5);
    assert_eq!(stage.cli(2, &["CLUSTER", "NODES"]).unwrap().matches("slave").count(), 3);
    let Change::Made(done) = stage.form().unwrap() else { panic!("nothing was done") };
    assert!(done.contains("cache-2 takes over as master"), "{done}");
    assert_as_planned(&stage);
    assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar");
}

#[test]
fn a_machine_made_anew_is_met_and_its_former_self_forgotten() {
    for (ordinal, pause) in [(5, 0), (5, 30), (2, 30), (2, 0)] {
        let stage = Stage::formed();
        stage.cli(1, &["SET", "foo", "bar"]).unwrap();
        stage.wait(2);
        stage.reinstall(ordinal, pause);
        stage.form().unwrap();
        assert_as_planned(&stage);
        assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar", "{ordinal} {pause}");
    }
}

#[test]
fn a_replica_inherits_from_a_master_that_was_made_anew_before_anybody_noticed() {
    let stage = Stage::formed_and_patient();
    stage.cli(1, &["SET", "foo", "bar"]).unwrap();
    stage.wait(2);
    stage.reinstall(2, 0);
    let Change::Made(done) = stage.form().unwrap() else { panic!("nothing was done") };
    assert!(done.contains("1 forced failover"), "{done}");
    assert_as_planned(&stage);
    assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar");
}

/// A replica of Redis does not know after its start how old its data is, and leaves it to a
/// person whether it takes over.
#[test]
fn after_a_power_cut_of_all_a_copy_of_what_stays_away_takes_over_by_order() {
    let stage = Stage::formed_with("appendonly", true.into());
    stage.cli(1, &["SET", "foo", "bar"]).unwrap();
    stage.wait(2);
    for host in ["h1", "h2", "h3"] {
        stage.cut(host);
    }
    stage.restore("h1");
    stage.restore("h2");
    stage.wait(60);
    let crew = || stage.crew().without(|one| one.host.as_str() == "h3");
    let error = stage.engine().form(&crew(), Goal::Planned).unwrap_err().to_string();
    assert!(error.contains("cache-2 does not answer, and cache-5, which"), "{error}");
    let checked = stage.engine().check(&crew()).unwrap();
    let lost: Vec<String> =
        checked.lost.iter().map(|(name, what)| format!("{name}: {what}")).collect();
    let cause = "it takes over without what only cache-2 has, unless that is back";
    assert_eq!(lost, [format!("cache-5: {cause}")]);
    stage.engine().form(&crew().losing_data(true), Goal::Planned).unwrap();
    assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar");
    stage.restore("h3");
    stage.wait(5);
    stage.form().unwrap();
    assert_as_planned(&stage);
}

/// After a power cut of all hosts a master may come back a little later than the others, which
/// hold it for failed for two node time-outs more, while its copy is not in step with it yet.
#[test]
fn nobody_takes_over_by_order_from_a_master_that_answers() {
    let stage = Stage::formed();
    let (crew, engine) = (stage.crew().losing_data(true), stage.engine());
    let target = engine.target(&crew).unwrap();
    let mut observed = engine.observe(&crew, &target);
    let master = observed.seen[&stage.instance(2).name].view.me().unwrap().id.clone();
    for seen in observed.seen.values_mut() {
        let known = seen.view.nodes.iter_mut().filter(|node| node.id == master && !node.myself);
        known.for_each(|node| node.failed = true);
    }
    let view = &mut observed.seen.get_mut(&stage.instance(5).name).unwrap().view;
    let link = view.link.as_mut().unwrap();
    (link.up, link.outdated) = (false, true);
    let steps = engine.steps(&target, &observed, Goal::Planned).unwrap();
    assert!(steps.iter().all(|step| step.order != Order::ForceFailover), "{steps:?}");
}

/// Another copy that was in step a moment ago is elected by itself, and has more of the data.
#[test]
fn nobody_takes_over_by_order_while_another_copy_can_by_itself() {
    let stage = Stage::formed_with("appendonly", true.into());
    for host in ["h1", "h2", "h3"] {
        stage.cut(host);
    }
    stage.restore("h1");
    stage.restore("h2");
    stage.wait(60);
    let crew = stage.crew().without(|one| one.host.as_str() == "h3").losing_data(true);
    let target = stage.engine().target(&crew).unwrap();
    let mut observed = stage.engine().observe(&crew, &target);
    let forced = |observed: &_| {
        let steps = stage.engine().steps(&target, observed, Goal::Planned).unwrap();
        steps.iter().filter(|step| step.order == Order::ForceFailover).count()
    };
    assert_eq!(forced(&observed), 1);
    let gone = observed.seen[&stage.instance(5).name].view.me().unwrap().follows.clone();
    let other = &mut observed.seen.get_mut(&stage.instance(3).name).unwrap().view;
    other.nodes.iter_mut().find(|node| node.myself).unwrap().follows = gone;
    other.link.as_mut().unwrap().outdated = false;
    assert_eq!(forced(&observed), 0);
}

/// To a node that does not answer, Redis makes a link again and again.
#[test]
fn a_link_that_comes_and_goes_to_a_dead_node_is_no_progress() {
    let stage = Stage::formed();
    stage.cut("h3");
    stage.wait(30);
    let (crew, engine) = (stage.crew().without(|one| one.host.as_str() == "h3"), stage.engine());
    let observed = engine.observe(&crew, &engine.target(&crew).unwrap());
    let mut other = observed.clone();
    let mut links = 0;
    for node in other.seen.values_mut().flat_map(|seen| &mut seen.view.nodes) {
        if node.failed {
            node.connected = !node.connected;
            links += 1;
        }
    }
    assert!(links > 0 && observed != other);
    assert_eq!(at_rest::<Redis>(&observed), at_rest::<Redis>(&other));
}

/// The Redis of the lab (8.0) denied such votes ("it is a master node"), and all writes of the
/// group waited for 5 s until the attempt had expired.
#[test]
fn a_copy_takes_over_once_most_masters_know_that_it_is_one() {
    let stage = Stage::formed();
    stage.cli(5, &["CLUSTER", "FAILOVER"]).unwrap();
    stage.wait(5);
    let (crew, engine) = (stage.crew(), stage.engine());
    let target = engine.target(&crew).unwrap();
    let mut observed = engine.observe(&crew, &target);
    let back = observed.seen[&stage.instance(2).name].view.me().unwrap().id.clone();
    for (unaware, orders) in [(None, 1), (Some(0), 1), (Some(1), 0)] {
        if let Some(ordinal) = unaware {
            let view = &mut observed.seen.get_mut(&stage.instance(ordinal).name).unwrap().view;
            view.nodes.iter_mut().find(|node| node.id == back).unwrap().follows = None;
        }
        let steps = engine.steps(&target, &observed, Goal::Planned).unwrap();
        assert_eq!(steps.len(), orders, "{unaware:?}: {steps:?}");
        assert!(steps.iter().all(|step| step.order == Order::Failover), "{steps:?}");
    }
}

#[test]
fn a_group_that_lost_all_its_copies_is_left_to_a_person() {
    let stage = Stage::formed();
    stage.reinstall(3, 0);
    stage.reinstall(0, 0);
    let error = stage.form().unwrap_err().to_string();
    assert!(error.contains("slots 0-5460 belong to"), "{error}");
    assert!(error.contains("cache-0 before it was made anew"), "{error}");
    assert!(error.contains("--allow-data-loss cache"), "{error}");
}

#[test]
fn data_of_which_nothing_is_left_is_given_up_by_name_only() {
    let stage = Stage::formed();
    stage.cli(1, &["SET", "foo", "bar"]).unwrap();
    stage.reinstall(3, 0);
    stage.reinstall(0, 0);
    let Change::Made(done) = stage.form_losing_data().unwrap() else { panic!("nothing was done") };
    assert!(done.contains("forgotten node"), "{done}");
    assert_as_planned(&stage);
    assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar");
}

#[test]
fn without_a_majority_of_masters_a_person_decides() {
    let stage = Stage::formed_and_patient();
    stage.reinstall(1, 0);
    stage.reinstall(0, 0);
    let error = stage.form().unwrap_err().to_string();
    assert!(error.contains("2 of 3 masters are gone for good"), "{error}");
}

#[test]
fn slots_in_the_wrong_group_are_moved_with_their_keys() {
    let mut stage = Stage::formed();
    stage.cli(1, &["SET", "foo", "bar"]).unwrap();
    let groups = &mut stage.plan.services[0].groups;
    let slots = groups[2].slots.clone();
    groups[2].slots = std::mem::replace(&mut groups[0].slots, slots);
    let Change::Made(done) = stage.form().unwrap() else { panic!("nothing was done") };
    assert!(done.contains("slot moves"), "{done}");
    assert_as_planned(&stage);
    assert_eq!(stage.cli(1, &["GET", "foo"]).unwrap().trim(), "bar");
}

#[test]
fn two_clusters_with_the_same_slots_are_not_joined() {
    let stage = Stage::configured();
    stage.cli(0, &["CLUSTER", "ADDSLOTSRANGE", "0", "5460"]).unwrap();
    stage.cli(3, &["CLUSTER", "ADDSLOTSRANGE", "0", "5460"]).unwrap();
    let error = stage.form().unwrap_err().to_string();
    assert!(error.contains("cache-0 and cache-3 both serve slots 0-5460"), "{error}");
}

#[test]
fn a_refused_command_reaches_the_caller_with_what_redis_said() {
    let stage = Stage::formed();
    let error = stage.cli(0, &["CLUSTER", "REPLICATE", "nobody"]).unwrap_err();
    insta::assert_snapshot!(
        error,
        @"sample-cache-0: `redis-cli -e -c -h 10.20.0.50 CLUSTER REPLICATE nobody` ended with exit status 1: ERR Unknown node nobody"
    );
}

#[test]
fn configuration_that_is_not_loaded_is_a_difference() {
    let mut stage = Stage::formed();
    stage.plan.instances[4].settings.insert("maxmemory".into(), Setting::Bytes(2 << 30));
    let found = stage.check();
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "cache-4: maxmemory is 1073741824, planned 2147483648",
            "cache-4: file /etc/redis/redis.conf is another, planned as the deployment has it",
        ]
    );
    let Change::Made(done) = stage.configure(stage.instance(4)) else { panic!("nothing was done") };
    assert_eq!(done, "wrote /etc/redis/redis.conf, set maxmemory");
    stage.form().unwrap();
    assert_as_planned(&stage);
}

/// What may happen to a cluster between two runs of ours.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// We die at the n-th changing call of a formation.
    Killed(u64, bool),
    /// A host is without power for that many seconds.
    Cut(u8, u64),
    /// A machine is made anew after that many seconds.
    Reinstalled(usize, u64),
    /// Time passes.
    Waited(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1u64..120, any::<bool>()).prop_map(|(call, after)| Event::Killed(call, after)),
        (1u8..4, 0u64..40).prop_map(|(host, seconds)| Event::Cut(host, seconds)),
        (0usize..6, 0u64..40).prop_map(|(ordinal, seconds)| Event::Reinstalled(ordinal, seconds)),
        (0u64..20).prop_map(Event::Waited),
    ]
}

fn strike(stage: &Stage, event: Event) {
    match event {
        Event::Killed(call, after) => {
            let mode = if after { Mode::DieAfter } else { Mode::DieBefore };
            let number = stage.world.log().len() as u64 + call;
            stage.world.fail(Fault::at(number, mode));
            // It may also come to its end before that call.
            let _ = stage.form();
            stage.world.revive();
        }
        Event::Cut(host, seconds) => {
            stage.cut(&format!("h{host}"));
            stage.wait(seconds);
            stage.restore(&format!("h{host}"));
        }
        Event::Reinstalled(ordinal, seconds) => stage.reinstall(ordinal, seconds),
        Event::Waited(seconds) => stage.wait(seconds),
    }
}

/// A formation dies before its replicas are in step, and a master is made anew then: its data is
/// nowhere, which a person has to know.
#[test]
fn a_master_that_is_made_anew_before_its_copy_was_in_step_is_named() {
    let stage = Stage::configured();
    strike(&stage, Event::Killed(25, true));
    strike(&stage, Event::Reinstalled(2, 29));
    let Err(EngineError::Refused { reason, .. }) = stage.form() else { panic!("it forms") };
    assert!(reason.contains("cache-5, which was not in step with it"), "{reason}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happened_a_formation_ends_as_planned_or_says_why(
        patient in any::<bool>(),
        events in prop::collection::vec(event(), 1..5),
    ) {
        let stage = if patient { Stage::formed_and_patient() } else { Stage::configured() };
        for event in events {
            strike(&stage, event);
        }
        match stage.form() {
            Ok(_) => {
                prop_assert_eq!(stage.check(), []);
                prop_assert_eq!(stage.form(), Ok(Change::NotNeeded));
            }
            // Both copies of a group may be gone, or the one while the other was not in step with
            // it, or most masters; nothing else stops us.
            Err(EngineError::Refused { reason, .. }) => {
                let known = ["made anew", "that is gone", "was not in step with it", "no majority"];
                prop_assert!(known.iter().any(|why| reason.contains(why)), "{}", reason);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
