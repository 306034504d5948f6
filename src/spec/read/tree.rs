//! A YAML file as a tree in which everything has its place.
//!
//! Scalars stay text: whether `08` is a number depends on its field.
//! Reading the whole file before anything is judged lets all errors be reported in
//! one run, those of form included.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::spec::diagnostic::Mark;

/// A node of the file.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Tree {
    /// Its place; for an alias, the place of the alias.
    pub mark: Mark,
    pub node: Node,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(in crate::spec) enum Node {
    /// Nothing, or one of YAML's words for it.
    Empty,
    Scalar(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// A field of a map; duplicates are kept.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Entry {
    pub key: String,
    pub mark: Mark,
    pub value: Tree,
}

impl Node {
    /// What kind of node it is, as users know it.
    pub(in crate::spec) const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl Tree {
    /// The tree of what the parser read from `text`.
    pub(in crate::spec) fn new(read: Spanned<Raw>, text: &str) -> Self {
        let mark = mark(&read.referenced);
        let node = match read.value {
            Raw::Empty => Node::Empty,
            Raw::Text(text) => Node::Scalar(text),
            Raw::Typed(fallback) => {
                Node::Scalar(written(text, &read.defined).map_or(fallback, str::to_owned))
            }
            Raw::List(items) => {
                Node::List(items.into_iter().map(|item| Self::new(item, text)).collect())
            }
            Raw::Map(entries) => {
                Node::Map(entries.into_iter().map(|entry| Entry::new(entry, text)).collect())
            }
        };
        Self { mark, node }
    }
}

impl Entry {
    fn new((key, value): (Spanned<String>, Spanned<Raw>), text: &str) -> Self {
        Self { mark: mark(&key.referenced), key: key.value, value: Tree::new(value, text) }
    }
}

fn mark(location: &Location) -> Mark {
    Mark { line: location.line(), column: location.column() }
}

/// The characters between the two ends of a scalar.
fn written<'a>(text: &'a str, location: &Location) -> Option<&'a str> {
    let span = location.span();
    let start = usize::try_from(span.byte_offset()?).ok()?;
    let length = usize::try_from(span.byte_len()?).ok()?;
    text.get(start..start.checked_add(length)?).map(str::trim)
}

/// What the parser hands over.
pub(in crate::spec) enum Raw {
    Empty,
    Text(String),
    /// A plain scalar that the parser takes for a number or a truth value, in its
    /// words: the file's own, which may be `1.50` or `yes`, are found by the place.
    Typed(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a map")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Empty)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
