//! Search engines: founded once, changed one instance after the other while everything has
//! another copy, emptied before they leave; and no document that was acknowledged is lost.

use std::path::Path;
use std::time::Duration;

use hostsplit::engine::Fact;
use hostsplit::graph::Vertex;
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::plan::{Instance, Plan};
use hostsplit::planner::make_with;
use hostsplit::profile::Profiles;
use hostsplit::simulated::{Client, Requests, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{Access, Demand, Engine, Password, Policy, SearchDemand, Spec, Tls};
use hostsplit::topology::{Host, Level};
use hostsplit::units::{Bytes, Mebibytes, PerSecond};

use crate::fixture::{
    self, Purpose, Run, assert_planned, connected, killed_at_every, look, reasons,
    resumed_at_every, run, starts,
};
use crate::plain;

pub const ENGINES: [Engine; 2] = [Engine::Elasticsearch, Engine::Opensearch];

/// Whether clients need a password.
pub fn is_closed(engine: Engine) -> bool {
    engine == Engine::Elasticsearch
}

pub fn closed() -> Access {
    Access { password: Some(Password::Generated), tls: Tls::On, ..Access::default() }
}

pub fn spec(engine: Engine, index: u64) -> Spec {
    let host = |number: u32| {
        let node = plain::node(0, vec![plain::l3(0..=31)], 64);
        let name = format!("h{number}");
        let uri = Some(format!("test://{name}"));
        Host { uri, ..plain::host(&name, vec![node], 100) }
    };
    let demand = Demand::Quorum(SearchDemand {
        index_per_s: PerSecond::new(index),
        queries_per_s: PerSecond::ZERO,
        data_mib: Mebibytes::from_gib(1),
        copies: 2,
        document_bytes: Bytes::new(128),
        shards_per_query: Some(6),
        retention_days: None,
    });
    let mut search = plain::service("search", engine, demand);
    if is_closed(engine) {
        search.access = closed();
    }
    let hosts: Vec<Host> = (1..=4).map(host).collect();
    let mut spec = plain::spec(hosts, Policy::surviving(Level::Host), vec![search]);
    spec.image = fixture::plan().image;
    spec
}

pub fn planned(spec: &Spec, prior: Option<&Plan>) -> Plan {
    let profiles = Profiles::builtin().unwrap();
    make_with(spec, &profiles, &Limits::default(), prior).unwrap().0
}

/// Three instances.
pub fn few(engine: Engine) -> Plan {
    let plan = planned(&spec(engine, 100), None);
    assert_eq!(plan.instances.len(), 3, "{:?}", plan.services[0].layout);
    plan
}

/// A client that knows the addresses of all instances.
pub fn client(plan: &Plan) -> Client {
    Client {
        contacts: plan.instances.iter().filter_map(|one| Some((one.address?, 9200))).collect(),
        password: is_closed(plan.services[0].engine).then(|| "for-all-clients".to_owned()),
        encrypted: is_closed(plan.services[0].engine),
    }
}

/// A world with a deployed plan; a client indexes all the time.
pub fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    assert_planned(plan, &world);
    world.attach(client(plan));
    assert!(world.request(&client(plan), "first").is_ok());
    for _ in 0..3 {
        world.clock().wait(Duration::from_secs(5));
        world.glance(|_| ());
    }
    let _ = world.take_requests();
    world
}

/// Everything that was acknowledged is there.
pub fn assert_kept(world: &SimulatedWorld) {
    world.glance(|scene| {
        for (key, value) in scene.acknowledged() {
            assert_eq!(scene.value(0, &key), Some(value.as_str()), "{key}");
        }
    });
}

/// A deploy that comes to its plan, and the requests of the client meanwhile.
pub fn follow(plan: &Plan, world: &SimulatedWorld, state: &Path) -> (Run, Requests) {
    let _ = world.take_requests();
    let changed = run(plan, world, state, Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    assert_planned(plan, world);
    assert_kept(world);
    (changed, world.take_requests())
}

fn cut_and_return(plan: &Plan, world: &SimulatedWorld) {
    for host in &plan.topology.hosts {
        world.power_cut(&host.name);
    }
    for host in &plan.topology.hosts {
        world.power_on(&host.name);
    }
    world.clock().wait(Duration::from_secs(120));
}

#[test]
fn a_cluster_is_founded_and_a_second_deploy_needs_nothing() {
    for engine in ENGINES {
        let (plan, state) = (few(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = starts(&plan, &world);
        assert_eq!(before, 4, "one of three was started once more, to found it");
        let (again, requests) = follow(&plan, &world, state.path());
        assert_eq!(reasons(&again), [""; 0], "{engine}");
        assert_eq!((requests.refused, starts(&plan, &world)), (Vec::new(), before), "{engine}");
        for one in &plan.instances {
            assert_eq!(world.file(&one.domain, "/run/hostsplit-bootstrap"), None);
        }
        let found = connected(&plan, &world, &fixture::secrets(), |context| {
            hostsplit::deploy::verify(context, true)
        });
        assert!(found.is_ok(), "{engine}: {found:?}");
        assert_eq!((found.probes.len(), found.loads.len()), (3, 3));
    }
}

#[test]
fn a_deploy_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = few(Engine::Elasticsearch);
    resumed_at_every(5, &plan, |world| assert_planned(&plan, world));
}

/// Puts a value into the configuration that is planned for all.
fn with_setting(plan: &Plan, name: &str, value: u64) -> Plan {
    let mut changed = plan.clone();
    for one in &mut changed.instances {
        one.settings.insert(name.to_owned(), value.into());
    }
    changed
}

#[test]
fn a_changed_setting_restarts_one_after_the_other_and_nobody_is_refused() {
    for engine in ENGINES {
        let (plan, state) = (few(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = starts(&plan, &world);
        let changed = with_setting(&plan, "indices.fielddata.cache.size", 1 << 20);
        let (_, requests) = follow(&changed, &world, state.path());
        assert_eq!(requests.refused, [""; 0], "{engine}");
        assert!(requests.answered > 0);
        assert_eq!(starts(&plan, &world), before + 3, "{engine}");
    }
}

#[test]
fn a_rolling_change_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = few(Engine::Elasticsearch);
    let changed = with_setting(&plan, "indices.fielddata.cache.size", 1 << 20);
    let begin = |state: &Path| deployed(&plan, state);
    killed_at_every(9, &changed, &begin, |world, state, call| {
        let (_, requests) = follow(&changed, world, state);
        assert_eq!(requests.refused, [""; 0], "call {call}");
    });
}

#[test]
fn more_memory_is_given_to_one_machine_after_the_other() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let mut changed = plan.clone();
    for one in &mut changed.instances {
        one.memory_mib = one.memory_mib.saturating_add(Mebibytes::new(512));
    }
    let (_, requests) = follow(&changed, &world, state.path());
    assert_eq!(requests.refused, [""; 0]);
}

#[test]
fn instances_come_and_are_emptied_before_they_go() {
    for engine in ENGINES {
        let (few, state) = (few(engine), tempfile::tempdir().unwrap());
        let more = (1..40).map(|times| planned(&spec(engine, times * 5_000), Some(&few)));
        let more = more.into_iter().find(|plan| plan.instances.len() > 3).unwrap();
        let world = deployed(&few, state.path());
        let (_, requests) = follow(&more, &world, state.path());
        assert_eq!(requests.refused, [""; 0], "{engine}");
        let (shrunk, requests) = follow(&few, &world, state.path());
        assert_eq!(requests.refused, [""; 0], "{engine}");
        let gone = shrunk.events.iter().filter(|one| matches!(one.vertex, Vertex::Unwanted { .. }));
        assert!(gone.count() > 0, "{engine}");
    }
}

#[test]
fn a_host_without_power_costs_nobody_a_document() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let first = plan.instances[0].host.clone();
    world.power_cut(&first);
    world.clock().wait(Duration::from_secs(10));
    assert!(world.request(&client(&plan), "meanwhile").is_ok());
    world.clock().wait(Duration::from_secs(120));
    world.power_on(&first);
    world.clock().wait(Duration::from_secs(120));
    let _ = follow(&plan, &world, state.path());
}

#[test]
fn after_a_whole_outage_it_is_the_same_cluster() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    assert!(world.request(&client(&plan), "before").is_ok());
    let before = starts(&plan, &world);
    cut_and_return(&plan, &world);
    let _ = follow(&plan, &world, state.path());
    assert_eq!(starts(&plan, &world), before, "boots alone, no founding");
}

/// Two of three voters are away: the third must not be taken for one that never had a cluster.
#[test]
fn a_cluster_without_a_majority_is_not_founded_again() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let before = starts(&plan, &world);
    for one in &plan.instances[1..] {
        world.set_hung(&one.domain, true);
    }
    let stopped = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(!stopped.is_complete());
    assert_eq!(starts(&plan, &world), before, "{}", stopped.story());
    for one in &plan.instances[1..] {
        world.set_hung(&one.domain, false);
    }
    let _ = follow(&plan, &world, state.path());
}

/// Sends a request to the first instance from its own guest.
pub fn ask(plan: &Plan, world: &SimulatedWorld, method: &str, path: &str, body: &str) {
    let first: &Instance = &plan.instances[0];
    let at = first.address.unwrap();
    let input = format!(
        "url = \"https://{at}:9200{path}\"\nrequest = {method}\ndata-binary = {body:?}\n\
         netrc-file = /etc/elasticsearch/hostsplit.netrc\ncacert = /etc/elasticsearch/ca.crt\n\
         write-out = \"%{{http_code}}\"\n"
    );
    connected(plan, world, &fixture::secrets(), |context| {
        use hostsplit::engine::Guests as _;
        let guest = context.guest(&first.name).unwrap();
        let command = ["curl", "--silent", "--config", "-"];
        let call = hostsplit::guest::Call { command: &command, input: &input, environment: &[] };
        let output = guest.call(&call, Duration::from_secs(10).into()).unwrap();
        assert!(output.stdout.ends_with("200"), "{}", output.stdout);
    });
}

#[test]
fn what_somebody_set_in_the_cluster_is_shown_and_taken_back() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let name = "cluster.routing.allocation.disk.watermark.low";
    let body =
        format!("{{\"persistent\":{{\"{name}\":\"99%\",\"action.auto_create_index\":\"x\"}}}}");
    ask(&plan, &world, "PUT", "/_cluster/settings", &body);
    let seen = look(&plan, &world);
    let differences: Vec<_> = seen.clusters.values().flatten().collect();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].fact, Fact::Setting(name.to_owned()));
    assert_eq!(differences[0].found, "99%, set in the cluster");
    let before = starts(&plan, &world);
    let _ = follow(&plan, &world, state.path());
    assert_eq!(starts(&plan, &world), before);
}

/// An index that its author gave no copies makes its holder the only one.
#[test]
fn an_instance_with_the_only_copy_of_a_shard_is_not_taken_away() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let body = "{\"settings\":{\"index.number_of_shards\":3,\"index.number_of_replicas\":0}}";
    ask(&plan, &world, "PUT", "/lonely", body);
    let changed = with_setting(&plan, "indices.fielddata.cache.size", 1 << 20);
    let stopped = run(&changed, &world, state.path(), Purpose::Deploy);
    assert!(!stopped.is_complete());
    assert!(stopped.story().contains("is the only healthy copy"), "{}", stopped.story());
    ask(&plan, &world, "DELETE", "/lonely", "");
    let _ = follow(&changed, &world, state.path());
}
