//! Certificates of the user's own.

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::spec::KeySource;

/// A certificate for these names, a gateway and a pool.
fn with(names: &[&str], pool: &str, edge: &str) -> Files {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let pem = CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem();
    let files = Files(tempfile::tempdir().unwrap());
    let head = "\
name: shop
policy: { survive: none }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
hosts: [{ name: h1, cores: 64, memory: 512GiB, disk: 4TiB }]
services:
";
    let web = format!(
        "  - {{ name: web, engine: nginx, demand: {{ requests: 10/s{pool}, gateway: edge }}\n"
    );
    let edge = format!("  - {{ name: edge, engine: haproxy, {edge} }}\n");
    files.put("spec.yaml", format!("{head}{web}{edge}")).put("shop.pem", pem);
    files
}

const EDGE: &str = "demand: { tls: true }, certificate: { chain: shop.pem, key: { file: shop.key }";

fn edge(names: &[&str], more: &str) -> Files {
    with(names, " }", &format!("{EDGE}{more} }}"))
}

#[test]
fn a_gateway_has_one_that_is_asked_for_by_its_name() {
    let own = |files: &Files| files.load().unwrap().services[1].access.certificate.clone().unwrap();
    let found = own(&edge(&["Shop.Example.com", "10.20.0.10"], ""));
    assert_eq!((found.chain.as_str(), found.name.as_str()), ("shop.pem", "shop.example.com"));
    assert_eq!(found.names, ["shop.example.com", "10.20.0.10"]);
    assert_eq!(found.key, KeySource::File("shop.key".to_owned()));
    assert_eq!(own(&edge(&["*.shop.test"], "")).name, "www.shop.test");
    let stated = own(&edge(&["*.shop.test", "10.20.0.10"], ", names: [a.shop.test, 10.20.0.10]"));
    assert_eq!(stated.name, "a.shop.test");
}

#[test]
fn what_clients_would_not_accept_is_refused_by_name() {
    let said = |more: &str| edge(&["shop.test"], more).errors();
    insta::assert_snapshot!(said(", names: [shop.test, 10.20.0.10]"), @r#"
    spec.yaml:7:135: certificate.names: shop.pem is not for "10.20.0.10"
    hint: it is for shop.test
    "#);
    insta::assert_snapshot!(said(", names: ['a b']"), @r#"spec.yaml:7:124: certificate.names: "a b" is neither the name of a server nor an IPv4 address"#);
    insta::assert_snapshot!(with(&["shop.test"], " }", "certificate: { chain: shop.pem, key: { env: KEY } }").errors(), @"
    spec.yaml:7:49: certificate: edge does not end TLS
    hint: write `tls: true` in its demand, or remove the certificate
    ");
    insta::assert_snapshot!(with(&["shop.test"], ", tls: true }, certificate: { chain: shop.pem, key: { env: KEY } }", "demand: { tls: true }").errors(), @"
    spec.yaml:6:85: certificate: clients of web see that of edge, which ends TLS before
    hint: move it to edge
    ");
    insta::assert_snapshot!(with(&["shop.test"], " }", "demand: { tls: true }, certificate: { chain: shop.pem, key: {} }").errors(), @"spec.yaml:7:96: certificate.key: expected one of `file`, `env` and `command`");
    insta::assert_snapshot!(with(&["shop.test"], " }", "demand: { tls: true }, certificate: { chain: ../shop.pem }").errors(), @r#"
    spec.yaml:7:72: the field "certificate.key" is missing
    spec.yaml:7:81: certificate.chain: ../shop.pem: cannot read it: No such file or directory (os error 2)
    hint: expected PEM: the server's certificate, then those between it and one that clients know
    "#);
    let files = edge(&["shop.test"], "");
    insta::assert_snapshot!(files.put("shop.pem", KeyPair::generate().unwrap().serialize_pem()).errors(), @"
    spec.yaml:7:81: certificate.chain: shop.pem: it holds a private key; a key has a file of its own, of mode 0600
    hint: expected PEM: the server's certificate, then those between it and one that clients know
    ");
    insta::assert_snapshot!(files.put("shop.pem", "shop").errors(), @"
    spec.yaml:7:81: certificate.chain: shop.pem: it holds no certificate in PEM
    hint: expected PEM: the server's certificate, then those between it and one that clients know
    ");
    insta::assert_snapshot!(files.put("spec.yaml", "name: shop\nservices: [{ name: c, engine: redis, certificate: { chain: shop.pem, key: { file: k } } }]\n").errors(), @r#"
    spec.yaml:1:1: the field "network" is missing
    hint: services have addresses: `network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199 }`
    spec.yaml:1:1: there are no hosts
    hint: `hostsplit discover URI` writes host files; name them as `hosts: [{ include: hosts/*.yaml }]`
    spec.yaml:2:12: the field "demand" is missing
    hint: redis takes reads, writes, value, data, persistence, copies
    spec.yaml:2:51: certificate: not supported for redis, only for apache or nginx, haproxy
    hint: its clients trust the deployment's authority: secrets/ca.crt in the state directory
    spec.yaml:2:60: certificate.chain: shop.pem: it holds no certificate in PEM
    hint: expected PEM: the server's certificate, then those between it and one that clients know
    "#);
}
