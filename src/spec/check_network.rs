//! `network:`: the range lies in the subnet, the gateway beside the range.

use serde_saphyr::Spanned;

use super::scalar::{Address, AddressRange, Subnet, mark_of};
use super::scope::{Scope, mark_or};
use super::wire;
use crate::spec::Network;

/// Longest name of a network interface that Linux takes.
const MAX_INTERFACE_NAME: usize = 15;

pub(super) fn network(scope: &mut Scope<'_>, node: &Spanned<wire::Network>) -> Option<Network> {
    let (owner, wire) = (mark_of(node), &node.value);
    let bridge = scope.required("bridge", &wire.bridge, owner).map(|text| text.0);
    let subnet = scope.required("subnet", &wire.subnet, owner);
    let range = scope.required("addresses", &wire.addresses, owner);
    let gateway = scope.optional("gateway", &wire.gateway);
    if let Some(bridge) = &bridge
        && !is_interface(bridge)
    {
        scope.wrong(
            mark_or(&wire.bridge, owner),
            format!(
                "bridge: {bridge:?} is no interface name: expected at most {MAX_INTERFACE_NAME} \
                 characters without spaces and slashes"
            ),
        );
    }
    let (subnet, range) = (subnet?, range?);
    range_in_subnet(scope, wire, subnet, range);
    if let Some(Address(address)) = gateway {
        let mark = mark_or(&wire.gateway, owner);
        if !subnet.has_host(address) {
            scope.wrong(
                mark,
                format!("gateway: {address} is no address in {}/{}", subnet.address, subnet.prefix),
            );
        } else if (range.first..=range.last).contains(&address) {
            scope.wrong_with(
                mark,
                format!(
                    "gateway: {address} lies in the instances' range {}-{}",
                    range.first, range.last
                ),
                "an instance would take the gateway's address; shorten `addresses`".to_owned(),
            );
        }
    }
    Some(Network {
        bridge: bridge?,
        subnet: subnet.address,
        prefix: subnet.prefix,
        first: range.first,
        last: range.last,
        gateway: gateway.map(|address| address.0),
    })
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
            scope.wrong(at.mark, format!("addresses: {address} {why}"));
            return;
        }
    }
}
