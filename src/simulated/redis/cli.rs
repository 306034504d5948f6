//! Commands to a server, and its answers as `redis-cli -e` shows them.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Endpoint, Login, Network, Peer, Server, Uid, config, id, users};
use crate::recipe::redis::slots::{SLOTS, Slots, slot_of};
use crate::simulated::exec::Outcome;

/// How long a forgotten member stays forgotten.
const BAN: Duration = Duration::from_secs(60);

/// What a server answers: text, or an error.
type Answer = Result<String, String>;

fn error<T>(text: &str) -> Result<T, String> {
    Err(format!("ERR {text}"))
}

impl Network {
    /// Runs a command at a server, following redirections if asked to.
    pub(super) fn command(
        &mut self,
        uid: Uid,
        words: &[&str],
        login: &Login<'_>,
        follow: bool,
        now: Duration,
    ) -> Outcome {
        if self.is_stopped(uid) {
            return Outcome::endless();
        }
        if let Err(refused) = self.admit(uid, login, words) {
            return Outcome::failed(1, format!("{refused}\n"));
        }
        let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let verbs: Vec<&str> = upper.iter().map(String::as_str).collect();
        let answer = match (verbs.as_slice(), words) {
            (["CLUSTER", ..], [_, verb, args @ ..]) => self.cluster(uid, verb, args, now),
            (["ACL", verb, ..], [_, _, args @ ..]) => self.acl(uid, verb, args),
            (["CONFIG", "SET", ..], [_, _, pairs @ ..]) => self.set(uid, pairs),
            (["GET" | "SET" | "DEL", ..], [verb, key, args @ ..]) => {
                match self.owner(uid, key, now) {
                    Ok(owner) if follow && self.is_stopped(owner) => return Outcome::endless(),
                    Ok(owner) if owner == uid || follow => {
                        let admitted = self.admit(owner, login, words);
                        admitted.and_then(|()| self.data(owner, verb, key, args))
                    }
                    Ok(owner) => Err(self.moved(uid, owner, key)),
                    Err(down) => Err(down),
                }
            }
            _ => self.ask(uid, &verbs, words),
        };
        match answer {
            Ok(text) => Outcome::ok(text),
            Err(text) => Outcome::failed(1, format!("{text}\n")),
        }
    }

    /// Runs the commands of a session, a line each: it goes on after an error,
    /// and ends well.
    pub(super) fn session(
        &mut self,
        uid: Uid,
        lines: &str,
        login: &Login<'_>,
        follow: bool,
        now: Duration,
    ) -> Outcome {
        if self.is_stopped(uid) {
            return Outcome::endless();
        }
        let mut all = Outcome::default();
        // Who is in stays in, whatever becomes of the password.
        let known = self.admit(uid, login, &["PING"]).is_ok();
        for line in lines.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Outcome { status, stdout, stderr, endless, .. } = {
                let password = self.password(uid, login.user).filter(|_| known);
                let login =
                    Login { user: login.user, password: password.as_deref().or(login.password) };
                self.command(uid, &words, &login, follow, now)
            };
            if endless {
                return Outcome::endless();
            }
            all.stdout += &stdout;
            // Where it was sent to is gone, and so are the answers that follow.
            if stderr.starts_with("Could not connect") {
                all.stderr += &stderr;
                return all;
            }
            if status != 0 {
                all.stdout += &format!("{stderr}\n");
            }
        }
        all
    }

    fn ask(&self, uid: Uid, verbs: &[&str], words: &[&str]) -> Answer {
        let Some(server) = self.servers.get(&uid) else { return error("gone") };
        match (verbs, words) {
            (["PING"], _) => Ok("PONG\n".to_owned()),
            (["ECHO", _], [_, text]) => Ok(format!("{text}\n")),
            (["DBSIZE"], _) => Ok(format!("{}\n", server.keys.len())),
            (["INFO", ..], _) => Ok(self.info(server)),
            (["CONFIG", "GET", ..], [_, _, names @ ..]) => Ok(names
                .iter()
                .filter_map(|name| Some(format!("{name}\n{}\n", server.config.get(*name)?)))
                .collect()),
            _ => error(&format!("unknown command '{}'", words.join(" "))),
        }
    }

    /// Whether a server lets somebody in for a command.
    fn admit(&self, uid: Uid, login: &Login<'_>, words: &[&str]) -> Result<(), String> {
        let Some(server) = self.servers.get(&uid) else { return error("gone") };
        users::admit(&server.users, login, words)
    }

    fn is_stopped(&self, uid: Uid) -> bool {
        self.servers.get(&uid).is_some_and(|server| server.stopped.is_some())
    }

    fn password(&self, uid: Uid, user: &str) -> Option<String> {
        self.servers.get(&uid)?.users.get(user).cloned()
    }

    fn acl(&mut self, uid: Uid, verb: &str, args: &[&str]) -> Answer {
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        match (verb, args) {
            ("LIST", []) => return Ok(users::list(&server.users)),
            ("SETUSER", [user, rules @ ..]) => users::set(&mut server.users, user, rules),
            ("DELUSER", [user]) => drop(server.users.remove(*user)),
            _ => return error(&format!("unknown subcommand '{verb}'")),
        }
        Ok("OK\n".to_owned())
    }

    fn set(&mut self, uid: Uid, pairs: &[&str]) -> Answer {
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        config::set(&mut server.config, pairs)?;
        server.timeout = config::node_timeout(&server.config);
        // It listens at another port at once.
        self.place();
        Ok("OK\n".to_owned())
    }

    fn info(&self, server: &Server) -> String {
        let offset = server.offset;
        let Some(master) = server.follows() else {
            return format!("role:master\r\nmaster_repl_offset:{offset}\r\n");
        };
        let runs = self.servers.get(&master).is_some_and(|master| master.online.is_some());
        let link = if runs && server.synced == Some(master) { "up" } else { "down" };
        format!(
            "role:slave\r\nmaster_link_status:{link}\r\nslave_repl_offset:{offset}\r\n\
             master_repl_offset:{offset}\r\n"
        )
    }

    /// The server that serves a key, as `uid` believes.
    fn owner(&self, uid: Uid, key: &str, now: Duration) -> Result<Uid, String> {
        let server = self.servers.get(&uid).ok_or("gone")?;
        if !server.is_ok(now) {
            return Err("CLUSTERDOWN The cluster is down".to_owned());
        }
        let slot = slot_of(key);
        let mut owners = server.view.iter().filter(|(_, peer)| peer.slots.contains(slot));
        let unserved = || "CLUSTERDOWN Hash slot not served".to_owned();
        owners.next().map(|(owner, _)| *owner).ok_or_else(unserved)
    }

    fn moved(&self, uid: Uid, owner: Uid, key: &str) -> String {
        let peer = self.servers.get(&uid).and_then(|server| server.view.get(&owner));
        let place = peer.map_or_else(|| ":0".to_owned(), place);
        format!("MOVED {} {place}", slot_of(key))
    }

    fn data(&mut self, uid: Uid, verb: &str, key: &str, args: &[&str]) -> Answer {
        let server = self.servers.get_mut(&uid).filter(|server| server.online.is_some());
        let Some(server) = server else {
            return Err("Could not connect to Redis: Connection refused".to_owned());
        };
        match (verb.to_ascii_uppercase().as_str(), args) {
            ("SET", [value, ..]) => {
                server.keys.insert(key.to_owned(), (*value).to_owned());
                server.offset += (verb.len() + key.len() + value.len()) as u64;
                Ok("OK\n".to_owned())
            }
            ("DEL", _) => {
                server.offset += (verb.len() + key.len()) as u64;
                Ok(format!("{}\n", u8::from(server.keys.remove(key).is_some())))
            }
            ("GET", _) => Ok(format!("{}\n", server.keys.get(key).map_or("", String::as_str))),
            _ => error("wrong number of arguments"),
        }
    }

    fn cluster(&mut self, uid: Uid, verb: &str, args: &[&str], now: Duration) -> Answer {
        let newest = self.servers.get(&uid).map_or(0, |server| server.epoch);
        if verb.eq_ignore_ascii_case("FAILOVER") {
            let forced = args.first().is_some_and(|mode| mode.eq_ignore_ascii_case("FORCE"));
            return self.failover(uid, forced, now);
        }
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        match (verb.to_ascii_uppercase().as_str(), args) {
            ("NODES", _) => return Ok(server.nodes(now)),
            ("INFO", _) => return Ok(server.cluster_info(now)),
            ("MYID", _) => return Ok(format!("{}\n", id(uid))),
            ("MEET", [address, port]) => {
                let (Ok(address), Ok(port)) = (address.parse(), port.parse()) else {
                    return error(&format!("Invalid node address specified: {address}:{port}"));
                };
                server.meets.push((Endpoint { address, port }, now + server.timeout));
            }
            ("SET-CONFIG-EPOCH", [epoch]) => server.set_epoch(epoch, newest)?,
            ("ADDSLOTSRANGE", ranges) => server.add_slots(ranges)?,
            ("REPLICATE", [master]) => server.replicate(master)?,
            ("FORGET", [member]) => server.forget(member, now)?,
            _ => return error(&format!("unknown subcommand '{verb}'")),
        }
        Ok("OK\n".to_owned())
    }

    /// Takes over from the master that `uid` follows.
    ///
    /// In Redis the master stops to serve, the replica waits until its offset is
    /// that of the master, and a majority of the masters votes. `FORCE` asks
    /// nothing of the master. Where no majority can vote, it is `OK` all the same,
    /// and nothing happens.
    fn failover(&mut self, uid: Uid, forced: bool, now: Duration) -> Answer {
        let server = self.servers.get(&uid);
        let Some(master) = server.and_then(Server::follows) else {
            return error("You should send CLUSTER FAILOVER to a replica");
        };
        let runs = self.servers.get(&master).is_some_and(|master| master.online.is_some());
        let is_synced = server.is_some_and(|server| server.synced == Some(master));
        let can_hand_over = runs && is_synced;
        if !(forced || can_hand_over) {
            return error("Master is down or failed, please use CLUSTER FAILOVER FORCE");
        }
        if !forced {
            self.replicate(uid);
        }
        let synced = self.servers.get(&uid).is_some_and(|server| server.synced == Some(master));
        if synced && self.has_majority(uid) {
            self.promote(uid, master, now);
        }
        Ok("OK\n".to_owned())
    }
}

fn place(peer: &Peer) -> String {
    peer.endpoint.map_or_else(|| ":0".to_owned(), |at| format!("{}:{}", at.address, at.port))
}

impl Server {
    fn known(&self, member: &str) -> Result<Uid, String> {
        let found = self.view.keys().find(|uid| id(**uid) == member);
        found.copied().ok_or_else(|| format!("ERR Unknown node {member}"))
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

    fn add_slots(&mut self, ranges: &[&str]) -> Result<(), String> {
        let bounds: Option<Vec<u16>> = ranges.iter().map(|word| word.parse().ok()).collect();
        let Some(bounds) = bounds.filter(|bounds| bounds.len() % 2 == 0) else {
            return error("Invalid or out of range slot");
        };
        let pairs: Vec<_> =
            bounds.chunks_exact(2).filter_map(|c| Some((*c.first()?, *c.get(1)?))).collect();
        let wanted = Slots::of(&pairs);
        let busy = self.view.values().any(|peer| !peer.slots.intersection(&wanted).is_empty());
        if busy {
            return error(&format!("Slot in {wanted} is already busy"));
        }
        let uid = self.uid;
        if let Some(me) = self.view.get_mut(&uid) {
            me.slots = me.slots.union(&wanted);
        }
        Ok(())
    }

    fn replicate(&mut self, master: &str) -> Result<(), String> {
        let master = self.known(master)?;
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
        self.synced = None;
        let uid = self.uid;
        if let Some(me) = self.view.get_mut(&uid) {
            me.follows = Some(master);
        }
        Ok(())
    }

    fn forget(&mut self, member: &str, now: Duration) -> Result<(), String> {
        let member = self.known(member)?;
        if member == self.uid {
            return error("I tried hard but I can't forget myself...");
        }
        if self.follows() == Some(member) {
            return error("Can't forget my master!");
        }
        self.view.remove(&member);
        self.banned.insert(member, now + BAN);
        Ok(())
    }

    /// Whether it serves: all slots have an owner, none of them failed, and it
    /// reaches a majority of them.
    fn is_ok(&self, now: Duration) -> bool {
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
                let _ = write!(text, " {first}-{last}");
            }
            text.push('\n');
        }
        text
    }
}
