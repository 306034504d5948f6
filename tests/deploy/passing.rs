//! Databases behind a gateway: clients go on at one address whoever leads, and nobody is passed
//! on to a server that does not say that it takes writes.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use hostsplit::deploy::Failover;
use hostsplit::engine::Fact;
use hostsplit::graph::Vertex;
use hostsplit::guest::{Call, Guest};
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::ServiceName;
use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::planner::make_with;
use hostsplit::profile::Profiles;
use hostsplit::simulated::{Client, Requests, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Access, Demand, Engine, GatewayDemand, Password, Policy, RelationalDemand, Service, Spec,
};
use hostsplit::topology::{Host, Level};
use hostsplit::units::{Mebibytes, PerSecond};

use crate::fixture::{self, Purpose, assert_planned, connected, resumed_at_every, run, starts};
use crate::plain;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 9);

fn spec(engine: Engine) -> Spec {
    let host = |number: u32| {
        let node = plain::node(0, vec![plain::l3(0..=31)], 64);
        let name = format!("h{number}");
        let uri = Some(format!("test://{name}"));
        Host { uri, ..plain::host(&name, vec![node], 100) }
    };
    let (reads_per_s, writes_per_s) = (PerSecond::new(100), PerSecond::new(10));
    let demand = Demand::PrimaryReplica(RelationalDemand {
        reads_per_s,
        writes_per_s,
        data_mib: Mebibytes::from_gib(1),
        working_set_percent: 100,
        shards: 1,
        failover: hostsplit::spec::FailoverMode::Manual,
    });
    let gateway = Demand::GatewayPair(GatewayDemand {
        requests_per_s: PerSecond::ZERO,
        transactions_per_s: reads_per_s.saturating_add(writes_per_s),
        response_bytes_per_s: 0,
        tls: false,
    });
    let edge = plain::service("edge", Engine::Haproxy, gateway);
    let access = Access { password: Some(Password::Generated), ..Access::default() };
    let gateway = Some(edge.name.clone());
    let orders = Service { gateway, access, ..plain::service("orders", engine, demand) };
    let hosts = (1..=3).map(host).collect();
    let mut spec = plain::spec(hosts, Policy::surviving(Level::Host), vec![orders, edge]);
    spec.network.as_mut().unwrap().vip = Some(ADDRESS);
    spec.image = fixture::plan().image;
    spec
}

fn planned(engine: Engine) -> Plan {
    make_with(&spec(engine), &Profiles::builtin().unwrap(), &Limits::default(), None).unwrap().0
}

const ENGINES: [Engine; 2] = [Engine::Mysql, Engine::Mariadb];

fn named(plan: &Plan, role: Role) -> &Instance {
    plan.instances.iter().find(|one| one.role == role).unwrap()
}

/// A client that knows the gateway's address alone.
fn client(port: u16) -> Client {
    let password = Some("for-all-clients".to_owned());
    Client { contacts: vec![(ADDRESS, port)], password, encrypted: false }
}

fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    assert_planned(plan, &world);
    world.attach(client(3306));
    let _ = world.take_requests();
    world
}

fn failing_over<T>(plan: &Plan, world: &SimulatedWorld, f: impl FnOnce(&Failover<'_>) -> T) -> T {
    connected(plan, world, &fixture::secrets(), |context| {
        let orders = ServiceName::new("orders").unwrap();
        let service = context.plan.service(&orders).unwrap();
        f(&Failover::of(context, service, 0).unwrap())
    })
}

#[test]
fn clients_reach_the_primary_through_the_gateway_and_a_second_deploy_needs_nothing() {
    for engine in ENGINES {
        let (plan, state) = (planned(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = starts(&plan, &world);
        assert_eq!(world.request(&client(3306), "written"), Ok(()), "{engine}");
        let refused = world.request(&client(3307), "read port").unwrap_err();
        assert!(refused.contains("read-only"), "a replica serves reads: {refused}");
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(again.is_complete(), "{}", again.story());
        assert_eq!((world.take_requests().refused, starts(&plan, &world)), (vec![], before));
        let found = connected(&plan, &world, &fixture::secrets(), |context| {
            hostsplit::deploy::verify(context, true)
        });
        assert!(found.is_ok(), "{engine}: {found:?}");
    }
}

#[test]
fn a_deploy_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = planned(Engine::Mariadb);
    resumed_at_every(11, &plan, |world| assert_planned(&plan, world));
}

#[test]
fn after_a_hand_over_clients_write_at_the_same_address() {
    for engine in ENGINES {
        let (plan, state) = (planned(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let second = named(&plan, Role::Replica).name.clone();
        failing_over(&plan, &world, |failover| failover.hand_over(&second).unwrap());
        let Requests { answered, refused } = world.take_requests();
        assert!(answered > 0);
        let others = refused.iter().filter(|why| !why.contains("read-only"));
        let others = others.filter(|why| *why != "Connection refused");
        assert_eq!(others.count(), 0, "{refused:?}");
        assert_eq!(world.request(&client(3306), "at the other"), Ok(()), "{engine}");
    }
}

#[test]
fn a_lost_primary_is_replaced_by_order_and_its_clients_go_on() {
    for engine in ENGINES {
        let (plan, state) = (planned(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let (first, second) = (named(&plan, Role::Primary), named(&plan, Role::Replica));
        world.power_cut(&first.host);
        world.clock().wait(Duration::from_secs(30));
        assert!(world.request(&client(3306), "nobody").is_err(), "nobody is passed on");
        failing_over(&plan, &world, |failover| {
            failover.leadership().unwrap();
            let off = [first.name.clone()].into();
            assert_eq!(failover.promote(&off, None), Ok(second.name.clone()));
        });
        assert_eq!(world.request(&client(3306), "goes on"), Ok(()), "{engine}");
        assert_eq!(world.request(&client(3307), "no replica is left"), Ok(()), "{engine}");
        world.power_on(&first.host);
        world.clock().wait(Duration::from_secs(120));
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(again.is_complete(), "{}", again.story());
        assert_planned(&plan, &world);
    }
}

#[test]
fn gateways_are_changed_one_after_the_other_while_clients_write() {
    let (plan, state) = (planned(Engine::Mariadb), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let mut changed = plan.clone();
    for one in changed.instances.iter_mut().filter(|one| one.service.as_str() == "edge") {
        one.settings.insert("maxconn".to_owned(), 500.into());
    }
    let run = run(&changed, &world, state.path(), Purpose::Deploy);
    assert!(run.is_complete(), "{}", run.story());
    let Requests { answered, refused } = world.take_requests();
    assert!(answered > 0 && refused.is_empty(), "{refused:?}");
    assert_planned(&changed, &world);
}

#[test]
fn a_gateway_is_whole_once_its_database_is() {
    let plan = planned(Engine::Mariadb);
    let graph = hostsplit::graph::Graph::of(&plan);
    let cluster = |name: &str| Vertex::Cluster(ServiceName::new(name).unwrap());
    assert!(graph.needs(&cluster("edge")).contains(&&cluster("orders")));
}

/// Somebody opens the replica by hand: nobody is passed on to either, and it is named.
#[test]
fn of_two_that_say_that_they_take_writes_neither_gets_any() {
    let (plan, state) = (planned(Engine::Mariadb), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let second = named(&plan, Role::Replica).clone();
    let host = fixture::open(&plan, &world, second.host.as_str());
    let clock = world.clock();
    let guest = Guest { hypervisor: host.as_ref(), domain: &second.domain, clock: &clock };
    let statements = "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = OFF;";
    let command = ["mariadb", "-uroot"];
    let call = Call { command: &command, input: statements, environment: &[] };
    assert!(guest.call(&call, Duration::from_secs(60).into()).unwrap().is_ok());
    world.clock().wait(Duration::from_secs(5));
    let refused = world.request(&client(3306), "split").unwrap_err();
    assert_eq!(refused, "Connection refused");
    let (_, found) = fixture::reviewed(&plan, &world);
    let of_gateway = found.differences.iter().filter(|one| matches!(one.fact, Fact::Frontend(_)));
    let said: Vec<String> = of_gateway.map(|one| one.found.clone()).collect();
    let expected = "several servers say that they take writes, so that nobody is passed on, at \
                    10.20.0.9:3306";
    assert_eq!(said, [expected, expected]);
}
