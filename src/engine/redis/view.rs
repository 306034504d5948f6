//! Plan and observation joined: which node is which instance, and who knows whom.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::nodes::{NodeId, NodeLine};
use super::observe::{NodeView, Observed};
use super::target::{Member, Target};
use crate::ids::InstanceName;
use crate::recipe::redis::slots::Slots;

/// Plan and observation of one moment.
#[derive(Clone, Debug)]
pub struct ClusterView<'a> {
    /// As planned.
    pub target: &'a Target,
    /// As seen.
    pub observed: &'a Observed,
    members: BTreeMap<&'a NodeId, &'a Member>,
    /// By group, the master that leaves and has what the group is to serve.
    predecessors: BTreeMap<u32, &'a InstanceName>,
}

/// A copy that takes over by order only.
#[derive(Clone, Copy, Debug)]
pub struct Heir<'a> {
    /// The copy.
    pub copy: &'a Member,
    /// The master that failed, as the copy sees it.
    pub master: &'a NodeLine,
    /// Whether the master may come back, with data that the copy has not.
    pub may_return: bool,
}

impl<'a> ClusterView<'a> {
    /// Finds out which node is which instance, by what each says of itself.
    #[must_use]
    pub fn new(target: &'a Target, observed: &'a Observed) -> Self {
        let own =
            |member: &'a Member| Some((&observed.seen.get(&member.name)?.view.me()?.id, member));
        let members = target.members.iter().filter_map(own).collect();
        let mut view = Self { target, observed, members, predecessors: BTreeMap::new() };
        view.predecessors = view.find_predecessors();
        view
    }

    /// Finds the masters that leave and serve what groups without any slots are to serve, or
    /// most of it: such a group copies its predecessor and takes the lead over, rather than be
    /// given slot by slot what it could have copies of at every moment. The two that have the
    /// most in common come first; of equals the first group, then the first master.
    fn find_predecessors(&self) -> BTreeMap<u32, &'a InstanceName> {
        let serving: BTreeSet<u32> = self
            .present()
            .filter(|(.., me)| !me.slots.is_empty())
            .filter_map(|(member, ..)| member.group)
            .collect();
        let leaving = self
            .seen()
            .filter(|(member, _, me)| member.is_leaving() && me.master && !me.slots.is_empty());
        let leaving: Vec<_> = leaving.collect();
        let mut pairs = Vec::new();
        for group in self.target.groups().filter(|group| !serving.contains(group)) {
            let slots = self.target.slots(group);
            for (member, _, me) in &leaving {
                let common = slots.intersection(&me.slots).count();
                if common > 0 {
                    pairs.push((common, group, &member.name));
                }
            }
        }
        pairs.sort_by_key(|(common, ..)| Reverse(*common));
        let mut found = BTreeMap::new();
        for (_, group, name) in pairs {
            if !found.contains_key(&group) && found.values().all(|other| *other != name) {
                found.insert(group, name);
            }
        }
        found
    }

    /// The members that answered, with what they see and their own line.
    pub fn seen(&self) -> impl Iterator<Item = (&'a Member, &'a NodeView, &'a NodeLine)> {
        self.target.members.iter().filter_map(|member| {
            let view = &self.observed.seen.get(&member.name)?.view;
            Some((member, view, view.me()?))
        })
    }

    /// The planned members that answered.
    pub fn present(&self) -> impl Iterator<Item = (&'a Member, &'a NodeView, &'a NodeLine)> {
        self.seen().filter(|(member, ..)| member.is_present())
    }

    /// Whether all answered that are planned and can be asked.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let expected = self.target.members.iter().filter(|member| member.is_present());
        self.present().count() == expected.count()
    }

    /// What an instance says of itself.
    #[must_use]
    pub fn me(&self, member: &Member) -> Option<&'a NodeLine> {
        self.observed.seen.get(&member.name)?.view.me()
    }

    /// The instance behind an id.
    #[must_use]
    pub fn member(&self, id: &NodeId) -> Option<&'a Member> {
        self.members.get(id).copied()
    }

    /// The instance behind an id, also one that did not answer, or the id.
    #[must_use]
    pub fn name(&self, id: &NodeId) -> String {
        let member = self
            .member(id)
            .or_else(|| self.seen().find_map(|(_, view, _)| self.silent_member(view.node(id)?)));
        member.map_or_else(|| id.to_string(), |member| member.name.to_string())
    }

    /// Whether `at` knows `other` by its id and at its planned address.
    #[must_use]
    pub fn knows(&self, at: &NodeView, other: &Member) -> bool {
        let known = self.me(other).and_then(|other| at.node(&other.id));
        known.is_some_and(|known| known.myself || other.is_at(known))
    }

    /// The instance that serves a group, or is to: of the group's members that have slots
    /// the planned master, unless somebody claims the same in a later epoch, else the
    /// latest; while none has any, a master that leaves and has what the group is to serve,
    /// the planned master, or the first one that is a master.
    #[must_use]
    pub fn acting(&self, group: u32) -> Option<(&'a Member, &'a NodeLine)> {
        let members = || self.present().filter(move |(member, ..)| member.group == Some(group));
        let mut with_slots: Vec<_> = members().filter(|(.., me)| !me.slots.is_empty()).collect();
        // Of two that claim the same, the later epoch is right.
        let is_outdone = |me: &NodeLine| {
            self.seen().any(|(.., other)| {
                other.epoch > me.epoch && !other.slots.intersection(&me.slots).is_empty()
            })
        };
        with_slots.sort_by_key(|(member, _, me)| (member.master && !is_outdone(me), me.epoch));
        let idle =
            |planned| members().find(|(member, _, me)| member.master == planned && me.master);
        let predecessor = || {
            let name = self.predecessors.get(&group)?;
            self.seen().find(|(member, ..)| member.name == **name)
        };
        let found =
            with_slots.pop().or_else(predecessor).or_else(|| idle(true)).or_else(|| idle(false));
        found.map(|(member, _, me)| (member, me))
    }

    /// Members that copy what a node serves, as they see it themselves, with whether they
    /// are in step.
    pub fn copying(&self, id: &'a NodeId) -> impl Iterator<Item = (&'a Member, bool)> {
        self.seen().filter(move |(.., me)| me.follows.as_ref() == Some(id)).map(
            |(member, view, _)| {
                let in_step = view.link.as_ref().is_some_and(|link| link.up) && view.state == "ok";
                (member, in_step)
            },
        )
    }

    /// Whether a copy can take over from the master that it follows: without those that are
    /// seen not to know it for its replica yet, there is a majority of those that vote. They
    /// deny their votes; without a majority the attempt makes clients of the master wait for
    /// 5 s in vain, and for four node time-outs no other is made
    /// (`clusterHandleSlaveFailover` in Redis's `cluster_legacy.c`).
    #[must_use]
    pub fn is_electable(&self, copy: &NodeView) -> bool {
        let Some(me) = copy.me() else { return false };
        let voters: BTreeSet<&NodeId> =
            copy.nodes.iter().filter(|node| !node.slots.is_empty()).map(|node| &node.id).collect();
        let denies =
            |view: &NodeView| view.node(&me.id).is_none_or(|known| known.follows != me.follows);
        let denied = self.seen().filter(|(_, view, it)| voters.contains(&it.id) && denies(view));
        let denied = denied.count();
        // While nobody has any slots nobody votes, and nobody has to.
        denied == 0 || denied * 2 < voters.len()
    }

    /// Nodes that are no instance of the plan, with who sees them.
    pub fn foreign_nodes(&self) -> impl Iterator<Item = (&'a Member, &'a NodeLine)> {
        self.seen().flat_map(move |(member, view, _)| {
            let others = view.nodes.iter().filter(|node| !node.handshake);
            let unknown = others.filter(|node| self.member(&node.id).is_none());
            unknown.map(move |node| (member, node)).collect::<Vec<_>>()
        })
    }

    /// Whether a foreign node is gone for good: what an instance was before it lost
    /// its identity, or a node that failed.
    #[must_use]
    pub fn is_stale(&self, foreign: &NodeLine) -> bool {
        let is_replaced = || self.target.members.iter().any(|member| member.is_at(foreign));
        foreign.failed || foreign.address.is_none() || is_replaced()
    }

    /// The slots of a foreign node of which nothing is left: it is gone for good, nobody
    /// follows it, nobody claims what it had, and all who could have it were asked. None where
    /// nobody is there to serve them.
    #[must_use]
    pub fn lost_slots(&self, foreign: &NodeLine) -> Slots {
        let mut here = self.target.members.iter().filter(|member| member.is_at(foreign));
        let is_asked = here.all(|member| self.me(member).is_some());
        let is_gone = is_asked && self.target.lost.is_empty() && self.is_stale(foreign);
        if !is_gone || self.is_followed(&foreign.id) {
            return Slots::EMPTY;
        }
        let claimed = self.seen().fold(Slots::EMPTY, |all, (.., me)| all.union(&me.slots));
        let lost = self.believed_slots(&foreign.id).minus(&claimed);
        let groups = self.target.groups().filter(|group| self.acting(*group).is_some());
        let served = groups.fold(Slots::EMPTY, |all, group| all.union(&self.target.slots(group)));
        if lost.minus(&served).is_empty() { lost } else { Slots::EMPTY }
    }

    /// Whether a foreign node is given up, with the data that it alone had.
    #[must_use]
    pub fn is_given_up(&self, foreign: &NodeLine) -> bool {
        self.target.may_lose_data && !self.lost_slots(foreign).is_empty()
    }

    /// The instance that did not answer and is planned at the address of a node:
    /// most likely the two are one.
    #[must_use]
    pub fn silent_member(&self, node: &NodeLine) -> Option<&'a Member> {
        let planned = self.target.members.iter().filter(|member| !member.is_leaving());
        let mut silent = planned.filter(|member| self.me(member).is_none());
        silent.find(|member| member.is_at(node))
    }

    /// The member that is to be at the address of a node.
    #[must_use]
    pub fn at(&self, node: &NodeLine) -> Option<&'a Member> {
        self.target.members.iter().find(|member| member.is_at(node))
    }

    /// Slots that anybody believes to be a node's.
    #[must_use]
    pub fn believed_slots(&self, id: &NodeId) -> Slots {
        let seen = self.seen().filter_map(|(_, view, _)| view.node(id));
        seen.fold(Slots::EMPTY, |all, node| all.union(&node.slots))
    }

    /// Whether somebody of the cluster does not know a node that others know: it has been
    /// forgotten, and they could not be asked to forget it then.
    #[must_use]
    pub fn is_forgotten(&self, id: &NodeId) -> bool {
        self.present().any(|(_, view, _)| view.nodes.len() > 1 && view.node(id).is_none())
    }

    /// Whether a member leaves and can: somebody of the group that it leads, if it leads one,
    /// is there to take over.
    #[must_use]
    pub fn can_leave(&self, member: &Member) -> bool {
        let led = self.predecessors.iter().find(|(_, name)| ***name == member.name);
        let has_heir = |group| self.target.group(group).any(Member::is_present);
        member.is_leaving() && led.is_none_or(|(group, _)| has_heir(*group))
    }

    /// Copies that take over by order only, from a failed master that is not waited for and of
    /// which no other copy takes over by itself: of each such master the one that is furthest
    /// in its stream, as far as they know after their start.
    #[must_use]
    pub fn heirs(&self) -> Vec<Heir<'a>> {
        let recent = self
            .seen()
            .filter(|(_, view, _)| view.link.as_ref().is_some_and(|link| !link.outdated));
        let covered: BTreeSet<&NodeId> =
            recent.filter_map(|(.., me)| me.follows.as_ref()).collect();
        let mut heirs: BTreeMap<&NodeId, (u64, Heir<'a>)> = BTreeMap::new();
        for (copy, view, me) in self.seen() {
            let Some(master) = me.follows.as_ref().and_then(|id| view.node(id)) else { continue };
            let Some(link) = view.link.as_ref().filter(|link| link.outdated) else { continue };
            // One that answers has the data, whatever others think of it still: they hold it
            // for failed for up to two node time-outs after its return.
            if self.member(&master.id).is_some() {
                continue;
            }
            let planned = self.at(master);
            // With another id it is what was made anew in its place.
            let may_return = planned.is_none_or(|planned| self.me(planned).is_none());
            let is_awaited = may_return && planned.is_some_and(|planned| !planned.absent);
            let is_covered = covered.contains(&master.id);
            let leads = master.failed && !master.slots.is_empty() && !is_covered && !is_awaited;
            let is_best = heirs.get(&master.id).is_none_or(|(most, _)| link.offset > *most);
            if leads && is_best {
                heirs.insert(&master.id, (link.offset, Heir { copy, master, may_return }));
            }
        }
        heirs.into_values().map(|(_, heir)| heir).collect()
    }

    /// Whether an instance of the plan follows a node.
    #[must_use]
    pub fn is_followed(&self, id: &NodeId) -> bool {
        self.seen().any(|(.., me)| me.follows.as_ref() == Some(id))
    }
}
