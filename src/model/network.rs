//! Addresses of the deployment, and the bandwidth of hosts that state it. Each
//! instance counts as a master, since any replica may become one:
//!
//! ```text
//! Σ n[p,s,r] <= addresses + slack
//! Σ_{p,s} bits(s) · n[p,s,r of h] <= bandwidth(h) + slack[h]
//! ```

use super::problem::Problem;
use super::program::{Program, Sum, int};
use super::variables::{Count, Variables};
use super::{Relaxed, Short};

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    relaxed: Relaxed,
) {
    addresses(problem, variables, program, relaxed);
    for (site, host) in problem.sites.iter().enumerate() {
        let Some(bandwidth) = host.host.network_bits_per_s else { continue };
        // In Mbit/s: the need rounded up, the bandwidth rounded down.
        let bits = |count: &Count| {
            let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
            Some((int(shape.bits_per_s.div_ceil(1_000_000)), count.var))
        };
        let mut row: Sum = variables.on_site(site).filter_map(bits).collect();
        if relaxed.bandwidth && !row.is_empty() {
            let slack = program.variable(format!("short bandwidth {site}"), None);
            row.add(-1, slack);
            variables.slacks.push((Short::Bandwidth(site), slack));
        }
        if !row.is_empty() {
            program.at_most(row, int(bandwidth.get() / 1_000_000));
        }
    }
}

fn addresses(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    relaxed: Relaxed,
) {
    let Some(addresses) = problem.addresses else { return };
    let mut all: Sum = variables.counts.iter().map(|count| (1, count.var)).collect();
    if relaxed.addresses {
        let slack = program.variable("short addresses".to_owned(), None);
        all.add(-1, slack);
        variables.slacks.push((Short::Addresses, slack));
    }
    program.at_most(all, int(addresses));
}
