//! Gateways: the demand of one is the sum of the pools, databases and search engines that name it
//! and of what it states itself.

use std::collections::{BTreeMap, BTreeSet};

use super::demand::{
    DEFAULT_RESPONSE, MAX_REQUESTS, RESPONSES, behind_gateways, belongs, engines, field,
};
use crate::ids::ServiceName;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Place, nearest};
use crate::spec::read::form::Wire as _;
use crate::spec::read::scope::Scope;
use crate::spec::wire::{self, RawDemand};
use crate::spec::{Cluster, Demand, Engine, GatewayDemand, Service};
use crate::units::PerSecond;

/// Documents that clients index by one request at least, where there are many: the manual asks for
/// requests of more.
/// <https://www.elastic.co/docs/deploy-manage/production-guidance/optimize-performance/indexing-speed>
const BULK: u64 = 100;
/// Documents that a search is answered with, where it does not ask for another number.
const HITS: u64 = 10;

/// A service before gateways are resolved.
pub(super) struct Unresolved {
    pub service: Service,
    /// What it states itself, if it is a gateway.
    pub own: OwnDemand,
    /// The place of its `gateway:`, else its own.
    pub at: Place,
    /// The place of its `serve:`, else its own.
    pub serve_at: Place,
    /// The place of its `port:`, else its own.
    pub port_at: Place,
    /// The place of its `certificate:`, else its own.
    pub certificate_at: Place,
}

/// What a gateway states itself.
#[derive(Default)]
pub(super) struct OwnDemand {
    requests: PerSecond,
    bytes_per_s: u64,
    pub tls: bool,
}

/// The demand of a gateway before it is resolved.
pub(super) const fn none() -> Demand {
    Demand::GatewayPair(GatewayDemand {
        requests_per_s: PerSecond::ZERO,
        transactions_per_s: PerSecond::ZERO,
        response_bytes_per_s: 0,
        tls: false,
    })
}

/// Reads what a gateway states itself.
pub(super) fn own(
    scope: &mut Scope<'_>,
    engine: Engine,
    asked: Option<&RawDemand>,
) -> Option<OwnDemand> {
    let Some(RawDemand(tree)) = asked else { return Some(OwnDemand::default()) };
    belongs(scope, engine, tree);
    let wire = wire::GatewayDemand::read(scope, &field(engine), tree)?;
    let rates = PerSecond::new(1)..=MAX_REQUESTS;
    let requests = scope.within("requests", &wire.requests, &rates);
    let response = scope.within("response", &wire.response, &RESPONSES);
    let tls = scope.optional("tls", &wire.tls);
    if let (None, Some(at)) = (&wire.requests, &wire.response) {
        scope.error_with(
            at.mark,
            "response: needs `requests` to go with it",
            "the responses of the pools behind the gateway are counted already".to_owned(),
        );
    }
    let requests = requests.unwrap_or(PerSecond::ZERO);
    let response = response.unwrap_or(DEFAULT_RESPONSE);
    let bytes_per_s = requests.get().saturating_mul(response.get());
    Some(OwnDemand { requests, bytes_per_s, tls: tls.unwrap_or(false) })
}

/// The services with the demands of the gateways among them. `complete` says
/// that all services of the spec are here, so that one that is named and not here
/// is nowhere.
pub(super) fn resolve(
    found: Vec<Unresolved>,
    complete: bool,
    diagnostics: &mut Diagnostics,
) -> Vec<Service> {
    let behind = sums(&found);
    let mut services = Vec::new();
    for Unresolved { mut service, own, at, .. } in found {
        if let Demand::GatewayPair(demand) = &mut service.demand {
            let Sum { requests, bytes, transactions } =
                behind.get(&service.name).copied().unwrap_or_default();
            demand.requests_per_s = requests.saturating_add(own.requests);
            demand.transactions_per_s = transactions;
            demand.response_bytes_per_s = bytes.saturating_add(own.bytes_per_s);
            demand.tls = own.tls;
            if demand.passed_on_per_s() == PerSecond::ZERO && complete {
                let name = service.name.as_str();
                diagnostics.push(Diagnostic {
                    place: at,
                    message: format!(
                        "demand: the gateway {name:?} has no demand: no service names it and it \
                         states no requests"
                    ),
                    hint: Some(format!(
                        "write `gateway: {name}` in the {} service behind it, or \
                         `demand: {{ requests: 40k/s }}`",
                        behind_gateways()
                    )),
                });
            }
        }
        services.push(service);
    }
    services
}

/// What is behind a gateway, per second.
#[derive(Clone, Copy, Default)]
struct Sum {
    requests: PerSecond,
    /// Bytes of responses to them.
    bytes: u64,
    transactions: PerSecond,
}

/// What is behind each gateway.
fn sums(found: &[Unresolved]) -> BTreeMap<ServiceName, Sum> {
    let mut sums: BTreeMap<ServiceName, Sum> = BTreeMap::new();
    for Unresolved { service, .. } in found {
        let Some(gateway) = &service.gateway else { continue };
        let sum = sums.entry(gateway.clone()).or_default();
        match &service.demand {
            Demand::Pool(demand) => {
                let bytes = demand.requests_per_s.get().saturating_mul(demand.response_bytes.get());
                sum.requests = sum.requests.saturating_add(demand.requests_per_s);
                sum.bytes = sum.bytes.saturating_add(bytes);
            }
            Demand::PrimaryReplica(demand) => {
                let all = demand.reads_per_s.saturating_add(demand.writes_per_s);
                sum.transactions = sum.transactions.saturating_add(all);
            }
            Demand::Quorum(demand) => {
                let indexed = demand.index_per_s.get();
                let requests = demand.queries_per_s.get().saturating_add(indexed.div_ceil(BULK));
                let hits = demand.queries_per_s.get().saturating_mul(HITS);
                let documents = indexed.saturating_add(hits);
                let bytes = documents.saturating_mul(demand.document_bytes.get());
                sum.requests = sum.requests.saturating_add(PerSecond::new(requests));
                sum.bytes = sum.bytes.saturating_add(bytes);
            }
            Demand::Sharded(_) | Demand::GatewayPair(_) => {}
        }
    }
    sums
}

/// Reports gateways that are not a service, or not one of a gateway pair. `written` has the names of all
/// services; without it one that seems missing may only be unread.
pub(super) fn unknown(
    found: &[Unresolved],
    written: Option<&BTreeSet<&ServiceName>>,
    diagnostics: &mut Diagnostics,
) {
    let is_unread = |name: &ServiceName| written.is_none_or(|names| names.contains(name));
    for service in found {
        let gateway = service.service.gateway.as_ref();
        let is_here = |name: &ServiceName| found.iter().any(|other| other.service.name == *name);
        if gateway.is_some_and(|name| is_here(name) || !is_unread(name)) {
            known(service, found, diagnostics);
        }
    }
}

/// Reports a gateway that is not a service, or not one of a gateway pair.
fn known(behind: &Unresolved, found: &[Unresolved], diagnostics: &mut Diagnostics) {
    let Some(gateway) = &behind.service.gateway else { return };
    let named = found.iter().map(|other| &other.service).find(|other| &other.name == gateway);
    let gateways: Vec<&str> = found
        .iter()
        .filter(|other| other.service.engine.cluster() == Cluster::GatewayPair)
        .map(|other| other.service.name.as_str())
        .collect();
    let message = match named {
        Some(other) if other.engine.cluster() == Cluster::GatewayPair => return,
        Some(other) => format!(
            "gateway: {:?} runs {}; expected a service that runs {}",
            gateway.as_str(),
            other.engine,
            engines(Cluster::GatewayPair)
        ),
        None => format!("gateway: unknown service {:?}", gateway.as_str()),
    };
    let hint = match (nearest(gateway.as_str(), &gateways), gateways.as_slice()) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, []) => {
            let name = if named.is_none() { gateway.as_str() } else { "edge" };
            let engine = Engine::forming(Cluster::GatewayPair).next().map_or("", Engine::as_str);
            format!("add `- {{ name: {name}, engine: {engine} }}` to the services")
        }
        (None, all) => format!("the gateways are {}", all.join(", ")),
    };
    diagnostics.push(Diagnostic { place: behind.at.clone(), message, hint: Some(hint) });
}
