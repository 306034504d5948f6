//! A small plan by hand, the world it is deployed to, and one run of a deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Mutex;

use crate::{built, ending, plain};
use hostsplit::content::ContentError;
use hostsplit::deploy::{
    Allowed, Context, Event, ImageError, ImageStore, Observer, Obstacle, Patience, Verification,
    WalkOutcome, connect, connect_without, execute, observe, preflight, refused_impacts, review,
    walk,
};
use hostsplit::graph::{Action, Actions, Vertex, decide, decide_removal};
use hostsplit::hypervisor::fan_out::one_by_one;
use hostsplit::hypervisor::{Connector, Hypervisor, VolumeInfo};
use hostsplit::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use hostsplit::plan::{FORMAT, Group, Instance, Plan, Role, SlotRange};
use hostsplit::recipe::Credentials;
use hostsplit::secret::{Identity, Secret, Secrets};
use hostsplit::simulated::{Mode, SimulatedWorld};
use hostsplit::spec::{Access, Image, ImageFile, Network, Password, Policy};
use hostsplit::state::store::{Journal, Recorder, Store};
use hostsplit::state::world::World;
use hostsplit::topology::{Host, Level, NumaNode, Topology, Virtualization as Kind};
use hostsplit::units::Mebibytes;
use sha2::{Digest, Sha256};

/// Files of the image by name.
const FILES: [(&str, &[u8]); 4] = [
    ("disk.qcow2", b"a disk"),
    ("vmlinuz", b"a kernel"),
    ("initrd", b"a ram disk"),
    ("newer.qcow2", b"another disk"),
];

/// The image's files in memory.
pub struct Files;

impl ImageStore for Files {
    fn open(&self, file: &ImageFile) -> Result<(Box<dyn Read>, u64), ImageError> {
        let found = FILES.iter().find(|(name, _)| *name == file.file);
        let (_, bytes) = found.ok_or_else(|| ImageError::Unreadable {
            path: file.file.clone(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        Ok((Box::new(Cursor::new(*bytes)), bytes.len() as u64))
    }

    /// What is served is its path.
    fn content(&self, path: &str) -> Result<Vec<u8>, ContentError> {
        Ok(path.as_bytes().to_vec())
    }
}

fn file(name: &str) -> ImageFile {
    let bytes = FILES.iter().find(|(known, _)| *known == name).unwrap().1;
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    ImageFile { file: name.to_owned(), sha256 }
}

/// The image of the plan with another disk.
pub fn other_image() -> Option<Image> {
    plan().image.map(|image| Image { disk: file("newer.qcow2"), ..image })
}

fn host(number: u32) -> Host {
    let name = format!("h{number}");
    let node = NumaNode {
        reserved_memory_mib: Mebibytes::from_gib(1),
        ..plain::node(0, vec![plain::l3(0..=4)], 8)
    };
    Host {
        uri: Some(format!("test://{name}")),
        hypervisor: Kind::Tcg,
        ..plain::host(&name, vec![node], 100)
    }
}

pub fn instance(service: &str, ordinal: u32, host: u32, cpu: u32, role: Role) -> Instance {
    let service = ServiceName::new(service).unwrap();
    let number = ordinal + if role == Role::Fixed { 100 } else { 10 };
    let address = [10, 20, 0, u8::try_from(number).unwrap()].into();
    let mut one = built::instance(&service, ordinal, (host, cpu), address, role);
    let secret = [("include", "/etc/redis/secrets.conf"), ("masteruser", "replica")];
    one.settings.extend(secret.map(|(key, value)| (key.to_owned(), value.into())));
    one
}

/// Three hosts, a Redis Cluster of three masters with a replica each on another
/// host, and one fixed machine.
pub fn plan() -> Plan {
    let master = |group: u32| instance("cache", 2 * group, group + 1, 1, Role::Master);
    let replica =
        |group: u32| instance("cache", 2 * group + 1, (group + 1) % 3 + 1, 2, Role::Replica);
    let mut instances: Vec<Instance> =
        (0..3).flat_map(|group| [master(group), replica(group)]).collect();
    let groups = (0..3u16)
        .map(|index| Group {
            index: index.into(),
            slots: vec![SlotRange {
                first: index * 5461 + u16::from(index > 0),
                last: if index == 2 { 16383 } else { (index + 1) * 5461 },
            }],
            lead: master(index.into()).name,
            replicas: vec![replica(index.into()).name],
        })
        .collect();
    instances.push(instance("box", 0, 1, 3, Role::Fixed));
    let access = Access { password: Some(Password::Generated), ..Access::default() };
    Plan {
        format: FORMAT,
        hostsplit: "test".to_owned(),
        name: DeploymentName::new("shop").unwrap(),
        policy: Policy::surviving(Level::Host),
        network: Some(Network {
            bridge: "br0".to_owned(),
            subnet: [10, 20, 0, 0].into(),
            prefix: 24,
            first: [10, 20, 0, 10].into(),
            last: [10, 20, 0, 199].into(),
            gateway: None,
            vip: None,
        }),
        image: Some(Image {
            name: "small".to_owned(),
            disk: file("disk.qcow2"),
            virtual_size_mib: Mebibytes::new(2048),
            kernel: Some(file("vmlinuz")),
            initrd: Some(file("initrd")),
            cmdline: "root=/dev/vda".to_owned(),
            engines: [].into(),
        }),
        profiles: Default::default(),
        topology: Topology { hosts: (1..=3).map(host).collect() },
        services: vec![built::redis(ServiceName::new("cache").unwrap(), access, groups)],
        vms: Vec::new(),
        drained: Default::default(),
        policy_when_whole: None,
        restart_when_whole: BTreeSet::new(),
        instances,
        tiers: Vec::new(),
    }
}

/// The passwords of the plan.
pub fn secrets() -> Secrets {
    let secret = |text| Secret::parse(text).unwrap();
    let credentials =
        Credentials { client: secret("for-all-clients"), internal: secret("for-ourselves") };
    let of_gateways = [("statistics", secret("for-statistics")), ("vrrp", secret("for-gateways"))];
    // As long as one that was made.
    let internal = secret("for-ourselves-as-long-as-one-that-hostsplit-makes");
    let of_databases = Credentials { client: secret("for-all-clients"), internal };
    let services = BTreeMap::from([
        (ServiceName::new("cache").unwrap(), credentials.into()),
        (ServiceName::new("edge").unwrap(), of_gateways.into_iter().collect()),
        (ServiceName::new("orders").unwrap(), of_databases.clone().into()),
        (ServiceName::new("search").unwrap(), of_databases.into()),
    ]);
    let identity = |name: &InstanceName| Identity {
        authority: "the certificate of the authority".to_owned(),
        certificate: format!("the certificate of {name}"),
        key: secret("the-key-of-an-instance"),
    };
    let of_search = (0..40).map(|number| InstanceName::new(format!("search-{number}")).unwrap());
    let edges = ["edge-0", "edge-1"].map(|name| InstanceName::new(name).unwrap());
    let names = plan().instances.into_iter().map(|one| one.name).chain(of_search).chain(edges);
    let identities = names.map(|name| (name.clone(), identity(&name))).collect();
    Secrets { services, identities }
}

/// The plan's first group, and the fixed machine.
pub fn small() -> Plan {
    let mut plan = plan();
    plan.instances.retain(|one| one.group.is_none_or(|group| group == 0));
    plan.services[0].groups.truncate(1);
    plan.services[0].groups[0].slots = vec![SlotRange { first: 0, last: 16383 }];
    plan
}

/// Keeps what it is told, and lets something happen.
struct Events<'a> {
    kept: Mutex<Vec<Event>>,
    at: &'a (dyn Fn(&Event) + Sync),
}

impl Observer for Events<'_> {
    fn on(&self, event: &Event) {
        (self.at)(event);
        self.kept.lock().unwrap().push(event.clone());
    }
}

/// What one run found and did.
pub struct Run {
    pub actions: Actions,
    pub obstacles: Vec<Obstacle>,
    /// Only without obstacles.
    pub outcome: Option<WalkOutcome>,
    pub events: Vec<Event>,
}

impl Run {
    pub fn is_complete(&self) -> bool {
        ending::is_complete(self.outcome.as_ref())
    }

    /// Everything that went wrong, for a failed assertion.
    pub fn story(&self) -> String {
        ending::story(&self.obstacles, self.outcome.as_ref())
    }
}

/// What a run is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Deploy,
    Destroy { data: bool },
}

/// One process: looks, decides and walks, with a journal in `state`.
pub fn run(plan: &Plan, world: &SimulatedWorld, state: &Path, purpose: Purpose) -> Run {
    run_with(plan, world, state, purpose, &|_| {})
}

/// The same, one thing after the other. Virtual time that one thread waits passes for all
/// others, however far they have come: beside a wait of 900 s, work that has a shorter limit
/// may seem to exceed it.
pub fn run_in_turn(plan: &Plan, world: &SimulatedWorld, state: &Path, purpose: Purpose) -> Run {
    one_by_one(|_| 0, || run(plan, world, state, purpose))
}

/// A deploy with what the operator allows.
pub fn run_allowing(plan: &Plan, world: &SimulatedWorld, state: &Path, allowed: &Allowed) -> Run {
    let quiet: Happening<'_, '_> = (&|_| {}, &|journal| Box::new(journal));
    run_as(plan, world, state, Purpose::Deploy, quiet, (&secrets(), allowed))
}

/// Allows a service, or fixed machines, to stop and to lose data.
pub fn allowing(name: &str) -> Allowed {
    let names: BTreeSet<ServiceName> = [ServiceName::new(name).unwrap()].into();
    Allowed { downtime: names.clone(), data_loss: names, ..Allowed::default() }
}

/// The same, with something that happens at each event.
pub fn run_with(
    plan: &Plan,
    world: &SimulatedWorld,
    state: &Path,
    purpose: Purpose,
    at: &(dyn Fn(&Event) + Sync),
) -> Run {
    run_recording(plan, world, state, purpose, at, &|journal| Box::new(journal))
}

/// Makes of the journal what the run writes to.
pub type Recording<'a> = dyn Fn(Journal) -> Box<dyn Recorder + 'a> + 'a;

/// The same, with another recorder.
pub fn run_recording(
    plan: &Plan,
    world: &SimulatedWorld,
    state: &Path,
    purpose: Purpose,
    at: &(dyn Fn(&Event) + Sync),
    recording: &Recording<'_>,
) -> Run {
    run_knowing(plan, world, state, purpose, (at, recording), &secrets())
}

/// What happens at each event, and what is written.
pub type Happening<'a, 'r> = (&'a (dyn Fn(&Event) + Sync), &'a Recording<'r>);

/// The same, with other secrets.
pub fn run_knowing(
    plan: &Plan,
    world: &SimulatedWorld,
    state: &Path,
    purpose: Purpose,
    happening: Happening<'_, '_>,
    secrets: &Secrets,
) -> Run {
    run_as(plan, world, state, purpose, happening, (secrets, &Allowed::default()))
}

fn run_as(
    plan: &Plan,
    world: &SimulatedWorld,
    state: &Path,
    purpose: Purpose,
    (at, recording): Happening<'_, '_>,
    (secrets, allowed): (&Secrets, &Allowed),
) -> Run {
    let store = Store::new(state.to_owned());
    let lock = store.lock("test").unwrap();
    let recorder = recording(store.journal(&lock).unwrap());
    let hosts = connect_without(plan, world, &allowed.left_out, &BTreeMap::new());
    let clock = world.clock();
    let patience = Patience::default();
    let context = Context {
        plan,
        hosts: &hosts,
        clock: &clock,
        images: &Files,
        patience,
        secrets,
        allowed: allowed.clone(),
    };
    let seen = observe(&context);
    let (actions, obstacles) = match purpose {
        Purpose::Deploy => {
            let actions = decide(plan, &seen);
            let mut obstacles = preflight(plan, &seen, &actions, &Files);
            obstacles.extend(refused_impacts(&actions, &context.allowed));
            (actions, obstacles)
        }
        Purpose::Destroy { data } => (decide_removal(plan, &seen, data), Vec::new()),
    };
    let events = Events { kept: Mutex::default(), at };
    let outcome = obstacles.is_empty().then(|| {
        let work = |vertex: &_| execute(&context, &actions, vertex, &events);
        walk(&actions, 4, &work, Some(recorder.as_ref()), &events, &clock)
    });
    Run { actions, obstacles, outcome, events: events.kept.into_inner().unwrap() }
}

/// What is to be seen on all hosts, with nothing scripted.
pub fn look(plan: &Plan, world: &SimulatedWorld) -> World {
    looking(plan, world, |_, seen| seen)
}

/// The same, and how it differs from the plan.
pub fn reviewed(plan: &Plan, world: &SimulatedWorld) -> (World, Verification) {
    looking(plan, world, |context, seen| {
        let found = review(context, &seen);
        (seen, found)
    })
}

fn looking<T>(
    plan: &Plan,
    world: &SimulatedWorld,
    then: impl FnOnce(&Context<'_>, World) -> T,
) -> T {
    connected(plan, world, &secrets(), |context| then(context, observe(context)))
}

/// Does something with the hosts that are connected, knowing some secrets.
pub fn connected<T>(
    plan: &Plan,
    world: &SimulatedWorld,
    secrets: &Secrets,
    then: impl FnOnce(&Context<'_>) -> T,
) -> T {
    let hosts = connect(plan, world);
    let (clock, patience) = (world.clock(), Patience::default());
    let allowed = Allowed::default();
    let images = &Files;
    let context =
        Context { plan, hosts: &hosts, clock: &clock, images, patience, secrets, allowed };
    then(&context)
}

pub fn open(plan: &Plan, world: &SimulatedWorld, host: &str) -> Box<dyn Hypervisor> {
    let host = HostName::new(host).unwrap();
    let uri = plan.topology.host(&host).unwrap().uri.clone().unwrap();
    world.connect(&host, &uri).unwrap()
}

/// Domains with their XML, state and volumes: equal worlds are listed equal.
pub fn inventory(plan: &Plan, world: &SimulatedWorld) -> Vec<String> {
    let mut lines = Vec::new();
    for host in &plan.topology.hosts {
        let open = open(plan, world, host.name.as_str());
        for domain in open.domains().unwrap() {
            lines.push(format!(
                "{} {} {} {}",
                host.name, domain.name, domain.active, domain.definition.xml
            ));
        }
        for VolumeInfo { name, capacity, backing, .. } in open.volumes("default").unwrap() {
            lines.push(format!("{} {name} {capacity} {backing:?}", host.name));
        }
    }
    lines
}

/// How often engines were started, all together.
pub fn starts(plan: &Plan, world: &SimulatedWorld) -> u32 {
    plan.instances.iter().map(|one| world.starts(&one.domain)).sum()
}

/// Nothing is to be done.
pub fn assert_planned(plan: &Plan, world: &SimulatedWorld) {
    let left = decide(plan, &look(plan, world));
    let steps = left.steps().filter(|(_, step)| step.action != Action::NoOp);
    let left: Vec<String> =
        steps.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect();
    assert_eq!(left, [""; 0]);
}

/// What is to be done besides with clusters, each with its reason.
pub fn reasons(run: &Run) -> Vec<String> {
    let steps = run.actions.steps().filter(|(vertex, step)| {
        step.action != Action::NoOp && !matches!(vertex, Vertex::Cluster(_))
    });
    steps.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect()
}

/// Plays a case for every nth call of a deploy that nothing interrupts, on two threads. Most
/// calls only look, and every one of some instance is among these.
pub fn at_every(
    nth: usize,
    plan: &Plan,
    begin: &dyn Fn(&Path) -> SimulatedWorld,
    case: impl Fn(usize) + Sync,
) {
    let state = tempfile::tempdir().unwrap();
    let world = begin(state.path());
    let before = world.log().len();
    assert!(run(plan, &world, state.path(), Purpose::Deploy).is_complete());
    let calls = world.log().len() - before;
    let cases: Vec<usize> = (1..=calls).filter(|call| call % nth == 1).collect();
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(2)) {
            scope.spawn(|| part.iter().for_each(|call| case(*call)));
        }
    });
}

/// The same, where a deploy is killed at that call: what is then to be seen, and done.
pub fn killed_at_every(
    nth: usize,
    plan: &Plan,
    begin: &(dyn Fn(&Path) -> SimulatedWorld + Sync),
    then: impl Fn(&SimulatedWorld, &Path, usize) + Sync,
) {
    at_every(nth, plan, begin, |call| {
        let state = tempfile::tempdir().unwrap();
        let world = begin(state.path());
        let mode = if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter };
        world.fail_at((world.log().len() + call) as u64, mode);
        let _ = run(plan, &world, state.path(), Purpose::Deploy);
        world.revive();
        then(&world, state.path(), call);
    });
}

/// The same for a plan that is deployed for the first time: the next deploy ends with everything.
pub fn resumed_at_every(nth: usize, plan: &Plan, check: impl Fn(&SimulatedWorld) + Sync) {
    let begin = |_: &Path| SimulatedWorld::new(&plan.topology);
    killed_at_every(nth, plan, &begin, |world, state, call| {
        let second = run(plan, world, state, Purpose::Deploy);
        assert!(second.is_complete(), "call {call}: {}", second.story());
        check(world);
    });
}
