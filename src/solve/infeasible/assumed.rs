//! Values of hosts that were assumed, where they decide.

use std::collections::BTreeMap;

use super::{Rejection, Resource, Shortage};
use crate::model::{CandidateHost, Problem};

/// A value of hosts that was assumed and decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// What there is too little of.
    pub resource: Resource,
    /// The field of the hosts' files.
    pub field: String,
    /// The hosts.
    pub hosts: Vec<String>,
}

/// Returns the assumed values of resources that are short, or that a host has too little of
/// for one instance. What hosts keep for themselves is in [`super::Withheld`].
#[must_use]
pub fn assumed(
    problem: &Problem,
    shortages: &[Shortage],
    rejections: &[Rejection],
) -> Vec<Assumed> {
    let mut found = Vec::new();
    for resource in [Resource::Cores, Resource::Memory, Resource::Iops, Resource::Bandwidth] {
        let is_short = shortages.iter().any(|short| short.resource == resource);
        let mut by_field: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in &problem.hosts {
            let name = host.host.name.as_str();
            let own = |one: &Rejection| one.host == name && one.resource == resource;
            if is_short || rejections.iter().any(own) {
                for field in fields(host, resource) {
                    by_field.entry(field).or_default().push(name.to_owned());
                }
            }
        }
        let entries = by_field.into_iter();
        found.extend(entries.map(|(field, hosts)| Assumed { resource, field, hosts }));
    }
    found
}

/// Returns the assumed fields that state how much of a resource a host has.
fn fields(host: &CandidateHost, resource: Resource) -> Vec<String> {
    let all = host.host.assumed.iter();
    let of_numa = |field: &str, part: &str| field.starts_with("numa.") && field.ends_with(part);
    match resource {
        Resource::Iops => {
            host.pools.iter().filter_map(|(pool, _)| host.host.assumed_iops(&pool.name)).collect()
        }
        Resource::Bandwidth => all.filter(|field| *field == "network").cloned().collect(),
        // How cores share caches does not change how many there are.
        Resource::Cores => all.filter(|field| *field == "numa").cloned().collect(),
        Resource::Memory => {
            let states = |field: &&String| {
                *field == "numa" || of_numa(field, ".memory") || of_numa(field, ".pages")
            };
            all.filter(states).cloned().collect()
        }
        _ => Vec::new(),
    }
}
