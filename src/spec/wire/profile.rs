//! `profiles:`: what is known better of engines than their profiles know it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::profile::Decimal;
use crate::spec::Engine;
use crate::spec::form::{At, Spanned, Wire, described, map, wire};
use crate::spec::problem::Mark;
use crate::spec::scalar::{Scalar, Text};
use crate::spec::scope::Scope;
use crate::spec::tree::{Entry, Tree};

wire! {
    /// What is known better of engines than their profiles know it, by engine.
    struct Profiles {
        /// Of redis.
        optional redis: Spanned<Profile>,
        /// Of valkey.
        optional valkey: Spanned<Profile>,
        /// Of mysql.
        optional mysql: Spanned<Profile>,
        /// Of mariadb.
        optional mariadb: Spanned<Profile>,
        /// Of elasticsearch.
        optional elasticsearch: Spanned<Profile>,
        /// Of opensearch.
        optional opensearch: Spanned<Profile>,
        /// Of apache.
        optional apache: Spanned<Profile>,
        /// Of nginx.
        optional nginx: Spanned<Profile>,
        /// Of haproxy.
        optional haproxy: Spanned<Profile>,
    }

    /// A profile of one's own, numbers of one's own, or both.
    struct Profile {
        /// Path of a profile file, relative to this file; without it the profile
        /// that the program brings along.
        optional file: At<Text>,
        /// Numbers in place of the profile's, by section.name as
        /// `hostsplit profile ENGINE` shows them.
        optional set: Spanned<Numbers>,
    }
}
described!(Profiles, Profile);

impl Profiles {
    /// Those that are there, with their engines.
    pub(in crate::spec) fn each(&self) -> impl Iterator<Item = (Engine, &Spanned<Profile>)> {
        let Self { redis, valkey, mysql, mariadb, elasticsearch, opensearch, .. } = self;
        let Self { apache, nginx, haproxy, .. } = self;
        [
            (Engine::Redis, redis),
            (Engine::Valkey, valkey),
            (Engine::Mysql, mysql),
            (Engine::Mariadb, mariadb),
            (Engine::Elasticsearch, elasticsearch),
            (Engine::Opensearch, opensearch),
            (Engine::Apache, apache),
            (Engine::Nginx, nginx),
            (Engine::Haproxy, haproxy),
        ]
        .into_iter()
        .filter_map(|(engine, own)| Some((engine, own.as_ref()?)))
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
    /// Where the name stands.
    pub mark: Mark,
    /// What it shall be.
    pub value: At<Decimal>,
}

impl Wire for Numbers {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        let entries = map(scope, field, tree)?;
        if entries.len() > MAX_NUMBERS {
            let found = entries.len();
            let message = format!("{field}: {found} numbers; expected at most {MAX_NUMBERS}");
            scope.wrong(tree.mark, message);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_may_have_its_own() {
        assert_eq!(Profiles::FIELDS, Engine::ALL.map(Engine::as_str));
    }
}
