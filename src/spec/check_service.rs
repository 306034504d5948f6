//! `services:` and `vms:`, which share their names.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::access::access;
use super::problem::Mark;
use super::scalar::{EngineName, mark_of};
use super::scope::{Scope, mark_or};
use super::wire;
use crate::ids::{InstanceName, MAX_NAME, ServiceName};
use crate::spec::{Demand, Engine, FixedVm, Persistence, Service, ShardedDemand};
use crate::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};

// Larger than anything that is built: a value above is a slipped unit, and
// sums of values below cannot overflow.
const MAX_RATE: PerSecond = PerSecond::new(1_000_000_000_000);
const MAX_SIZE: Mebibytes = Mebibytes::from_gib(1 << 20);
const MAX_COUNT: u32 = 10_000;
const MAX_VCPUS: u32 = 4_096;

/// Redis refuses values above 512 MiB (`proto-max-bulk-len`).
const MAX_VALUE: Bytes = Bytes::new(512 << 20);
const DEFAULT_VALUE: Bytes = Bytes::new(512);

/// What a guest needs at least to boot.
const MIN_MEMORY: Mebibytes = Mebibytes::new(64);
const ONE_MIB: Mebibytes = Mebibytes::new(1);

pub(super) fn services_and_vms(
    scope: &mut Scope<'_>,
    top: Mark,
    spec: &wire::SpecFile,
) -> (Vec<Service>, Vec<FixedVm>) {
    let services = spec.services.as_deref().unwrap_or_default();
    let vms = spec.vms.as_deref().unwrap_or_default();
    if services.is_empty() && vms.is_empty() {
        scope.wrong(top, "there is nothing to plan: neither services nor vms");
    }
    let mut names = BTreeMap::new();
    for service in services {
        let mark = mark_or(&service.value.name, mark_of(service));
        let name = scope.required("name", &service.value.name, mark_of(service));
        unique(scope, &mut names, name, mark);
    }
    for vm in vms {
        let mark = mark_or(&vm.value.name, mark_of(vm));
        let name = scope.required("name", &vm.value.name, mark_of(vm));
        unique(scope, &mut names, name, mark);
    }
    (
        services.iter().filter_map(|node| service(scope, node)).collect(),
        vms.iter().filter_map(|node| fixed_vm(scope, node)).collect(),
    )
}

fn unique(
    scope: &mut Scope<'_>,
    names: &mut BTreeMap<ServiceName, Mark>,
    name: Option<ServiceName>,
    mark: Mark,
) {
    let Some(name) = name else { return };
    if InstanceName::of(&name, MAX_COUNT).is_err() {
        let longest = MAX_NAME - format!("-{MAX_COUNT}").len();
        let message = format!(
            "name: {:?} is too long: instances are named {name}-0 and so on, expected at most \
             {longest} characters",
            name.as_str()
        );
        scope.wrong(mark, message);
    }
    if let Some(first) = names.get(&name) {
        let first = scope.place(*first);
        scope.wrong(mark, format!("name: {:?} stands already at {first}", name.as_str()));
        return;
    }
    names.insert(name, mark);
}

/// A service; its name was checked before.
fn service(scope: &mut Scope<'_>, node: &Spanned<wire::Service>) -> Option<Service> {
    let (owner, wire) = (mark_of(node), &node.value);
    let engine = scope.required("engine", &wire.engine, owner);
    let demand = match &wire.demand {
        Some(demand) => redis(scope, demand),
        None => {
            scope.missing("demand", owner);
            None
        }
    };
    let access = access(scope, wire);
    let name = wire.name.as_ref()?.value.as_ref().ok()?.clone();
    match engine? {
        EngineName::Redis => {
            let (engine, demand) = (Engine::Redis, Demand::Sharded(demand?));
            Some(Service { name, engine, demand, gateway: None, access: access? })
        }
    }
}

fn redis(scope: &mut Scope<'_>, node: &Spanned<wire::RedisDemand>) -> Option<ShardedDemand> {
    let (owner, wire) = (mark_of(node), &node.value);
    let rates = PerSecond::ZERO..=MAX_RATE;
    let reads = scope.required_within("reads", &wire.reads, owner, &rates);
    let writes = scope.required_within("writes", &wire.writes, owner, &rates);
    let value = scope.within("value", &wire.value, &(Bytes::new(1)..=MAX_VALUE));
    let data = scope.required_within("data", &wire.data, owner, &(ONE_MIB..=MAX_SIZE));
    let persistence = scope.optional("persistence", &wire.persistence);
    let demand = ShardedDemand {
        reads_per_s: reads?,
        writes_per_s: writes?,
        value_bytes: value.unwrap_or(DEFAULT_VALUE),
        data_mib: data?,
        persistence: persistence.unwrap_or(Persistence::Aof),
    };
    if demand.reads_per_s == PerSecond::ZERO && demand.writes_per_s == PerSecond::ZERO {
        scope.wrong(owner, "demand: neither reads nor writes are asked for");
        return None;
    }
    Some(demand)
}

/// A fixed machine; its name was checked before.
fn fixed_vm(scope: &mut Scope<'_>, node: &Spanned<wire::FixedVm>) -> Option<FixedVm> {
    let (owner, wire) = (mark_of(node), &node.value);
    let count = scope.within("count", &wire.count, &(1..=MAX_COUNT));
    let vcpus = scope.required_within("vcpus", &wire.vcpus, owner, &(1..=MAX_VCPUS));
    let memory = scope.required_within("memory", &wire.memory, owner, &(MIN_MEMORY..=MAX_SIZE));
    let disk = scope.required_within("disk", &wire.disk, owner, &(ONE_MIB..=MAX_SIZE));
    let spread = scope.optional("spread", &wire.spread);
    Some(FixedVm {
        name: wire.name.as_ref()?.value.as_ref().ok()?.clone(),
        count: count.unwrap_or(1),
        vcpus: vcpus?,
        memory_mib: memory?,
        disk_mib: disk?,
        iops_per_s: PerSecond::ZERO,
        network_bits_per_s: BitsPerSecond::ZERO,
        spread,
    })
}
