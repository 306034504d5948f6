//! What a service is asked for, in the operations that its rates count.

use serde::Serialize;

use crate::plan::{Plan, ServicePlan};
use crate::profile::{Profiles, Rules, ceil, real};
use crate::sizing::quorum::Sharing;
use crate::spec::{Demand, Persistence};
use crate::units::PerSecond;

/// A part of a demand: a stated rate and the operations that it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DemandPart {
    /// What is asked for.
    pub of: Of,
    /// The rate that is stated.
    pub per_s: PerSecond,
    /// The operations that it comes to, replication included.
    pub operations_per_s: PerSecond,
}

/// What is asked for, with what makes one of it more than one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Of {
    /// Reads: each is one operation.
    Reads,
    /// Writes.
    Writes {
        /// Replicas that apply each.
        replicas: u32,
        /// How it is kept, where a server of this kind may do without.
        persistence: Option<Persistence>,
    },
    /// Documents that are indexed.
    Documents {
        /// Copies of each.
        copies: u32,
    },
    /// Searches.
    Searches {
        /// Shards that each looks into.
        shards: u64,
    },
    /// Requests.
    Requests {
        /// Whether they are encrypted.
        tls: bool,
    },
    /// Transactions of databases that are passed on.
    Transactions,
}

/// Returns the parts of a service's demand; none without a profile.
#[must_use]
pub fn demand_parts(plan: &Plan, service: &ServicePlan, profiles: &Profiles) -> Vec<DemandPart> {
    let all = service.capacity.demand_per_s;
    let copies = service.layout.copies;
    let replicas = copies.saturating_sub(1);
    let part = |of, per_s, operations_per_s| DemandPart { of, per_s, operations_per_s };
    let reads_and_writes = |reads: PerSecond, writes: PerSecond, persistence| {
        let of = Of::Writes { replicas, persistence };
        vec![part(Of::Reads, reads, reads), part(of, writes, all.saturating_sub(reads))]
    };
    let mut parts = match &service.demand {
        Demand::Sharded(demand) => {
            reads_and_writes(demand.reads_per_s, demand.writes_per_s, Some(demand.persistence))
        }
        Demand::PrimaryReplica(demand) => {
            reads_and_writes(demand.reads_per_s, demand.writes_per_s, None)
        }
        Demand::Quorum(demand) => {
            let profile = profiles.of(service.engine);
            let Some((profile, Rules::Quorum(rules))) = profile.map(|one| (one, &one.rules)) else {
                return Vec::new();
            };
            let survives = plan.policy.survives();
            let sharing = Sharing::new((profile, rules), demand, copies, survives);
            let (indexing, shards) =
                (sharing.indexing(), sharing.of(service.capacity.usable_per_s));
            let searches = Of::Searches { shards: shards.primary };
            vec![
                part(Of::Documents { copies }, demand.index_per_s, indexing),
                part(searches, demand.queries_per_s, all.saturating_sub(indexing)),
            ]
        }
        Demand::Pool(demand) => {
            vec![part(Of::Requests { tls: demand.tls }, demand.requests_per_s, all)]
        }
        Demand::GatewayPair(demand) => {
            let passed_on = match profiles.of(service.engine).map(|profile| &profile.rules) {
                Some(Rules::GatewayPair(rules)) => {
                    let each = rules.work.transaction.default;
                    PerSecond::new(ceil(real(demand.transactions_per_s.get()) * each))
                }
                _ => PerSecond::ZERO,
            };
            let requests = all.saturating_sub(passed_on);
            vec![
                part(Of::Requests { tls: demand.tls }, demand.requests_per_s, requests),
                part(Of::Transactions, demand.transactions_per_s, passed_on),
            ]
        }
    };
    parts.retain(|part| part.per_s > PerSecond::ZERO);
    parts
}
