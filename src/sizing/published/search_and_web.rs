//! Published measurements that no number of a profile was fitted to, against what
//! the profile says. The error is printed, and so is whether the measurement lies
//! between what the ends of the curve's intervals give: where it does not, the
//! profile is known to be wrong there: nginx as shipped does less than a tuned one,
//! two untuned servers are closer to each other than 0.4, and one core of Graviton2
//! is no core of a Xeon.

use crate::plan::{CpuPlacement, L3Use};
use crate::profile::{Curve, Number, Profile, Profiles, Rules};
use crate::sizing::{core_speed, effective_cores};
use crate::spec::{Engine, SearchDemand, WebDemand};
use crate::units::{Bytes, Mebibytes, PerSecond};

#[derive(Clone, Copy)]
enum End {
    Low,
    Default,
    High,
}

/// The profile with its curve at one end of its intervals; the fastest end has the
/// least contention. What virtualisation and headroom take is no part of these
/// measurements.
fn profile(engine: Engine, end: End) -> Profile {
    let mut profile = Profiles::builtin().unwrap().of(engine).unwrap().clone();
    type Pick = fn(&Number) -> f64;
    let (fast, slow): (Pick, Pick) = match end {
        End::Low => (|number| number.low, |number| number.high),
        End::Default => (|number| number.default, |number| number.default),
        End::High => (|number| number.high, |number| number.low),
    };
    let Curve::Usl(usl) = &mut profile.curve else { panic!("no curve over cores") };
    usl.lambda.default = fast(&usl.lambda);
    usl.sigma.default = slow(&usl.sigma);
    usl.kappa.default = slow(&usl.kappa);
    let smt = &mut profile.placement.smt_gain;
    smt.default = fast(smt);
    match &mut profile.rules {
        Rules::Quorum(rules) => {
            let cost = &mut rules.work.per_further_kib;
            cost.default = slow(cost);
        }
        Rules::Pool(rules) => {
            let work = &mut rules.work;
            for cost in [&mut work.tls, &mut work.per_kib_above_10, &mut work.per_kib_to_10] {
                cost.default = slow(cost);
            }
            work.handshakes_per_request.default = 0.0;
        }
        _ => {}
    }
    profile
}

/// Work per second without virtualisation, on so many virtual CPUs and cores.
fn bare(profile: &Profile, vcpus: u32, cores: u32) -> f64 {
    let placement = placement(cores);
    let cores = effective_cores(profile, vcpus, placement);
    core_speed(profile, vcpus, placement) * cores
}

const fn placement(cores: u32) -> CpuPlacement {
    CpuPlacement { cores, l3: L3Use::Own }
}

fn row(case: &str, measured: f64, says: impl Fn(End) -> f64) -> String {
    let (low, said, high) = (says(End::Low), says(End::Default), says(End::High));
    let error = (said / measured - 1.0) * 100.0;
    let inside = if (low..=high).contains(&measured) { "inside" } else { "OUTSIDE" };
    format!("{case:<46} {measured:>10.0} {said:>10.0} {error:>+6.0} %  {inside}")
}

/// Documents per second of three instances.
fn indexed(end: End, vcpus: u32, bytes: u64) -> f64 {
    let profile = profile(Engine::Elasticsearch, end);
    let Rules::Quorum(rules) = &profile.rules else { panic!("elasticsearch votes") };
    let demand = SearchDemand {
        index_per_s: PerSecond::new(1_000_000),
        queries_per_s: PerSecond::ZERO,
        data_mib: Mebibytes::new(1),
        copies: 1,
        document_bytes: Bytes::new(bytes),
        shards_per_query: None,
        retention_days: None,
    };
    let load = crate::sizing::quorum::Load { demand: &demand, rules, profile: &profile, copies: 1 };
    let cost = load.work(load.typical()).get() as f64 / 1e6;
    3.0 * bare(&profile, vcpus, vcpus / 2) / cost
}

#[test]
fn search() {
    // Alibaba Cloud, three data instances, two virtual CPUs to a core:
    // https://help.aliyun.com/en/es/product-overview/8-core-32-gib-data-node-instance-performance-test
    // https://www.alibabacloud.com/help/ja/es/performance-test-of-an-elasticsearch-cluster-with-three-4-vcpu-16-gib-data-nodes
    let rows = [
        row("http_logs, 125 B, 3 x 8 vCPU, docs/s", 375_676.0, |end| indexed(end, 8, 125)),
        row("geonames, 287 B, 3 x 4 vCPU, docs/s", 52_303.0, |end| indexed(end, 4, 287)),
    ];
    insta::assert_snapshot!(rows.join("\n"), @"
    http_logs, 125 B, 3 x 8 vCPU, docs/s               375676     314232    -16 %  inside
    geonames, 287 B, 3 x 4 vCPU, docs/s                 52303      73395    +40 %  inside
    ");
}

fn served(engine: Engine, end: End, demand: (u64, u64, bool), (vcpus, cores): (u32, u32)) -> f64 {
    let profile = profile(engine, end);
    let Rules::Pool(rules) = &profile.rules else { panic!("{engine} is a pool") };
    let (response, cpu_us, tls) = demand;
    let demand = WebDemand {
        requests_per_s: PerSecond::new(1),
        response_bytes: Bytes::new(response),
        cpu_us,
        tls,
    };
    let load = crate::sizing::pool::Load { demand: &demand, rules, profile: &profile };
    bare(&profile, vcpus, cores) / load.cost(vcpus, placement(cores))
}

#[test]
fn web() {
    let nginx = |response, tls, cores| {
        move |end| served(Engine::Nginx, end, (response, 0, tls), (cores, cores))
    };
    let ratio = |end| {
        let of = |engine| served(engine, end, (1_024, 0, false), (8, 4));
        100.0 * of(Engine::Apache) / of(Engine::Nginx)
    };
    let more_cores = |end| {
        let of = |cores| served(Engine::Apache, end, (20_480, 50_000, false), (cores, cores));
        100.0 * of(4) / of(1)
    };
    let rows = [
        // The HTTPS column and the 10 MB objects of the test whose HTTP columns the
        // curve and the sizes were fitted to; TLS costs what HAProxy's does.
        row("nginx, 1 KB with TLS, 1 core, requests/s", 40_207.0, nginx(1_024, true, 1)),
        row("nginx, 1 KB with TLS, 8 cores, requests/s", 359_576.0, nginx(1_024, true, 8)),
        row("nginx, 1 KB with TLS, 16 cores, requests/s", 690_329.0, nginx(1_024, true, 16)),
        row("nginx, 1 KB with TLS, 36 cores, requests/s", 1_239_624.0, nginx(1_024, true, 36)),
        row("nginx, 10 MB, 1 core, requests/s", 70e9 / 8.0 / 1e7, nginx(10_000_000, false, 1)),
        // https://github.com/mufeedvh/binserve: half of four cores for the client.
        row("nginx tuned, i7-8550U, requests/s", 201_407.0, |end| {
            served(Engine::Nginx, end, (1_024, 0, false), (4, 2))
        }),
        row("nginx as shipped, i7-8550U, requests/s", 116_415.0, |end| {
            served(Engine::Nginx, end, (1_024, 0, false), (4, 2))
        }),
        // https://gist.github.com/mholt/3f613740ceb417bf63fa
        row("Apache of nginx, both as shipped, percent", 100.0 * 37_963.0 / 32_651.0, ratio),
        // https://www.gaelanlloyd.com/blog/apache-performance-benchmarks/
        row("Apache with PHP, 4 vCPU of 1, percent", 425.0, more_cores),
    ];
    insta::assert_snapshot!(rows.join("\n"), @"
    nginx, 1 KB with TLS, 1 core, requests/s            40207      45263    +13 %  inside
    nginx, 1 KB with TLS, 8 cores, requests/s          359576     348634     -3 %  inside
    nginx, 1 KB with TLS, 16 cores, requests/s         690329     621320    -10 %  inside
    nginx, 1 KB with TLS, 36 cores, requests/s        1239624     871656    -30 %  inside
    nginx, 10 MB, 1 core, requests/s                      875        739    -16 %  inside
    nginx tuned, i7-8550U, requests/s                  201407     164738    -18 %  inside
    nginx as shipped, i7-8550U, requests/s             116415     164738    +42 %  OUTSIDE
    Apache of nginx, both as shipped, percent             116         36    -69 %  OUTSIDE
    Apache with PHP, 4 vCPU of 1, percent                 425        400     -6 %  OUTSIDE
    ");
}

#[test]
fn gateway() {
    // https://github.com/haproxy/haproxy (doc/intro.txt, Xeon W2145 and Graviton2).
    let of = |vcpus, cores| move |end| bare(&profile(Engine::Haproxy, end), vcpus, cores);
    let rows = [
        row("HAProxy 2.4, Xeon, 8 cores, requests/s", 1_030_000.0, of(16, 8)),
        row("HAProxy 2.4, Graviton2, 64 cores, requests/s", 2_060_000.0, of(64, 64)),
    ];
    insta::assert_snapshot!(rows.join("\n"), @"
    HAProxy 2.4, Xeon, 8 cores, requests/s            1030000    1087293     +6 %  inside
    HAProxy 2.4, Graviton2, 64 cores, requests/s      2060000    3620251    +76 %  inside
    ");
}
