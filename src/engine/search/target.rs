//! A cluster as planned.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::api::Door;
use crate::engine::{Crew, EngineError};
use crate::ids::InstanceName;
use crate::plan::{Instance, Role, Setting};
use crate::recipe::search::{self, Package};
use crate::spec::{Demand, SearchDemand};

/// A cluster as planned.
#[derive(Debug)]
pub struct Target {
    pub(super) package: &'static Package,
    /// All planned instances, those that cannot be asked among them.
    pub(super) members: BTreeMap<InstanceName, Member>,
    /// Those that can be asked, in the order of the plan.
    pub(super) present: Vec<InstanceName>,
    /// Those that are to leave, by address.
    pub(super) leaving: BTreeMap<InstanceName, Option<Ipv4Addr>>,
    /// Primary shards of an index, and further copies of each.
    pub(super) shards: u64,
    pub(super) replicas: u64,
    /// What the policy for indices that are kept for a time is to say.
    pub(super) kept: Option<Kept>,
}

/// How long indices are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// When an index is followed by the next, such as `3d`.
    pub(super) rolled_over: String,
    /// How much later it is removed.
    pub(super) removed: String,
}

/// One of its instances.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) door: Door,
    pub(super) votes: bool,
    pub(super) holds_data: bool,
    /// What it is to run with.
    pub(super) digest: Option<String>,
    /// Settings of the whole cluster that its configuration holds.
    pub(super) of_cluster: BTreeMap<String, String>,
}

impl Target {
    pub(super) fn of(package: &'static Package, crew: &Crew<'_>) -> Result<Self, EngineError> {
        let all = || crew.members().iter().chain(crew.absent()).copied();
        let members = all().map(|one| Ok((one.name.clone(), Member::of(package, crew, one)?)));
        let number = |name: &str| {
            let mut found = all().filter_map(|one| one.settings.get(name));
            found.find_map(Setting::number)
        };
        Ok(Self {
            package,
            members: members.collect::<Result<_, EngineError>>()?,
            present: crew.members().iter().map(|one| one.name.clone()).collect(),
            leaving: crew.leaving().iter().map(|one| (one.name.clone(), one.address)).collect(),
            shards: number("index.number_of_shards").unwrap_or(1),
            replicas: number("index.number_of_replicas").unwrap_or(0),
            kept: Kept::of(package, &crew.service.demand),
        })
    }

    pub(super) fn member(&self, name: &InstanceName) -> Result<&Member, EngineError> {
        self.members.get(name).ok_or_else(|| EngineError::Plan {
            instance: name.clone(),
            problem: "not an instance of the cluster".to_owned(),
        })
    }

    /// Planned instances that cannot be asked, and are not waited for.
    pub(super) fn absent(&self) -> impl Iterator<Item = (&InstanceName, &Member)> {
        self.members.iter().filter(|(name, _)| !self.present.contains(name))
    }

    /// The addresses of those that are to leave.
    pub(super) fn emptied(&self) -> BTreeSet<String> {
        self.leaving.values().flatten().map(ToString::to_string).collect()
    }
}

impl Kept {
    fn of(package: &Package, demand: &Demand) -> Option<Self> {
        let Demand::Quorum(SearchDemand { retention_days: Some(days), .. }) = demand else {
            return None;
        };
        let days_of = |days: u32| format!("{days}d");
        let rolled_over = days_of(SearchDemand::rollover_days(*days));
        package.policies.map(|_| Self { rolled_over, removed: days_of(*days) })
    }
}

impl Member {
    pub(super) fn of(
        package: &'static Package,
        crew: &Crew<'_>,
        instance: &Instance,
    ) -> Result<Self, EngineError> {
        let address = instance.address.ok_or_else(|| EngineError::Plan {
            instance: instance.name.clone(),
            problem: "it has no address".to_owned(),
        })?;
        let of_cluster = instance.settings.iter().filter(|(name, _)| name.starts_with("cluster."));
        let plain = |value: &Setting| match value {
            Setting::Words(words) => words.join(","),
            other => other.to_string(),
        };
        Ok(Self {
            door: Door::of(package, crew.service, address),
            votes: matches!(instance.role, Role::Voter | Role::Witness),
            holds_data: instance.role != Role::Witness,
            digest: search::planned_digest(instance),
            of_cluster: of_cluster.map(|(name, value)| (name.clone(), plain(value))).collect(),
        })
    }
}
