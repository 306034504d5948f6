//! Whether a changed spec has a plan: what a hint has to pass before it is given.

use crate::model::Problem;
use crate::profile::Profiles;
use crate::sizing::{SizingContext, full_layouts};
use crate::solve::{self, Deadline};
use crate::spec::Spec;

/// Most seconds of one try; one that takes longer shows nothing.
const SECONDS: f64 = 3.0;
/// Most seconds of one try with many hosts.
const LARGE_SECONDS: f64 = 5.0;

/// A spec without a plan, and the time for tries with changes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tries<'a> {
    /// The spec as it is.
    pub spec: &'a Spec,
    /// What engines can do.
    pub profiles: &'a Profiles,
    /// When the time for all tries is over.
    pub clock: &'a Deadline,
}

impl Tries<'_> {
    /// Whether a changed spec has a plan; `None` where that is not known in time.
    ///
    /// Where L3 domains divide NUMA nodes, the placement may leave a service CPUs that are
    /// worse than was assumed, and the plan is made again with less. So every service is
    /// counted as if that had happened already: what fits then fits in any case.
    pub fn fits(&self, changed: &Spec) -> Option<bool> {
        if self.clock.left() <= 0.0 {
            return None;
        }
        let mut context = SizingContext::new(&changed.policy, &changed.topology);
        let mut nodes = changed.topology.hosts.iter().flat_map(|host| &host.numa);
        if nodes.any(|node| node.l3.len() > 1) {
            context.straddling = changed.services.iter().map(|one| one.name.clone()).collect();
        }
        let candidates = full_layouts(&changed.services, self.profiles, &context)?;
        let (limits, large) = (self.clock.rest(SECONDS), self.clock.rest(LARGE_SECONDS));
        solve::fits_in_time(&Problem::new(changed, candidates), &limits, &large)
    }
}
