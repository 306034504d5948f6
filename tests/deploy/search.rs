//! Search engines: founded once, changed one instance after the other while everything has
//! another copy, emptied before they leave; and no document that was acknowledged is lost.

use std::path::Path;
use std::time::Duration;

use hostsplit::engine::Fact;
use hostsplit::graph::{Vertex, decide};
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::ServiceName;
use hostsplit::plan::{Instance, Plan};
use hostsplit::planner::make_with;
use hostsplit::profile::Profiles;
use hostsplit::recipe::Credentials;
use hostsplit::secret::{Secret, Secrets};
use hostsplit::simulated::{Client, Mode, Requests, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Access, Demand, Engine, GatewayDemand, Password, Policy, SearchDemand, Spec, Tls,
};
use hostsplit::topology::{Host, Level};
use hostsplit::units::{Bytes, Mebibytes, PerSecond};

use crate::fixture::{self, Purpose, Run, at_every, connected, look, reasons, run, starts};
use crate::plain;

const ENGINES: [Engine; 2] = [Engine::Elasticsearch, Engine::Opensearch];

/// Whether clients need a password.
fn is_closed(engine: Engine) -> bool {
    engine == Engine::Elasticsearch
}

fn closed() -> Access {
    Access { password: Some(Password::Generated), tls: Tls::On, ..Access::default() }
}

fn spec(engine: Engine, index: u64) -> Spec {
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

fn planned(spec: &Spec, prior: Option<&Plan>) -> Plan {
    let profiles = Profiles::builtin().unwrap();
    make_with(spec, &profiles, &Limits::default(), prior).unwrap().0
}

/// Three instances.
fn few(engine: Engine) -> Plan {
    let plan = planned(&spec(engine, 100), None);
    assert_eq!(plan.instances.len(), 3, "{:?}", plan.services[0].layout);
    plan
}

/// A client that knows the addresses of all instances.
fn client(plan: &Plan) -> Client {
    Client {
        contacts: plan.instances.iter().filter_map(|one| Some((one.address?, 9200))).collect(),
        password: is_closed(plan.services[0].engine).then(|| "for-all-clients".to_owned()),
        encrypted: is_closed(plan.services[0].engine),
    }
}

/// A world with a deployed plan; a client indexes all the time.
fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
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

fn assert_planned(plan: &Plan, world: &SimulatedWorld) {
    let left = decide(plan, &look(plan, world));
    let steps = left.steps().filter(|(_, step)| step.action != hostsplit::graph::Action::NoOp);
    let left: Vec<String> =
        steps.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect();
    assert_eq!(left, [""; 0]);
}

/// Everything that was acknowledged is there.
fn assert_kept(world: &SimulatedWorld) {
    world.glance(|scene| {
        for (key, value) in scene.acknowledged() {
            assert_eq!(scene.value(0, &key), Some(value.as_str()), "{key}");
        }
    });
}

/// A deploy that comes to its plan, and the requests of the client meanwhile.
fn follow(plan: &Plan, world: &SimulatedWorld, state: &Path) -> (Run, Requests) {
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
    let begin = |_: &Path| SimulatedWorld::new(&plan.topology);
    at_every(5, &plan, &begin, |call| {
        let (world, state) = (begin(Path::new("")), tempfile::tempdir().unwrap());
        world.fail_at(call as u64, if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter });
        let _ = run(&plan, &world, state.path(), Purpose::Deploy);
        world.revive();
        let second = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(second.is_complete(), "call {call}: {}", second.story());
        assert_planned(&plan, &world);
    });
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
    at_every(9, &changed, &begin, |call| {
        let state = tempfile::tempdir().unwrap();
        let world = begin(state.path());
        let call = world.log().len() + call;
        world.fail_at(call as u64, if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter });
        let _ = run(&changed, &world, state.path(), Purpose::Deploy);
        world.revive();
        let (_, requests) = follow(&changed, &world, state.path());
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
fn ask(plan: &Plan, world: &SimulatedWorld, method: &str, path: &str, body: &str) {
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

/// Other passwords for the same service.
fn changed_secrets() -> Secrets {
    let secret = |text| Secret::parse(text).unwrap();
    let known =
        Credentials { client: secret("for-all-clients-2"), internal: secret("for-us-two-2") };
    let mut secrets = fixture::secrets();
    secrets.services.insert(ServiceName::new("search").unwrap(), known.into());
    secrets
}

fn run_with(plan: &Plan, world: &SimulatedWorld, state: &Path, secrets: &Secrets) -> Run {
    let quiet: fixture::Happening<'_, '_> = (&|_| {}, &|journal| Box::new(journal));
    fixture::run_knowing(plan, world, state, Purpose::Deploy, quiet, secrets)
}

#[test]
fn nobody_comes_in_without_the_password_or_without_encryption() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let known = client(&plan);
    for stranger in [
        Client { password: None, ..known.clone() },
        Client { password: Some("for-ourselves-as-long".to_owned()), ..known.clone() },
        Client { encrypted: false, ..known.clone() },
    ] {
        assert!(world.request(&stranger, "stranger").is_err());
    }
    assert!(world.request(&known, "known").is_ok());
    for one in &plan.instances {
        let own = world.file(&one.domain, "/etc/elasticsearch/hostsplit.netrc").unwrap();
        assert!(own.contains("for-ourselves-as-long"), "root alone can read it");
        let config = world.file(&one.domain, "/etc/elasticsearch/elasticsearch.yml").unwrap();
        assert!(!config.contains("for-"), "{config}");
        let users = world.file(&one.domain, "/etc/elasticsearch/users").unwrap();
        assert!(!users.contains("for-"), "{users}");
    }
    let log = format!("{:?}", world.log());
    assert!(!log.contains("for-ourselves") && !log.contains("for-all-clients"), "{log}");
}

#[test]
fn passwords_are_changed_without_a_restart() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let before = starts(&plan, &world);
    let changed = run_with(&plan, &world, state.path(), &changed_secrets());
    assert!(changed.is_complete(), "{}", changed.story());
    assert_eq!(starts(&plan, &world), before, "{}", changed.story());
    let new = Client { password: Some("for-all-clients-2".to_owned()), ..client(&plan) };
    assert!(world.request(&new, "by the new one").is_ok());
    assert!(world.request(&client(&plan), "by the former").is_err());
    let again = run_with(&plan, &world, state.path(), &changed_secrets());
    assert_eq!(reasons(&again), [""; 0]);
}

#[test]
fn a_change_of_passwords_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = few(Engine::Elasticsearch);
    let new = Client { password: Some("for-all-clients-2".to_owned()), ..client(&plan) };
    let calls = {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(&plan, state.path());
        let before = world.log().len();
        assert!(run_with(&plan, &world, state.path(), &changed_secrets()).is_complete());
        world.log().len() - before
    };
    for call in (1..=calls).step_by(11) {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(&plan, state.path());
        let mode = if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter };
        world.fail_at(world.log().len() as u64 + call as u64, mode);
        let _ = run_with(&plan, &world, state.path(), &changed_secrets());
        world.revive();
        let second = run_with(&plan, &world, state.path(), &changed_secrets());
        assert!(second.is_complete(), "call {call}: {}", second.story());
        assert!(world.request(&new, "by the new one").is_ok(), "call {call}");
    }
}

/// An open cluster that is deployed, and what its clients are.
fn open(state: &Path) -> (SimulatedWorld, Client) {
    let mut spec = spec(Engine::Elasticsearch, 100);
    spec.services[0].access = Access::default();
    let open = planned(&spec, None);
    let world = SimulatedWorld::new(&open.topology);
    let first = run(&open, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    let strangers = Client { password: None, encrypted: false, ..client(&open) };
    assert!(world.request(&strangers, "before").is_ok());
    (world, strangers)
}

/// Those with encryption do not understand those without: all are restarted together, and
/// that is said before.
#[test]
fn encryption_is_turned_on_by_an_outage_that_was_allowed() {
    let closed = few(Engine::Elasticsearch);
    let state = tempfile::tempdir().unwrap();
    let (world, strangers) = open(state.path());
    let stopped = run(&closed, &world, state.path(), Purpose::Deploy);
    assert!(stopped.story().contains("search does not serve meanwhile"), "{}", stopped.story());
    assert!(world.request(&strangers, "meanwhile").is_ok());
    let allowed = fixture::allowing("search");
    let changed = fixture::run_allowing(&closed, &world, state.path(), &allowed);
    assert!(changed.is_complete(), "{}", changed.story());
    assert_planned(&closed, &world);
    assert_kept(&world);
    assert!(world.request(&client(&closed), "after").is_ok());
    assert!(world.request(&strangers, "after").is_err());
}

#[test]
fn turning_encryption_on_that_was_killed_anywhere_is_finished_by_the_next() {
    let closed = few(Engine::Elasticsearch);
    let allowed = fixture::allowing("search");
    let calls = {
        let state = tempfile::tempdir().unwrap();
        let (world, _) = open(state.path());
        let before = world.log().len();
        assert!(fixture::run_allowing(&closed, &world, state.path(), &allowed).is_complete());
        world.log().len() - before
    };
    for call in (1..=calls).step_by(13) {
        let state = tempfile::tempdir().unwrap();
        let (world, _) = open(state.path());
        let mode = if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter };
        world.fail_at(world.log().len() as u64 + call as u64, mode);
        let _ = fixture::run_allowing(&closed, &world, state.path(), &allowed);
        world.revive();
        let second = fixture::run_allowing(&closed, &world, state.path(), &allowed);
        assert!(second.is_complete(), "call {call}: {}", second.story());
        assert_planned(&closed, &world);
        assert_kept(&world);
        assert!(world.request(&client(&closed), "after").is_ok(), "call {call}");
    }
}

/// A search engine behind two gateways.
fn behind_gateways(engine: Engine) -> Plan {
    let mut spec = spec(engine, 100);
    let edge = ServiceName::new("edge").unwrap();
    spec.services[0].gateway = Some(edge);
    spec.services[0].access.port = Some(9200);
    let demand = Demand::GatewayPair(GatewayDemand {
        requests_per_s: PerSecond::new(10),
        transactions_per_s: PerSecond::ZERO,
        response_bytes_per_s: 1_000,
        tls: false,
    });
    spec.services.push(plain::service("edge", Engine::Haproxy, demand));
    spec.network.as_mut().unwrap().vip = Some([10, 20, 0, 10].into());
    planned(&spec, None)
}

#[test]
fn clients_come_through_a_gateway_that_sends_nobody_to_one_without_a_master() {
    for engine in ENGINES {
        let (plan, state) = (behind_gateways(engine), tempfile::tempdir().unwrap());
        let through =
            |plan: &Plan| Client { contacts: vec![([10, 20, 0, 10].into(), 9200)], ..client(plan) };
        let world = SimulatedWorld::new(&plan.topology);
        let first = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(first.is_complete(), "{engine}: {}", first.story());
        assert_planned(&plan, &world);
        assert!(world.request(&through(&plan), "first").is_ok(), "{engine}");
        // The copies of the index that this made.
        for _ in 0..3 {
            world.clock().wait(Duration::from_secs(5));
            world.glance(|_| ());
        }
        let found = connected(&plan, &world, &fixture::secrets(), |context| {
            hostsplit::deploy::verify(context, false)
        });
        assert!(found.is_ok(), "{engine}: {found:?}");
        let edge = plan.instances.iter().find(|one| one.service.as_str() == "edge").unwrap();
        let config = world.file(&edge.domain, "/etc/haproxy/haproxy.cfg").unwrap();
        assert!(config.contains("uri /_cluster/health?"), "{config}");
        assert_eq!(config.contains("check-ssl"), is_closed(engine), "{config}");
        // Of three one is away: who asks the gateway does not notice.
        let one = plan.instances.iter().find(|one| one.service.as_str() == "search").unwrap();
        world.set_hung(&one.domain, true);
        world.clock().wait(Duration::from_secs(10));
        assert!(world.request(&through(&plan), "meanwhile").is_ok(), "{engine}");
        world.set_hung(&one.domain, false);
        world.clock().wait(Duration::from_secs(60));
        let (_, requests) = follow(&plan, &world, state.path());
        assert_eq!(requests.refused, [""; 0], "{engine}");
    }
}

#[test]
fn a_deploy_with_gateways_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = behind_gateways(Engine::Elasticsearch);
    let begin = |_: &Path| SimulatedWorld::new(&plan.topology);
    at_every(13, &plan, &begin, |call| {
        let (world, state) = (begin(Path::new("")), tempfile::tempdir().unwrap());
        world.fail_at(call as u64, if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter });
        let _ = run(&plan, &world, state.path(), Purpose::Deploy);
        world.revive();
        let second = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(second.is_complete(), "call {call}: {}", second.story());
        assert_planned(&plan, &world);
    });
}

/// The plan with an image that says which version of the engine it has.
fn with_image(plan: &Plan, version: &str) -> Plan {
    let mut image = fixture::other_image().unwrap();
    let engine = plan.services[0].engine.as_str().to_owned();
    image.engines = [(engine, version.to_owned())].into();
    Plan { image: Some(image), ..plan.clone() }
}

#[test]
fn another_image_is_given_to_one_instance_after_the_other() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let (_, requests) = follow(&with_image(&plan, "9.2.0"), &world, state.path());
    assert_eq!(requests.refused, [""; 0]);
}

#[test]
fn a_change_of_the_image_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = few(Engine::Elasticsearch);
    let newer = with_image(&plan, "9.3.0");
    let begin = |state: &Path| deployed(&plan, state);
    at_every(29, &newer, &begin, |call| {
        let state = tempfile::tempdir().unwrap();
        let world = begin(state.path());
        let call = world.log().len() + call;
        world.fail_at(call as u64, if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter });
        let _ = run(&newer, &world, state.path(), Purpose::Deploy);
        world.revive();
        let (_, requests) = follow(&newer, &world, state.path());
        assert_eq!(requests.refused, [""; 0], "call {call}");
    });
}

#[test]
fn a_version_that_cannot_take_the_data_is_refused_before_anything_is_taken_away() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let before = starts(&plan, &world);
    let older = run(&with_image(&plan, "8.19.0"), &world, state.path(), Purpose::Deploy);
    assert!(older.story().contains("cannot read what 9.2 wrote"), "{}", older.story());
    ask(&plan, &world, "PUT", "/ancient", "{}");
    let newer = with_image(&plan, "10.0.1");
    let refused = run(&newer, &world, state.path(), Purpose::Deploy);
    assert!(refused.story().contains("made before 9: ancient;"), "{}", refused.story());
    assert_eq!(starts(&plan, &world), before);
    ask(&plan, &world, "DELETE", "/ancient", "");
    let (_, requests) = follow(&newer, &world, state.path());
    assert_eq!(requests.refused, [""; 0]);
}

#[test]
fn a_policy_for_what_is_kept_for_a_time_is_set_and_taken_back() {
    let (mut plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let Demand::Quorum(demand) = &mut plan.services[0].demand else { panic!() };
    demand.retention_days = Some(30);
    let world = deployed(&plan, state.path());
    let body = "{\"policy\":{\"phases\":{\"delete\":{\"min_age\":\"1d\"}}}}";
    ask(&plan, &world, "PUT", "/_ilm/policy/hostsplit", body);
    let seen = look(&plan, &world);
    let differences: Vec<_> = seen.clusters.values().flatten().collect();
    assert_eq!(differences.len(), 1, "{differences:?}");
    assert_eq!(differences[0].planned, "indices followed after 3d, removed 30d later");
    let before = starts(&plan, &world);
    let _ = follow(&plan, &world, state.path());
    assert_eq!(starts(&plan, &world), before);
}

/// Users that somebody wrote by hand let hostsplit out: that is said, and taken back.
#[test]
fn one_that_does_not_let_hostsplit_in_is_not_taken_for_one_without_a_cluster() {
    let (plan, state) = (few(Engine::Elasticsearch), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let before = starts(&plan, &world);
    for one in &plan.instances {
        world.put_file(&one.domain, "/etc/elasticsearch/users", "mallory:{PBKDF2}1000$x$y\n");
    }
    let seen = look(&plan, &world);
    let said: Vec<String> = seen.clusters.values().flatten().map(ToString::to_string).collect();
    assert!(said.iter().all(|one| !one.contains("not founded")), "{said:?}");
    assert!(said.iter().any(|one| one.contains("unable to authenticate")), "{said:?}");
    let _ = follow(&plan, &world, state.path());
    assert_eq!(starts(&plan, &world), before);
}
