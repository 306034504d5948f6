//! Resharding and leaving as the real server has them, without hosts and guests.

use super::cli::Caller;
use super::reply::Form;
use super::*;
use crate::recipe::redis::slots::{SLOTS, slot_of};

const CONFIG: &str = "port 6379\nappendonly yes\n";

/// A cluster whose servers are on the network.
struct Cluster {
    network: Network,
    now: Duration,
}

fn link(number: u64) -> Link {
    let address = [10, 0, 0, u8::try_from(number).unwrap()].into();
    Link { units: Default::default(), address, stopped: false, full: false }
}

impl Cluster {
    /// Masters that have equal parts of the slots, and then a replica for each of the
    /// masters that are named.
    fn new(masters: u16, replicas: &[Uid]) -> Self {
        let mut network = Network::default();
        let count = u64::from(masters) + replicas.len() as u64;
        for volume in 1..=count {
            let uid = network.boot(None, CONFIG, Duration::ZERO);
            network.stores.insert(volume, uid);
            network.links.insert(volume, link(volume));
        }
        network.place();
        let mut cluster = Self { network, now: Duration::ZERO };
        for master in 0..masters {
            let uid = Uid::from(master) + 1;
            let bound = |part: u16| u32::from(SLOTS) * u32::from(part) / u32::from(masters);
            let (first, last) = (bound(master), bound(master + 1) - 1);
            cluster.ok(uid, &format!("CLUSTER SET-CONFIG-EPOCH {uid}"));
            cluster.ok(uid, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for other in 2..=count {
            cluster.ok(1, &format!("CLUSTER MEET 10.0.0.{other} 6379"));
        }
        cluster.wait(3);
        for (replica, master) in (Uid::from(masters) + 1..).zip(replicas) {
            cluster.ok(replica, &format!("CLUSTER REPLICATE {}", id(*master)));
        }
        cluster.wait(3);
        cluster
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.network.gossip_until(self.now);
    }

    fn caller(&self, follow: bool, form: Form) -> Caller<'static> {
        Caller {
            login: Login { user: "default", password: None },
            follow,
            encrypted: false,
            form,
            now: self.now,
        }
    }

    /// What one server answers.
    fn say(&mut self, uid: Uid, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let outcome = self.network.command(uid, &words, &self.caller(false, Form::Raw));
        outcome.stdout + &outcome.stderr
    }

    fn ok(&mut self, uid: Uid, line: &str) {
        assert_eq!(self.say(uid, line), "OK\n", "{uid}: {line}");
    }

    /// What a client is answered that follows redirections.
    fn follow(&mut self, uid: Uid, line: &str) -> String {
        let caller = self.caller(true, Form::Raw);
        let outcome = self.network.session(uid, line, &caller);
        outcome.stdout + &outcome.stderr
    }

    fn set_running(&mut self, uid: Uid, running: bool) {
        let volume = u64::from(uid);
        if running {
            self.network.boot(Some(uid), CONFIG, self.now);
            self.network.links.insert(volume, link(volume));
        } else {
            self.network.links.remove(&volume);
        }
        self.network.place();
    }

    /// Opens a slot of one master for another.
    fn open(&mut self, slot: u16, from: Uid, to: Uid) {
        self.ok(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", id(from)));
        self.ok(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", id(to)));
    }

    fn close(&mut self, slot: u16, from: Uid, to: Uid) {
        self.ok(to, &format!("CLUSTER SETSLOT {slot} NODE {}", id(to)));
        self.ok(from, &format!("CLUSTER SETSLOT {slot} NODE {}", id(to)));
    }

    fn state(&mut self, uid: Uid) -> String {
        let info = self.say(uid, "CLUSTER INFO");
        info.lines().next().unwrap_or_default().to_owned()
    }
}

const MIGRATE: &str = "MIGRATE 10.0.0.2 6379 \"\" 0 5000 REPLACE KEYS";

#[test]
fn a_slot_moves_with_its_keys_and_no_client_is_refused() {
    let cluster = Cluster::new(3, &[1]);
    let slot = slot_of("{a}1");
    let owner = cluster.network.servers[&1].owner(slot).unwrap();
    assert_eq!(owner, 3, "slot {slot}");
    let mut cluster = Cluster::new(3, &[3]);
    for n in 1..=3 {
        cluster.follow(1, &format!("SET {{a}}{n} v{n}"));
    }
    assert_eq!(cluster.say(1, "GET {a}1"), format!("MOVED {slot} 10.0.0.3:6379\n"));
    cluster.open(slot, 3, 2);
    assert!(cluster.say(3, "CLUSTER NODES").contains(&format!(" [{slot}->-{}]\n", id(2))));
    assert!(cluster.say(2, "CLUSTER NODES").contains(&format!(" [{slot}-<-{}]\n", id(3))));
    assert!(!cluster.say(1, "CLUSTER NODES").contains('['), "only at the two");
    assert_eq!(cluster.say(3, &format!("CLUSTER COUNTKEYSINSLOT {slot}")), "3\n");
    let quoted = cluster.caller(false, Form::Quoted);
    let asked = format!("CLUSTER GETKEYSINSLOT {slot} 2\nECHO end\nPING");
    let said = cluster.network.session(3, &asked, &quoted).stdout;
    assert_eq!(said, "1) \"{a}1\"\n2) \"{a}2\"\n\"end\"\nPONG\n");

    let caller = cluster.caller(false, Form::Raw);
    let moved = cluster.network.session(3, &format!("{MIGRATE} {{a}}1 {{a}}2 gone"), &caller);
    assert_eq!(moved.stdout, "OK\n");
    // One that was moved, one that was not, and a new one.
    let ask = format!("ASK {slot} 10.0.0.2:6379\n");
    assert_eq!(cluster.say(3, "GET {a}1"), ask);
    assert_eq!(cluster.say(2, "GET {a}1"), format!("MOVED {slot} 10.0.0.3:6379\n"));
    assert_eq!(cluster.follow(1, "GET {a}1"), redirected(slot, &[3, 2]) + "v1\n");
    assert_eq!(cluster.say(3, "GET {a}3"), "v3\n");
    assert_eq!(cluster.follow(3, "SET {a}new 1"), redirected(slot, &[2]) + "OK\n");
    assert_eq!(cluster.follow(2, "ASKING\nGET {a}new"), "OK\n1\n");
    assert!(cluster.say(3, "MGET {a}1 {a}3").starts_with("TRYAGAIN "));
    assert_eq!(cluster.follow(3, "MGET {a}1 {a}2"), redirected(slot, &[2]) + "v1\nv2\n");
    assert!(cluster.follow(2, "ASKING\nMGET {a}1 {a}3").contains("TRYAGAIN "));

    let held = cluster.say(3, &format!("CLUSTER SETSLOT {slot} NODE {}", id(2)));
    assert_eq!(
        held,
        format!(
            "ERR Can't assign hashslot {slot} to a different node while I still hold keys for \
             this hash slot.\n"
        )
    );
    let caller = cluster.caller(false, Form::Raw);
    let rest = cluster.network.session(3, &format!("{MIGRATE} {{a}}3\n{MIGRATE} {{a}}3"), &caller);
    assert_eq!(rest.stdout, "OK\nNOKEY\n");
    cluster.close(slot, 3, 2);
    assert!(!cluster.say(2, "CLUSTER NODES").contains('['));
    assert!(!cluster.say(3, "CLUSTER NODES").contains('['));
    // The others heard of it from the new owner at once.
    assert_eq!(cluster.say(1, "GET {a}3"), format!("MOVED {slot} 10.0.0.2:6379\n"));
    assert_eq!(cluster.follow(1, "GET {a}3"), redirected(slot, &[2]) + "v3\n");
    let epochs: Vec<u64> =
        (1..=3).map(|uid| cluster.network.servers[&uid].me().unwrap().epoch).collect();
    assert_eq!(epochs, [1, 4, 3], "a new epoch for the new owner");
    // The copy of the old owner has none of them.
    cluster.wait(1);
    assert_eq!(cluster.say(4, "DBSIZE"), "0\n");
}

fn redirected(slot: u16, to: &[Uid]) -> String {
    let line = |uid| format!("-> Redirected to slot [{slot}] located at 10.0.0.{uid}:6379\n");
    to.iter().map(line).collect()
}

#[test]
fn a_slot_is_not_opened_or_given_against_the_rules() {
    let mut cluster = Cluster::new(3, &[1]);
    let nobody = "f".repeat(40);
    for (at, line, answer) in [
        (1, format!("9000 MIGRATING {}", id(3)), "ERR I'm not the owner of hash slot 9000".into()),
        (1, format!("9 IMPORTING {}", id(3)), "ERR I'm already the owner of hash slot 9".into()),
        (1, format!("9 MIGRATING {nobody}"), format!("ERR I don't know about node {nobody}")),
        (2, format!("9 IMPORTING {nobody}"), format!("ERR I don't know about node {nobody}")),
        (1, format!("9 NODE {nobody}"), format!("ERR Unknown node {nobody}")),
        (2, format!("9 IMPORTING {}", id(4)), "ERR Target node is not a master".into()),
        (1, format!("9 NODE {}", id(4)), "ERR Target node is not a master".into()),
        (4, format!("9 NODE {}", id(1)), "ERR Please use SETSLOT only with masters.".into()),
        (1, "16384 STABLE".into(), "ERR Invalid or out of range slot".into()),
    ] {
        assert_eq!(cluster.say(at, &format!("CLUSTER SETSLOT {line}")), answer + "\n", "{line}");
    }
    cluster.open(9, 1, 2);
    cluster.ok(1, "CLUSTER SETSLOT 9 STABLE");
    cluster.ok(2, "CLUSTER SETSLOT 9 STABLE");
    assert!(!cluster.say(1, "CLUSTER NODES").contains('['));
}

#[test]
fn keys_are_not_moved_to_who_does_not_take_them() {
    let mut cluster = Cluster::new(3, &[]);
    let slot = slot_of("{a}1");
    cluster.follow(3, "SET {a}1 v");
    let moved = |cluster: &mut Cluster, line: &str| {
        let caller = cluster.caller(false, Form::Raw);
        cluster.network.session(3, line, &caller).stdout.trim().to_owned()
    };
    let moved_elsewhere =
        format!("ERR Target instance replied with error: MOVED {slot} 10.0.0.3:6379");
    assert_eq!(moved(&mut cluster, &format!("{MIGRATE} {{a}}1")), moved_elsewhere);
    cluster.open(slot, 3, 2);
    let unreachable = MIGRATE.replace("10.0.0.2", "10.0.0.9");
    let error = "IOERR error or timeout connecting to the client";
    assert_eq!(moved(&mut cluster, &format!("{unreachable} {{a}}1")), error);
    let users = &mut cluster.network.servers.get_mut(&2).unwrap().users;
    users.set("default", &["off"]);
    users.set("hostsplit", &["on", ">pw"]);
    let refused = "ERR Target instance replied with error: NOAUTH Authentication required.";
    assert_eq!(moved(&mut cluster, &format!("{MIGRATE} {{a}}1")), refused);
    let with =
        |password: &str| MIGRATE.replace("KEYS", &format!("AUTH2 hostsplit {password} KEYS"));
    let wrong = moved(&mut cluster, &format!("{} {{a}}1", with("no")));
    assert!(wrong.contains("WRONGPASS"), "{wrong}");
    assert_eq!(moved(&mut cluster, &format!("{} {{a}}1", with("pw"))), "OK");
    // It is there already: replaced only where that was asked for.
    let server = cluster.network.servers.get_mut(&3).unwrap();
    server.keys.set("{a}1", "newer");
    let keep = with("pw").replace("REPLACE ", "");
    assert!(moved(&mut cluster, &format!("{keep} {{a}}1")).contains("BUSYKEY"));
    cluster.network.links.get_mut(&2).unwrap().stopped = true;
    cluster.network.place();
    let silent = moved(&mut cluster, &format!("{} {{a}}1", with("pw")));
    assert_eq!(silent, "IOERR error or timeout reading to target instance");
    assert_eq!(cluster.say(3, "GET {a}1"), "newer\n");
}

#[test]
fn a_slot_that_is_given_without_its_keys_loses_them() {
    let mut cluster = Cluster::new(3, &[3]);
    let slot = slot_of("{a}1");
    cluster.follow(3, "SET {a}1 v");
    cluster.wait(1);
    cluster.open(slot, 3, 2);
    cluster.ok(2, &format!("CLUSTER SETSLOT {slot} NODE {}", id(2)));
    // The former owner heard of it, and its replica follows its stream.
    cluster.wait(1);
    assert_eq!((cluster.say(3, "DBSIZE"), cluster.say(4, "DBSIZE")), ("0\n".into(), "0\n".into()));
    assert_eq!(cluster.follow(1, "GET {a}1"), redirected(slot, &[2]) + "\n");
}

#[test]
fn a_master_that_gave_its_last_slot_and_its_replicas_follow_the_new_owner() {
    let mut cluster = Cluster::new(3, &[3]);
    for slot in 10922..16383 {
        cluster.open(slot, 3, 2);
        cluster.close(slot, 3, 2);
    }
    cluster.open(16383, 3, 2);
    let last = format!("CLUSTER SETSLOT 16383 NODE {}", id(2));
    cluster.ok(2, &last);
    // It heard of it before it was ordered to: as `redis-cli --cluster reshard` expects.
    assert_eq!(cluster.say(3, &last), "ERR Please use SETSLOT only with masters.\n");
    assert!(!cluster.say(3, "CLUSTER NODES").contains('['));
    cluster.wait(2);
    for uid in [3, 4] {
        assert_eq!(cluster.network.servers[&uid].follows(), Some(2), "{uid}");
        assert!(cluster.say(uid, "INFO").contains("master_link_status:up"), "{uid}");
    }
    assert_eq!(cluster.state(1), "cluster_state:ok");
    // Unless they are set to stay.
    let mut cluster = Cluster::new(3, &[3]);
    for uid in [3, 4] {
        cluster.ok(uid, "CONFIG SET cluster-allow-replica-migration no");
    }
    for slot in 10922..16384 {
        cluster.open(slot, 3, 2);
        cluster.close(slot, 3, 2);
    }
    cluster.wait(2);
    assert_eq!(cluster.network.servers[&3].follows(), None);
    assert_eq!(cluster.network.servers[&4].follows(), Some(3));
}

#[test]
fn open_slots_outlive_a_restart() {
    let mut cluster = Cluster::new(3, &[]);
    let slot = slot_of("{a}1");
    cluster.follow(3, "SET {a}1 v");
    cluster.open(slot, 3, 2);
    for uid in [2, 3] {
        cluster.set_running(uid, false);
        cluster.wait(1);
        cluster.set_running(uid, true);
    }
    cluster.wait(1);
    assert!(cluster.say(3, "CLUSTER NODES").contains(&format!("[{slot}->-{}]", id(2))));
    assert!(cluster.say(2, "CLUSTER NODES").contains(&format!("[{slot}-<-{}]", id(3))));
    assert_eq!(cluster.say(3, "GET {a}1"), "v\n");
}

#[test]
fn who_does_not_persist_starts_empty_and_empties_its_replica() {
    let mut cluster = Cluster::new(3, &[3]);
    cluster.follow(3, "SET {a}1 v");
    cluster.wait(1);
    assert_eq!(cluster.say(4, "DBSIZE"), "1\n");
    cluster.network.boot(Some(3), "port 6379\nappendonly no\nsave \"\"\n", cluster.now);
    cluster.wait(1);
    assert_eq!((cluster.say(3, "DBSIZE"), cluster.say(4, "DBSIZE")), ("0\n".into(), "0\n".into()));
}

#[test]
fn a_full_copy_takes_a_round() {
    let mut cluster = Cluster::new(3, &[1]);
    let master = id(2);
    cluster.ok(4, &format!("CLUSTER REPLICATE {master}"));
    let mut ups = Vec::new();
    for _ in 0..3 {
        ups.push(cluster.say(4, "INFO").contains("master_link_status:up"));
        cluster.now += Duration::from_millis(500);
        cluster.network.gossip_until(cluster.now);
    }
    assert_eq!(ups, [false, false, true]);
}

#[test]
fn a_member_leaves_and_may_come_back() {
    let mut cluster = Cluster::new(3, &[1, 1]);
    let gone = id(5);
    assert_eq!(
        cluster.say(5, &format!("CLUSTER FORGET {}", id(1))),
        "ERR Can't forget my master!\n"
    );
    let own = cluster.say(5, &format!("CLUSTER FORGET {gone}"));
    assert_eq!(own, "ERR I tried hard but I can't forget myself...\n");
    // A member that was not ordered to forget it passes it on once the ban is over.
    for uid in [1, 2, 3] {
        cluster.ok(uid, &format!("CLUSTER FORGET {gone}"));
    }
    cluster.wait(59);
    let knows = |cluster: &Cluster, uid: Uid| cluster.network.servers[&uid].view.contains_key(&5);
    assert!(!knows(&cluster, 1));
    cluster.wait(2);
    assert!(knows(&cluster, 1), "by way of 4");
    for uid in [1, 2, 3, 4] {
        cluster.ok(uid, &format!("CLUSTER FORGET {gone}"));
    }
    cluster.ok(5, "CLUSTER RESET SOFT");
    cluster.wait(90);
    assert!((1..=4).all(|uid| !knows(&cluster, uid)));
    assert_eq!(cluster.say(5, "CLUSTER INFO").matches("known_nodes:1").count(), 1);
    assert_eq!(cluster.say(5, "CLUSTER MYID"), format!("{gone}\n"));
    cluster.ok(1, "CLUSTER MEET 10.0.0.5 6379");
    cluster.wait(2);
    assert!((1..=4).all(|uid| knows(&cluster, uid)));
}

#[test]
fn a_reset_empties_a_replica_and_refuses_a_master_with_keys() {
    let mut cluster = Cluster::new(3, &[3]);
    cluster.follow(3, "SET {a}1 v");
    cluster.wait(1);
    let refused = cluster.say(3, "CLUSTER RESET HARD");
    assert_eq!(refused, "ERR CLUSTER RESET can't be called with master nodes containing keys\n");
    cluster.ok(4, "CLUSTER RESET HARD");
    let uid = cluster.network.stores[&4];
    assert_eq!(uid, 5, "another identity");
    assert_eq!(cluster.say(uid, "DBSIZE"), "0\n");
    assert!(cluster.say(uid, "INFO").starts_with("role:master"));
    cluster.wait(1);
    let others = cluster.say(1, "CLUSTER NODES");
    assert!(others.contains(&format!("{} :0@0 slave,noaddr", id(4))), "{others}");
    let full = cluster.say(3, &format!("CLUSTER REPLICATE {}", id(1)));
    assert_eq!(full, "ERR To set a master the node must be empty and without assigned slots.\n");
}

#[test]
fn slots_are_assigned_and_unassigned_by_range() {
    let mut cluster = Cluster::new(3, &[]);
    assert_eq!(
        cluster.say(1, "CLUSTER ADDSLOTSRANGE 5000 6000"),
        "ERR Slot 5000 is already busy\n"
    );
    cluster.ok(1, "CLUSTER DELSLOTSRANGE 5000 5000");
    let again = cluster.say(1, "CLUSTER DELSLOTSRANGE 4999 5000");
    assert_eq!(again, "ERR Slot 5000 is already unassigned\n");
    assert_eq!(cluster.state(1), "cluster_state:fail");
    cluster.ok(1, "CLUSTER ADDSLOTSRANGE 5000 5000");
    assert_eq!(cluster.state(1), "cluster_state:ok");
    // Others keep a slot with its owner until somebody else claims it.
    cluster.ok(1, "CLUSTER DELSLOTSRANGE 5000 5000");
    cluster.wait(1);
    assert_eq!(cluster.state(2), "cluster_state:ok");
    cluster.ok(3, "CLUSTER DELSLOTSRANGE 5000 5000");
    cluster.ok(3, "CLUSTER ADDSLOTSRANGE 5000 5000");
    cluster.wait(1);
    assert_eq!(cluster.network.servers[&2].owner(5000), Some(3));
    assert_eq!(cluster.network.servers[&1].owner(5000), Some(3));
}
