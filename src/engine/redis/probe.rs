//! A value through every group: written, read back and deleted, from an
//! instance of another group, as a client would.

use super::batch::ask_cluster;
use super::parallel::on_each;
use super::target::{Seat, Target};
use crate::engine::{EngineError, Guests, Probe};
use crate::slots::{Slots, slot_of};

/// Seconds after which a probe's key is gone, should we die in between.
const LIFE: &str = "60";
/// Keys that are tried to hit a slot; any set of slots that a plan makes is hit
/// much sooner.
const TRIES: u32 = 10_000_000;

/// Probes every group, all at the same time.
pub(super) fn probe(guests: &dyn Guests, target: &Target) -> Vec<Probe> {
    let masters: Vec<&Seat> = target.masters().collect();
    let others = masters.iter().cycle().skip(1);
    let pairs: Vec<(&Seat, &Seat)> = masters
        .iter()
        .zip(others)
        .map(|(master, other)| {
            // Of a single group, the last copy is as far away as can be.
            let via = if other.group == master.group { target.seats.last() } else { Some(*other) };
            (*master, via.unwrap_or(master))
        })
        .collect();
    on_each(&pairs, |(master, via)| {
        let failure = round_trip(guests, via, master).err();
        Probe { group: master.group, via: via.name.clone(), failure }
    })
}

fn round_trip(guests: &dyn Guests, via: &Seat, master: &Seat) -> Result<(), String> {
    let say = |error: EngineError| error.to_string();
    let key = key_in(&master.slots).ok_or("no key hashes into the group's slots")?;
    let guest = guests.guest(&via.name).map_err(say)?;
    // Of this moment, so that a value from before is no success.
    let value = format!("{}-{}", master.name, guest.clock.elapsed().as_nanos());
    let commands =
        [format!("SET {key} {value} EX {LIFE}"), format!("GET {key}"), format!("DEL {key}")];
    let answers = ask_cluster(&guest, via, commands.each_ref().map(String::as_str)).map_err(say)?;
    let [written, read, deleted] = answers.map(|answer| answer.map_err(say));
    let written = written?;
    if written.trim() != "OK" {
        return Err(format!("SET {key} answered {:?}", written.trim()));
    }
    let read = read?;
    deleted?;
    if read.trim() == value { Ok(()) } else { Err(format!("GET {key} answered {:?}", read.trim())) }
}

/// The first key of our own kind that belongs to these slots.
fn key_in(slots: &Slots) -> Option<String> {
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
        }
        assert_eq!(key_in(&Slots::range(0, 16383)).unwrap(), "hostsplit:probe:{0}");
    }
}
