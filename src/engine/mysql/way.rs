//! The way of clients through a gateway.

use std::net::Ipv4Addr;

use crate::engine::Crew;
use crate::ids::ServiceName;
use crate::plan::Instance;
use crate::recipe::haproxy;
use crate::spec::GroupPorts;

/// Where clients of a group come in at a gateway.
pub(super) struct Way<'a> {
    /// The gateway.
    pub(super) gateway: &'a ServiceName,
    /// The address that it is reached at.
    pub(super) address: Ipv4Addr,
    /// The ports there.
    pub(super) ports: GroupPorts,
}

/// The way to the group of an instance; `None` where clients reach servers themselves.
pub(super) fn through_gateway<'a>(crew: &Crew<'a>, instance: &Instance) -> Option<Way<'a>> {
    let gateway = crew.plan.service(crew.service.gateway.as_ref()?)?;
    let address = crew.plan.vip_of(gateway);
    let own = || crew.plan.members(&gateway.name).find_map(|one| one.address);
    let mut groups = haproxy::groups(crew.service);
    let front = groups.find(|front| Some(front.group) == instance.group)?;
    Some(Way { gateway: &gateway.name, address: address.or_else(own)?, ports: front.ports })
}
