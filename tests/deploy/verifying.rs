//! A verification: what it finds, and what it costs the guests.

use hostsplit::deploy::{Patience, Site, Verification, connect, verify};
use hostsplit::hypervisor::simulated::SimulatedWorld;
use hostsplit::ids::HostName;
use hostsplit::plan::Plan;

use crate::fixture::{Files, Purpose, plan, run};

/// Verifies; also the processes that it started in guests.
fn verified(plan: &Plan, world: &SimulatedWorld) -> (Verification, usize) {
    let (hosts, unreachable) = connect(plan, world);
    let (clock, patience) = (world.clock(), Patience::default());
    let site = Site { plan, hosts: &hosts, clock: &clock, images: &Files, patience };
    let before = world.log().len();
    let found = verify(&site, &unreachable);
    (found, world.log().len() - before)
}

#[test]
fn a_healthy_deployment_costs_one_process_an_instance_and_one_a_group() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let (found, processes) = verified(&plan, &world);
    assert!(found.is_ok(), "{found:?}");
    assert_eq!(found.probes.len(), 3);
    // In emulated guests a process start is what takes the time.
    assert_eq!(processes, 6 + 3);
}

#[test]
fn a_lost_host_is_found_by_all_who_miss_it() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    world.power_cut(&HostName::new("h2").unwrap());
    let (found, _) = verified(&plan, &world);
    assert!(!found.is_ok());
    let lost = found.mismatches.iter().filter(|one| one.found == "unreachable").count();
    assert_eq!(lost, 2, "{found:?}");
    assert!(found.probes.iter().any(|(_, probe)| probe.failure.is_some()), "{found:?}");
}
