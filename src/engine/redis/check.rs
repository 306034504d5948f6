//! Whether the running cluster is the planned one: membership, roles, slots,
//! replication, configuration.

use super::cli::redis_cli;
use super::differences::differences;
use super::observe::observe;
use super::picture::Picture;
use super::target::{Seat, Target};
use crate::engine::{EngineError, Guests, Mismatch};
use crate::plan::{Instance, Plan};

/// Directives that a running Redis does not tell.
const UNTOLD: [&str; 4] = ["include", "loadmodule", "rename-command", "user"];

/// All differences between plan and world, in the order of the plan.
pub(super) fn check(
    guests: &dyn Guests,
    target: &Target,
    plan: &Plan,
) -> Result<Vec<Mismatch>, EngineError> {
    let observed = observe(guests, target);
    let mut found = differences(&Picture::new(target, &observed));
    found.extend(shared_hosts(target, plan));
    for seat in target.seats.iter().filter(|seat| observed.views.contains_key(&seat.name)) {
        if let Some(instance) = plan.instance(&seat.name) {
            match configuration(guests, seat, instance) {
                Ok(differences) => found.extend(differences),
                Err(error @ EngineError::Plan { .. }) => return Err(error),
                Err(error) => found.push(Mismatch {
                    instance: seat.name.clone(),
                    what: "configuration".to_owned(),
                    planned: "readable".to_owned(),
                    found: error.to_string(),
                }),
            }
        }
    }
    Ok(found)
}

/// Copies of a group that stand on the same host.
fn shared_hosts(target: &Target, plan: &Plan) -> Vec<Mismatch> {
    let host = |seat: &Seat| plan.instance(&seat.name).map(|instance| &instance.host);
    let pairs = target.masters().flat_map(|master| {
        let replicas = target.group(master.group).filter(|seat| !seat.master);
        replicas.map(move |replica| (master, replica))
    });
    pairs
        .filter(|(master, replica)| host(master) == host(replica))
        .map(|(master, replica)| Mismatch {
            instance: replica.name.clone(),
            what: "host".to_owned(),
            planned: format!("another than {}'s", master.name),
            found: host(replica).map(ToString::to_string).unwrap_or_default(),
        })
        .collect()
}

/// Planned directives against `CONFIG GET`.
fn configuration(
    guests: &dyn Guests,
    seat: &Seat,
    instance: &Instance,
) -> Result<Vec<Mismatch>, EngineError> {
    let asked: Vec<(&String, &String)> =
        instance.config.iter().filter(|(name, _)| !UNTOLD.contains(&name.as_str())).collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut words = vec!["CONFIG", "GET"];
    words.extend(asked.iter().map(|(name, _)| name.as_str()));
    let answer = redis_cli(&guests.guest(&seat.name)?, seat.address, seat.port, &words)?;
    let told = pairs(&answer);
    let differing = asked.into_iter().filter_map(|(name, planned)| {
        let found = told.iter().find(|(told, _)| told == name).map(|(_, value)| *value);
        let same = found.is_some_and(|found| means_the_same(planned, found));
        (!same).then(|| Mismatch {
            instance: seat.name.clone(),
            what: name.clone(),
            planned: planned.clone(),
            found: found.unwrap_or("unknown to this Redis").to_owned(),
        })
    });
    Ok(differing.collect())
}

/// Names and values as they alternate, a line each; a value may be empty.
fn pairs(answer: &str) -> Vec<(&str, &str)> {
    let lines: Vec<&str> = answer.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    lines.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?))).collect()
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
        let told = pairs("save\n\nport\n7001\nmaxmemory\n0\n");
        assert_eq!(told, [("save", ""), ("port", "7001"), ("maxmemory", "0")]);
    }
}
