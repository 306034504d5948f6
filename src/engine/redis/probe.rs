//! A value through every group: written, read back and deleted, from an
//! instance of another group, as a client would.

use super::batch::Session;
use super::door::Door;
use super::parallel::on_each;
use super::target::{Seat, Target};
use crate::engine::{EngineError, Guests, Probe};
use crate::guest::Guest;
use crate::guest::GuestError;
use crate::slots::{Slots, slot_of};

/// Seconds after which a probe's key is gone, should we die in between.
const LIFE: &str = "60";
/// Keys that are tried to hit a slot; any set of slots that a plan makes is hit
/// much sooner.
const TRIES: u32 = 10_000_000;

/// Probes every group, all at the same time.
pub(super) fn probe(guests: &dyn Guests, target: &Target) -> Vec<Probe> {
    let masters: Vec<&Seat> = target.masters().collect();
    on_each(&masters, |master| probe_group(guests, target, master))
}

/// Probes a group from the first instance that answers of those in other
/// groups; the one that is asked first differs from group to group.
fn probe_group(guests: &dyn Guests, target: &Target, master: &Seat) -> Probe {
    let place = target.seats.iter().position(|seat| seat.name == master.name).unwrap_or_default();
    let after = target.seats.iter().cycle().skip(place + 1).take(target.seats.len());
    // The members of the group itself come last: a group may be the only one.
    let (own, others): (Vec<_>, Vec<_>) = after.partition(|seat| seat.group == master.group);
    let mut silence = None;
    for via in others.into_iter().chain(own) {
        let outcome =
            guests.guest(&via.name).map(|guest| round_trip(&guest, &target.door, via, master));
        match outcome {
            Ok(Err(Failed::Silent(error))) | Err(error) => {
                silence.get_or_insert((via, error.to_string()));
            }
            Ok(Err(Failed::Wrong(what))) => return told(master, via, Some(what)),
            Ok(Ok(())) => return told(master, via, None),
        }
    }
    let (via, failure) = silence.unwrap_or((master, "nobody to ask".to_owned()));
    told(master, via, Some(failure))
}

fn told(master: &Seat, via: &Seat, failure: Option<String>) -> Probe {
    Probe { group: master.group, via: via.name.clone(), failure }
}

/// Why a probe did not come through.
enum Failed {
    /// The instance that it was sent from does not answer.
    Silent(EngineError),
    /// The group did not do what it should.
    Wrong(String),
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Guest(GuestError::Hypervisor(_)) => Self::Silent(error),
            _ => Self::Wrong(error.to_string()),
        }
    }
}

fn round_trip(guest: &Guest<'_>, door: &Door, via: &Seat, master: &Seat) -> Result<(), Failed> {
    let session = Session::asking(guest, door, (via.address, via.port));
    let Some(key) = key_in(&master.slots) else {
        return Err(Failed::Wrong("no key hashes into the group's slots".to_owned()));
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

fn answers(command: &str, key: &str, answer: &str, right: &str) -> Result<(), Failed> {
    let answer = answer.trim();
    if answer == right {
        return Ok(());
    }
    Err(Failed::Wrong(format!("{command} {key} answered {answer:?}")))
}

/// The first key of our own kind that belongs to these slots.
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
