//! What runs against what was planned: libvirt's word, the guest's own word, the
//! cluster's, and a value written and read through every group.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Site;
use crate::engine::{EngineError, Guest, Guests, Mismatch, Probe, engine_for};
use crate::graph::owned_domain;
use crate::hypervisor::Domain;
use crate::ids::ServiceName;
use crate::plan::{Instance, Plan, ServicePlan};
use crate::render;
use crate::state::world::{Seen, World};

/// How long a command that only reads may take in an emulated guest.
const READ: Duration = Duration::from_secs(60);
/// Share of its memory that a guest must see, in percent: its kernel keeps the
/// rest for itself.
const GUEST_MEMORY: u64 = 85;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a verification may have failed"]
pub struct Verification {
    /// Facts that were compared.
    pub checks: usize,
    /// Those that differ, in the order of the plan.
    pub mismatches: Vec<Mismatch>,
    /// Writes and reads, by service.
    pub probes: Vec<(ServiceName, Probe)>,
    /// Clusters that could not be judged, with the reason.
    pub unjudged: Vec<(ServiceName, String)>,
}

impl Verification {
    /// Whether everything is as planned and every probe came through.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.mismatches.is_empty()
            && self.unjudged.is_empty()
            && self.probes.iter().all(|(_, probe)| probe.failure.is_none())
    }
}

/// Compares all instances and clusters with the plan. Works on a world that was
/// just observed.
pub fn verify(site: &Site<'_>, world: &World) -> Verification {
    let mut found = Verification::default();
    for instance in &site.plan.instances {
        let mut facts = Facts { instance, found: &mut found };
        match world.hosts.get(&instance.host) {
            Some(Seen::Reached(view)) => match owned_domain(site.plan, view, instance) {
                Some(domain) => {
                    facts.of_domain(site.plan, domain);
                    if domain.active {
                        facts.of_guest(site.guest(&instance.name));
                    }
                }
                None => facts.same("domain", &"defined", &"missing"),
            },
            _ => facts.same("host", &"reachable", &"unreachable"),
        }
    }
    for service in &site.plan.services {
        of_service(site, service, &mut found);
    }
    found
}

struct Facts<'a> {
    instance: &'a Instance,
    found: &'a mut Verification,
}

impl Facts<'_> {
    fn same<T: ToString + ?Sized>(&mut self, what: &str, planned: &T, found: &T) {
        self.found.checks += 1;
        let (planned, found) = (planned.to_string(), found.to_string());
        if planned != found {
            self.differs(what, planned, found);
        }
    }

    fn differs(&mut self, what: &str, planned: String, found: String) {
        let instance = self.instance.name.clone();
        self.found.mismatches.push(Mismatch { instance, what: what.to_owned(), planned, found });
    }

    fn of_domain(&mut self, plan: &Plan, domain: &Domain) {
        let instance = self.instance;
        let digest = domain.owner.as_ref().map_or("none", |owner| owner.digest.as_str());
        self.same("digest", render::instance_digest(plan, instance).as_str(), digest);
        self.same("state", "running", if domain.active { "running" } else { "off" });
        let pins = instance.cpus.iter().map(|cpu| vec![*cpu]).collect::<Vec<_>>();
        self.same("vCPU pins", &pin_list(&pins), &pin_list(&domain.vcpu_pins));
        let emulator = cpu_set(&instance.emulator_cpus);
        self.same("emulator pins", &emulator, &cpu_set(&domain.emulator_pins));
        let planned = format!("{} KiB", instance.memory_mib.kib());
        self.same("memory", &planned, &format!("{} KiB", domain.memory_kib));
        self.same(
            "NUMA nodes of its memory",
            &cpu_set(&[instance.numa]),
            &cpu_set(&domain.memory_nodes),
        );
        self.same("NUMA binding", "strict", if domain.memory_strict { "strict" } else { "loose" });
    }

    /// What the guest itself sees of CPUs and memory.
    fn of_guest(&mut self, guest: Result<Guest<'_>, EngineError>) {
        let seen = guest.and_then(|guest| {
            let cpus = guest.run_ok(&["nproc"], READ)?;
            Ok((cpus, guest.run_ok(&["cat", "/proc/meminfo"], READ)?))
        });
        let (cpus, meminfo) = match seen {
            Ok(seen) => seen,
            Err(error) => {
                self.found.checks += 1;
                return self.differs("guest", "answering".to_owned(), error.to_string());
            }
        };
        let planned = self.instance.cpus.len().to_string();
        self.same("CPUs in the guest", planned.as_str(), cpus.trim());
        self.found.checks += 1;
        let planned = self.instance.memory_mib.kib();
        let least = planned / 100 * GUEST_MEMORY;
        match mem_total(&meminfo) {
            Some(seen) if (least..=planned).contains(&seen) => {}
            seen => {
                let found = seen.map_or("unknown".to_owned(), |seen| format!("{seen} KiB"));
                let planned = format!("{least} to {planned} KiB");
                self.differs("memory in the guest", planned, found);
            }
        }
    }
}

/// `MemTotal` of `/proc/meminfo`, in KiB.
fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn pin_list(pins: &[Vec<u32>]) -> String {
    let texts: Vec<String> = pins.iter().map(|cpus| cpu_set(cpus)).collect();
    texts.join(" ")
}

fn cpu_set(cpus: &[u32]) -> String {
    let sorted: BTreeSet<u32> = cpus.iter().copied().collect();
    let texts: Vec<String> = sorted.iter().map(u32::to_string).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(",") }
}

fn of_service(site: &Site<'_>, service: &ServicePlan, found: &mut Verification) {
    let engine = engine_for(&service.demand);
    found.checks += service.layout.instances() as usize;
    match engine.check(site, service, site.plan) {
        Ok(mismatches) => found.mismatches.extend(mismatches),
        Err(error) => found.unjudged.push((service.name.clone(), error.to_string())),
    }
    match engine.probe(site, service, site.plan) {
        Ok(probes) => {
            found.probes.extend(probes.into_iter().map(|probe| (service.name.clone(), probe)));
        }
        Err(error) => found.unjudged.push((service.name.clone(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_much_memory_there_is() {
        assert_eq!(mem_total("MemFree: 1 kB\nMemTotal:  489364 kB\n"), Some(489_364));
        assert_eq!(mem_total("MemTotal: much"), None);
    }

    #[test]
    fn pins_are_shown_by_virtual_cpu() {
        assert_eq!(pin_list(&[vec![3], vec![5, 4], vec![]]), "3 4,5 none");
    }
}
