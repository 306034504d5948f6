//! One plan of each case, once: seconds, what each tier reached, and the most
//! memory that the process ever took. Give names of cases for some of them; memory
//! is that of the largest so far, so ask for one at a time.
//!
//! ```text
//! cargo bench --no-default-features --bench memory -- services
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures and prints"
)]

mod cases;

use std::time::Instant;

use hostsplit::planner::make;
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::Spec;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|text| !text.starts_with('-')).collect();
    type Case = (&'static str, fn() -> Spec);
    let all: [Case; 5] = [
        ("four-services", || cases::example("four-services")),
        ("equal-hosts", cases::equal_hosts),
        ("services", cases::services),
        ("forty-sizes", || cases::machines(40)),
        ("thousand-sizes", || cases::machines(1000)),
    ];
    for (name, case) in all {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            measure(name, &case());
        }
    }
}

fn measure(name: &str, spec: &Spec) {
    let profiles = Profiles::builtin().unwrap();
    let began = Instant::now();
    let made = make(spec, &profiles, &Limits::default());
    let seconds = began.elapsed().as_secs_f64();
    println!("{name}: {seconds:.2} s, at most {} MiB so far", peak_mib());
    match made {
        Ok((plan, report)) => {
            println!("  {} instances, limit hit: {}", plan.instances.len(), report.limit_hit);
            for (tier, (_, seconds)) in plan.tiers.iter().zip(&report.seconds) {
                println!("  {}: {} of {} ({seconds:.2} s)", tier.name, tier.value, tier.bound);
            }
        }
        Err(error) => println!("  {error}"),
    }
}

/// The peak of the resident memory, as Linux counts it.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
