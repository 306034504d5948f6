//! The change from one plan to another as steps with seconds and bytes: what is added,
//! copied, replaced, moved and removed, in the order in which a deploy does it, and what is
//! refused meanwhile.
//!
//! The steps are those that [`decide`](crate::graph::decide) comes to on hosts that hold
//! the prior plan ([`assume`](crate::deploy::assume)); only seconds and bytes are estimated
//! here.

mod estimate;
mod text;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::engine::cluster::FileChange;
use crate::engine::{Pending, operator_of};
use crate::graph::{Action, Actions, ImpactKind, Vertex};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Group, Instance, Layout, Plan, ServicePlan};
use crate::planner::Room;
use crate::recipe;
use crate::recipe::slots::{SLOTS, Slots};
use crate::secret::{Identity, Secret, Secrets};
use crate::spec::Cluster;
use crate::units::{Mebibytes, percent};

/// What it takes to get from one plan to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Seconds until all is done, by estimate: services change at the same time.
    pub seconds: u64,
    /// Services that change, in the order of the plan, then those that go.
    pub services: Vec<ServiceChange>,
    /// Entries of fixed machines that change.
    pub machines: Vec<ServiceChange>,
    /// What is short for old beside new.
    pub room: Room,
}

/// What happens to one service, or to the fixed machines of one entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceChange {
    /// The service.
    pub name: ServiceName,
    /// Its layout before; `None` if it is new, and for fixed machines.
    pub from: Option<Layout>,
    /// Its layout after; `None` if it goes, and for fixed machines.
    pub to: Option<Layout>,
    /// The steps, in their order.
    pub steps: Vec<ChangeStep>,
    /// Seconds of all steps.
    pub seconds: u64,
    /// Seconds in which a part of it, or all, refuses requests; 0 for none.
    pub refused_s: u64,
    /// What has to be allowed by name, since it stops or loses something.
    pub needs: Vec<Need>,
    /// Times that another copy takes over at our request, each within 2 s.
    pub hand_overs: usize,
    /// Whether writes wait meanwhile; where there is no data, open connections end.
    #[serde(skip)]
    pub holds_data: bool,
    /// How full it gets meanwhile, in percent of what it can do then; `None` for fixed
    /// machines, for services that come or go, and for those that are emulated in software.
    pub used_percent: Option<f64>,
}

/// What the operator has to allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The option of `deploy`, with the name: `--allow-downtime box`.
    pub option: String,
    /// Why.
    pub cause: String,
    /// Because of which instances.
    pub instances: Vec<InstanceName>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeStep {
    /// What is done.
    pub work: Work,
    /// With which instances.
    pub instances: Vec<InstanceName>,
    /// Hash slots that move.
    pub slots: u32,
    /// Data that is copied or moved.
    pub data_mib: Mebibytes,
    /// Seconds, by estimate.
    pub seconds: u64,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Instances are made, all at once.
    Add,
    /// Copies are filled from their leaders.
    Copy,
    /// Slots move between leaders, in batches.
    MoveSlots,
    /// Machines are replaced in turn, host by host where the plan survives the loss of one.
    Replace,
    /// Machines are switched off and on with another definition, on the same disks, in turn.
    PowerCycle,
    /// Engines take other settings up while they run.
    TakeUp,
    /// Engines get other settings by a restart or at another port, one after the other.
    Configure,
    /// Machines move to another host while they run.
    Migrate,
    /// Instances are drained, forgotten and removed.
    Leave,
}

impl Change {
    /// Sums up what was decided on the hosts of the prior plan.
    #[must_use]
    pub fn new(prior: &Plan, plan: &Plan, actions: &Actions) -> Self {
        let of = |name: &ServiceName| service(prior, plan, actions, name);
        let gone = prior.services.iter().filter(|old| plan.service(&old.name).is_none());
        let services = plan.services.iter().chain(gone).filter_map(|one| of(&one.name));
        let services: Vec<ServiceChange> = services.collect();
        let mut names: Vec<&ServiceName> = plan.vms.iter().map(|vm| &vm.name).collect();
        let old = prior.vms.iter().map(|vm| &vm.name);
        names.extend(old.filter(|name| plan.vms.iter().all(|vm| vm.name != **name)));
        let machines: Vec<ServiceChange> =
            names.into_iter().filter_map(|name| machines(prior, plan, actions, name)).collect();
        let all = services.iter().chain(&machines).map(|one| one.seconds);
        Self { seconds: all.max().unwrap_or(0), services, machines, room: Room::new(prior, plan) }
    }
}

/// The members of a service by what becomes of them.
struct Fates<'a> {
    added: Vec<&'a Instance>,
    replaced: Vec<&'a Instance>,
    cycled: Vec<&'a Instance>,
    /// Those of which the engine is restarted, or of which clients go elsewhere meanwhile.
    configured: Vec<&'a Instance>,
    /// Those that take other settings up while they run.
    live: Vec<&'a Instance>,
    gone: Vec<&'a Instance>,
}

impl<'a> Fates<'a> {
    fn of(prior: &'a Plan, plan: &'a Plan, actions: &Actions, name: &ServiceName) -> Self {
        let action = |vertex: Vertex| actions.step(&vertex).map(|step| step.action);
        let has = |one: &Instance| prior.instance(&one.name).is_some();
        let domain = |one: &Instance| action(Vertex::Domain(one.name.clone()));
        let engine = |one: &Instance| action(Vertex::Configured(one.name.clone()));
        let own = || plan.members(name);
        let stays = |one: &&Instance| has(one) && domain(one) == Some(Action::NoOp);
        let configured = own().filter(|one| stays(one) && engine(one) == Some(Action::Update));
        let (live, configured) = configured.partition(|one| is_live(prior, plan, one));
        Self {
            added: own().filter(|one| !has(one)).collect(),
            replaced: own()
                .filter(|one| has(one))
                .filter(|one| !matches!(domain(one), Some(Action::NoOp | Action::Update) | None))
                .collect(),
            cycled: own().filter(|one| has(one) && domain(one) == Some(Action::Update)).collect(),
            configured,
            live,
            gone: prior.members(name).filter(|one| plan.instance(&one.name).is_none()).collect(),
        }
    }
}

/// Whether an instance takes the settings of another plan up while it runs. Passwords and
/// certificates are the same for both: whether they change is not in a plan.
fn is_live(prior: &Plan, plan: &Plan, instance: &Instance) -> bool {
    let files = |plan: &Plan| {
        let (service, instance) =
            (plan.service(&instance.service)?, plan.instance(&instance.name)?);
        recipe::of(service.engine).setup?.files(service, instance, &any_secrets(plan)).ok()
    };
    let Some((before, after)) = files(prior).zip(files(plan)) else { return false };
    let changed = after.into_iter().filter_map(|file| {
        let before = before.iter().find(|one| one.path == file.path).map(|one| one.text.clone());
        (before.as_ref() != Some(&file.text)).then_some(FileChange { file, before })
    });
    let changed: Vec<FileChange> = changed.collect();
    let service = plan.service(&instance.service);
    let pending = service.and_then(|service| operator_of(service).ok()?.foresee(&changed));
    matches!(pending, None | Some(Pending::Live))
}

/// Secrets that only say that there are some.
fn any_secrets(plan: &Plan) -> Secrets {
    let secret = || Secret::from("0".repeat(48));
    let of_service = |service: &ServicePlan| {
        let needs = recipe::secret_needs(service.engine).iter();
        (service.name.clone(), needs.map(|need| (need.name, secret())).collect())
    };
    let identity = |one: &Instance| {
        let (authority, certificate) = (String::new(), String::new());
        (one.name.clone(), Identity { authority, certificate, key: secret() })
    };
    Secrets {
        services: plan.services.iter().map(of_service).collect(),
        identities: plan.instances.iter().map(identity).collect(),
    }
}

fn needs(actions: &Actions, name: &ServiceName) -> Vec<Need> {
    let own = actions.impacts().iter().filter(|impact| impact.service == *name);
    own.map(|impact| Need {
        option: format!("{} {name}", impact.kind.option()),
        cause: impact.cause.clone(),
        instances: impact.instances.clone(),
    })
    .collect()
}

fn names(instances: &[&Instance]) -> Vec<InstanceName> {
    instances.iter().map(|one| one.name.clone()).collect()
}

fn step(work: Work, instances: &[&Instance], seconds: u64) -> ChangeStep {
    let data_mib = Mebibytes::ZERO;
    ChangeStep { work, instances: names(instances), slots: 0, data_mib, seconds }
}

/// What happens to a service; `None` if nothing does.
fn service(
    prior: &Plan,
    plan: &Plan,
    actions: &Actions,
    name: &ServiceName,
) -> Option<ServiceChange> {
    let (old, new) = (prior.service(name), plan.service(name));
    let fates = Fates::of(prior, plan, actions, name);
    let mut steps = Vec::new();
    if !fates.added.is_empty() {
        steps.push(step(Work::Add, &fates.added, estimate::boot()));
    }
    let leads = |instances: &[&Instance]| {
        let groups = old.into_iter().flat_map(|service| &service.groups);
        groups.filter(|group| instances.iter().any(|one| one.name == group.lead)).count()
    };
    let mut refused_s = 0;
    let mut hand_overs = 0;
    if let (Some(old), Some(new)) = (old, new) {
        let data = estimate::data_per_copy(old);
        steps.extend(copy(prior, plan, (old, new), &fates.added, data));
        let slots = moved_slots(old, new);
        // What gets less memory gives its data away before.
        let gives_first = new.layout.memory_mib < old.layout.memory_mib;
        steps.extend(slots.clone().filter(|_| gives_first));
        if !fates.live.is_empty() {
            steps.push(step(Work::TakeUp, &fates.live, estimate::taken_up(fates.live.len())));
        }
        if !fates.configured.is_empty() {
            let seconds = estimate::restarts(fates.configured.len());
            steps.push(step(Work::Configure, &fates.configured, seconds));
        }
        for (work, instances) in
            [(Work::Replace, &fates.replaced), (Work::PowerCycle, &fates.cycled)]
        {
            if instances.is_empty() {
                continue;
            }
            let copies = instances.iter().map(|one| estimate::copy(plan, one, data));
            let slowest = copies.max().unwrap_or(0);
            let turns = turns(plan, instances);
            let seconds = estimate::replaced(turns, slowest, leads(instances));
            let data_mib = Mebibytes::new(data.get().saturating_mul(instances.len() as u64));
            steps.push(ChangeStep { data_mib, ..step(work, instances, seconds) });
        }
        steps.extend(slots.filter(|_| !gives_first));
        if is_single(old) {
            let stops = |one: &&ChangeStep| {
                matches!(one.work, Work::Replace | Work::PowerCycle | Work::Configure)
            };
            refused_s = steps.iter().filter(stops).map(|one| one.seconds).sum();
        } else {
            let handed = [&fates.replaced, &fates.cycled, &fates.configured, &fates.gone];
            hand_overs = handed.into_iter().map(|instances| leads(instances)).sum();
        }
    }
    if !fates.gone.is_empty() {
        steps.push(step(Work::Leave, &fates.gone, estimate::leaving(fates.gone.len())));
        if new.is_none() {
            refused_s = estimate::leaving(fates.gone.len());
        }
    }
    let seconds = steps.iter().map(|one| one.seconds).sum();
    let is_promised = prior.emulating(name).is_empty() && plan.emulating(name).is_empty();
    (!steps.is_empty()).then(|| ServiceChange {
        name: name.clone(),
        from: old.map(|one| one.layout.clone()),
        to: new.map(|one| one.layout.clone()),
        used_percent: old.zip(new).filter(|_| is_promised).map(|(old, new)| used(old, new, &fates)),
        steps,
        seconds,
        refused_s,
        needs: needs(actions, name),
        hand_overs,
        holds_data: old.is_some_and(|one| one.engine.cluster().holds_data()),
    })
}

/// Returns in how many turns machines are away: those of a host together where its loss is
/// survived, else one by one.
fn turns(plan: &Plan, instances: &[&Instance]) -> usize {
    if !plan.policy.survives() {
        return instances.len();
    }
    instances.iter().map(|one| &one.host).collect::<BTreeSet<_>>().len()
}

/// Whether nothing can take over for an instance that is away.
fn is_single(service: &ServicePlan) -> bool {
    match service.engine.cluster() {
        Cluster::Pool => service.layout.instances < 2,
        _ => service.layout.copies < 2,
    }
}

/// The filling of copies that are new to their group: of new instances, and of those that
/// follow another leader than before.
fn copy(
    prior: &Plan,
    plan: &Plan,
    (old, new): (&ServicePlan, &ServicePlan),
    added: &[&Instance],
    data: Mebibytes,
) -> Option<ChangeStep> {
    let continued = continued(old, new);
    let was = |one: &Instance| one.group.and_then(|group| continued.get(&group).copied());
    // A group that the prior plan does not have is empty until slots move to it.
    let has_data = |one: &&Instance| one.group.is_none() || was(one).is_some();
    let follows_another = |one: &&Instance| {
        prior.instance(&one.name).is_some_and(|old| one.group.is_some() && old.group != was(one))
    };
    let regrouped = plan.members(&new.name).filter(follows_another);
    let filled: Vec<&Instance> = added.iter().copied().chain(regrouped).filter(has_data).collect();
    if filled.is_empty() || data == Mebibytes::ZERO {
        return None;
    }
    let slowest = filled.iter().map(|one| estimate::copy(plan, one, data)).max();
    let data_mib = Mebibytes::new(data.get().saturating_mul(filled.len() as u64));
    Some(ChangeStep { data_mib, ..step(Work::Copy, &filled, slowest.unwrap_or(0)) })
}

/// Returns the prior group that each group continues, by number: those that share most
/// slots, or have the same number where there are none.
fn continued(old: &ServicePlan, new: &ServicePlan) -> BTreeMap<u32, u32> {
    let mut pairs = Vec::new();
    for group in &new.groups {
        for was in &old.groups {
            let (shared, same) = (shared_slots(was, group), was.index == group.index);
            if shared > 0 || (same && group.slots.is_empty()) {
                pairs.push((Reverse(shared), !same, was.index, group.index));
            }
        }
    }
    pairs.sort_unstable();
    let (mut found, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (_, _, was, group) in pairs {
        if !found.contains_key(&group) && taken.insert(was) {
            found.insert(group, was);
        }
    }
    found
}

fn shared_slots(one: &Group, other: &Group) -> u32 {
    Slots::planned(&one.slots).intersection(&Slots::planned(&other.slots)).count()
}

/// The slots that change their group.
fn moved_slots(old: &ServicePlan, new: &ServicePlan) -> Option<ChangeStep> {
    let continued = continued(old, new);
    let kept = new.groups.iter().filter_map(|group| {
        let was = continued.get(&group.index)?;
        Some(shared_slots(old.groups.iter().find(|one| one.index == *was)?, group))
    });
    let kept: u32 = kept.sum();
    let all: u32 = new.groups.iter().map(Group::slot_count).sum();
    let slots = all.saturating_sub(kept);
    if slots == 0 {
        return None;
    }
    let whole = estimate::data(old).get().saturating_mul(u64::from(slots));
    let data_mib = Mebibytes::new(whole / u64::from(SLOTS));
    let seconds = estimate::keys(old, data_mib);
    Some(ChangeStep { slots, data_mib, ..step(Work::MoveSlots, &[], seconds) })
}

/// How full a service gets while it changes: what is asked of it before and after (the
/// smaller of both, since more cannot be served before it is done) of what the smaller of
/// both layouts can do, with one instance away where all of them serve.
fn used(old: &ServicePlan, new: &ServicePlan, fates: &Fates) -> f64 {
    let total = old.capacity.total_per_s.min(new.capacity.total_per_s).get();
    let demand = new.capacity.demand_per_s.min(old.capacity.demand_per_s).get();
    let count = u64::from(old.layout.instances.min(new.layout.instances)).max(1);
    let in_turn = [&fates.replaced, &fates.cycled, &fates.configured];
    let is_one_away = in_turn.into_iter().any(|instances| !instances.is_empty());
    let all_serve = matches!(new.engine.cluster(), Cluster::Pool | Cluster::Quorum);
    let left = if is_one_away && all_serve { total / count * (count - 1) } else { total };
    percent(demand, left)
}

/// What happens to the fixed machines of an entry; `None` if nothing does.
fn machines(
    prior: &Plan,
    plan: &Plan,
    actions: &Actions,
    name: &ServiceName,
) -> Option<ServiceChange> {
    let fates = Fates::of(prior, plan, actions, name);
    // One that has to be stopped for it does not move as it is.
    let stops = |one: &Instance| {
        let mut impacts = actions.impacts().iter();
        impacts.any(|it| it.kind == ImpactKind::Downtime && it.instances.contains(&one.name))
    };
    let moves = |one: &&&Instance| {
        prior.instance(&one.name).is_some_and(|old| old.host != one.host) && !stops(one)
    };
    let moved: Vec<&Instance> = fates.replaced.iter().filter(moves).copied().collect();
    let replaced: Vec<&Instance> =
        fates.replaced.iter().filter(|one| !moves(one)).copied().collect();
    let mut steps = Vec::new();
    if !fates.added.is_empty() {
        steps.push(step(Work::Add, &fates.added, estimate::boot()));
    }
    if !moved.is_empty() {
        let size = |one: &Instance| {
            let disks = one.volumes().map(|volume| volume.size_mib).sum::<Mebibytes>();
            one.memory_mib.saturating_add(disks)
        };
        let seconds = moved.iter().map(|one| estimate::copy(plan, one, size(one))).sum();
        let data_mib = moved.iter().map(|one| size(one)).sum();
        steps.push(ChangeStep { data_mib, ..step(Work::Migrate, &moved, seconds) });
    }
    let mut refused_s = 0;
    for (work, instances) in [(Work::Replace, &replaced), (Work::PowerCycle, &fates.cycled)] {
        if !instances.is_empty() {
            let seconds = estimate::replaced(instances.len(), 0, 0);
            refused_s += seconds;
            steps.push(step(work, instances, seconds));
        }
    }
    if !fates.gone.is_empty() {
        steps.push(step(Work::Leave, &fates.gone, estimate::leaving(fates.gone.len())));
    }
    let seconds = steps.iter().map(|one| one.seconds).sum();
    (!steps.is_empty()).then(|| ServiceChange {
        name: name.clone(),
        from: None,
        to: None,
        steps,
        seconds,
        refused_s,
        needs: needs(actions, name),
        hand_overs: 0,
        holds_data: false,
        used_percent: None,
    })
}
