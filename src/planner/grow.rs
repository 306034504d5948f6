//! What would make a spec fit: how many more hosts of a kind that is there already.

use std::collections::BTreeMap;

use crate::ids::HostName;
use crate::model::Problem;
use crate::profile::Profiles;
use crate::sizing::{SizingContext, full_layouts};
use crate::solve::{self, AddedHosts, Limits};
use crate::spec::Spec;
use crate::topology::Host;

/// The most hosts that are tried of a kind.
const MOST: u64 = 64;
/// Kinds of host that are tried, cheapest first.
const KINDS: usize = 4;
/// Seconds for one try; a kind of which one takes longer is left out.
const SECONDS: f64 = 1.0;

/// For each kind of host the fewest more with which the spec has a plan, the least
/// cost first; none where more of them do not help.
pub(super) fn more_hosts(spec: &Spec, profiles: &Profiles) -> Vec<AddedHosts> {
    let mut kinds: BTreeMap<(u64, String), &Host> = BTreeMap::new();
    for host in &spec.topology.hosts {
        kinds.entry((host.cost, kind(host))).or_insert(host);
    }
    let of = |host: &Host| {
        let count = fewest(|count| fits(spec, profiles, host, count))?;
        let cost = host.cost.saturating_mul(count);
        Some(AddedHosts { like: host.name.to_string(), count, cost })
    };
    let mut found: Vec<AddedHosts> = kinds.into_values().take(KINDS).filter_map(of).collect();
    found.sort_by(|a, b| (a.cost, a.count, &a.like).cmp(&(b.cost, b.count, &b.like)));
    found
}

/// Returns everything about a host but how it is called and reached, and where it is.
fn kind(host: &Host) -> String {
    let Host { hypervisor, numa, pools, bridges, network_bits_per_s, .. } = host;
    format!("{hypervisor:?} {numa:?} {pools:?} {bridges:?} {network_bits_per_s:?}")
}

/// The fewest that fit, by doubling and halving; `None` if none up to [`MOST`] do,
/// or a try gave no answer.
fn fewest(fits: impl Fn(u64) -> Option<bool>) -> Option<u64> {
    let (mut low, mut high) = (0, 1);
    while !fits(high)? {
        (low, high) = (high, high * 2);
        if high > MOST {
            return None;
        }
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

fn fits(spec: &Spec, profiles: &Profiles, host: &Host, count: u64) -> Option<bool> {
    let mut more = spec.clone();
    for number in 1..=count {
        let name = HostName::new(format!("{}-more-{number}", host.name)).ok()?;
        more.topology.hosts.push(Host { name, uri: None, ..host.clone() });
    }
    let context = SizingContext::new(&more.policy, &more.topology);
    let candidates = full_layouts(&more.services, profiles, &context)?;
    solve::fits(&Problem::new(&more, candidates), &Limits { seconds: SECONDS }).ok()
}

#[cfg(test)]
mod tests {
    use super::fewest;

    #[test]
    fn the_fewest_that_fit_are_found() {
        for least in [1, 2, 3, 7, 33, 64] {
            assert_eq!(fewest(|count| Some(count >= least)), Some(least));
        }
        assert_eq!(fewest(|_| Some(false)), None);
        assert_eq!(fewest(|count| (count < 4).then_some(false)), None);
    }
}
