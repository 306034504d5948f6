//! Whether an instance may come back with another version of the engine: servers of two versions
//! belong to one cluster, and one reads what another wrote, only where the versions are near.
//! <https://www.elastic.co/docs/deploy-manage/upgrade/prepare-to-upgrade>
//! <https://docs.opensearch.org/latest/migrate-or-upgrade/rolling-upgrade/>

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::spec::Engine;

/// A version, as far as it says what goes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u64,
    minor: u64,
}

/// The last minor version of a major one, from which alone the next can be reached while clients
/// are served: by engine and that next one.
const LAST: [(Engine, u64, u64); 4] = [
    (Engine::Elasticsearch, 8, 17),
    (Engine::Elasticsearch, 9, 18),
    (Engine::Opensearch, 2, 3),
    (Engine::Opensearch, 3, 19),
];

/// Added by OpenSearch to its version numbers, so that they differ from those of Elasticsearch.
const MASK: u64 = 0x0800_0000;

/// How many indices a sentence names.
const NAMED: usize = 5;

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads `9.2.0`, `9.2` or `9`, with anything behind it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(['.', '-', '+', '~']);
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map_or(Some(0), |minor| minor.parse().ok())?;
        Some(Self { major, minor })
    }

    /// The major version in the number by which an index says what made it.
    const fn major_of_index(number: u64) -> u64 {
        (if number & MASK == 0 { number } else { number ^ MASK }) / 1_000_000
    }
}

/// The major version that made each index that takes writes.
pub(super) fn makers(settings: &Value) -> BTreeMap<String, u64> {
    let indices = settings.as_object().into_iter().flatten();
    let maker = |(name, index): (&String, &Value)| {
        let setting = |name: &str| index.get("settings")?.get(name)?.as_str();
        let is_closed = setting("index.blocks.write") == Some("true");
        let number = setting("index.version.created")?.parse().ok()?;
        (!is_closed).then(|| (name.clone(), Version::major_of_index(number)))
    };
    indices.filter_map(maker).collect()
}

/// Why a server that runs with one version must not come back with another; `None` where it may.
pub(super) fn refusal(
    engine: Engine,
    (from, to): (Version, Version),
    makers: &BTreeMap<String, u64>,
) -> Option<String> {
    if to < from {
        return Some(format!(
            "it runs {from}, and the image of the plan has {to}, which cannot read what {from} \
             wrote: plan with an image that has {from} or a later one"
        ));
    }
    if to.major == from.major {
        return None;
    }
    let last = LAST.iter().find(|(one, major, _)| *one == engine && *major == to.major);
    let step =
        last.map(|(_, major, minor)| Version { major: major.saturating_sub(1), minor: *minor });
    if to.major > from.major.saturating_add(1) || step.is_some_and(|step| from < step) {
        let step =
            step.map_or_else(|| format!("{}", to.major.saturating_sub(1)), |one| one.to_string());
        return Some(format!(
            "it runs {from}, and the image of the plan has {to}, which is reached from {step} on: \
             deploy an image with that first"
        ));
    }
    let is_old = |(_, major): &(&String, &u64)| major.saturating_add(1) < to.major;
    let old: Vec<&str> = makers.iter().filter(is_old).map(|(name, _)| name.as_str()).collect();
    let shown = old.get(..NAMED.min(old.len())).unwrap_or_default().join(", ");
    let more = match old.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!old.is_empty()).then(|| {
        format!(
            "the image of the plan has {to}, which does not take indices that were made before \
             {}: {shown}{more}; index them anew (`_reindex`), make them read-only \
             (`index.blocks.write`) or delete them first",
            to.major.saturating_sub(1)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(engine: Engine, from: &str, to: &str, makers: &[(&str, u64)]) -> Option<String> {
        let version = |text| Version::parse(text).unwrap();
        let makers = makers.iter().map(|(name, major)| ((*name).to_owned(), *major)).collect();
        refusal(engine, (version(from), version(to)), &makers)
    }

    #[test]
    fn the_next_version_is_reached_from_the_last_of_the_former() {
        let elastic = |from, to| refused(Engine::Elasticsearch, from, to, &[]);
        assert_eq!(elastic("8.19.0", "9.2.0"), None);
        assert_eq!(elastic("9.1.0", "9.2.0-1"), None);
        assert!(elastic("8.17.2", "9.2.0").unwrap().contains("from 8.18 on"));
        assert!(elastic("7.17.9", "9.2.0").unwrap().contains("from 8.18 on"));
        assert!(elastic("9.2.0", "8.19.0").unwrap().contains("cannot read what 9.2 wrote"));
        let open = |from, to| refused(Engine::Opensearch, from, to, &[]);
        assert_eq!(open("2.19.1", "3.3.0"), None);
        assert!(open("2.11.0", "3.3.0").unwrap().contains("from 2.19 on"));
        assert_eq!(Version::parse("nine"), None);
    }

    #[test]
    fn indices_that_are_too_old_are_named() {
        let old = [("orders", 7), ("logs", 8)];
        let said = refused(Engine::Elasticsearch, "8.19.0", "9.2.0", &old).unwrap();
        assert!(said.contains("made before 8: orders;"), "{said}");
        assert_eq!(refused(Engine::Elasticsearch, "8.18.0", "8.19.0", &old), None);
        let settings = serde_json::json!({
            "orders": { "settings": { "index.version.created": "7172899" } },
            "kept": { "settings": { "index.version.created": "7172899", "index.blocks.write": "true" } },
            "logs": { "settings": { "index.version.created": "8536000" } },
            "open": { "settings": { "index.version.created": (3_030_099 ^ MASK).to_string() } },
        });
        let known = [("logs", 8), ("open", 3), ("orders", 7)];
        let known = known.map(|(name, major)| (name.to_owned(), major));
        assert_eq!(makers(&settings), BTreeMap::from(known));
    }
}
