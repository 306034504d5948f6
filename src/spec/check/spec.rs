//! A spec in wire form to a [`Spec`]: what must be there, what agrees with
//! what.

use std::collections::{BTreeMap, BTreeSet};

use super::across;
use super::failover;
use super::host::{self, FoundHost};
use super::host_list;
use super::image;
use super::names::Names;
use super::neighbours;
use super::network;
use super::policy;
use super::profile;
use super::service;
use super::vip;
use super::vms;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark, Place, nearest};
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::read::sources::Sources;
use crate::spec::wire;
use crate::spec::{Network, Spec};
use crate::topology::{Host, Topology};

/// Checks a spec. Errors go to `diagnostics`; with any, there is no spec.
pub(in crate::spec) fn spec(sources: &Sources, diagnostics: &mut Diagnostics) -> Option<Spec> {
    let wire = &sources.spec.value;
    let top = sources.spec.mark;
    let bridge = network::bridge(wire);
    let before = diagnostics.len();
    let hosts = hosts(sources, bridge.as_deref(), diagnostics);
    let hosts_known = diagnostics.len() == before && !sources.incomplete;
    let mut names = Names::default();
    let services = service::services(sources, &mut names, diagnostics);
    let vms = vms::vms(sources, &mut names, diagnostics);
    let mut scope = Scope { file: &sources.file, diagnostics };
    let name = scope.required("name", &wire.name, top);
    if sources.services.is_empty() && sources.vms.is_empty() && !sources.incomplete {
        scope.error_with(
            top,
            "there is nothing to plan: neither services nor vms",
            "name what the hosts are for, as `services:` or `vms:`".to_owned(),
        );
    }
    let policy = policy::policy(&mut scope, wire, &hosts);
    let network = network(&mut scope, sources, hosts_known.then_some(&hosts));
    if let Some(network) = &network {
        vip::vips(sources, network, scope.diagnostics);
        network::has_room(&mut scope, wire, network, &services, &vms, &policy);
    }
    across::labels(sources, &hosts, diagnostics);
    neighbours::known(sources, diagnostics);
    if hosts_known {
        failover::has_room(sources, &policy, &hosts, diagnostics);
        host_list::known(sources, &hosts, &vms, diagnostics);
    }
    let engines: Vec<&str> = services.iter().map(|service| service.engine.as_str()).collect();
    let image = sources.image.as_ref().and_then(|found| image::image(found, &engines, diagnostics));
    let size = image.as_ref().map(|image| image.virtual_size_mib);
    across::roots(sources, size, diagnostics);
    let profiles = profile::profiles(sources, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    Some(Spec {
        name: name?,
        policy,
        network,
        image,
        profiles,
        topology: Topology::new(hosts),
        services,
        vms,
        drained: BTreeSet::new(),
    })
}

/// The network, which only fixed machines can do without. `hosts` are given if all
/// are known.
fn network(scope: &mut Scope<'_>, sources: &Sources, hosts: Option<&Vec<Host>>) -> Option<Network> {
    let Some(node) = &sources.spec.value.network else {
        if !sources.services.is_empty() {
            let hint = "services have addresses: `network: { bridge: br0, subnet: 10.20.0.0/24, \
                        addresses: 10.20.0.50-10.20.0.199 }`";
            scope.missing_with("network", sources.spec.mark, hint.to_owned());
        }
        return None;
    };
    let mark = mark_or(&node.value.bridge, node.mark);
    let network = network::network(scope, node)?;
    if let Some(hosts) = hosts {
        bridge_is_somewhere(scope, mark, &network.bridge, hosts);
    }
    let needs_one =
        |service: &Spanned<wire::Service>| vip::is_gateway(service) && service.value.vip.is_none();
    if network.vip.is_none() && sources.services.iter().any(|(_, service)| needs_one(service)) {
        let hint = "a gateway has an address that moves with its active instance: \
                    `vip: 10.20.0.10`, in the subnet and outside `addresses`";
        scope.missing_with("vip", node.mark, hint.to_owned());
    }
    Some(network)
}

fn hosts(sources: &Sources, bridge: Option<&str>, diagnostics: &mut Diagnostics) -> Vec<Host> {
    let found: Vec<FoundHost> = sources
        .hosts
        .iter()
        .flat_map(|(file, host)| host::host(&mut Scope { file, diagnostics }, host, bridge))
        .collect();
    if sources.hosts.is_empty() && !sources.incomplete {
        let mark = sources.spec.mark;
        Scope { file: &sources.file, diagnostics }.error_with(
            mark,
            "there are no hosts",
            "`hostsplit discover URI` writes host files; name them as `hosts: [{ include: hosts/*.yaml }]`"
                .to_owned(),
        );
    }
    duplicate(&found, diagnostics);
    found.into_iter().filter_map(|found| found.host).collect()
}

/// Two hosts of one name, or two names for one host.
fn duplicate(found: &[FoundHost], diagnostics: &mut Diagnostics) {
    let mut names: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut uris: BTreeMap<&str, (&str, &Place)> = BTreeMap::new();
    for FoundHost { name, name_at, uri, uri_at, .. } in found {
        let name = name.as_str();
        if let Some(first) = names.insert(name, name_at) {
            let message = format!("duplicate host name {name:?}, first defined at {first}");
            diagnostics.push(Diagnostic { place: name_at.clone(), message, hint: None });
            continue;
        }
        if let Some(uri) = uri
            && let Some((other, first)) = uris.insert(uri, (name, uri_at))
        {
            let message = format!("uri: {uri:?} is also the uri of the host {other:?} at {first}");
            let hint = Some("its cores and memory would be given out twice".to_owned());
            diagnostics.push(Diagnostic { place: uri_at.clone(), message, hint });
        }
    }
}

/// Reports a bridge that no host has.
fn bridge_is_somewhere(scope: &mut Scope<'_>, mark: Mark, bridge: &str, hosts: &[Host]) {
    let known: Vec<&str> =
        hosts.iter().flat_map(|host| &host.bridges).map(String::as_str).collect();
    if hosts.is_empty() || known.contains(&bridge) {
        return;
    }
    let hint = match nearest(bridge, &known) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "add it to `bridges:` of the hosts that have it".to_owned(),
    };
    scope.error_with(mark, format!("bridge: no host has the bridge {bridge:?}"), hint);
}
