//! Groups of a prior plan, formed again of what is placed now: a copy that stays on its
//! host, but follows another leader than before, would have to be filled anew.
//!
//! Three passes over the prior groups, in their order: those that are whole where they
//! were, lead included, then those that are led from another of their hosts, then those of
//! which a part is left. A group is only formed if all others can be formed after it,
//! which is so while no failure domain has more instances left than there are groups left
//! (see `matched` in `place.rs`).

use std::collections::{BTreeMap, BTreeSet};

use super::place::{GroupPlacement, Placement};

/// Placements that belong to no group yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Open {
    /// Those that lead a group.
    pub leaders: Vec<Placement>,
    /// Those that follow.
    pub followers: Vec<Placement>,
}

/// What of a prior group has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    WithLead,
    Whole,
    Part,
}

/// Takes the groups out of `open` that have been groups before. `prior` has the hosts of
/// each, that of the lead first, `None` for a host that is gone; `domains` the failure
/// domain of each host, none where copies of a group may share one.
pub(super) fn formed_again(
    open: &mut Open,
    copies: usize,
    prior: &[Vec<Option<usize>>],
    domains: &BTreeMap<usize, usize>,
) -> Vec<GroupPlacement> {
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for pass in [Pass::WithLead, Pass::Whole, Pass::Part] {
        for (number, hosts) in prior.iter().enumerate() {
            let is_lost = hosts.iter().all(Option::is_none);
            if is_lost || done.contains(&number) {
                continue;
            }
            let leads = if pass == Pass::WithLead { 1 } else { hosts.len() };
            let formed = (0..leads).find_map(|lead| form(open, copies, hosts, lead, pass, domains));
            if let Some((group, left)) = formed {
                *open = left;
                found.push(group);
                done.insert(number);
            }
        }
    }
    found
}

/// Forms one group, led from the host at `lead`, or from another if that host is gone;
/// returns it with what is open after it.
fn form(
    open: &Open,
    copies: usize,
    hosts: &[Option<usize>],
    lead: usize,
    pass: Pass,
    domains: &BTreeMap<usize, usize>,
) -> Option<(GroupPlacement, Open)> {
    let mut left = open.clone();
    let others = || hosts.iter().enumerate().filter(|(at, _)| *at != lead);
    let leader = match hosts.get(lead).copied()? {
        Some(host) => take(&mut left.leaders, |one| one.host == host)?,
        None if pass != Pass::Part => return None,
        None => {
            let shares = |one: &Placement, host: &usize| {
                domains.get(host).is_some_and(|domain| domains.get(&one.host) == Some(domain))
            };
            let is_elsewhere =
                |one: &Placement| !others().any(|(_, host)| host.is_some_and(|h| shares(one, &h)));
            take(&mut left.leaders, is_elsewhere)?
        }
    };
    let mut used: BTreeSet<usize> = domains.get(&leader.host).copied().into_iter().collect();
    let mut followers = Vec::new();
    let wanted = copies.saturating_sub(1);
    for host in others().filter_map(|(_, host)| host.as_ref()) {
        if followers.len() == wanted {
            break;
        }
        let domain = domains.get(host);
        if domain.is_some_and(|domain| used.contains(domain)) {
            continue;
        }
        if let Some(one) = take(&mut left.followers, |one| one.host == *host) {
            used.extend(domain);
            followers.push(one);
        }
    }
    if pass != Pass::Part && followers.len() < wanted.min(hosts.len().saturating_sub(1)) {
        return None;
    }
    while followers.len() < wanted {
        let domain = fullest(&left, &used, domains)?;
        let one = take(&mut left.followers, |one| domains.get(&one.host) == domain.as_ref())?;
        used.extend(domain);
        followers.push(one);
    }
    can_be_formed(&left, domains).then_some((GroupPlacement { leader, followers }, left))
}

fn take(all: &mut Vec<Placement>, wanted: impl Fn(&Placement) -> bool) -> Option<Placement> {
    let at = all.iter().position(wanted)?;
    Some(all.remove(at))
}

/// The failure domain with most left that has a follower and is not used; of equals the
/// first. `Some(None)` where there are no domains.
fn fullest(
    left: &Open,
    used: &BTreeSet<usize>,
    domains: &BTreeMap<usize, usize>,
) -> Option<Option<usize>> {
    let counts = counts(left, domains);
    let of = |one: &Placement| domains.get(&one.host).copied();
    let mut open = left
        .followers
        .iter()
        .map(of)
        .filter(|domain| domain.is_none_or(|domain| !used.contains(&domain)));
    let first = open.next()?;
    let most = |domain: Option<usize>| domain.and_then(|domain| counts.get(&domain)).copied();
    Some(open.fold(first, |best, next| if most(next) > most(best) { next } else { best }))
}

/// Placements that are left in each failure domain.
fn counts(left: &Open, domains: &BTreeMap<usize, usize>) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for one in left.leaders.iter().chain(&left.followers) {
        if let Some(domain) = domains.get(&one.host) {
            *counts.entry(*domain).or_default() += 1;
        }
    }
    counts
}

fn can_be_formed(left: &Open, domains: &BTreeMap<usize, usize>) -> bool {
    counts(left, domains).values().all(|count| *count <= left.leaders.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placements(hosts: &[usize]) -> Vec<Placement> {
        hosts.iter().map(|host| Placement { host: *host, numa: 0, pool: 0 }).collect()
    }

    fn open(leaders: &[usize], followers: &[usize]) -> Open {
        Open { leaders: placements(leaders), followers: placements(followers) }
    }

    fn hosts(groups: &[GroupPlacement]) -> Vec<Vec<usize>> {
        let of = |group: &GroupPlacement| {
            [&group.leader].into_iter().chain(&group.followers).map(|one| one.host).collect()
        };
        groups.iter().map(of).collect()
    }

    fn had(groups: &[&[usize]]) -> Vec<Vec<Option<usize>>> {
        groups.iter().map(|hosts| hosts.iter().copied().map(Some).collect()).collect()
    }

    fn domains(hosts: usize) -> BTreeMap<usize, usize> {
        (0..hosts).map(|host| (host, host)).collect()
    }

    #[test]
    fn groups_that_stay_are_formed_first_and_the_others_are_left() {
        let mut all = open(&[0, 1, 2, 0], &[1, 2, 0, 2]);
        let formed = formed_again(&mut all, 2, &had(&[&[0, 2], &[1, 0], &[2, 1]]), &domains(3));
        assert_eq!(hosts(&formed), [[0, 2], [1, 0], [2, 1]]);
        assert_eq!(all, open(&[0], &[2]));
    }

    #[test]
    fn a_group_may_be_led_from_another_of_its_hosts_or_lose_a_copy() {
        let mut all = open(&[1, 0], &[0, 2]);
        let formed = formed_again(&mut all, 2, &had(&[&[0, 1], &[0, 3]]), &domains(4));
        assert_eq!(hosts(&formed), [[1, 0], [0, 2]]);
        assert_eq!(all, Open::default());
    }

    #[test]
    fn copies_of_a_host_that_is_gone_are_placed_elsewhere_in_the_same_role() {
        let mut all = open(&[0, 1, 3], &[0, 1, 3]);
        let prior = [vec![Some(0), None], vec![None, Some(1)], vec![Some(1), Some(0)]];
        let formed = formed_again(&mut all, 2, &prior, &domains(4));
        assert_eq!(hosts(&formed), [[1, 0], [0, 3], [3, 1]]);
    }

    #[test]
    fn a_group_that_would_leave_another_without_domains_is_not_formed() {
        // After 0-1 only instances of host 2 would be left.
        let mut all = open(&[0, 2], &[1, 2]);
        let formed = formed_again(&mut all, 2, &had(&[&[0, 1]]), &domains(3));
        assert_eq!((formed, all), (Vec::new(), open(&[0, 2], &[1, 2])));
    }

    #[test]
    fn without_failure_domains_copies_are_where_they_were() {
        let mut all = open(&[0, 0], &[0, 0, 0, 0]);
        let formed = formed_again(&mut all, 3, &had(&[&[0, 0, 0]]), &BTreeMap::new());
        assert_eq!(hosts(&formed), [[0, 0, 0]]);
        assert_eq!(all, open(&[0], &[0, 0]));
    }
}
