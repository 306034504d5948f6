//! Space of each pool. All volumes of an instance are in one pool of its host:
//!
//! ```text
//! Σ_k q[p,s,k] = Σ_{r of h} n[p,s,r]                       hosts with several pools
//! Σ_{p,s} disk(s) · q[p,s,k] <= space(k) + slack[k]
//! ```
//!
//! On a host with one pool, `q` is the count on the host.

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
    for (site, host) in problem.sites.iter().enumerate() {
        if host.pools.len() > 1 {
            link(problem, variables, program, site);
        }
        let single = host.pools.len() <= 1;
        let of_pool = |at: usize| -> Sum {
            let term = |count: &Count| Some((int(disk(problem, count)?), count.var));
            if single {
                return variables.on_site(site).filter_map(term).collect();
            }
            let here = variables.pools.iter().filter(|c| (c.site, c.at) == (site, at));
            here.filter_map(term).collect()
        };
        // A host without a pool has room for no volume: a pool of nothing.
        let spaces: Vec<u64> = host.pools.iter().map(|(_, space)| *space).collect();
        let spaces = if spaces.is_empty() { vec![0] } else { spaces };
        let rows: Vec<Sum> = (0..spaces.len()).map(of_pool).collect();
        for (at, (mut row, space)) in rows.into_iter().zip(spaces).enumerate() {
            if relaxed.disk && !row.is_empty() {
                let slack = program.variable(format!("short disk {site} {at}"), None);
                row.add(-1, slack);
                variables.slacks.push((Short::Disk(site, at), slack));
            }
            if !row.is_empty() {
                program.at_most(row, int(space));
            }
        }
    }
}

fn link(problem: &Problem, variables: &Variables, program: &mut Program, site: usize) {
    for (part, entry) in problem.parts.iter().enumerate() {
        for shape in 0..entry.shapes.len() {
            let of = |count: &&Count| (count.part, count.shape, count.site) == (part, shape, site);
            let mut row: Sum = variables.pools.iter().filter(of).map(|c| (1, c.var)).collect();
            for count in variables.counts.iter().filter(of) {
                row.add(-1, count.var);
            }
            program.equal(row, 0);
        }
    }
}

fn disk(problem: &Problem, count: &Count) -> Option<u64> {
    Some(problem.parts.get(count.part)?.shapes.get(count.shape)?.disk_mib)
}
