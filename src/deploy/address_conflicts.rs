//! Who answers at the planned addresses, as the guests' kernels see it: their ARP
//! tables against the plan's MACs. A foreign machine that has a planned address is
//! seen nowhere else, and a cluster merely does not form then.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use super::Context;
use crate::engine::Guests as _;
use crate::hypervisor::fan_out::on_each;
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, Role, ServicePlan};

/// A planned address at which another machine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressConflict {
    /// The instance that is to have the address.
    pub instance: InstanceName,
    /// The address.
    pub address: Ipv4Addr,
    /// The MAC that is planned for it.
    pub planned: String,
    /// The MAC that answers.
    pub mac: String,
    /// The instance whose guest saw it.
    pub seen_by: InstanceName,
}

impl fmt::Display for AddressConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, address, planned, mac, seen_by } = self;
        write!(
            f,
            "address conflict: {address} ({instance}) resolves to {mac}, expected {planned} \
             (seen from {seen_by})"
        )
    }
}

/// Asks the guests of some instances; one finding for each address, in the order
/// of the plan. A guest that does not answer has seen nothing, and a MAC that
/// answers for several planned addresses is a router's that does so for all.
pub(super) fn address_conflicts<'a>(
    context: &Context<'_>,
    asked: impl Iterator<Item = &'a Instance>,
) -> Vec<AddressConflict> {
    let asked: Vec<&Instance> = asked.collect();
    let tables = on_each(
        &asked,
        |instance| &instance.host,
        |instance| {
            let table = context.guest(&instance.name).and_then(|guest| Ok(guest.neighbours()?));
            (&instance.name, table.unwrap_or_default())
        },
    );
    let tables: BTreeMap<&InstanceName, Vec<(Ipv4Addr, String)>> = tables.into_iter().collect();
    let mut seen: BTreeMap<Ipv4Addr, Vec<(&InstanceName, &str)>> = BTreeMap::new();
    for (name, table) in &tables {
        for (address, mac) in table {
            seen.entry(*address).or_default().push((name, mac));
        }
    }
    let conflict = |instance: &Instance| {
        let mut answers = seen.get(&instance.address?)?.iter();
        let (by, mac) = answers.find(|(_, mac)| !mac.eq_ignore_ascii_case(&instance.mac))?;
        Some(AddressConflict {
            instance: instance.name.clone(),
            address: instance.address?,
            planned: instance.mac.clone(),
            mac: (*mac).to_owned(),
            seen_by: (*by).clone(),
        })
    };
    let own = context.plan.instances.iter().filter_map(conflict);
    let services = context.plan.services.iter();
    let gateways = services.filter_map(|service| of_gateways(context.plan, service, &seen));
    let found: Vec<AddressConflict> = own.chain(gateways).collect();
    let count = |mac: &str| found.iter().filter(|one| one.mac == mac).count();
    let own = found.iter().filter(|one| count(&one.mac) == 1);
    own.cloned().collect()
}

/// The address of gateways, where a machine answers that is none of them.
fn of_gateways(
    plan: &Plan,
    service: &ServicePlan,
    seen: &BTreeMap<Ipv4Addr, Vec<(&InstanceName, &str)>>,
) -> Option<AddressConflict> {
    let address = plan.vip_of(service)?;
    let gateways: Vec<&Instance> = plan.members(&service.name).collect();
    let lead = gateways.iter().find(|one| one.role == Role::Active)?;
    let is_own = |mac: &str| gateways.iter().any(|one| one.mac.eq_ignore_ascii_case(mac));
    let (by, mac) = seen.get(&address)?.iter().find(|(_, mac)| !is_own(mac))?;
    Some(AddressConflict {
        instance: lead.name.clone(),
        address,
        planned: lead.mac.clone(),
        mac: (*mac).to_owned(),
        seen_by: (*by).clone(),
    })
}
