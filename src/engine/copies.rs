//! The copies of what an instance serves: who leads, who could, and who could not.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Observed;
use crate::ids::InstanceName;

/// The copies of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Who leads, where all that answered agree.
    pub leader: Option<InstanceName>,
    /// Copies that serve, or could at once; the leader among them.
    pub healthy: BTreeSet<InstanceName>,
    /// What is wrong with the others.
    pub ailing: BTreeMap<InstanceName, String>,
}

impl Copies {
    /// Those of instances that hold no data, without a leader: `fault` is why one of them does
    /// not serve.
    pub(super) fn by_fault<S>(
        observed: &Observed<S>,
        fault: impl Fn(&InstanceName, &S) -> Option<String>,
    ) -> Self {
        let mut copies = Self::default();
        for (name, seen) in &observed.seen {
            match fault(name, seen) {
                None => drop(copies.healthy.insert(name.clone())),
                Some(fault) => drop(copies.ailing.insert(name.clone(), fault)),
            }
        }
        let silent = observed.silent.iter();
        copies.ailing.extend(silent.map(|(name, error)| (name.clone(), error.to_string())));
        copies
    }

    /// Whether anybody is served by an instance, or relies on it.
    #[must_use]
    pub fn is_in_use(&self, instance: &InstanceName) -> bool {
        self.leader.as_ref() == Some(instance) || self.healthy.contains(instance)
    }

    /// A copy that could take over from an instance.
    #[must_use]
    pub fn stand_in(&self, instance: &InstanceName) -> Option<&InstanceName> {
        self.healthy.iter().find(|one| *one != instance)
    }
}
