//! Room to restart fixed machines after the loss of any one failure domain: plans against
//! all ways that there are, counted one by one, and what screens say.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;
#[path = "support/plain.rs"]
mod plain;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use hostsplit::audit::{Kind, audit, rules};
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::model::Problem;
use hostsplit::plan::{Plan, RestartPlace};
use hostsplit::planner::{PlanError, make_with};
use hostsplit::profile::Profiles;
use hostsplit::solve::{Limits, fits};
use hostsplit::spec::{FixedVm, HostSet, Policy, Spec, Spread};
use hostsplit::topology::{Host, Level, PagePool, Pool};
use hostsplit::units::{BitsPerSecond, Mebibytes, PerSecond};

use crate::bench::Bench;

/// A plan that the audit lets pass, or that there is none.
fn planned(spec: &Spec, prior: Option<&Plan>) -> Option<Plan> {
    let profiles = Profiles::builtin().unwrap();
    match make_with(spec, &profiles, &Limits::default(), prior) {
        Ok((plan, _)) => {
            assert_eq!(audit(&plan, &profiles), []);
            Some(plan)
        }
        Err(PlanError::Infeasible(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn cost(plan: &Plan) -> (u64, u64) {
    let tier = plan.tiers.iter().find(|tier| tier.name == "cost of used hosts").unwrap();
    (tier.value, tier.bound)
}

/// A place: host, NUMA node and pool, by index.
type Place = (usize, usize, usize);

/// Every way to place the machines of a spec without services or network.
struct Ways<'a> {
    hosts: Vec<&'a Host>,
    machines: Vec<&'a FixedVm>,
    level: Level,
}

impl<'a> Ways<'a> {
    fn new(spec: &'a Spec) -> Self {
        let each = |vm: &'a FixedVm| (0..vm.count).map(move |_| vm);
        Self {
            hosts: spec.topology.hosts.iter().collect(),
            machines: spec.vms.iter().flat_map(each).collect(),
            level: spec.policy.levels().last().unwrap_or(Level::Host),
        }
    }

    /// The least cost of hosts on which all machines run and can be restarted.
    fn least_cost(&self) -> Option<u64> {
        let subsets = 0u32..1 << self.hosts.len();
        let mut subsets: Vec<(u64, Vec<usize>)> = subsets
            .map(|bits| {
                let own: Vec<usize> =
                    (0..self.hosts.len()).filter(|at| bits >> at & 1 == 1).collect();
                (own.iter().map(|at| self.hosts[*at].cost).sum(), own)
            })
            .collect();
        subsets.sort();
        let found = subsets.into_iter().find(|(_, open)| self.place(open, &mut Vec::new()));
        found.map(|(cost, _)| cost)
    }

    fn place(&self, open: &[usize], placed: &mut Vec<Place>) -> bool {
        if placed.len() == self.machines.len() {
            let domains: BTreeSet<String> =
                self.hosts.iter().map(|host| host.failure_domain(self.level)).collect();
            let all: Vec<_> = placed.iter().copied().enumerate().collect();
            return self.is_near(&all)
                && domains.iter().all(|lost| self.survives(open, placed, lost));
        }
        self.places(open).into_iter().any(|place| {
            placed.push(place);
            let all: Vec<_> =
                placed.iter().copied().enumerate().map(|(m, p)| (m, p, true)).collect();
            let found = self.holds(&all) && self.place(open, placed);
            placed.pop();
            found
        })
    }

    fn places(&self, open: &[usize]) -> Vec<Place> {
        let of = |host: &usize| {
            let (host, pools) = (*host, self.hosts[*host].pools.len());
            let numa = 0..self.hosts[host].numa.len();
            numa.flat_map(move |numa| (0..pools).map(move |pool| (host, numa, pool)))
        };
        open.iter().flat_map(of).collect()
    }

    fn is_lost(&self, host: usize, lost: &str) -> bool {
        self.hosts[host].failure_domain(self.level) == lost
    }

    /// Whether a machine may be on a host.
    fn may(&self, machine: usize, host: usize) -> bool {
        let (vm, host) = (self.machines[machine], self.hosts[host]);
        let rack = host.labels.get(&Level::Rack);
        let is_in = |sets: &[HostSet]| {
            sets.iter().any(|set| match set {
                HostSet::Host(name) => *name == host.name,
                HostSet::Rack(name) => Some(name) == rack,
                HostSet::Site(_) => false,
            })
        };
        (vm.on.is_empty() || is_in(&vm.on)) && !is_in(&vm.not_on)
    }

    fn survives(&self, open: &[usize], placed: &[Place], lost: &str) -> bool {
        let left = |(_, place): &(usize, Place)| !self.is_lost(place.0, lost);
        let all: Vec<(usize, Place)> = placed.iter().copied().enumerate().collect();
        let stay: Vec<(usize, Place, bool)> =
            all.iter().copied().filter(left).map(|(m, p)| (m, p, true)).collect();
        let gone: Vec<(usize, Place)> =
            all.into_iter().filter(|one| !left(one) && self.machines[one.0].restart).collect();
        let open: Vec<usize> =
            open.iter().copied().filter(|host| !self.is_lost(*host, lost)).collect();
        self.restart(&open, &gone, stay, lost)
    }

    fn restart(
        &self,
        open: &[usize],
        gone: &[(usize, Place)],
        there: Vec<(usize, Place, bool)>,
        lost: &str,
    ) -> bool {
        let Some(((machine, was), rest)) = gone.split_first() else {
            return self.is_near(&there.iter().map(|(m, p, _)| (*m, *p)).collect::<Vec<_>>());
        };
        let pool = &self.hosts[was.0].pools[was.2];
        let sees = |host: usize| {
            self.hosts[host].pools.iter().any(|one| one.shared && one.name == pool.name)
        };
        let all = 0..self.hosts.len();
        let may = |at: &usize| !self.is_lost(*at, lost) && self.may(*machine, *at);
        let is_seen = pool.shared && all.filter(may).any(&sees);
        self.places(open).into_iter().any(|place| {
            if is_seen && self.hosts[place.0].pools[place.2].name != pool.name {
                return false;
            }
            let mut there = there.clone();
            there.push((*machine, place, !is_seen));
            self.holds(&there) && self.restart(open, rest, there, lost)
        })
    }

    /// Whether hosts hold machines; the disks of some are elsewhere.
    fn holds(&self, all: &[(usize, Place, bool)]) -> bool {
        let sum = |is: &dyn Fn(Place) -> bool, of: &dyn Fn(&FixedVm) -> u64| -> u64 {
            all.iter().filter(|one| is(one.1)).map(|one| of(self.machines[one.0])).sum()
        };
        let with_qemu = |vm: &FixedVm| {
            let mib = vm.memory_mib.get();
            mib + 72 + 8 * u64::from(vm.vcpus) + mib.div_ceil(512)
        };
        self.hosts.iter().enumerate().all(|(at, host)| {
            let numa = host.numa.iter().enumerate().all(|(numa, node)| {
                let here = |place: Place| (place.0, place.1) == (at, numa);
                sum(&here, &|vm| vm.vcpus.into()) <= u64::from(node.allocatable_cores())
                    && sum(&here, &with_qemu) <= node.memory_mib.get()
            });
            let pools = host.pools.iter().enumerate().all(|(number, pool)| {
                let own = all.iter().filter(|(_, p, disk)| *disk && (p.0, p.2) == (at, number));
                let disks = own.map(|one| self.machines[one.0].disk_mib.get() + 4);
                disks.sum::<u64>() <= pool.capacity_mib.get()
            });
            let most = host.network_bits_per_s.map_or(u64::MAX, BitsPerSecond::get);
            let bits = |vm: &FixedVm| vm.network_bits_per_s.get();
            numa && pools && sum(&|place| place.0 == at, &bits) <= most
        }) && all.iter().all(|(machine, place, _)| self.may(*machine, place.0))
            && self.is_spread(all)
            && self.is_apart(all)
    }

    /// Whether no host holds machines that are to be apart.
    fn is_apart(&self, all: &[(usize, Place, bool)]) -> bool {
        let name = |machine: usize| &self.machines[machine].name;
        all.iter().all(|(machine, place, _)| {
            let mut here = all.iter().filter(|(_, other, _)| other.0 == place.0);
            here.all(|(other, _, _)| !self.machines[*machine].apart.contains(name(*other)))
        })
    }

    /// Whether each machine has on its host what it is to be near.
    fn is_near(&self, all: &[(usize, Place)]) -> bool {
        all.iter().all(|(machine, place)| {
            let here = || all.iter().filter(|(_, other)| other.0 == place.0);
            let has =
                |name: &ServiceName| here().any(|(other, _)| self.machines[*other].name == *name);
            self.machines[*machine].near.iter().all(has)
        })
    }

    fn is_spread(&self, all: &[(usize, Place, bool)]) -> bool {
        let mut taken = BTreeMap::new();
        all.iter().all(|(machine, place, _)| {
            let vm = self.machines[*machine];
            vm.spread.is_none_or(|spread| {
                let domain = self.hosts[place.0].failure_domain(spread.per);
                let count: &mut u32 = taken.entry((vm.name.as_str(), domain)).or_default();
                *count += 1;
                *count <= spread.at_most.get()
            })
        })
    }
}

/// Numbers by a linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len() as u64);
        all[usize::try_from(at).unwrap()]
    }
}

/// Two or three small hosts, and machines that nearly fill them.
fn small(numbers: &mut Numbers) -> Spec {
    let level = numbers.of(&[None, Some(Level::Host), Some(Level::Host), Some(Level::Rack)]);
    let count = numbers.of(&[2, 3, 3]);
    let hosts = (1..=count).map(|number| {
        let nodes = numbers.of(&[1, 1, 2]);
        let numa = (0..nodes).map(|id| {
            let last = u32::try_from(numbers.below(4)).unwrap() + 10 * id + 2;
            plain::node(id, vec![plain::l3(10 * id..=last)], numbers.of(&[3, 4, 6]))
        });
        let numa = numa.collect();
        let mut host = plain::host(&format!("h{number}"), numa, numbers.of(&[22, 33, 66]));
        if numbers.below(3) == 0 {
            host.pools.push(Pool { shared: numbers.below(2) == 0, ..plain::pool("san", 22) });
        }
        if numbers.below(3) == 0 {
            host.network_bits_per_s = Some(BitsPerSecond::new(3_000_000));
        }
        host.cost = numbers.of(&[1, 2, 3]);
        let rack = numbers.of(&["a", "b"]);
        host.labels.insert(Level::Rack, rack.to_owned());
        host
    });
    let policy = level.map_or_else(Policy::nothing, Policy::surviving);
    let mut spec = plain::spec(hosts.collect(), policy, Vec::new());
    spec.network = None;
    let entries = numbers.of(&[1, 2]);
    for name in ["a", "b"].into_iter().take(entries) {
        let count = numbers.of(&[1, 2, if entries == 1 { 3 } else { 1 }]);
        let (vcpus, mib) = (numbers.of(&[1, 1, 2, 3]), numbers.of(&[512, 1_024, 2_048]));
        let mut vm = plain::machines(name, count, vcpus, mib, numbers.of(&[10, 10, 20]));
        let two = |per| Spread { per, at_most: NonZeroU32::new(2).unwrap() };
        let one = [Level::Host, Level::Rack].map(Spread::from);
        let spreads = [one[0], one[1], two(Level::Host), two(Level::Rack)].map(Some);
        vm.spread = if numbers.below(2) == 0 { None } else { numbers.of(&spreads) };
        vm.restart = numbers.below(4) > 0;
        let host = |number: u64| HostSet::Host(HostName::new(format!("h{number}")).unwrap());
        match numbers.below(6) {
            0 => vm.on = vec![host(1), HostSet::Rack("b".to_owned())],
            1 => vm.not_on = vec![host(2)],
            _ => {}
        }
        vm.network_bits_per_s = BitsPerSecond::new(1_000_000);
        spec.vms.push(vm);
    }
    if let [a, b] = spec.vms.as_mut_slice() {
        let (first, second) = (vec![a.name.clone()], vec![b.name.clone()]);
        match numbers.below(8) {
            0 | 1 => a.apart = second,
            2 | 3 => a.near = second,
            4 => b.near = first,
            5 => (a.near, b.near) = (second, first),
            _ => {}
        }
    }
    spec
}

#[test]
fn a_plan_is_there_and_costs_what_counting_out_every_way_finds() {
    let (mut numbers, mut possible, mut refused) = (Numbers(7), 0, 0);
    for number in 0..400 {
        let spec = small(&mut numbers);
        let least = Ways::new(&spec).least_cost();
        // What would help where there is none is sought for long, and not the question here.
        let is_there = fits(&Problem::new(&spec, Vec::new()), &Limits::default()).unwrap();
        let plan = if is_there { planned(&spec, None) } else { None };
        let found = plan.as_ref().map(cost);
        assert_eq!(found, least.map(|least| (least, least)), "{number}: {spec:#?}");
        let restarts = spec.vms.iter().any(|vm| vm.restart);
        possible += usize::from(least.is_some() && restarts);
        refused += usize::from(least.is_none() && restarts);
        // Planned again upon itself it is the same.
        if let Some(plan) = plan.filter(|_| number % 8 == 0) {
            let again = planned(&spec, Some(&plan)).unwrap();
            let places =
                |plan: &Plan| plan.instances.iter().map(|one| one.host.clone()).collect::<Vec<_>>();
            assert_eq!(places(&again), places(&plan), "{number}");
        }
    }
    assert!(possible > 40 && refused > 40, "{possible} possible, {refused} not");
}

/// Hosts of one NUMA node with so many free cores and so much memory.
fn hosts(count: usize, cores: u32, gib: u64) -> Vec<Host> {
    let host = |number: usize| {
        plain::host(
            &format!("h{number}"),
            vec![plain::node(0, vec![plain::l3(0..=cores)], gib)],
            100,
        )
    };
    (1..=count).map(host).collect()
}

fn restarted(count: u32, vcpus: u32, mib: u64) -> FixedVm {
    FixedVm { restart: true, ..plain::machines("erp", count, vcpus, mib, 10) }
}

fn only(hosts: Vec<Host>, vm: FixedVm) -> Spec {
    Spec { vms: vec![vm], network: None, ..plain::spec(hosts, Policy::nothing(), Vec::new()) }
}

#[test]
fn a_host_that_is_only_kept_for_restarts_is_paid() {
    let spec = only(hosts(3, 4, 16), restarted(2, 2, 1_024));
    let plan = planned(&spec, None).unwrap();
    // One host would hold both; the other one takes both over.
    assert_eq!(cost(&plan), (2, 2));
    let used: BTreeSet<_> = plan.instances.iter().map(|one| &one.host).collect();
    let kept = plan.instances.iter().filter_map(|one| Some(&one.restart.as_ref()?.host));
    assert_eq!(used.into_iter().chain(kept).collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn pages_are_those_that_are_left() {
    let mut all = hosts(2, 8, 16);
    for host in &mut all {
        host.numa[0].pages = vec![
            PagePool { size_kib: 2_048, count: 2_048 },
            PagePool { size_kib: 1 << 20, count: 2 },
        ];
    }
    // 4 GiB of 2 MiB pages on each host: three machines of 1 GiB here and one there.
    let plan = planned(&only(all.clone(), restarted(4, 1, 1_024)), None).unwrap();
    assert!(plan.instances.iter().all(|one| one.restart.as_ref().unwrap().page_kib > 4));
    // 10 GiB of ordinary memory with larger machines.
    let plan = planned(&only(all.clone(), restarted(2, 1, 4_900)), None).unwrap();
    assert!(plan.instances.iter().all(|one| one.restart.as_ref().unwrap().page_kib == 4));
    assert_eq!(planned(&only(all, restarted(2, 1, 5 * 1_024)), None), None);
}

#[test]
fn operations_of_pools_count_where_disks_are_restored() {
    let mut vm = restarted(2, 1, 1_024);
    vm.iops_per_s = PerSecond::new(600);
    let mut all = hosts(2, 8, 16);
    all.iter_mut().for_each(|host| host.pools[0].iops_per_s = Some(PerSecond::new(1_000)));
    assert_eq!(planned(&only(all.clone(), vm.clone()), None), None);
    // Disks that both hosts see work as before.
    all.iter_mut().for_each(|host| host.pools[0].shared = true);
    assert!(planned(&only(all.clone(), vm.clone()), None).is_some());
    all.iter_mut().for_each(|host| host.pools[0].shared = false);
    vm.iops_per_s = PerSecond::new(500);
    assert!(planned(&only(all, vm), None).is_some());
}

#[test]
fn many_hosts_are_planned_with_their_bound() {
    let mut spec = only(hosts(30, 16, 64), restarted(40, 3, 6 * 1_024));
    spec.vms.push(FixedVm { restart: true, ..plain::machines("web", 60, 2, 4_096, 1) });
    let plan = planned(&spec, None).unwrap();
    let (value, bound) = cost(&plan);
    // 240 of 480 cores: 15 hosts hold all, and one more takes over.
    assert!((15..=16).contains(&bound) && (16..=17).contains(&value), "{value} of {bound}");
}

/// What a finding says, and the edit of a plan that it is about.
type Break = (&'static str, fn(&mut Plan));

#[test]
fn each_place_is_judged() {
    let profiles = Profiles::builtin().unwrap();
    let mut vm = restarted(3, 3, 4_096);
    vm.network_bits_per_s = BitsPerSecond::new(1_000_000_000);
    vm.iops_per_s = PerSecond::new(100);
    let mut all = hosts(4, 6, 16);
    for host in &mut all {
        host.network_bits_per_s = Some(BitsPerSecond::new(2_000_000_000));
        host.pools[0].iops_per_s = Some(PerSecond::new(200));
    }
    let plan = planned(&only(all, vm), None).unwrap();
    let edits: [Break; 13] = [
        ("no place", |plan| plan.instances[0].restart = None),
        ("none was asked for", |plan| plan.vms[0].restart = false),
        ("is lost with it", |plan| {
            let own = plan.instances[0].host.clone();
            place(plan).host = own;
        }),
        ("unknown", |plan| place(plan).numa = 7),
        ("can take no instance", |plan| {
            let to = place(plan).host.clone();
            plan.drained.insert(to);
        }),
        ("pool of h", |plan| place(plan).pool = None),
        ("pool of h", |plan| place(plan).pool = Some("other".to_owned())),
        ("pages of 2048 KiB", |plan| place(plan).page_kib = 2_048),
        ("pages of 0 KiB", |plan| place(plan).page_kib = 0),
        ("cores", |plan| target(plan).numa[0].l3[0].cores.truncate(6)),
        ("MiB;", |plan| target(plan).numa[0].memory_mib = Mebibytes::new(8_000)),
        ("MiB of disk", |plan| target(plan).pools[0].capacity_mib = Mebibytes::new(20_000)),
        ("where its disks in pool", |plan| {
            for host in &mut plan.topology.hosts {
                host.pools.push(Pool { shared: true, ..plain::pool("san", 99) });
            }
            plan.instances[0].root.as_mut().unwrap().pool = "san".to_owned();
            plan.instances[0].seed.as_mut().unwrap().pool = "san".to_owned();
        }),
    ];
    for (expected, edit) in edits {
        let mut plan = plan.clone();
        edit(&mut plan);
        let found = rules(&plan, &profiles);
        let own = found.iter().filter(|one| one.kind == Kind::Restart);
        let texts: Vec<String> = own.map(ToString::to_string).collect();
        assert!(texts.iter().any(|text| text.contains(expected)), "{expected}: {found:#?}");
    }
    for change in [
        (|host| host.network_bits_per_s = Some(BitsPerSecond::new(1_999_999_999))) as fn(&mut Host),
        |host| host.pools[0].iops_per_s = Some(PerSecond::new(199)),
    ] {
        let mut plan = plan.clone();
        change(target(&mut plan));
        assert!(rules(&plan, &profiles).iter().any(|one| one.kind == Kind::Restart));
    }
}

fn place(plan: &mut Plan) -> &mut RestartPlace {
    plan.instances[0].restart.as_mut().unwrap()
}

/// The host where the first machine is restarted, which has one already.
fn target(plan: &mut Plan) -> &mut Host {
    let busy = plan.instances[1].host.clone();
    place(plan).host = busy.clone();
    plan.topology.hosts.iter_mut().find(|host| host.name == busy).unwrap()
}

const OFFICE: &str = "\
name: office
policy: { survive: host }
hosts:
  - { name: box, count: 3, cores: 8, memory: 32GiB, disk: 200GiB }
vms:
  - { name: erp, count: 3, vcpus: 3, memory: 12GiB, disk: 40GiB, restart: true }
  - { name: scratch, vcpus: 1, memory: 1GiB }
";

/// What a screen says from its line on survival to the objectives.
fn survival(screen: &str) -> String {
    let lines = screen.lines().skip_while(|line| {
        let line = line.trim_start();
        !(line.starts_with("survives") || line.starts_with("lost with"))
    });
    lines.take_while(|line| !line.starts_with("objectives")).collect::<Vec<_>>().join("\n")
}

#[test]
fn screens_say_where_machines_are_restarted_and_by_whom() {
    let bench = Bench::new();
    bench.put("spec.yaml", OFFICE);
    let said = bench.run(&["plan", "spec.yaml"]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    insta::assert_snapshot!(survival(&said), @"
    lost with any one host, as fixed VMs have no copies:
      box-1  erp-0 is lost until the host is back, or until a person restores it on box-2 from a backup; room is kept there
      box-2  scratch-0 is lost until the host is back, or until a person starts it elsewhere
      box-2  erp-1 is lost until the host is back, or until a person restores it on box-1 from a backup; room is kept there
      box-3  erp-2 is lost until the host is back, or until a person restores it on box-1 from a backup; room is kept there
      to restart: `hostsplit drain PLAN HOST`, then `hostsplit deploy PLAN --without HOST`; disks that are lost with HOST begin empty, to be restored
    ");
    assert!(said.contains("40 GiB disk, room to restart each elsewhere"), "{said}");
    let checked = bench.run(&["check", "spec.yaml"]);
    insta::assert_snapshot!(checked, @"
    exit 0
    spec.yaml: valid
      hosts     box-1, box-2, box-3: 21 cores and 90 GiB for instances
      vms       erp: 3 VMs of 3 vCPU, 12 GiB, 40 GiB disk, room to restart each elsewhere
      vms       scratch: 1 VM of 1 vCPU, 1 GiB
      survives  nothing: fixed VMs have no copies; there is room to restart erp
    ---
    ");
    let markdown = bench.run(&["show", "plan.json", "--format", "markdown"]);
    assert!(markdown.contains("To restart: `hostsplit drain PLAN HOST`"), "{markdown}");
    // Nothing is promised, and still there is room.
    bench.put("none.yaml", &OFFICE.replace("survive: host", "survive: none"));
    insta::assert_snapshot!(survival(&bench.run(&["plan", "none.yaml"])), @"
    survives: no guarantee (policy.survive: none)
      box-1  erp-0 is lost until the host is back, or until a person restores it on box-2 from a backup; room is kept there
      box-2  erp-1 is lost until the host is back, or until a person restores it on box-1 from a backup; room is kept there
      box-3  erp-2 is lost until the host is back, or until a person restores it on box-1 from a backup; room is kept there
      to restart: `hostsplit drain PLAN HOST`, then `hostsplit deploy PLAN --without HOST`; disks that are lost with HOST begin empty, to be restored
    ");
}

#[test]
fn machines_are_on_hosts_that_are_allowed_and_restarted_there() {
    let bench = Bench::new();
    let rules = "on: [box-1, box-2], not_on: box-1, restart: true";
    let spec = OFFICE.replace("restart: true", "not_on: box-1, restart: true");
    bench.put("spec.yaml", &spec.replace("count: 3, vcpus: 3", "count: 2, vcpus: 3"));
    let said = bench.run(&["plan", "spec.yaml"]);
    insta::assert_snapshot!(survival(&said), @"
    lost with any one host, as fixed VMs have no copies:
      box-2  scratch-0 is lost until the host is back, or until a person starts it elsewhere
      box-2  erp-0 is lost until the host is back, or until a person restores it on box-3 from a backup; room is kept there
      box-3  erp-1 is lost until the host is back, or until a person restores it on box-2 from a backup; room is kept there
      to restart: `hostsplit drain PLAN HOST`, then `hostsplit deploy PLAN --without HOST`; disks that are lost with HOST begin empty, to be restored
    ");
    let why = bench.run(&["explain", "plan.json", "--why-not", "erp on box-1"]);
    assert!(why.contains("erp may not be on box-1"), "{why}");
    // One host is left, which is too small for all.
    bench.put("one.yaml", &OFFICE.replace("restart: true", rules));
    insta::assert_snapshot!(bench.run(&["plan", "one.yaml"]), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because of `on` and `not_on`, erp may be on hosts that hold 2 of its 3 VMs
      even if they are empty.
    hint: omit `on` and `not_on` of erp
    ");
    bench.put("none.yaml", &OFFICE.replace("restart: true", "on: bx-1, not_on: { rack: r1 }"));
    insta::assert_snapshot!(bench.run(&["check", "none.yaml"]), @r#"
    exit 1
    ---
    error: 2 errors in none.yaml
    none.yaml:6:70: on: there is no host "bx-1"
    hint: did you mean "box-1"?
    none.yaml:6:84: not_on: there is no rack "r1"
    "#);
    bench.put("left.yaml", &OFFICE.replace("restart: true", "on: box-1, not_on: { host: box-1 }"));
    insta::assert_snapshot!(bench.run(&["check", "left.yaml"]), @"
    exit 1
    ---
    error: left.yaml:6:85: not_on: leaves no host for erp
    ");
}

#[test]
fn without_room_the_machines_and_their_hosts_are_named() {
    let bench = Bench::new();
    bench.put("spec.yaml", &OFFICE.replace("vcpus: 3", "vcpus: 4"));
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml"]), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because of `restart: true`, another host must have room for 1 VM of erp on
      each of box-1, box-2, box-3 once that is lost, and none has.
      Adding 1 host like box-1 would make it feasible (cost 1).
    hint: add 1 host like box-1; or omit `restart` of erp
    ");
}

#[test]
fn while_a_host_is_emptied_less_room_may_be_kept() {
    let bench = Bench::new();
    bench.put("spec.yaml", OFFICE);
    assert!(bench.run(&["plan", "spec.yaml"]).starts_with("exit 0\n"));
    let drained = bench.run(&["drain", "plan.json", "box-2"]);
    assert!(drained.starts_with("exit 0\n"), "{drained}");
    assert!(drained.contains("there is no room to restart erp"), "{drained}");
    let same = bench.run(&["check", "plan.json", "--spec", "spec.yaml"]);
    assert!(same.starts_with("exit 0\n"), "{same}");
    let back = bench.run(&["drain", "plan.json", "box-2", "--back"]);
    assert!(back.starts_with("exit 0\n") && !back.contains("note:"), "{back}");
    assert!(survival(&back).contains("room is kept there"), "{back}");
    let same = bench.run(&["check", "plan.json", "--spec", "spec.yaml"]);
    assert!(same.starts_with("exit 0\n"), "{same}");
}
