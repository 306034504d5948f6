//! TOML text -> [`Profile`]: no unknown fields, intervals in order, evidence
//! for every number.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Curve, Evidence, GatewayPair, Guest, Headroom, Number, Placement, Pool, PrimaryReplica,
    Profile, Profiles, Quorum, Rules, Shapes, Sharded, Threads, Usl,
};
use crate::spec::Engine;

/// The profiles that this program brings along.
const BUILTIN: &[(Engine, &str)] = &[
    (Engine::Redis, include_str!("../../profiles/redis.toml")),
    (Engine::Valkey, include_str!("../../profiles/valkey.toml")),
    (Engine::Mysql, include_str!("../../profiles/mysql.toml")),
    (Engine::Mariadb, include_str!("../../profiles/mariadb.toml")),
    (Engine::Elasticsearch, include_str!("../../profiles/elasticsearch.toml")),
    (Engine::Opensearch, include_str!("../../profiles/opensearch.toml")),
    (Engine::Apache, include_str!("../../profiles/apache.toml")),
    (Engine::Nginx, include_str!("../../profiles/nginx.toml")),
    (Engine::Haproxy, include_str!("../../profiles/haproxy.toml")),
];

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not the TOML of a profile.
    #[error("profile {profile}: {message}")]
    Toml {
        /// The engine.
        profile: String,
        /// What the parser said.
        message: String,
    },
    /// An interval that is none.
    #[error("profile {profile}: {number}: expected 0 <= low <= default <= high, all finite")]
    Interval {
        /// The engine.
        profile: String,
        /// Section and name.
        number: String,
    },
    /// A section that is missing, or one too many.
    #[error("profile {profile}: expected {expected}")]
    Section {
        /// The engine.
        profile: String,
        /// What should stand there.
        expected: String,
    },
    /// A number without evidence.
    #[error("profile {profile}: {number}: there is no evidence {evidence:?}")]
    Evidence {
        /// The engine.
        profile: String,
        /// Section and name.
        number: String,
        /// The id that is missing.
        evidence: String,
    },
    /// Two records of one id.
    #[error("profile {profile}: evidence {evidence:?} stands twice")]
    Twice {
        /// The engine.
        profile: String,
        /// The id.
        evidence: String,
    },
    /// A value that no instance can have.
    #[error("profile {profile}: {number}: {expected}")]
    Senseless {
        /// The engine.
        profile: String,
        /// Section and name.
        number: String,
        /// What it must be.
        expected: &'static str,
    },
}

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
    /// The profiles that this program brings along.
    ///
    /// # Errors
    /// An embedded profile is broken; the tests see to it that none is.
    pub fn builtin() -> Result<Self, ProfileError> {
        let parsed = |(engine, text): &(Engine, &str)| {
            Profile::parse(engine.as_str(), text).map(|profile| (*engine, profile))
        };
        BUILTIN.iter().map(parsed).collect::<Result<_, _>>().map(Self)
    }
}

impl Profile {
    /// Reads and checks the text of a profile.
    ///
    /// # Errors
    /// Says which number is wrong and how.
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let wire: Wire = toml::from_str(text).map_err(|error| ProfileError::Toml {
            profile: name.to_owned(),
            message: error.to_string(),
        })?;
        let (curve, rules) = (curve(name, &wire)?, rules(name, &wire)?);
        let mut evidence = BTreeMap::new();
        for record in wire.evidence {
            if let Some(twice) = evidence.insert(record.id.clone(), record) {
                let profile = name.to_owned();
                return Err(ProfileError::Twice { profile, evidence: twice.id });
            }
        }
        let profile = Self {
            engine: wire.engine,
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
        profile.check(name)?;
        Ok(profile)
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

    fn check(&self, name: &str) -> Result<(), ProfileError> {
        let profile = || name.to_owned();
        for (number, value) in self.numbers() {
            let ordered = 0.0 <= value.low
                && value.low <= value.default
                && value.default <= value.high
                && value.high.is_finite();
            if !ordered {
                return Err(ProfileError::Interval { profile: profile(), number });
            }
            self.check_evidence(name, &number, &value.evidence)?;
        }
        self.check_evidence(name, "shapes.vcpus", &self.shapes.evidence)?;
        let ascending = self.shapes.vcpus.is_sorted_by(|a, b| a < b);
        let positive = self.shapes.vcpus.first().is_some_and(|first| *first > 0);
        if !(ascending && positive) {
            return senseless(name, "shapes.vcpus", "expected counts from 1 up, ascending");
        }
        if self.guest.rounding_mib.whole() == 0 {
            return senseless(name, "guest.rounding_mib", "expected at least 1");
        }
        match &self.rules {
            Rules::Sharded(rules) if rules.cluster.slots.whole() != 16384 => {
                senseless(name, "sharded.cluster.slots", "expected 16384, as Redis Cluster has")
            }
            Rules::Quorum(rules) => match rules.senseless() {
                Some((number, expected)) => senseless(name, number, expected),
                None => Ok(()),
            },
            Rules::PrimaryReplica(rules) => match rules.senseless() {
                Some((number, expected)) => senseless(name, number, expected),
                None => Ok(()),
            },
            Rules::Sharded(_) | Rules::Pool(_) | Rules::GatewayPair(_) => Ok(()),
        }
    }

    fn check_evidence(
        &self,
        profile: &str,
        number: &str,
        evidence: &str,
    ) -> Result<(), ProfileError> {
        if self.evidence.contains_key(evidence) {
            return Ok(());
        }
        Err(ProfileError::Evidence {
            profile: profile.to_owned(),
            number: number.to_owned(),
            evidence: evidence.to_owned(),
        })
    }
}

fn senseless(profile: &str, number: &str, expected: &'static str) -> Result<(), ProfileError> {
    let (profile, number) = (profile.to_owned(), number.to_owned());
    Err(ProfileError::Senseless { profile, number, expected })
}

fn curve(name: &str, wire: &Wire) -> Result<Curve, ProfileError> {
    match (&wire.threads, &wire.usl) {
        (Some(threads), None) => Ok(Curve::Threads(threads.clone())),
        (None, Some(usl)) => Ok(Curve::Usl(usl.clone())),
        _ => Err(ProfileError::Section {
            profile: name.to_owned(),
            expected: "exactly one of [threads] and [usl]".to_owned(),
        }),
    }
}

/// The rules of the engine's kind of cluster, and of no other.
fn rules(name: &str, wire: &Wire) -> Result<Rules, ProfileError> {
    let mut found: Vec<Rules> = Vec::new();
    found.extend(wire.sharded.clone().map(Rules::Sharded));
    found.extend(wire.quorum.clone().map(Rules::Quorum));
    found.extend(wire.pool.clone().map(Rules::Pool));
    found.extend(wire.gateway_pair.clone().map(Rules::GatewayPair));
    found.extend(wire.primary_replica.clone().map(Rules::PrimaryReplica));
    match found.pop() {
        Some(rules) if found.is_empty() && rules.cluster() == wire.engine.cluster() => Ok(rules),
        _ => Err(ProfileError::Section {
            profile: name.to_owned(),
            expected: format!("exactly the rules [{}]", wire.engine.cluster()),
        }),
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
        let (_, redis) = BUILTIN[0];
        assert!(redis.contains(from), "{from}");
        Profile::parse("redis", &redis.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn broken_profiles_are_refused_by_name() {
        assert_eq!(
            broken("low = 0.05, default = 0.125", "low = 0.5, default = 0.125"),
            "profile redis: threads.interrupt_share: \
             expected 0 <= low <= default <= high, all finite"
        );
        assert_eq!(
            broken("evidence = \"proposal-network\"", "evidence = \"hearsay\""),
            "profile redis: sharded.network.overhead_bytes: there is no evidence \"hearsay\""
        );
        assert_eq!(
            broken("engine = \"redis\"", "engine = \"nginx\""),
            "profile redis: expected exactly the rules [pool]"
        );
        assert!(broken("[1, 2, 4, 8]", "[2, 1]").contains("ascending"));
        assert!(broken("[threads]", "[threads]\nspeed = 1").contains("unknown field"));
        assert!(broken("id = \"redis-conf\"", "id = \"azure-redis\"").contains("stands twice"));
    }
}
