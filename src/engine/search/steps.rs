//! What is to be done, and what differs: pure functions of plan and observation.

use std::collections::BTreeSet;
use std::fmt;

use super::observe::{ENABLE, EXCLUDE, Observed, Seen, View, uuids, view};
use super::target::{Kept, Target};
use crate::engine::cluster::Goal;
use crate::engine::{Difference, Fact};
use crate::ids::InstanceName;

/// A command to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub(super) at: InstanceName,
    pub(super) order: Order,
}

/// What it is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Start once more, as the first of a new cluster.
    Found,
    /// Know which cluster it belongs to.
    Remember(String),
    /// Let the cluster make all copies again.
    Allow,
    /// Let new indices be divided as planned.
    Divide,
    /// Let indices that name the policy be removed after the planned time.
    Keep(Kept),
    /// Make the index in which writes are proved.
    MakeIndex,
    /// Move all shards away from those at these addresses, and from no others.
    Empty(BTreeSet<String>),
    /// Give votes back that were taken away.
    GiveVotes,
    /// Take the votes of these away.
    TakeVotes(BTreeSet<String>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, order } = self;
        let list = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(", ");
        match order {
            Order::Found => write!(f, "{at} founds the cluster"),
            Order::Remember(_) => write!(f, "{at} belongs to the cluster"),
            Order::Allow => f.write_str("copies of shards are made again"),
            Order::Divide => f.write_str("new indices are divided as planned"),
            Order::Keep(kept) => write!(f, "indices are kept for {}", kept.removed),
            Order::MakeIndex => f.write_str("index for proofs is made"),
            Order::Empty(all) if all.is_empty() => f.write_str("shards may lie on all instances"),
            Order::Empty(all) => write!(f, "shards move away from {}", list(all)),
            Order::GiveVotes => f.write_str("all may vote"),
            Order::TakeVotes(all) => write!(f, "{} votes no more", list(all)),
        }
    }
}

impl Order {
    /// Its kind, as a noun that can be counted.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Found => "founding",
            Self::Remember(_) => "member",
            Self::Allow => "release of allocation",
            Self::Divide => "index template",
            Self::Keep(_) => "lifecycle policy",
            Self::MakeIndex => "index",
            Self::Empty(_) => "change of who holds shards",
            Self::GiveVotes | Self::TakeVotes(_) => "change of votes",
        }
    }
}

/// The steps that bring a cluster nearer to a goal.
pub(super) fn steps(target: &Target, observed: &Observed, goal: Goal) -> Result<Vec<Step>, String> {
    let clusters = uuids(observed);
    let mut others = clusters.iter();
    if let (Some((_, one)), Some((_, other))) = (others.next(), others.next()) {
        let data = target.package.data;
        return Err(format!(
            "{one} and {other} belong to two clusters, each with data of its own, which cannot be \
             joined: stop the instances of the one that is to go, empty {data} on them, and deploy \
             again"
        ));
    }
    let Some(view) = view(observed) else { return found(target, observed) };
    let mut all = Vec::new();
    for (name, seen) in observed.seen.iter().filter(|(name, _)| target.members.contains_key(*name))
    {
        let uuid = seen.cluster.as_ref().map(|own| &own.uuid);
        if let Some(uuid) = uuid.filter(|uuid| seen.membership.as_ref() != Some(*uuid)) {
            all.push(Step { at: name.clone(), order: Order::Remember(uuid.clone()) });
        }
    }
    let Some(at) = spokesman(observed, view) else { return Ok(all) };
    let mut say = |order: Order| all.push(Step { at: at.clone(), order });
    if view.is_limited() {
        say(Order::Allow);
    }
    // What is there is not divided anew: the template holds for what comes.
    if view.template != Some(division(target)) {
        say(Order::Divide);
    }
    if let Some(kept) = unkept(target, view) {
        say(Order::Keep(kept.clone()));
    }
    if !view.has_own {
        say(Order::MakeIndex);
    }
    let (wanted, excluded) = (target.emptied(), view.excluded());
    let planned: BTreeSet<String> =
        target.members.values().map(|one| one.door.address.to_string()).collect();
    let hits_planned = excluded.iter().any(|one| planned.contains(one));
    let is_leaving =
        |name: &&String| target.leaving.keys().any(|one| one.as_str() == name.as_str());
    let voteless_planned = view
        .voteless
        .iter()
        .any(|name| target.members.keys().any(|one| one.as_str() == name) && !is_leaving(&name));
    if voteless_planned {
        say(Order::GiveVotes);
    }
    let empties = goal == Goal::Planned && !wanted.is_subset(&excluded);
    if hits_planned || empties {
        let keep = |one: &&String| !planned.contains(*one) && goal != Goal::Planned;
        let kept = excluded.iter().filter(keep).cloned();
        say(Order::Empty(kept.chain(wanted).collect()));
    } else if goal == Goal::Planned && !voteless_planned {
        // Only those vote no more that hold nothing: until then they may have to come back.
        let done = |name: &&InstanceName| view.held_by(name.as_str()).next().is_none();
        let leaving = target.leaving.keys().filter(done).map(ToString::to_string);
        let voting: BTreeSet<String> = leaving
            .filter(|name| view.voters.contains(name) && !view.voteless.contains(name))
            .collect();
        if !voting.is_empty() {
            say(Order::TakeVotes(voting));
        }
    }
    Ok(all)
}

/// Founds a cluster where there has never been one: by one voter alone, whom the others join.
fn found(target: &Target, observed: &Observed) -> Result<Vec<Step>, String> {
    if observed.seen.is_empty() || !observed.silent.is_empty() {
        return Ok(Vec::new());
    }
    let had: Vec<&InstanceName> = observed
        .seen
        .iter()
        .filter(|(_, seen)| seen.membership.is_some())
        .map(|(name, _)| name)
        .collect();
    if !had.is_empty() {
        // They elect as soon as they are enough.
        return Ok(Vec::new());
    }
    if let Some((name, _)) = target.absent().next() {
        return Err(format!(
            "the cluster has no master, and {name} cannot be asked whether it belongs to one: \
             bring its host back"
        ));
    }
    let first = |name: &&InstanceName| {
        target.members.get(*name).is_some_and(|one| one.votes && one.holds_data)
    };
    // A run that was cut off may have begun with it: the same one begins again.
    let Some(at) = target.present.iter().find(first) else { return Ok(Vec::new()) };
    Ok(vec![Step { at: at.clone(), order: Order::Found }])
}

/// Who is told what the whole cluster is to do: one that is in it.
pub(super) fn spokesman(observed: &Observed, view: &View) -> Option<InstanceName> {
    let mut inside = observed
        .seen
        .iter()
        .filter(|(name, seen)| seen.cluster.is_some() && view.nodes.contains(name.as_str()));
    inside.next().map(|(name, _)| name.clone())
}

/// What the policy is to say, where it does not; servers that know none are left alone.
fn unkept<'t>(target: &'t Target, view: &View) -> Option<&'t Kept> {
    let (planned, found) = (target.kept.as_ref()?, view.kept.as_ref()?);
    (found.as_ref() != Some(planned)).then_some(planned)
}

fn division(target: &Target) -> (String, String) {
    (target.shards.to_string(), target.replicas.to_string())
}

/// All that differs from the plan.
pub(super) fn differences(target: &Target, observed: &Observed) -> Vec<Difference> {
    let silent = observed.silent.iter();
    let mut found: Vec<Difference> =
        silent.map(|(name, error)| Difference::unanswered(name.clone(), error)).collect();
    let view = view(observed);
    for (name, seen) in &observed.seen {
        found.extend(of_instance(target, (name, seen), view));
    }
    let reporter = view.and_then(|view| Some((view, spokesman(observed, view)?)));
    if let Some((view, at)) = reporter {
        found.extend(of_cluster(target, view, &at));
    }
    found
}

fn of_instance(
    target: &Target,
    (name, seen): (&InstanceName, &Seen),
    view: Option<&View>,
) -> Vec<Difference> {
    let Some(member) = target.members.get(name) else { return Vec::new() };
    let differs = |fact: Fact, planned: &str, found: String| Difference {
        instance: name.clone(),
        fact,
        planned: planned.to_owned(),
        found,
    };
    let mut found = Vec::new();
    let in_cluster = seen.cluster.as_ref().is_some_and(|own| own.nodes.contains(name.as_str()));
    if !in_cluster {
        let state = match (&seen.membership, view) {
            (Some(_), None) => "no master: too few of those that vote see one another",
            (None, None) => "not founded",
            (_, Some(_)) => "not joined",
        };
        found.push(differs(Fact::ClusterState, "a member", state.to_owned()));
    }
    let (runs_with, planned) = (seen.runs_with.as_ref(), member.digest.as_ref());
    if let Some(planned) = planned.filter(|planned| Some(*planned) != runs_with) {
        let runs = runs_with.cloned().unwrap_or_else(|| "none".to_owned());
        found.push(differs(Fact::LoadedConfiguration, planned, runs));
    }
    if let Some(view) = view.filter(|_| in_cluster) {
        let votes = view.voters.contains(name.as_str());
        if votes != member.votes {
            let word = |votes: bool| if votes { "votes" } else { "does not vote" };
            found.push(differs(Fact::Role, word(member.votes), word(votes).to_owned()));
        }
    }
    found
}

/// What differs of the cluster as a whole.
fn of_cluster(target: &Target, view: &View, at: &InstanceName) -> Vec<Difference> {
    let differs = |fact: Fact, planned: &str, found: String| Difference {
        instance: at.clone(),
        fact,
        planned: planned.to_owned(),
        found,
    };
    let mut found = Vec::new();
    if let Some(ailment) = ailment(target, view) {
        found.push(differs(Fact::ClusterState, "green", ailment));
    }
    if view.template != Some(division(target)) {
        let (shards, copies) = division(target);
        let words =
            |shards: &str, copies: &str| format!("{shards} shards, {copies} further copies");
        let now = match &view.template {
            Some((shards, copies)) => words(shards, copies),
            None => "none".to_owned(),
        };
        found.push(differs(Fact::Template, &words(&shards, &copies), now));
    }
    if let Some(kept) = unkept(target, view) {
        let words = |kept: &Kept| {
            format!("indices followed after {}, removed {} later", kept.rolled_over, kept.removed)
        };
        let now = view.kept.iter().flatten().map(words).next();
        let now = now.unwrap_or_else(|| "no lifecycle policy".to_owned());
        found.push(differs(Fact::Template, &words(kept), now));
    }
    let of_cluster = target.members.get(at).map(|one| &one.of_cluster);
    for (name, value) in view.settings.iter().filter(|(name, _)| is_by_hand(name)) {
        let planned = of_cluster.and_then(|all| all.get(name));
        if let Some(planned) = planned.filter(|planned| *planned != value) {
            let fact = Fact::Setting(name.clone());
            found.push(differs(fact, planned, format!("{value}, set in the cluster")));
        }
    }
    let known = |name: &&String| {
        target.members.keys().chain(target.leaving.keys()).any(|one| one.as_str() == name.as_str())
    };
    found.extend(
        view.nodes
            .iter()
            .filter(|name| !known(name))
            .map(|name| differs(Fact::Member, "not in it", name.clone())),
    );
    for name in target.leaving.keys() {
        let count = view.held_by(name.as_str()).count();
        let votes = view.voters.contains(name.as_str());
        if count > 0 || votes {
            let (plural, vote) =
                (if count == 1 { "" } else { "s" }, if votes { ", votes" } else { "" });
            let why = view.explanation.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let found_now = format!("holds {count} shard{plural}{vote}{why}");
            found.push(differs(Fact::Departure(name.clone()), "holds nothing", found_now));
        }
    }
    found
}

/// Why the cluster is not as it should be, as far as what is there can be.
pub(super) fn ailment(target: &Target, view: &View) -> Option<String> {
    let some_are_absent = target.absent().any(|(_, one)| one.holds_data);
    let limited = || view.is_limited().then(|| "copies of shards are not made again".to_owned());
    // What leaves is emptied, which moves shards.
    let is_moving = !view.excluded().is_empty() && !target.leaving.is_empty();
    let ailment = view.ailment(some_are_absent);
    ailment.filter(|what| !(is_moving && what.starts_with("shard"))).or_else(limited)
}

/// Whether a setting of the cluster is none that a deploy sets for a while.
fn is_by_hand(name: &str) -> bool {
    ![ENABLE, EXCLUDE].contains(&name)
}
