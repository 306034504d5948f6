//! Parts of a spec that may be in a file of their own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::spec::read::form::{At, Spanned, Wire};
use crate::spec::read::scalar::{Include, Scalar};
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};

/// A thing, or the path or glob of the files that hold it.
#[derive(Debug)]
pub(in crate::spec) enum Item<T> {
    Include(At<Include>),
    Here(Spanned<T>),
}

impl<T: Wire> Wire for Item<T> {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        if let Node::Map(entries) = &tree.node
            && let Some(include) = entries.iter().find(|entry| entry.key == "include")
        {
            if entries.len() > 1 {
                scope.error_with(
                    include.mark,
                    "include: must be the only field of its map",
                    "give the include an entry of its own".to_owned(),
                );
                return None;
            }
            return At::read(scope, "include", &include.value).map(Self::Include);
        }
        Spanned::read(scope, field, tree).map(Self::Here)
    }
}

impl<T: JsonSchema> JsonSchema for Item<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrInclude", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let here = generator.subschema_for::<T>();
        let mut include = Include::schema();
        include.insert(
            "description".to_owned(),
            "Path or glob of the files that hold it, relative to this file.".into(),
        );
        json_schema!({
            "if": { "type": "object", "required": ["include"] },
            "then": { "properties": { "include": include }, "additionalProperties": false },
            "else": here,
        })
    }
}

/// What an included file of hosts, services or vms holds: one, or a list.
#[derive(Debug)]
pub(in crate::spec) struct Entries<T>(pub Vec<Spanned<T>>);

impl<T: Wire> Wire for Entries<T> {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        match &tree.node {
            Node::List(_) => Vec::read(scope, field, tree).map(Self),
            _ => Spanned::read(scope, field, tree).map(|entry| Self(vec![entry])),
        }
    }
}
