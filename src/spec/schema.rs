//! The JSON Schemas of the files that users write, made from the wire types.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::wire;

/// Files that users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// A spec.
    Spec,
    /// A host file.
    Host,
    /// An image manifest.
    Image,
}

/// The schema of a file, in JSON Schema 2020-12.
///
/// It knows the fields, how values are written and which fields go together;
/// what it cannot say, such as a duplicate name, `hostsplit check` reports.
#[must_use]
pub fn schema(document: Document) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    match document {
        Document::Spec => generator.into_root_schema_for::<wire::SpecFile>(),
        Document::Host => generator.into_root_schema_for::<wire::Host>(),
        Document::Image => generator.into_root_schema_for::<wire::Image>(),
    }
    .to_value()
}
