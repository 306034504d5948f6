//! The directives that Redis runs with: what to ask for, how to read the answer,
//! what differs from the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::target::Member;
use crate::engine::{EngineError, Fact};
use crate::plan::Setting;
use crate::recipe::redis::{BETWEEN, words};

/// Directives by name, as Redis reports them.
pub type Running = BTreeMap<String, String>;

/// Directives that a running Redis does not report, or not as what it acts by.
pub(super) const UNREPORTED: [&str; 5] =
    ["cluster-port", "include", "loadmodule", "rename-command", "user"];

/// The command that asks an instance for its planned directives.
pub(super) fn question(member: &Member) -> String {
    // Asked for nothing, Redis would refuse.
    let names: BTreeSet<&str> = asked(member)
        .map(|(name, _)| name)
        .chain(["port", "tls-port", "masteruser"])
        .chain(BETWEEN)
        .collect();
    names.into_iter().fold("CONFIG GET".to_owned(), |text, name| text + " " + name)
}

/// Planned directives that can be asked for; what is not spelled like one must
/// not become another word or line of a command.
fn asked(member: &Member) -> impl Iterator<Item = (&str, &Setting)> {
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let all = member.settings.iter().map(|(name, planned)| (name.as_str(), planned));
    all.filter(move |(name, _)| plain(name) && !UNREPORTED.contains(name))
}

/// Compares the planned directives of a member with those that it runs with.
pub(super) fn differences(
    member: &Member,
    running: &Result<Running, EngineError>,
    differs: &mut impl FnMut(Fact, String, String),
) {
    let running = match running {
        Ok(running) => running,
        Err(error) => {
            return differs(Fact::Configuration, "readable".to_owned(), error.to_string());
        }
    };
    for (name, planned) in asked(member).filter(|(name, _)| !BETWEEN.contains(name)) {
        let seen = running.get(name).map_or("unknown to this Redis", String::as_str);
        if !is_as_planned(planned, seen) {
            differs(Fact::Setting(name.to_owned()), spelled(planned), seen.to_owned());
        }
    }
}

/// Reads an answer: names and values as they alternate, a line each; a value may
/// be empty.
pub(super) fn parse(answer: &str) -> Running {
    let lines: Vec<&str> = answer.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let pairs = lines.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether a planned value is what Redis reports.
fn is_as_planned(planned: &Setting, running: &str) -> bool {
    let planned = spelled(planned).to_lowercase();
    planned.split_whitespace().eq(running.to_lowercase().split_whitespace())
}

/// A value as Redis spells it.
fn spelled(value: &Setting) -> String {
    words(value).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_redis_spells_them() {
        for (planned, running) in [
            (Setting::Bytes(4 << 30), "4294967296"),
            (Setting::words([0; 0]), ""),
            (true.into(), "yes"),
            (Setting::words([3600, 1]), "3600 1"),
            ("Everysec".into(), "everysec"),
        ] {
            assert!(is_as_planned(&planned, running), "{planned} {running}");
        }
        assert!(!is_as_planned(&Setting::Bytes(67_108_864), "67108865"));
        assert!(!is_as_planned(&true.into(), "no"));
    }

    #[test]
    fn empty_values_keep_their_place() {
        // Told by Redis 7.0.15 through a pipe.
        let reported = parse("save\n\nport\n7001\nmaxmemory\n0\n");
        let reported: Vec<_> =
            reported.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
        assert_eq!(reported, [("maxmemory", "0"), ("port", "7001"), ("save", "")]);
    }
}
