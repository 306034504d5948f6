//! Plans of older formats as the current one reads them.
//!
//! A plan stays usable for as long as its deployment: what a newer program needs
//! to know is derived here, once, from what an older one wrote.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

/// The oldest format that is read.
pub(super) const OLDEST: u32 = 2;

/// Brings a plan of format `found` to the current one, step by step.
pub(super) fn upgrade(plan: &mut Value, found: u32) {
    if found <= 2 {
        typed_settings(plan);
        named_placement(plan);
    }
    if found <= 3 {
        lists_of_slots(plan);
    }
    if let Value::Object(fields) = plan {
        fields.insert("format".to_owned(), super::FORMAT.into());
    }
}

/// Format 2 wrote the configuration of instances as texts, under `config`.
fn typed_settings(plan: &mut Value) {
    let instances = plan.get_mut("instances").and_then(Value::as_array_mut);
    for instance in instances.into_iter().flatten().filter_map(Value::as_object_mut) {
        let Some(Value::Object(config)) = instance.remove("config") else { continue };
        let settings: Map<String, Value> = config
            .into_iter()
            .map(|(name, value)| {
                let value = value.as_str().map_or(value.clone(), |text| typed(&name, text));
                (name, value)
            })
            .collect();
        instance.insert("settings".to_owned(), settings.into());
    }
}

/// Format 2 called the placement of a service's CPUs its footing.
fn named_placement(plan: &mut Value) {
    let services = plan.get_mut("services").and_then(Value::as_array_mut);
    for service in services.into_iter().flatten() {
        let capacity = service.get_mut("capacity").and_then(Value::as_object_mut);
        let Some(capacity) = capacity else { continue };
        if let Some(footing) = capacity.remove("footing") {
            capacity.insert("placement".to_owned(), footing);
        }
    }
}

/// Up to format 3 a group had one range of slots, or none.
fn lists_of_slots(plan: &mut Value) {
    let services = plan.get_mut("services").and_then(Value::as_array_mut);
    let groups = services.into_iter().flatten().filter_map(|one| one.get_mut("groups"));
    for group in groups.filter_map(Value::as_array_mut).flatten().filter_map(Value::as_object_mut) {
        let ranges = match group.remove("slots") {
            None | Some(Value::Null) => json!([]),
            Some(range) => json!([range]),
        };
        group.insert("slots".to_owned(), ranges);
    }
}

/// The value that a text of format 2 stands for. Only clusters of one kind had any,
/// so the names that are no switch and no count are few.
fn typed(name: &str, text: &str) -> Value {
    let number = text.parse::<u64>().ok();
    match (name, number, text) {
        ("maxmemory" | "repl-backlog-size", Some(bytes), _) => json!({ "bytes": bytes }),
        ("cluster-node-timeout", Some(millis), _) => json!({ "millis": millis }),
        ("bind" | "client-output-buffer-limit" | "save", ..) => {
            let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "\"\"").collect();
            json!({ "words": words })
        }
        (_, Some(count), _) => json!({ "count": count }),
        (_, _, "yes" | "no") => json!({ "switch": text == "yes" }),
        _ if text.parse::<Ipv4Addr>().is_ok() => json!({ "address": text }),
        _ => json!({ "text": text }),
    }
}
