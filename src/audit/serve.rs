//! What pools serve and where they listen: what a spec would have been refused without.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use super::text::{is_digest, named};
use super::{Findings, Kind};
use crate::certificate::covers;
use crate::ids::ServiceName;
use crate::plan::{Group, Plan, ServicePlan};
use crate::spec::{
    Cluster, GATEWAY_STATUS_PORT, Health, KeySource, OwnCertificate, Serve, Target, Tls,
    WEB_STATUS_PORT,
};

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    let mut taken: BTreeMap<(&ServiceName, u16), &ServiceName> = BTreeMap::new();
    for service in &plan.services {
        tls(service, findings);
        if let Some(serve) = &service.serve {
            self::serve(plan, service, serve, findings);
        }
        let cluster = service.engine.cluster();
        if let Some(Health { path, expect }) = &service.access.health {
            let is_fine = Health::is_path(path) && expect.is_none_or(Health::is_status);
            if cluster != Cluster::Pool || !is_fine {
                let message = format!("it is asked for {path:?} and {expect:?}, which nobody can");
                findings.add(Kind::Text, &service.name, message);
            }
        }
        if let Some(own) = &service.access.certificate {
            certificate(plan, service, own, findings);
        }
        let mut wrong = |message| findings.add(Kind::Port, &service.name, message);
        let is_passed_on = cluster == Cluster::PrimaryReplica && service.gateway.is_some();
        if let Some(port) = service.access.read_port.filter(|_| !is_passed_on) {
            wrong(format!("port {port} for reads at a gateway, where it is not read"));
        }
        let is_reached_there = matches!(cluster, Cluster::PrimaryReplica | Cluster::Quorum);
        if let Some(port) = service.access.port {
            let is_taken = [0, WEB_STATUS_PORT, GATEWAY_STATUS_PORT].contains(&port);
            if cluster == Cluster::GatewayPair {
                wrong(format!("a gateway at port {port}; it listens at those of its pools"));
            } else if is_reached_there && service.gateway.is_none() {
                wrong(format!("a service at port {port} of a gateway that it has not"));
            } else if cluster == Cluster::Pool && is_taken {
                wrong(format!("port {port} is none that a pool may have"));
            }
        }
        let Some(gateway) = service.gateway.as_ref().and_then(|name| plan.service(name)) else {
            continue;
        };
        let of_group = |group: &Group| {
            let ports = service.access.group_ports(group.index);
            ports.map_or([0, 0], |ports| [ports.writes, ports.reads])
        };
        let ports: Vec<u16> = match cluster {
            Cluster::PrimaryReplica => service.groups.iter().flat_map(of_group).collect(),
            _ => vec![service.access.front_port(&gateway.access)],
        };
        for port in ports {
            if is_passed_on && [0, GATEWAY_STATUS_PORT].contains(&port) {
                wrong(format!("port {port} of the gateway {} is none for clients", gateway.name));
            } else if let Some(first) = taken.insert((&gateway.name, port), &service.name) {
                wrong(format!("port {port} of the gateway {} is that of {first}", gateway.name));
            }
        }
    }
}

/// One that clients see, and by a name that it is for.
fn certificate(plan: &Plan, service: &ServicePlan, own: &OwnCertificate, findings: &mut Findings) {
    let mut wrong =
        |kind, message: &str| findings.add(kind, &service.name, format!("certificate: {message}"));
    let is_web = matches!(service.engine.cluster(), Cluster::Pool | Cluster::GatewayPair);
    if !is_web || !service.access.tls.is_offered() {
        wrong(Kind::Reference, "it ends no TLS by one of its own");
    }
    let gateway = service.gateway.as_ref().and_then(|name| plan.service(name));
    if gateway.is_some_and(|gateway| gateway.access.tls.is_offered()) {
        wrong(Kind::Reference, "its clients see that of the gateway");
    }
    let is_fine = |name: &String| {
        OwnCertificate::is_name(name.strip_prefix("*.").unwrap_or(name)) && own.names.contains(name)
    };
    if !is_digest(&own.sha256) || !OwnCertificate::is_name(&own.name) {
        wrong(Kind::Text, "its digest or its name is none");
    }
    if own.names.is_empty() || !own.names.iter().all(is_fine) || !covers(&own.names, &own.name) {
        wrong(Kind::Text, "it is not for the name by which it is asked");
    }
    let mut texts = vec![("file of a certificate", &own.chain), ("end of one", &own.ends)];
    match &own.key {
        KeySource::File(key) => texts.push(("file of a key", key)),
        KeySource::Environment(key) => texts.push(("variable with a key", key)),
        KeySource::Command(key) if key.is_empty() => texts.push(("command", key)),
        // It is shown before it runs.
        KeySource::Command(_) => {}
    }
    for (what, text) in texts {
        named(&service.name, what, text, findings);
    }
}

/// TLS is work, so it is part of the demand of those that are sized by it.
fn tls(service: &ServicePlan, findings: &mut Findings) {
    let is_web = matches!(service.engine.cluster(), Cluster::Pool | Cluster::GatewayPair);
    let expected = if service.demand.ends_tls() { Tls::On } else { Tls::Off };
    if is_web && service.access.tls != expected {
        let message = "clients are let in with another TLS than its demand counts";
        findings.add(Kind::Reference, &service.name, message);
    }
}

fn serve(plan: &Plan, service: &ServicePlan, serve: &Serve, findings: &mut Findings) {
    let name = &service.name;
    if service.engine.cluster() != Cluster::Pool {
        let message = format!("{} serves nothing of its own", service.engine);
        findings.add(Kind::Reference, name, message);
    }
    match serve {
        Serve::Content { path, sha256, bytes } => {
            named(name, "path of its content", path, findings);
            if !is_digest(sha256) || *bytes == 0 {
                let message = format!(
                    "its content is {bytes} bytes of SHA-256 {sha256:?}; expected some, and 64 \
                     lower-case hexadecimal digits"
                );
                findings.add(Kind::Text, name, message);
            }
        }
        Serve::Proxy { to: Target::Server(server) } => {
            let is_server = |at: SocketAddrV4| at.port() != 0;
            if !server.parse().is_ok_and(is_server) {
                let message = format!("its requests go on to {server:?}; expected ADDRESS:PORT");
                findings.add(Kind::Text, name, message);
            }
        }
        Serve::Proxy { to: Target::Service(to) } => target(plan, service, to, findings),
        Serve::Config { text } => {
            let is_plain = !text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t'));
            if text.len() as u64 > Serve::MOST_CONFIG || !is_plain {
                let message = "its configuration is too long or has control characters";
                findings.add(Kind::Text, name, message);
            }
        }
    }
}

fn target(plan: &Plan, service: &ServicePlan, to: &ServiceName, findings: &mut Findings) {
    let mut wrong = |message| findings.add(Kind::Reference, &service.name, message);
    match plan.service(to) {
        None => wrong(format!("its requests go on to {to}, which is no service of the plan")),
        Some(other) if other.engine.cluster() != Cluster::Pool || other.demand.ends_tls() => {
            wrong(format!("its requests go on to {to}, which takes none without TLS"));
        }
        Some(_) if comes_back(plan, service) => {
            wrong(format!("its requests go on to {to} and come back to it"));
        }
        Some(_) => {}
    }
}

/// Whether requests to a service come back to it.
fn comes_back(plan: &Plan, service: &ServicePlan) -> bool {
    let next = |one: &ServicePlan| match &one.serve {
        Some(Serve::Proxy { to: Target::Service(name) }) => plan.service(name),
        _ => None,
    };
    let mut at = service;
    plan.services.iter().any(|_| match next(at) {
        Some(to) if to.name == service.name => true,
        Some(to) => {
            at = to;
            false
        }
        None => false,
    })
}
