//! `CLUSTER`: what a server is ordered to believe, and what it says that it
//! believes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::cli::error;
use super::keys::Keys;
use super::reply::{Answer, Reply};
use super::{Endpoint, Network, Peer, Server, Uid, id, place};
use crate::recipe::redis::slots::{SLOTS, Slots};

/// How long a forgotten member stays forgotten.
const BAN: Duration = Duration::from_secs(60);

impl Network {
    pub(super) fn cluster(&mut self, uid: Uid, verb: &str, args: &[&str], now: Duration) -> Answer {
        let newest = self.servers.get(&uid).map_or(0, |server| server.epoch);
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        match (verb.to_ascii_uppercase().as_str(), args) {
            ("NODES", _) => return Ok(Reply::Text(server.nodes(now))),
            ("INFO", _) => return Ok(Reply::Text(server.cluster_info(now))),
            ("MYID", _) => return Ok(Reply::Text(id(uid))),
            ("COUNTKEYSINSLOT" | "GETKEYSINSLOT", args) => return server.keys_in_slot(args),
            ("FAILOVER", args) => {
                let forced = args.first().is_some_and(|mode| mode.eq_ignore_ascii_case("FORCE"));
                self.failover(uid, forced, now)?;
            }
            ("RESET", []) => self.reset(uid, false, now)?,
            ("RESET", [how]) if how.eq_ignore_ascii_case("SOFT") => self.reset(uid, false, now)?,
            ("RESET", [how]) if how.eq_ignore_ascii_case("HARD") => self.reset(uid, true, now)?,
            ("SETSLOT", args) => self.set_slot(uid, args, now)?,
            ("MEET", [address, port] | [address, port, _]) => {
                let (Ok(address), Ok(port)) = (address.parse(), port.parse()) else {
                    return error(&format!("Invalid node address specified: {address}:{port}"));
                };
                let endpoint = Endpoint { address, port };
                server.meets.push((endpoint, now + server.timeout));
                // One that knows it hears at once where it is now.
                if let Some(other) = self.at(endpoint) {
                    self.hear(other, uid, now);
                }
            }
            ("SET-CONFIG-EPOCH", [epoch]) => server.set_epoch(epoch, newest)?,
            ("ADDSLOTSRANGE", ranges) => server.add_slots(ranges)?,
            ("DELSLOTSRANGE", ranges) => server.delete_slots(ranges)?,
            ("REPLICATE", [master]) => server.replicate(master)?,
            ("FORGET", [member]) => server.forget(member, now)?,
            _ => return error(&format!("unknown subcommand '{verb}'")),
        }
        Ok(Reply::Status("OK"))
    }

    /// Takes over from the master that `uid` follows.
    ///
    /// In Redis the master stops to serve, the replica waits until its offset is
    /// that of the master, and a majority of the masters votes. `FORCE` asks
    /// nothing of the master, and not whether the replica has its data. Where no majority votes,
    /// it is `OK` all the same, and nothing happens, but for the writes that wait 5 s.
    fn failover(&mut self, uid: Uid, forced: bool, now: Duration) -> Result<(), String> {
        let server = self.servers.get(&uid);
        let Some(master) = server.and_then(Server::follows) else {
            return error("You should send CLUSTER FAILOVER to a replica");
        };
        let can_hand_over = server.is_some_and(|server| self.is_linked(server, master));
        if !(forced || can_hand_over) {
            return error("Master is down or failed, please use CLUSTER FAILOVER FORCE");
        }
        if !forced {
            self.follow_stream(uid);
        }
        let synced = self.servers.get(&uid).is_some_and(|server| server.synced == Some(master));
        // By force it does not ask how old the data is.
        if !(synced || forced) {
            return Ok(());
        }
        let wins = self.has_majority(uid);
        let Some(server) = self.servers.get_mut(&uid) else { return Ok(()) };
        // As `clusterHandleSlaveFailover` of Redis has it: "Failover attempt expired".
        let retry = server.timeout * 4;
        if !forced && server.denied.is_some_and(|denied| now < denied + retry) {
            return Ok(());
        }
        server.denied = (!wins).then_some(now);
        if wins {
            self.promote(uid, master, now);
        }
        Ok(())
    }

    /// Makes a server one that knows nobody and serves nothing; a hard reset gives it
    /// another identity as well.
    fn reset(&mut self, uid: Uid, hard: bool, now: Duration) -> Result<(), String> {
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        if server.follows().is_some() {
            server.keys = Keys::default();
        } else if !server.keys.is_empty() {
            return error("CLUSTER RESET can't be called with master nodes containing keys");
        }
        let epoch = server.me().map_or(0, |me| me.epoch);
        let me = Peer { epoch, ..Peer::new(server.online, now) };
        server.view = BTreeMap::from([(uid, me)]);
        server.synced = None;
        server.copying = None;
        server.close_slots();
        server.banned.clear();
        server.meets.clear();
        if hard {
            self.rename(uid, now);
        }
        Ok(())
    }

    /// Gives a server that knows nobody another identity.
    fn rename(&mut self, uid: Uid, now: Duration) {
        let next = self.next_uid();
        let Some(mut server) = self.servers.remove(&uid) else { return };
        server.uid = next;
        server.epoch = 0;
        server.view = BTreeMap::from([(next, Peer::new(server.online, now))]);
        self.servers.insert(next, server);
        for known in self.stores.values_mut().filter(|known| **known == uid) {
            *known = next;
        }
    }
}

impl Server {
    /// Who has a slot, as this server believes.
    pub(super) fn owner(&self, slot: u16) -> Option<Uid> {
        let mut peers = self.view.iter();
        peers.find(|(_, peer)| peer.slots.contains(slot)).map(|(owner, _)| *owner)
    }

    pub(super) fn known(&self, member: &str) -> Option<Uid> {
        self.view.keys().copied().find(|uid| id(*uid) == member)
    }

    fn set_epoch(&mut self, epoch: &str, newest: u64) -> Result<(), String> {
        let Ok(epoch) = epoch.parse() else { return error("Invalid config epoch specified") };
        if self.view.len() > 1 {
            return error(
                "The user can assign a config epoch only when the node does not know any other node.",
            );
        }
        let uid = self.uid;
        match self.view.get_mut(&uid) {
            Some(me) if me.epoch == 0 => me.epoch = epoch,
            _ => return error("Node config epoch is already non-zero"),
        }
        self.epoch = newest.max(epoch);
        Ok(())
    }

    fn replicate(&mut self, master: &str) -> Result<(), String> {
        let Some(master) = self.known(master) else {
            return error(&format!("Unknown node {master}"));
        };
        if master == self.uid {
            return error("Can't replicate myself");
        }
        if self.view.get(&master).is_none_or(|peer| peer.follows.is_some()) {
            return error("I can only replicate a master, not a replica.");
        }
        let full = !self.keys.is_empty() || self.me().is_some_and(|me| !me.slots.is_empty());
        if self.follows().is_none() && full {
            return error("To set a master the node must be empty and without assigned slots.");
        }
        self.follow(master);
        Ok(())
    }

    /// Becomes a replica of a master, or of another one.
    pub(super) fn follow(&mut self, master: Uid) {
        self.astray = false;
        if self.follows() == Some(master) {
            return;
        }
        if self.follows().is_none() {
            self.close_slots();
        }
        self.synced = None;
        self.copying = None;
        let uid = self.uid;
        if let Some(me) = self.view.get_mut(&uid) {
            me.follows = Some(master);
        }
    }

    fn forget(&mut self, member: &str, now: Duration) -> Result<(), String> {
        let Some(member) = self.known(member) else {
            // Others may have passed on that it is to be forgotten.
            let is_banned =
                self.banned.iter().any(|(uid, until)| id(*uid) == member && *until > now);
            return if is_banned { Ok(()) } else { error(&format!("Unknown node {member}")) };
        };
        if member == self.uid {
            return error("I tried hard but I can't forget myself...");
        }
        if self.follows() == Some(member) {
            return error("Can't forget my master!");
        }
        self.view.remove(&member);
        self.migrating.retain(|_, to| *to != member);
        self.importing.retain(|_, from| *from != member);
        self.banned.insert(member, now + BAN);
        Ok(())
    }

    /// Whether it serves: all slots have an owner, none of them failed, and it
    /// reaches a majority of them.
    pub(super) fn is_ok(&self, now: Duration) -> bool {
        let served: u32 = self.view.values().map(|peer| peer.slots.count()).sum();
        let failed = self.view.values().any(|peer| peer.failed && !peer.slots.is_empty());
        let reached = self.voters().filter(|uid| !self.suspects(*uid, now)).count();
        served == u32::from(SLOTS) && !failed && reached * 2 > self.voters().count()
    }

    fn cluster_info(&self, now: Duration) -> String {
        let state = if self.is_ok(now) { "ok" } else { "fail" };
        let assigned: u32 = self.view.values().map(|peer| peer.slots.count()).sum();
        format!(
            "cluster_state:{state}\r\ncluster_slots_assigned:{assigned}\r\n\
             cluster_known_nodes:{}\r\ncluster_size:{}\r\ncluster_current_epoch:{}\r\n",
            self.view.len(),
            self.voters().count(),
            self.epoch
        )
    }

    fn nodes(&self, now: Duration) -> String {
        let mut text = String::new();
        for (uid, peer) in &self.view {
            let mut flags = if *uid == self.uid { "myself,".to_owned() } else { String::new() };
            flags.push_str(if peer.follows.is_some() { "slave" } else { "master" });
            let suspect = self.suspects(*uid, now);
            for (flag, set) in [
                (",fail", peer.failed),
                (",fail?", suspect && !peer.failed),
                (",noaddr", peer.endpoint.is_none() && *uid != self.uid),
            ] {
                flags.push_str(if set { flag } else { "" });
            }
            let master = peer.follows.map_or_else(|| "-".to_owned(), id);
            let link = if suspect || peer.failed { "disconnected" } else { "connected" };
            let place = place(peer);
            let bus = peer.endpoint.map_or(0, |at| at.port.saturating_add(10_000));
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{} {place}@{bus} {flags} {master} 0 0 {} {link}",
                id(*uid),
                peer.epoch
            );
            for (first, last) in peer.slots.ranges() {
                let _ = match first == last {
                    true => write!(text, " {first}"),
                    false => write!(text, " {first}-{last}"),
                };
            }
            if *uid == self.uid {
                text += &self.open_slots();
            }
            text.push('\n');
        }
        text
    }

    /// Slots on the move, as a server shows its own.
    fn open_slots(&self) -> String {
        let mut open: BTreeMap<u16, String> = BTreeMap::new();
        for (slot, to) in &self.migrating {
            open.insert(*slot, format!(" [{slot}->-{}]", id(*to)));
        }
        for (slot, from) in &self.importing {
            *open.entry(*slot).or_default() += &format!(" [{slot}-<-{}]", id(*from));
        }
        open.into_values().collect()
    }
}

/// The slots of inclusive ranges, two words each.
pub(super) fn slots_of(ranges: &[&str]) -> Result<Slots, String> {
    let bounds: Option<Vec<u16>> = ranges.iter().map(|word| slot(word)).collect();
    let Some(bounds) = bounds else { return error("Invalid or out of range slot") };
    if bounds.len() % 2 != 0 {
        return error("wrong number of arguments for 'cluster' command");
    }
    let pairs = bounds.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    Ok(Slots::of(&pairs.collect::<Vec<_>>()))
}

pub(super) fn slot(word: &str) -> Option<u16> {
    word.parse().ok().filter(|slot| *slot < SLOTS)
}
