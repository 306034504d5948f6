//! Servers that hang and guests that are slow: told apart, and neither holds up
//! a look at all the others.

use std::time::Duration;

use super::stage::Stage;
use crate::engine::{Difference, Fact, Through};
use crate::hypervisor::clock::Clock;
use crate::simulated::Call;

const SECOND: Duration = Duration::from_secs(1);

/// Checks the cluster; also how long that took.
fn timed(stage: &Stage) -> (Vec<Difference>, Duration) {
    let begin = stage.clock.elapsed();
    let found = stage.check();
    (found, stage.clock.elapsed() - begin)
}

/// Asks one instance alone, which takes all others for foreign; also how long that took.
fn timed_alone(stage: &Stage, name: &str) -> (Vec<Difference>, Duration) {
    let crew = stage.crew().only(|one| one.name.as_str() == name);
    let begin = stage.clock.elapsed();
    let found = stage.check_only(&crew);
    (found, stage.clock.elapsed() - begin)
}

#[test]
fn a_server_that_hangs_is_told_within_seconds_and_what_asked_it_is_ended() {
    let stage = Stage::formed();
    stage.world.set_hung("sample-cache-3", true);
    let before = stage.world.log().len();
    let (found, took) = timed(&stage);
    assert!(took < 8 * SECOND, "{took:?}");
    let silent: Vec<&Difference> = found.iter().filter(|one| one.fact == Fact::Answer).collect();
    assert!(matches!(silent[..], [one] if one.instance.as_str() == "cache-3"), "{found:?}");
    assert!(silent[0].found.contains("did not end within 5 s"), "{}", silent[0].found);
    // The client, the look at how slow the guest is, and the end of the client.
    let of_it = |call: &Call| call.object == "sample-cache-3" && call.name == "agent guest-exec";
    assert_eq!(stage.world.log()[before..].iter().filter(|call| of_it(call)).count(), 3);

    stage.world.set_hung("sample-cache-3", false);
    stage.wait(60);
    assert_eq!(stage.check(), []);
}

#[test]
fn a_probe_through_a_master_that_hangs_fails_and_says_why() {
    let stage = Stage::formed();
    stage.world.set_hung("sample-cache-2", true);
    let begin = stage.clock.elapsed();
    let probes = stage.probe();
    // Those who hang at once share virtual time, so that each takes the other's
    // waits for its guest's slowness: only the most is sure here.
    assert!(stage.clock.elapsed() - begin < 35 * SECOND);
    let group = stage.plan.instances[2].group.unwrap();
    let probe = probes.iter().find(|probe| probe.through == Through::Group(group)).unwrap();
    let failure = probe.failure.as_ref().unwrap();
    assert!(failure.contains("did not end within"), "{failure}");
}

#[test]
fn a_slow_guest_is_given_its_time_and_not_declared_dead() {
    let stage = Stage::formed();
    for instance in &stage.plan.instances {
        // A client takes 7.5 s of such a guest.
        stage.world.slow_down(&instance.domain, 5 * SECOND / 2);
    }
    assert_eq!(stage.check(), []);
    // Alone, so that no other thread's waits count: they share virtual time.
    let (found, took) = timed_alone(&stage, "cache-3");
    assert!(!found.iter().any(|one| one.fact == Fact::Answer), "took {took:?}: {found:?}");
    assert!(took > 7 * SECOND && took < 30 * SECOND, "{took:?}");
    // One that hangs in a slow guest still costs no more than the most.
    stage.world.set_hung("sample-cache-3", true);
    let (found, took) = timed_alone(&stage, "cache-3");
    assert!(found.iter().any(|one| one.fact == Fact::Answer), "{found:?}");
    assert!(took < 40 * SECOND, "{took:?}");
    let silent = |one: &&Difference| one.fact == Fact::Answer;
    assert_eq!(stage.check().iter().filter(silent).count(), 1);
}
