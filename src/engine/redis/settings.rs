//! The directives that Redis runs with: what to ask for, how to read the answer,
//! what differs from the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::target::{Seat, Target};
use crate::engine::{Difference, EngineError, Fact};
use crate::ids::InstanceName;

/// Directives by name, as Redis tells them.
pub(super) type Settings = BTreeMap<String, String>;

/// Directives that a running Redis does not tell.
const UNTOLD: [&str; 4] = ["include", "loadmodule", "rename-command", "user"];

/// The command that asks an instance for its planned directives.
pub(super) fn question(seat: &Seat) -> String {
    // Asked for nothing, Redis would refuse.
    let names: BTreeSet<&str> = asked(seat).map(|(name, _)| name).chain(["port"]).collect();
    names.into_iter().fold("CONFIG GET".to_owned(), |text, name| text + " " + name)
}

/// Planned directives that can be asked for; what is not spelled like one must
/// not become another word or line of a command.
fn asked(seat: &Seat) -> impl Iterator<Item = (&str, &str)> {
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let all = seat.config.iter().map(|(name, planned)| (name.as_str(), planned.as_str()));
    all.filter(move |(name, _)| plain(name) && !UNTOLD.contains(name))
}

/// Planned directives against what was told.
pub(super) fn differences(
    target: &Target,
    told: &BTreeMap<InstanceName, Result<Settings, EngineError>>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    for seat in &target.seats {
        let mut differs = |fact: Fact, planned: &str, seen: String| {
            let (instance, planned) = (seat.name.clone(), planned.to_owned());
            found.push(Difference { instance, fact, planned, found: seen });
        };
        match told.get(&seat.name) {
            None => {}
            Some(Err(error)) => differs(Fact::Configuration, "readable", error.to_string()),
            Some(Ok(told)) => {
                for (name, planned) in asked(seat) {
                    let fact = || Fact::Setting(name.to_owned());
                    match told.get(name) {
                        Some(seen) if means_the_same(planned, seen) => {}
                        Some(seen) => differs(fact(), planned, seen.clone()),
                        None => differs(fact(), planned, "unknown to this Redis".to_owned()),
                    }
                }
            }
        }
    }
    found
}

/// Reads an answer: names and values as they alternate, a line each; a value may
/// be empty.
pub(super) fn parse(answer: &str) -> Settings {
    let lines: Vec<&str> = answer.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let pairs = lines.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether a planned value is what Redis tells, which writes sizes in bytes.
fn means_the_same(planned: &str, told: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let bare = text.replace('"', "");
        bare.split_whitespace()
            .map(|word| bytes(word).unwrap_or_else(|| word.to_lowercase()))
            .collect()
    };
    words(planned) == words(told)
}

/// A size such as `64mb` in bytes, as `redis.conf` defines its units.
fn bytes(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = lower.split_at_checked(split)?;
    let factor: u64 = match unit {
        "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor).map(|bytes| bytes.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_redis_reads_them() {
        for (planned, told) in [
            ("64mb", "67108864"),
            ("4gb", "4294967296"),
            ("\"\"", ""),
            ("yes", "yes"),
            ("3600 1 300 100", "3600 1 300 100"),
            ("replica 256mb 64mb 60", "replica 268435456 67108864 60"),
        ] {
            assert!(means_the_same(planned, told), "{planned} {told}");
        }
        assert!(!means_the_same("64mb", "67108865"));
        assert!(!means_the_same("yes", "no"));
    }

    #[test]
    fn empty_values_keep_their_place() {
        // Told by Redis 7.0.15 through a pipe.
        let told = parse("save\n\nport\n7001\nmaxmemory\n0\n");
        let told: Vec<_> = told.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
        assert_eq!(told, [("maxmemory", "0"), ("port", "7001"), ("save", "")]);
    }
}
