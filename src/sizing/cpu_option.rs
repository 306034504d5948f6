//! The virtual CPUs that an instance may have, how they are placed, and the ceiling
//! that follows.

use super::{Ceiling, CpuPlacement, SizingInput};

/// Virtual CPUs of an instance, their placement, and what the instance can do with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuOption {
    pub vcpus: u32,
    pub placement: CpuPlacement,
    pub ceiling: Ceiling,
}

/// Returns all options, fewest virtual CPUs and best placements first. `cost` is the
/// work of one operation in units of the profile.
pub(super) fn options<'a>(
    input: &'a SizingInput<'a>,
    cost: impl Fn(u32, CpuPlacement) -> f64 + Copy + 'a,
) -> impl Iterator<Item = CpuOption> + 'a {
    input.profile.shapes.vcpus.iter().copied().flat_map(move |vcpus| {
        input.placements(vcpus).into_iter().map(move |placement| {
            let cost = cost(vcpus, placement);
            let ceiling = Ceiling::of(input.profile, vcpus, placement, cost);
            CpuOption { vcpus, placement, ceiling }
        })
    })
}
