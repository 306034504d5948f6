//! Plans that change while clients write: nothing is let go before it is replaced.

use std::path::Path;

use hostsplit::deploy::{Allowed, EventKind};
use hostsplit::graph::{Action, ImpactKind, Reason, Vertex, decide};
use hostsplit::hypervisor::clock::Clock;
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::{Group, Instance, Plan, Role, Setting, SlotRange};
use hostsplit::simulated::{Client, SimulatedWorld};
use hostsplit::units::Mebibytes;

use crate::fixture::{self, Purpose, Run, look, run, run_allowing, run_with};

/// A cluster of some groups of two copies on three hosts; the first six instances are
/// those of [`fixture::plan`].
fn grouped(groups: u32, copies: u32) -> Plan {
    let mut plan = fixture::plan();
    let fixed: Vec<Instance> =
        plan.instances.iter().filter(|one| one.role == Role::Fixed).cloned().collect();
    let count = 16384 / groups;
    let mut instances = Vec::new();
    let mut all = Vec::new();
    for group in 0..groups {
        let one = |copy: u32| {
            let ordinal = 2 * group + copy;
            let host = (group + copy) % 3 + 1;
            let cpu = 1 + ordinal / 3;
            let role = if copy == 0 { Role::Master } else { Role::Replica };
            Instance { group: Some(group), ..fixture::instance("cache", ordinal, host, cpu, role) }
        };
        let mut own: Vec<Instance> = (0..copies).map(one).collect();
        // As planned: only instances with copies have these.
        for one in own.iter_mut().filter(|_| copies > 1) {
            one.settings.insert("repl-backlog-size".to_owned(), Setting::Bytes(32 << 20));
            let replicas = u64::from(copies - 1);
            one.settings.insert("repl-diskless-sync-max-replicas".to_owned(), replicas.into());
        }
        let last = if group + 1 == groups { 16383 } else { (group + 1) * count - 1 };
        let slot = |number: u32| u16::try_from(number).unwrap();
        all.push(Group {
            index: group,
            slots: vec![SlotRange { first: slot(group * count), last: slot(last) }],
            lead: own[0].name.clone(),
            replicas: own[1..].iter().map(|one| one.name.clone()).collect(),
        });
        instances.extend(own);
    }
    instances.extend(fixed);
    plan.services[0].groups = all;
    plan.services[0].layout.copies = copies;
    plan.instances = instances;
    plan
}

/// A plan that was deployed, with a client that writes at each call.
fn deployed(plan: &Plan, state: &Path) -> SimulatedWorld {
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state, Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    let members = plan.instances.iter().filter(|one| one.group.is_some());
    let contacts = members.filter_map(|one| Some((one.address?, 6379))).collect();
    world.attach(Client {
        contacts,
        password: Some("for-all-clients".to_owned()),
        encrypted: false,
    });
    let _ = world.take_requests();
    world
}

fn assert_is(plan: &Plan, world: &SimulatedWorld) {
    let left = decide(plan, &look(plan, world));
    let changes: Vec<String> = left
        .steps()
        .filter(|(_, step)| step.action != Action::NoOp)
        .map(|(vertex, step)| format!("{vertex}: {}", step.reason))
        .collect();
    assert_eq!(changes, [""; 0]);
}

/// Deploys a plan; nobody is refused meanwhile, and nothing is left to do.
fn follow(plan: &Plan, world: &SimulatedWorld, state: &Path) -> Run {
    let total = std::sync::Mutex::new((0, Vec::new()));
    let gather = |at: &str| {
        let found = world.take_requests();
        let mut total = total.lock().unwrap();
        total.0 += found.answered;
        total.1.extend(found.refused.into_iter().map(|why| format!("{at}: {why}")));
    };
    let changed = run_with(plan, world, state, Purpose::Deploy, &|event| {
        // An upload reports from within the world.
        if !matches!(event.kind, EventKind::Progress { .. }) {
            gather(&format!("before {} {:?}", event.vertex, event.kind));
        }
    });
    assert!(changed.is_complete(), "{}", changed.story());
    gather("at the end");
    let (answered, refused) = total.into_inner().unwrap();
    assert_eq!(refused, [""; 0]);
    assert!(answered > 20, "{answered}");
    assert_is(plan, world);
    changed
}

#[test]
fn more_and_fewer_groups_move_their_slots_while_clients_write() {
    let state = tempfile::tempdir().unwrap();
    let (three, four) = (grouped(3, 2), grouped(4, 2));
    let world = deployed(&three, state.path());
    let grown = follow(&four, &world, state.path());
    assert_eq!(grown.actions.counts().replace, 0);
    let shrunk = follow(&three, &world, state.path());
    assert_eq!(shrunk.actions.counts().delete, 2);
}

/// Where nothing says that the former machine is off, a second one would write beside it.
#[test]
fn an_instance_is_not_made_again_while_its_former_host_may_still_run_it() {
    let state = tempfile::tempdir().unwrap();
    let before = grouped(3, 2);
    let world = deployed(&before, state.path());
    let moved = before.instances.iter().find(|one| one.host.as_str() == "h3").unwrap();
    let (name, host) = (moved.name.clone(), moved.host.clone());
    let mut plan = before.clone();
    let free = HostName::new("h1").unwrap();
    for one in plan.instances.iter_mut().filter(|one| one.name == name) {
        (one.host, one.cpus) = (free.clone(), vec![4]);
    }
    world.set_reachable(&host, false);
    let mut seen = look(&plan, &world);
    seen.unseen.insert(name.clone(), host.clone());
    let actions = decide(&plan, &seen);
    let step = actions.step(&Vertex::Running(name.clone())).unwrap();
    assert_eq!((step.action, &step.reason), (Action::Unknown, &Reason::MayRunOn(host.clone())));
    seen.unseen.clear();
    let without = decide(&plan, &seen);
    assert_eq!(without.step(&Vertex::Running(name)).unwrap().action, Action::Create);
}

#[test]
fn another_shape_is_reached_without_letting_go() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    let mut four = grouped(4, 2);
    // As many groups as there are masters and one copy each: a copy becomes a master.
    let (lead, replicas) = (four.services[0].groups[0].replicas[0].clone(), Vec::new());
    four.services[0].groups[3].lead = lead.clone();
    for group in &mut four.services[0].groups {
        group.replicas.clone_from(&replicas);
    }
    let leads: Vec<_> = four.services[0].groups.iter().map(|group| group.lead.clone()).collect();
    four.instances.retain(|one| one.group.is_none() || leads.contains(&one.name));
    for one in four.instances.iter_mut().filter(|one| one.name == lead) {
        (one.group, one.role) = (Some(3), Role::Master);
    }
    let changed = follow(&four, &world, state.path());
    assert_eq!(changed.actions.counts().delete, 2);
    follow(&grouped(3, 2), &world, state.path());
}

#[test]
fn more_and_fewer_copies_follow_the_plan() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 1), state.path());
    follow(&grouped(3, 2), &world, state.path());
    let starts = |world: &SimulatedWorld| world.starts("shop-cache-0");
    let before = starts(&world);
    follow(&grouped(3, 1), &world, state.path());
    assert_eq!(starts(&world), before, "directives that only copies need go while it runs");
}

#[test]
fn machines_are_replaced_host_by_host_while_clients_write() {
    let state = tempfile::tempdir().unwrap();
    for memory in [1024, 384] {
        let world = deployed(&grouped(3, 2), state.path());
        let mut plan = grouped(3, 2);
        for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
            one.memory_mib = Mebibytes::new(memory);
        }
        let changed = follow(&plan, &world, state.path());
        let replaced = |vertex: &Vertex| matches!(vertex, Vertex::Rejoined(_));
        assert_eq!(changed.actions.steps().filter(|(one, _)| replaced(one)).count(), 6);
    }
}

#[test]
fn another_image_is_rolled_out_and_back_on_the_same_data() {
    let state = tempfile::tempdir().unwrap();
    let before = grouped(3, 2);
    let world = deployed(&before, state.path());
    let mut after = grouped(3, 2);
    after.image = fixture::other_image();
    after.instances.retain(|one| one.group.is_some());
    let mut before = before;
    before.instances.retain(|one| one.group.is_some());
    let gone = run_allowing(&before, &world, state.path(), &fixture::allowing("box"));
    assert!(gone.is_complete(), "{}", gone.story());
    for plan in [&after, &before] {
        let changed = follow(plan, &world, state.path());
        let roots = changed.actions.steps().filter(|(vertex, step)| {
            matches!(vertex, Vertex::Root(_)) && step.action == Action::Replace
        });
        assert_eq!(roots.count(), 6);
    }
}

#[test]
fn persistence_is_taken_off_and_put_on_copy_by_copy() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    let mut plan = grouped(3, 2);
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.data = None;
        one.settings.insert("appendonly".to_owned(), false.into());
    }
    follow(&plan, &world, state.path());
    follow(&grouped(3, 2), &world, state.path());
}

#[test]
fn an_instance_that_gets_another_host_under_its_name_leaves_the_old_one_last_of_all() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    let mut plan = grouped(3, 2);
    let third = HostName::new("h3").unwrap();
    for one in plan.instances.iter_mut().filter(|one| one.name.as_str() == "cache-0") {
        (one.host, one.cpus) = (third.clone(), vec![4]);
    }
    follow(&plan, &world, state.path());
}

#[test]
fn what_stops_or_loses_data_is_refused_unless_it_is_allowed_by_name() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 1), state.path());
    let mut plan = grouped(3, 1);
    for one in &mut plan.instances {
        one.memory_mib = Mebibytes::new(640);
        if one.role == Role::Fixed {
            one.mac = "52:54:00:00:00:99".to_owned();
        }
    }
    let before = world.log().len();
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(refused.outcome.is_none());
    let lines: Vec<String> =
        refused.obstacles.iter().map(|one| format!("{one}: {}", one.kind.remedy())).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    box does not serve meanwhile: box-0 (its machine is replaced): plan otherwise, or allow it: --allow-downtime box
    box loses data: box-0 (its machine is replaced): plan otherwise, or allow it: --allow-data-loss box
    cache does not serve meanwhile: cache-0, cache-2, cache-4 (its machine is powered off and on): plan otherwise, or allow it: --allow-downtime cache
    ");
    let called = world.log().split_off(before);
    assert!(called.iter().all(|call| call.name == "agent guest-exec"), "{called:?}");

    let names = |names: &[&str]| names.iter().map(|one| ServiceName::new(*one).unwrap()).collect();
    let allowed = Allowed {
        downtime: names(&["cache", "box"]),
        data_loss: names(&["box"]),
        ..Allowed::default()
    };
    let changed = run_allowing(&plan, &world, state.path(), &allowed);
    assert!(changed.is_complete(), "{}", changed.story());
    assert!(changed.actions.impacts().iter().any(|one| one.kind == ImpactKind::DataLoss));
    assert_is(&plan, &world);
}

#[test]
fn a_port_is_changed_by_all_together_where_that_is_allowed() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    let mut plan = grouped(3, 2);
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.settings.insert("port".to_owned(), 6380.into());
    }
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    let sentence = "cache does not serve meanwhile: cache-0, cache-1, cache-2 and 3 more \
                    (all of its engines are restarted together)";
    assert!(refused.story().contains(sentence), "{}", refused.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
    let changed = run_allowing(&plan, &world, state.path(), &fixture::allowing("cache"));
    assert!(changed.is_complete(), "{}", changed.story());
    assert_is(&plan, &world);
}

#[test]
fn nothing_is_taken_away_while_nobody_answers_who_needs_it() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    // Somebody has changed the password by hand, so that nobody of the cluster can be asked.
    let plan = with_memory(grouped(3, 2), 1024);
    let login = ["redis-cli", "--user", "hostsplit", "-a", "for-ourselves"];
    let rules = ["ACL", "SETUSER", "hostsplit", "resetpass", ">of-somebody-else"];
    for one in plan.instances.iter().filter(|one| one.group.is_some()) {
        crate::clients::in_guest(&world, &plan, one, &[&login[..], &rules].concat());
    }
    let _ = world.take_requests();
    let before = world.log().len();
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    let sentence = "runs, and no instance answers that knows whether its data is needed";
    assert!(refused.story().contains(sentence), "{}", refused.story());
    let called = world.log().split_off(before);
    assert!(called.iter().all(|call| call.name == "agent guest-exec"), "{called:?}");
    assert_eq!(world.take_requests().refused, [""; 0]);
}

/// The plan with another amount of memory for every instance of its cluster.
fn with_memory(mut plan: Plan, mib: u64) -> Plan {
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.memory_mib = Mebibytes::new(mib);
    }
    plan
}

fn pause(plan: &Plan, world: &SimulatedWorld, name: &str) {
    let one = plan.instances.iter().find(|one| one.name.as_str() == name).unwrap();
    fixture::open(plan, world, one.host.as_str()).suspend(&one.domain).unwrap();
}

#[test]
fn a_paused_copy_runs_on_before_the_other_one_is_taken_away() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    pause(&grouped(3, 2), &world, "cache-1");
    let _ = world.take_requests();
    follow(&with_memory(grouped(3, 2), 1024), &world, state.path());
}

#[test]
fn a_group_of_which_all_copies_are_paused_comes_back_and_is_changed() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    for name in ["cache-0", "cache-1"] {
        pause(&grouped(3, 2), &world, name);
    }
    let plan = with_memory(grouped(3, 2), 1024);
    let changed = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(changed.is_complete(), "{}", changed.story());
    assert_is(&plan, &world);
}

#[test]
fn restarts_go_one_by_one_also_while_a_guest_is_paused() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    pause(&grouped(3, 2), &world, "cache-3");
    let _ = world.take_requests();
    let mut plan = grouped(3, 2);
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.settings.insert("io-threads".to_owned(), 2.into());
    }
    follow(&plan, &world, state.path());
}

#[test]
fn a_dead_host_is_left_out_and_its_instances_come_back() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    let h1 = HostName::new("h1").unwrap();
    world.power_cut(&h1);
    world.clock().wait(std::time::Duration::from_secs(60));
    let allowed = Allowed { left_out: [h1.clone()].into(), ..Allowed::default() };
    let mut plan = grouped(3, 2);
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.settings.insert("maxmemory".to_owned(), Setting::Bytes(1 << 27));
    }
    let _ = world.take_requests();
    let without = run_allowing(&plan, &world, state.path(), &allowed);
    assert!(without.is_complete(), "{}", without.story());
    assert_eq!(world.take_requests().refused, [""; 0]);
    world.power_on(&h1);
    let back = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(back.is_complete(), "{}", back.story());
    assert_is(&plan, &world);
}

#[test]
fn an_unreachable_host_does_not_stop_work_on_the_others() {
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&grouped(3, 2), state.path());
    world.set_reachable(&HostName::new("h1").unwrap(), false);
    let mut plan = grouped(3, 2);
    let used = |plan: &Plan| plan.instances.iter().map(|one| one.host.clone()).collect::<Vec<_>>();
    // What could not be looked at is not called unchanged.
    assert!(look(&plan, &world).is_partly_seen(&used(&plan)));
    for one in plan.instances.iter_mut().filter(|one| one.group.is_some()) {
        one.settings.insert("maxmemory".to_owned(), Setting::Bytes(1 << 27));
    }
    let without = run(&plan, &world, state.path(), Purpose::Deploy);
    let end = without.outcome.as_ref().unwrap();
    assert!(end.failures.is_empty(), "{}", without.story());
    assert!(end.skipped > 0 && end.done >= 4, "{end:?}");
    assert_eq!(world.take_requests().refused, [""; 0]);
    world.set_reachable(&HostName::new("h1").unwrap(), true);
    assert!(!look(&plan, &world).is_partly_seen(&used(&plan)));
}
