//! Every field of a plan, edited: the audit finds the edit, or it is one of those that
//! nobody can find without the spec or the hosts. These are written down here, each with
//! its reason, and none that is found.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/edits.rs"]
mod edits;
#[path = "support/plain.rs"]
mod plain;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use hostsplit::audit::audit;
use hostsplit::ids::ServiceName;
use hostsplit::plan::Plan;
use hostsplit::planner::{make, make_with};
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Access, Demand, Engine, FailoverMode, GatewayDemand, HostSet, Image, ImageFile, Password,
    Persistence, Policy, Quorum, RelationalDemand, Serve, ShardedDemand, Spec, Spread, Survive,
    Target, Tls, WebDemand,
};
use hostsplit::topology::{Core, Host, L3Domain, Level, Migration, PagePool};
use hostsplit::units::{BitsPerSecond, Mebibytes, PerSecond};
use serde::Deserialize as _;
use serde_json::Value;

use crate::edits::{Edit, edits};

/// Edits that the audit cannot find: paths (`*` is anything), edits, and why.
const UNKNOWABLE: &[(&str, &[&str], &str)] = &[
    ("hostsplit", &["another", "longer", "emptied"], "says who wrote it; nothing follows"),
    ("image", &["a key less"], "what to boot is the spec's, as far as root disks have its size"),
    ("image.name", &["another", "longer"], "for people"),
    ("image.*file", &["another", "longer"], "the spec names files"),
    ("image.*sha256", &["another"], "only the file has its digest: an upload compares them"),
    ("image.cmdline", &["another", "longer", "emptied"], "the spec's image decides"),
    ("instances", &["turned"], "their order means nothing"),
    ("instances[].address", &["another", "next", "exchanged"], "a free address is a choice"),
    ("instances[].cpus", &["a sibling's", "exchanged"], "other free cores are as good"),
    ("instances[].cpus[]", &["+1", "x2"], "other free cores are as good"),
    ("instances[].host", &["exchanged"], "on equal hosts the plan is as good"),
    ("network.gateway", &["another", "next", "longer"], "the spec's"),
    ("network.last", &["another", "next", "longer"], "the spec's, as far as addresses are in it"),
    ("network.prefix", &["+1", "-1"], "the spec's, as far as addresses are in it"),
    ("network.vip", &["set"], "the spec's; no gateway uses it here"),
    ("policy.objective", &["dropped"], "the spec's, as far as objectives follow"),
    ("policy.survive", &["dropped"], "the spec's: less is promised than kept"),
    ("policy.survive[].level", &["another word"], "the spec's: racks are hosts here"),
    ("policy.survive[].quorum", &["another word"], "the spec's: less is promised than kept"),
    ("services", &["turned"], "their order is the spec's"),
    ("services[].capacity.unit", &["another", "longer", "exchanged", "a sibling's"], "for people"),
    ("services[].demand.data_mib", &["+1", "-1", "0", "x2"], "sizes are rounded up, to a least"),
    ("services[].demand.response_bytes", &["+1", "-1"], "rates are rounded"),
    ("services[].demand.response_bytes_per_s", &["+1"], "what is not of its pools is the spec's"),
    ("services[].demand.shards", &["+1", "x2"], "more is supported than used"),
    ("services[].demand.value_bytes", &["+1", "-1", "0", "x2"], "small values cost the same"),
    ("services[].groups[].replicas", &["turned"], "copies are equal"),
    ("services[].groups[].slots", &["exchanged"], "follows from the plan before"),
    ("services[].serve.content.bytes", &["+1", "-1", "x2"], "only the files have their size"),
    (
        "services[].serve.content.path",
        &["another", "another word", "longer"],
        "the spec names files",
    ),
    ("services[].serve.content.sha256", &["another"], "only the files have their digest"),
    ("tiers[].bound", &["-1", "0", "a sibling's"], "a proof is the plan's claim"),
    ("tiers[].value", &["+1", "x2", "a sibling's"], "of moves: follows from the plan before"),
    ("topology", &["dropped"], "a host without instances"),
    ("topology[].assumed*", &[], "the spec's: what nobody measured"),
    ("topology[].bridges*", &["dropped", "more", "another", "longer"], "the host knows"),
    ("topology[].cost", &["+1", "-1", "0", "x2"], "the spec's, of a host without instances"),
    ("topology[].hypervisor", &["another word"], "the host knows"),
    ("topology[].labels*", &[], "the spec's: where the host is"),
    ("topology[].migration*", &[], "the spec's: how other hosts reach it"),
    ("topology[].name", &["another", "longer"], "the spec's, of a host without instances"),
    ("topology[].network_bits_per_s", &["+1", "-1", "0", "x2", "a key less"], "the host knows"),
    ("topology[]", &["a key less"], "the spec says it, or not"),
    ("topology[].numa", &["dropped"], "the host knows"),
    ("topology[].numa[].id", &["+1"], "the host knows"),
    ("topology[].numa[].l3*", &[], "the host knows, of cores that no instance has"),
    ("topology[].numa[].memory_mib", &["+1", "-1", "x2"], "the host knows"),
    ("topology[].numa[].pages*", &[], "the host knows"),
    ("topology[].numa[].reserved*", &[], "the spec's: what the host keeps"),
    ("topology[].pools*", &[], "the host knows, and the spec what may be used"),
    ("topology[].uri", &["another", "longer", "exchanged"], "the spec's"),
    ("network", &["a key less"], "the spec's: the gateway"),
    ("vms[]", &["a key less"], "the spec's: the spread"),
    ("vms[].apart", &["dropped"], "the spec's"),
    ("vms[].near", &["dropped"], "the spec's"),
    ("vms[].iops_per_s", &["+1", "-1", "0", "x2"], "the spec's"),
    ("vms[].network_bits_per_s", &["+1"], "the spec's"),
    ("vms[].spread*", &["another word"], "the spec's: racks are hosts here"),
    ("vms[].spread.at_most", &["+1", "-1", "x2"], "the spec's, where no host holds as many"),
];

/// A host of two L3 domains of four cores with two threads, in a rack.
fn host(name: &str, rack: &str, pages: Vec<PagePool>) -> Host {
    let core = |cpu: u32| Core { cpus: vec![cpu, cpu + 8] };
    let l3 = |from: u32| L3Domain {
        size_kib: Some(16_384),
        cores: (from..from + 4).map(core).collect(),
    };
    let mut node = plain::node(0, vec![l3(0), l3(4)], 64);
    node.reserved_memory_mib = Mebibytes::from_gib(2);
    node.pages = pages;
    let mut host = plain::host(name, vec![node], 400);
    host.uri = Some(format!("qemu+ssh://root@{name}/system"));
    host.labels.insert(Level::Rack, rack.to_owned());
    host.network_bits_per_s = Some(BitsPerSecond::new(10_000_000_000));
    host.pools[0].iops_per_s = Some(PerSecond::new(50_000));
    host.cost = 2;
    host.assumed = ["cost".to_owned()].into();
    host.migration =
        Migration { address: Some(format!("{name}.move")), bits_per_s: None, tls: true };
    host
}

fn hosts() -> Vec<Host> {
    ["h1", "h2", "h3"].map(|name| host(name, &format!("r-{name}"), Vec::new())).into()
}

fn image() -> Image {
    let file =
        |name: &str, digit: &str| ImageFile { file: name.to_owned(), sha256: digit.repeat(64) };
    Image {
        name: "debian-13".to_owned(),
        disk: file("root.qcow2", "1"),
        virtual_size_mib: Mebibytes::from_gib(3),
        kernel: Some(file("vmlinuz", "2")),
        initrd: Some(file("initrd.img", "3")),
        cmdline: "root=/dev/vda rw".to_owned(),
        engines: [].into(),
    }
}

/// Redis with all that it can have, and fixed machines.
fn caches() -> Spec {
    let cache = plain::sharded(20_000, 2_000, 900);
    let mut cache = plain::service("cache", Engine::Redis, Demand::Sharded(cache));
    cache.access =
        Access { password: Some(Password::Generated), tls: Tls::On, ..Access::default() };
    cache.prefer = vec![HostSet::Rack("r-h1".to_owned())];
    let mut build = plain::machines("build", 2, 2, 1_024, 8);
    build.spread = Some(Level::Host.into());
    build.restart = true;
    build.near = vec![ServiceName::new("cache").unwrap()];
    build.iops_per_s = PerSecond::new(100);
    let mut spec = plain::spec(hosts(), Policy::surviving(Level::Host), vec![cache]);
    (spec.vms, spec.image) = (vec![build], Some(image()));
    spec
}

/// A database of two groups and a search engine, with a second level of failure domains.
fn stores() -> Spec {
    let orders = RelationalDemand {
        reads_per_s: PerSecond::new(400),
        writes_per_s: PerSecond::new(40),
        data_mib: Mebibytes::from_gib(6),
        working_set_percent: 50,
        shards: 1,
        failover: FailoverMode::Manual,
    };
    let orders = plain::service("orders", Engine::Mysql, Demand::PrimaryReplica(orders));
    let search = Demand::Quorum(plain::search(1_000, 10, 4_000, 2));
    let search = plain::service("search", Engine::Elasticsearch, search);
    let survive = |level| Survive { level, quorum: Quorum::Automatic };
    let policy =
        Policy { survive: vec![survive(Level::Host), survive(Level::Rack)], ..Policy::nothing() };
    plain::spec(hosts(), policy, vec![orders, search])
}

/// Web servers behind a pair of gateways.
fn webs() -> Spec {
    let behind = |mut service: hostsplit::spec::Service| {
        service.gateway = Some(ServiceName::new("edge").unwrap());
        service
    };
    let web = Demand::Pool(WebDemand { tls: true, ..plain::web(2_000, 4_096, 0) });
    let mut web = behind(plain::service("web", Engine::Apache, web));
    let app = Demand::Pool(plain::web(300, 20_000, 800));
    web.serve =
        Some(Serve::Content { path: "site".to_owned(), sha256: "4".repeat(64), bytes: 2_048 });
    let mut app = behind(plain::service("app", Engine::Nginx, app));
    app.access.port = Some(8_080);
    let to = Target::Server("10.20.9.9:8080".to_owned());
    app.serve = Some(Serve::Proxy { to });
    let edge = Demand::GatewayPair(GatewayDemand {
        requests_per_s: PerSecond::new(2_300),
        transactions_per_s: PerSecond::ZERO,
        response_bytes_per_s: 2_000 * 4_096 + 300 * 20_000,
        tls: true,
    });
    let edge = plain::service("edge", Engine::Haproxy, edge);
    let mut spec = plain::spec(hosts(), Policy::surviving(Level::Host), vec![web, app, edge]);
    spec.network.as_mut().unwrap().vip = Some([10, 20, 0, 10].into());
    spec
}

/// Valkey on huge pages, nothing promised, one copy of everything, and a machine without a
/// disk.
fn plain_ones() -> Spec {
    let pages = || vec![PagePool { size_kib: 2_048, count: 8_192 }];
    let hosts = vec![host("h1", "a", pages()), host("h2", "b", pages())];
    let cache = ShardedDemand { persistence: Persistence::Rdb, ..plain::sharded(9_000, 90, 300) };
    let cache = plain::service("cache", Engine::Valkey, Demand::Sharded(cache));
    let mut spec = plain::spec(hosts, Policy::nothing(), vec![cache]);
    let mut router = plain::machines("router", 1, 1, 512, 0);
    router.spread = Some(Spread { per: Level::Host, at_most: NonZeroU32::new(2).unwrap() });
    router.apart = vec![ServiceName::new("cache").unwrap()];
    spec.vms = vec![router];
    spec
}

/// The plans that are edited, with their names.
fn plans() -> Vec<(&'static str, Plan)> {
    let profiles = Profiles::builtin().unwrap();
    let limits = Limits::default();
    let plan = |spec: &Spec| make(spec, &profiles, &limits).unwrap().0;
    let before = plan(&plain_ones());
    let mut spec = plain_ones();
    spec.vms[0].count = 2;
    let mut after = make_with(&spec, &profiles, &limits, Some(&before)).unwrap().0;
    after.drained.clear();
    vec![
        ("caches", plan(&caches())),
        ("stores", plan(&stores())),
        ("webs", plan(&webs())),
        ("plain", after),
    ]
}

/// Whether the edited plan is refused, or the audit finds something, or it is the same.
fn is_found(original: &Plan, edited: &Value) -> bool {
    let Ok(plan) = Plan::deserialize(edited) else { return true };
    if plan == *original {
        return true;
    }
    let Ok(profiles) = plan.profiles.resolve() else { return true };
    !audit(&plan, &profiles).is_empty()
}

/// The edits of a plan that nobody notices.
fn unnoticed(plan: &Plan) -> Vec<Edit> {
    let text: Value = serde_json::from_str(&plan.to_text().unwrap()).unwrap();
    let all = edits(&text);
    let half = |odd: usize| {
        let mut value = text.clone();
        let mine = all.iter().enumerate().filter(|(at, _)| at % 2 == odd);
        let silent =
            mine.filter(|(_, edit)| !edit.with(&mut value, |edited| is_found(plan, edited)));
        silent.map(|(_, edit)| edit.clone()).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut found = half(0);
        found.extend(other.join().unwrap());
        found
    })
}

fn is_like(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = path.strip_prefix(parts.next().unwrap()) else { return false };
    let mut rest = rest;
    for part in parts {
        if part.is_empty() {
            continue;
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    pattern.ends_with('*') || rest.is_empty()
}

#[test]
fn no_field_is_edited_unseen() {
    let mut unlisted: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut used = BTreeSet::new();
    for (name, plan) in plans() {
        let profiles = Profiles::builtin().unwrap();
        assert_eq!(audit(&plan, &profiles), [], "{name}");
        for edit in unnoticed(&plan) {
            let row = UNKNOWABLE.iter().position(|(pattern, kinds, _)| {
                is_like(pattern, &edit.shape) && (kinds.is_empty() || kinds.contains(&edit.kind))
            });
            match row {
                Some(row) => drop(used.insert(row)),
                None => drop(unlisted.entry((edit.shape, edit.kind)).or_default().insert(name)),
            }
        }
    }
    let lines: Vec<String> = unlisted
        .iter()
        .map(|((shape, kind), plans)| format!("{shape}: {kind} {plans:?}"))
        .collect();
    assert!(lines.is_empty(), "edited unseen:\n{}", lines.join("\n"));
    let idle = |row: &usize| !used.contains(row);
    let idle: Vec<_> = (0..UNKNOWABLE.len()).filter(idle).map(|row| UNKNOWABLE[row].0).collect();
    assert!(idle.is_empty(), "listed, but found: {idle:?}");
}
