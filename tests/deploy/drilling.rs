//! Drills: each host fails in each way, what is promised is measured, and the host is back
//! afterwards, whatever happens.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hostsplit::deploy::{Event, Observer, Patience};
use hostsplit::drill::{Cut, Drill, DrillError, Fence, FenceAction, Finding, Phase, promise};
use hostsplit::hypervisor::clock::Clock;
use hostsplit::ids::HostName;
use hostsplit::plan::{Plan, Setting};
use hostsplit::profile::Profiles;
use hostsplit::simulated::SimulatedWorld;
use hostsplit::spec::Policy;
use hostsplit::topology;

use crate::fixture::{Files, Purpose, open, plan, run, secrets};

struct Quiet;

impl Observer for Quiet {
    fn on(&self, _: &Event) {}
}

/// A fence that acts upon a simulated host, and keeps what it was asked for.
pub struct Switch<'a> {
    world: &'a SimulatedWorld,
    asked: Mutex<Vec<String>>,
    /// What it refuses to do.
    broken: Option<FenceAction>,
}

impl<'a> Switch<'a> {
    pub fn of(world: &'a SimulatedWorld) -> Self {
        Self { world, asked: Mutex::default(), broken: None }
    }
}

impl Fence for Switch<'_> {
    fn run(&self, command: &[String], host: &HostName, action: FenceAction) -> Result<(), String> {
        self.asked.lock().unwrap().push(format!("{} {action} {host}", command.join(" ")));
        if self.broken == Some(action) {
            return Err("no".to_owned());
        }
        match action {
            FenceAction::Off => self.world.power_cut(host),
            FenceAction::On => self.world.power_on(host),
            FenceAction::Cut | FenceAction::Restore => {}
        }
        Ok(())
    }
}

/// What happens on the way.
pub struct Way<'a> {
    pub fence: &'a dyn Fence,
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
    pub says: &'a dyn Fn(&HostName, &Phase),
}

fn with<T>(
    plan: &Plan,
    world: &SimulatedWorld,
    way: &Way<'_>,
    work: impl FnOnce(&Drill<'_>) -> T,
) -> T {
    let (clock, secrets) = (world.clock(), secrets());
    work(&Drill {
        plan,
        connector: world,
        clock: &clock,
        images: &Files,
        patience: Patience::default(),
        secrets: &secrets,
        fence: way.fence,
        observer: &Quiet,
        is_stopped: way.is_stopped,
        says: way.says,
    })
}

/// Lets a host fail, and compares the deployment with its plan afterwards.
pub fn drill(
    plan: &Plan,
    world: &SimulatedWorld,
    (host, cut): (&str, Cut),
    way: &Way<'_>,
) -> Result<Finding, DrillError> {
    let host = plan.topology.host(&HostName::new(host).unwrap()).unwrap();
    let promised = promise(plan, &Profiles::builtin().unwrap(), &host.name).unwrap();
    with(plan, world, way, |drill| {
        drill.check()?;
        drill.run(host, cut, promised)
    })
}

fn check(plan: &Plan, world: &SimulatedWorld) -> Result<(), DrillError> {
    let way = Way { fence: &Switch::of(world), is_stopped: &|| false, says: &|_, _| {} };
    with(plan, world, &way, |drill| drill.check())
}

fn deployed(plan: &Plan) -> SimulatedWorld {
    let state = tempfile::tempdir().unwrap();
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(plan, &world, state.path(), Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    world
}

fn every_host_fails(cut: Cut) {
    let plan = plan();
    let world = deployed(&plan);
    let fence = Switch::of(&world);
    for host in ["h1", "h2", "h3"] {
        let phases = RefCell::new(Vec::new());
        let says = |_: &HostName, phase: &Phase| phases.borrow_mut().push(phase.clone());
        let way = Way { fence: &fence, is_stopped: &|| false, says: &says };
        let found = drill(&plan, &world, (host, cut), &way).unwrap();
        assert!(found.is_kept(), "{host}: {found:?}");
        assert_eq!((found.lost, found.unread), (0, 0), "{host}: {found:?}");
        // The group whose master was there waits for the node timeout at least.
        assert_eq!(found.promised.promoted.len(), 1);
        let gap = found.gap.unwrap();
        assert!(gap.at_most >= Duration::from_secs(15), "{host}: {found:?}");
        assert!(gap.at_most <= found.promised.most, "{host}: {found:?}");
        assert!(found.refused >= 5 && found.acknowledged > found.refused, "{host}: {found:?}");
        assert!(matches!(
            phases.borrow().as_slice(),
            [Phase::Cutting(_), Phase::Serving(Some(_)), Phase::Returning, Phase::Whole(_)]
        ));
        check(&plan, &world).unwrap();
    }
    assert_eq!(*fence.asked.lock().unwrap(), [""; 0], "no host has a fence");
}

#[test]
fn every_host_loses_its_power() {
    every_host_fails(Cut::Power);
}

#[test]
fn every_host_loses_its_network() {
    every_host_fails(Cut::Cable);
}

#[test]
fn every_host_hangs() {
    every_host_fails(Cut::Hang);
}

#[test]
fn a_fence_takes_the_whole_host() {
    let mut plan = plan();
    let command = vec!["ipmi".to_owned(), "bmc".to_owned()];
    plan.topology.hosts[1].fence = Some(topology::Fence { command });
    let world = deployed(&plan);
    let fence = Switch::of(&world);
    let was_off = RefCell::new(false);
    let says = |host: &HostName, phase: &Phase| {
        if matches!(phase, Phase::Serving(_)) {
            // Its libvirt is gone with it.
            *was_off.borrow_mut() = open_fails(&plan, &world, host);
        }
    };
    let way = Way { fence: &fence, is_stopped: &|| false, says: &says };
    let found = drill(&plan, &world, ("h2", Cut::Power), &way).unwrap();
    assert!(found.is_kept(), "{found:?}");
    assert!(*was_off.borrow());
    assert_eq!(*fence.asked.lock().unwrap(), ["ipmi bmc off h2", "ipmi bmc on h2"]);
    // A fence lets nothing hang.
    drill(&plan, &world, ("h2", Cut::Hang), &way).unwrap();
    assert_eq!(fence.asked.lock().unwrap().len(), 2);
    check(&plan, &world).unwrap();
}

fn open_fails(plan: &Plan, world: &SimulatedWorld, host: &HostName) -> bool {
    use hostsplit::hypervisor::Connector as _;
    let uri = plan.topology.host(host).unwrap().uri.clone().unwrap();
    world.connect(host, &uri).is_err()
}

#[test]
fn a_fence_that_fails_leaves_a_deployment_that_serves() {
    let mut plan = plan();
    plan.topology.hosts[0].fence = Some(topology::Fence { command: vec!["ipmi".to_owned()] });
    let world = deployed(&plan);
    let fence = Switch { broken: Some(FenceAction::Off), ..Switch::of(&world) };
    let way = Way { fence: &fence, is_stopped: &|| false, says: &|_, _| {} };
    let error = drill(&plan, &world, ("h1", Cut::Power), &way).unwrap_err();
    assert_eq!(error.to_string(), "h1: power could not be cut: no; what was cut off is back");
    check(&plan, &world).unwrap();
    // One that does not give it back leaves it off, and says so.
    let fence = Switch { broken: Some(FenceAction::On), ..Switch::of(&world) };
    let way = Way { fence: &fence, is_stopped: &|| false, says: &|_, _| {} };
    let error = drill(&plan, &world, ("h1", Cut::Power), &way).unwrap_err();
    assert_eq!(error.to_string(), "h1: not back after the power cut: no");
}

#[test]
fn a_deployment_that_is_not_whole_is_refused() {
    let plan = plan();
    let world = deployed(&plan);
    let state = tempfile::tempdir().unwrap();
    open(&plan, &world, "h2").power_off("shop-cache-2").unwrap();
    let before = world.log().len();
    let way = Way { fence: &Switch::of(&world), is_stopped: &|| false, says: &|_, _| {} };
    let error = drill(&plan, &world, ("h1", Cut::Power), &way).unwrap_err();
    assert!(matches!(error, DrillError::NotWhole(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("cache-2: state is off"), "{text}");
    let cuts = world.log().split_off(before).into_iter().filter(|call| call.name == "power_off");
    assert_eq!(cuts.count(), 0);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    check(&plan, &world).unwrap();
}

#[test]
fn a_drill_that_is_stopped_brings_the_host_back() {
    let plan = plan();
    let world = deployed(&plan);
    let stopped = AtomicBool::new(false);
    let is_stopped = || stopped.load(Ordering::SeqCst);
    let says = |_: &HostName, phase: &Phase| {
        stopped.fetch_or(matches!(phase, Phase::Cutting(_)), Ordering::SeqCst);
    };
    for cut in [Cut::Power, Cut::Hang] {
        let way = Way { fence: &Switch::of(&world), is_stopped: &is_stopped, says: &says };
        let error = drill(&plan, &world, ("h1", cut), &way).unwrap_err();
        assert!(matches!(error, DrillError::Stopped(_)), "{error}");
        check(&plan, &world).unwrap();
        stopped.store(false, Ordering::SeqCst);
    }
}

#[test]
fn what_a_killed_drill_leaves_is_repaired_by_a_deploy() {
    let plan = plan();
    let world = deployed(&plan);
    let state = tempfile::tempdir().unwrap();
    let says = |_: &HostName, phase: &Phase| {
        if matches!(phase, Phase::Serving(_)) {
            world.kill();
        }
    };
    let way = Way { fence: &Switch::of(&world), is_stopped: &|| false, says: &says };
    let error = drill(&plan, &world, ("h3", Cut::Power), &way).unwrap_err();
    assert!(matches!(error, DrillError::NotBack { .. }), "{error}");
    world.revive();
    let again = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(again.is_complete(), "{}", again.story());
    check(&plan, &world).unwrap();
}

/// Three masters alone, which keep nothing on their disks: not what anybody promises.
fn forgetful() -> Plan {
    let mut plan = plan();
    plan.policy = Policy::nothing();
    plan.instances
        .retain(|one| !one.name.as_str().starts_with("cache-") || is_even(one.name.as_str()));
    for instance in &mut plan.instances {
        instance.settings.insert("appendonly".to_owned(), Setting::from(false));
        instance.settings.insert("save".to_owned(), Setting::Words(Vec::new()));
    }
    for service in &mut plan.services {
        service.layout.copies = 1;
        service.layout.instances = 3;
        service.groups.iter_mut().for_each(|group| group.replicas.clear());
    }
    plan
}

fn is_even(name: &str) -> bool {
    name.chars().last().and_then(|c| c.to_digit(10)).is_some_and(|digit| digit % 2 == 0)
}

#[test]
fn a_write_that_is_lost_is_found() {
    let plan = forgetful();
    let world = deployed(&plan);
    let host = &plan.topology.hosts[0];
    let profiles = Profiles::builtin().unwrap();
    let why = promise(&plan, &profiles, &host.name).unwrap_err();
    assert_eq!(why, "cache: every copy of 1 group is on it");
    // As if it were promised.
    let promised = promise(&self::plan(), &profiles, &host.name).unwrap();
    let way = Way { fence: &Switch::of(&world), is_stopped: &|| false, says: &|_, _| {} };
    let begun = world.clock().elapsed();
    let found = with(&plan, &world, &way, |drill| drill.run(host, Cut::Power, promised)).unwrap();
    assert!(!found.is_kept());
    assert_eq!(found.gap, None, "nobody takes over: {found:?}");
    assert!((3..found.acknowledged).contains(&found.lost), "{found:?}");
    assert!(world.clock().elapsed() - begun < Duration::from_secs(600));
}
