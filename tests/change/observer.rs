//! Somebody outside the deployment who looks after every call: whether the service is
//! there, and everything that it has acknowledged.
//!
//! He keeps his own ledger and reads the servers themselves; he shares nothing with
//! what decides, walks and verifies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostsplit::recipe::redis::slots::{SLOTS, slot_of};
use hostsplit::simulated::{Call, Presence, Scene, Server, SimulatedWorld, Watcher};

/// Keys that are written, in turns.
const KEYS: u64 = 40;
/// Looks between two of the checks that take long, where nothing changed.
const SELDOM: u64 = 50;

/// What a change may cost the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Price {
    /// Nothing: every request is answered, every acknowledged write stays readable.
    Nothing,
    /// Requests may be refused for a while.
    Downtime,
    /// What was written may be lost as well.
    Data,
}

/// What a change keeps up at every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What it may cost.
    pub price: Price,
    /// Masters that serve, at least.
    pub masters: usize,
    /// Replicas that each of them has, at least; less for a moment at a hand-over.
    pub replicas: usize,
}

/// Nothing is refused or lost, by one master or by many.
const NOTHING: Promise = Promise { price: Price::Nothing, masters: 1, replicas: 0 };
/// How long a master may lack a replica: until the former master has become one.
const HAND_OVER: Duration = Duration::from_secs(5);

/// An observer of a world. His copies are the same one.
#[derive(Clone)]
pub struct Observer(Arc<Mutex<Notes>>);

struct Notes {
    promise: Promise,
    /// Since when masters lack a replica.
    lacking: BTreeMap<u32, Duration>,
    password: Option<String>,
    /// Servers that an ordinary client could know.
    contacts: Vec<(Ipv4Addr, u16)>,
    /// What was acknowledged, by key.
    ledger: BTreeMap<String, String>,
    writes: u64,
    looks: u64,
    seen: u64,
    last_call: String,
    /// What changed last, the newest at the end.
    trace: VecDeque<String>,
    violation: Option<String>,
}

/// Changes that are shown with a violation.
const TRACE: usize = 12;

/// The door of an observer.
struct Eye(Observer);

impl Watcher for Eye {
    fn look(&mut self, scene: &mut Scene<'_>, call: Option<&Call>) {
        self.0.0.lock().unwrap().look(scene, call);
    }
}

impl Observer {
    /// Begins to look at a world whose service is whole.
    pub fn of(world: &SimulatedWorld, password: Option<&str>) -> Self {
        let observer = Self(Arc::new(Mutex::new(Notes {
            promise: NOTHING,
            lacking: BTreeMap::new(),
            password: password.map(str::to_owned),
            contacts: Vec::new(),
            ledger: BTreeMap::new(),
            writes: 0,
            looks: 0,
            seen: 0,
            last_call: String::new(),
            trace: VecDeque::new(),
            violation: None,
        })));
        world.glance(|scene| {
            let mut notes = observer.0.lock().unwrap();
            notes.note(scene);
            (0..KEYS).for_each(|_| notes.write(scene));
        });
        world.watch(Box::new(Eye(observer.clone())));
        observer
    }

    /// States what the next change keeps up.
    pub fn expect(&self, promise: Promise) {
        let mut notes = self.0.lock().unwrap();
        notes.promise = promise;
        notes.lacking.clear();
    }

    /// Lets clients log in as they have to from now on.
    pub fn log_in(&self, password: Option<&str>) {
        self.0.lock().unwrap().password = password.map(str::to_owned);
    }

    /// The first thing that was not as promised, if anything was.
    pub fn violation(&self) -> Option<String> {
        self.0.lock().unwrap().violation.clone()
    }

    /// Looks so far.
    pub fn looks(&self) -> u64 {
        self.0.lock().unwrap().looks
    }

    /// Whether the service outlives the loss of servers, found by their addresses: a
    /// majority of the masters is left, and a copy of what each of the others has.
    pub fn outlives(world: &SimulatedWorld, lost: &BTreeSet<Ipv4Addr>) -> bool {
        let servers = world.glance(|scene| scene.servers());
        let is_lost = |one: &Server| one.at.is_some_and(|(address, _)| lost.contains(&address));
        let masters = masters(&servers);
        let left = masters.iter().filter(|one| !is_lost(one)).count();
        let has_copy = |master: &&&Server| {
            servers.iter().any(|one| {
                one.follows == Some(master.id)
                    && one.linked
                    && one.presence == Presence::Present
                    && !is_lost(one)
            })
        };
        left * 2 > masters.len() && masters.iter().filter(|one| is_lost(one)).all(|m| has_copy(&m))
    }

    /// Checks everything once more when a change has come to its end: nothing may be
    /// refused any more.
    pub fn conclude(&self, world: &SimulatedWorld) {
        world.glance(|scene| self.0.lock().unwrap().conclude(scene));
    }
}

impl Notes {
    fn look(&mut self, scene: &mut Scene<'_>, call: Option<&Call>) {
        if self.violation.is_some() {
            return;
        }
        self.looks += 1;
        if let Some(call) = call {
            self.last_call = format!("{} {} on {}", call.name, call.object, call.host);
        }
        let mut now = scene.fingerprint();
        let changed = now != self.seen;
        if changed {
            self.note(scene);
        }
        let is_due = changed || self.looks.is_multiple_of(SELDOM) || !self.lacking.is_empty();
        if self.promise.price == Price::Nothing && is_due {
            let found = self.check(scene);
            self.found(scene.now(), found);
        }
        if changed || call.is_some_and(|call| call.number > 0) {
            self.write(scene);
            self.read(scene, self.looks);
            now = scene.fingerprint();
        }
        self.seen = now;
    }

    fn found(&mut self, now: Duration, result: Result<(), String>) {
        if let Err(what) = result {
            let mut lines: Vec<String> = self.trace.iter().cloned().collect();
            lines.push(format!("at {now:.1?}, after {}: {what}", self.last_call));
            self.violation.get_or_insert(lines.join("\n"));
        }
    }

    /// Notes who serves, and what the servers say, if it is not what they said before.
    fn note(&mut self, scene: &Scene<'_>) {
        let servers = scene.servers();
        self.contacts = servers.iter().filter(|one| serves(one)).filter_map(|one| one.at).collect();
        let said = shape(&servers);
        if self.trace.back().is_none_or(|last| !last.ends_with(&said)) {
            self.trace.push_back(format!("{:.1?} {}: {said}", scene.now(), self.last_call));
            if self.trace.len() > TRACE {
                self.trace.pop_front();
            }
        }
    }

    /// A refusal, which may be allowed.
    fn refusal(&mut self, now: Duration, result: Result<(), String>) {
        if result.is_err() && self.promise.price > Price::Nothing {
            return;
        }
        self.found(now, result);
    }

    fn write(&mut self, scene: &mut Scene<'_>) {
        let (key, value) = (format!("k{}", self.writes % KEYS), format!("v{}", self.writes));
        self.writes += 1;
        let contact = self.contact(self.writes);
        let password = self.password.clone();
        let result = contact.and_then(|at| {
            let said = scene.send(at, password.as_deref(), &["SET", &key, &value]);
            said.map_err(|why| format!("SET {key} by way of {}: {why}", at.0))
        });
        if result.is_ok() {
            self.ledger.insert(key, value);
        }
        self.refusal(scene.now(), result.map(drop));
    }

    fn read(&mut self, scene: &mut Scene<'_>, number: u64) {
        let place = usize::try_from(number).unwrap() % self.ledger.len().max(1);
        let Some((key, value)) = self.ledger.iter().nth(place) else { return };
        let (key, value) = (key.clone(), value.clone());
        let result = self.get(scene, &key, number);
        match result {
            Ok(found) if found == value => {}
            Ok(_) if self.promise.price == Price::Data => {}
            Ok(found) => {
                let lost = format!("{key} was acknowledged as {value} and reads {found:?}");
                self.found(scene.now(), Err(lost));
            }
            Err(why) => self.refusal(scene.now(), Err(why)),
        }
    }

    /// A server that an ordinary client could know, each in its turn.
    fn contact(&self, number: u64) -> Result<(Ipv4Addr, u16), String> {
        let turn = usize::try_from(number).unwrap() % self.contacts.len().max(1);
        self.contacts.get(turn).copied().ok_or_else(|| "nobody serves".to_owned())
    }

    fn get(&self, scene: &mut Scene<'_>, key: &str, number: u64) -> Result<String, String> {
        let at = self.contact(number)?;
        let said = scene.send(at, self.password.as_deref(), &["GET", key]);
        said.map_err(|why| format!("GET {key} by way of {}: {why}", at.0))
    }

    fn conclude(&mut self, scene: &mut Scene<'_>) {
        self.note(scene);
        let ledger = self.ledger.clone();
        if self.promise.price == Price::Data {
            self.ledger.clear();
        }
        self.promise = NOTHING;
        let found = self.check(scene);
        self.found(scene.now(), found);
        for (number, (key, value)) in (0..).zip(&ledger) {
            match self.get(scene, key, number) {
                Ok(found) if found == *value || !self.ledger.contains_key(key) => {}
                Ok(found) => {
                    let lost = format!("{key} was acknowledged as {value} and reads {found:?}");
                    self.found(scene.now(), Err(lost));
                }
                Err(why) => self.found(scene.now(), Err(why)),
            }
        }
        for _ in 0..KEYS {
            self.write(scene);
        }
    }
}

/// Whether a server serves, as it believes: a master with slots, or a linked replica.
fn serves(server: &Server) -> bool {
    server.presence == Presence::Present
        && (server.linked || server.owners.contains_key(&server.id))
}

impl Notes {
    /// Checks everything that the servers are.
    fn check(&mut self, scene: &Scene<'_>) -> Result<(), String> {
        let servers = scene.servers();
        let masters = masters(&servers);
        check(scene, &servers, &masters, &self.ledger)?;
        if masters.len() < self.promise.masters {
            return Err(format!("{} masters of {}", masters.len(), self.promise.masters));
        }
        self.lacking.retain(|id, _| masters.iter().any(|master| master.id == *id));
        for master in masters {
            let linked =
                servers.iter().filter(|one| one.linked && one.follows == Some(master.id)).count();
            if linked >= self.promise.replicas {
                self.lacking.remove(&master.id);
                continue;
            }
            let since = *self.lacking.entry(master.id).or_insert(scene.now());
            if scene.now().saturating_sub(since) > HAND_OVER {
                let least = self.promise.replicas;
                return Err(format!("{} has {linked} of {least} replicas", name(master)));
            }
        }
        Ok(())
    }
}

/// What all servers of a world say, a line each.
pub fn state(world: &SimulatedWorld) -> String {
    let servers = world.glance(|scene| scene.servers());
    let line = |one: &Server| {
        let follows = one.follows.and_then(|id| servers.iter().find(|other| other.id == id));
        let follows = follows.map(name);
        let Server { id, presence, linked, owners, migrating, importing, .. } = one;
        let name = name(one);
        format!(
            "  {name} ({id}) {presence:?}, follows {follows:?} linked {linked}, owners {owners:?}, \
             migrating {migrating:?}, importing {importing:?}"
        )
    };
    servers.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Who leads, with the number of slots, and who follows whom, in short: by the ends of
/// addresses, `~` where a link is down and `!` where nobody answers.
fn shape(servers: &[Server]) -> String {
    let short = |one: &Server| {
        let end = one.at.map_or_else(|| one.id.to_string(), |(at, _)| at.octets()[3].to_string());
        format!("{end}{}", if one.presence == Presence::Present { "" } else { "!" })
    };
    let count = |ranges: &[(u16, u16)]| -> u32 {
        ranges.iter().map(|(first, last)| u32::from(last - first) + 1).sum()
    };
    let line = |one: &Server| match one.follows {
        Some(id) => {
            let master = servers.iter().find(|other| other.id == id).map(short);
            let link = if one.linked { ">" } else { "~>" };
            format!("{}{link}{}", short(one), master.unwrap_or_default())
        }
        None => {
            let own = one.owners.get(&one.id).map_or(0, |ranges| count(ranges));
            format!("{}[{own}]", short(one))
        }
    };
    servers.iter().map(line).collect::<Vec<_>>().join(" ")
}

/// The servers that say that they have slots.
fn masters(servers: &[Server]) -> Vec<&Server> {
    let is_master =
        |one: &&Server| one.presence == Presence::Present && one.owners.contains_key(&one.id);
    servers.iter().filter(is_master).collect()
}

/// Whether every slot is served by one master, as most masters believe, whether a
/// majority of them is there, and whether what was acknowledged is where it belongs.
fn check(
    scene: &Scene<'_>,
    servers: &[Server],
    masters: &[&Server],
    ledger: &BTreeMap<String, String>,
) -> Result<(), String> {
    let by_id: BTreeMap<u32, &Server> = servers.iter().map(|one| (one.id, one)).collect();
    let is_there = |id: &u32| by_id.get(id).is_some_and(|one| one.presence == Presence::Present);
    for master in masters {
        let voters = master.owners.len();
        let there = master.owners.keys().filter(|id| is_there(id)).count();
        if there * 2 <= voters {
            return Err(format!("{}: {there} of {voters} masters are there", name(master)));
        }
    }
    // Who claims each slot for himself, and how many believe whom.
    let mut claims: BTreeMap<u16, BTreeSet<u32>> = BTreeMap::new();
    let mut edges = BTreeSet::from([0]);
    for master in masters {
        for &(first, last) in master.owners.values().flatten() {
            edges.extend([first, last + 1]);
        }
    }
    edges.remove(&SLOTS);
    for &slot in &edges {
        for master in masters {
            if has(&master.owners[&master.id], slot) {
                claims.entry(slot).or_default().insert(master.id);
            }
        }
        let claimants: Vec<u32> = claims.get(&slot).into_iter().flatten().copied().collect();
        let &[owner] = claimants.as_slice() else {
            let names: Vec<String> = claimants.iter().map(|id| name(by_id[id])).collect();
            return Err(format!("slot {slot} is claimed by {names:?}"));
        };
        let agree = masters
            .iter()
            .filter(|one| one.owners.get(&owner).is_some_and(|ranges| has(ranges, slot)));
        if agree.count() * 2 <= masters.len() {
            return Err(format!("slot {slot}: most do not believe {}", name(by_id[&owner])));
        }
    }
    for (key, value) in ledger {
        let slot = slot_of(key);
        let holder = masters.iter().find(|one| has(&one.owners[&one.id], slot));
        let Some(holder) = holder else { return Err(format!("{key}: nobody has slot {slot}")) };
        let mut places = vec![holder.id];
        // On its way it may be at the other end already.
        if holder.migrating.contains(&slot) {
            places.extend(
                servers.iter().filter(|one| one.importing.contains(&slot)).map(|one| one.id),
            );
        }
        let found: Vec<Option<&str>> = places.iter().map(|id| scene.value(*id, key)).collect();
        if !found.contains(&Some(value.as_str())) {
            return Err(format!(
                "{key} was acknowledged as {value}, and {} has {found:?}",
                name(holder)
            ));
        }
    }
    Ok(())
}

fn has(ranges: &[(u16, u16)], slot: u16) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&slot))
}

fn name(server: &Server) -> String {
    server.at.map_or_else(|| format!("server {}", server.id), |(address, _)| address.to_string())
}
