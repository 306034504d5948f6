//! `apart` and `near` of machines: a name, or a list of names.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::ids::ServiceName;
use crate::spec::read::form::{At, Wire, wrong_type};
use crate::spec::read::scalar::Scalar;
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};

/// Names of services and of other entries, in the order of the file.
#[derive(Debug)]
pub(in crate::spec) struct NameList(pub Vec<At<ServiceName>>);

impl Wire for NameList {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        match &tree.node {
            Node::List(_) => Wire::read(scope, field, tree).map(Self),
            Node::Scalar(_) => At::read(scope, field, tree).map(|one| Self(vec![one])),
            _ => {
                wrong_type(scope, field, tree, "a name or a list such as [a, b]");
                None
            }
        }
    }
}

impl JsonSchema for NameList {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "NameList".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let name = ServiceName::schema();
        json_schema!({ "anyOf": [name, { "type": "array", "items": name, "minItems": 1 }] })
    }
}
