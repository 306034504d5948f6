//! Numbered values in the slots of a group, as a client with little patience writes them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::probe::key_in;
use super::session::Session;
use super::target::Target;
use crate::engine::Crew;
use crate::engine::cluster::Broken;
use crate::guest::{Guest, Limit};
use crate::ids::InstanceName;

/// Seconds after which a value is gone, if the run is cut off before it is removed: longer
/// than any failover and the return of a host.
const LIFE: u32 = 6 * 3600;
/// How long an answer may take, as a client waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same in a guest that is slow.
const MOST: Duration = Duration::from_secs(10);
/// Keys of one command.
const AT_ONCE: usize = 200;

/// The way to a group, from the guest of another instance, and the keys of its values.
struct Values<'a> {
    target: &'a Target,
    guest: Guest<'a>,
    via: InstanceName,
    prefix: String,
}

impl<'a> Values<'a> {
    fn of(
        crew: &Crew<'a>,
        target: &'a Target,
        (at, via): (&InstanceName, &InstanceName),
        series: &str,
    ) -> Result<Self, Broken> {
        let unknown = || Broken::Service(format!("{at} is not in the plan"));
        let master = target.member(at).ok_or_else(unknown)?;
        let none = || Broken::Service("no key hashes into the group's slots".to_owned());
        // Its tag alone makes the slot, so that all keys of a group are in one.
        let key = key_in(&master.slots).ok_or_else(none)?;
        let guest = crew.guest(via).map_err(Broken::Sender)?;
        Ok(Self { target, guest, via: via.clone(), prefix: format!("{key}:{series}") })
    }

    fn session(&self) -> Result<Session<'_>, Broken> {
        let unknown = || Broken::Service(format!("{} is not in the plan", self.via));
        let via = self.target.member(&self.via).ok_or_else(unknown)?;
        Ok(Session::asking(&self.guest, &self.target.access, (via.address, via.port)))
    }

    fn key(&self, number: u64) -> String {
        format!("{}:{number}", self.prefix)
    }
}

/// Writes a value and reads it back; the reason where it was acknowledged and not read.
pub(super) fn write(
    crew: &Crew<'_>,
    target: &Target,
    ends: (&InstanceName, &InstanceName),
    (series, number): (&str, u64),
) -> Result<Option<String>, Broken> {
    let values = Values::of(crew, target, ends, series)?;
    let session = Session { limit: Limit::adapting(PATIENCE, MOST), ..values.session()? };
    let key = values.key(number);
    let commands = [format!("SET {key} {number} EX {LIFE}"), format!("GET {key}")];
    let [written, read] = session.ask_cluster(commands.each_ref().map(String::as_str))?;
    let written = written?;
    if written.trim() != "OK" {
        return Err(Broken::Service(format!("SET {key} answered {:?}", written.trim())));
    }
    Ok(match read {
        Ok(answer) if answer.trim() == number.to_string() => None,
        Ok(answer) => Some(format!("GET {key} answered {:?}", answer.trim())),
        Err(error) => Some(error.to_string()),
    })
}

/// Returns the numbers whose values are not there.
pub(super) fn lost(
    crew: &Crew<'_>,
    target: &Target,
    ends: (&InstanceName, &InstanceName),
    (series, numbers): (&str, &BTreeSet<u64>),
    forget: bool,
) -> Result<BTreeSet<u64>, Broken> {
    let values = Values::of(crew, target, ends, series)?;
    let session = values.session()?;
    let all: Vec<u64> = numbers.iter().copied().collect();
    let mut lost = BTreeSet::new();
    for some in all.chunks(AT_ONCE) {
        let keys: Vec<String> = some.iter().map(|number| values.key(*number)).collect();
        let [answer] = session.ask_cluster([format!("MGET {}", keys.join(" ")).as_str()])?;
        lost.extend(missing(some, &answer?));
    }
    for some in all.chunks(AT_ONCE).filter(|_| forget) {
        let keys: Vec<String> = some.iter().map(|number| values.key(*number)).collect();
        let [answer] = session.ask_cluster([format!("DEL {}", keys.join(" ")).as_str()])?;
        answer?;
    }
    Ok(lost)
}

/// Numbers that are not in the answer, a line for each of them in their order.
fn missing(numbers: &[u64], answer: &str) -> Vec<u64> {
    let found: Vec<Option<u64>> = answer.lines().map(|line| line.trim().parse().ok()).collect();
    let is_there = |(place, number): &(usize, &u64)| found.get(*place) == Some(&Some(**number));
    let missing = numbers.iter().enumerate().filter(|one| !is_there(one));
    missing.map(|(_, number)| *number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_is_missing() {
        assert_eq!(missing(&[3, 4, 5], "3\n4\n5\n"), [0_u64; 0]);
        assert_eq!(missing(&[3, 4, 5], "3\n\n5\n"), [4]);
        assert_eq!(missing(&[3, 4, 5], "3\n5\n\n"), [4, 5], "each has its line");
        assert_eq!(missing(&[3], ""), [3]);
    }
}
