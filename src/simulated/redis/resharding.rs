//! Slots that are assigned, unassigned, and moved from one master to another.

use std::time::Duration;

use super::cli::error;
use super::cluster::{slot, slots_of};
use super::reply::{Answer, Reply};
use super::{Network, Server, Uid};
use crate::recipe::redis::slots::Slots;

impl Network {
    /// `CLUSTER SETSLOT`: begins, gives up and ends the move of a slot.
    pub(super) fn set_slot(
        &mut self,
        uid: Uid,
        args: &[&str],
        now: Duration,
    ) -> Result<(), String> {
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        if server.follows().is_some() {
            return error("Please use SETSLOT only with masters.");
        }
        let [word, action @ ..] = args else { return error("wrong number of arguments") };
        let Some(slot) = slot(word) else { return error("Invalid or out of range slot") };
        let verb = action.first().map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
        match (verb.as_str(), action) {
            ("STABLE", [_]) => {
                server.migrating.remove(&slot);
                server.importing.remove(&slot);
            }
            ("MIGRATING", [_, member]) => {
                if server.owner(slot) != Some(uid) {
                    return error(&format!("I'm not the owner of hash slot {slot}"));
                }
                let to = server.master(member, "I don't know about node")?;
                server.migrating.insert(slot, to);
            }
            ("IMPORTING", [_, member]) => {
                if server.owner(slot) == Some(uid) {
                    return error(&format!("I'm already the owner of hash slot {slot}"));
                }
                let from = server.master(member, "I don't know about node")?;
                server.importing.insert(slot, from);
            }
            ("NODE", [_, member]) => {
                let owner = server.master(member, "Unknown node")?;
                if server.give_slot(slot, owner)? {
                    // It says so to all who can hear it, at once.
                    for peer in self.online().into_iter().filter(|peer| *peer != uid) {
                        self.hear(peer, uid, now);
                    }
                }
            }
            _ => {
                return error(
                    "Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
                );
            }
        }
        Ok(())
    }
}

impl Server {
    /// A master by its id.
    fn master(&self, member: &str, unknown: &str) -> Result<Uid, String> {
        let Some(uid) = self.known(member) else { return error(&format!("{unknown} {member}")) };
        match self.view.get(&uid) {
            Some(peer) if peer.follows.is_none() => Ok(uid),
            _ => error("Target node is not a master"),
        }
    }

    /// Ends the move of a slot, as far as this server is concerned; whether it is now
    /// the owner of one that it imported.
    fn give_slot(&mut self, slot: u16, owner: Uid) -> Result<bool, String> {
        let uid = self.uid;
        let was_mine = self.owner(slot) == Some(uid);
        let keys = self.keys.count(slot);
        if was_mine && owner != uid && keys > 0 {
            return error(&format!(
                "Can't assign hashslot {slot} to a different node while I still hold keys for \
                 this hash slot."
            ));
        }
        if keys == 0 {
            self.migrating.remove(&slot);
        }
        let one = Slots::range(slot, slot);
        for (member, peer) in &mut self.view {
            peer.unclaimed = peer.unclaimed.minus(&one);
            peer.slots =
                if *member == owner { peer.slots.union(&one) } else { peer.slots.minus(&one) };
        }
        let is_empty = self.me().is_some_and(|me| me.slots.is_empty());
        if was_mine && owner != uid && is_empty && self.migrates() {
            self.follow(owner);
        }
        let imported = owner == uid && self.importing.remove(&slot).is_some();
        if imported {
            self.bump_epoch();
        }
        Ok(imported)
    }

    /// Whether a master that lost its last slot follows the new owner of that.
    pub(super) fn migrates(&self) -> bool {
        self.config.get("cluster-allow-replica-migration").is_none_or(|value| value != "no")
    }

    /// A new epoch without asking anybody, unless its own is the newest.
    fn bump_epoch(&mut self) {
        let newest = self.view.values().map(|peer| peer.epoch).max().unwrap_or_default();
        let newest = newest.max(self.epoch);
        let uid = self.uid;
        let Some(me) = self.view.get_mut(&uid) else { return };
        if me.epoch == 0 || me.epoch != newest {
            self.epoch = newest + 1;
            me.epoch = self.epoch;
        }
    }

    /// Gives up all moves of slots.
    pub(super) fn close_slots(&mut self) {
        self.migrating.clear();
        self.importing.clear();
    }

    /// `CLUSTER ADDSLOTSRANGE`.
    pub(super) fn add_slots(&mut self, ranges: &[&str]) -> Result<(), String> {
        let wanted = slots_of(ranges)?;
        let taken = self.view.values().map(|peer| peer.slots.intersection(&wanted));
        let busy = taken.filter_map(|slots| Some(slots.ranges().first()?.0)).min();
        if let Some(slot) = busy {
            return error(&format!("Slot {slot} is already busy"));
        }
        self.importing.retain(|slot, _| !wanted.contains(*slot));
        let uid = self.uid;
        if let Some(me) = self.view.get_mut(&uid) {
            me.slots = me.slots.union(&wanted);
        }
        Ok(())
    }

    /// `CLUSTER DELSLOTSRANGE`: nobody has these slots, as far as this server is
    /// concerned.
    pub(super) fn delete_slots(&mut self, ranges: &[&str]) -> Result<(), String> {
        let wanted = slots_of(ranges)?;
        let all = self.view.values().fold(Slots::EMPTY, |all, peer| all.union(&peer.slots));
        if let Some((slot, _)) = wanted.minus(&all).ranges().first() {
            return error(&format!("Slot {slot} is already unassigned"));
        }
        for peer in self.view.values_mut() {
            peer.slots = peer.slots.minus(&wanted);
            peer.unclaimed = peer.unclaimed.minus(&wanted);
        }
        Ok(())
    }

    /// `CLUSTER COUNTKEYSINSLOT` and, with a second word, `CLUSTER GETKEYSINSLOT`.
    pub(super) fn keys_in_slot(&self, args: &[&str]) -> Answer {
        let found = args.first().and_then(|word| slot(word));
        match (found, args) {
            (Some(slot), [_]) => Ok(Reply::Integer(self.keys.count(slot))),
            (Some(slot), [_, most]) if most.parse::<usize>().is_ok() => {
                let most = most.parse().unwrap_or_default();
                Ok(Reply::List(self.keys.within(slot).take(most).cloned().collect()))
            }
            _ => error("Invalid slot or number of keys"),
        }
    }
}
