//! Addresses of gateways: in the subnet, where no instance may take them, and once each.

use std::collections::BTreeMap;

use crate::spec::diagnostic::Diagnostics;
use crate::spec::read::address::Address;
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::read::sources::Sources;
use crate::spec::wire;
use crate::spec::{Cluster, Network};

/// Whether a service is a gateway, as far as its engine is known.
pub(super) fn is_gateway(service: &Spanned<wire::Service>) -> bool {
    let engine = service.value.engine.as_ref().and_then(|at| at.value.as_ref().ok());
    engine.is_some_and(|engine| engine.cluster() == Cluster::GatewayPair)
}

/// Reports addresses that gateways cannot have.
pub(super) fn vips(sources: &Sources, network: &Network, diagnostics: &mut Diagnostics) {
    let mut taken = BTreeMap::new();
    for (file, node) in sources.services.iter().filter(|(_, node)| is_gateway(node)) {
        let mut scope = Scope { file, diagnostics };
        let mark = mark_or(&node.value.vip, node.mark);
        let own = node.value.vip.as_ref().and_then(|at| at.value.as_ref().ok());
        let own = own.map(|Address(address)| *address);
        let Some(vip) = own.or(network.vip) else { continue };
        let broadcast = u32::MAX.checked_shr(network.prefix.into()).unwrap_or(0);
        let broadcast = u32::from(network.subnet) | broadcast;
        let is_host = network.contains(vip) && vip != network.subnet && u32::from(vip) != broadcast;
        if own.is_some() && !is_host {
            let (subnet, prefix) = (network.subnet, network.prefix);
            scope.error(mark, format!("vip: {vip} is not an address in {subnet}/{prefix}"));
        } else if own.is_some() && (network.first..=network.last).contains(&vip) {
            let (first, last) = (network.first, network.last);
            let message = format!("vip: {vip} lies in the instances' range {first}-{last}");
            let hint = "an instance would take the vip's address; shorten `addresses`";
            scope.error_with(mark, message, hint.to_owned());
        } else if own.is_some() && network.gateway == Some(vip) {
            let message = format!("vip: {vip} is the gateway's address");
            scope.error_with(mark, message, "choose an unused address".to_owned());
        }
        let name = node.value.name.as_ref().and_then(|at| at.value.as_ref().ok());
        let Some(name) = name else { continue };
        let Some(first) = taken.insert(vip, name) else { continue };
        scope.error_with(
            mark,
            format!(
                "vip: {vip} would be the address of {:?} and of {:?}",
                first.as_str(),
                name.as_str()
            ),
            "give one of them another, in the subnet and outside `addresses`: `vip: 10.20.0.11`"
                .to_owned(),
        );
    }
}
