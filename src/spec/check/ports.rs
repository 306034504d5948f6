//! Ports of pools and databases: those at a gateway are once each.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::Unresolved;
use crate::ids::ServiceName;
use crate::spec::diagnostic::{Diagnostic, Diagnostics};
use crate::spec::{Access, Cluster, Demand, Engine, GATEWAY_STATUS_PORT, Service, WEB_STATUS_PORT};

/// Ports at which instances say how they are.
const TAKEN: [u16; 2] = [WEB_STATUS_PORT, GATEWAY_STATUS_PORT];

/// Whether a pool, or a database at its gateway, may have a port.
pub(super) fn is_free(port: u16) -> bool {
    port != 0 && !TAKEN.contains(&port)
}

/// The ports that no pool may have, as messages list them.
pub(super) fn taken() -> String {
    TAKEN.map(|port| port.to_string()).join(" and ")
}

/// The ports of a service at its gateway.
fn at_gateway(service: &Service, gateway: &Access) -> Vec<u16> {
    match &service.demand {
        Demand::PrimaryReplica(demand) => {
            let groups = (0..demand.shards).filter_map(|group| service.access.group_ports(group));
            groups.flat_map(|ports| [ports.writes, ports.reads]).collect()
        }
        _ => vec![service.access.front_port(gateway)],
    }
}

/// Reports a database whose own ports at a gateway collide, or lie where there are none.
pub(super) fn of_database(found: &[Unresolved], diagnostics: &mut Diagnostics) {
    for Unresolved { service, port_at, .. } in found {
        let (Some(_), Demand::PrimaryReplica(demand)) = (&service.gateway, &service.demand) else {
            continue;
        };
        let ports = at_gateway(service, &Access::default());
        let once: BTreeSet<u16> = ports.iter().copied().collect();
        let are_there = u32::try_from(ports.len()).is_ok_and(|count| count == 2 * demand.shards);
        let message = if let Some(port) = ports.iter().find(|port| !is_free(**port)) {
            format!(
                "port: {:?} would be at port {port} of its gateway; expected 1 to 65535, and not \
                 {}, at which instances say how they are",
                service.name.as_str(),
                taken()
            )
        } else if !are_there {
            let name = service.name.as_str();
            format!(
                "port: {name:?} has {} groups, with two ports each: too few left",
                demand.shards
            )
        } else if once.len() < ports.len() {
            format!(
                "read_port: {:?} would read and write at one port of its gateway",
                service.name.as_str()
            )
        } else {
            continue;
        };
        let hint = "a group has the port for writes and the one above it for reads, the next group \
                    the two after these: `port: 3306`";
        diagnostics.push(Diagnostic {
            place: port_at.clone(),
            message,
            hint: Some(hint.to_owned()),
        });
    }
}

/// Reports services behind one gateway that would have one port there.
pub(super) fn collisions(found: &[Unresolved], diagnostics: &mut Diagnostics) {
    let mut taken: BTreeMap<(&ServiceName, u16), &ServiceName> = BTreeMap::new();
    for Unresolved { service, port_at, .. } in found {
        let Some(name) = &service.gateway else { continue };
        let gateway = found.iter().map(|other| &other.service).find(|other| other.name == *name);
        let is_gateway = |engine: Engine| engine.cluster() == Cluster::GatewayPair;
        let Some(gateway) = gateway.filter(|one| is_gateway(one.engine)) else { continue };
        let ports = at_gateway(service, &gateway.access);
        let before = |port: &u16| Some((*port, *taken.get(&(name, *port))?));
        let clash = ports.iter().find_map(before);
        taken.extend(ports.iter().map(|port| ((name, *port), &service.name)));
        let Some((port, first)) = clash.filter(|(_, first)| **first != service.name) else {
            continue;
        };
        diagnostics.push(Diagnostic {
            place: port_at.clone(),
            message: format!(
                "port: {:?} and {:?} would both be at port {port} of the gateway {:?}",
                first.as_str(),
                service.name.as_str(),
                name.as_str()
            ),
            hint: Some(match service.engine.cluster() {
                Cluster::PrimaryReplica => {
                    "give one of them others: `port: 3316`, and `read_port:` where it is not the \
                     one above"
                }
                _ => "give one of them another: `port: 8080`",
            }
            .to_owned()),
        });
    }
}
