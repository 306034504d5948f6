//! One process: looks, decides and walks. Everything happens on one thread, in an order
//! that the seed of the story decides, so that a seed is the same story each time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use hostsplit::content::ContentError;
use hostsplit::deploy::{
    Allowed, Context, Event, ImageError, ImageStore, Observer, Obstacle, Patience, WalkOutcome,
    connect_without, execute, observe, preflight, refused_impacts, walk,
};
use hostsplit::graph::{Action, Actions, Impact, ImpactKind, decide};
use hostsplit::hypervisor::fan_out::one_by_one;
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::Plan;
use hostsplit::recipe::Credentials;
use hostsplit::secret::{Secret, Secrets};
use hostsplit::simulated::SimulatedWorld;
use hostsplit::spec::{Image, ImageFile};
use hostsplit::state::world::{Places, World};
use hostsplit::units::Mebibytes;
use sha2::{Digest, Sha256};

use crate::ending;
use crate::random::Random;

/// The password of clients.
pub const PASSWORD: &str = "for-all-clients";

fn service() -> ServiceName {
    ServiceName::new("cache").unwrap()
}

fn secrets() -> Secrets {
    let secret = |text| Secret::parse(text).unwrap();
    let credentials = Credentials { client: secret(PASSWORD), internal: secret("for-ourselves") };
    let services = BTreeMap::from([(service(), credentials.into())]);
    Secrets { services, ..Secrets::default() }
}

/// An image of one file. Its version is all that it holds.
pub fn image(version: u32) -> Image {
    let file = format!("{version}.qcow2");
    let sha256 = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    Image {
        name: "small".to_owned(),
        disk: ImageFile { file, sha256 },
        virtual_size_mib: Mebibytes::new(1024),
        kernel: None,
        initrd: None,
        cmdline: String::new(),
        engines: [].into(),
    }
}

/// Files that hold their names.
struct Files;

impl ImageStore for Files {
    fn open(&self, file: &ImageFile) -> Result<(Box<dyn Read>, u64), ImageError> {
        let bytes = file.file.clone().into_bytes();
        let length = bytes.len() as u64;
        Ok((Box::new(Cursor::new(bytes)), length))
    }

    /// What is served is its path.
    fn content(&self, path: &str) -> Result<Vec<u8>, ContentError> {
        Ok(path.as_bytes().to_vec())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn on(&self, _event: &Event) {}
}

/// What one process found and did.
pub struct Run {
    pub obstacles: Vec<Obstacle>,
    /// Only without obstacles.
    pub outcome: Option<WalkOutcome>,
}

impl Run {
    pub fn is_complete(&self) -> bool {
        ending::is_complete(self.outcome.as_ref())
    }

    /// Everything that went wrong.
    pub fn story(&self) -> String {
        ending::story(&self.obstacles, self.outcome.as_ref())
    }
}

/// Runs processes for a plan.
pub struct Deployer<'a> {
    pub world: &'a SimulatedWorld,
    pub plan: &'a Plan,
    /// Hosts that are left out.
    pub without: BTreeSet<HostName>,
    /// What the state directory has.
    pub memory: &'a RefCell<Places>,
    /// What decides the order in which a process does what it can do at the same time.
    pub order: &'a Cell<u64>,
}

impl Deployer<'_> {
    /// What the change stops or loses, as a dry run says.
    pub fn impacts(&self) -> Vec<Impact> {
        self.looking(|_, actions, _| actions.impacts().to_vec())
    }

    /// What a further process would do.
    pub fn left(&self) -> Vec<String> {
        self.looking(|_, actions, _| {
            let changes = actions.steps().filter(|(_, step)| step.action != Action::NoOp);
            changes.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect()
        })
    }

    /// One process from its beginning to its end. The operator allows what a dry run says,
    /// and nothing else.
    pub fn run(&self) -> Run {
        self.looking(|context, actions, seen| {
            let mut obstacles = preflight(self.plan, seen, actions, &Files);
            obstacles.extend(refused_impacts(actions, &context.allowed));
            let outcome = obstacles.is_empty().then(|| {
                let mut memory = self.memory.borrow_mut();
                for one in &self.plan.instances {
                    memory.entry(one.host.clone()).or_default().insert(one.name.clone());
                }
                drop(memory);
                let work = |vertex: &_| execute(context, actions, vertex, &Nobody);
                walk(actions, 4, &work, None, &Nobody, context.clock)
            });
            Run { obstacles, outcome }
        })
    }

    fn looking<R>(&self, work: impl FnOnce(&Context<'_>, &Actions, &World) -> R) -> R {
        let mut random = Random::new(self.order.get());
        self.order.set(random.draw());
        // Half of the processes end what they began before they begin anything else.
        let in_depth = random.chance(1, 2);
        let choice = move |count| match in_depth {
            true => count - 1,
            false => random.below(u32::try_from(count).unwrap()) as usize,
        };
        one_by_one(choice, || self.look(work))
    }

    fn look<R>(&self, work: impl FnOnce(&Context<'_>, &Actions, &World) -> R) -> R {
        let allowed = Allowed { left_out: self.without.clone(), ..Allowed::default() };
        let hosts = connect_without(self.plan, self.world, &self.without, &BTreeMap::new());
        let (clock, secrets) = (self.world.clock(), secrets());
        let mut context = Context {
            plan: self.plan,
            hosts: &hosts,
            clock: &clock,
            images: &Files,
            patience: Patience::default(),
            secrets: &secrets,
            allowed,
        };
        let mut seen = observe(&context);
        let places = seen.may_run(&self.plan.name, self.memory.take());
        seen.unseen = seen.out_of_sight(&places);
        self.memory.replace(places);
        let actions = decide(self.plan, &seen);
        for impact in actions.impacts() {
            let names = match impact.kind {
                ImpactKind::Downtime => &mut context.allowed.downtime,
                ImpactKind::DataLoss => &mut context.allowed.data_loss,
            };
            names.insert(impact.service.clone());
        }
        work(&context, &actions, &seen)
    }
}
