//! Numbers and profile files of the user's own: as they are written, refused, planned
//! with and judged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/bench.rs"]
mod bench;
mod mistakes;
#[path = "../support/plain.rs"]
mod plain;
mod plans;

use crate::bench::Bench;

const REDIS: &str = include_str!("../../profiles/redis.toml");

const SPEC: &str = "\
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199 }
profiles:
  redis: OWN
hosts:
  - { name: h, count: 3, cores: 5, memory: 24GiB, disk: 70GiB }
services:
  - { name: cache, engine: redis, demand: { reads: 3k/s, writes: 1k/s, data: 150MiB } }
";

fn bench(own: &str) -> Bench {
    let bench = Bench::new();
    bench.put("spec.yaml", &SPEC.replace("OWN", own));
    bench
}

/// The screen of `check`.
fn said(own: &str) -> String {
    bench(own).run(&["check", "spec.yaml"])
}
