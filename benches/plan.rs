//! How long a plan takes, from a spec as the library takes it to a plan with all its
//! instances. What the plans reach is told by `memory.rs`.
//!
//! ```text
//! cargo bench --no-default-features --bench plan
//! ```

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod cases;

use divan::Bencher;
use hostsplit::planner::make;
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::Spec;

fn main() {
    divan::main();
}

fn plan(bencher: Bencher, spec: &Spec) {
    let profiles = Profiles::builtin().unwrap();
    bencher.bench_local(|| make(spec, &profiles, &Limits::default()).unwrap());
}

#[divan::bench(
    args = ["bin-packing", "four-services", "mixed-racks", "two-hosts"],
    sample_count = 10
)]
fn examples(bencher: Bencher, name: &str) {
    plan(bencher, &cases::example(name));
}

#[divan::bench(sample_count = 10)]
fn equal_hosts(bencher: Bencher) {
    plan(bencher, &cases::equal_hosts());
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn services(bencher: Bencher) {
    plan(bencher, &cases::services());
}

#[divan::bench(args = [40, 1000], sample_count = 3, sample_size = 1)]
fn machines(bencher: Bencher, sizes: usize) {
    plan(bencher, &cases::machines(sizes));
}
