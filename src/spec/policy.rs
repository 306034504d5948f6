//! What a plan must survive, and what it keeps small.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::topology::Level;

/// Rules over the whole deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// After the loss of any one failure domain of such a level everything still
    /// serves its demand. At most two, smallest level first; empty promises
    /// nothing.
    pub survive: Vec<Survive>,
    /// What is made small, the most important first: always [`Objective::Unmet`],
    /// then those of [`Objective::ALL`] that are wanted, in that order.
    #[serde(default = "Objective::all")]
    pub objective: Vec<Objective>,
}

/// One thing that a plan keeps small, after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Demand that is not served.
    Unmet,
    /// Price of the hosts in use and what the instances take of them.
    Cost,
    /// Instances that are moved, made or taken away against the prior plan.
    Moves,
    /// Difference between the fullest and the emptiest host, and VMs that
    /// straddle L3 domains.
    Balance,
}

impl Objective {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Unmet, Self::Cost, Self::Moves, Self::Balance];

    /// [`Self::ALL`] as a list: what a policy that says nothing wants.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// The word that specs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmet => "unmet",
            Self::Cost => "cost",
            Self::Moves => "moves",
            Self::Balance => "balance",
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Default for Policy {
    /// Promises nothing and wants all objectives.
    fn default() -> Self {
        Self { survive: Vec::new(), objective: Objective::all() }
    }
}

/// A kind of failure domain of which any one may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survive {
    /// The kind.
    pub level: Level,
    /// Who keeps a majority after the loss.
    pub quorum: Quorum,
}

/// Who sees to it that a cluster whose members vote goes on after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quorum {
    /// The cluster by itself: a majority must be left.
    Automatic,
    /// An operator, where the majority is lost.
    Manual,
}

impl Policy {
    /// The same where a person may decide who goes on after a loss.
    #[must_use]
    pub fn with_manual_quorum(&self) -> Self {
        let manual = |one: &Survive| Survive { quorum: Quorum::Manual, ..*one };
        Self { survive: self.survive.iter().map(manual).collect(), ..self.clone() }
    }

    /// The policy that survives the loss of any one failure domain of `level`,
    /// by itself.
    #[must_use]
    pub fn surviving(level: Level) -> Self {
        Self { survive: vec![Survive { level, quorum: Quorum::Automatic }], ..Self::default() }
    }

    /// The policy that promises nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The levels that are promised, smallest first.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.survive.iter().map(|survive| survive.level)
    }

    /// Whether the loss of something is promised to be survived.
    #[must_use]
    pub const fn survives(&self) -> bool {
        !self.survive.is_empty()
    }
}
