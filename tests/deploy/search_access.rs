//! Who is let into search engines, gateways in front of them, other versions, and what is kept for
//! a time.

use std::path::Path;
use std::time::Duration;

use hostsplit::deploy::assume;
use hostsplit::graph::decide;
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::ServiceName;
use hostsplit::plan::Plan;
use hostsplit::recipe::Credentials;
use hostsplit::secret::{Secret, Secrets};
use hostsplit::simulated::{Client, Mode, SimulatedWorld};
use hostsplit::spec::{Access, Demand, Engine, GatewayDemand};
use hostsplit::units::PerSecond;

use crate::fixture::{
    self, Purpose, Run, assert_planned, connected, killed_at_every, look, reasons,
    resumed_at_every, run, starts,
};
use crate::plain;
use crate::search::{
    ENGINES, ask, assert_kept, client, deployed, few, follow, is_closed, planned, spec,
};

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
    // The same is said before anybody is asked.
    let mut spec = spec(Engine::Elasticsearch, 100);
    spec.services[0].access = Access::default();
    let assumed = decide(&closed, &assume(&closed, Some(&planned(&spec, None))));
    let causes: Vec<&str> = assumed.impacts().iter().map(|one| one.cause.as_str()).collect();
    assert_eq!(causes, ["all of its engines are restarted together"]);
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
    resumed_at_every(13, &plan, |world| assert_planned(&plan, world));
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
    killed_at_every(29, &newer, &begin, |world, state, call| {
        let (_, requests) = follow(&newer, world, state);
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
