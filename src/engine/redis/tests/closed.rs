//! Clusters with passwords: nobody gets in without, and a changed one gets into
//! all of them.

use super::stage::Stage;
use crate::engine::{Change, Fact, Through};
use crate::simulated::{Call, Fault, Mode};
use crate::spec::Engine;

const ENGINES: [Engine; 2] = [Engine::Redis, Engine::Valkey];

fn configure_all(stage: &Stage) -> Vec<Change> {
    stage.plan.instances.iter().map(|one| stage.configure(one)).collect()
}

#[test]
fn both_engines_are_formed_behind_a_password() {
    for engine in ENGINES {
        let stage = Stage::closed(engine);
        assert_eq!(stage.check(), [], "{engine}");
        assert_eq!(stage.form(), Ok(Change::NotNeeded));
        assert!(configure_all(&stage).iter().all(|change| *change == Change::NotNeeded));
        let refused = stage.cli(0, &["GET", "foo"]).unwrap_err().to_string();
        assert!(refused.contains("NOAUTH"), "{refused}");
    }
}

#[test]
fn no_password_is_ever_an_argument_or_in_an_error() {
    let mut stage = Stage::closed(Engine::Redis);
    stage.set_passwords("for-all-clients", "another-for-us");
    let shown = format!("{:?} {:?}", stage.check(), stage.form());
    let told = format!("{shown} {:?}", stage.world.log());
    for secret in ["for-all-clients", "for-ourselves", "another-for-us"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn a_changed_password_is_seen_and_given_to_instances_while_they_run() {
    for (client, internal) in [
        ("new-for-clients", "for-ourselves"),
        ("for-all-clients", "new-for-ourselves"),
        ("new-for-clients", "new-for-ourselves"),
    ] {
        let mut stage = Stage::closed(Engine::Redis);
        stage.set_passwords(client, internal);
        let differing = stage.check();
        for instance in &stage.plan.instances {
            assert!(differing.iter().any(|one| one.instance == instance.name), "{differing:?}");
        }
        for change in configure_all(&stage) {
            let Change::Made(done) = change else { panic!("nothing was done") };
            assert_eq!(done, "renewed passwords, wrote /etc/redis/secrets.conf");
        }
        stage.form().unwrap();
        assert_eq!(stage.check(), []);
        assert!(configure_all(&stage).iter().all(|change| *change == Change::NotNeeded));
    }
}

#[test]
fn a_renewal_that_was_cut_off_anywhere_is_finished_by_the_next() {
    for call in 1..12 {
        for mode in [Mode::DieBefore, Mode::DieAfter] {
            let mut stage = Stage::closed(Engine::Redis);
            stage.set_passwords("new-for-clients", "new-for-ourselves");
            let instance = stage.instance(0);
            let number = stage.world.log().len() as u64 + call;
            stage.world.fail(Fault::at(number, mode));
            // It may also come to its end before that call.
            let _ = stage.try_configure(instance);
            stage.world.revive();
            configure_all(&stage);
            stage.form().unwrap();
            assert_eq!(stage.check(), [], "call {call} {mode:?}");
        }
    }
}

#[test]
fn a_replica_that_does_not_know_the_new_password_is_told_and_repaired() {
    let mut stage = Stage::closed(Engine::Redis);
    stage.set_passwords("for-all-clients", "new-for-ourselves");
    // Only the masters were reached.
    for ordinal in 0..3 {
        stage.configure(stage.instance(ordinal));
    }
    let differing = stage.check();
    let of_replica = differing.iter().filter(|one| one.instance == stage.instance(3).name);
    assert!(of_replica.into_iter().any(|one| matches!(one.fact, Fact::Password(_))));
    configure_all(&stage);
    stage.form().unwrap();
    assert_eq!(stage.check(), []);
}

#[test]
fn a_load_goes_through_every_group_and_leaves_nobody_behind() {
    for engine in ENGINES {
        let stage = Stage::closed(engine);
        let loads = stage.load();
        assert_eq!(loads.len(), 3);
        for load in &loads {
            let measured = load.outcome.as_ref().unwrap();
            let rates: Vec<_> = measured.rates.iter().map(|rate| (rate.what, rate.per_s)).collect();
            assert_eq!(rates, [("reads", 100_000), ("writes", 100_000)]);
            let via = stage.plan.instance(&load.via).unwrap();
            assert!(via.group.is_some_and(|group| load.through != Through::Group(group)));
        }
        assert_eq!(stage.check(), []);
    }
}

#[test]
fn a_load_that_is_refused_says_why_and_without_its_password() {
    let stage = Stage::closed(Engine::Redis);
    stage.cut("h1");
    let failures: Vec<String> =
        stage.load().into_iter().filter_map(|load| load.outcome.err()).collect();
    assert!(!failures.is_empty());
    assert!(failures.iter().all(|why| !why.contains(" -a ")), "{failures:?}");
}

#[test]
fn a_broken_exec_status_does_not_stop_the_next_renewal() {
    let mut stage = Stage::closed(Engine::Redis);
    stage.set_passwords("new-for-clients", "for-ourselves");
    let status = |call: &Call| call.name.ends_with("file-write");
    stage.world.fail(Fault::when(Mode::Before, 1, status));
    assert!(stage.try_configure(stage.instance(0)).is_err());
    configure_all(&stage);
    assert_eq!(stage.check(), []);
}
