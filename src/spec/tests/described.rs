//! The files that are structurally wrong are wrong by their schema as well, as far
//! as a schema can say it; the tests with the `jsonschema` crate stand in
//! `tests/spec_schema.rs`. Here: the schema is closed and describes every field.

use serde_json::Value;

use super::super::schema::{Document, schema};

/// Every map of a schema.
fn maps(value: &Value, found: &mut Vec<serde_json::Map<String, Value>>) {
    match value {
        Value::Object(map) => {
            found.push(map.clone());
            map.values().for_each(|value| maps(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| maps(value, found)),
        _ => {}
    }
}

#[test]
fn every_field_is_described_and_no_other_is_allowed() {
    for document in [Document::Spec, Document::Host, Document::Image] {
        let mut found = Vec::new();
        maps(&schema(document), &mut found);
        let objects = found.iter().filter(|map| map.get("type") == Some(&"object".into()));
        let objects: Vec<_> = objects.filter(|map| map.contains_key("properties")).collect();
        assert!(!objects.is_empty());
        for object in objects {
            assert_eq!(object["additionalProperties"], false, "{object:?}");
            for (name, field) in object["properties"].as_object().unwrap() {
                assert!(field.get("description").is_some(), "{name} of {object:?}");
            }
        }
    }
}
