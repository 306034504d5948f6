//! All nine engines, what each takes, and gateways.

use super::*;
use crate::units::Bytes;

const HEAD: &str = "\
name: shop
policy: { survive: none }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
hosts: [{ name: h1, cores: 64, memory: 512GiB, disk: 4TiB }]
services:
";

fn with(services: &str) -> Files {
    let files = Files(tempfile::tempdir().unwrap());
    files.put("spec.yaml", format!("{HEAD}{services}"));
    files
}

fn demands(services: &str) -> Vec<Demand> {
    with(services).load().unwrap().services.into_iter().map(|service| service.demand).collect()
}

#[test]
fn each_engine_takes_the_demand_of_its_kind_of_cluster() {
    let spec = with("
  - { name: a, engine: redis, demand: { reads: 1k/s, writes: 0/s, data: 1GiB } }
  - { name: b, engine: valkey, demand: { reads: 0/s, writes: 1/s, data: 1GiB, value: 1KiB, persistence: rdb } }
  - { name: c, engine: mysql, demand: { reads: 60k/s, writes: 4k/s, data: 400GiB, working_set: 20% } }
  - { name: d, engine: mariadb, demand: { reads: 1/s, writes: 1/s, data: 1GiB, shards: 4 } }
  - { name: e, engine: elasticsearch, demand: { index: 80k docs/s, queries: 2k/s, data: 2TiB } }
  - { name: f, engine: opensearch, demand: { index: 5/s, queries: 2k/s, data: 2TiB, copies: 1, document: 2KiB, shards_per_query: 3 } }
  - { name: g, engine: apache, demand: { requests: 40k/s, cpu: 5ms }, gateway: i }
  - { name: h, engine: nginx, demand: { requests: 1k/s, response: 1KiB, tls: true }, gateway: i, port: 8443 }
  - { name: i, engine: haproxy, demand: { requests: 10/s, response: 100B, tls: true } }
")
    .load()
    .unwrap();
    let engines: Vec<Engine> = spec.services.iter().map(|service| service.engine).collect();
    assert_eq!(engines, Engine::ALL);
    let demand = |at: usize| spec.services[at].demand.clone();
    assert_eq!(
        demand(2),
        Demand::PrimaryReplica(RelationalDemand {
            reads_per_s: PerSecond::new(60_000),
            writes_per_s: PerSecond::new(4_000),
            data_mib: Mebibytes::from_gib(400),
            working_set_percent: 20,
            shards: 1,
            failover: FailoverMode::Manual,
        })
    );
    let Demand::PrimaryReplica(mariadb) = demand(3) else { panic!() };
    assert_eq!((mariadb.working_set_percent, mariadb.shards), (100, 4));
    assert_eq!(
        demand(4),
        Demand::Quorum(SearchDemand {
            index_per_s: PerSecond::new(80_000),
            queries_per_s: PerSecond::new(2_000),
            data_mib: Mebibytes::from_gib(2 << 10),
            copies: 2,
            document_bytes: Bytes::new(500),
            shards_per_query: None,
            retention_days: None,
        })
    );
    let Demand::Quorum(opensearch) = demand(5) else { panic!() };
    assert_eq!((opensearch.copies, opensearch.shards_per_query), (1, Some(3)));
    let Demand::Pool(apache) = demand(6) else { panic!() };
    assert_eq!((apache.response_bytes.get(), apache.cpu_us, apache.tls), (10_240, 5_000, false));
    assert_eq!(
        demand(8),
        Demand::GatewayPair(GatewayDemand {
            requests_per_s: PerSecond::new(41_010),
            transactions_per_s: PerSecond::ZERO,
            response_bytes_per_s: 40_000 * 10_240 + 1_000 * 1_024 + 10 * 100,
            tls: true,
        })
    );
}

#[test]
fn a_gateway_without_a_demand_of_its_own_has_that_of_its_pools() {
    let all = demands(
        "
  - { name: edge, engine: haproxy }
  - { name: web, engine: nginx, demand: { requests: 2/s, response: 0B }, gateway: edge }
",
    );
    let sum = GatewayDemand {
        requests_per_s: PerSecond::new(2),
        transactions_per_s: PerSecond::ZERO,
        response_bytes_per_s: 0,
        tls: false,
    };
    assert_eq!(all[0], Demand::GatewayPair(sum));
}

#[test]
fn a_demand_of_another_kind_is_refused_with_what_the_engine_takes() {
    let said = |services: &str| with(services).errors();
    insta::assert_snapshot!(said("  - { name: web, engine: apache, demand: { reads: 1k/s } }\n"), @r#"
    spec.yaml:6:42: the field "requests" is missing
    spec.yaml:6:44: unknown field "reads" in the demand of apache; expected requests, response, cpu or tls
    hint: `reads` is a field of redis, valkey, mysql, mariadb
    "#);
    insta::assert_snapshot!(said("  - { name: web, engine: redis, demand: { reads: 1k/s, write: 1/s, data: 1GiB, cpu: 1ms } }\n"), @r#"
    spec.yaml:6:56: unknown field "write" in the demand of redis; expected reads, writes, value, data, persistence or copies
    hint: did you mean "writes"?
    spec.yaml:6:80: unknown field "cpu" in the demand of redis; expected reads, writes, value, data, persistence or copies
    hint: `cpu` is a field of apache, nginx
    "#);
    insta::assert_snapshot!(said("  - { name: web, engine: nginx }\n"), @r#"
    spec.yaml:6:5: the field "demand" is missing
    hint: nginx takes requests, response, cpu, tls
    "#);
    insta::assert_snapshot!(said("  - { name: web, engine: nginx, demand: 40k/s }\n"), @r#"spec.yaml:6:41: the demand of nginx: found "40k/s"; expected a map such as { field: value }"#);
    insta::assert_snapshot!(said("  - { name: db, engine: mysql, demand: { reads: 0/s, writes: 0/s, data: 1GiB, working_set: 0.2, shards: 0 } }\n"), @r#"
    spec.yaml:6:40: demand: reads and writes are both zero
    spec.yaml:6:92: working_set: "0.2" has no unit; expected a percentage such as 20%
    spec.yaml:6:105: shards: 0 is out of range: at least 1
    "#);
    insta::assert_snapshot!(said("  - { name: find, engine: opensearch, demand: { index: 80k doc/s, queries: 1/s, data: 1GiB, copies: 0 } }\n"), @r#"
    spec.yaml:6:56: index: "80k doc/s" has the unknown unit "k doc/s"; expected a rate such as 80k docs/s or 80k/s
    spec.yaml:6:101: copies: 0 is out of range: at least 1
    "#);
    insta::assert_snapshot!(said("  - { name: web, engine: nginx, demand: { requests: 0/s, cpu: 5, tls: yes } }\n"), @r#"
    spec.yaml:6:53: requests: 0/s is out of range: at least 1/s
    spec.yaml:6:63: cpu: "5" has no unit; expected a span of time such as 5ms or 300us
    spec.yaml:6:71: tls: "yes" is not known; expected true or false
    "#);
}

#[test]
fn gateways_are_haproxy_services_with_something_to_do() {
    let said = |services: &str| with(services).errors();
    let web = "  - { name: web, engine: nginx, demand: { requests: 1/s }, gateway: egde }\n";
    insta::assert_snapshot!(said(web), @r#"
    spec.yaml:6:69: gateway: unknown service "egde"
    hint: add `- { name: egde, engine: haproxy }` to the services
    "#);
    insta::assert_snapshot!(said(&format!("{web}  - {{ name: edge, engine: haproxy, demand: {{ requests: 1/s }} }}\n")), @r#"
    spec.yaml:6:69: gateway: unknown service "egde"
    hint: did you mean "edge"?
    "#);
    insta::assert_snapshot!(said("  - { name: web, engine: nginx, demand: { requests: 1/s }, gateway: web }\n"), @r#"
    spec.yaml:6:69: gateway: "web" runs nginx; expected a service that runs haproxy
    hint: add `- { name: edge, engine: haproxy }` to the services
    "#);
    insta::assert_snapshot!(said("  - { name: edge, engine: haproxy }\n"), @r#"
    spec.yaml:6:5: demand: the gateway "edge" has no demand: no service names it and it states no requests
    hint: write `gateway: edge` in the mysql, mariadb, elasticsearch, opensearch, apache or nginx service behind it, or `demand: { requests: 40k/s }`
    "#);
    insta::assert_snapshot!(said("  - { name: edge, engine: haproxy, demand: { response: 1KiB } }\n"), @"
    spec.yaml:6:56: response: needs `requests` to go with it
    hint: the responses of the pools behind the gateway are counted already
    ");
    insta::assert_snapshot!(said("  - { name: db, engine: redis, demand: { reads: 1/s, writes: 1/s, data: 1GiB }, gateway: edge }\n  - { name: edge, engine: haproxy, demand: { requests: 1/s } }\n"), @"
    spec.yaml:6:90: gateway: not supported for redis
    hint: remove it: its clients reach each instance themselves, which has its own part of the data; a plan names addresses at which they begin
    ");
    let files = with("  - { name: edge, engine: haproxy, demand: { requests: 1/s } }\n");
    files.put(
        "spec.yaml",
        format!("{HEAD}  - {{ name: edge, engine: haproxy, demand: {{ requests: 1/s }} }}\n")
            .replace(", vip: 10.20.0.10", ""),
    );
    insta::assert_snapshot!(files.errors(), @r#"
    spec.yaml:3:10: the field "vip" is missing
    hint: a gateway has an address that moves with its active instance: `vip: 10.20.0.10`, in the subnet and outside `addresses`
    "#);
}

#[test]
fn a_database_elects_by_itself_only_where_a_majority_is_left() {
    let service = |engine: &str, mode: &str| {
        format!(
            "  - {{ name: db, engine: {engine}, failover: {mode}, demand: {{ reads: 1/s, writes: 1/s, data: 1GiB }} }}\n"
        )
    };
    let on = |hosts: u32, services: &str| {
        let files = with(services);
        let all: String = (1..=hosts)
            .map(|number| {
                format!("  - {{ name: h{number}, cores: 4, memory: 8GiB, disk: 1TiB }}\n")
            })
            .collect();
        let head = HEAD.replace("survive: none", "survive: host").replace(
            "hosts: [{ name: h1, cores: 64, memory: 512GiB, disk: 4TiB }]\n",
            &format!("hosts:\n{all}"),
        );
        files.put("spec.yaml", format!("{head}{services}"));
        files
    };
    for (mode, expected) in
        [("manual", FailoverMode::Manual), ("automatic", FailoverMode::Automatic)]
    {
        let spec = on(3, &service("mysql", mode)).load().unwrap();
        let Demand::PrimaryReplica(demand) = &spec.services[0].demand else { panic!() };
        assert_eq!(demand.failover, expected);
    }
    let said = |services: &str| on(2, services).errors();
    insta::assert_snapshot!(said(&service("mysql", "automatic")), @"
    spec.yaml:8:42: failover: automatic takes three copies on three hosts, so that two are a majority when one is lost; 2 hosts are there
    hint: add a third host, which holds a whole copy too; or leave it out: two copies, and a person decides by `hostsplit failover`
    ");
    insta::assert_snapshot!(said(&service("mariadb", "automatic")), @"
    spec.yaml:8:44: failover: automatic takes Galera with mariadb, which hostsplit does not set up yet
    hint: leave it out: two copies, and a person decides by `hostsplit failover`; or `engine: mysql`, of which three copies elect their primary by themselves
    ");
    insta::assert_snapshot!(said("  - { name: kv, engine: redis, failover: automatic, demand: { reads: 1/s, writes: 1/s, data: 1GiB } }\n"), @"
    spec.yaml:8:42: failover: not supported for redis, only for mysql or mariadb
    hint: remove it
    ");
    insta::assert_snapshot!(said(&service("mysql", "auto")), @r#"spec.yaml:8:42: failover: "auto" is not known; expected manual or automatic"#);
    insta::assert_snapshot!(with(&service("mysql", "automatic")).errors(), @"
    spec.yaml:6:42: failover: automatic survives the loss of a failure domain, and policy.survive is none
    hint: `policy: { survive: host }`; or leave it out: two copies, and a person decides by `hostsplit failover`
    ");
}
