//! What pools serve, and at which ports.

use super::*;
use crate::spec::Health;

const HEAD: &str = "\
name: shop
policy: { survive: none }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
hosts: [{ name: h1, cores: 64, memory: 512GiB, disk: 4TiB }]
";

/// A directory with a site, a fragment of configuration, and these services.
fn with(services: &str) -> Files {
    let files = Files(tempfile::tempdir().unwrap());
    files
        .put("spec.yaml", format!("{HEAD}services:\n{services}"))
        .put("site/index.html", "<h1>shop</h1>\n")
        .put("own.conf", "location /app/ {\n\treturn 204;\n}\n");
    files
}

/// A pool that serves that.
fn pool(name: &str, more: &str) -> String {
    format!("  - {{ name: {name}, engine: nginx, demand: {{ requests: 10/s }}{more} }}\n")
}

fn serves(files: &Files) -> Vec<Option<Serve>> {
    files.load().unwrap().services.into_iter().map(|service| service.serve).collect()
}

#[test]
fn a_pool_serves_files_or_other_servers_or_what_its_author_wrote() {
    let files = with(
        &[
            pool("a", ""),
            pool("b", ", serve: { content: site }"),
            pool("c", ", serve: { proxy: 'http://10.0.0.9:8080' }"),
            pool("d", ", serve: { proxy: a }"),
            pool("e", ", serve: { config: own.conf }"),
            pool("f", ", serve: { proxy: 'http://10.0.0.9/' }"),
        ]
        .concat(),
    );
    let to = |to| Some(Serve::Proxy { to });
    let found = serves(&files);
    let Some(Serve::Content { path, sha256, bytes }) = &found[1] else { panic!("{found:?}") };
    assert_eq!((path.as_str(), sha256.len(), *bytes), ("site", 64, 2_048));
    assert_eq!(found[0], None);
    assert_eq!(found[2], to(Target::Server("10.0.0.9:8080".to_owned())));
    assert_eq!(found[3], to(Target::Service("a".parse().unwrap())));
    assert_eq!(
        found[4],
        Some(Serve::Config { text: "location /app/ {\n\treturn 204;\n}\n".to_owned() })
    );
    assert_eq!(found[5], to(Target::Server("10.0.0.9:80".to_owned())));
    files.put("site/index.html", "<h1>Shop</h1>\n");
    let Some(Serve::Content { sha256: changed, .. }) = &serves(&files)[1] else { panic!() };
    assert_ne!(changed, sha256);
}

#[test]
fn paths_start_where_they_are_written_and_are_seen_from_the_spec() {
    let files = Files(tempfile::tempdir().unwrap());
    files
        .put("spec.yaml", format!("{HEAD}include: [parts/*.yaml]\n"))
        .put("parts/web.yaml", format!("services:\n{}", pool("web", ", serve: { content: site }")))
        .put("parts/site/index.html", "<h1>shop</h1>\n");
    let Some(Serve::Content { path, .. }) = &serves(&files)[0] else { panic!() };
    assert_eq!(path, "parts/site");
    let absolute = files.0.path().join("parts/site");
    let there = format!(", serve: {{ content: {} }}", absolute.display());
    files.put("parts/web.yaml", format!("services:\n{}", pool("web", &there)));
    let Some(Serve::Content { path, .. }) = &serves(&files)[0] else { panic!() };
    assert_eq!(path, "parts/site", "a path into the directory of the spec is seen from there");
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let said = |more: &str| with(&pool("web", more)).errors();
    insta::assert_snapshot!(said(", serve: { content: site, proxy: a }"), @"spec.yaml:6:68: serve: expected one of `content`, `proxy` and `config`; without `serve`, a pool answers with a page that names the instance");
    insta::assert_snapshot!(said(", serve: {}"), @"spec.yaml:6:68: serve: expected one of `content`, `proxy` and `config`; without `serve`, a pool answers with a page that names the instance");
    insta::assert_snapshot!(said(", serve: { content: sitte }"), @"spec.yaml:6:79: content: cannot read sitte: No such file or directory (os error 2)");
    insta::assert_snapshot!(said(", serve: { content: site/index.html }"), @"spec.yaml:6:79: content: site/index.html is neither a directory nor a .tar or .tar.gz file");
    insta::assert_snapshot!(said(", serve: { content: /etc/ssl }"), @"
    spec.yaml:6:79: content: /etc/ssl is outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    ");
    insta::assert_snapshot!(said(", serve: { config: ../../etc/passwd }"), @"
    spec.yaml:6:78: config: ../../etc/passwd is outside of the spec's directory
    hint: if the spec is yours, pass --include-anywhere; else read what it is after
    ");
    insta::assert_snapshot!(said(", serve: { config: site }"), @"spec.yaml:6:78: config: site: is a directory; expected a file");
    insta::assert_snapshot!(said(", serve: { proxy: 'https://10.0.0.9' }"), @r#"
    spec.yaml:6:77: proxy: "https://10.0.0.9" is neither http://ADDRESS:PORT nor the name of a pool
    hint: other protocols, and paths, are written in a file of the engine's own directives: `config: FILE`
    "#);
    insta::assert_snapshot!(said(", serve: { proxy: 'http://10.0.0.9:99999' }"), @r#"
    spec.yaml:6:77: proxy: "http://10.0.0.9:99999" is not a server; expected http://ADDRESS:PORT
    hint: guests have no name servers: write its IPv4 address, or look the name up in directives of the engine, with a resolver: `config: FILE`
    "#);
    for name in ["http://backend.example", "http://999.1.1.1:80"] {
        assert!(
            said(&format!(", serve: {{ proxy: '{name}' }}"))
                .contains("expected http://ADDRESS:PORT")
        );
    }
    insta::assert_snapshot!(said(", serve: { proxy: 'http://a b;c:80' }"), @r#"
    spec.yaml:6:77: proxy: "http://a b;c:80" is not a server; expected http://ADDRESS:PORT
    hint: guests have no name servers: write its IPv4 address, or look the name up in directives of the engine, with a resolver: `config: FILE`
    "#);
    insta::assert_snapshot!(said(", serve: { proxy: web }"), @r#"
    spec.yaml:6:68: proxy: requests to "web" would come back to it
    hint: serve `content` or `config` at one of the services of the circle
    "#);
    insta::assert_snapshot!(said(", serve: { proxy: wbe }"), @r#"
    spec.yaml:6:68: proxy: unknown service "wbe"
    hint: did you mean "web"?
    "#);
    insta::assert_snapshot!(with("  - { name: c, engine: redis, demand: { reads: 1/s, writes: 1/s, data: 1GiB }, serve: { content: site } }\n").errors(), @"
    spec.yaml:6:87: serve: not supported for redis
    hint: remove it; supported for apache or nginx
    ");
    let files = with(&pool("web", ", serve: { config: own.conf }"));
    insta::assert_snapshot!(files.put("own.conf", "gzip on;\r\n").errors(), @r"
    spec.yaml:6:78: config: own.conf holds the control character \u{d}
    hint: lines end with a line feed alone, without a carriage return
    ");
    insta::assert_snapshot!(files.put("own.conf", vec![b'#'; 65_537]).errors(), @"spec.yaml:6:78: config: own.conf: is larger than 64 KiB");
}

#[test]
fn proxies_lead_to_pools_and_not_back() {
    let said = |services: &[String]| with(&services.concat()).errors();
    let proxy = |name: &str, to: &str| pool(name, &format!(", serve: {{ proxy: {to} }}"));
    insta::assert_snapshot!(said(&[proxy("a", "b"), proxy("b", "c"), proxy("c", "b")]), @r#"
    spec.yaml:7:66: proxy: requests to "b" would come back to it
    hint: serve `content` or `config` at one of the services of the circle
    spec.yaml:8:66: proxy: requests to "c" would come back to it
    hint: serve `content` or `config` at one of the services of the circle
    "#);
    let edge = "  - { name: edge, engine: haproxy, demand: { requests: 1/s } }\n".to_owned();
    insta::assert_snapshot!(said(&[proxy("a", "edge"), edge]), @r#"
    spec.yaml:6:66: proxy: "edge" runs haproxy
    hint: expected a service that runs apache or nginx
    "#);
    let closed =
        "  - { name: b, engine: apache, demand: { requests: 1/s, tls: true } }\n".to_owned();
    insta::assert_snapshot!(said(&[proxy("a", "b"), closed]), @r#"
    spec.yaml:6:66: proxy: the members of "b" end TLS themselves
    hint: remove `tls: true` from the demand of b: one end of TLS is enough
    "#);
}

#[test]
fn each_gateway_has_an_address_of_its_own() {
    let gateway = |name: &str, more: &str| {
        format!("  - {{ name: {name}, engine: haproxy, demand: {{ requests: 1/s }}{more} }}\n")
    };
    let two = |more: &str| with(&(gateway("a", "") + &gateway("b", more)));
    let vips: Vec<_> = two(", vip: 10.20.0.11").load().unwrap().services;
    assert_eq!(vips[0].access.vip, None);
    assert_eq!(vips[1].access.vip, "10.20.0.11".parse().ok());
    insta::assert_snapshot!(two("").errors(), @r#"
    spec.yaml:7:5: vip: 10.20.0.10 would be the address of "a" and of "b"
    hint: give one of them another, in the subnet and outside `addresses`: `vip: 10.20.0.11`
    "#);
    insta::assert_snapshot!(two(", vip: 10.20.0.10").errors(), @r#"
    spec.yaml:7:65: vip: 10.20.0.10 would be the address of "a" and of "b"
    hint: give one of them another, in the subnet and outside `addresses`: `vip: 10.20.0.11`
    "#);
    insta::assert_snapshot!(two(", vip: 10.20.0.60").errors(), @"
    spec.yaml:7:65: vip: 10.20.0.60 lies in the instances' range 10.20.0.50-10.20.0.199
    hint: an instance would take the vip's address; shorten `addresses`
    ");
    insta::assert_snapshot!(two(", vip: 10.21.0.11").errors(), @"spec.yaml:7:65: vip: 10.21.0.11 is not an address in 10.20.0.0/24");
    insta::assert_snapshot!(two(", vip: 10.20.0.255").errors(), @"spec.yaml:7:65: vip: 10.20.0.255 is not an address in 10.20.0.0/24");
    insta::assert_snapshot!(with(&pool("a", ", vip: 10.20.0.11")).errors(), @"spec.yaml:6:64: vip: not supported for nginx, only for haproxy");
    let alone = with(&gateway("a", ", vip: 10.20.0.11"));
    let head = HEAD.replace(", vip: 10.20.0.10", "");
    alone.put("spec.yaml", format!("{head}services:\n{}", gateway("a", ", vip: 10.20.0.11")));
    assert!(alone.load().is_ok(), "the network needs none where each gateway has one");
}

#[test]
fn tls_is_said_once_and_ports_follow() {
    let behind = |name: &str, demand: &str, more: &str| {
        let demand = format!("demand: {{ requests: 1/s{demand} }}");
        format!("  - {{ name: {name}, engine: apache, {demand}, gateway: edge{more} }}\n")
    };
    let edge = "  - { name: edge, engine: haproxy, demand: { tls: true } }\n";
    let spec = with(&(behind("a", "", "") + &behind("b", ", tls: true", ", port: 8443") + edge));
    let services = spec.load().unwrap().services;
    let [a, b, edge] = services.as_slice() else { panic!() };
    assert_eq!([a, b, edge].map(|one| one.access.tls), [Tls::Off, Tls::On, Tls::On]);
    assert_eq!([a, b].map(|one| one.access.web_port()), [80, 8443]);
    assert_eq!([a, b].map(|one| one.access.front_port(&edge.access)), [443, 8443]);
    let said = |services: String| with(&services).errors();
    let open = "  - { name: edge, engine: haproxy }\n";
    insta::assert_snapshot!(said(behind("a", "", "") + &behind("b", "", "") + open), @r#"
    spec.yaml:7:5: port: "a" and "b" would both be at port 80 of the gateway "edge"
    hint: give one of them another: `port: 8080`
    "#);
    insta::assert_snapshot!(said(behind("a", "", ", port: 8081") + open), @"spec.yaml:6:80: port: 8081 is not a port of a pool; expected 1 to 65535, and not 8081 and 8404, at which instances say how they are");
    insta::assert_snapshot!(said(behind("a", "", ", tls: optional") + open), @"
    spec.yaml:6:79: tls: not supported for apache, only for redis or valkey, mysql or mariadb, elasticsearch or opensearch
    hint: whether it ends TLS is part of its demand: `demand: { tls: true }`
    ");
    insta::assert_snapshot!(said(behind("a", "", "") + "  - { name: edge, engine: haproxy, port: 80, tls: true }\n"), @"
    spec.yaml:7:42: port: not supported for haproxy, only for redis or valkey, apache or nginx
    hint: a gateway listens at the ports of the pools behind it: `port:` of these
    spec.yaml:7:51: tls: not supported for haproxy, only for redis or valkey, mysql or mariadb, elasticsearch or opensearch
    hint: whether it ends TLS is part of its demand: `demand: { tls: true }`
    ");
}

#[test]
fn members_are_asked_for_what_the_spec_says() {
    let health = |more: &str| {
        let files = with(&pool("web", more));
        files.load().unwrap().services.remove(0).access.health
    };
    let asked = |path: &str, expect| Some(Health { path: path.to_owned(), expect });
    assert_eq!(health(""), None);
    assert_eq!(health(", health: { path: /ready?deep=1 }"), asked("/ready?deep=1", None));
    assert_eq!(health(", health: { expect: 401 }, port: 8080"), asked("/", Some(401)));
    let said = |more: &str| with(&pool("web", more)).errors();
    insta::assert_snapshot!(said(", health: { path: ready }"), @r#"spec.yaml:6:77: health.path: "ready" is no path; expected / and letters, digits and -._~%?&=+:,@!"#);
    insta::assert_snapshot!(said(", health: { expect: 99 }"), @"spec.yaml:6:79: health.expect: expected the status of an answer, 200 to 599");
    let files = with(&pool("web", ", serve: { content: more }"));
    files.put("more/page.html", "<h1>shop</h1>\n");
    let refused = files.errors();
    assert!(refused.contains("content: more holds no index.html at its top"), "{refused}");
    assert!(refused.contains("`health: { path: /PAGE }`"), "{refused}");
    let files = with(&pool("web", ", serve: { content: more }, health: { path: /page.html }"));
    files.put("more/page.html", "<h1>shop</h1>\n");
    assert!(files.load().is_ok());
}
