//! Pools of web servers behind a pair of gateways: whatever changes or fails, a client that
//! comes through the address is answered, and what nobody could be served by is not taken up.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use hostsplit::deploy::Event;
use hostsplit::drill::Cut;
use hostsplit::engine::{Difference, Fact};
use hostsplit::graph::{Vertex, decide};
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::{HostName, InstanceName, ServiceName};
use hostsplit::plan::{Instance, Plan, Role, Setting};
use hostsplit::planner::make_with;
use hostsplit::profile::Profiles;
use hostsplit::secret::Secret;
use hostsplit::simulated::{Client, Requests, SimulatedWorld};
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Demand, Engine, GatewayDemand, Health, Policy, Serve, Service, Spec, Target,
};
use hostsplit::topology::{Host, Level};
use hostsplit::units::PerSecond;

use crate::drilling::{Switch, Way, drill};
use crate::fixture::{
    self, Purpose, Run, connected, killed_at_every, look, reasons, resumed_at_every, run, starts,
};
use crate::plain;

pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 9);

pub fn spec(engine: Engine, requests: u64) -> Spec {
    let host = |number: u32| {
        let node = plain::node(0, vec![plain::l3(0..=31)], 64);
        let name = format!("h{number}");
        let uri = Some(format!("test://{name}"));
        Host { uri, ..plain::host(&name, vec![node], 100) }
    };
    let pool = Demand::Pool(plain::web(requests, 1024, 0));
    let gateway = GatewayDemand {
        requests_per_s: PerSecond::new(requests),
        transactions_per_s: PerSecond::ZERO,
        response_bytes_per_s: requests * 1024,
        tls: false,
    };
    let edge = plain::service("edge", Engine::Haproxy, Demand::GatewayPair(gateway));
    let gateway = Some(edge.name.clone());
    let web = Service { gateway, ..plain::service("web", engine, pool) };
    let hosts: Vec<Host> = (1..=3).map(host).collect();
    let mut spec = plain::spec(hosts, Policy::surviving(Level::Host), vec![web, edge]);
    spec.network.as_mut().unwrap().vip = Some(ADDRESS);
    spec.image = fixture::plan().image;
    spec
}

fn planned(spec: &Spec, prior: Option<&Plan>) -> Plan {
    let profiles = Profiles::builtin().unwrap();
    make_with(spec, &profiles, &Limits::default(), prior).unwrap().0
}

/// Two members, and two gateways.
fn plan() -> Plan {
    planned(&spec(Engine::Nginx, 1_000), None)
}

fn named(plan: &Plan, role: Role) -> Vec<&Instance> {
    plan.instances.iter().filter(|one| one.role == role).collect()
}

fn client() -> Client {
    Client { contacts: vec![(ADDRESS, 80)], password: None, encrypted: false }
}

/// A world with a deployed plan; a client asks at the address all the time.
fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    assert!(as_planned(plan, &world));
    world.attach(client());
    let _ = world.take_requests();
    world
}

fn as_planned(plan: &Plan, world: &SimulatedWorld) -> bool {
    decide(plan, &look(plan, world)).counts().changes() == 0
}

/// A deploy by which no request of the client is refused.
fn quietly(plan: &Plan, world: &SimulatedWorld, state: &Path) -> Run {
    let changed = run(plan, world, state, Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    let Requests { answered, refused } = world.take_requests();
    assert_eq!(refused, [""; 0], "{:?}", reasons(&changed));
    assert!(answered > 0);
    assert!(as_planned(plan, world));
    changed
}

#[test]
fn a_pool_and_its_gateways_are_deployed_and_a_second_deploy_needs_nothing() {
    for engine in [Engine::Nginx, Engine::Apache] {
        let (plan, state) = (planned(&spec(engine, 1_000), None), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let starts_before = starts(&plan, &world);
        quietly(&plan, &world, state.path());
        assert_eq!(starts(&plan, &world), starts_before);
        let (_, found) = fixture::reviewed(&plan, &world);
        assert!(found.is_ok(), "{found:?}");
    }
}

#[test]
fn every_member_and_the_address_are_tried_and_loaded() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let found = connected(&plan, &world, &fixture::secrets(), |context| {
        hostsplit::deploy::verify(context, true)
    });
    assert!(found.is_ok(), "{found:?}");
    let through =
        found.probes.iter().map(|(service, probe)| format!("{service} {}", probe.through));
    let mut through: Vec<String> = through.collect();
    through.sort();
    assert_eq!(through, ["edge address 10.20.0.9", "web instance web-0", "web instance web-1"]);
    assert_eq!(found.loads.len(), 3, "{:?}", found.loads);
}

#[test]
fn the_address_moves_with_its_host_and_comes_back_with_a_deploy() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let [active] = named(&plan, Role::Active)[..] else { panic!() };
    world.power_cut(&active.host);
    world.clock().wait(Duration::from_secs(5));
    assert!(world.request(&client(), "now").is_ok(), "the other one has it");
    world.power_on(&active.host);
    let _ = world.take_requests();
    let again = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(again.is_complete(), "{}", again.story());
    assert!(as_planned(&plan, &world));
    // Once the planned one is back it is given the address, which takes a moment.
    assert!(world.take_requests().refused.len() <= 1);
}

#[test]
fn members_that_come_and_go_are_not_noticed() {
    let (few, state) = (plan(), tempfile::tempdir().unwrap());
    let many = planned(&spec(Engine::Nginx, 75_000), Some(&few));
    assert!(named(&many, Role::Member).len() > 2, "{:?}", named(&many, Role::Member).len());
    let world = deployed(&few, state.path());
    let grown = quietly(&many, &world, state.path());
    assert_eq!(grown.actions.counts().replace, 0);
    let order = |run: &Run| run.events.iter().map(|one| one.vertex.clone()).collect::<Vec<_>>();
    let place = |order: &[Vertex], is: &dyn Fn(&Vertex) -> bool| order.iter().position(is).unwrap();
    let configured = |name: &'static str| move |vertex: &Vertex| matches!(vertex, Vertex::Configured(one) if one.as_str() == name);
    let coming = order(&grown);
    let hears = place(&coming, &configured("edge-0")).min(place(&coming, &configured("edge-1")));
    assert!(place(&coming, &configured("web-2")) < hears, "it answers before they hear of it");
    let shrunk = quietly(&few, &world, state.path());
    let going = order(&shrunk);
    let heard = place(&going, &configured("edge-0")).max(place(&going, &configured("edge-1")));
    let gone = place(&going, &|vertex| matches!(vertex, Vertex::Unwanted { .. }));
    assert!(heard < gone, "gateways leave a member out before it goes");
}

/// The plan with another setting of the members.
fn with(plan: &Plan, name: &str, value: u64) -> Plan {
    let mut plan = plan.clone();
    for one in plan.instances.iter_mut().filter(|one| one.role == Role::Member) {
        one.settings.insert(name.to_owned(), value.into());
    }
    plan
}

#[test]
fn a_configuration_is_taken_up_by_one_member_after_the_other_without_a_restart() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let (changed, before) = (with(&plan, "worker_connections", 1024), starts(&plan, &world));
    let run = quietly(&changed, &world, state.path());
    assert_eq!(starts(&changed, &world), before);
    let configured = run.actions.graph();
    let needs = |from: &str, to: &str| {
        let vertex = |name: &str| Vertex::Configured(InstanceName::new(name).unwrap());
        configured.needs(&vertex(from)).contains(&&vertex(to))
    };
    assert!(needs("web-1", "web-0") || needs("web-0", "web-1"));
}

#[test]
fn what_apache_reads_at_a_start_alone_restarts_one_member_after_the_other() {
    let plan = planned(&spec(Engine::Apache, 1_000), None);
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&plan, state.path());
    let (changed, before) = (with(&plan, "ServerLimit", 64), starts(&plan, &world));
    quietly(&changed, &world, state.path());
    assert_eq!(starts(&changed, &world), before + 2);
}

/// The plan with directives of its author's own.
fn own(plan: &Plan, text: &str) -> Plan {
    let mut plan = plan.clone();
    plan.services[0].serve = Some(Serve::Config { text: text.to_owned() });
    plan
}

#[test]
fn a_configuration_that_its_program_refuses_is_taken_up_by_nobody() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let refused = run(&own(&plan, "nonsense on;"), &world, state.path(), Purpose::Deploy);
    assert!(!refused.is_complete());
    assert!(refused.story().contains("refused and was not taken up"), "{}", refused.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
    assert!(as_planned(&plan, &world), "everything is as it was");
}

#[test]
fn one_that_serves_nobody_stops_at_the_first_member() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let stopped = run(&own(&plan, "return 500;"), &world, state.path(), Purpose::Deploy);
    assert!(!stopped.is_complete());
    assert!(stopped.story().contains("HTTP 500"), "{}", stopped.story());
    let back = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(back.is_complete(), "{}", back.story());
    assert!(as_planned(&plan, &world));
}

/// Gateways that speak TLS to members that do not, and gateways that look for them elsewhere.
#[test]
fn gateways_that_could_serve_nobody_stop_at_the_first() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let wrong = |name: &str, change: &dyn Fn(&Setting) -> Setting| {
        let mut wrong = plan.clone();
        for one in wrong.instances.iter_mut().filter(|one| one.service.as_str() == "edge") {
            let before = one.settings.get(name).cloned().unwrap_or(false.into());
            one.settings.insert(name.to_owned(), change(&before));
        }
        wrong
    };
    let elsewhere = |servers: &Setting| match servers {
        Setting::Words(words) => Setting::words(words.iter().map(|one| format!("{one}1"))),
        other => unreachable!("{other:?}"),
    };
    for wrong in [wrong("backend.web.ssl", &|_| true.into()), wrong("backend.web", &elsewhere)] {
        let world = deployed(&plan, state.path());
        // Not the second time either, when the first one runs with it already.
        for _ in 0..2 {
            let stopped = run(&wrong, &world, state.path(), Purpose::Deploy);
            assert!(!stopped.is_complete());
            let story = stopped.story();
            assert!(story.contains("HTTP 503 at http://10.20.0.9:80/"), "{story}");
            assert_eq!(world.take_requests().refused, [""; 0]);
        }
        let (_, found) = fixture::reviewed(&wrong, &world);
        let is_named = |one: &&Difference| one.found.contains("HTTP 503 at http://10.20.0.9:80/");
        let count = found.differences.iter().filter(is_named).count();
        assert_eq!(count, 1, "{found:?}");
        quietly(&plan, &world, state.path());
    }
}

/// `web` passes requests on to `back`, which is down before the change and after it.
#[test]
fn what_was_served_badly_before_a_change_does_not_stop_it() {
    let mut spec = spec(Engine::Nginx, 1_000);
    let back = plain::service("back", Engine::Nginx, Demand::Pool(plain::web(1_000, 1024, 0)));
    spec.services.push(back);
    let (mut plan, state) = (planned(&spec, None), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    // As a server that the deployment does not know, and that is up when it is named.
    let target = plan.instances.iter().find(|one| one.service.as_str() == "back");
    let target = format!("{}:80", target.unwrap().address.unwrap());
    plan.services[0].serve = Some(Serve::Proxy { to: Target::Server(target.clone()) });
    for one in plan.instances.iter_mut().filter(|one| one.role == Role::Member) {
        if one.service.as_str() == "web" {
            one.settings.remove("root");
            one.settings.insert("upstream".to_owned(), Setting::words([target.clone()]));
        }
    }
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let of = |service: &'static str| move |one: &&Instance| one.service.as_str() == service;
    for back in plan.instances.iter().filter(of("back")) {
        world.set_hung(&back.domain, true);
    }
    let mut changed = plan.clone();
    for one in changed.instances.iter_mut() {
        match one.service.as_str() {
            "web" => drop(one.settings.insert("worker_connections".to_owned(), 1024.into())),
            "edge" => drop(one.settings.insert("maxconn".to_owned(), 4321.into())),
            _ => {}
        }
    }
    let first = run(&changed, &world, state.path(), Purpose::Deploy);
    assert!(!first.is_complete(), "nobody is served, and it says so");
    assert!(first.story().contains("HTTP 502"), "{}", first.story());
    let said: Vec<String> = first.events.iter().map(|event| format!("{event:?}")).collect();
    assert!(said.iter().any(|one| one.contains("it answers as before: HTTP 502 at /")), "{said:?}");
    let holds = |one: &Instance, path: &str, text: &str| {
        let file = world.file(&one.domain, path).unwrap();
        assert!(file.contains(text), "{}", one.name);
    };
    for one in plan.instances.iter().filter(of("web")) {
        holds(one, "/etc/nginx/nginx.conf", "worker_connections 1024;");
    }
    for one in plan.instances.iter().filter(of("edge")) {
        holds(one, "/etc/haproxy/haproxy.cfg", "maxconn 4321");
    }
    for back in plan.instances.iter().filter(of("back")) {
        world.set_hung(&back.domain, false);
    }
    let _ = world.take_requests();
    quietly(&changed, &world, state.path());
}

/// A page for nobody is one that its author may have wanted, unless the spec says otherwise.
#[test]
fn what_members_are_asked_for_decides_whether_they_serve() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    quietly(&own(&plan, "return 401;"), &world, state.path());
    quietly(&plan, &world, state.path());
    let asking = |expect, own: Option<&str>| {
        let mut spec = spec(Engine::Nginx, 1_000);
        spec.services[0].access.health = Some(Health { path: "/ready".to_owned(), expect });
        spec.services[0].serve = own.map(|text| Serve::Config { text: text.to_owned() });
        planned(&spec, Some(&plan))
    };
    let stopped = run(&asking(None, Some("return 401;")), &world, state.path(), Purpose::Deploy);
    assert!(!stopped.is_complete());
    assert!(stopped.story().contains("HTTP 401 at /ready"), "{}", stopped.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
    quietly(&plan, &world, state.path());
    quietly(&asking(Some(401), Some("return 401;")), &world, state.path());
    let edge = named(&plan, Role::Active)[0];
    let gateway = world.file(&edge.domain, "/etc/haproxy/haproxy.cfg").unwrap();
    assert!(gateway.contains("http-check send meth GET uri /ready "), "{gateway}");
    assert!(gateway.contains("http-check expect status 401\n"), "{gateway}");
}

#[test]
fn a_deploy_that_was_killed_anywhere_is_finished_by_the_next() {
    let plan = plan();
    resumed_at_every(5, &plan, |world| assert!(as_planned(&plan, world)));
}

#[test]
fn the_last_member_that_serves_is_not_taken_away() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let [first, second] = named(&plan, Role::Member)[..] else { panic!() };
    let mut changed = plan.clone();
    let one = changed.instances.iter_mut().find(|one| one.name == first.name).unwrap();
    one.memory_mib = one.memory_mib.saturating_add(one.memory_mib);
    world.set_hung(&second.domain, true);
    let stopped = run(&changed, &world, state.path(), Purpose::Deploy);
    assert!(!stopped.is_complete());
    assert!(stopped.story().contains("web-1: nginx does not answer"), "{}", stopped.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
    world.set_hung(&second.domain, false);
    quietly(&changed, &world, state.path());
}

#[test]
fn a_host_that_is_dead_for_good_is_left_out() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let [active] = named(&plan, Role::Active)[..] else { panic!() };
    let host: HostName = active.host.clone();
    world.power_cut(&host);
    world.clock().wait(Duration::from_secs(5));
    let _ = world.take_requests();
    let allowed =
        hostsplit::deploy::Allowed { left_out: [host.clone()].into(), ..Default::default() };
    let left = fixture::run_allowing(&plan, &world, state.path(), &allowed);
    assert!(left.is_complete(), "{}", left.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
}

/// The plan with what the members serve.
fn serving(path: &str) -> Plan {
    let mut spec = spec(Engine::Nginx, 1_000);
    let sha256 = hostsplit::content::digest(path.as_bytes());
    spec.services[0].serve = Some(Serve::Content { path: path.to_owned(), sha256, bytes: 1 });
    planned(&spec, None)
}

/// Directories below that of all content in the guest of a member.
fn served(plan: &Plan, world: &SimulatedWorld, serve: &Plan) -> bool {
    let path = match &serve.services[0].serve {
        Some(Serve::Content { sha256, .. }) => format!("/srv/www/{}", &sha256[..12]),
        other => unreachable!("{other:?}"),
    };
    named(plan, Role::Member).iter().all(|one| world.file(&one.domain, &path).is_some())
}

#[test]
fn changed_content_is_served_by_one_member_after_the_other_without_a_restart() {
    let (first, second, state) = (serving("site"), serving("new"), tempfile::tempdir().unwrap());
    let world = deployed(&first, state.path());
    assert!(served(&first, &world, &first) && !served(&first, &world, &second));
    let before = starts(&first, &world);
    quietly(&second, &world, state.path());
    assert!(served(&second, &world, &second));
    assert_eq!(starts(&second, &world), before);
}

/// A run that is killed at any call leaves nothing that the next one does not remove.
#[test]
fn what_is_judged_and_what_is_unpacked_is_gone_afterwards() {
    let (first, second) = (serving("site"), serving("new"));
    let is_left = |world: &SimulatedWorld, path: &str| {
        second.instances.iter().any(|one| world.file(&one.domain, path).is_some())
    };
    let judged = ["/etc/nginx/nginx.conf", "/etc/haproxy/haproxy.cfg"];
    let judged = judged.map(|path| format!("{path}.judged"));
    let begin = |state: &Path| deployed(&first, state);
    killed_at_every(9, &second, &begin, |world, state, call| {
        assert!(!judged.iter().any(|path| is_left(world, path)), "call {call}");
        let again = run(&second, world, state, Purpose::Deploy);
        assert!(again.is_complete(), "call {call}: {}", again.story());
        assert!(!is_left(world, "/var/tmp/hostsplit-content.tar"), "call {call}");
    });
}

#[test]
fn content_that_is_not_what_was_planned_stops_a_deploy_before_the_first_change() {
    let (plan, state) = (serving("site"), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let mut changed = serving("new");
    if let Some(Serve::Content { path, .. }) = &mut changed.services[0].serve {
        path.push_str("er");
    }
    let calls = world.log().len();
    let refused = run(&changed, &world, state.path(), Purpose::Deploy);
    assert!(
        refused.story().contains("does not hold what the plan was made with"),
        "{}",
        refused.story()
    );
    let changes = world.log().split_off(calls);
    assert!(changes.iter().all(|call| call.name == "agent guest-exec"), "{changes:?}");
    // Members that have it need it no more.
    let mut same = plan.clone();
    if let Some(Serve::Content { path, .. }) = &mut same.services[0].serve {
        path.push_str(" is gone");
    }
    assert!(run(&same, &world, state.path(), Purpose::Deploy).is_complete());
}

#[test]
fn every_host_fails_in_every_way_and_visitors_wait_no_longer_than_promised() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    for cut in [Cut::Power, Cut::Cable, Cut::Hang] {
        let world = deployed(&plan, state.path());
        let fence = Switch::of(&world);
        for host in ["h1", "h2"] {
            let way = Way { fence: &fence, is_stopped: &|| false, says: &|_, _| {} };
            let found = drill(&plan, &world, (host, cut), &way).unwrap();
            assert!(found.is_kept(), "{host} {cut:?}: {found:?}");
            assert!(found.acknowledged > 0, "{host} {cut:?}: {found:?}");
            assert!(as_planned(&plan, &world), "{host} {cut:?}");
        }
    }
}

#[test]
fn a_stranger_at_the_address_is_named() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let table = |mac: &str| {
        format!(
            "IP address HW type Flags HW address Mask Device\n\
             {ADDRESS} 0x1 0x2 {mac} * eth0\n"
        )
    };
    let [active] = named(&plan, Role::Active)[..] else { panic!() };
    let [member, _] = named(&plan, Role::Member)[..] else { panic!() };
    for (mac, is_strange) in [(active.mac.as_str(), false), ("52:54:00:ff:ff:ff", true)] {
        world.put_file(&member.domain, "/proc/net/arp", &table(mac));
        let found = connected(&plan, &world, &fixture::secrets(), |context| {
            hostsplit::deploy::verify(context, false)
        });
        let at = Fact::MachineAt(ADDRESS);
        assert_eq!(found.differences.iter().any(|one| one.fact == at), is_strange, "{mac}");
    }
}

#[test]
fn another_port_has_to_be_allowed_since_the_former_one_is_closed() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let mut spec = spec(Engine::Nginx, 1_000);
    spec.services[0].access.port = Some(8080);
    let moved = planned(&spec, Some(&plan));
    let refused = run(&moved, &world, state.path(), Purpose::Deploy);
    for name in ["web", "edge"] {
        let sentence = format!("{name} does not serve meanwhile");
        assert!(refused.story().contains(&sentence), "{}", refused.story());
    }
    assert_eq!(world.take_requests().refused, [""; 0]);
    let mut allowed = fixture::allowing("web");
    allowed.downtime.extend(fixture::allowing("edge").downtime);
    let changed = fixture::run_allowing(&moved, &world, state.path(), &allowed);
    assert!(changed.is_complete(), "{}", changed.story());
    assert!(as_planned(&moved, &world));
    let client = Client { contacts: vec![(ADDRESS, 8080)], ..client() };
    assert!(world.request(&client, "there").is_ok());
}

/// `back` is reached through `front`, which sends requests on to it.
#[test]
fn a_pool_behind_another_one_goes_after_that_has_forgotten_it() {
    let with = |requests: u64| {
        let mut spec = spec(Engine::Nginx, 1_000);
        let back =
            plain::service("back", Engine::Nginx, Demand::Pool(plain::web(requests, 1024, 0)));
        spec.services[0].serve = Some(Serve::Proxy { to: Target::Service(back.name.clone()) });
        spec.services.push(back);
        spec
    };
    let (few, state) = (planned(&with(1_000), None), tempfile::tempdir().unwrap());
    let many = planned(&with(75_000), Some(&few));
    let count = |plan: &Plan| named(plan, Role::Member).len();
    assert!(count(&many) > count(&few));
    let world = deployed(&many, state.path());
    let shrunk = quietly(&few, &world, state.path());
    let order: Vec<&Vertex> = shrunk.events.iter().map(|event| &event.vertex).collect();
    let last = |is: &dyn Fn(&Vertex) -> bool| order.iter().rposition(|vertex| is(vertex)).unwrap();
    let first = |is: &dyn Fn(&Vertex) -> bool| order.iter().position(|vertex| is(vertex)).unwrap();
    let front = |vertex: &Vertex| matches!(vertex, Vertex::Configured(name) if name.as_str().starts_with("web-"));
    assert!(last(&front) < first(&|vertex| matches!(vertex, Vertex::Unwanted { .. })));
}

#[test]
fn one_gateway_alone_has_the_address_and_a_second_one_takes_it_over_later() {
    let mut alone = spec(Engine::Nginx, 1_000);
    alone.policy = Policy::nothing();
    let (alone, state) = (planned(&alone, None), tempfile::tempdir().unwrap());
    assert_eq!(named(&alone, Role::Standby).len(), 0);
    let world = deployed(&alone, state.path());
    assert!(world.request(&client(), "alone").is_ok());
    let pair = planned(&spec(Engine::Nginx, 1_000), Some(&alone));
    let allowed = fixture::allowing("edge");
    let both = fixture::run_allowing(&pair, &world, state.path(), &allowed);
    assert!(both.is_complete(), "{}", both.story());
    assert!(as_planned(&pair, &world));
    let [active] = named(&pair, Role::Active)[..] else { panic!() };
    world.power_cut(&active.host);
    world.clock().wait(Duration::from_secs(5));
    assert!(world.request(&client(), "after the loss").is_ok());
}

#[test]
fn another_password_of_vrrp_sends_nobody_where_the_address_is_not() {
    let plan = plan();
    let mut secrets = fixture::secrets();
    let password = ("vrrp", Secret::parse("another-password").unwrap());
    let statistics = ("statistics", Secret::parse("for-statistics").unwrap());
    let edge = ServiceName::new("edge").unwrap();
    secrets.services.insert(edge, [statistics, password].into_iter().collect());
    for seconds in [1, 5, 10, 15, 20, 25, 30] {
        let state = tempfile::tempdir().unwrap();
        let world = deployed(&plan, state.path());
        // As long as they do not know each other's password, both hold it and say so in turn.
        let slowly = |_: &Event| {
            for _ in 0..seconds {
                world.clock().wait(Duration::from_secs(1));
                let _ = world.request(&client(), "now");
            }
        };
        let slowly: fixture::Happening<'_, '_> = (&slowly, &|journal| Box::new(journal));
        let changed =
            fixture::run_knowing(&plan, &world, state.path(), Purpose::Deploy, slowly, &secrets);
        assert!(changed.is_complete(), "{}", changed.story());
        let refused = world.take_requests().refused;
        assert!(!refused.iter().any(|why| why == "Silence"), "{seconds} s: {refused:?}");
    }
}
