//! Rules about the other kinds of cluster: a plan that has them all passes, and
//! each rule is broken alone in one way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "writes the spec that it loads")]

use std::collections::BTreeSet;
use std::fs;

use hostsplit::audit::{Finding, Kind, audit, losses};
use hostsplit::drill::promise;
use hostsplit::ids::HostName;
use hostsplit::plan::{Instance, Plan, Role, ServicePlan};
use hostsplit::planner::make;
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Demand, Engine, FailoverMode, KeySource, OwnCertificate, Serve, Target, Tls, load,
};
use hostsplit::topology::Level;
use hostsplit::units::{Mebibytes, PerSecond};

const SPEC: &str = "\
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
hosts:
  - { name: h1, cores: 40, memory: 200GiB, disk: 4TiB, iops: 100k/s }
  - { name: h2, cores: 40, memory: 200GiB, disk: 4TiB, iops: 100k/s }
  - { name: h3, cores: 3, memory: 8GiB, disk: 100GiB }
services:
  - { name: orders, engine: mysql, demand: { reads: 1k/s, writes: 100/s, data: 50GiB } }
  - { name: search, engine: elasticsearch, demand: { index: 5k docs/s, queries: 10/s, data: 50GiB } }
  - { name: web, engine: apache, demand: { requests: 5k/s }, gateway: edge }
  - { name: edge, engine: haproxy }
";

fn good() -> Plan {
    planned(SPEC)
}

fn planned(spec: &str) -> Plan {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("spec.yaml");
    fs::write(&path, spec).unwrap();
    let spec = load(&path).unwrap();
    make(&spec, &Profiles::builtin().unwrap(), &Limits::default()).unwrap().0
}

fn audited(plan: &Plan) -> Vec<Finding> {
    audit(plan, &Profiles::builtin().unwrap())
}

/// The kinds of findings after a change of the good plan.
fn told(good: &Plan, change: impl FnOnce(&mut Plan)) -> BTreeSet<Kind> {
    let mut plan = good.clone();
    change(&mut plan);
    audited(&plan).iter().map(|finding| finding.kind).collect()
}

fn service<'a>(plan: &'a mut Plan, name: &str) -> &'a mut ServicePlan {
    plan.services.iter_mut().find(|one| one.name.as_str() == name).unwrap()
}

fn instance<'a>(plan: &'a mut Plan, name: &str) -> &'a mut Instance {
    plan.instances.iter_mut().find(|one| one.name.as_str() == name).unwrap()
}

#[test]
fn a_plan_of_all_kinds_has_no_findings() {
    let plan = good();
    assert_eq!(audited(&plan), []);
    let roles: BTreeSet<Role> = plan.instances.iter().map(|one| one.role).collect();
    for role in [Role::Primary, Role::Replica, Role::Voter, Role::Member, Role::Active] {
        assert!(roles.contains(&role), "{role:?}");
    }
}

#[test]
fn a_certificate_of_ones_own_is_shown_by_who_ends_tls_by_a_name_that_it_is_for() {
    let mut good = planned(&SPEC.replace("haproxy }", "haproxy, demand: { tls: true } }"));
    let own = OwnCertificate {
        chain: "shop.pem".to_owned(),
        sha256: "0".repeat(64),
        names: vec!["*.shop.test".to_owned()],
        ends: "2030-01-01T00:00:00Z".to_owned(),
        name: "www.shop.test".to_owned(),
        key: KeySource::File("shop.key".to_owned()),
    };
    service(&mut good, "edge").access.certificate = Some(Box::new(own.clone()));
    assert_eq!(audited(&good), []);
    type Change = fn(&mut OwnCertificate);
    let changes: [Change; 8] = [
        |own| own.name = "shop.test".to_owned(),
        |own| own.name = "-K".to_owned(),
        |own| own.names.push("a b".to_owned()),
        |own| own.names.clear(),
        |own| own.sha256.truncate(12),
        |own| own.chain.clear(),
        |own| own.ends = "\u{1b}[31m".to_owned(),
        |own| own.key = KeySource::Command(String::new()),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let change = |plan: &mut Plan| {
            change(service(plan, "edge").access.certificate.as_mut().unwrap());
        };
        assert_eq!(told(&good, change), [Kind::Text].into(), "{index}");
    }
    for name in ["web", "orders"] {
        let change = |plan: &mut Plan| {
            service(plan, name).access.certificate = Some(Box::new(own.clone()));
        };
        assert!(told(&good, change).contains(&Kind::Reference), "{name}");
    }
}

#[test]
fn copies_that_elect_are_three_of_an_engine_that_can() {
    let good = good();
    let elect = |plan: &mut Plan| {
        let orders = service(plan, "orders");
        if let Demand::PrimaryReplica(demand) = &mut orders.demand {
            demand.failover = FailoverMode::Automatic;
        }
    };
    // Two copies, and neither the memory nor the configuration of a group.
    let kinds = told(&good, elect);
    assert!(kinds.contains(&Kind::Layout) && kinds.contains(&Kind::Configuration), "{kinds:?}");
    let kinds = told(&good, |plan| {
        elect(plan);
        service(plan, "orders").engine = Engine::Mariadb;
    });
    assert!(kinds.contains(&Kind::Policy), "{kinds:?}");
}

#[test]
fn what_survivors_must_carry_is_judged() {
    let good = good();
    let more = |plan: &mut Plan| {
        let web = service(plan, "web");
        let half = web.capacity.total_per_s.get() / 2 + 1;
        web.capacity.demand_per_s = PerSecond::new(half);
    };
    assert_eq!(told(&good, more), [Kind::Survivors].into());
}

#[test]
fn shards_spread_over_failure_domains() {
    let good = good();
    let layout = &good.services.iter().find(|one| one.name.as_str() == "search").unwrap().layout;
    let copies = layout.instances;
    // As many copies as instances: none of them may share a host.
    let kinds = told(&good, |plan| service(plan, "search").layout.copies = copies);
    assert!(kinds.contains(&Kind::ShardSpread), "{kinds:?}");
}

#[test]
fn voters_are_odd_and_no_host_has_half_of_them() {
    let good = good();
    let voter = good.instances.iter().find(|one| one.role == Role::Voter).unwrap();
    let name = voter.name.to_string();
    let kinds = told(&good, |plan| instance(plan, &name).role = Role::Data);
    assert!(kinds.contains(&Kind::Voters), "{kinds:?}");
}

#[test]
fn instances_are_counted_and_have_a_role_of_their_kind() {
    let good = good();
    let name = good.instances.iter().find(|one| one.role == Role::Member).unwrap().name.to_string();
    assert_eq!(told(&good, |plan| instance(plan, &name).role = Role::Data), [Kind::Role].into());
    let kinds = told(&good, |plan| service(plan, "web").layout.instances += 1);
    assert!(kinds.contains(&Kind::Instances), "{kinds:?}");
}

#[test]
fn a_gateway_carries_what_is_behind_it() {
    let kinds = told(&good(), |plan| {
        let Demand::GatewayPair(demand) = &mut service(plan, "edge").demand else { panic!() };
        demand.requests_per_s = PerSecond::new(4_999);
    });
    assert_eq!(kinds, [Kind::Gateway].into());
}

#[test]
fn operations_of_disks_are_stated_and_there() {
    let good = good();
    let too_slow = |plan: &mut Plan| {
        for host in &mut plan.topology.hosts {
            for pool in &mut host.pools {
                pool.iops_per_s = Some(PerSecond::new(10));
            }
        }
    };
    assert_eq!(told(&good, too_slow), [Kind::Iops].into());
    let unstated = |plan: &mut Plan| service(plan, "orders").capacity.iops_per_s = PerSecond::ZERO;
    assert_eq!(told(&good, unstated), [Kind::Iops].into());
}

#[test]
fn sizes_hold_what_they_must() {
    let good = good();
    for (name, kind) in [("orders-0", Kind::Data), ("search-0", Kind::Data)] {
        let small = |plan: &mut Plan| {
            let service = instance(plan, name).service.to_string();
            self::service(plan, &service).layout.data_mib = Mebibytes::new(64);
            for one in plan.instances.iter_mut().filter(|one| one.service.as_str() == service) {
                if let Some(data) = one.data.as_mut().filter(|_| one.role != Role::Witness) {
                    data.size_mib = Mebibytes::new(64);
                }
            }
        };
        assert_eq!(told(&good, small), [kind].into(), "{name}");
    }
}

#[test]
fn claims_beyond_the_profile_are_told() {
    let good = good();
    for name in ["orders", "search", "web", "edge"] {
        let kinds = told(&good, |plan| {
            let capacity = &mut service(plan, name).capacity;
            capacity.ceiling_per_s = PerSecond::new(capacity.ceiling_per_s.get() * 2);
        });
        assert_eq!(kinds, [Kind::Ceiling].into(), "{name}");
        let kinds = told(&good, |plan| {
            let capacity = &mut service(plan, name).capacity;
            capacity.demand_per_s = PerSecond::new(capacity.demand_per_s.get() / 2);
        });
        assert_eq!(kinds, [Kind::Ceiling].into(), "{name}");
    }
    let kinds = told(&good, |plan| service(plan, "web").engine = Engine::Haproxy);
    assert!(kinds.contains(&Kind::Engine), "{kinds:?}");
}

#[test]
fn a_lost_host_leaves_enough_of_every_kind() {
    let plan = good();
    let all = losses(&plan, &Profiles::builtin().unwrap(), Level::Host);
    let h1 = HostName::new("h1").unwrap();
    for loss in &all {
        assert!(loss.remaining_per_s >= loss.demand_per_s, "{loss:?}");
        assert!(loss.has_majority(), "{loss:?}");
        // Replicas of a database elect nobody, wherever they are.
        let is_primary = loss.service.as_str() == "orders" && loss.leads_lost > 0;
        assert_eq!(loss.intervention.is_some(), is_primary, "{loss:?}");
    }
    let here: BTreeSet<&str> = plan.on_host(&h1).map(|one| one.service.as_str()).collect();
    let lost: BTreeSet<&str> =
        all.iter().filter(|loss| loss.domain == "h1").map(|loss| loss.service.as_str()).collect();
    assert_eq!(here, lost);
}

#[test]
fn a_drill_leaves_out_a_host_whose_loss_a_person_has_to_answer() {
    let plan = good();
    let profiles = Profiles::builtin().unwrap();
    let primary = plan.instances.iter().find(|one| one.role == Role::Primary).unwrap();
    let refused = promise(&plan, &profiles, &primary.host).unwrap_err();
    assert_eq!(refused, "orders: a person decides who takes over");
    let other = plan.instances.iter().find(|one| one.name.as_str() == "orders-1").unwrap();
    assert!(promise(&plan, &profiles, &other.host).is_ok());
}

#[test]
fn what_a_pool_serves_is_what_a_spec_may_say() {
    let good = good();
    let with = |serve: Serve| told(&good, |plan| service(plan, "web").serve = Some(serve));
    // Settings follow from it and are compared where nothing else is wrong.
    assert_eq!(
        with(Serve::Config { text: "# nothing\n".to_owned() }),
        [Kind::Configuration].into()
    );
    let content = |path: &str, sha256: &str, bytes| {
        with(Serve::Content { path: path.to_owned(), sha256: sha256.to_owned(), bytes })
    };
    let digest = "5".repeat(64);
    assert_eq!(content("site", &digest, 2_048), [Kind::Configuration].into());
    for wrong in [
        content("", &digest, 2_048),
        content("a\nb", &digest, 2_048),
        content("site", "5", 2_048),
        content("site", &digest, 0),
        with(Serve::Config { text: "a\r\n".to_owned() }),
        with(Serve::Config { text: "#".repeat(65_537) }),
        with(Serve::Proxy { to: Target::Server("10.20.0.9".to_owned()) }),
        with(Serve::Proxy { to: Target::Server("a b:80".to_owned()) }),
    ] {
        assert_eq!(wrong, [Kind::Text].into());
    }
    let to = |name: &str| with(Serve::Proxy { to: Target::Service(name.parse().unwrap()) });
    for wrong in [to("none"), to("orders"), to("web")] {
        assert_eq!(wrong, [Kind::Reference].into());
    }
    let of_a_database = |plan: &mut Plan| {
        service(plan, "orders").serve = Some(Serve::Config { text: String::new() });
    };
    assert_eq!(told(&good, of_a_database), [Kind::Reference].into());
}

#[test]
fn clients_are_let_in_as_the_demand_counts_and_where_there_is_room() {
    let good = good();
    let tls = told(&good, |plan| service(plan, "web").access.tls = Tls::On);
    assert_eq!(tls, [Kind::Reference].into());
    for (name, port) in [("web", 0), ("web", 8_081), ("web", 8_404), ("edge", 80)] {
        let kinds = told(&good, |plan| service(plan, name).access.port = Some(port));
        assert_eq!(kinds, [Kind::Port].into(), "{name} {port}");
    }
    let mut two = good.clone();
    let mut other = service(&mut two, "web").clone();
    other.name = "other".parse().unwrap();
    two.services.push(other);
    assert!(audited(&two).iter().any(|one| one.kind == Kind::Port), "both at port 80");
    for (name, vip) in [("web", "10.20.0.11"), ("edge", "10.20.0.60"), ("edge", "10.21.0.11")] {
        let kinds = told(&good, |plan| service(plan, name).access.vip = vip.parse().ok());
        assert_eq!(kinds, [Kind::Network].into(), "{name} {vip}");
    }
    let mut other = service(&mut two, "edge").clone();
    other.name = "door".parse().unwrap();
    two.services.push(other);
    let twice = |one: &Finding| one.kind == Kind::Network && one.message.contains("of edge and");
    assert!(audited(&two).iter().any(twice));
}
