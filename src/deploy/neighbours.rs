//! Who answers at the planned addresses, as the guests' kernels see it: their ARP
//! tables against the plan's MACs. A machine that is no guest of ours and has an
//! address of ours is seen nowhere else, and a cluster merely does not form then.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use super::Site;
use crate::engine::Guests as _;
use crate::hypervisor::fan_out::on_each;
use crate::ids::InstanceName;
use crate::plan::Instance;

/// An address of ours that another machine answers at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usurped {
    /// Whose address it is.
    pub instance: InstanceName,
    /// The address.
    pub address: Ipv4Addr,
    /// The MAC that is planned for it.
    pub planned: String,
    /// The MAC that answers.
    pub mac: String,
    /// Whose guest saw it.
    pub seen_by: InstanceName,
}

impl fmt::Display for Usurped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, address, planned, mac, seen_by } = self;
        write!(
            f,
            "{address} of {instance} is answered by {mac}, not {planned}, as {seen_by} sees it"
        )
    }
}

/// Asks the guests of some instances; one finding for each address, in the order
/// of the plan. A guest that does not answer has seen nothing, and a MAC that
/// answers for several addresses of ours is a router's that does so for all.
pub(super) fn usurped<'a>(
    site: &Site<'_>,
    asked: impl Iterator<Item = &'a Instance>,
) -> Vec<Usurped> {
    let asked: Vec<&Instance> = asked.collect();
    let tables = on_each(
        &asked,
        |instance| &instance.host,
        |instance| {
            let table = site.guest(&instance.name).and_then(|guest| Ok(guest.neighbours()?));
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
    let usurped = |instance: &Instance| {
        let mut answers = seen.get(&instance.address?)?.iter();
        let (by, mac) = answers.find(|(_, mac)| !mac.eq_ignore_ascii_case(&instance.mac))?;
        Some(Usurped {
            instance: instance.name.clone(),
            address: instance.address?,
            planned: instance.mac.clone(),
            mac: (*mac).to_owned(),
            seen_by: (*by).clone(),
        })
    };
    let found: Vec<Usurped> = site.plan.instances.iter().filter_map(usurped).collect();
    let count = |mac: &str| found.iter().filter(|one| one.mac == mac).count();
    let own = found.iter().filter(|one| count(&one.mac) == 1);
    own.cloned().collect()
}
