//! Ports of pools: those at a gateway are once each.

use std::collections::BTreeMap;

use super::gateway::Unresolved;
use crate::ids::ServiceName;
use crate::spec::diagnostic::{Diagnostic, Diagnostics};
use crate::spec::{Cluster, Engine, GATEWAY_STATUS_PORT, WEB_STATUS_PORT};

/// Ports at which instances say how they are.
const TAKEN: [u16; 2] = [WEB_STATUS_PORT, GATEWAY_STATUS_PORT];

/// Whether a pool may listen at a port.
pub(super) fn is_free(port: u16) -> bool {
    port != 0 && !TAKEN.contains(&port)
}

/// The ports that no pool may have, as messages list them.
pub(super) fn taken() -> String {
    TAKEN.map(|port| port.to_string()).join(" and ")
}

/// Reports pools behind one gateway that would have one port there.
pub(super) fn collisions(found: &[Unresolved], diagnostics: &mut Diagnostics) {
    let mut taken: BTreeMap<(&ServiceName, u16), &ServiceName> = BTreeMap::new();
    for Unresolved { service, port_at, .. } in found {
        let Some(name) = &service.gateway else { continue };
        let gateway = found.iter().map(|other| &other.service).find(|other| other.name == *name);
        let is_gateway = |engine: Engine| engine.cluster() == Cluster::GatewayPair;
        let Some(gateway) = gateway.filter(|one| is_gateway(one.engine)) else { continue };
        let port = service.access.front_port(&gateway.access);
        let Some(first) = taken.get(&(name, port)) else {
            taken.insert((name, port), &service.name);
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
            hint: Some("give one of them another: `port: 8080`".to_owned()),
        });
    }
}
