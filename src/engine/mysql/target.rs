//! The groups of a service as planned.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Mysql, sql};
use crate::engine::{Crew, EngineError};
use crate::ids::InstanceName;
use crate::plan::{Instance, Settings};
use crate::recipe::Credentials;
use crate::recipe::mysql::Package;

/// A service as planned.
#[derive(Debug)]
pub struct Target {
    /// How its engine is asked.
    pub(super) package: &'static Package,
    /// Its groups by number.
    pub(super) groups: BTreeMap<u32, Group>,
    /// Addresses of all that are planned or leave.
    pub(super) addresses: BTreeMap<InstanceName, Ipv4Addr>,
    /// Those that leave.
    pub(super) leaving: Vec<InstanceName>,
    /// Options of those that are planned.
    pub(super) settings: BTreeMap<InstanceName, Settings>,
    /// Its passwords, where they are known.
    pub(super) credentials: Option<Credentials>,
    /// Whether connections are encrypted.
    pub(super) tls: bool,
    /// Whether its copies elect their primary by themselves.
    pub(super) elects: bool,
    /// Whether a copy may be filled anew that has transactions which nobody else has.
    pub(super) may_lose_data: bool,
}

/// A primary and its replicas.
#[derive(Debug, Default)]
pub struct Group {
    /// Who is planned to be the primary.
    pub(super) lead: Option<InstanceName>,
    /// All of it, in the order of the plan.
    pub(super) members: Vec<InstanceName>,
    /// Those of them that are not asked: their hosts are left out, or they are yet to be made.
    pub(super) absent: Vec<InstanceName>,
}

impl Target {
    /// Reads the target out of a plan.
    pub(super) fn of(engine: Mysql, crew: &Crew<'_>) -> Result<Self, EngineError> {
        let mut target = Self {
            package: engine.0,
            groups: BTreeMap::new(),
            addresses: BTreeMap::new(),
            leaving: crew.leaving().iter().map(|one| one.name.clone()).collect(),
            settings: BTreeMap::new(),
            credentials: crew.secrets().and_then(Credentials::of),
            tls: crew.service.access.tls.is_offered(),
            elects: crew.service.demand.elects(),
            may_lose_data: crew.may_lose_data(),
        };
        let all = crew.members().iter().map(|one| (*one, false));
        for (one, is_absent) in all.chain(crew.absent().iter().map(|one| (*one, true))) {
            target.add(crew, one, is_absent)?;
        }
        for leaving in crew.leaving() {
            target.addresses.extend(leaving.address.map(|at| (leaving.name.clone(), at)));
        }
        Ok(target)
    }

    fn add(&mut self, crew: &Crew<'_>, one: &Instance, is_absent: bool) -> Result<(), EngineError> {
        let wrong = |problem: &str| EngineError::Plan {
            instance: one.name.clone(),
            problem: problem.to_owned(),
        };
        let address = one.address.ok_or_else(|| wrong("it has no address"))?;
        let group = one.group.ok_or_else(|| wrong("it is in no group"))?;
        self.addresses.insert(one.name.clone(), address);
        self.settings.insert(one.name.clone(), one.settings.clone());
        let group = self.groups.entry(group).or_default();
        group.members.push(one.name.clone());
        if is_absent {
            group.absent.push(one.name.clone());
        }
        if crew.is_lead(one) {
            group.lead = Some(one.name.clone());
        }
        Ok(())
    }

    /// The instance with an address.
    pub(super) fn at(&self, address: Ipv4Addr) -> Option<&InstanceName> {
        self.addresses.iter().find(|(_, known)| **known == address).map(|(name, _)| name)
    }

    /// Who is meant by an address, in words.
    pub(super) fn named(&self, address: Ipv4Addr) -> String {
        self.at(address).map_or_else(|| address.to_string(), ToString::to_string)
    }

    /// The group of an instance.
    pub(super) fn group_of(&self, name: &InstanceName) -> Option<(u32, &Group)> {
        let mut groups = self.groups.iter();
        groups
            .find(|(_, group)| group.members.contains(name))
            .map(|(number, group)| (*number, group))
    }

    /// The mark of how its users are to be; `None` where passwords are not known.
    pub(super) fn users(&self) -> Option<String> {
        self.credentials.as_ref().map(|credentials| sql::mark(credentials, self.tls))
    }

    /// The passwords.
    ///
    /// # Errors
    /// They are not known.
    pub(super) fn credentials(&self, crew: &Crew<'_>) -> Result<&Credentials, EngineError> {
        self.credentials.as_ref().ok_or_else(|| {
            crew.refusal("its passwords are not known; `hostsplit deploy` makes them".to_owned())
        })
    }
}
