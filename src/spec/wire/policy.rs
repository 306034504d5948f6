//! `policy.survive`: a level, a map of a level and who keeps the quorum, a list
//! of these, or `none`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::spec::Quorum;
use crate::spec::diagnostic::alternatives;
use crate::spec::read::form::{At, Spanned, Wire, described, wire, wrong_type};
use crate::spec::read::scalar::{Scalar, ScalarError};
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};
use crate::topology::Level;

const EXPECTED: &str = "host, rack, site, none, a list such as [host, rack] or a map such as { level: host, quorum: manual }";

/// What is promised.
#[derive(Debug)]
pub(in crate::spec) struct Survive {
    /// In the order of the file.
    pub levels: Vec<Spanned<SurviveOf>>,
    /// Whether the value is the word `none`.
    pub none: bool,
}

impl Survive {
    const fn of(levels: Vec<Spanned<SurviveOf>>) -> Self {
        Self { levels, none: false }
    }
}

wire! {
    /// A level, and who keeps a majority after the loss.
    struct SurviveOf {
        /// host, rack or site.
        required level: At<Level>,
        /// automatic: the cluster keeps a majority by itself; manual: an operator
        /// acts where the majority is lost. Default: automatic.
        optional quorum: At<Quorum>,
    }
}
described!(SurviveOf);

/// A level that is written as one word.
fn level(tree: &Tree, text: &str, words: &[&str]) -> Spanned<SurviveOf> {
    let value = Level::read(text).map_err(|fault| ScalarError {
        message: format!("{text:?} is not known; expected {}", alternatives(words)),
        hint: fault.hint,
    });
    let value = SurviveOf { level: Some(At { mark: tree.mark, value }), quorum: None };
    Spanned { mark: tree.mark, value }
}

impl Wire for Survive {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        match &tree.node {
            Node::Scalar(text) if text == "none" => Some(Self { levels: Vec::new(), none: true }),
            Node::Scalar(text) => {
                Some(Self::of(vec![level(tree, text, &["host", "rack", "site", "none"])]))
            }
            Node::Map(_) => Spanned::read(scope, field, tree).map(|one| Self::of(vec![one])),
            Node::List(items) => {
                let read: Vec<_> = items.iter().map(|item| listed(scope, field, item)).collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(Self::of)
            }
            Node::Empty => {
                wrong_type(scope, field, tree, EXPECTED);
                None
            }
        }
    }
}

fn listed(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Spanned<SurviveOf>> {
    match &tree.node {
        Node::Scalar(text) => Some(level(tree, text, &["host", "rack", "site"])),
        Node::Map(_) => Spanned::read(scope, field, tree),
        _ => {
            wrong_type(scope, field, tree, "host, rack, site or a map such as { level: host }");
            None
        }
    }
}

impl JsonSchema for Survive {
    fn schema_name() -> Cow<'static, str> {
        "Survive".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (level, map) = (Level::schema(), generator.subschema_for::<SurviveOf>());
        json_schema!({
            "anyOf": [
                { "const": "none" },
                level,
                map,
                { "type": "array", "items": { "anyOf": [level, map] }, "minItems": 1, "maxItems": 2 },
            ]
        })
    }
}
