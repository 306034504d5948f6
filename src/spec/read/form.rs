//! From the tree of a file to the types of [`wire`](crate::spec::wire): the fields of
//! each kind of map, declared once, read and described from the same list.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::scalar::{Scalar, ScalarError};
use super::scope::Scope;
use super::tree::{Entry, Node, Tree};
use crate::spec::diagnostic::{Mark, alternatives, nearest};

/// A part of a file.
pub(in crate::spec) trait Wire: Sized {
    /// Reads the value of `field`. `None` if it has another form, which is reported.
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self>;
}

/// A scalar with its place: the value, or why its text is not one. A wrong value does
/// not stop the reading of the file: its error is reported with all the others.
#[derive(Debug)]
pub(in crate::spec) struct At<T> {
    pub mark: Mark,
    pub value: Result<T, ScalarError>,
}

impl<T: Scalar> Wire for At<T> {
    fn read(_: &mut Scope<'_>, _: &str, tree: &Tree) -> Option<Self> {
        let value = match &tree.node {
            Node::Scalar(text) => T::read(text),
            other => {
                Err(ScalarError::new(format!("found {}; expected {}", other.kind(), T::expected())))
            }
        };
        Some(Self { mark: tree.mark, value })
    }
}

impl<T: Scalar> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// A map or list with its place. Its own errors are reported where it is read.
#[derive(Debug)]
pub(in crate::spec) struct Spanned<T> {
    pub mark: Mark,
    pub value: T,
}

impl<T: Wire> Wire for Spanned<T> {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        T::read(scope, field, tree).map(|value| Self { mark: tree.mark, value })
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        let Node::List(items) = &tree.node else {
            wrong_type(scope, field, tree, "a list such as [a, b]");
            return None;
        };
        Some(items.iter().filter_map(|item| T::read(scope, field, item)).collect())
    }
}

/// Fields of any name.
impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        let entries = map(scope, field, tree)?;
        let mut fields = Self::new();
        for entry in entries {
            let value = T::read(scope, &entry.key, &entry.value);
            if fields.contains_key(&entry.key) {
                duplicate(scope, entry);
            } else {
                fields.extend(value.map(|value| (entry.key.clone(), value)));
            }
        }
        Some(fields)
    }
}

/// The fields of a map; an error if it is not a map.
pub(in crate::spec) fn map<'t>(
    scope: &mut Scope<'_>,
    field: &str,
    tree: &'t Tree,
) -> Option<&'t [Entry]> {
    match &tree.node {
        Node::Map(entries) => Some(entries),
        _ => {
            wrong_type(scope, field, tree, "a map such as { field: value }");
            None
        }
    }
}

/// Reports a value of another form than expected.
pub(in crate::spec) fn wrong_type(scope: &mut Scope<'_>, field: &str, tree: &Tree, expected: &str) {
    let found = match &tree.node {
        Node::Scalar(text) => format!("{text:?}"),
        other => other.kind().to_owned(),
    };
    let before = if field.is_empty() { String::new() } else { format!("{field}: ") };
    scope.error(tree.mark, format!("{before}found {found}; expected {expected}"));
}

/// Reports a field that is in the same map before.
pub(in crate::spec) fn duplicate(scope: &mut Scope<'_>, entry: &Entry) {
    scope.error(entry.mark, format!("duplicate field {:?}", entry.key));
}

/// A map while its fields are taken out.
pub(in crate::spec) struct Fields<'t> {
    owner: Mark,
    entries: &'t [Entry],
}

impl<'t> Fields<'t> {
    /// The fields of `tree`, the value of `field`; unknown and duplicate
    /// ones are reported.
    pub(in crate::spec) fn of(
        scope: &mut Scope<'_>,
        field: &str,
        tree: &'t Tree,
        known: &[&str],
    ) -> Option<Self> {
        let entries = map(scope, field, tree)?;
        for (index, entry) in entries.iter().enumerate() {
            if !known.contains(&entry.key.as_str()) {
                unknown(scope, field, tree.mark, entry, known);
            } else if entries.iter().take(index).any(|before| before.key == entry.key) {
                duplicate(scope, entry);
            }
        }
        Some(Self { owner: tree.mark, entries })
    }

    /// The value of one field, if it is there and of the expected form.
    pub(in crate::spec) fn take<T: Wire>(&self, scope: &mut Scope<'_>, name: &str) -> Option<T> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        let value = T::read(scope, name, &entry.value);
        if value.is_none() {
            scope.set_reported(self.owner, name);
        }
        value
    }
}

fn unknown(scope: &mut Scope<'_>, field: &str, owner: Mark, entry: &Entry, known: &[&str]) {
    let near = nearest(&entry.key, known);
    // The field that was meant is not reported as missing as well.
    if let Some(near) = near {
        scope.set_reported(owner, near);
    }
    let of = if field.is_empty() { String::new() } else { format!(" in {field}") };
    scope.error_with(
        entry.mark,
        format!("unknown field {:?}{of}; expected {}", entry.key, alternatives(known)),
        near.map(|near| format!("did you mean {near:?}?")),
    );
}

/// One field of a map, for the schema.
pub(in crate::spec) struct Described {
    pub name: &'static str,
    pub required: bool,
    pub text: String,
    pub schema: Schema,
}

/// The schema of a map of these fields and no others.
pub(in crate::spec) fn object(text: &str, fields: Vec<Described>) -> Schema {
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut properties = Map::new();
    for field in &fields {
        let mut schema = field.schema.clone().to_value();
        if let Value::Object(map) = &mut schema
            && !field.text.is_empty()
        {
            map.insert("description".to_owned(), field.text.clone().into());
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let mut schema = json_schema!({
        "type": "object",
        "description": text,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// Doc comments as one line.
pub(in crate::spec) fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// Makes the type of a map, reads it and describes it. Each field is `required`
/// or `optional` to a schema; what is missing is judged by the check, so every
/// field is an `Option`.
macro_rules! wire {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@needed required) => { true };
    (@needed optional) => { false };
    ($(
        $(#[doc = $doc:literal])*
        struct $type:ident {
            $($(#[doc = $text:literal])* $need:ident $field:ident $(= $name:literal)?: $of:ty,)*
        }
    )*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub(in crate::spec) struct $type {
            $($(#[doc = $text])* pub $field: Option<$of>,)*
        }

        impl $type {
            /// The fields that a file may hold, in the order of the reference.
            pub(in crate::spec) const FIELDS: &'static [&'static str] =
                &[$(wire!(@name $field $($name)?)),*];

            /// Its schema as far as it follows from the fields.
            pub(in crate::spec) fn object(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::spec::read::form::object(
                    &$crate::spec::read::form::prose(&[$($doc),*]),
                    vec![$($crate::spec::read::form::Described {
                        name: wire!(@name $field $($name)?),
                        required: wire!(@needed $need),
                        text: $crate::spec::read::form::prose(&[$($text),*]),
                        schema: generator.subschema_for::<$of>(),
                    }),*],
                )
            }
        }

        impl $crate::spec::read::form::Wire for $type {
            fn read(
                scope: &mut $crate::spec::read::scope::Scope<'_>,
                field: &str,
                tree: &$crate::spec::read::tree::Tree,
            ) -> Option<Self> {
                let fields = $crate::spec::read::form::Fields::of(scope, field, tree, Self::FIELDS)?;
                Some(Self { $($field: fields.take(scope, wire!(@name $field $($name)?)),)* })
            }
        }
    )*};
}
pub(in crate::spec) use wire;

/// Gives types of [`wire!`] the schema that follows from their fields alone.
macro_rules! described {
    ($($type:ident),* $(,)?) => {$(
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                Self::object(generator)
            }
        }
    )*};
}
pub(in crate::spec) use described;
