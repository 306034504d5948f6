//! Profiles for programs.

use serde_json::{Value, json};

use super::{Curve, Point, ProfileList, ProfileSheet};
use crate::profile::{Evidence, Number};
use crate::sizing::Ceiling;

impl ProfileList {
    /// The list for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self(lines) = self;
        let profiles = lines.iter().map(|line| {
            let grades = line.grades.iter().map(|(grade, count)| (grade.as_str(), count));
            json!({
                "engine": line.engine,
                "version": line.version,
                "cluster": line.cluster,
                "unit": line.unit,
                "numbers": grades.collect::<std::collections::BTreeMap<_, _>>(),
            })
        });
        json!({ "profiles": profiles.collect::<Vec<_>>() })
    }
}

impl ProfileSheet<'_> {
    /// The sheet for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { profile, siblings, single } = self;
        let numbers = profile.numbers();
        let numbers: Vec<Value> =
            numbers.iter().map(|(name, number)| self::number(name, number)).collect();
        json!({
            "engine": profile.engine,
            "version": profile.version,
            "cluster": profile.rules.cluster(),
            "unit": profile.unit,
            "two_threads_per_core": curve(siblings),
            "one_thread_per_core": curve(single),
            "numbers": numbers,
            "shapes": { "vcpus": profile.shapes.vcpus, "evidence": profile.shapes.evidence },
            "evidence": profile.evidence.values().map(evidence).collect::<Vec<_>>(),
        })
    }
}

fn curve(curve: &Curve) -> Vec<Value> {
    curve.shapes.iter().map(point).collect()
}

fn point(point: &Point) -> Value {
    let each = |of: fn(&Ceiling) -> u64| {
        let [low, default, high] = point.ceilings.each_ref().map(of);
        json!({ "low": low, "default": default, "high": high })
    };
    json!({
        "vcpus": point.vcpus,
        "effective_cores": point.cores,
        "ceiling_per_s": each(|ceiling| ceiling.ceiling.get()),
        "usable_per_s": each(|ceiling| ceiling.usable.get()),
        "extrapolated": point.is_extrapolated(),
    })
}

fn number(name: &str, number: &Number) -> Value {
    let Number { low, default, high, fitted, evidence } = number;
    json!({
        "name": name,
        "low": low,
        "default": default,
        "high": high,
        "fitted": fitted.map(|(low, high)| [low, high]),
        "evidence": evidence,
    })
}

fn evidence(record: &Evidence) -> Value {
    let Evidence { id, source, setup, grade, note } = record;
    json!({ "id": id, "source": source, "setup": setup, "grade": grade, "note": note })
}
