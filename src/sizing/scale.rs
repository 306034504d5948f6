//! Parts and multiples of demands, load and data alike, rounded up.

use crate::spec::{
    Demand, GatewayDemand, RelationalDemand, SearchDemand, ShardedDemand, WebDemand,
};
use crate::units::{Mebibytes, PerSecond};

/// A factor as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    part: u64,
    of: u64,
}

impl Ratio {
    /// Returns `part / of`; `of` is at least 1.
    #[must_use]
    pub const fn new(part: u64, of: u64) -> Self {
        Self { part, of: if of == 0 { 1 } else { of } }
    }

    fn amount(self, whole: u64) -> u64 {
        let product = u128::from(whole) * u128::from(self.part);
        u64::try_from(product.div_ceil(u128::from(self.of))).unwrap_or(u64::MAX)
    }

    fn rate(self, whole: PerSecond) -> PerSecond {
        PerSecond::new(self.amount(whole.get()))
    }

    fn size(self, whole: Mebibytes) -> Mebibytes {
        Mebibytes::new(self.amount(whole.get()))
    }
}

/// A demand that can be made smaller or larger.
pub trait Scale {
    /// Returns the demand times the ratio: load and data alike, rounded up.
    #[must_use]
    fn scaled(&self, ratio: Ratio) -> Self;
}

impl Scale for Demand {
    fn scaled(&self, ratio: Ratio) -> Self {
        match self {
            Self::Sharded(demand) => Self::Sharded(demand.scaled(ratio)),
            Self::PrimaryReplica(demand) => Self::PrimaryReplica(demand.scaled(ratio)),
            Self::Quorum(demand) => Self::Quorum(demand.scaled(ratio)),
            Self::Pool(demand) => Self::Pool(demand.scaled(ratio)),
            Self::GatewayPair(demand) => Self::GatewayPair(demand.scaled(ratio)),
        }
    }
}

impl Scale for ShardedDemand {
    fn scaled(&self, ratio: Ratio) -> Self {
        Self {
            reads_per_s: ratio.rate(self.reads_per_s),
            writes_per_s: ratio.rate(self.writes_per_s),
            data_mib: ratio.size(self.data_mib),
            ..self.clone()
        }
    }
}

impl Scale for RelationalDemand {
    fn scaled(&self, ratio: Ratio) -> Self {
        Self {
            reads_per_s: ratio.rate(self.reads_per_s),
            writes_per_s: ratio.rate(self.writes_per_s),
            data_mib: ratio.size(self.data_mib),
            ..self.clone()
        }
    }
}

impl Scale for SearchDemand {
    fn scaled(&self, ratio: Ratio) -> Self {
        Self {
            index_per_s: ratio.rate(self.index_per_s),
            queries_per_s: ratio.rate(self.queries_per_s),
            data_mib: ratio.size(self.data_mib),
            ..self.clone()
        }
    }
}

impl Scale for WebDemand {
    fn scaled(&self, ratio: Ratio) -> Self {
        Self { requests_per_s: ratio.rate(self.requests_per_s), ..self.clone() }
    }
}

impl Scale for GatewayDemand {
    fn scaled(&self, ratio: Ratio) -> Self {
        Self {
            requests_per_s: ratio.rate(self.requests_per_s),
            transactions_per_s: ratio.rate(self.transactions_per_s),
            response_bytes_per_s: ratio.amount(self.response_bytes_per_s),
            ..self.clone()
        }
    }
}
