//! Where clients of a cluster begin and those of a database come in, and what they have to do once another copy leads.

use serde::Serialize;

use super::columns::{labelled, listed};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::recipe::{groups_at_gateway, seeds};
use crate::spec::{Cluster, DATABASE_PORT};

/// Groups whose addresses are listed; the others are counted.
const LISTED: usize = 3;

/// Where clients of a database or a cluster come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientsSummary {
    /// The gateway that they come through; none where they reach servers themselves.
    pub gateway: Option<ServiceName>,
    /// Its groups; none of a cluster whose clients find all instances by themselves.
    pub groups: Vec<GroupClients>,
    /// Addresses and ports at which such clients begin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<String>,
}

/// Where clients of a group come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupClients {
    /// Number of the group.
    pub group: u32,
    /// Addresses and ports for writes, of which one takes them.
    pub writes: Vec<String>,
    /// The same for reads.
    pub reads: Vec<String>,
}

/// Where the clients of a service come in; none for pools, gateways and search engines, and
/// without addresses.
pub(super) fn of_service(plan: &Plan, service: &ServicePlan) -> Option<ClientsSummary> {
    match service.engine.cluster() {
        Cluster::PrimaryReplica => {}
        Cluster::Sharded => {
            let seeds = seeds(plan, service);
            let groups = Vec::new();
            return (!seeds.is_empty()).then_some(ClientsSummary { gateway: None, groups, seeds });
        }
        _ => return None,
    }
    let gateway = service.gateway.as_ref().and_then(|name| plan.service(name));
    let groups: Vec<GroupClients> = match gateway {
        Some(gateway) => {
            let own = || plan.members(&gateway.name).find_map(|one| one.address);
            let address = plan.vip_of(gateway).or_else(own)?;
            let at = |port: u16| vec![format!("{address}:{port}")];
            let groups = groups_at_gateway(service);
            let clients = groups.map(|front| GroupClients {
                group: front.group,
                writes: at(front.ports.writes),
                reads: at(front.ports.reads),
            });
            clients.collect()
        }
        None => {
            let group = |group: u32| {
                let own = |one: &&Instance| one.group == Some(group);
                let at = |one: &Instance| Some(format!("{}:{DATABASE_PORT}", one.address?));
                let all: Vec<String> =
                    plan.members(&service.name).filter(own).filter_map(at).collect();
                GroupClients { group, writes: all.clone(), reads: all }
            };
            service.groups.iter().map(|one| group(one.index)).collect()
        }
    };
    let has_addresses = groups.iter().any(|group| !group.writes.is_empty());
    let gateway = gateway.map(|one| one.name.clone());
    has_addresses.then_some(ClientsSummary { gateway, groups, seeds: Vec::new() })
}

/// A line of the service's summary.
pub(super) fn line(clients: Option<&ClientsSummary>, width: usize) -> String {
    clients.map_or_else(String::new, |clients| labelled("clients", width, &sentence(clients)))
}

/// The same without the word.
pub(super) fn sentence(clients: &ClientsSummary) -> String {
    let ClientsSummary { gateway, groups, seeds } = clients;
    match seeds.as_slice() {
        [] => {}
        [one] => return format!("begin at {one}, which names all others"),
        [but_one @ .., last] => {
            return format!("begin at {} or {last}: each names all others", but_one.join(", "));
        }
    }
    let group = |one: &GroupClients| {
        let of = match groups.len() {
            1 => String::new(),
            _ => format!("group {}: ", one.group),
        };
        let (writes, reads) = (one.writes.join(" or "), one.reads.join(" or "));
        match gateway {
            Some(_) => format!("{of}writes at {writes}, reads at {reads}"),
            None => format!("{of}{writes}"),
        }
    };
    let groups: Vec<String> = groups.iter().map(group).collect();
    let groups = listed(&groups, LISTED);
    match gateway {
        Some(gateway) => {
            format!("{groups}, through {gateway}; after a failover at the same addresses")
        }
        // There is nobody to fail over to.
        None if clients.groups.iter().all(|one| one.writes.len() < 2) => groups,
        None => format!(
            "{groups}, whichever takes writes; no address moves, so clients have to follow a \
             failover (`gateway:` gives them one address)"
        ),
    }
}

/// What clients of a group do once another of its instances leads.
#[must_use]
pub fn after_failover(
    plan: &Plan,
    service: &ServicePlan,
    group: u32,
    leader: &InstanceName,
) -> String {
    let clients = of_service(plan, service);
    let gateway = clients.as_ref().and_then(|clients| {
        let front = clients.groups.iter().find(|one| one.group == group)?;
        Some((clients.gateway.as_ref()?, front.writes.first()?))
    });
    let address = plan.instance(leader).and_then(|one| one.address);
    match (gateway, address) {
        (Some((gateway, at)), _) => format!(
            "{gateway} closes connections to the former primary; clients connect again at the same \
             address, {at}"
        ),
        (None, Some(address)) => format!(
            "no address moves: clients have to go to {address}:{DATABASE_PORT} now, and connections \
             to the former primary go on as read-only"
        ),
        (None, None) => "no address moves: clients have to follow".to_owned(),
    }
}
