//! A demand with the rules of the cluster that serves it.

use super::scale::{Ratio, Scale};
use crate::profile::{GatewayPair, Pool, PrimaryReplica, Quorum, Rules, Sharded};
use crate::spec::{
    Demand, GatewayDemand, RelationalDemand, SearchDemand, ShardedDemand, WebDemand,
};

/// A demand paired with the rules of the same kind of cluster. A value proves that the
/// two belong together, so that nothing has to check it again.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload<'a> {
    /// Redis, Valkey.
    Sharded(ShardedDemand, &'a Sharded),
    /// MySQL, MariaDB.
    PrimaryReplica(RelationalDemand, &'a PrimaryReplica),
    /// Elasticsearch, OpenSearch.
    Quorum(SearchDemand, &'a Quorum),
    /// Apache, nginx.
    Pool(WebDemand, &'a Pool),
    /// HAProxy.
    GatewayPair(GatewayDemand, &'a GatewayPair),
}

impl<'a> Workload<'a> {
    /// Pairs a demand with rules; `None` if they are of different kinds of cluster.
    #[must_use]
    pub fn new(demand: &Demand, rules: &'a Rules) -> Option<Self> {
        match (demand.clone(), rules) {
            (Demand::Sharded(demand), Rules::Sharded(rules)) => Some(Self::Sharded(demand, rules)),
            (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
                Some(Self::PrimaryReplica(demand, rules))
            }
            (Demand::Quorum(demand), Rules::Quorum(rules)) => Some(Self::Quorum(demand, rules)),
            (Demand::Pool(demand), Rules::Pool(rules)) => Some(Self::Pool(demand, rules)),
            (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) => {
                Some(Self::GatewayPair(demand, rules))
            }
            _ => None,
        }
    }
}

impl Scale for Workload<'_> {
    fn scaled(&self, ratio: Ratio) -> Self {
        match self {
            Self::Sharded(demand, rules) => Self::Sharded(demand.scaled(ratio), rules),
            Self::PrimaryReplica(demand, rules) => {
                Self::PrimaryReplica(demand.scaled(ratio), rules)
            }
            Self::Quorum(demand, rules) => Self::Quorum(demand.scaled(ratio), rules),
            Self::Pool(demand, rules) => Self::Pool(demand.scaled(ratio), rules),
            Self::GatewayPair(demand, rules) => Self::GatewayPair(demand.scaled(ratio), rules),
        }
    }
}
