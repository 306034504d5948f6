//! `vms:`: machines of fixed size and count.

use std::num::NonZeroU32;

use super::host_list;
use super::names::{MAX_COUNT, Names};
use super::neighbours;
use crate::spec::diagnostic::Diagnostics;
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::read::sources::Sources;
use crate::spec::wire;
use crate::spec::{FixedVm, Spread};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

const MAX_SIZE: Mebibytes = Mebibytes::from_gib(1 << 20);
const MAX_VCPUS: u32 = 4_096;
const MAX_IOPS: PerSecond = PerSecond::new(1_000_000_000);
const MAX_NETWORK: BitsPerSecond = BitsPerSecond::new(1_000_000_000_000_000);
/// What a guest needs at least to boot.
const MIN_MEMORY: Mebibytes = Mebibytes::new(64);

/// The machines that are right.
pub(super) fn vms(
    sources: &Sources,
    names: &mut Names,
    diagnostics: &mut Diagnostics,
) -> Vec<FixedVm> {
    let mut vms = Vec::new();
    for (file, node) in &sources.vms {
        vms.extend(fixed_vm(&mut Scope { file, diagnostics }, node, names));
    }
    vms
}

fn fixed_vm(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::FixedVm>,
    names: &mut Names,
) -> Option<FixedVm> {
    let (owner, wire) = (node.mark, &node.value);
    let name = scope.required("name", &wire.name, owner);
    if let Some(name) = &name {
        names.claim(scope, name, mark_or(&wire.name, owner));
    }
    let count = scope.within("count", &wire.count, &(1..=MAX_COUNT));
    let vcpus = scope.required_within("vcpus", &wire.vcpus, owner, &(1..=MAX_VCPUS));
    let memory = scope.required_within("memory", &wire.memory, owner, &(MIN_MEMORY..=MAX_SIZE));
    let disk = scope.within("disk", &wire.disk, &(Mebibytes::new(1)..=MAX_SIZE));
    let iops = scope.within("iops", &wire.iops, &(PerSecond::ZERO..=MAX_IOPS));
    let networks = BitsPerSecond::ZERO..=MAX_NETWORK;
    let network = scope.within("network", &wire.network, &networks);
    let spread = wire.spread.as_ref().and_then(|wire| spread(scope, wire));
    let on = host_list::sets(scope, "on", &wire.on);
    let not_on = host_list::sets(scope, "not_on", &wire.not_on);
    let apart = neighbours::names(scope, "apart", &wire.apart);
    let near = neighbours::names(scope, "near", &wire.near);
    let restart = scope.optional("restart", &wire.restart).unwrap_or(false);
    let migrate = scope.optional("migrate", &wire.migrate).unwrap_or_default();
    if wire.disk.is_none()
        && let Some(at) = &wire.iops
    {
        let hint = "set its size: `disk: 20GiB`";
        scope.error_with(at.mark, "iops: needs a `disk` to go with it", hint.to_owned());
    }
    Some(FixedVm {
        name: name?,
        count: count.unwrap_or(1),
        vcpus: vcpus?,
        memory_mib: memory?,
        disk_mib: disk.unwrap_or(Mebibytes::ZERO),
        iops_per_s: iops.unwrap_or(PerSecond::ZERO),
        network_bits_per_s: network.unwrap_or(BitsPerSecond::ZERO),
        spread,
        on,
        not_on,
        apart,
        near,
        restart,
        migrate,
    })
}

fn spread(scope: &mut Scope<'_>, wire: &wire::Spread) -> Option<Spread> {
    match wire {
        wire::Spread::One(at) => scope.value("spread", at).map(Spread::from),
        wire::Spread::Of(node) => {
            let wire = &node.value;
            let per = scope.required("spread.per", &wire.per, node.mark);
            let at_most = scope.within("spread.at_most", &wire.at_most, &(1..=MAX_COUNT));
            let at_most = at_most.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
            Some(Spread { per: per?, at_most })
        }
    }
}
