//! A spec in wire form to a [`Spec`]: what must be there, what agrees with
//! what.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::check_across;
use super::check_host::{self, FoundHost};
use super::check_image::{self, FoundImage};
use super::check_network;
use super::check_service;
use super::problem::{Mark, Place, Problem, nearest};
use super::scalar::{Survive, mark_of};
use super::scope::{Scope, mark_or};
use super::wire;
use crate::spec::{Policy, Spec};
use crate::topology::{Host, Level, Topology};

/// A spec's files, read and parsed.
pub(super) struct Sources {
    /// Name of the spec file.
    pub file: String,
    /// The spec file.
    pub spec: Spanned<wire::SpecFile>,
    /// Hosts, inline or included, each with its file.
    pub hosts: Vec<(String, Spanned<wire::Host>)>,
    /// The image with its file and the directory that its paths start from.
    pub image: Option<FoundImage>,
    /// Whether a host or image file could not be parsed, so that a thing that
    /// seems missing may only be unread.
    pub incomplete: bool,
}

/// The spec, if nothing was wrong with it; else what is wrong stands in
/// `problems`.
pub(super) fn spec(sources: &Sources, problems: &mut Vec<Problem>) -> Option<Spec> {
    let hosts = hosts(sources, problems);
    let mut scope = Scope { file: &sources.file, problems };
    let top = mark_of(&sources.spec);
    let wire = &sources.spec.value;
    let name = scope.required("name", &wire.name, top);
    let survive = wire
        .policy
        .as_ref()
        .and_then(|policy| scope.optional("policy.survive", &policy.survive))
        .unwrap_or(Survive(Some(Level::Host)));
    let network = match &wire.network {
        Some(network) => {
            let mark = mark_or(&network.value.bridge, mark_of(network));
            let checked = check_network::network(&mut scope, network);
            if let Some(checked) = &checked {
                bridge_is_somewhere(&mut scope, mark, &checked.bridge, &hosts);
            }
            checked
        }
        None => {
            scope.missing("network", top);
            None
        }
    };
    let (services, vms) = check_service::services_and_vms(&mut scope, top, wire);
    check_across::labels(&mut scope, sources, survive.0, &hosts);
    let engines: Vec<&str> = services.iter().map(|service| service.engine.as_str()).collect();
    let image =
        sources.image.as_ref().and_then(|found| check_image::image(found, &engines, problems));
    let size = image.as_ref().map(|image| image.virtual_size_mib);
    check_across::roots(&mut Scope { file: &sources.file, problems }, sources, size);
    if !problems.is_empty() {
        return None;
    }
    Some(Spec {
        name: name?,
        policy: survive.0.map_or_else(Policy::nothing, Policy::surviving),
        network: Some(network?),
        image,
        topology: Topology::new(hosts),
        services,
        vms,
    })
}

fn hosts(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<Host> {
    let found: Vec<FoundHost> = sources
        .hosts
        .iter()
        .filter_map(|(file, host)| check_host::host(&mut Scope { file, problems }, host))
        .collect();
    if sources.hosts.is_empty() && !sources.incomplete {
        let mark = mark_of(&sources.spec);
        Scope { file: &sources.file, problems }.wrong_with(
            mark,
            "there are no hosts",
            "`hostsplit discover URI` writes host files; name them as `hosts: [{ include: hosts/*.yaml }]`"
                .to_owned(),
        );
    }
    twice(&found, problems);
    found.into_iter().map(|found| found.host).collect()
}

/// Two hosts of one name, or two names for one host.
fn twice(found: &[FoundHost], problems: &mut Vec<Problem>) {
    let mut names: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut uris: BTreeMap<&str, (&str, &Place)> = BTreeMap::new();
    for FoundHost { host, name_at, uri_at } in found {
        let name = host.name.as_str();
        if let Some(first) = names.insert(name, name_at) {
            let message = format!("name: the host {name:?} stands already at {first}");
            problems.push(Problem { place: name_at.clone(), message, hint: None });
            continue;
        }
        if let Some(uri) = &host.uri
            && let Some((other, first)) = uris.insert(uri, (name, uri_at))
        {
            let message = format!("uri: {uri:?} is also the uri of the host {other:?} at {first}");
            let hint = Some("its cores and memory would be given out twice".to_owned());
            problems.push(Problem { place: uri_at.clone(), message, hint });
        }
    }
}

/// A bridge that no host has is a slip of the pen.
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
    scope.wrong_with(mark, format!("bridge: no host has the bridge {bridge:?}"), hint);
}
