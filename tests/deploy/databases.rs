//! Databases of a primary and replicas: formed by a write that was acknowledged, changed without
//! losing one, and led by another copy only where a person or the plan says so.

use std::collections::BTreeSet;
use std::path::Path;

use hostsplit::deploy::{Failover, note_lost};
use hostsplit::engine::Fact;
use hostsplit::graph::{ImpactKind, decide};
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::ids::{HostName, InstanceName, ServiceName};
use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::recipe::Credentials;
use hostsplit::secret::{Identity, Secret, Secrets};
use hostsplit::simulated::{Client, Mode, Presence, Server, SimulatedWorld};
use hostsplit::spec::{Demand, Engine, FailoverMode, Policy, RelationalDemand, Spec, Tls};
use hostsplit::state::world::Places;
use hostsplit::topology::Level;
use hostsplit::units::{Mebibytes, PerSecond};

use crate::fixture::{
    self, Purpose, assert_planned, connected, look, reasons, resumed_at_every, run, starts,
};
use crate::orders::{
    ENGINES, assert_read_only, client, deployed, follow, host, named, pair, planned, primary,
    replica, spec,
};

#[test]
fn a_pair_is_formed_and_a_second_deploy_needs_nothing() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = starts(&plan, &world);
        let (again, requests) = follow(&plan, &world, state.path());
        assert_eq!(reasons(&again), [""; 0], "{engine}");
        assert_eq!(requests.refused, [""; 0], "{engine}");
        assert_eq!(starts(&plan, &world), before, "{engine}");
        let found = connected(&plan, &world, &fixture::secrets(), |context| {
            hostsplit::deploy::verify(context, true)
        });
        assert!(found.is_ok(), "{engine}: {found:?}");
    }
}

#[test]
fn a_deploy_that_was_killed_anywhere_is_finished_by_the_next() {
    for engine in ENGINES {
        let plan = pair(engine);
        resumed_at_every(5, &plan, |world| assert_planned(&plan, world));
    }
}

#[test]
fn a_third_copy_is_filled_from_the_primary_and_leaves_again() {
    for engine in ENGINES {
        let (pair, state) = (pair(engine), tempfile::tempdir().unwrap());
        let more = (1..6).map(|times| planned(&spec(engine, times * 5_000), Some(&pair)));
        let trio = more.into_iter().find(|plan| plan.instances.len() > 2).unwrap();
        let world = deployed(&pair, state.path());
        for plan in [&trio, &planned(&spec(engine, 100), Some(&trio))] {
            let (_, requests) = follow(plan, &world, state.path());
            assert_read_only(&requests);
            assert!(requests.answered > 0);
        }
    }
}

#[test]
fn more_memory_is_given_to_one_after_the_other_behind_a_hand_over() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let mut changed = plan.clone();
        for one in &mut changed.instances {
            one.memory_mib = one.memory_mib.saturating_add(Mebibytes::new(512));
        }
        let (_, requests) = follow(&changed, &world, state.path());
        assert_read_only(&requests);
        assert!(requests.answered > 0);
    }
}

/// Puts a value into the configuration that is planned for all.
fn with_setting(plan: &Plan, name: &str, value: u64) -> Plan {
    let mut changed = plan.clone();
    for one in &mut changed.instances {
        one.settings.insert(name.to_owned(), value.into());
    }
    changed
}

#[test]
fn settings_are_taken_up_live_where_the_engine_can() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = starts(&plan, &world);
        let live = with_setting(&plan, "max_connections", 300);
        let (_, requests) = follow(&live, &world, state.path());
        assert_eq!((requests.refused, starts(&plan, &world)), (Vec::new(), before), "{engine}");
        let restarted = with_setting(&live, "back_log", 300);
        let (_, requests) = follow(&restarted, &world, state.path());
        assert_read_only(&requests);
        assert_eq!(starts(&plan, &world), before + 2, "{engine}");
    }
}

#[test]
fn after_a_whole_outage_the_one_that_has_everything_takes_writes() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        for number in 1..=3 {
            world.power_cut(&HostName::new(format!("h{number}")).unwrap());
        }
        for number in 1..=3 {
            world.power_on(&HostName::new(format!("h{number}")).unwrap());
        }
        world.clock().wait(std::time::Duration::from_secs(120));
        assert!(world.request(&client(&plan), "before").is_err(), "all boot read-only");
        let (_, _) = follow(&plan, &world, state.path());
        assert!(world.request(&client(&plan), "after").is_ok(), "{engine}");
    }
}

fn orders() -> ServiceName {
    ServiceName::new("orders").unwrap()
}

#[test]
fn a_dead_primary_is_replaced_by_order_only_and_returns_as_a_replica() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let (first, second) = (primary(&plan).clone(), replica(&plan).clone());
        world.power_cut(&first.host);
        world.clock().wait(std::time::Duration::from_secs(30));
        let waits = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(!waits.is_complete());
        let refused = world.request(&client(&plan), "nobody decided").unwrap_err();
        assert!(refused.contains("read-only"), "{engine}: {refused}");
        connected(&plan, &world, &fixture::secrets(), |context| {
            let service = context.plan.service(&orders()).unwrap();
            let failover = Failover::of(context, service, 0).unwrap();
            let found = failover.leadership().unwrap();
            assert_eq!(found.leader, None);
            let silent = found.silent;
            assert_eq!(silent.iter().map(|one| &one.name).collect::<Vec<_>>(), [&first.name]);
            assert!(failover.switch_off(silent[0], &|_| None).is_err(), "its host is silent");
            let off: BTreeSet<_> = [first.name.clone()].into();
            assert_eq!(failover.promote(&off, None), Ok(second.name.clone()));
        });
        let _ = world.take_requests();
        assert!(world.request(&client(&plan), "goes on").is_ok(), "{engine}");
        let (_, found) = fixture::reviewed(&plan, &world);
        let effects: Vec<_> = found.faults.iter().flat_map(|fault| &fault.effects).collect();
        assert_eq!(effects.len(), 1, "{engine}: {effects:?}");
        assert_eq!(effects[0].leader.as_ref(), Some(&second.name), "{engine}");
        world.power_on(&first.host);
        world.clock().wait(std::time::Duration::from_secs(120));
        let (_, requests) = follow(&plan, &world, state.path());
        assert_read_only(&requests);
        assert!(world.request(&client(&plan), "whole again").is_ok(), "{engine}");
    }
}

#[test]
fn a_primary_hands_over_without_losing_a_write() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        connected(&plan, &world, &fixture::secrets(), |context| {
            let service = context.plan.service(&orders()).unwrap();
            let failover = Failover::of(context, service, 0).unwrap();
            failover.hand_over(&replica(&plan).name).unwrap();
            let copies = failover.leadership().unwrap();
            assert_eq!(copies.leader.as_ref(), Some(&replica(&plan).name));
            assert_eq!(copies.ailing.len(), 0, "{:?}", copies.ailing);
        });
        assert_read_only(&world.take_requests());
    }
}

#[test]
fn encryption_is_not_turned_on_while_a_database_runs() {
    for engine in ENGINES {
        let (mut spec, state) = (spec(engine, 100), tempfile::tempdir().unwrap());
        let plan = planned(&spec, None);
        let world = deployed(&plan, state.path());
        spec.services[0].access.tls = Tls::On;
        let mut secrets = fixture::secrets();
        secrets.identities = plan.instances.iter().map(identity).collect();
        let quiet: fixture::Happening<'_, '_> = (&|_| {}, &|journal| Box::new(journal));
        let (encrypted, state) = (planned(&spec, Some(&plan)), state.path());
        let deploy = Purpose::Deploy;
        let refused = fixture::run_knowing(&encrypted, &world, state, deploy, quiet, &secrets);
        assert!(refused.story().contains("tls cannot be turned on or off"), "{}", refused.story());
        assert_eq!(world.take_requests().refused, [""; 0]);
        follow(&plan, &world, state);
    }
}

/// A certificate of an instance, as it is written.
fn identity(one: &Instance) -> (InstanceName, Identity) {
    let text = |what: &str| format!("{what} of {}", one.name);
    let key = Secret::parse("the-key-of-an-instance").unwrap();
    let (authority, certificate) = (text("authority"), text("certificate"));
    (one.name.clone(), Identity { authority, certificate, key })
}

/// The plan with everything off the host of its primary.
fn moved(plan: &Plan, spec: &Spec) -> Plan {
    let mut spec = spec.clone();
    spec.drained = [primary(plan).host.clone()].into();
    let moved = planned(&spec, Some(plan));
    assert!(moved.instances.iter().all(|one| one.host != primary(plan).host));
    moved
}

#[test]
fn a_primary_that_moves_to_another_host_takes_its_data_along() {
    for engine in ENGINES {
        for policy in [Policy::surviving(Level::Host), Policy::nothing()] {
            let mut spec = spec(engine, 100);
            spec.policy = policy;
            let (plan, state) = (planned(&spec, None), tempfile::tempdir().unwrap());
            let world = deployed(&plan, state.path());
            let moved = moved(&plan, &spec);
            world.attach(client(&moved));
            let (_, requests) = follow(&moved, &world, state.path());
            assert!(requests.answered > 0, "{engine}: {:?}", requests.refused);
        }
    }
}

#[test]
fn no_replica_is_opened_beside_a_primary_that_is_not_in_the_plan_any_more() {
    for engine in ENGINES {
        let (spec, state) = (spec(engine, 100), tempfile::tempdir().unwrap());
        let plan = planned(&spec, None);
        let world = deployed(&plan, state.path());
        let moved = moved(&plan, &spec);
        world.power_cut(&primary(&plan).host);
        world.clock().wait(std::time::Duration::from_secs(30));
        let without = run(&moved, &world, state.path(), Purpose::Deploy);
        assert!(!without.is_complete());
        world.glance(|scene| {
            let servers = scene.servers();
            let runs = |one: &&Server| one.presence != Presence::Absent;
            assert_eq!(servers.iter().filter(runs).filter(|one| one.writable).count(), 0);
        });
    }
}

#[test]
fn what_somebody_changed_by_hand_is_named_and_repaired() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        world.set_hung(&replica(&plan).domain, true);
        let (_, found) = fixture::reviewed(&plan, &world);
        let facts: BTreeSet<&Fact> = found.differences.iter().map(|one| &one.fact).collect();
        assert!(facts.contains(&Fact::Answer), "{engine}: {found:?}");
        world.set_hung(&replica(&plan).domain, false);
        follow(&plan, &world, state.path());
    }
}

/// Other passwords, as they are once their files were removed.
fn changed_secrets() -> Secrets {
    let secret = |text| Secret::parse(text).unwrap();
    let known =
        Credentials { client: secret("for-all-clients-2"), internal: secret("for-ourselves-2") };
    let mut secrets = fixture::secrets();
    secrets.services.insert(orders(), known.into());
    secrets
}

#[test]
fn passwords_are_changed_while_the_client_writes() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = starts(&plan, &world);
        let quiet: fixture::Happening<'_, '_> = (&|_| {}, &|journal| Box::new(journal));
        let changed = fixture::run_knowing(
            &plan,
            &world,
            state.path(),
            Purpose::Deploy,
            quiet,
            &changed_secrets(),
        );
        assert!(changed.is_complete(), "{engine}: {}", changed.story());
        assert_eq!(starts(&plan, &world), before, "{engine}");
        let new = Client { password: Some("for-all-clients-2".to_owned()), ..client(&plan) };
        assert!(world.request(&new, "by the new one").is_ok(), "{engine}");
        let found = connected(&plan, &world, &changed_secrets(), |context| {
            hostsplit::deploy::verify(context, false)
        });
        assert!(found.is_ok(), "{engine}: {found:?}");
    }
}

#[test]
fn a_change_of_passwords_that_was_cut_off_anywhere_is_finished_by_the_next_deploy() {
    for engine in ENGINES {
        let plan = pair(engine);
        let changed = |world: &SimulatedWorld, state: &Path| {
            let quiet: fixture::Happening<'_, '_> = (&|_| {}, &|journal| Box::new(journal));
            let secrets = changed_secrets();
            fixture::run_knowing(&plan, world, state, Purpose::Deploy, quiet, &secrets)
        };
        let new = Client { password: Some("for-all-clients-2".to_owned()), ..client(&plan) };
        let calls = {
            let state = tempfile::tempdir().unwrap();
            let world = deployed(&plan, state.path());
            let before = world.log().len();
            assert!(changed(&world, state.path()).is_complete());
            world.log().len() - before
        };
        for call in (1..=calls).step_by(7) {
            let state = tempfile::tempdir().unwrap();
            let world = deployed(&plan, state.path());
            let mode = if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter };
            world.fail_at(world.log().len() as u64 + call as u64, mode);
            let _ = changed(&world, state.path());
            world.revive();
            let second = changed(&world, state.path());
            assert!(second.is_complete(), "{engine} call {call}: {}", second.story());
            assert!(world.request(&new, "by the new one").is_ok(), "{engine} call {call}");
            let found = connected(&plan, &world, &changed_secrets(), |context| {
                hostsplit::deploy::verify(context, false)
            });
            assert!(found.is_ok(), "{engine} call {call}: {found:?}");
        }
    }
}

#[test]
fn data_that_is_on_lost_hosts_alone_is_not_given_up_without_a_word() {
    for engine in ENGINES {
        let (mut spec, state) = (spec(engine, 100), tempfile::tempdir().unwrap());
        let plan = planned(&spec, None);
        let world = deployed(&plan, state.path());
        let [lost, kept] = [&primary(&plan).host, &replica(&plan).host];
        spec.policy = Policy::nothing();
        spec.drained = [lost.clone(), kept.clone()].into();
        let elsewhere = planned(&spec, Some(&plan));
        let of = |one: &Instance| (one.host.clone(), [one.name.clone()].into());
        let places: Places = plan.instances.iter().map(of).collect();
        let losses = || {
            let mut seen = look(&elsewhere, &world);
            note_lost(&elsewhere, &mut seen, &places);
            let actions = decide(&elsewhere, &seen);
            let losses = actions.impacts().iter().filter(|one| one.kind == ImpactKind::DataLoss);
            losses.map(ToString::to_string).collect::<Vec<_>>()
        };
        world.power_cut(lost);
        assert_eq!(losses(), [""; 0], "{kept} has all of it");
        world.power_cut(kept);
        let [loss] = &losses()[..] else { panic!("{:?}", losses()) };
        assert!(loss.contains("all that holds its data is on h"), "{loss}");
    }
}

/// Two groups of two, since one primary is too slow for all writes.
fn two_groups(engine: Engine) -> Plan {
    let mut spec = spec(engine, 100);
    spec.topology.hosts.push(host(4));
    for pool in spec.topology.hosts.iter_mut().flat_map(|host| &mut host.pools) {
        (pool.capacity_mib, pool.iops_per_s) =
            (Mebibytes::from_gib(4_096), Some(PerSecond::new(900_000)));
    }
    spec.services[0].demand = Demand::PrimaryReplica(RelationalDemand {
        reads_per_s: PerSecond::new(100),
        writes_per_s: PerSecond::new(9_000),
        data_mib: Mebibytes::from_gib(1),
        working_set_percent: 100,
        shards: 2,
        failover: FailoverMode::Manual,
    });
    let plan = planned(&spec, None);
    assert_eq!((plan.instances.len(), named(&plan, Role::Primary).len()), (4, 2));
    plan
}

/// Each group has its own primary, data and failover.
#[test]
fn several_groups_are_formed_change_and_fail_over_apart() {
    for engine in ENGINES {
        let state = tempfile::tempdir().unwrap();
        let plan = two_groups(engine);
        let world = SimulatedWorld::new(&plan.topology);
        let first = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(first.is_complete(), "{engine}: {}", first.story());
        assert_planned(&plan, &world);
        let open = || {
            world.glance(|scene| {
                let servers = scene.servers();
                let open = servers.iter().filter(|one| one.writable);
                open.filter(|one| one.presence != Presence::Absent).count()
            })
        };
        assert_eq!(open(), 2, "{engine}");
        let found = connected(&plan, &world, &fixture::secrets(), |context| {
            hostsplit::deploy::verify(context, false)
        });
        assert!(found.is_ok(), "{engine}: {found:?}");
        assert_eq!(found.probes.len(), 2, "{engine}: a write through each group");

        let lost = primary(&plan).host.clone();
        let group = primary(&plan).group.unwrap();
        world.power_cut(&lost);
        connected(&plan, &world, &fixture::secrets(), |context| {
            let failover = Failover::of(context, &plan.services[0], group).unwrap();
            let silent = failover.leadership().unwrap().silent;
            let off = silent.iter().map(|one| one.name.clone()).collect();
            failover.promote(&off, None).unwrap();
        });
        assert!(open() >= 1, "{engine}");
        world.power_on(&lost);
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(again.is_complete(), "{engine}: {}", again.story());
        assert_planned(&plan, &world);
        assert_eq!(open(), 2, "{engine}");
    }
}

#[test]
fn a_primary_whose_disk_is_full_is_told_from_one_that_takes_writes() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let stuck = || {
            connected(&plan, &world, &fixture::secrets(), |context| {
                let failover = Failover::of(context, &plan.services[0], 0).unwrap();
                let leader = failover.leadership().unwrap().leader.unwrap();
                failover.stuck(&leader).unwrap()
            })
        };
        assert_eq!(stuck(), None, "{engine}");
        // Nobody acknowledges, and it goes on alone after 10 s: that is no reason to switch it off.
        world.set_hung(&replica(&plan).domain, true);
        assert_eq!(stuck(), None, "{engine}");
        world.set_hung(&replica(&plan).domain, false);
        world.fill_disk(&primary(&plan).domain);
        assert!(stuck().is_some(), "{engine}");
        let (_, found) = fixture::reviewed(&plan, &world);
        let disk = found.differences.iter().find(|one| one.fact == Fact::DataDisk).unwrap();
        assert_eq!(
            (&disk.instance, disk.found.as_str()),
            (&primary(&plan).name, "100 % full"),
            "{engine}"
        );
    }
}
