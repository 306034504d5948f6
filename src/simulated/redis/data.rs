//! Keys and values: which server a command belongs to while slots move, and what
//! it does there.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cli::error;
use super::keys::Keys;
use super::reply::{Answer, Reply};
use super::{Endpoint, Login, Network, TLS_CLUSTER, Uid, place};
use crate::recipe::redis::slots::slot_of;

/// Which keys a command is for.
fn keys_of<'a>(words: &[&'a str]) -> Vec<&'a str> {
    match words {
        [verb, keys @ ..] if !verb.eq_ignore_ascii_case("SET") => keys.to_vec(),
        [_, key, ..] => vec![key],
        _ => Vec::new(),
    }
}

/// The arguments of `MIGRATE`.
struct Move<'a> {
    to: Option<Endpoint>,
    login: Option<Login<'a>>,
    keys: &'a [&'a str],
    copy: bool,
    replace: bool,
}

impl<'a> Move<'a> {
    fn read(args: &'a [&'a str]) -> Option<Self> {
        let [host, port, key, _database, _timeout, options @ ..] = args else { return None };
        let to = match (host.parse(), port.parse()) {
            (Ok(address), Ok(port)) => Some(Endpoint { address, port }),
            _ => None,
        };
        let one = args.get(2..3)?;
        let mut read = Self { to, login: None, keys: one, copy: false, replace: false };
        let mut left = options;
        loop {
            let verb = left.first().map(|word| word.to_ascii_uppercase());
            match (verb.as_deref(), left) {
                (None, _) => return Some(read),
                (Some("COPY"), [_, tail @ ..]) => (read.copy, left) = (true, tail),
                (Some("REPLACE"), [_, tail @ ..]) => (read.replace, left) = (true, tail),
                (Some("AUTH"), [_, password, tail @ ..]) => {
                    let login = Login { user: "default", password: Some(*password) };
                    (read.login, left) = (Some(login), tail);
                }
                (Some("AUTH2"), [_, user, password, tail @ ..]) => {
                    let login = Login { user, password: Some(*password) };
                    (read.login, left) = (Some(login), tail);
                }
                (Some("KEYS"), [_, keys @ ..]) if key.is_empty() => {
                    return Some(Self { keys, ..read });
                }
                _ => return None,
            }
        }
    }
}

impl Network {
    /// Reads or changes values at the server that has their slot.
    pub(super) fn data(&mut self, uid: Uid, words: &[&str], asking: bool, now: Duration) -> Answer {
        let keys = keys_of(words);
        self.route(uid, &keys, asking, now)?;
        let Some(server) = self.servers.get(&uid) else { return error("gone") };
        let known = keys.iter().filter(|key| server.keys.get(key).is_some()).count();
        let value = |key: &str| server.keys.get(key).cloned();
        let [verb, args @ ..] = words else { return error("no command") };
        match (verb.to_ascii_uppercase().as_str(), args) {
            ("GET", [key]) => Ok(value(key).map_or(Reply::Missing, Reply::Text)),
            ("MGET", [_, ..]) => {
                Ok(Reply::List(keys.iter().map(|key| value(key).unwrap_or_default()).collect()))
            }
            ("EXISTS", [_, ..]) => Ok(Reply::Integer(known)),
            ("SET", [key, value, ..]) => {
                self.write(uid, words, |keys| keys.set(key, value));
                Ok(Reply::Status("OK"))
            }
            ("DEL", [_, ..]) => {
                self.write(uid, words, |all| keys.iter().for_each(|key| all.remove(key)));
                Ok(Reply::Integer(known))
            }
            _ => error(&format!("wrong number of arguments for '{verb}' command")),
        }
    }

    /// Whether a command for keys is a server's own: `getNodeByQuery` of Redis.
    ///
    /// # Errors
    /// Where it is sent to instead, or why nobody takes it now.
    fn route(&self, uid: Uid, keys: &[&str], asking: bool, now: Duration) -> Result<(), String> {
        let server = self.servers.get(&uid).ok_or("ERR gone")?;
        let Some(slot) = keys.first().map(|key| slot_of(key)) else { return Ok(()) };
        if keys.iter().any(|key| slot_of(key) != slot) {
            return Err("CROSSSLOT Keys in request don't hash to the same slot".to_owned());
        }
        let owner = server.owner(slot).ok_or("CLUSTERDOWN Hash slot not served")?;
        if !server.is_ok(now) {
            return Err("CLUSTERDOWN The cluster is down".to_owned());
        }
        let to = |code: &str, peer: Uid| {
            let place = server.view.get(&peer).map_or_else(|| ":0".to_owned(), place);
            Err(format!("{code} {slot} {place}"))
        };
        let missing = keys.iter().filter(|key| server.keys.get(key).is_none()).count();
        let migrating = server.migrating.get(&slot).filter(|_| owner == uid);
        match (migrating, server.importing.get(&slot)) {
            (Some(target), _) if missing == keys.len() => to("ASK", *target),
            (Some(_), _) if missing > 0 => Err(try_again()),
            (None, Some(_)) if asking => {
                let several = keys.iter().collect::<BTreeSet<_>>().len() > 1;
                if several && missing > 0 { Err(try_again()) } else { Ok(()) }
            }
            _ if owner == uid => Ok(()),
            _ => to("MOVED", owner),
        }
    }

    /// Changes the keys of a server and of the replicas that are in step with it.
    pub(super) fn write(&mut self, uid: Uid, words: &[&str], change: impl Fn(&mut Keys)) {
        let Some(server) = self.servers.get_mut(&uid) else { return };
        let before = server.offset;
        change(&mut server.keys);
        server.offset += words.iter().map(|word| word.len() as u64).sum::<u64>().max(1);
        let after = server.offset;
        let in_step = self.servers.values_mut().filter(|replica| {
            replica.online.is_some()
                && replica.follows() == Some(uid)
                && replica.synced == Some(uid)
                && replica.link.as_ref().is_some_and(|(master, _)| *master == uid)
                && replica.offset == before
        });
        for replica in in_step {
            change(&mut replica.keys);
            replica.offset = after;
        }
    }

    /// Moves keys to another server: each is there before it is gone here.
    pub(super) fn migrate(&mut self, uid: Uid, args: &[&str], now: Duration) -> Answer {
        let Some(order) = Move::read(args) else { return error("syntax error") };
        let Some(server) = self.servers.get(&uid) else { return error("gone") };
        let open = order.keys.first().map(|key| slot_of(key)).is_some_and(|slot| {
            server.migrating.contains_key(&slot) || server.importing.contains_key(&slot)
        });
        if !open || !server.is_ok(now) {
            self.route(uid, order.keys, false, now)?;
        }
        let value = |key: &&str| Some(((*key).to_owned(), server.keys.get(key)?.clone()));
        let pairs: Vec<(String, String)> = order.keys.iter().filter_map(value).collect();
        if pairs.is_empty() {
            return Ok(Reply::Status("NOKEY"));
        }
        // It connects to others as it does on the cluster's bus.
        let encrypted = server.encrypts(TLS_CLUSTER);
        let reaches = |to: &Uid| order.to.is_some_and(|at| self.takes(*to, at.port, encrypted));
        let Some(target) = order.to.and_then(|to| self.at(to)).filter(reaches) else {
            return Err("IOERR error or timeout connecting to the client".to_owned());
        };
        if self.is_stopped(target) {
            return Err("IOERR error or timeout reading to target instance".to_owned());
        }
        let mut refused = None;
        for (key, value) in &pairs {
            match self.restore(target, order.login.as_ref(), (key, value), order.replace, now) {
                Err(why) => drop(refused.get_or_insert(why)),
                Ok(()) if order.copy => {}
                Ok(()) => self.write(uid, &["DEL", key], |keys| keys.remove(key)),
            }
        }
        match refused {
            Some(why) => error(&format!("Target instance replied with error: {why}")),
            None => Ok(Reply::Status("OK")),
        }
    }

    /// `RESTORE-ASKING` at the target of a migration.
    fn restore(
        &mut self,
        uid: Uid,
        login: Option<&Login<'_>>,
        (key, value): (&str, &str),
        replace: bool,
        now: Duration,
    ) -> Result<(), String> {
        let nobody = Login { user: "default", password: None };
        let login = login.unwrap_or(&nobody);
        let server = self.servers.get(&uid).ok_or("ERR gone")?;
        server.users.admit(login, &["RESTORE-ASKING", key])?;
        self.route(uid, &[key], true, now)?;
        if !replace && server.keys.get(key).is_some() {
            return Err("BUSYKEY Target key name already exists.".to_owned());
        }
        self.write(uid, &["RESTORE", key, value], |keys| keys.set(key, value));
        Ok(())
    }
}

fn try_again() -> String {
    "TRYAGAIN Multiple keys request during rehashing of slot".to_owned()
}
