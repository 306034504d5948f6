//! Pinned -> instance: addresses, identities and volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::build::{Draft, missing};
use super::make::PlanError;
use super::member::{Member, Size};
use super::pin::Pinned;
use crate::ids::InstanceName;
use crate::model::{ROOT_WITHOUT_IMAGE, SEED};
use crate::plan::{Instance, Settings, Volume, names};
use crate::spec::Spec;
use crate::units::Mebibytes;

/// Completes instances; their settings follow from the whole plan.
pub(super) fn instances(draft: &Draft, pinned: Vec<Pinned>) -> Result<Vec<Instance>, PlanError> {
    let mut macs = BTreeSet::new();
    let kept = kept_addresses(draft, &pinned);
    let taken: BTreeSet<Ipv4Addr> = kept.values().copied().collect();
    let prior = draft.prior.into_iter().flat_map(|prior| &prior.instances);
    let left: BTreeSet<Ipv4Addr> = prior.filter_map(|instance| instance.address).collect();
    // Those of instances that leave come last: old and new are to exist side by side.
    let free = || addresses(draft.spec).filter(|address| !taken.contains(address));
    let unused = free().filter(|address| !left.contains(address));
    let mut addresses = unused.chain(free().filter(|address| left.contains(address)));
    let mut found = Vec::new();
    for Pinned { member, host, numa, pins, page_kib } in pinned {
        let Member { name, service, role, group, placement, size, .. } = member;
        let address = kept.get(&name).copied().or_else(|| addresses.next());
        if draft.spec.network.is_some() && address.is_none() {
            return Err(missing("address", &name));
        }
        let domain = format!("{}-{name}", draft.spec.name);
        let pool = host.pools.get(placement.pool).map(|(pool, _)| pool.name.as_str());
        let [root, data, seed] = volumes(draft.spec, &domain, pool, size);
        found.push(Instance {
            service: service.clone(),
            role,
            group,
            host: host.host.name.clone(),
            numa: numa.id,
            cpus: pins.own,
            threads: pins.threads,
            emulator_cpus: pins.emulator,
            memory_mib: size.memory_mib,
            page_kib,
            uuid: names::uuid(&draft.spec.name, &name),
            mac: names::mac(&draft.spec.name, &name, &mut macs),
            address,
            root,
            data,
            seed,
            settings: Settings::new(),
            restart: None,
            domain,
            name,
        });
    }
    Ok(found)
}

/// Returns the addresses of the network in ascending order, without the gateway's.
fn addresses(spec: &Spec) -> impl Iterator<Item = Ipv4Addr> {
    spec.network.iter().flat_map(|network| {
        let (first, last) = (u32::from(network.first), u32::from(network.last));
        let gateway = network.gateway;
        (first..=last).map(Ipv4Addr::from).filter(move |address| Some(*address) != gateway)
    })
}

/// Returns the addresses of a prior plan that instances of the same name may keep.
fn kept_addresses(draft: &Draft, pinned: &[Pinned]) -> BTreeMap<InstanceName, Ipv4Addr> {
    let (Some(prior), Some(network)) = (draft.prior, &draft.spec.network) else {
        return BTreeMap::new();
    };
    let mut taken = BTreeSet::new();
    let kept = pinned.iter().filter_map(|one| {
        let name = &one.member.name;
        let address = prior.instance(name)?.address?;
        let in_range = (network.first..=network.last).contains(&address);
        let is_good = in_range && network.gateway != Some(address) && taken.insert(address);
        is_good.then(|| (name.clone(), address))
    });
    kept.collect()
}

/// Returns root, data and seed; none for a machine without a disk or on a host whose
/// pools are not known.
fn volumes(spec: &Spec, domain: &str, pool: Option<&str>, size: Size) -> [Option<Volume>; 3] {
    let image = spec.image.as_ref().map(|image| image.virtual_size_mib);
    let root = size.root_mib.or(image).unwrap_or(ROOT_WITHOUT_IMAGE);
    let data = size.data_mib;
    let bare = root == Mebibytes::ZERO && data == Mebibytes::ZERO;
    let Some(pool) = pool.filter(|_| !bare) else { return [None, None, None] };
    let volume = |suffix: &str, size_mib| {
        let (pool, name) = (pool.to_owned(), format!("{domain}-{suffix}"));
        (size_mib > Mebibytes::ZERO).then_some(Volume { pool, name, size_mib })
    };
    [volume("root.qcow2", root), volume("data.raw", data), volume("seed.img", SEED)]
}
