//! Databases behind gateways: their ports there, and what a gateway has to carry.

use super::*;
use crate::spec::GroupPorts;

const HEAD: &str = "\
name: shop
policy: { survive: none }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
hosts: [{ name: h1, cores: 64, memory: 512GiB, disk: 4TiB }]
services:
  - { name: edge, engine: haproxy }
";

fn with(services: &[String]) -> Files {
    let files = Files(tempfile::tempdir().unwrap());
    files.put("spec.yaml", format!("{HEAD}{}", services.concat()));
    files
}

fn database(name: &str, more: &str) -> String {
    format!(
        "  - {{ name: {name}, engine: mariadb, demand: {{ reads: 90/s, writes: 10/s, data: 1GiB{more} }}\n"
    )
}

#[test]
fn a_database_has_two_ports_for_each_group_and_counts_at_its_gateway() {
    let pool = "  - { name: web, engine: nginx, demand: { requests: 5/s, response: 0B }, gateway: edge }\n";
    let found = with(&[
        database("orders", " }, gateway: edge"),
        database("carts", ", shards: 2 }, gateway: edge, port: 4306, read_port: 5306"),
        pool.to_owned(),
    ]);
    let services = found.load().unwrap().services;
    let ports = |at: usize, group| services[at].access.group_ports(group).unwrap();
    assert_eq!(ports(1, 0), GroupPorts { writes: 3306, reads: 3307 });
    assert_eq!(ports(2, 0), GroupPorts { writes: 4306, reads: 5306 });
    assert_eq!(ports(2, 1), GroupPorts { writes: 4308, reads: 5308 });
    let Demand::GatewayPair(demand) = &services[0].demand else { panic!() };
    let rates = (demand.requests_per_s.get(), demand.transactions_per_s.get());
    assert_eq!((rates, demand.passed_on_per_s().get()), ((5, 200), 205));
}

#[test]
fn ports_at_a_gateway_are_once_each() {
    let said = |services: &[String]| with(services).errors();
    insta::assert_snapshot!(said(&[
        database("orders", " }, gateway: edge"),
        database("carts", " }, gateway: edge, port: 3307"),
    ]), @r#"
    spec.yaml:8:109: port: "orders" and "carts" would both be at port 3307 of the gateway "edge"
    hint: give one of them others: `port: 3316`, and `read_port:` where it is not the one above
    "#);
    insta::assert_snapshot!(said(&[
        database("orders", ", shards: 3 }, gateway: edge"),
        "  - { name: web, engine: nginx, demand: { requests: 5/s }, gateway: edge, port: 3311 }\n".to_owned(),
    ]), @r#"
    spec.yaml:8:81: port: "orders" and "web" would both be at port 3311 of the gateway "edge"
    hint: give one of them another: `port: 8080`
    "#);
    insta::assert_snapshot!(said(&[database("orders", " }, gateway: edge, read_port: 3306")]), @r#"
    spec.yaml:7:5: read_port: "orders" would read and write at one port of its gateway
    hint: a group has the port for writes and the one above it for reads, the next group the two after these: `port: 3306`
    "#);
}

#[test]
fn ports_of_a_database_are_those_of_its_gateway() {
    let said = |services: &[String]| with(services).errors();
    let demand = "  - { name: web, engine: nginx, demand: { requests: 5/s }, gateway: edge }\n";
    insta::assert_snapshot!(said(&[database("orders", " }, port: 3310, read_port: 3311"), demand.to_owned()]), @"
    spec.yaml:7:95: port: not supported for mariadb without a gateway
    hint: its instances have the engine's own port; `gateway:` names a service that has ports for it
    spec.yaml:7:112: read_port: not supported for mariadb without a gateway
    hint: its instances have the engine's own port; `gateway:` names a service that has ports for it
    ");
    insta::assert_snapshot!(said(&[database("orders", " }, gateway: edge, port: 8404")]), @"
    spec.yaml:7:110: port: 8404 is not a port of a gateway; expected 1 to 65535, and not 8081 and 8404, at which instances say how they are
    ");
    insta::assert_snapshot!(said(&[demand.replace("gateway: edge", "gateway: edge, read_port: 81")]), @"
    spec.yaml:7:86: read_port: not supported for nginx, only for mysql or mariadb
    ");
}
