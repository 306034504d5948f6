//! `services:`: names, engines, and the gateways in front of them.

use std::collections::BTreeSet;

use super::access::{self, access};
use super::any_demand;
use super::certificate;
use super::demand;
use super::failover;
use super::gateway::{self, OwnDemand, Unresolved};
use super::host_list;
use super::names::Names;
use super::{ports, serve};
use crate::ids::ServiceName;
use crate::spec::diagnostic::{Diagnostics, Mark, alternatives};
use crate::spec::read::certified::FoundChain;
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::read::sources::Sources;
use crate::spec::wire;
use crate::spec::{Cluster, Demand, Engine, HostSet, Serve, Service, Tls};

/// The services that are right, in the order of the spec.
pub(super) fn services(
    sources: &Sources,
    names: &mut Names,
    diagnostics: &mut Diagnostics,
) -> Vec<Service> {
    let before = diagnostics.len();
    let mut found = Vec::new();
    for (index, (file, node)) in sources.services.iter().enumerate() {
        let read =
            Read { served: sources.served.get(&index), chain: sources.certified.get(&index) };
        found.extend(service(&mut Scope { file, diagnostics }, node, &read, names));
    }
    let complete = diagnostics.len() == before && !sources.incomplete;
    let written = written(sources);
    gateway::unknown(&found, written.as_ref(), diagnostics);
    certificate::unseen(&found, diagnostics);
    serve::targets(&found, written.as_ref(), diagnostics);
    ports::of_database(&found, diagnostics);
    ports::collisions(&found, diagnostics);
    gateway::resolve(found, complete, diagnostics)
}

/// The names of all services, also of those that have an error; `None` if one
/// cannot be read.
fn written(sources: &Sources) -> Option<BTreeSet<&ServiceName>> {
    let nodes = sources.services.iter().map(|(_, node)| node.value.name.as_ref());
    let names: Option<_> = nodes.map(|name| name.and_then(|at| at.value.as_ref().ok())).collect();
    names.filter(|_| !sources.incomplete)
}

/// What was read out of files of a service.
struct Read<'a> {
    served: Option<&'a Serve>,
    chain: Option<&'a FoundChain>,
}

fn service(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::Service>,
    read: &Read<'_>,
    names: &mut Names,
) -> Option<Unresolved> {
    let (owner, wire) = (node.mark, &node.value);
    let name = scope.required("name", &wire.name, owner);
    if let Some(name) = &name {
        names.claim(scope, name, mark_or(&wire.name, owner));
    }
    let engine = scope.required("engine", &wire.engine, owner);
    let gateway = scope.optional("gateway", &wire.gateway);
    let Some(engine) = engine else {
        any_demand::demand(scope, wire.demand.as_ref());
        access::of_any_engine(scope, wire);
        scope.optional("failover", &wire.failover);
        if let Some(node) = &wire.serve {
            serve::of_any_engine(scope, node);
        }
        if let Some(node) = &wire.certificate {
            certificate::of_any_engine(scope, node);
        }
        return None;
    };
    let (demand, own) = if engine.cluster() == Cluster::GatewayPair {
        let own = gateway::own(scope, engine, wire.demand.as_ref());
        (own.is_some().then(gateway::none), own.unwrap_or_default())
    } else {
        let demand = demand::demand(scope, engine, wire.demand.as_ref(), owner);
        (demand, OwnDemand::default())
    };
    let misplaced = wire.gateway.as_ref().filter(|_| !engine.cluster().is_behind_gateways());
    if let Some(at) = misplaced {
        scope.error_with(
            at.mark,
            format!("gateway: not supported for {engine}"),
            match engine.cluster() {
                Cluster::Sharded => {
                    "remove it: its clients reach each instance themselves, which has its own \
                     part of the data; a plan names addresses at which they begin"
                        .to_owned()
                }
                _ => format!("remove it; supported for {}", demand::behind_gateways()),
            },
        );
    }
    let prefer = prefer(scope, engine, wire);
    let access = access(scope, engine, wire);
    let serve = serve::serve(scope, engine, wire.serve.as_ref(), read.served);
    let certificate = certificate::own(scope, engine, wire.certificate.as_ref(), read.chain);
    let place = |mark: Option<Mark>| scope.place(mark.unwrap_or(owner));
    let at = place(wire.gateway.as_ref().map(|at| at.mark));
    let serve_at = place(wire.serve.as_ref().map(|node| node.mark));
    let port_at = place(wire.port.as_ref().map(|at| at.mark));
    let certificate_at = place(wire.certificate.as_ref().map(|node| node.mark));
    let failover = failover::of(scope, engine, wire.failover.as_ref());
    let (mut demand, mut access) = (demand?, access?);
    if let Demand::PrimaryReplica(demand) = &mut demand {
        demand.failover = failover?;
    }
    if demand.ends_tls() || own.tls {
        access.tls = Tls::On;
    }
    access.certificate = certificate;
    let service = Service { name: name?, engine, demand, gateway, access, serve: serve?, prefer };
    misplaced.is_none().then_some(Unresolved {
        service,
        own,
        at,
        serve_at,
        port_at,
        certificate_at,
    })
}

/// Kinds of cluster of which some instances lead.
const LED: [Cluster; 3] = [Cluster::Sharded, Cluster::PrimaryReplica, Cluster::GatewayPair];

/// Where the instances are preferred that lead.
fn prefer(scope: &mut Scope<'_>, engine: Engine, wire: &wire::Service) -> Vec<HostSet> {
    if let Some(list) = wire.prefer.as_ref().filter(|_| !LED.contains(&engine.cluster())) {
        let led: Vec<&str> =
            LED.into_iter().flat_map(Engine::forming).map(Engine::as_str).collect();
        scope.error_with(
            list.mark,
            format!("prefer: not supported for {engine}, of which no instance leads"),
            format!("remove it; supported for {}", alternatives(&led)),
        );
    }
    host_list::sets(scope, "prefer", &wire.prefer)
}
