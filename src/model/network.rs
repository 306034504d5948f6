//! Addresses of the deployment, and the bandwidth of hosts that state it. Each
//! instance counts as a master, since any replica may become one:
//!
//! ```text
//! Σ n[p,s,r] <= addresses + slack
//! Σ_{p,s} bits(s) · n[p,s,r of h] <= bandwidth(h) + slack[h]
//! ```

use super::problem::{Problem, Shape};
use super::program::{Program, Sum, int};
use super::variables::{InstanceCount, Variables};
use super::{Elastic, Slack};

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    addresses(problem, variables, program, elastic);
    for (host, entry) in problem.hosts.iter().enumerate() {
        let Some(bandwidth) = entry.host.network_bits_per_s else { continue };
        let mut row = taken(problem, variables, host);
        if elastic.bandwidth && !row.is_empty() {
            let slack = program.variable(format!("short bandwidth {host}"), None);
            row.add(-1, slack);
            variables.slacks.push((Slack::Bandwidth(host), slack));
        }
        if !row.is_empty() {
            program.at_most(row, int(bandwidth.get() / 1_000_000));
        }
    }
}

/// Traffic of an instance in Mbit/s: rounded up, as bandwidth is rounded down.
pub(super) fn traffic(shape: Shape) -> i64 {
    int(shape.bits_per_s.div_ceil(1_000_000))
}

/// Returns the traffic of the instances on a host, in Mbit/s.
pub(super) fn taken(problem: &Problem, variables: &Variables, host: usize) -> Sum {
    let of = |count: &InstanceCount| {
        let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
        Some((traffic(*shape), count.var))
    };
    variables.on_host(host).filter_map(of).collect()
}

fn addresses(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    let Some(addresses) = problem.addresses else { return };
    let mut all: Sum = variables.counts.iter().map(|count| (1, count.var)).collect();
    if elastic.addresses {
        let slack = program.variable("short addresses".to_owned(), None);
        all.add(-1, slack);
        variables.slacks.push((Slack::Addresses, slack));
    }
    program.at_most(all, int(addresses));
}
