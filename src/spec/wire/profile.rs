//! `profiles:`: overrides of the built-in engine profiles.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::profile::Decimal;
use crate::spec::Engine;
use crate::spec::diagnostic::Mark;
use crate::spec::read::form::{At, Described, Fields, Spanned, Wire, described, map, object, wire};
use crate::spec::read::scalar::{Scalar, Text};
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Entry, Tree};

wire! {
    /// A profile file, single numbers, or both.
    struct Profile {
        /// Path of a profile file, relative to this file. Default: the built-in
        /// profile.
        optional file: At<Text>,
        /// Overrides of single numbers, keyed by section.name as
        /// `hostsplit profile ENGINE` shows them.
        optional set: Spanned<Numbers>,
    }
}
described!(Profile);

/// Overrides of built-in engine profiles, keyed by engine.
#[derive(Debug)]
pub(in crate::spec) struct Profiles(BTreeMap<Engine, Spanned<Profile>>);

impl Profiles {
    /// Those that are there, with their engines.
    pub(in crate::spec) fn each(&self) -> impl Iterator<Item = (Engine, &Spanned<Profile>)> {
        self.0.iter().map(|(engine, own)| (*engine, own))
    }
}

impl Wire for Profiles {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        let fields = Fields::of(scope, field, tree, Engine::WORDS)?;
        let own = |engine: &Engine| Some((*engine, fields.take(scope, engine.as_str())?));
        Some(Self(Engine::ALL.iter().filter_map(own).collect()))
    }
}

impl JsonSchema for Profiles {
    fn schema_name() -> Cow<'static, str> {
        "Profiles".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let field = |engine: &Engine| Described {
            name: engine.as_str(),
            required: false,
            text: format!("Overrides of the profile of {engine}."),
            schema: generator.subschema_for::<Spanned<Profile>>(),
        };
        object(
            "Overrides of built-in engine profiles, keyed by engine.",
            Engine::ALL.iter().map(field).collect(),
        )
    }
}

/// More than any profile has.
const MAX_NUMBERS: usize = 200;

/// Numbers by their names, of which only the profile knows which there are.
#[derive(Debug)]
pub(in crate::spec) struct Numbers(pub Vec<SetNumber>);

/// One of them.
#[derive(Debug)]
pub(in crate::spec) struct SetNumber {
    /// `section.name`.
    pub name: String,
    /// The place of the name.
    pub mark: Mark,
    /// Its new value.
    pub value: At<Decimal>,
}

impl Wire for Numbers {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        let entries = map(scope, field, tree)?;
        if entries.len() > MAX_NUMBERS {
            let found = entries.len();
            let message = format!("{field}: {found} numbers; expected at most {MAX_NUMBERS}");
            scope.error(tree.mark, message);
            return None;
        }
        let number = |entry: &Entry| {
            let value = At::read(scope, &entry.key, &entry.value)?;
            Some(SetNumber { name: entry.key.clone(), mark: entry.mark, value })
        };
        Some(Self(entries.iter().filter_map(number).collect()))
    }
}

impl JsonSchema for Numbers {
    fn schema_name() -> Cow<'static, str> {
        "Numbers".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Numbers by section.name as `hostsplit profile ENGINE` shows them.",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[a-z0-9_-]+(\\.[a-z0-9_]+){1,2}$" },
            "additionalProperties": Decimal::schema(),
        })
    }
}
