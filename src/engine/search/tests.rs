//! What is done with clusters that are not as a deploy left them.

use std::collections::BTreeMap;

use super::api::Door;
use super::observe::{EXCLUDE, Observed, Seen, Shard, View};
use super::steps::{Order, differences, steps};
use super::target::{Member, Target};
use super::{copies_with, search};
use crate::engine::{Fact, Goal};
use crate::ids::InstanceName;

fn name(ordinal: u8) -> InstanceName {
    InstanceName::new(format!("search-{ordinal}")).unwrap()
}

/// Three instances that vote and hold data.
fn target() -> Target {
    let member = |ordinal: u8| Member {
        door: Door::open([10, 0, 0, ordinal].into()),
        votes: true,
        holds_data: true,
        digest: Some("planned".to_owned()),
        of_cluster: BTreeMap::new(),
    };
    Target {
        package: &search::ELASTICSEARCH_PACKAGE,
        members: (0..3).map(|ordinal| (name(ordinal), member(ordinal))).collect(),
        present: (0..3).map(name).collect(),
        leaving: BTreeMap::new(),
        shards: 2,
        replicas: 1,
        kept: None,
    }
}

fn view(uuid: &str) -> View {
    let all = || (0..3).map(|ordinal| name(ordinal).to_string()).collect();
    let shard = |node: u8, is_primary| Shard {
        index: "orders".to_owned(),
        number: "0".to_owned(),
        is_primary,
        state: "STARTED".to_owned(),
        node: Some(name(node).to_string()),
    };
    View {
        uuid: uuid.to_owned(),
        master: name(1).to_string(),
        nodes: all(),
        voters: all(),
        template: Some(("2".to_owned(), "1".to_owned())),
        has_own: true,
        shards: vec![shard(0, true), shard(1, false)],
        ..View::default()
    }
}

fn seen(membership: Option<&str>, cluster: Option<View>) -> Seen {
    let membership = membership.map(str::to_owned);
    Seen { runs_with: Some("planned".to_owned()), membership, cluster }
}

fn observed(all: [Seen; 3]) -> Observed {
    let seen = (0..3).zip(all).map(|(ordinal, seen)| (name(ordinal), seen)).collect();
    Observed { seen, silent: BTreeMap::new() }
}

/// All in one cluster.
fn formed() -> Observed {
    observed([(); 3].map(|()| seen(Some("one"), Some(view("one")))))
}

fn orders(target: &Target, observed: &Observed, goal: Goal) -> Vec<Order> {
    steps(target, observed, goal).unwrap().into_iter().map(|step| step.order).collect()
}

#[test]
fn one_that_never_had_a_cluster_is_founded_by_one_voter() {
    let fresh = observed([(); 3].map(|()| seen(None, None)));
    let all = steps(&target(), &fresh, Goal::Planned).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0].at, &all[0].order), (&name(0), &Order::Found));
    let mut left_out = target();
    left_out.present.pop();
    let refused = steps(&left_out, &fresh, Goal::Planned).unwrap_err();
    assert!(refused.contains("search-2 cannot be asked"), "{refused}");
}

#[test]
fn one_that_has_lost_its_majority_is_waited_for() {
    let former = observed([seen(None, None), seen(Some("one"), None), seen(None, None)]);
    assert_eq!(orders(&target(), &former, Goal::Planned), []);
    let found = differences(&target(), &former);
    let state = found.iter().find(|one| one.instance == name(1)).unwrap();
    assert!(state.found.starts_with("no master"), "{state}");
}

#[test]
fn two_clusters_are_not_joined() {
    let one = || seen(Some("one"), Some(view("one")));
    let both = observed([one(), one(), seen(Some("two"), Some(view("two")))]);
    let refused = steps(&target(), &both, Goal::Joined).unwrap_err();
    assert!(refused.contains("search-0 and search-2 belong to two clusters"), "{refused}");
}

#[test]
fn who_leaves_is_emptied_before_it_votes_no_more() {
    let (mut target, mut observed) = (target(), formed());
    assert_eq!(orders(&target, &observed, Goal::Planned), []);
    assert_eq!(differences(&target, &observed), []);
    target.members.remove(&name(1));
    target.present.retain(|one| *one != name(1));
    target.leaving.insert(name(1), Some([10, 0, 0, 1].into()));
    observed.seen.remove(&name(1));
    let address = "10.0.0.1".to_owned();
    assert_eq!(orders(&target, &observed, Goal::Planned), [Order::Empty([address.clone()].into())]);
    assert_eq!(orders(&target, &observed, Goal::Joined), []);
    let mut change = |change: &dyn Fn(&mut View)| {
        observed.seen.values_mut().filter_map(|seen| seen.cluster.as_mut()).for_each(change);
        observed.clone()
    };
    let excluded = change(&|view| {
        view.settings.insert(EXCLUDE.to_owned(), address.clone());
    });
    assert_eq!(orders(&target, &excluded, Goal::Planned), []);
    let departure = |one: &crate::engine::Difference| one.fact == Fact::Departure(name(1));
    assert!(differences(&target, &excluded).iter().any(departure));
    let empty = change(&|view| view.shards[1].node = Some(name(2).to_string()));
    let votes = [name(1).to_string()].into();
    assert_eq!(orders(&target, &empty, Goal::Planned), [Order::TakeVotes(votes)]);
}

#[test]
fn one_is_taken_away_only_while_others_have_what_it_holds() {
    let (target, mut observed) = (target(), formed());
    assert!(copies_with(&target, &observed, &name(0)).stand_in(&name(0)).is_some());
    let views = observed.seen.values_mut().filter_map(|seen| seen.cluster.as_mut());
    for view in views {
        view.shards.truncate(1);
    }
    let sole = copies_with(&target, &observed, &name(0));
    assert_eq!((sole.stand_in(&name(0)), sole.is_in_use(&name(0))), (None, true));
    assert!(copies_with(&target, &observed, &name(2)).stand_in(&name(2)).is_some());
    let views = observed.seen.values_mut().filter_map(|seen| seen.cluster.as_mut());
    for view in views {
        view.nodes.remove(name(1).as_str());
    }
    // Of three votes one is away already.
    let last = copies_with(&target, &observed, &name(2));
    assert_eq!(last.stand_in(&name(2)), None);
    assert!(last.ailing[&name(0)].contains("too few others vote"), "{last:?}");
}
