//! `network:`: the range lies in the subnet, the gateway beside the range.

use std::net::Ipv4Addr;

use crate::spec::diagnostic::Mark;
use crate::spec::read::address::{Address, AddressRange, Subnet};
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::wire;
use crate::spec::{Cluster, FixedVm, Network, Policy, Service};

/// Longest name of a network interface that Linux takes.
const MAX_INTERFACE_NAME: usize = 15;

pub(super) fn network(scope: &mut Scope<'_>, node: &Spanned<wire::Network>) -> Option<Network> {
    let (owner, wire) = (node.mark, &node.value);
    let bridge = scope.required("bridge", &wire.bridge, owner).map(|text| text.0);
    let subnet = scope.required("subnet", &wire.subnet, owner);
    let range = scope.required("addresses", &wire.addresses, owner);
    let gateway = scope.optional("gateway", &wire.gateway);
    if let Some(bridge) = &bridge
        && !is_interface(bridge)
    {
        scope.error(
            mark_or(&wire.bridge, owner),
            format!(
                "bridge: {bridge:?} is not an interface name: expected at most {MAX_INTERFACE_NAME} \
                 characters without spaces and slashes"
            ),
        );
    }
    let vip = scope.optional("vip", &wire.vip);
    let (subnet, range) = (subnet?, range?);
    range_in_subnet(scope, wire, subnet, range);
    let single = [
        ("gateway", gateway, mark_or(&wire.gateway, owner)),
        ("vip", vip, mark_or(&wire.vip, owner)),
    ];
    for (field, address, mark) in single {
        if let Some(Address(address)) = address {
            beside_range(scope, (field, address, mark), subnet, range);
        }
    }
    if let (Some(Address(gateway)), Some(Address(vip))) = (gateway, vip)
        && gateway == vip
    {
        scope.error_with(
            mark_or(&wire.vip, owner),
            format!("vip: {vip} is the gateway's address"),
            "choose an unused address".to_owned(),
        );
    }
    Some(Network {
        bridge: bridge?,
        subnet: subnet.address,
        prefix: subnet.prefix,
        first: range.first,
        last: range.last,
        gateway: gateway.map(|address| address.0),
        vip: vip.map(|address| address.0),
    })
}

/// The bridge that flat hosts have.
pub(super) fn bridge(spec: &wire::SpecFile) -> Option<String> {
    let at = spec.network.as_ref()?.value.bridge.as_ref()?;
    at.value.as_ref().ok().map(|text| text.0.clone())
}

/// An address of one machine lies in the subnet, where no instance may take it.
fn beside_range(
    scope: &mut Scope<'_>,
    (field, address, mark): (&str, Ipv4Addr, Mark),
    subnet: Subnet,
    range: AddressRange,
) {
    let AddressRange { first, last } = range;
    if !subnet.has_host(address) {
        let (network, prefix) = (subnet.address, subnet.prefix);
        scope.error(mark, format!("{field}: {address} is not an address in {network}/{prefix}"));
    } else if (first..=last).contains(&address) {
        scope.error_with(
            mark,
            format!("{field}: {address} lies in the instances' range {first}-{last}"),
            format!("an instance would take the {field}'s address; shorten `addresses`"),
        );
    }
}

/// There must be an address for each machine that is certain to come: a range
/// that is too small is found before anything is solved.
pub(super) fn has_room(
    scope: &mut Scope<'_>,
    spec: &wire::SpecFile,
    network: &Network,
    services: &[Service],
    vms: &[FixedVm],
    policy: &Policy,
) {
    let Some(at) = spec.network.as_ref().and_then(|node| node.value.addresses.as_ref()) else {
        return;
    };
    let has = u64::from(u32::from(network.last).saturating_sub(u32::from(network.first))) + 1;
    let instances: u64 =
        services.iter().map(|service| fewest(service.engine.cluster(), policy.survives())).sum();
    let machines: u64 = vms.iter().map(|vm| u64::from(vm.count)).sum();
    let needs = instances + machines;
    if has < needs {
        scope.error_with(
            at.mark,
            format!(
                "addresses: {}-{} are {}; the services need at least {instances} and the vms \
                 {machines}",
                network.first,
                network.last,
                counted_addresses(has)
            ),
            format!("widen the range to {needs} or more"),
        );
    }
}

fn counted_addresses(count: u64) -> String {
    if count == 1 { "1 address".to_owned() } else { format!("{count} addresses") }
}

/// Fewest instances that a service can have, whatever is asked: the masters or
/// voters of a majority, and a second one of each where losses are survived.
const fn fewest(cluster: Cluster, survives: bool) -> u64 {
    match (cluster, survives) {
        (Cluster::Sharded, true) => 6,
        (Cluster::Quorum, true) => 3,
        (Cluster::PrimaryReplica | Cluster::Pool | Cluster::GatewayPair, true) => 2,
        (_, false) => 1,
    }
}

/// Whether Linux takes it as the name of an interface.
pub(super) fn is_interface(name: &str) -> bool {
    (1..=MAX_INTERFACE_NAME).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c.is_whitespace() || c == '/' || c == ':')
}

fn range_in_subnet(
    scope: &mut Scope<'_>,
    wire: &wire::Network,
    subnet: Subnet,
    range: AddressRange,
) {
    let Some(at) = &wire.addresses else { return };
    for address in [range.first, range.last] {
        if !subnet.has_host(address) {
            let (network, prefix) = (subnet.address, subnet.prefix);
            let why = if address == network {
                format!("is the address of the subnet {network}/{prefix} itself")
            } else if address == subnet.broadcast() {
                format!("is the broadcast address of {network}/{prefix}")
            } else {
                format!("is outside the subnet {network}/{prefix}")
            };
            scope.error(at.mark, format!("addresses: {address} {why}"));
            return;
        }
    }
}
