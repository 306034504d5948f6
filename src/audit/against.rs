//! Whether a plan is one of a spec: what it carries of the spec and its hosts is what they
//! say now.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::{Finding, Findings, Kind};
use crate::plan::{Plan, ServicePlan};
use crate::spec::{FixedVm, Service, Spec};
use crate::topology::Host;

/// Compares what a plan was made from with a spec: each difference is a finding.
///
/// Hosts that are being emptied are no part of a spec, and while there are any the policy
/// that holds again afterwards is the spec's.
#[must_use]
pub fn against(plan: &Plan, spec: &Spec) -> Vec<Finding> {
    let mut findings = Findings::default();
    // Every field by its name: a new one does not compile until it is compared, or left out.
    let Spec { name, policy, network, image, profiles, topology, services, vms, drained: _ } = spec;
    let planned_policy = plan.policy_when_whole.as_ref().unwrap_or(&plan.policy);
    let whole = [
        ("name", plan.name == *name),
        ("policy", planned_policy == policy),
        ("network", plan.network == *network),
        ("image", plan.image == *image),
        ("profiles", plan.profiles == *profiles),
    ];
    differences(&plan.name, "the spec", &whole, &mut findings);
    let hosts = |hosts: &[Host]| hosts.iter().map(|host| host.name.to_string()).collect();
    let (has, says) = (hosts(&plan.topology.hosts), hosts(&topology.hosts));
    members("host", &has, &says, &mut findings);
    for host in &plan.topology.hosts {
        let Some(other) = topology.host(&host.name) else { continue };
        differences(&host.name, "its host file", &host_fields(host, other), &mut findings);
    }
    let (has, says) = (
        plan.services.iter().map(|service| service.name.to_string()).collect(),
        services.iter().map(|service| service.name.to_string()).collect(),
    );
    members("service", &has, &says, &mut findings);
    for service in services {
        let Some(planned) = plan.service(&service.name) else { continue };
        differences(&service.name, "the spec", &service_fields(planned, service), &mut findings);
    }
    let (has, says) = (
        plan.vms.iter().map(|vm| vm.name.to_string()).collect(),
        vms.iter().map(|vm| vm.name.to_string()).collect(),
    );
    members("entry of vms", &has, &says, &mut findings);
    for vm in vms {
        let Some(planned) = plan.vms.iter().find(|one| one.name == vm.name) else { continue };
        let restart = planned.restart || plan.restart_when_whole.contains(&vm.name);
        let planned = FixedVm { restart, ..planned.clone() };
        differences(
            &vm.name,
            "the spec",
            &[("size, number or rules", planned == *vm)],
            &mut findings,
        );
    }
    findings.sorted()
}

/// Adds the fields of a thing that are not the same.
fn differences(
    subject: &impl Display,
    source: &str,
    fields: &[(&str, bool)],
    findings: &mut Findings,
) {
    for (field, _) in fields.iter().filter(|(_, is_same)| !is_same) {
        let message = format!("its {field} differs from what {source} says");
        findings.add(Kind::Spec, subject, message);
    }
}

/// Adds what only one of both has.
fn members(noun: &str, has: &BTreeSet<String>, says: &BTreeSet<String>, findings: &mut Findings) {
    for name in has.difference(says) {
        findings.add(Kind::Spec, name, format!("the spec has no such {noun}"));
    }
    for name in says.difference(has) {
        findings.add(Kind::Spec, name, format!("the plan has no such {noun}"));
    }
}

fn host_fields(host: &Host, other: &Host) -> [(&'static str, bool); 12] {
    let Host {
        name: _,
        uri,
        hypervisor,
        architecture,
        labels,
        numa,
        pools,
        bridges,
        network_bits_per_s,
        cost,
        fence,
        migration,
        assumed,
    } = other;
    [
        ("URI", host.uri == *uri),
        ("list of assumed fields", host.assumed == *assumed),
        ("hypervisor", host.hypervisor == *hypervisor),
        ("architecture", host.architecture == *architecture),
        ("labels", host.labels == *labels),
        ("CPUs or memory", host.numa == *numa),
        ("pools", host.pools == *pools),
        ("bridges", host.bridges == *bridges),
        ("bandwidth", host.network_bits_per_s == *network_bits_per_s),
        ("cost", host.cost == *cost),
        ("fence", host.fence == *fence),
        ("migration", host.migration == *migration),
    ]
}

fn service_fields(planned: &ServicePlan, service: &Service) -> [(&'static str, bool); 6] {
    let Service { name: _, engine, demand, gateway, access, serve, prefer } = service;
    [
        ("engine", planned.engine == *engine),
        ("demand", planned.demand == *demand),
        ("gateway", planned.gateway == *gateway),
        ("password or TLS", planned.access == *access),
        ("content", planned.serve == *serve),
        ("preferred hosts", planned.prefer == *prefer),
    ]
}
