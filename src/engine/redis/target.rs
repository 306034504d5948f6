//! A planned service to the cluster that is wanted: who sits where.

use std::net::Ipv4Addr;

use super::Door;
use crate::engine::EngineError;
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, ServicePlan, Setting, Settings};
use crate::slots::Slots;

/// Redis's own port for clients.
const PORT: u16 = 6379;

/// The cluster as planned, in the order of groups, masters first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How commands get in.
    pub door: Door,
    /// Every instance of the service.
    pub seats: Vec<Seat>,
}

/// The place of one instance in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The instance.
    pub name: InstanceName,
    /// Where it listens.
    pub address: Ipv4Addr,
    /// The port it listens on.
    pub port: u16,
    /// Its group.
    pub group: u32,
    /// Whether it is the group's master.
    pub master: bool,
    /// The group's slots.
    pub slots: Slots,
    /// Its settings, as planned.
    pub settings: Settings,
}

impl Target {
    /// Reads the target out of a plan.
    ///
    /// # Errors
    /// [`EngineError::Plan`]: a group names an instance that the plan lacks, or
    /// a port that is none.
    pub fn of(door: Door, service: &ServicePlan, plan: &Plan) -> Result<Self, EngineError> {
        let mut seats = Vec::new();
        for group in &service.groups {
            let slots =
                group.slots.map_or(Slots::EMPTY, |range| Slots::range(range.first, range.last));
            for name in std::iter::once(&group.lead).chain(&group.replicas) {
                let instance = plan.instance(name).ok_or_else(|| EngineError::Plan {
                    instance: name.clone(),
                    problem: format!("group {} names it, the plan has none", group.index),
                })?;
                seats.push(Seat {
                    name: name.clone(),
                    address: address(instance)?,
                    port: port(instance)?,
                    group: group.index,
                    master: *name == group.lead,
                    slots: slots.clone(),
                    settings: instance.settings.clone(),
                });
            }
        }
        Ok(Self { door, seats })
    }

    /// The planned master of a group.
    #[must_use]
    pub fn master(&self, group: u32) -> Option<&Seat> {
        self.group(group).find(|seat| seat.master)
    }

    /// The seats of a group.
    pub fn group(&self, group: u32) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(move |seat| seat.group == group)
    }

    /// The planned masters, one for each group.
    pub fn masters(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.master)
    }
}

/// The address that an instance has.
pub(super) fn address(instance: &Instance) -> Result<Ipv4Addr, EngineError> {
    instance.address.ok_or_else(|| EngineError::Plan {
        instance: instance.name.clone(),
        problem: "it has no address".to_owned(),
    })
}

/// The port that an instance is configured to listen on: the encrypted one, if
/// there is no other.
pub(super) fn port(instance: &Instance) -> Result<u16, EngineError> {
    let set = |name: &str| instance.settings.get(name).and_then(Setting::number);
    let port = set("port").filter(|port| *port != 0).or_else(|| set("tls-port"));
    port.map_or(Ok(PORT), |port| {
        u16::try_from(port).map_err(|_| EngineError::Plan {
            instance: instance.name.clone(),
            problem: format!("{port} is not a port"),
        })
    })
}
