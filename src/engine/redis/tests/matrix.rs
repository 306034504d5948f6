//! What may be wrong with a cluster, one by one and two by two: a formation ends
//! as planned from each.

use super::stage::Stage;
use crate::engine::{Change, Fact};

/// Something that is not as planned.
type Wrong = (&'static str, fn(&Stage));

/// Each is done to a cluster that is formed.
const WRONGS: [Wrong; 8] = [
    ("a replica forgot who it was", |stage| stage.reinstall(4, 0)),
    ("a master forgot who it was, and was replaced", |stage| stage.reinstall(1, 30)),
    ("a failover", |stage| {
        stage.wait(2);
        let _ = stage.cli(5, &["CLUSTER", "FAILOVER"]);
        stage.wait(5);
    }),
    ("a replica at the wrong master", |stage| {
        let id = stage.cli(1, &["CLUSTER", "MYID"]).unwrap();
        let _ = stage.cli(3, &["CLUSTER", "REPLICATE", id.trim()]);
        stage.wait(5);
    }),
    ("all replicas at one master", |stage| {
        let id = stage.cli(2, &["CLUSTER", "MYID"]).unwrap();
        for ordinal in [3, 4] {
            let _ = stage.cli(ordinal, &["CLUSTER", "REPLICATE", id.trim()]);
        }
        stage.wait(5);
    }),
    ("a member that others forgot", |stage| {
        let id = stage.cli(4, &["CLUSTER", "MYID"]).unwrap();
        for ordinal in [0, 2, 3, 5] {
            let _ = stage.cli(ordinal, &["CLUSTER", "FORGET", id.trim()]);
        }
    }),
    ("a host that was off", |stage| {
        stage.wait(2);
        stage.cut("h2");
        stage.wait(40);
        stage.restore("h2");
    }),
    ("a host that was off for less than the timeout", |stage| {
        stage.cut("h3");
        stage.wait(5);
        stage.restore("h3");
    }),
];

fn assert_repaired(stage: &Stage, what: &str) {
    stage.form().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(stage.check(), [], "{what}");
    assert_eq!(stage.form(), Ok(Change::NotNeeded), "{what}");
}

#[test]
fn each_is_repaired() {
    for (what, harm) in WRONGS {
        let stage = Stage::formed();
        harm(&stage);
        assert_repaired(&stage, what);
    }
}

#[test]
fn one_after_the_other_is_repaired() {
    for (first, harm) in WRONGS {
        for (second, more) in WRONGS {
            let stage = Stage::formed();
            harm(&stage);
            stage.form().unwrap_or_else(|error| panic!("{first}: {error}"));
            more(&stage);
            assert_repaired(&stage, &format!("{first}, then {second}"));
        }
    }
}

/// Each is done to a cluster of instances that know nobody yet.
const HALVES: [Wrong; 5] = [
    ("one was met", |stage| {
        let _ = stage.cli(0, &["CLUSTER", "MEET", "10.20.0.51", "6379"]);
        stage.wait(3);
    }),
    ("an epoch that another has", |stage| {
        for ordinal in [0, 1] {
            let _ = stage.cli(ordinal, &["CLUSTER", "SET-CONFIG-EPOCH", "7"]);
        }
    }),
    ("a part of its slots", |stage| {
        let _ = stage.cli(0, &["CLUSTER", "ADDSLOTSRANGE", "0", "99"]);
    }),
    ("slots at a planned replica", |stage| {
        let _ = stage.cli(3, &["CLUSTER", "ADDSLOTSRANGE", "0", "5460"]);
    }),
    ("two halves", |stage| {
        let _ = stage.cli(0, &["CLUSTER", "MEET", "10.20.0.53", "6379"]);
        let _ = stage.cli(1, &["CLUSTER", "MEET", "10.20.0.54", "6379"]);
        stage.wait(3);
    }),
];

#[test]
fn what_was_half_formed_is_finished() {
    for (what, harm) in HALVES {
        let stage = Stage::configured();
        harm(&stage);
        assert_repaired(&stage, what);
    }
}

#[test]
fn after_a_failover_what_runs_is_compared_with_the_plan() {
    let stage = Stage::formed();
    stage.wait(2);
    stage.cli(4, &["CLUSTER", "FAILOVER"]).unwrap();
    stage.wait(5);
    let roles: Vec<String> = stage
        .check()
        .iter()
        .filter(|one| one.fact == Fact::Role)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        roles,
        [
            "cache-1: role is replica of cache-4, planned master",
            "cache-4: role is master, planned replica of cache-1",
        ]
    );
}
