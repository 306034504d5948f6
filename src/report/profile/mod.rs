//! Profiles: all of them in a list, or one with its curve, its numbers and their
//! evidence.

mod json;
mod own;
mod plot;
mod text;

use std::collections::BTreeMap;

pub use own::{OwnSummary, own};

use crate::plan::{CpuPlacement, L3Use};
use crate::profile::{Estimate, Grade, Profile, Profiles};
use crate::sizing::{Ceiling, effective_cores};
use crate::spec::{Cluster, Engine};

/// All profiles, a line each.
#[derive(Clone, Debug)]
pub struct ProfileList(Vec<Line>);

/// One profile in a list.
#[derive(Clone, Debug)]
struct Line {
    engine: Engine,
    version: String,
    cluster: Cluster,
    unit: String,
    /// Numbers by the grade of their evidence.
    grades: BTreeMap<Grade, u64>,
}

impl ProfileList {
    /// The list of all profiles.
    #[must_use]
    pub fn new(profiles: &Profiles) -> Self {
        Self(profiles.all().map(Line::new).collect())
    }
}

impl Line {
    fn new(profile: &Profile) -> Self {
        let mut grades: BTreeMap<Grade, u64> = Grade::ALL.into_iter().map(|g| (g, 0)).collect();
        for (_, number) in profile.numbers() {
            if let Some(evidence) = profile.evidence.get(&number.evidence) {
                *grades.entry(evidence.grade).or_default() += 1;
            }
        }
        Self {
            engine: profile.engine,
            version: profile.version.clone(),
            cluster: profile.rules.cluster(),
            unit: profile.unit.clone(),
            grades,
        }
    }
}

/// One profile, with the curve of an instance that owns its L3 domain.
#[derive(Clone, Debug)]
pub struct ProfileSheet<'a> {
    profile: &'a Profile,
    /// Two threads per core.
    siblings: Curve,
    /// One thread per core.
    single: Curve,
}

/// What one instance can do, by its virtual CPUs.
#[derive(Clone, Debug)]
struct Curve {
    /// The sizes that plans choose from.
    shapes: Vec<Point>,
    /// Every count of virtual CPUs up to the largest of them.
    all: Vec<Point>,
}

/// What one instance of a size can do.
#[derive(Clone, Debug)]
struct Point {
    vcpus: u32,
    /// Cores that the virtual CPUs amount to.
    cores: f64,
    /// At the low end, by default, at the high end.
    ceilings: [Ceiling; 3],
}

impl<'a> ProfileSheet<'a> {
    /// The sheet of a profile.
    #[must_use]
    pub fn new(profile: &'a Profile) -> Self {
        let ends = Estimate::ALL.map(|estimate| profile.at(estimate));
        let curve = |threads: u32| {
            let at = |vcpus: u32| point(profile, &ends, vcpus, threads);
            let most = profile.shapes.vcpus.last().copied().unwrap_or(1);
            Curve {
                shapes: profile.shapes.vcpus.iter().map(|vcpus| at(*vcpus)).collect(),
                all: (1..=most).map(at).collect(),
            }
        };
        Self { profile, siblings: curve(2), single: curve(1) }
    }
}

fn point(profile: &Profile, ends: &[Profile; 3], vcpus: u32, threads: u32) -> Point {
    let placement = CpuPlacement { cores: vcpus.div_ceil(threads), l3: L3Use::Own };
    let ceiling = |end: usize| {
        let profile = ends.get(end).unwrap_or(profile);
        Ceiling::of(profile, vcpus, placement, 1.0)
    };
    Point {
        vcpus,
        cores: effective_cores(profile, vcpus, placement),
        ceilings: [ceiling(0), ceiling(1), ceiling(2)],
    }
}

impl Point {
    const fn default(&self) -> Ceiling {
        let [_, default, _] = self.ceilings;
        default
    }

    const fn is_extrapolated(&self) -> bool {
        self.default().extrapolated
    }
}
