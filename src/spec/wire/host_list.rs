//! `on` and `not_on` of machines: a host, a map of one label, or a list of these.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::ids::HostName;
use crate::spec::read::form::{At, Spanned, Wire, described, wire, wrong_type};
use crate::spec::read::scalar::{Scalar, Text};
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};

const EXPECTED: &str = "the name of a host, a map such as { rack: r1 } or a list of these";

/// Hosts, in the order of the file.
#[derive(Debug)]
pub(in crate::spec) struct HostList(pub Vec<Spanned<HostsOf>>);

wire! {
    /// A host, or those with a label: one of these.
    struct HostsOf {
        /// The name of a host.
        optional host: At<HostName>,
        /// The hosts of a rack.
        optional rack: At<Text>,
        /// The hosts of a site.
        optional site: At<Text>,
    }
}
described!(HostsOf);

impl Wire for HostList {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        let Node::List(items) = &tree.node else {
            return one(scope, field, tree).map(|one| Self(vec![one]));
        };
        let read: Vec<_> = items.iter().map(|item| one(scope, field, item)).collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(Self)
    }
}

fn one(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Spanned<HostsOf>> {
    match &tree.node {
        Node::Scalar(text) => {
            let host = Some(At { mark: tree.mark, value: HostName::read(text) });
            Some(Spanned { mark: tree.mark, value: HostsOf { host, rack: None, site: None } })
        }
        Node::Map(_) => Spanned::read(scope, field, tree),
        _ => {
            wrong_type(scope, field, tree, EXPECTED);
            None
        }
    }
}

impl JsonSchema for HostList {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HostList".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (name, map) = (HostName::schema(), generator.subschema_for::<HostsOf>());
        json_schema!({
            "anyOf": [
                name,
                map,
                { "type": "array", "items": { "anyOf": [name, map] }, "minItems": 1 },
            ]
        })
    }
}
