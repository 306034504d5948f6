//! What `hostsplit profile` shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;

use crate::bench::Bench;

#[test]
fn all_profiles_are_listed() {
    insta::assert_snapshot!(Bench::new().run(&["profile"]), @"");
}

#[test]
fn a_profile_of_threads_is_shown() {
    insta::assert_snapshot!(Bench::new().run(&["profile", "redis"]), @"");
}

#[test]
fn a_profile_of_a_law_is_shown() {
    insta::assert_snapshot!(Bench::new().run(&["profile", "mysql"]), @"");
}

#[test]
fn every_screen_fits_100_columns() {
    let bench = Bench::new();
    for engine in ["redis", "valkey", "mysql", "mariadb"] {
        for line in bench.run(&["profile", engine]).lines() {
            let is_link = line.trim_start().starts_with("https://");
            assert!(line.chars().count() <= 100 || is_link, "{engine}: {line}");
        }
    }
}

#[test]
fn an_engine_that_is_not_known_is_a_mistake_of_the_command_line() {
    insta::assert_snapshot!(Bench::new().run(&["profile", "cobol"]), @"");
}

#[test]
fn programs_get_the_same() {
    let bench = Bench::new();
    let json = |args: &[&str]| {
        let shown = bench.run(args);
        let text = shown.strip_prefix("exit 0\n").unwrap().strip_suffix("---\n").unwrap();
        serde_json::from_str::<serde_json::Value>(text).unwrap()
    };
    let list = json(&["profile", "--format", "json"]);
    insta::assert_snapshot!(format!("{:#}", list["profiles"][0]), @"");
    let mysql = json(&["profile", "mysql", "--format", "json"]);
    insta::assert_snapshot!(format!("{:#}", mysql["two_threads_a_core"][8]), @"");
    insta::assert_snapshot!(format!("{:#}", mysql["numbers"][0]), @"");
    assert_eq!(mysql["evidence"].as_array().unwrap().len(), 12);
}
