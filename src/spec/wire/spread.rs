//! `spread` of machines: a level, or a map of a level and a number.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::spec::read::form::{At, Spanned, Wire, described, wire, wrong_type};
use crate::spec::read::scalar::Scalar;
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};
use crate::topology::Level;

const EXPECTED: &str = "host, rack, site or a map such as { per: host, at_most: 2 }";

/// How many machines a failure domain holds.
#[derive(Debug)]
pub(in crate::spec) enum Spread {
    /// One, of a failure domain of that level.
    One(At<Level>),
    /// As this says.
    Of(Spanned<SpreadOf>),
}

wire! {
    /// The most machines of an entry that each failure domain of a level holds.
    struct SpreadOf {
        /// host, rack or site.
        required per: At<Level>,
        /// How many. Default: 1.
        optional at_most: At<u32>,
    }
}
described!(SpreadOf);

impl Wire for Spread {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        match &tree.node {
            Node::Scalar(text) => Some(Self::One(At { mark: tree.mark, value: Level::read(text) })),
            Node::Map(_) => Spanned::read(scope, field, tree).map(Self::Of),
            _ => {
                wrong_type(scope, field, tree, EXPECTED);
                None
            }
        }
    }
}

impl JsonSchema for Spread {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Spread".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (level, map) = (Level::schema(), generator.subschema_for::<SpreadOf>());
        json_schema!({ "anyOf": [level, map] })
    }
}
