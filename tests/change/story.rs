//! Generated stories: a deployment is made, then changed once or several times, with
//! what may have happened to it before and what may happen to a deploy meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use hostsplit::graph::ImpactKind;
use hostsplit::hypervisor::clock::Clock;
use hostsplit::hypervisor::{Connector, Hypervisor};
use hostsplit::ids::HostName;
use hostsplit::plan::{Instance, Plan};
use hostsplit::simulated::{Fault, Mode, SimulatedWorld};
use hostsplit::state::world::Places;

use crate::observer::{Observer, Price, Promise, state};
use crate::plans::{HOSTS, Plans, Shape, host_name};
use crate::random::Random;
use crate::run::{Deployer, PASSWORD, Run};

/// How long until others have taken over from what is gone.
const FAILOVER: Duration = Duration::from_secs(60);
/// Stories without further ado: one takes one to two seconds of a CPU where nothing is
/// optimized. `tests/change/many` plays as many as are asked for, ten times as fast.
const FEW: u64 = 40;

/// What has happened to a deployment before it is changed.
#[derive(Clone, Debug)]
enum State {
    Whole,
    /// Somebody switched a machine off.
    Off(usize),
    /// Somebody paused a machine.
    Paused(usize),
    /// A machine's processes are stopped; they go on after the first deploy.
    Hung(usize),
    /// A host's libvirt does not answer until after the first deploy.
    Unreachable(HostName),
    /// A host is dead; it comes back after the first deploy, which leaves it out.
    Dead(HostName),
    /// A host is dead for good: the plan does without it.
    Gone(HostName),
}

/// A deployment in the middle of its story.
struct Stage {
    world: SimulatedWorld,
    order: Cell<u64>,
    memory: RefCell<Places>,
    observer: Observer,
    plans: Plans,
    plan: Plan,
    shape: Shape,
    log: Vec<String>,
}

impl Stage {
    /// Deploys a first plan.
    fn deployed(random: &mut Random) -> Result<Self, String> {
        let shape = Shape::any(random);
        let mut plans = Plans::new();
        let plan = plans.plan(&shape);
        let world = SimulatedWorld::new(&plan.topology);
        let order = Cell::new(random.draw());
        let (without, memory) = (BTreeSet::new(), RefCell::default());
        let first =
            Deployer { world: &world, plan: &plan, without, memory: &memory, order: &order };
        let first = first.run();
        if !first.is_complete() {
            return Err(format!("{shape}\nthe first deploy: {}", first.story()));
        }
        let observer = Observer::of(&world, shape.password.then_some(PASSWORD));
        let log = vec![shape.to_string()];
        Ok(Self { world, order, memory, observer, plans, plan, shape, log })
    }

    fn note(&mut self, what: impl Display) {
        self.log.push(what.to_string());
    }

    fn check(&self) -> Result<(), String> {
        self.observer.violation().map_or(Ok(()), Err)
    }

    /// One of the things that may happen, of those that the service outlives.
    fn happening(&self, random: &mut Random) -> State {
        let place = random.below(self.shape.instances()) as usize;
        let host = host_name(1 + random.below(HOSTS));
        let state = match random.below(12) {
            0 => State::Off(place),
            1 => State::Hung(place),
            2 => State::Unreachable(host),
            3 => State::Dead(host),
            4 => State::Gone(host),
            5 => State::Paused(place),
            _ => State::Whole,
        };
        if Observer::outlives(&self.world, &self.lost(&state)) { state } else { State::Whole }
    }

    /// The addresses that a state takes from the network.
    fn lost(&self, state: &State) -> BTreeSet<Ipv4Addr> {
        let all = &self.plan.instances;
        let lost: Vec<&Instance> = match state {
            State::Whole | State::Unreachable(_) => Vec::new(),
            State::Off(place) | State::Paused(place) | State::Hung(place) => vec![&all[*place]],
            State::Dead(host) | State::Gone(host) => self.plan.on_host(host).collect(),
        };
        lost.iter().filter_map(|one| one.address).collect()
    }

    /// Lets something happen, and waits until others have taken over.
    fn happen(&mut self, state: &State) {
        if matches!(state, State::Whole) {
            return;
        }
        self.note(format!("{state:?}"));
        self.observer.expect(Promise { price: Price::Downtime, masters: 0, replicas: 0 });
        match state {
            State::Whole => {}
            State::Off(place) => self.at(&self.plan.instances[*place], |host, domain| {
                host.power_off(domain).unwrap();
            }),
            State::Paused(place) => self.at(&self.plan.instances[*place], |host, domain| {
                host.suspend(domain).unwrap();
            }),
            State::Hung(place) => self.world.set_hung(&self.plan.instances[*place].domain, true),
            State::Unreachable(host) => self.world.set_reachable(host, false),
            State::Dead(host) | State::Gone(host) => self.world.power_cut(host),
        }
        self.world.clock().wait(FAILOVER);
        self.observer.conclude(&self.world);
    }

    /// Does something to a machine, past the deployment.
    fn at(&self, one: &Instance, act: impl FnOnce(&dyn Hypervisor, &str)) {
        let uri = self.plan.topology.host(&one.host).unwrap().uri.clone().unwrap();
        let host = self.world.connect(&one.host, &uri).unwrap();
        act(host.as_ref(), &one.domain);
    }

    /// What comes back after a first deploy.
    fn recover(&mut self, state: &State, before: &Plan) {
        match state {
            State::Whole => return,
            // It may be gone by now, as is planned.
            State::Off(place) => self.at(&before.instances[*place], |host, domain| {
                let _ = host.start(domain);
            }),
            State::Paused(place) => self.at(&before.instances[*place], |host, domain| {
                let _ = host.resume(domain);
            }),

            State::Hung(place) => self.world.set_hung(&before.instances[*place].domain, false),
            State::Unreachable(host) => self.world.set_reachable(host, true),
            State::Dead(host) | State::Gone(host) => self.world.power_on(host),
        }
        self.note("it comes back");
        self.world.clock().wait(FAILOVER);
    }

    fn deployer(&self, without: &BTreeSet<HostName>) -> Deployer<'_> {
        let Self { world, plan, order, memory, .. } = self;
        Deployer { world, plan, without: without.clone(), memory, order }
    }

    /// What the change keeps up: what a dry run says, which must be nothing where old
    /// and new have copies and all is well.
    fn promise(
        &self,
        before: &Shape,
        state: &State,
        without: &BTreeSet<HostName>,
    ) -> Result<Promise, String> {
        let impacts = self.deployer(without).impacts();
        let after = &self.shape;
        let copies = before.copies.min(after.copies) as usize;
        let price = impacts.iter().map(|impact| match impact.kind {
            ImpactKind::Downtime => Price::Downtime,
            ImpactKind::DataLoss => Price::Data,
        });
        let price = price.max().unwrap_or(Price::Nothing);
        let whole = matches!(state, State::Whole);
        if whole && copies > 1 && price > Price::Nothing {
            let all: Vec<String> = impacts.iter().map(ToString::to_string).collect();
            return Err(format!("it would cost {all:?}"));
        }
        let spare = if before.keeps_running(after) { 1 } else { 2 };
        Ok(Promise {
            price,
            masters: before.groups.min(after.groups) as usize,
            replicas: if whole { copies.saturating_sub(spare) } else { 0 },
        })
    }

    /// Changes the deployment to another plan.
    fn change(&mut self, random: &mut Random) -> Result<(), String> {
        let state = self.happening(random);
        self.happen(&state);
        self.check()?;
        let mut shape = self.shape.changed(random);
        if let State::Gone(host) = &state {
            shape.hosts.retain(|number| host_name(*number) != *host);
            shape.copies = shape.copies.min(u32::try_from(shape.hosts.len()).unwrap());
        }
        // An instance that was lost is made again by its name; another one is not to move so
        // at the same time.
        shape.keeps_names &= !matches!(state, State::Gone(_) | State::Dead(_));
        let former = std::mem::replace(&mut self.plan, self.plans.plan(&shape));
        let before = std::mem::replace(&mut self.shape, shape);
        let without: BTreeSet<HostName> = match &state {
            State::Dead(host) | State::Gone(host) => [host.clone()].into(),
            _ => BTreeSet::new(),
        };
        self.note(format!("-> {}", self.shape));
        let promise = self.promise(&before, &state, &without)?;
        self.observer.expect(promise);
        if random.chance(1, 2) {
            let (call, after) = (1 + u64::from(random.below(200)), random.chance(1, 2));
            let mode = if after { Mode::DieAfter } else { Mode::DieBefore };
            self.world.fail(Fault::at(self.world.log().len() as u64 + call, mode));
            let killed = self.deployer(&without).run();
            self.world.revive();
            self.note(format!("killed at {call}, {mode:?}: {}", killed.story()));
            self.check()?;
        }
        let end = self.deployer(&without).run();
        self.note(end.story());
        self.check()?;
        let ends_at_once = match &state {
            State::Whole | State::Gone(_) => true,
            // What leaves is not started, and may have what others lost.
            State::Off(place) | State::Paused(place) => {
                self.plan.instance(&former.instances[*place].name).is_some()
            }
            State::Hung(_) | State::Unreachable(_) | State::Dead(_) => false,
        };
        let end = if ends_at_once { self.once_more(&before, &without, end)? } else { end };
        if ends_at_once && !end.is_complete() {
            return Err("it did not come to its end".to_owned());
        }
        if end.is_complete() {
            self.is_whole()?;
            // What a host has that does not answer stays known.
            if !matches!(state, State::Unreachable(_)) {
                self.is_done(&without)?;
            }
        }
        if !ends_at_once || matches!(state, State::Gone(_)) {
            self.recover(&state, &former);
            self.check()?;
            let nobody = BTreeSet::new();
            self.observer.expect(self.promise(&before, &state, &nobody)?);
            let end = self.deployer(&nobody).run();
            self.note(end.story());
            self.check()?;
            let end = self.once_more(&before, &nobody, end)?;
            if !end.is_complete() {
                return Err("it did not come to its end".to_owned());
            }
            self.is_whole()?;
            self.is_done(&nobody)?;
        }
        Ok(())
    }

    /// A single copy that was off or lost when it was looked at may need a leave that only the
    /// next look can ask for.
    fn once_more(
        &mut self,
        before: &Shape,
        without: &BTreeSet<HostName>,
        end: Run,
    ) -> Result<Run, String> {
        if end.is_complete() || before.copies.min(self.shape.copies) > 1 {
            return Ok(end);
        }
        let promise = self.promise(before, &State::Off(0), without)?;
        self.observer.expect(promise);
        let end = self.deployer(without).run();
        self.note(end.story());
        self.check()?;
        Ok(end)
    }

    /// Whether the service is there, with all that it acknowledged.
    fn is_whole(&self) -> Result<(), String> {
        self.observer.log_in(self.shape.password.then_some(PASSWORD));
        self.observer.conclude(&self.world);
        self.check()
    }

    /// Whether everything is as planned.
    fn is_done(&self, without: &BTreeSet<HostName>) -> Result<(), String> {
        match self.deployer(without).left() {
            left if left.is_empty() => Ok(()),
            left => Err(format!("a further run would do {left:?}")),
        }
    }
}

/// What was played.
#[derive(Default)]
struct Played {
    stories: u64,
    changes: u64,
    /// How often the observer looked.
    looks: u64,
    /// Stories that failed, by seed.
    failed: Vec<(u64, String)>,
}

/// Plays the story of a seed; the number of its changes, and how often it was looked at.
fn play(seed: u64) -> Result<(u64, u64), String> {
    let mut random = Random::new(seed);
    let mut stage = Stage::deployed(&mut random)?;
    let changes = 1 + u64::from(random.below(3));
    for _ in 0..changes {
        let changed = stage.change(&mut random);
        let with_log = |why| format!("{}\n{why}\n{}", stage.log.join("\n"), state(&stage.world));
        changed.map_err(with_log)?;
    }
    Ok((changes, stage.observer.looks()))
}

/// The seeds to play: those of `HOSTSPLIT_SEEDS=from..to`, or as many as CI has time for.
fn seeds() -> Range<u64> {
    let Ok(text) = env::var("HOSTSPLIT_SEEDS") else { return 0..FEW };
    let (from, to) = text.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// Plays stories on all CPUs, each on one of them; none may fail.
fn play_all(seeds: impl Iterator<Item = u64> + Send) {
    let (seeds, all, start) = (Mutex::new(seeds), Mutex::new(Played::default()), Instant::now());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().unwrap().next() else { break };
                    let played = catch_unwind(|| play(seed));
                    let mut all = all.lock().unwrap();
                    all.stories += 1;
                    match played {
                        Ok(Ok((changes, looks))) => {
                            all.changes += changes;
                            all.looks += looks;
                        }
                        Ok(Err(why)) => all.failed.push((seed, why)),
                        Err(_) => all.failed.push((seed, "it panicked".to_owned())),
                    }
                }
            });
        }
    });
    let Played { stories, changes, looks, failed } = all.into_inner().unwrap();
    for (seed, why) in &failed {
        println!("seed {seed}: {why}\n");
    }
    let took = start.elapsed().as_secs();
    println!("{stories} stories of {changes} changes, looked at {looks} times, in {took} s");
    let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
    assert!(failed.is_empty(), "failed: {seeds:?}");
}

#[test]
fn a_changed_plan_is_followed_and_the_service_is_there_all_the_time() {
    // For one seed: HOSTSPLIT_LOG=hostsplit=info shows what is decided and commanded.
    if let Ok(filter) = env::var("HOSTSPLIT_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    }
    play_all(seeds());
}

/// Stories that failed once: a seed in each line, and what went wrong.
#[test]
fn what_failed_once_is_played_again() {
    let stored = include_str!("cases.txt").lines().filter(|line| !line.starts_with('#'));
    let seeds = stored.map(|line| line.split_whitespace().next().unwrap().parse().unwrap());
    play_all(seeds);
}
