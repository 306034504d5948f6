//! TOML text -> [`Profile`]: no unknown fields, intervals in order, evidence
//! for every number.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Curve, Engine, Evidence, Fault, GatewayPair, Guest, Headroom, Number, Placement, Pool,
    PrimaryReplica, Profile, ProfileError, Profiles, Quorum, Rules, Shapes, Sharded, Spot, Threads,
    Usl,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    engine: Engine,
    version: String,
    unit: String,
    threads: Option<Threads>,
    usl: Option<Usl>,
    placement: Placement,
    headroom: Headroom,
    guest: Guest,
    sharded: Option<Sharded>,
    quorum: Option<Quorum>,
    pool: Option<Pool>,
    #[serde(rename = "gateway-pair")]
    gateway_pair: Option<GatewayPair>,
    #[serde(rename = "primary-replica")]
    primary_replica: Option<PrimaryReplica>,
    shapes: Shapes,
    evidence: Vec<Evidence>,
}

impl Profiles {
    /// Returns the built-in profiles.
    ///
    /// # Errors
    /// A built-in profile is invalid, which the tests exclude.
    pub fn builtin() -> Result<Self, ProfileError> {
        let parsed = |engine: &Engine| {
            Profile::parse(*engine, engine.profile_text()).map(|profile| (*engine, profile))
        };
        Engine::ALL.iter().map(parsed).collect::<Result<_, _>>().map(Self)
    }
}

impl Profile {
    /// Reads and checks the text of an engine's profile.
    ///
    /// # Errors
    /// The first of those of [`Profile::read`].
    pub fn parse(engine: Engine, text: &str) -> Result<Self, ProfileError> {
        Self::read(engine, text).map_err(|errors| first(engine, errors))
    }

    /// Reads and checks the text of an engine's profile.
    ///
    /// # Errors
    /// The numbers that are wrong, where and how; never empty.
    pub fn read(engine: Engine, text: &str) -> Result<Self, Vec<ProfileError>> {
        let broken = |error: toml::de::Error| {
            let at = error.span().map(|span| Spot::at(text, span.start));
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            vec![ProfileError { at, ..Fault::Toml(message).of(engine) }]
        };
        let located = |fault: Fault| {
            let at = fault.number().and_then(|number| Spot::of(text, number));
            ProfileError { at, ..fault.of(engine) }
        };
        let wire: Wire = toml::from_str(text).map_err(broken)?;
        Self::of(engine, wire).map_err(|faults| faults.into_iter().map(located).collect::<Vec<_>>())
    }

    /// The same of a document that was changed.
    pub(super) fn of_table(engine: Engine, table: toml::Table) -> Result<Self, Vec<ProfileError>> {
        let named = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.of(engine)).collect();
        let wire: Wire = table.try_into().map_err(|error: toml::de::Error| {
            named(vec![Fault::Toml(error.message().to_owned())])
        })?;
        Self::of(engine, wire).map_err(named)
    }

    fn of(engine: Engine, wire: Wire) -> Result<Self, Vec<Fault>> {
        if wire.engine != engine {
            return Err(vec![Fault::Engine { found: wire.engine, expected: engine }]);
        }
        let (curve, rules) = match (curve(&wire), rules(&wire)) {
            (Ok(curve), Ok(rules)) => (curve, rules),
            (curve, rules) => return Err(curve.err().into_iter().chain(rules.err()).collect()),
        };
        let mut evidence = BTreeMap::new();
        for record in wire.evidence {
            if let Some(twice) = evidence.insert(record.id.clone(), record) {
                return Err(vec![Fault::DuplicateEvidence { evidence: twice.id }]);
            }
        }
        let profile = Self {
            engine,
            version: wire.version,
            unit: wire.unit,
            curve,
            placement: wire.placement,
            headroom: wire.headroom,
            guest: wire.guest,
            rules,
            shapes: wire.shapes,
            evidence,
        };
        let faults = profile.faults();
        if faults.is_empty() { Ok(profile) } else { Err(faults) }
    }

    /// Every number with `section.name`, in the order of the file.
    #[must_use]
    pub fn numbers(&self) -> Vec<(String, &Number)> {
        let curve = match &self.curve {
            Curve::Threads(threads) => ("threads", threads.numbers()),
            Curve::Usl(usl) => ("usl", usl.numbers()),
        };
        [
            curve,
            ("placement", self.placement.numbers()),
            ("headroom", self.headroom.numbers()),
            ("guest", self.guest.numbers()),
        ]
        .into_iter()
        .flat_map(|(section, numbers)| {
            numbers.into_iter().map(move |(name, number)| (format!("{section}.{name}"), number))
        })
        .chain(self.rules.numbers())
        .collect()
    }
}

/// The first of some errors, of which there is always one.
pub(super) fn first(engine: Engine, errors: Vec<ProfileError>) -> ProfileError {
    let none = || Fault::Toml("is not a profile".to_owned()).of(engine);
    errors.into_iter().next().unwrap_or_else(none)
}

fn curve(wire: &Wire) -> Result<Curve, Fault> {
    match (&wire.threads, &wire.usl) {
        (Some(threads), None) => Ok(Curve::Threads(threads.clone())),
        (None, Some(usl)) => Ok(Curve::Usl(usl.clone())),
        _ => Err(Fault::Section("exactly one of the sections [threads] and [usl]".to_owned())),
    }
}

/// The rules of the engine's kind of cluster, and of no other.
fn rules(wire: &Wire) -> Result<Rules, Fault> {
    let mut found: Vec<Rules> = Vec::new();
    found.extend(wire.sharded.clone().map(Rules::Sharded));
    found.extend(wire.quorum.clone().map(Rules::Quorum));
    found.extend(wire.pool.clone().map(Rules::Pool));
    found.extend(wire.gateway_pair.clone().map(Rules::GatewayPair));
    found.extend(wire.primary_replica.clone().map(Rules::PrimaryReplica));
    match found.pop() {
        Some(rules) if found.is_empty() && rules.cluster() == wire.engine.cluster() => Ok(rules),
        _ => Err(Fault::Section(format!("exactly the section [{}]", wire.engine.cluster()))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Grade;
    use super::*;

    #[test]
    fn the_embedded_profiles_are_sound_and_every_evidence_is_used() {
        for profile in Profiles::builtin().unwrap().all() {
            let used: BTreeSet<&str> = profile
                .numbers()
                .iter()
                .map(|(_, number)| number.evidence.as_str())
                .chain([profile.shapes.evidence.as_str()])
                .collect();
            let kept: BTreeSet<&str> = profile.evidence.keys().map(String::as_str).collect();
            assert_eq!(used, kept, "{}", profile.engine);
            for record in profile.evidence.values() {
                let proposed = record.grade == Grade::Proposal;
                assert_eq!(record.source == "proposal", proposed, "{}", record.id);
                assert!(proposed || record.source.starts_with("https://"), "{}", record.id);
                assert!(!record.note.is_empty() && !record.setup.is_empty(), "{}", record.id);
            }
        }
    }

    fn broken(from: &str, to: &str) -> String {
        let engine = Engine::Redis;
        let redis = engine.profile_text();
        assert!(redis.contains(from), "{from}");
        Profile::parse(engine, &redis.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn broken_profiles_are_refused_by_name() {
        assert_eq!(
            broken("low = 0.05, default = 0.125", "low = 0.5, default = 0.125"),
            "profile of redis: line 19, column 19: threads.interrupt_share: \
             expected 0 <= low <= default <= high <= 1000000000000"
        );
        assert_eq!(
            broken("evidence = \"proposal-network\"", "evidence = \"hearsay\""),
            "profile of redis: line 76, column 18: sharded.network.overhead_bytes: \
             unknown evidence \"hearsay\""
        );
        assert_eq!(
            broken("engine = \"redis\"", "engine = \"nginx\""),
            "profile of redis: line 7, column 10: engine: nginx; expected redis"
        );
        assert!(broken("[1, 2, 4, 8]", "[2, 1]").contains("ascending"));
        assert!(broken("[threads]", "[threads]\nspeed = 1").contains("unknown field"));
        assert!(
            broken("id = \"redis-conf\"", "id = \"azure-redis\"").contains("duplicate evidence")
        );
    }
}
