//! A value through the instance that serves a group, as a client sends it.

use super::session::Session;
use super::target::Target;
use crate::engine::Crew;
use crate::engine::cluster::Broken;
use crate::ids::InstanceName;
use crate::recipe::redis::slots::{Slots, slot_of};

/// Seconds after which a probe's key is gone, if the run is cut off in between.
const LIFE: &str = "60";
/// Keys that are tried to hit a slot; any set of slots that a plan makes is hit
/// much sooner.
const TRIES: u32 = 10_000_000;

/// Writes a value through `at`, reads it back and deletes it, from the guest of `via`.
pub(super) fn round_trip(
    crew: &Crew<'_>,
    target: &Target,
    at: &InstanceName,
    via: &InstanceName,
) -> Result<(), Broken> {
    let unknown = || Broken::Service(format!("{at} or {via} is not in the plan"));
    let (master, via) = target.member(at).zip(target.member(via)).ok_or_else(unknown)?;
    let guest = crew.guest(&via.name).map_err(Broken::Sender)?;
    let session = Session::asking(&guest, &target.access, (via.address, via.port));
    let Some(key) = key_in(&master.slots) else {
        return Err(Broken::Service("no key hashes into the group's slots".to_owned()));
    };
    // Of this moment, so that a value from before is no success, and the key of
    // this process: two may probe at the same time. Its tag alone makes its slot.
    let key = format!("{key}:{}", std::process::id());
    let value = format!("{}-{}", master.name, guest.clock.elapsed().as_nanos());
    let commands =
        [format!("SET {key} {value} EX {LIFE}"), format!("GET {key}"), format!("DEL {key}")];
    let [written, read, deleted] = session.ask_cluster(commands.each_ref().map(String::as_str))?;
    answers("SET", &key, &written?, "OK")?;
    answers("GET", &key, &read?, &value)?;
    deleted?;
    Ok(())
}

fn answers(command: &str, key: &str, answer: &str, right: &str) -> Result<(), Broken> {
    let answer = answer.trim();
    if answer == right {
        return Ok(());
    }
    Err(Broken::Service(format!("{command} {key} answered {answer:?}")))
}

/// Returns the first key of a probe that belongs to these slots.
pub(super) fn key_in(slots: &Slots) -> Option<String> {
    let mut keys = (0..TRIES).map(|tag| format!("hostsplit:probe:{{{tag}}}"));
    keys.find(|key| slots.contains(slot_of(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_for_every_slot_of_a_kind() {
        for slot in [0, 1, 5460, 5461, 16383] {
            let key = key_in(&Slots::range(slot, slot)).unwrap();
            assert_eq!(slot_of(&key), slot);
            assert_eq!(slot_of(&format!("{key}:7")), slot, "what follows the tag is free");
        }
        assert_eq!(key_in(&Slots::range(0, 16383)).unwrap(), "hostsplit:probe:{0}");
    }
}
