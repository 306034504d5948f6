//! What an ordinary client notices of work on a cluster: of a hand-over and of a
//! directive that is set while Redis runs nothing, of a restarted master a pause.

use std::time::Duration;

use hostsplit::guest::Guest;
use hostsplit::hypervisor::clock::Clock;
use hostsplit::plan::{Instance, Plan};
use hostsplit::simulated::{Client, Requests, SimulatedWorld};

use crate::fixture::{Purpose, open, plan, run};

/// A deployed cluster with a client that sends a request after each call.
fn deployed() -> (Plan, SimulatedWorld) {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    world.attach(client(&plan));
    (plan, world)
}

fn client(plan: &Plan) -> Client {
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts = members.filter_map(|one| Some((one.address?, 6379))).collect();
    Client { contacts, password: Some("for-all-clients".to_owned()), encrypted: false }
}

pub fn in_guest(
    world: &SimulatedWorld,
    plan: &Plan,
    instance: &Instance,
    command: &[&str],
) -> String {
    let hypervisor = open(plan, world, instance.host.as_str());
    let clock = world.clock();
    let guest = Guest { hypervisor: hypervisor.as_ref(), domain: &instance.domain, clock: &clock };
    guest
        .run(command, Duration::from_secs(30))
        .map(|output| output.stdout + &output.stderr)
        .unwrap()
}

pub fn redis(world: &SimulatedWorld, plan: &Plan, instance: &Instance, words: &[&str]) -> String {
    let login = ["redis-cli", "-e", "--user", "hostsplit", "-a", "for-ourselves"];
    in_guest(world, plan, instance, &[&login[..], words].concat())
}

/// Lets virtual time pass with a request in each tenth of a second.
fn requests_during(world: &SimulatedWorld, plan: &Plan, seconds: u64) -> Requests {
    for _ in 0..seconds * 10 {
        world.clock().wait(Duration::from_millis(100));
        open(plan, world, "h1").describe().unwrap();
    }
    world.take_requests()
}

#[test]
fn a_master_that_handed_over_restarts_unnoticed() {
    let (plan, world) = deployed();
    let (master, replica) = (&plan.instances[0], &plan.instances[1]);
    assert_eq!(redis(&world, &plan, replica, &["CLUSTER", "FAILOVER"]), "OK\n");
    let replication = redis(&world, &plan, replica, &["INFO", "replication"]);
    assert!(replication.starts_with("role:master"), "{replication}");
    in_guest(&world, &plan, master, &["systemctl", "restart", "redis-server"]);
    let requests = requests_during(&world, &plan, 5);
    assert!(requests.answered > 50, "{requests:?}");
    assert_eq!(requests.refused, [""; 0]);
    assert_eq!((world.starts(&master.domain), world.starts(&replica.domain)), (2, 1));

    // And back, with what was written meanwhile.
    let written = world.request(&client(&plan), "kept");
    assert_eq!(written, Ok(()));
    let value = redis(&world, &plan, replica, &["-c", "GET", "kept"]);
    assert_eq!(redis(&world, &plan, master, &["CLUSTER", "FAILOVER"]), "OK\n");
    assert_eq!(redis(&world, &plan, master, &["-c", "GET", "kept"]), value);
    let requests = requests_during(&world, &plan, 5);
    assert_eq!(requests.refused, [""; 0]);
    let own = redis(&world, &plan, master, &["CLUSTER", "NODES"]);
    let epochs: Vec<&str> = own.lines().filter(|line| line.contains("master")).map(epoch).collect();
    let mut distinct = epochs.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((epochs.len(), distinct.len()), (3, 3), "{own}");
}

fn epoch(line: &str) -> &str {
    line.split(' ').nth(6).unwrap()
}

#[test]
fn a_master_that_restarts_as_it_is_pauses_its_slots() {
    let (plan, world) = deployed();
    let master = &plan.instances[0];
    in_guest(&world, &plan, master, &["systemctl", "restart", "redis-server"]);
    let requests = requests_during(&world, &plan, 1);
    assert!(!requests.refused.is_empty() && requests.answered > 0, "{requests:?}");
    assert!(requests.refused.iter().all(|why| why.contains("refused")), "{requests:?}");
    assert_eq!(requests_during(&world, &plan, 5).refused, [""; 0]);
}

#[test]
fn a_directive_that_redis_takes_while_it_runs_needs_no_restart() {
    let (plan, world) = deployed();
    let master = &plan.instances[0];
    assert_eq!(redis(&world, &plan, master, &["CONFIG", "SET", "maxmemory", "300mb"]), "OK\n");
    let found = redis(&world, &plan, master, &["CONFIG", "GET", "maxmemory"]);
    assert_eq!(found, "maxmemory\n300mb\n");
    let refused = redis(&world, &plan, master, &["CONFIG", "SET", "io-threads", "2"]);
    assert!(refused.contains("can't set immutable config"), "{refused}");
    let reload = in_guest(&world, &plan, master, &["systemctl", "reload", "redis-server"]);
    assert!(reload.contains("Job type reload is not applicable"), "{reload}");
    assert_eq!(world.starts(&master.domain), 1);
    assert_eq!(requests_during(&world, &plan, 1).refused, [""; 0]);
    in_guest(&world, &plan, master, &["systemctl", "reload-or-restart", "redis-server"]);
    assert_eq!(world.starts(&master.domain), 2);
    assert_ne!(requests_during(&world, &plan, 1).refused, [""; 0]);
}
