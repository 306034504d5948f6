//! The loss of each failure domain, replayed: which instances take over, what is left,
//! and what an operator has to do where a cluster cannot recover by itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::groups::members;
use super::primary_replica;
use super::quorum::{self, Division};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::profile::{Profiles, Rules};
use crate::spec::{Cluster, Demand};
use crate::topology::Level;
use crate::units::PerSecond;

/// How often the active instance of a gateway says that it is there: the default of VRRP.
const ADVERTISEMENT_MS: u64 = 1_000;

/// What the loss of one failure domain does to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The kind of failure domain that is lost.
    pub level: Level,
    /// Its name.
    pub domain: String,
    /// The service.
    pub service: ServiceName,
    /// The kind of cluster that it is.
    pub cluster: Cluster,
    /// Instances before the loss.
    pub instances: usize,
    /// Instances that are lost.
    pub instances_lost: usize,
    /// Leading instances before the loss: masters, primaries, voters, the active
    /// gateway.
    pub leads: usize,
    /// Leading instances that are lost.
    pub leads_lost: usize,
    /// Followers that take over.
    pub promoted: Vec<InstanceName>,
    /// Groups of which no copy is left.
    pub lost_groups: Vec<u32>,
    /// Groups of which one copy is left.
    pub single_groups: Vec<u32>,
    /// What an operator has to do before the service takes writes again; `None`
    /// where it recovers by itself.
    pub intervention: Option<Intervention>,
    /// How long nothing is written to what followers take over; `None` where none does, or
    /// where nobody knows.
    pub failover: Option<Failover>,
    /// How long the active instance of a gateway is silent until its address moves by
    /// itself, in milliseconds; `None` where none does.
    pub address_moves_ms: Option<u64>,
    /// Failure domains of that level: with a third one there is a place for a vote that
    /// decides between two.
    pub domains: usize,
    /// What the service can do afterwards.
    pub remaining_per_s: PerSecond,
    /// Its demand afterwards.
    pub demand_per_s: PerSecond,
}

/// How long nothing is written while followers take over by themselves.
///
/// By the Redis Cluster specification a silent member counts as failed once a ping is
/// unanswered for the node timeout. Each member is pinged at least every half of it, so the
/// failure may be half a node timeout older than it looks. A follower then waits for 500 ms
/// and up to as much again before it asks for votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// Silence after which a member counts as failed.
    pub node_timeout_ms: u64,
    /// The shortest time without writes.
    pub least_ms: u64,
    /// The longest.
    pub most_ms: u64,
}

impl Failover {
    /// What a follower waits for before it asks for votes.
    const ELECTION_DELAY_MS: u64 = 500;
    /// The longest delay, and a second for votes, the news of them and the members' timers.
    const ELECTION_MOST_MS: u64 = 2 * Self::ELECTION_DELAY_MS + 1_000;

    /// A primary of Group Replication: silent members are suspected after 5 s and, as they are
    /// configured here, put out of the group at once; then the others elect and apply what is
    /// left. Writers heard nothing for 7.7 s with 9.7, whether its process was killed, its
    /// machine stood still or its cable was pulled.
    /// <https://dev.mysql.com/doc/refman/8.4/en/group-replication-responses-failure-expel.html>
    const ELECTED: Self = Self { node_timeout_ms: 5_000, least_ms: 5_000, most_ms: 10_000 };

    const fn after(node_timeout_ms: u64) -> Self {
        let detected = node_timeout_ms.saturating_add(node_timeout_ms / 2);
        Self {
            node_timeout_ms,
            least_ms: node_timeout_ms.saturating_add(Self::ELECTION_DELAY_MS),
            most_ms: detected.saturating_add(Self::ELECTION_MOST_MS),
        }
    }
}

/// What an operator has to do where no majority is left that could elect, or where nobody
/// votes.
///
/// Masters of a sharded cluster, voters of a quorum and copies in Group Replication elect by
/// majority. Another primary and its replicas do not elect at all: they are as many votes as copies, one of two is no majority,
/// and a replica that hears nothing from its primary cannot know whether clients still do. So
/// a person decides, and cuts the old primary off first. The standby of a gateway takes the
/// address over by itself within a site: if the network between both is cut, each serves those
/// who reach it. Between sites there are clients on both sides of the cut, and a person decides
/// as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Intervention {
    /// Make these replicas masters without an election.
    Takeover {
        /// A replica of each group whose master is lost.
        replicas: Vec<InstanceName>,
    },
    /// Bring the failure domain back, or give it up and form the cluster anew.
    Bootstrap {
        /// The voter to form it from; `None` if all are lost.
        voter: Option<InstanceName>,
    },
    /// Form groups anew that elect by themselves and of which no majority is left.
    Regroup {
        /// Their members that are left.
        groups: Vec<Promotion>,
    },
    /// Make replicas primaries.
    Promote {
        /// The groups whose primary is lost.
        groups: Vec<Promotion>,
    },
    /// Move the address of a gateway.
    MoveAddress {
        /// The instance that had it.
        active: InstanceName,
        /// The one that is left.
        standby: InstanceName,
    },
}

/// A group whose primary is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promotion {
    /// The primary.
    pub primary: InstanceName,
    /// Replicas that are left, of which one has received most.
    pub replicas: Vec<InstanceName>,
}

impl Loss {
    /// Whether the leading instances that vote are still a majority; true where none vote.
    #[must_use]
    pub const fn has_majority(&self) -> bool {
        match self.cluster {
            Cluster::Sharded | Cluster::Quorum => self.leads_lost.saturating_mul(2) < self.leads,
            Cluster::PrimaryReplica | Cluster::Pool | Cluster::GatewayPair => true,
        }
    }
}

/// Replays the loss of each failure domain of `level` that holds an instance of
/// a service, in the order of their names.
#[must_use]
pub fn losses(plan: &Plan, profiles: &Profiles, level: Level) -> Vec<Loss> {
    let domains = domains(plan, level);
    let names: BTreeSet<&String> = domains.values().collect();
    let mut of_service: BTreeMap<&ServiceName, Vec<&Instance>> = BTreeMap::new();
    for instance in &plan.instances {
        of_service.entry(&instance.service).or_default().push(instance);
    }
    let mut losses = Vec::new();
    for domain in &names {
        for service in &plan.services {
            let own = of_service.get(&service.name).map(Vec::as_slice).unwrap_or_default();
            let gone: BTreeSet<&InstanceName> = own
                .iter()
                .filter(|one| domains.get(&one.host) == Some(*domain))
                .map(|one| &one.name)
                .collect();
            if !gone.is_empty() {
                let replay = Replay { plan, service, own, gone, domains: names.len() };
                losses.push(replay.loss(profiles, level, domain));
            }
        }
    }
    losses
}

/// The failure domain of every host.
pub(super) fn domains(plan: &Plan, level: Level) -> BTreeMap<&HostName, String> {
    let hosts = plan.topology.hosts.iter();
    hosts.map(|host| (&host.name, host.failure_domain(level))).collect()
}

/// One service and the instances of it that are gone.
struct Replay<'a> {
    plan: &'a Plan,
    service: &'a ServicePlan,
    own: &'a [&'a Instance],
    gone: BTreeSet<&'a InstanceName>,
    /// Failure domains that there are.
    domains: usize,
}

impl Replay<'_> {
    fn loss(&self, profiles: &Profiles, level: Level, domain: &str) -> Loss {
        let (leads, leads_lost) = self.leads();
        let mut loss = Loss {
            level,
            domain: domain.to_owned(),
            service: self.service.name.clone(),
            cluster: self.service.engine.cluster(),
            instances: self.own.len(),
            instances_lost: self.gone.len(),
            leads,
            leads_lost,
            promoted: Vec::new(),
            lost_groups: Vec::new(),
            single_groups: Vec::new(),
            intervention: None,
            failover: None,
            address_moves_ms: None,
            domains: self.domains,
            remaining_per_s: PerSecond::ZERO,
            demand_per_s: self.demand(profiles),
        };
        self.groups(&mut loss);
        loss.remaining_per_s = self.remaining(profiles, &loss);
        loss.address_moves_ms = self.address_moves(&loss);
        loss.intervention = self.intervention(&loss);
        loss.failover = self.failover(profiles, &loss);
        loss
    }

    /// Counts leading instances, and how many of them are lost: the leaders of groups
    /// where there are groups, else the voters.
    fn leads(&self) -> (usize, usize) {
        let votes = |one: &&&Instance| matches!(one.role, Role::Voter | Role::Witness);
        let voters = self.own.iter().filter(votes).map(|one| &one.name);
        let groups = self.service.groups.iter().map(|group| &group.lead);
        let leads: Vec<&InstanceName> = voters.chain(groups).collect();
        let lost = leads.iter().filter(|name| self.gone.contains(*name)).count();
        (leads.len(), lost)
    }

    /// Returns the demand on the others: a replica that is lost applies no writes.
    fn demand(&self, profiles: &Profiles) -> PerSecond {
        let rules = profiles.of(self.service.engine).map(|profile| &profile.rules);
        match (&self.service.demand, rules) {
            (Demand::PrimaryReplica(demand), Some(Rules::PrimaryReplica(rules))) => {
                let copies = self.service.layout.copies;
                let left = copies.saturating_sub(1).max(1);
                let work = primary_replica::work(demand, rules, copies, left);
                PerSecond::new(u64::try_from(work).unwrap_or(u64::MAX))
            }
            _ => self.service.capacity.demand_per_s,
        }
    }

    fn groups(&self, loss: &mut Loss) {
        for group in &self.service.groups {
            let left: Vec<_> = members(group).filter(|name| !self.gone.contains(name)).collect();
            let Some(successor) = left.first() else {
                loss.lost_groups.push(group.index);
                continue;
            };
            if self.gone.contains(&group.lead) {
                loss.promoted.push((*successor).clone());
            }
            if left.len() == 1 {
                loss.single_groups.push(group.index);
            }
        }
    }

    /// Returns what the instances that are left carry; those of a search cluster only with the
    /// shards that are left: a copy of each is lost.
    fn remaining(&self, profiles: &Profiles, loss: &Loss) -> PerSecond {
        let service = self.service;
        let serving = self.serving(loss) as u64;
        let profile = profiles.of(service.engine);
        let all = match (&service.demand, profile.map(|profile| (profile, &profile.rules))) {
            (Demand::Quorum(demand), Some((profile, Rules::Quorum(rules)))) if serving > 0 => {
                let primary = Division::new(self.plan, service, demand, (profile, rules)).primary;
                let copies = u64::from(service.layout.copies.saturating_sub(1).max(1));
                quorum::carried(service, primary.saturating_mul(copies), serving)
            }
            _ => service.capacity.usable_per_s.get().saturating_mul(serving),
        };
        PerSecond::new(all)
    }

    /// Counts the instances that serve afterwards. Copies are equal, so a successor
    /// has the capacity of the lost one.
    fn serving(&self, loss: &Loss) -> usize {
        let groups = self.service.groups.len().saturating_sub(loss.lost_groups.len());
        match loss.cluster {
            Cluster::Sharded | Cluster::GatewayPair => groups,
            Cluster::PrimaryReplica | Cluster::Quorum | Cluster::Pool => {
                let serves = |one: &&&Instance| one.role != Role::Witness;
                let left = |one: &&&Instance| !self.gone.contains(&one.name);
                self.own.iter().filter(serves).filter(left).count()
            }
        }
    }

    /// Returns how long followers take that take over by themselves.
    fn failover(&self, profiles: &Profiles, loss: &Loss) -> Option<Failover> {
        let rules = profiles.of(self.service.engine).map(|profile| &profile.rules);
        match rules {
            Some(Rules::Sharded(rules))
                if loss.intervention.is_none() && !loss.promoted.is_empty() =>
            {
                Some(Failover::after(rules.cluster.node_timeout_ms.whole()))
            }
            Some(Rules::PrimaryReplica(_))
                if self.service.demand.elects()
                    && loss.intervention.is_none()
                    && !loss.promoted.is_empty() =>
            {
                Some(Failover::ELECTED)
            }
            _ => None,
        }
    }

    /// Returns how long the standby hears nothing before it takes the address over: three
    /// advertisements, and what its priority adds (RFC 5798, section 6.1); `None` where its
    /// settings have no priority, since then it does not.
    /// <https://www.rfc-editor.org/rfc/rfc5798#section-6.1>
    fn address_moves(&self, loss: &Loss) -> Option<u64> {
        let [standby] = loss.promoted.as_slice() else { return None };
        let standby = self.own.iter().find(|one| &one.name == standby)?;
        let priority = standby.settings.get("vrrp.priority")?.number()?;
        let skew = 256u64.saturating_sub(priority).saturating_mul(ADVERTISEMENT_MS) / 256;
        Some(skew.saturating_add(3 * ADVERTISEMENT_MS))
    }

    fn intervention(&self, loss: &Loss) -> Option<Intervention> {
        match loss.cluster {
            Cluster::Sharded if !loss.has_majority() => {
                Some(Intervention::Takeover { replicas: loss.promoted.clone() })
            }
            Cluster::Quorum if !loss.has_majority() => {
                let left =
                    |one: &&&Instance| one.role == Role::Voter && !self.gone.contains(&one.name);
                let voter = self.own.iter().find(left).map(|one| one.name.clone());
                Some(Intervention::Bootstrap { voter })
            }
            Cluster::PrimaryReplica if self.service.demand.elects() => {
                let groups: Vec<Promotion> = self.without_majority().collect();
                (!groups.is_empty()).then_some(Intervention::Regroup { groups })
            }
            Cluster::PrimaryReplica => {
                let groups: Vec<Promotion> = self.promotions().collect();
                (!groups.is_empty()).then_some(Intervention::Promote { groups })
            }
            Cluster::GatewayPair if loss.address_moves_ms.is_none() => {
                let Promotion { primary, replicas } = self.promotions().next()?;
                let standby = replicas.into_iter().next()?;
                Some(Intervention::MoveAddress { active: primary, standby })
            }
            Cluster::Sharded | Cluster::Quorum | Cluster::Pool | Cluster::GatewayPair => None,
        }
    }

    /// Returns the groups of which some are left, and no majority.
    fn without_majority(&self) -> impl Iterator<Item = Promotion> {
        self.service.groups.iter().filter_map(|group| {
            let left: Vec<InstanceName> =
                members(group).filter(|name| !self.gone.contains(name)).cloned().collect();
            let is_lost = !left.is_empty() && left.len() * 2 <= members(group).count();
            is_lost.then(|| Promotion { primary: group.lead.clone(), replicas: left })
        })
    }

    /// Returns the groups whose leading instance is lost and that have another one left.
    fn promotions(&self) -> impl Iterator<Item = Promotion> {
        let groups = self.service.groups.iter().filter(|one| self.gone.contains(&one.lead));
        groups.filter_map(|group| {
            let left = group.replicas.iter().filter(|name| !self.gone.contains(name));
            let replicas: Vec<InstanceName> = left.cloned().collect();
            (!replicas.is_empty()).then(|| Promotion { primary: group.lead.clone(), replicas })
        })
    }
}
