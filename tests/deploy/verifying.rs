//! A verification: what it finds, and what it costs the guests.

use std::time::Duration;

use hostsplit::deploy::{Verification, verify};
use hostsplit::engine::load::Verdict;
use hostsplit::hypervisor::clock::Clock;
use hostsplit::ids::HostName;
use hostsplit::plan::Plan;
use hostsplit::simulated::SimulatedWorld;
use hostsplit::topology::Virtualization;
use hostsplit::units::PerSecond;

use crate::clients::{in_guest, redis};
use crate::fixture::{Purpose, connected, open, plan, run, secrets};

/// Verifies; also the processes that it started in guests.
pub fn verified(plan: &Plan, world: &SimulatedWorld, load: bool) -> (Verification, usize) {
    connected(plan, world, &secrets(), |context| {
        let before = world.log().len();
        let found = verify(context, load);
        (found, world.log().len() - before)
    })
}

#[test]
fn a_healthy_deployment_costs_one_process_an_instance_and_one_a_group() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let (found, processes) = verified(&plan, &world, false);
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
    let (found, _) = verified(&plan, &world, false);
    assert!(!found.is_ok());
    let lost = found.differences.iter().filter(|one| one.found == "unreachable").count();
    assert_eq!(lost, 2, "{found:?}");
    assert!(found.probes.iter().any(|(_, probe)| probe.failure.is_some()), "{found:?}");
}

#[test]
fn another_machine_at_an_address_of_ours_is_found_by_a_neighbour() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let table = |mac: &str| format!("10.20.0.12  0x1  0x2  {mac}  *  eth0\n");
    let of_cache_2 = &plan.instances.iter().find(|one| one.name.as_str() == "cache-2").unwrap().mac;
    world.put_file("shop-cache-1", "/proc/net/arp", &table(&of_cache_2.to_uppercase()));
    assert!(verified(&plan, &world, false).0.is_ok());
    world.put_file("shop-cache-1", "/proc/net/arp", &table("02:42:ac:11:00:02"));
    let (found, _) = verified(&plan, &world, false);
    let told: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    let expected = format!(
        "cache-2: machine at 10.20.0.12 is 02:42:ac:11:00:02 (seen from cache-1), planned {of_cache_2}"
    );
    assert_eq!(told, [expected]);
    // A router that answers for everybody.
    let more = "10.20.0.11  0x1  0x2  02:42:ac:11:00:02  *  eth0\n";
    let table = table("02:42:ac:11:00:02") + more;
    world.put_file("shop-cache-1", "/proc/net/arp", &table);
    assert!(verified(&plan, &world, false).0.is_ok());
}

#[test]
fn pages_and_caches_are_attested() {
    let (mut plan, state) = (plan(), tempfile::tempdir().unwrap());
    for host in &mut plan.topology.hosts {
        host.hypervisor = Virtualization::Kvm;
        host.numa[0].l3[0].size_kib = Some(32 << 10);
    }
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    assert!(verified(&plan, &world, false).0.is_ok());

    let cache = "/sys/devices/system/cpu/cpu0/cache/index3/size";
    world.put_file("shop-cache-1", cache, "16384K\n");
    let host = open(&plan, &world, "h1");
    let own = host.domains().unwrap().into_iter().find(|one| one.name == "shop-cache-0").unwrap();
    let xml = own.definition.xml;
    assert!(!xml.contains("hugepages"), "{xml}");
    let huge = "<memoryBacking><hugepages><page size=\"2\" unit=\"MiB\"/></hugepages>";
    host.define(&xml.replace("<memoryBacking>", huge)).unwrap();
    let (found, _) = verified(&plan, &world, false);
    let told: Vec<String> = found.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "cache-0: page size at the next boot is 2048 KiB, planned 4 KiB",
            "cache-1: L3 cache in the guest is 16384 KiB, planned 32768 KiB",
        ]
    );
}

#[test]
fn a_load_is_set_beside_the_promise_unless_the_hosts_emulate() {
    let (mut plan, state) = (plan(), tempfile::tempdir().unwrap());
    plan.services[0].capacity.usable_per_s = PerSecond::new(50_000);
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let (found, _) = verified(&plan, &world, true);
    assert!(found.is_ok(), "{found:?}");
    assert!(found.loads.iter().all(|one| one.verdict.is_none()), "{found:?}");

    for host in &mut plan.topology.hosts {
        host.hypervisor = Virtualization::Kvm;
    }
    let verdicts = |rate| {
        world.set_rate(rate);
        let (found, _) = verified(&plan, &world, true);
        let all: Vec<_> = found.loads.into_iter().filter_map(|one| one.verdict).collect();
        assert_eq!(all.len(), 3);
        all
    };
    assert!(verdicts(60_000).iter().all(|one| *one == Verdict::Kept));
    assert!(verdicts(10_000).iter().all(|one| matches!(one, Verdict::Short(_))));
}

#[test]
fn a_group_that_takes_no_value_gets_no_load() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    world.power_cut(&HostName::new("h2").unwrap());
    let (found, _) = verified(&plan, &world, true);
    assert!(found.loads.is_empty() && !found.is_ok());
}

#[test]
fn after_a_hand_over_the_load_goes_to_the_present_lead() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let (master, replica) = (&plan.instances[0], &plan.instances[1]);
    assert_eq!(redis(&world, &plan, replica, &["CLUSTER", "FAILOVER"]), "OK\n");
    let (found, _) = verified(&plan, &world, true);
    assert_eq!(found.loads.len(), 3, "{found:?}");
    assert!(found.loads.iter().all(|one| one.load.outcome.is_ok()), "{:?}", found.loads);
    assert!(found.loads.iter().any(|one| one.load.at == replica.name), "{:?}", found.loads);
    assert!(found.loads.iter().all(|one| one.load.at != master.name), "{:?}", found.loads);
}

#[test]
fn a_group_is_probed_from_an_instance_that_is_in_step() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let lead = plan.instance(&plan.services[0].groups[1].lead).unwrap();
    let usually = verified(&plan, &world, false).0.probes;
    assert!(usually.iter().any(|(_, probe)| probe.via == lead.name), "{usually:?}");
    in_guest(&world, &plan, lead, &["systemctl", "stop", "redis-server"]);
    world.clock().wait(Duration::from_secs(60));
    let (found, _) = verified(&plan, &world, false);
    assert!(!found.is_ok());
    assert_eq!(found.probes.len(), 3);
    assert!(found.probes.iter().all(|(_, probe)| probe.failure.is_none()), "{:?}", found.probes);
    assert!(found.probes.iter().all(|(_, probe)| probe.via != lead.name), "{:?}", found.probes);
}
