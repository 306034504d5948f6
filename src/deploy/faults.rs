//! Differences that follow from each other, as the faults behind them: what one host or one
//! instance does is seen by all others, and is one fault.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::{Difference, Fact, Probe, Through};
use crate::graph::drift::Remedy;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Group, Instance, Plan, ServicePlan};
use crate::spec::Cluster;
use crate::state::world::{Seen, World};

/// What is wrong, once, with all that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is behind it.
    pub cause: Cause,
    /// How many more differences follow from it.
    pub follows: usize,
    /// What services make of it; empty where all copies of all groups are there.
    pub effects: Vec<Effect>,
    /// What puts it right.
    pub next: Next,
}

/// What is behind a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A host that cannot be reached.
    Host {
        /// The host.
        host: HostName,
        /// What it was answered, or was not.
        message: String,
    },
    /// A difference between an instance and its plan.
    Difference(Difference),
    /// What others make of an instance that has no fault of its own.
    Sights {
        /// The instance.
        of: InstanceName,
        /// Those who see it so.
        by: Vec<InstanceName>,
        /// What they see.
        found: String,
    },
}

/// What puts a fault right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The host comes back, or is left out.
    Host(HostName),
    /// A deploy puts a domain right in this way.
    Remedy(Remedy),
    /// A deploy.
    Deploy,
    /// A renewed certificate in the place of the one in this file of the user's, and a plan
    /// with it.
    Renew(String),
    /// A person, since no deploy changes it.
    Person,
}

/// A group of a service that lacks copies, or a pool that lacks members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The service.
    pub service: ServiceName,
    /// The group's number; `None` for a pool.
    pub group: Option<u32>,
    /// Its copies that are there.
    pub copies: usize,
    /// Its copies as planned.
    pub planned: usize,
    /// Which of them leads, as far as is known.
    pub leader: Option<InstanceName>,
    /// Whether it took a value; `None` where it was not tried.
    pub serves: Option<bool>,
}

/// What was found, before it is known what follows from what.
#[derive(Clone, Copy)]
pub(super) struct Findings<'a> {
    pub(super) plan: &'a Plan,
    pub(super) world: &'a World,
    pub(super) differences: &'a [Difference],
    /// What puts differences of domains right.
    pub(super) remedies: &'a BTreeMap<Difference, Remedy>,
    pub(super) probes: &'a [(ServiceName, Probe)],
}

impl<'a> Findings<'a> {
    /// Returns the faults: hosts first, then instances in the order of the plan.
    pub(super) fn faults(self) -> Vec<Fault> {
        let down: BTreeSet<&InstanceName> = self
            .plan
            .instances
            .iter()
            .filter(|one| self.is_down(one))
            .map(|one| &one.name)
            .collect();
        let mut left: Vec<&Difference> = self.differences.iter().collect();
        let mut faults = Vec::new();
        for (host, seen) in &self.world.hosts {
            let Seen::Unreachable(error) = seen else { continue };
            let own: Vec<&Instance> = self.plan.on_host(host).collect();
            if own.is_empty() {
                continue;
            }
            let follows = take(&mut left, |one| self.follows(one, &own));
            let cause = Cause::Host { host: host.clone(), message: error.message.clone() };
            let effects = self.effects(&own, &down);
            faults.push(Fault { cause, follows, effects, next: Next::Host(host.clone()) });
        }
        for instance in self.plan.instances.iter().filter(|one| down.contains(&one.name)) {
            let is_cause = |one: &&Difference| one.instance == instance.name && rank(one).is_some();
            let Some(cause) = left.iter().copied().filter(is_cause).min_by_key(|one| rank(one))
            else {
                continue;
            };
            left.retain(|one| *one != cause);
            let own = [instance];
            let follows = take(&mut left, |one| self.follows(one, &own));
            let effects = self.effects(&own, &down);
            let cause = cause.clone();
            let next = self.next(&cause);
            faults.push(Fault { cause: Cause::Difference(cause), follows, effects, next });
        }
        faults.extend(self.sights(&mut left));
        faults.extend(left.into_iter().map(|one| Fault {
            cause: Cause::Difference(one.clone()),
            follows: 0,
            effects: Vec::new(),
            next: self.next(one),
        }));
        faults
    }

    /// Whether an instance does not serve, whatever others say.
    fn is_down(&self, instance: &Instance) -> bool {
        self.differences.iter().any(|one| one.instance == instance.name && rank(one).is_some())
    }

    /// Whether a difference follows from instances that are down.
    fn follows(&self, one: &Difference, down: &[&Instance]) -> bool {
        let of_group = || {
            let at = self.plan.instance(&one.instance);
            down.iter().any(|lost| {
                at.is_some_and(|at| at.service == lost.service && at.group == lost.group)
            })
        };
        let of_service = || {
            let at = self.plan.instance(&one.instance);
            down.iter().any(|lost| at.is_some_and(|at| at.service == lost.service))
        };
        if down.iter().any(|lost| lost.name == one.instance) {
            return rank(one).is_some() || one.fact.is_formed() || one.fact.is_in_guest();
        }
        match &one.fact {
            Fact::SightOf(other) | Fact::Backend(other) => {
                down.iter().any(|lost| lost.name == *other)
            }
            Fact::Frontend(pool) => {
                let mut members = self.plan.members(pool);
                members.all(|one| down.iter().any(|lost| lost.name == one.name))
            }
            Fact::Role | Fact::Replication => of_group(),
            // A group without a leader, or with another one, as all others see it.
            Fact::ClusterState | Fact::OwnerOfSlots(_) => of_service(),
            _ => false,
        }
    }

    /// Takes what members make of an instance together.
    fn sights(&self, left: &mut Vec<&Difference>) -> Vec<Fault> {
        let mut seen: BTreeMap<(&InstanceName, &str), Vec<InstanceName>> = BTreeMap::new();
        for one in left.iter() {
            if let Fact::SightOf(other) = &one.fact {
                seen.entry((other, &one.found)).or_default().push(one.instance.clone());
            }
        }
        left.retain(|one| !matches!(one.fact, Fact::SightOf(_)));
        let fault = |((of, found), by): ((&InstanceName, &str), Vec<InstanceName>)| Fault {
            follows: by.len() - 1,
            cause: Cause::Sights { of: of.clone(), by, found: found.to_owned() },
            effects: Vec::new(),
            next: Next::Deploy,
        };
        seen.into_iter().map(fault).collect()
    }

    fn next(&self, one: &Difference) -> Next {
        match (&one.fact, self.remedies.get(one)) {
            (_, Some(remedy)) => Next::Remedy(*remedy),
            (
                Fact::MachineAt(_)
                | Fact::SharedHost
                | Fact::DataDisk
                | Fact::Backend(_)
                | Fact::Response(_)
                | Fact::Frontend(_),
                None,
            ) => Next::Person,
            (Fact::Certificate, None) => {
                let service = self.plan.instance(&one.instance).map(|one| &one.service);
                let service = service.and_then(|name| self.plan.service(name));
                let own = service.and_then(|service| service.access.certificate.as_ref());
                own.map_or(Next::Person, |own| Next::Renew(own.chain.clone()))
            }
            (fact, None) if fact.is_in_guest() => Next::Person,
            _ => Next::Deploy,
        }
    }

    /// What groups and pools make of the loss of instances, with all that are down.
    fn effects(&self, lost: &[&Instance], down: &BTreeSet<&InstanceName>) -> Vec<Effect> {
        let services = self.plan.services.iter();
        let groups =
            services.flat_map(|service| service.groups.iter().map(move |group| (service, group)));
        let touched = groups.filter(|(service, group)| {
            lost.iter().any(|one| one.service == service.name && one.group == Some(group.index))
        });
        let touched = touched.map(|(service, group)| self.effect(service, group, down));
        let pools = self.plan.services.iter().filter(|service| {
            service.engine.cluster() == Cluster::Pool
                && lost.iter().any(|one| one.service == service.name)
        });
        touched.chain(pools.map(|service| self.of_pool(service, down))).collect()
    }

    fn of_pool(&self, service: &ServicePlan, down: &BTreeSet<&InstanceName>) -> Effect {
        let members: Vec<_> = self.plan.members(&service.name).map(|one| &one.name).collect();
        let probes = self.probes.iter().filter(|(name, _)| *name == service.name);
        let mut serves = probes.map(|(_, probe)| probe.failure.is_none()).peekable();
        Effect {
            service: service.name.clone(),
            group: None,
            copies: members.iter().filter(|name| !down.contains(*name)).count(),
            planned: members.len(),
            leader: None,
            serves: serves.peek().is_some().then(|| serves.any(|one| one)),
        }
    }

    fn effect(
        &self,
        service: &'a ServicePlan,
        group: &'a Group,
        down: &BTreeSet<&InstanceName>,
    ) -> Effect {
        let members = || std::iter::once(&group.lead).chain(&group.replicas);
        let there = || members().filter(|name| !down.contains(*name));
        let role = |name: &InstanceName| {
            let is_role = |one: &&Difference| one.instance == *name && one.fact == Fact::Role;
            self.differences.iter().find(is_role).map(|one| one.found.as_str())
        };
        let word = self.plan.instance(&group.lead).map(|lead| lead.role.as_str());
        let leads = |name: &&InstanceName| match role(name) {
            None => **name == group.lead,
            Some(found) => Some(found) == word,
        };
        let now = self.world.leaders.get(&(service.name.clone(), group.index));
        let now = now.filter(|name| !down.contains(*name));
        let probe = self.probes.iter().find(|(name, probe)| {
            let through = &probe.through;
            *name == service.name
                && (*through == Through::Group(group.index)
                    || matches!(through, Through::Address(_)))
        });
        Effect {
            service: service.name.clone(),
            group: Some(group.index),
            copies: there().count(),
            planned: members().count(),
            leader: now.or_else(|| there().find(leads)).cloned(),
            serves: probe.map(|(_, probe)| probe.failure.is_none()),
        }
    }
}

/// The place of a difference in the chain of what an instance needs to serve; `None` where it
/// serves in spite of it.
fn rank(one: &Difference) -> Option<u8> {
    Some(match &one.fact {
        Fact::Host => 0,
        Fact::Domain => 1,
        Fact::State => 2,
        Fact::Links => 3,
        Fact::Guest => 4,
        Fact::Answer => 5,
        Fact::Response(_) => 6,
        _ => return None,
    })
}

/// Takes out those that `is_its` chooses; how many there were.
fn take(left: &mut Vec<&Difference>, is_its: impl Fn(&Difference) -> bool) -> usize {
    let before = left.len();
    left.retain(|one| !is_its(one));
    before - left.len()
}
