//! Plans of one service by its shape, and what a further plan keeps of the one before
//! it: as the planner does, an instance that stays where it is keeps its name, and one
//! that changes its host is a new instance; unless the plan was made without the one before
//! it, as it may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use hostsplit::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use hostsplit::plan::{FORMAT, Group, Instance, Plan, Role, Setting, SlotRange};
use hostsplit::recipe::redis::slots::{SLOTS, Slots};
use hostsplit::spec::{Access, Demand, Network, Password, Persistence, Policy};
use hostsplit::topology::{Host, Level, NumaNode, Topology, Virtualization};
use hostsplit::units::Mebibytes;

use crate::random::Random;
use crate::run::image;
use crate::{built, plain};

/// Hosts that there are, in use or not.
pub const HOSTS: u32 = 5;
/// CPUs of a host that instances may have: enough for two of each.
const CPUS: u32 = 60;

/// What a plan is asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub groups: u32,
    pub copies: u32,
    /// Hosts in use, by number.
    pub hosts: BTreeSet<u32>,
    pub memory_mib: u64,
    pub persistence: Persistence,
    /// The version of the image.
    pub image: u32,
    pub password: bool,
    /// A directive that a running server takes.
    pub hz: u32,
    /// A directive that it reads at its start only.
    pub io_threads: u32,
    /// Whether slots are divided anew, or as few as possible change hands.
    pub divided_anew: bool,
    /// Instances that are to change their host, by their place in the plan before.
    pub moved: BTreeSet<usize>,
    /// Instances that get other CPUs, likewise.
    pub repinned: BTreeSet<usize>,
    /// Whether an instance that its group no longer needs may be one of another group.
    pub regrouped: bool,
    /// Whether an instance that changes its host keeps its name.
    pub keeps_names: bool,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { groups, copies, hosts, memory_mib, persistence, hz, io_threads, image, .. } =
            self;
        write!(f, "{groups}x{copies} on {hosts:?}, {memory_mib} MiB, {persistence:?}, hz {hz}")?;
        write!(f, ", io-threads {io_threads}, image {image}, password {}", self.password)?;
        write!(f, ", moved {:?}, repinned {:?}", self.moved, self.repinned)?;
        write!(f, "{}", if self.divided_anew { ", divided anew" } else { "" })?;
        write!(f, "{}", if self.regrouped { ", regrouped" } else { "" })?;
        write!(f, "{}", if self.keeps_names { ", by the same names" } else { "" })
    }
}

impl Shape {
    /// Any shape, with nothing to keep.
    pub fn any(random: &mut Random) -> Self {
        let hosts = 3 + random.below(3);
        let mut shape = Self {
            groups: *random.pick(&[3, 3, 3, 4, 4, 5, 1]),
            copies: *random.pick(&[2, 2, 2, 2, 3, 1]),
            hosts: (1..=hosts).collect(),
            memory_mib: *random.pick(&[512, 832]),
            persistence: *random.pick(&[Persistence::Aof, Persistence::Aof, Persistence::None]),
            image: 1,
            password: random.chance(1, 2),
            hz: 10,
            io_threads: 1,
            divided_anew: random.chance(1, 4),
            moved: BTreeSet::new(),
            repinned: BTreeSet::new(),
            regrouped: false,
            keeps_names: false,
        };
        // Without a copy nothing can be changed without a pause: a case of its own.
        shape.copies = shape.copies.min(hosts);
        shape
    }

    /// Whether a change to another shape replaces or restarts what is there.
    pub fn keeps_running(&self, next: &Self) -> bool {
        next.repinned.is_empty()
            && !next.keeps_names
            && self.memory_mib == next.memory_mib
            && self.persistence == next.persistence
            && self.image == next.image
            && self.io_threads == next.io_threads
            && self.password == next.password
    }

    /// The number of instances.
    pub const fn instances(&self) -> u32 {
        self.groups * self.copies
    }

    /// The same with one to three of its traits changed.
    pub fn changed(&self, random: &mut Random) -> Self {
        let mut next = Self {
            moved: BTreeSet::new(),
            repinned: BTreeSet::new(),
            keeps_names: false,
            ..self.clone()
        };
        if random.chance(1, 12) {
            next.moved.insert(random.below(self.instances()) as usize);
            next.keeps_names = true;
            return next;
        }
        for _ in 0..=random.below(3) {
            match random.below(12) {
                0 | 1 => next.groups = *random.pick(&[1, 3, 4, 5]),
                2 => next.copies = 1 + random.below(3),
                3 => next.memory_mib = *random.pick(&[512, 640, 832, 1024]),
                4 => {
                    next.persistence =
                        *random.pick(&[Persistence::Aof, Persistence::None, Persistence::Aof]);
                }
                5 => next.hz = 10 + random.below(30),
                6 => next.io_threads = 1 + random.below(3),
                7 => next.hosts = some_hosts(random),
                8 | 9 => {
                    next.moved.insert(random.below(self.instances()) as usize);
                }
                10 => next.image += 1,
                _ => {
                    next.repinned.insert(random.below(self.instances()) as usize);
                }
            }
        }
        next.divided_anew = random.chance(1, 4);
        next.regrouped = random.chance(1, 3);
        next.copies = next.copies.min(u32::try_from(next.hosts.len()).unwrap());
        next
    }
}

/// Three hosts or more.
fn some_hosts(random: &mut Random) -> BTreeSet<u32> {
    let mut hosts: BTreeSet<u32> = (1..=HOSTS).collect();
    for _ in 0..random.below(HOSTS - 2) {
        let all: Vec<u32> = hosts.iter().copied().collect();
        hosts.remove(random.pick(&all));
    }
    hosts
}

/// A member of a group while a plan is made.
#[derive(Clone, Debug)]
struct Member {
    ordinal: u32,
    host: u32,
    cpu: u32,
    group: u32,
}

/// Makes plans one after the other: no name and no address comes again once it was free.
pub struct Plans {
    next: u32,
    members: Vec<Member>,
    slots: Vec<Slots>,
}

impl Plans {
    pub const fn new() -> Self {
        Self { next: 0, members: Vec::new(), slots: Vec::new() }
    }

    /// The plan of a shape, after the one before it.
    pub fn plan(&mut self, shape: &Shape) -> Plan {
        let before = std::mem::take(&mut self.members);
        for (place, member) in before.iter().enumerate() {
            let stays = member.group < shape.groups
                && shape.hosts.contains(&member.host)
                && !shape.moved.contains(&place)
                && self.of(member.group).count() < shape.copies as usize;
            if stays {
                let mut member = member.clone();
                if shape.repinned.contains(&place) {
                    member.cpu = self.free_cpu(member.host, &before);
                }
                self.members.push(member);
            }
        }
        if shape.regrouped {
            self.regroup(shape, &before);
        }
        let is_kept = |one: &&Member| self.members.iter().any(|other| other.ordinal == one.ordinal);
        let mut gone: Vec<(u32, u32)> = before
            .iter()
            .filter(|one| shape.keeps_names && !is_kept(one))
            .map(|one| (one.group, one.ordinal))
            .collect();
        // One who moves does not come back to the host that it leaves.
        let left = |group: u32, host: u32| {
            before.iter().enumerate().any(|(place, member)| {
                shape.moved.contains(&place) && (member.group, member.host) == (group, host)
            })
        };
        for copy in 0..shape.copies {
            for group in 0..shape.groups {
                if self.of(group).count() > copy as usize {
                    continue;
                }
                let taken: BTreeSet<u32> = self.of(group).map(|member| member.host).collect();
                let free = |host: &&u32| !taken.contains(host);
                let load = |host: &u32| {
                    let here = self.members.iter().filter(|member| member.host == *host);
                    (left(group, *host), here.count(), *host)
                };
                let host = *shape.hosts.iter().filter(free).min_by_key(|host| load(host)).unwrap();
                let cpu = self.free_cpu(host, &before);
                let former = gone.iter().position(|(of, _)| *of == group);
                let ordinal = former.map_or(self.next, |place| gone.remove(place).1);
                self.next = self.next.max(ordinal + 1);
                self.members.push(Member { ordinal, host, cpu, group });
            }
        }
        self.members.sort_by_key(|member| member.ordinal);
        self.divide(shape);
        self.written(shape)
    }

    /// Keeps instances that their groups no longer need for groups that lack one.
    fn regroup(&mut self, shape: &Shape, before: &[Member]) {
        for (place, member) in before.iter().enumerate() {
            let is_kept = self.members.iter().any(|one| one.ordinal == member.ordinal);
            if is_kept || shape.moved.contains(&place) || !shape.hosts.contains(&member.host) {
                continue;
            }
            let lacks = |group: &u32| {
                self.of(*group).count() < shape.copies as usize
                    && self.of(*group).all(|one| one.host != member.host)
            };
            if let Some(group) = (0..shape.groups).find(lacks) {
                self.members.push(Member { group, ..member.clone() });
            }
        }
    }

    fn of(&self, group: u32) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.group == group)
    }

    /// A CPU that nobody has, so that old and new have room beside each other.
    fn free_cpu(&self, host: u32, before: &[Member]) -> u32 {
        let all = || self.members.iter().chain(before).filter(|member| member.host == host);
        (1..=CPUS).find(|cpu| all().all(|member| member.cpu != *cpu)).unwrap()
    }

    /// Divides the slots among the groups.
    fn divide(&mut self, shape: &Shape) {
        let groups = shape.groups as usize;
        let share = |group: usize| {
            let bound = |part: usize| usize::from(SLOTS) * part / groups;
            u32::try_from(bound(group + 1) - bound(group)).unwrap()
        };
        if shape.divided_anew || self.slots.is_empty() {
            let mut first = 0;
            self.slots.clear();
            for group in 0..groups {
                let last = first + u16::try_from(share(group)).unwrap() - 1;
                self.slots.push(Slots::range(first, last));
                first = last.wrapping_add(1);
            }
            return;
        }
        let mut free = Slots::EMPTY;
        for group in self.slots.iter().skip(groups) {
            free = free.union(group);
        }
        self.slots.resize(groups, Slots::EMPTY);
        for (group, slots) in self.slots.iter_mut().enumerate() {
            let kept = first_of(slots, share(group));
            free = free.union(&slots.minus(&kept));
            *slots = kept;
        }
        for (group, slots) in self.slots.iter_mut().enumerate() {
            let more = first_of(&free, share(group) - slots.count());
            free = free.minus(&more);
            *slots = slots.union(&more);
        }
        assert!(free.is_empty());
    }

    fn written(&self, shape: &Shape) -> Plan {
        let service = ServiceName::new("cache").unwrap();
        let name = |member: &Member| InstanceName::of(&service, member.ordinal).unwrap();
        let group = |(index, slots): (u32, &Slots)| {
            let mut members = self.of(index).map(name);
            let range = |&(first, last): &(u16, u16)| SlotRange { first, last };
            Group {
                index,
                slots: slots.ranges().iter().map(range).collect(),
                lead: members.next().unwrap(),
                replicas: members.collect(),
            }
        };
        let groups: Vec<Group> = (0..).zip(&self.slots).map(group).collect();
        let leads: BTreeSet<InstanceName> = groups.iter().map(|one| one.lead.clone()).collect();
        let instance = |member: &Member| {
            let lead = leads.contains(&name(member));
            let role = if lead { Role::Master } else { Role::Replica };
            instance(shape, &service, member, role)
        };
        let password = shape.password.then_some(Password::Generated);
        let access = Access { password, ..Access::default() };
        let mut planned = built::redis(service.clone(), access, groups);
        planned.layout.copies = shape.copies;
        planned.layout.instances = shape.instances();
        planned.layout.memory_mib = Mebibytes::new(shape.memory_mib);
        if let Demand::Sharded(demand) = &mut planned.demand {
            demand.persistence = shape.persistence;
        }
        Plan {
            format: FORMAT,
            hostsplit: "test".to_owned(),
            name: DeploymentName::new("shop").unwrap(),
            policy: Policy::surviving(Level::Host),
            policy_when_whole: None,
            restart_when_whole: BTreeSet::new(),
            drained: Default::default(),
            network: Some(Network {
                bridge: "br0".to_owned(),
                subnet: [10, 20, 0, 0].into(),
                prefix: 24,
                first: [10, 20, 0, 10].into(),
                last: [10, 20, 0, 250].into(),
                gateway: None,
                vip: None,
            }),
            image: Some(image(shape.image)),
            profiles: Default::default(),
            topology: Topology { hosts: (1..=HOSTS).map(host).collect() },
            services: vec![planned],
            vms: Vec::new(),
            instances: self.members.iter().map(instance).collect(),
            tiers: Vec::new(),
        }
    }
}

/// The first slots of a set, as many as asked for or all.
fn first_of(slots: &Slots, count: u32) -> Slots {
    let mut taken = Slots::EMPTY;
    for &(first, last) in slots.ranges() {
        let left = count - taken.count();
        if left == 0 {
            break;
        }
        let most = u32::from(last - first) + 1;
        let last = first + u16::try_from(left.min(most) - 1).unwrap();
        taken = taken.union(&Slots::range(first, last));
    }
    taken
}

fn host(number: u32) -> Host {
    let name = format!("h{number}");
    let node = NumaNode {
        reserved_memory_mib: Mebibytes::from_gib(1),
        ..plain::node(0, vec![plain::l3(0..=CPUS)], 128)
    };
    Host {
        uri: Some(format!("test://{name}")),
        hypervisor: Virtualization::Tcg,
        ..plain::host(&name, vec![node], 1000)
    }
}

fn instance(shape: &Shape, service: &ServiceName, member: &Member, role: Role) -> Instance {
    let address = Ipv4Addr::from([10, 20, 0, u8::try_from(10 + member.ordinal).unwrap()]);
    let place = (member.host, member.cpu);
    let mut one = built::instance(service, member.ordinal, place, address, role);
    one.group = Some(member.group);
    one.memory_mib = Mebibytes::new(shape.memory_mib);
    if shape.persistence == Persistence::None {
        one.data = None;
    }
    let persists = shape.persistence == Persistence::Aof;
    let mut settings: BTreeMap<&str, Setting> = BTreeMap::from([
        ("appendonly", persists.into()),
        ("save", Setting::words([0; 0])),
        ("cluster-allow-replica-migration", false.into()),
        ("maxmemory", Mebibytes::new(shape.memory_mib / 2).into()),
        ("hz", u64::from(shape.hz).into()),
        ("protected-mode", shape.password.into()),
    ]);
    if shape.io_threads > 1 {
        settings.insert("io-threads", u64::from(shape.io_threads).into());
    }
    if shape.password {
        settings.insert("include", "/etc/redis/secrets.conf".into());
        settings.insert("masteruser", "replica".into());
    }
    one.settings.extend(settings.into_iter().map(|(name, value)| (name.to_owned(), value)));
    one
}

/// The name of a host.
pub fn host_name(number: u32) -> HostName {
    HostName::new(format!("h{number}")).unwrap()
}

#[test]
fn a_further_plan_keeps_what_stays_and_gives_every_slot_once() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut plans = Plans::new();
        let mut shape = Shape::any(&mut random);
        let mut before = plans.plan(&shape);
        for _ in 0..3 {
            shape = shape.changed(&mut random);
            let plan = plans.plan(&shape);
            let count: u32 = plan.services[0].groups.iter().map(Group::slot_count).sum();
            assert_eq!(count, u32::from(SLOTS), "seed {seed}: {shape}");
            assert_eq!(plan.instances.len(), shape.instances() as usize, "seed {seed}: {shape}");
            for one in &plan.instances {
                let hosts = plan.instances.iter().filter(|other| other.group == one.group);
                let hosts: BTreeSet<_> = hosts.map(|other| &other.host).collect();
                assert_eq!(hosts.len(), shape.copies as usize, "seed {seed}: {shape}");
                if let Some(same) = before.instance(&one.name).filter(|_| !shape.keeps_names) {
                    assert_eq!(same.host, one.host, "seed {seed}: {shape}");
                }
            }
            before = plan;
        }
    }
}
