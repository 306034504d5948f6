//! Overrides of the built-in profiles: a profile file of the user's, numbers, or both.
//! Plans carry them, so that a plan can be checked without its spec.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::load::first;
use super::{Decimal, Engine, Fault, Profile, ProfileError, Profiles};

/// Overrides of built-in profiles, keyed by engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnProfiles(pub BTreeMap<Engine, Own>);

/// The overrides of one engine's profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// A whole profile that replaces the built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<OwnFile>,
    /// Single numbers of the profile, by `section.name` as reports show it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, Decimal>,
}

/// A profile file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnFile {
    /// Its path as the spec has it, for people.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl OwnProfiles {
    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all profiles: the built-in ones with these overrides.
    ///
    /// # Errors
    /// An override is invalid, as in a plan that was edited by hand.
    pub fn resolve(&self) -> Result<Profiles, ProfileError> {
        let Profiles(mut profiles) = Profiles::builtin()?;
        for (engine, own) in &self.0 {
            let profile = own.profile(*engine).map_err(|errors| first(*engine, errors))?;
            profiles.insert(*engine, profile);
        }
        Ok(Profiles(profiles))
    }
}

impl Own {
    /// Returns the profile of an engine with its overrides.
    ///
    /// # Errors
    /// Everything that is wrong with the file, else with the numbers; never empty.
    pub fn profile(&self, engine: Engine) -> Result<Profile, Vec<ProfileError>> {
        let text = self.file.as_ref().map_or_else(|| engine.profile_text(), |file| &file.text);
        let profile = Profile::read(engine, text)?;
        if self.set.is_empty() {
            return Ok(profile);
        }
        let broken =
            |error: toml::de::Error| vec![Fault::Toml(error.message().to_owned()).of(engine)];
        let table: Table = text.parse().map_err(broken)?;
        let table = self.written(&profile, table)?;
        Profile::of_table(engine, table)
    }

    /// The document of a profile with the numbers of the spec written into it.
    fn written(&self, profile: &Profile, mut table: Table) -> Result<Table, Vec<ProfileError>> {
        let id = free_id(profile);
        let mut faults = Vec::new();
        let mut set = BTreeSet::new();
        for (name, value) in &self.set {
            let written = profile.full_name(name).and_then(|full| {
                write(&mut table, &full, value.value(), &id)?;
                Some(full)
            });
            match written {
                Some(full) => set.extend([full]),
                None => faults.push(Fault::Unknown { number: name.clone() }.of(profile.engine)),
            }
        }
        let left = |name: &&str| !set.contains(*name);
        let numbers = profile.numbers();
        let used: BTreeSet<&str> = numbers
            .iter()
            .filter(|(name, _)| left(&name.as_str()))
            .map(|(_, number)| number.evidence.as_str())
            .chain([profile.shapes.evidence.as_str()])
            .collect();
        if let Some(Value::Array(records)) = table.get_mut("evidence") {
            // Evidence that only overridden numbers referred to is left out.
            records.retain(|record| {
                let id = record.get("id").and_then(Value::as_str);
                id.is_some_and(|id| used.contains(id))
            });
            records.push(Value::Table(stated(&id)));
        }
        if faults.is_empty() { Ok(table) } else { Err(faults) }
    }
}

impl Profile {
    /// Returns the full name of a number by the name that reports show, which leaves out
    /// the kind of cluster. Accepts the full name as well.
    #[must_use]
    pub fn full_name(&self, name: &str) -> Option<String> {
        let of_kind = format!("{}.{name}", self.rules.cluster());
        self.numbers()
            .into_iter()
            .map(|(full, _)| full)
            .find(|full| *full == name || *full == of_kind)
    }

    /// Returns the name of a number that reports show.
    #[must_use]
    pub fn shown_name<'a>(&self, full: &'a str) -> &'a str {
        let kind = self.rules.cluster().as_str();
        let rest = full.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.'));
        rest.unwrap_or(full)
    }
}

/// Returns an id that no evidence of the profile has.
fn free_id(profile: &Profile) -> String {
    let mut id = "spec".to_owned();
    while profile.evidence.contains_key(&id) {
        id.insert_str(0, "the-");
    }
    id
}

/// Writes a number; `None` if there is none of that name.
fn write(table: &mut Table, full: &str, value: f64, evidence: &str) -> Option<()> {
    let mut path: Vec<&str> = full.split('.').collect();
    let name = path.pop()?;
    let mut section = table;
    for step in path {
        section = section.get_mut(step)?.as_table_mut()?;
    }
    let mut number: Table = ["low", "default", "high"]
        .map(|end| (end.to_owned(), Value::Float(value)))
        .into_iter()
        .collect();
    number.insert("evidence".to_owned(), evidence.into());
    section.insert(name.to_owned(), number.into()).map(|_| ())
}

/// The evidence of the numbers that a spec states.
fn stated(id: &str) -> Table {
    let fields = [
        ("id", id),
        ("source", "the spec"),
        ("setup", "not stated"),
        ("grade", super::Grade::Own.as_str()),
        ("note", "stated in the spec, which does not say how it was found"),
    ];
    fields.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect()
}
