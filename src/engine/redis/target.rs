//! A planned service to the cluster that is wanted: which member has which role, and who
//! is to leave.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::ClientAccess;
use super::nodes::NodeLine;
use crate::engine::{Crew, EngineError, Leaving};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Instance, Setting, Settings};
use crate::recipe::redis::slots::Slots;

/// Redis's own port for clients.
const PORT: u16 = 6379;

/// The cluster as planned, in the order of groups, masters first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How clients reach it.
    pub access: ClientAccess,
    /// Every instance of the service, then those that are to leave it.
    pub members: Vec<Member>,
    /// Instances that are to leave it and of which nobody knows where they are.
    pub lost: Vec<InstanceName>,
    /// The service.
    pub service: ServiceName,
    /// Whether slots may be served without their data, where nobody has it any more.
    pub may_lose_data: bool,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The instance.
    pub name: InstanceName,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// The port it listens on.
    pub port: u16,
    /// Its group; `None` for one that is to leave.
    pub group: Option<u32>,
    /// Whether it is the group's master.
    pub master: bool,
    /// The group's slots.
    pub slots: Slots,
    /// Its settings, as planned.
    pub settings: Settings,
    /// Whether it cannot be asked, and is not waited for.
    pub absent: bool,
}

impl Member {
    /// Whether a node has its planned address. Its port may be about to change, and no other
    /// instance has the address.
    #[must_use]
    pub fn is_at(&self, node: &NodeLine) -> bool {
        node.address == Some(self.address)
    }

    /// Whether it is planned, and can be asked.
    #[must_use]
    pub const fn is_present(&self) -> bool {
        self.group.is_some() && !self.absent
    }

    /// Whether it is to leave the cluster.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        self.group.is_none()
    }
}

impl Target {
    /// Reads the target out of the plan.
    ///
    /// # Errors
    /// [`EngineError::Plan`]: an instance in no group, without an address, or with a
    /// port that is none.
    pub fn of(access: ClientAccess, crew: &Crew<'_>) -> Result<Self, EngineError> {
        let absent = crew.absent();
        let member = |instance: &&Instance| -> Result<Member, EngineError> {
            let mut groups = crew.service.groups.iter();
            let group = groups.find(|group| Some(group.index) == instance.group);
            let group = group.ok_or_else(|| wrong(instance, "it is in no group"))?;
            Ok(Member {
                name: instance.name.clone(),
                address: address(instance)?,
                port: port(instance)?,
                group: Some(group.index),
                master: group.lead == instance.name,
                slots: Slots::planned(&group.slots),
                settings: instance.settings.clone(),
                absent: absent.iter().any(|one| one.name == instance.name),
            })
        };
        let planned = crew.members().iter().chain(absent);
        let mut members = planned.map(member).collect::<Result<Vec<_>, _>>()?;
        // All instances of a service listen at the same port.
        let port = members.first().map_or(PORT, |member| member.port);
        let leaving = |one: &&Leaving| {
            Some(Member {
                name: one.name.clone(),
                address: one.address?,
                port,
                group: None,
                master: false,
                slots: Slots::EMPTY,
                settings: Settings::default(),
                absent: false,
            })
        };
        members.extend(crew.leaving().iter().filter_map(leaving));
        let lost = crew.leaving().iter().filter(|one| one.address.is_none());
        let lost = lost.map(|one| one.name.clone()).collect();
        let (service, may_lose_data) = (crew.service.name.clone(), crew.may_lose_data());
        Ok(Self { access, members, lost, service, may_lose_data })
    }

    /// Returns the member of that name.
    #[must_use]
    pub fn member(&self, instance: &InstanceName) -> Option<&Member> {
        self.members.iter().find(|member| member.name == *instance)
    }

    /// Returns the member of that name, which the plan has to hold.
    ///
    /// # Errors
    /// [`EngineError::Plan`].
    pub fn known(&self, instance: &InstanceName) -> Result<&Member, EngineError> {
        let problem = || "it is not in the cluster's plan".to_owned();
        let unknown = || EngineError::Plan { instance: instance.clone(), problem: problem() };
        self.member(instance).ok_or_else(unknown)
    }

    /// The planned master of a group.
    #[must_use]
    pub fn master(&self, group: u32) -> Option<&Member> {
        self.group(group).find(|member| member.master)
    }

    /// The members of a group.
    pub fn group(&self, group: u32) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.group == Some(group))
    }

    /// The numbers of the groups, in their order.
    pub fn groups(&self) -> impl Iterator<Item = u32> {
        let groups: BTreeSet<u32> = self.members.iter().filter_map(|one| one.group).collect();
        groups.into_iter()
    }

    /// The slots of a group.
    #[must_use]
    pub fn slots(&self, group: u32) -> Slots {
        self.group(group).next().map_or(Slots::EMPTY, |member| member.slots.clone())
    }

    /// The planned masters, one for each group.
    pub fn masters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.master)
    }
}

fn wrong(instance: &Instance, problem: &str) -> EngineError {
    EngineError::Plan { instance: instance.name.clone(), problem: problem.to_owned() }
}

/// The address that an instance has.
pub(super) fn address(instance: &Instance) -> Result<Ipv4Addr, EngineError> {
    instance.address.ok_or_else(|| wrong(instance, "it has no address"))
}

/// The port that an instance is configured to listen on: the encrypted one, if
/// there is no other.
pub(super) fn port(instance: &Instance) -> Result<u16, EngineError> {
    let set = |name: &str| instance.settings.get(name).and_then(Setting::number);
    let port = set("port").filter(|port| *port != 0).or_else(|| set("tls-port"));
    port.map_or(Ok(PORT), |port| {
        u16::try_from(port).map_err(|_| wrong(instance, &format!("{port} is not a port")))
    })
}
