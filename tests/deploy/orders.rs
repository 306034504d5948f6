//! A mysql or mariadb service, `orders`, on simulated hosts, with a client that writes all the time.

use std::path::Path;

use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::planner::make_with;
use hostsplit::profile::Profiles;
use hostsplit::simulated::{Client, Requests, Server, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Access, Demand, Engine, FailoverMode, Password, Policy, RelationalDemand, Spec,
};
use hostsplit::topology::{Host, Level};
use hostsplit::units::{Mebibytes, PerSecond};

use crate::fixture::{self, Purpose, Run, assert_planned, run};
use crate::plain;

pub const ENGINES: [Engine; 2] = [Engine::Mysql, Engine::Mariadb];

pub fn host(number: u32) -> Host {
    let node = plain::node(0, vec![plain::l3(0..=31)], 64);
    let name = format!("h{number}");
    let uri = Some(format!("test://{name}"));
    Host { uri, ..plain::host(&name, vec![node], 100) }
}

/// A service that is served by a primary and replicas, on so many hosts.
pub fn spec_of(engine: Engine, failover: FailoverMode, (hosts, reads): (u32, u64)) -> Spec {
    let demand = Demand::PrimaryReplica(RelationalDemand {
        reads_per_s: PerSecond::new(reads),
        writes_per_s: PerSecond::new(10),
        data_mib: Mebibytes::from_gib(1),
        working_set_percent: 100,
        shards: 1,
        failover,
    });
    let mut orders = plain::service("orders", engine, demand);
    orders.access = Access { password: Some(Password::Generated), ..Access::default() };
    let mut spec =
        plain::spec((1..=hosts).map(host).collect(), Policy::surviving(Level::Host), vec![orders]);
    spec.image = fixture::plan().image;
    spec
}

/// A service whose primary is led over by a person, on three hosts.
pub fn spec(engine: Engine, reads: u64) -> Spec {
    spec_of(engine, FailoverMode::Manual, (3, reads))
}

pub fn planned(spec: &Spec, prior: Option<&Plan>) -> Plan {
    let profiles = Profiles::builtin().unwrap();
    make_with(spec, &profiles, &Limits::default(), prior).unwrap().0
}

/// A primary and a replica.
pub fn pair(engine: Engine) -> Plan {
    let plan = planned(&spec(engine, 100), None);
    assert_eq!(plan.instances.len(), 2);
    plan
}

pub fn named(plan: &Plan, role: Role) -> Vec<&Instance> {
    plan.instances.iter().filter(|one| one.role == role).collect()
}

pub fn primary(plan: &Plan) -> &Instance {
    named(plan, Role::Primary)[0]
}

pub fn replica(plan: &Plan) -> &Instance {
    named(plan, Role::Replica)[0]
}

/// A client that knows the addresses of all instances.
pub fn client(plan: &Plan) -> Client {
    Client {
        contacts: plan.instances.iter().filter_map(|one| Some((one.address?, 3306))).collect(),
        password: Some("for-all-clients".to_owned()),
        encrypted: false,
    }
}

/// A world with a deployed plan; a client writes all the time.
pub fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    assert_planned(plan, &world);
    world.attach(client(plan));
    let _ = world.take_requests();
    world
}

/// A deploy that comes to its plan; how many of the client's requests were answered, and why
/// others were refused.
pub fn follow(plan: &Plan, world: &SimulatedWorld, state: &Path) -> (Run, Requests) {
    let _ = world.take_requests();
    let changed = run(plan, world, state, Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    assert_planned(plan, world);
    assert_kept(world);
    (changed, world.take_requests())
}

/// One server takes writes, and it has all that was acknowledged to clients.
pub fn assert_kept(world: &SimulatedWorld) {
    world.glance(|scene| {
        let servers = scene.servers();
        let open: Vec<&Server> = servers.iter().filter(|one| one.writable).collect();
        assert_eq!(open.len(), 1, "one takes writes");
        let primary = open[0];
        for (key, value) in scene.acknowledged() {
            assert_eq!(scene.value(primary.id, &key), Some(value.as_str()), "{key}");
        }
    });
}

/// What was refused only because a primary hands over: it takes no writes for a moment.
pub fn assert_read_only(requests: &Requests) {
    let others = requests.refused.iter().filter(|why| !why.contains("read-only"));
    assert_eq!(others.count(), 0, "{:?}", requests.refused);
}
