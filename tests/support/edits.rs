//! Every edit of one field of a JSON text: a value removed, changed, exchanged with a
//! sibling's, a key or an element too many.

use serde_json::{Map, Value, json};

/// Where a value is, from the root down.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// One edit: at each of some places another value, or none.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The path without numbers: `instances[].cpus[]`.
    pub shape: String,
    /// What was done.
    pub kind: &'static str,
    changes: Vec<(Vec<Step>, Value)>,
}

impl Edit {
    /// Calls `look` with the edited value, and puts everything back.
    pub fn with<T>(&self, root: &mut Value, look: impl FnOnce(&Value) -> T) -> T {
        let replace =
            |root: &mut Value, path: &[Step], new: Value| std::mem::replace(at(root, path), new);
        let before: Vec<Value> =
            self.changes.iter().map(|(path, new)| replace(root, path, new.clone())).collect();
        let seen = look(root);
        for ((path, _), old) in self.changes.iter().zip(before).rev() {
            replace(root, path, old);
        }
        seen
    }
}

fn at<'a>(root: &'a mut Value, path: &[Step]) -> &'a mut Value {
    path.iter().fold(root, |value, step| match step {
        Step::Key(key) => &mut value[key.as_str()],
        Step::Index(index) => &mut value[*index],
    })
}

/// Words of which one may be written for another.
const WORDS: &[&[&str]] = &[
    &["kvm", "qemu"],
    &["host", "rack", "site"],
    &["automatic", "manual"],
    &["unmet", "cost", "moves", "balance"],
    &["none", "rdb", "aof"],
    &["own", "several", "shared", "straddling"],
    &["throughput", "data_per_process", "quorum", "writes", "iops", "data_per_memory", "copies"],
    &["master", "primary", "replica", "voter", "data", "witness", "member", "active", "standby"],
    &["redis", "valkey", "mysql", "mariadb", "elasticsearch", "opensearch", "apache", "nginx"],
    &["auto-converge", "post-copy"],
];

/// All edits of a value.
pub fn edits(root: &Value) -> Vec<Edit> {
    let mut found = Vec::new();
    walk(root, &mut Vec::new(), &mut found);
    found
}

fn shape(path: &[Step]) -> String {
    let mut shape = String::new();
    for step in path {
        match step {
            Step::Key(key) if shape.is_empty() => shape.push_str(key),
            Step::Key(key) => {
                shape.push('.');
                shape.push_str(key);
            }
            Step::Index(_) => shape.push_str("[]"),
        }
    }
    shape
}

fn walk(value: &Value, path: &mut Vec<Step>, found: &mut Vec<Edit>) {
    let mut one = |kind, new| {
        let changes = vec![(path.clone(), new)];
        found.push(Edit { shape: shape(path), kind, changes });
    };
    match value {
        Value::Null => {
            for new in [json!(1), json!("x"), json!([]), json!(true), json!("10.20.0.9")] {
                one("set", new);
            }
        }
        Value::Bool(is) => one("flipped", json!(!is)),
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or_default();
            one("+1", json!(number + 1));
            if number > 0 {
                one("-1", json!(number - 1));
                one("x2", json!(number * 2));
                one("0", json!(0));
            }
        }
        Value::String(text) => {
            text_edits(text).into_iter().for_each(|(kind, new)| one(kind, new.into()));
        }
        Value::Array(all) => list_edits(all).into_iter().for_each(|(kind, new)| one(kind, new)),
        Value::Object(fields) => {
            for (kind, new) in key_edits(fields, path) {
                one(kind, new);
            }
        }
    }
    match value {
        Value::Array(all) => {
            for (index, (this, next)) in all.iter().zip(all.iter().skip(1)).enumerate() {
                path.push(Step::Index(index));
                siblings((this, next), (path, index), &mut Vec::new(), found);
                path.pop();
            }
            for (index, element) in all.iter().enumerate() {
                path.push(Step::Index(index));
                walk(element, path, found);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                path.push(Step::Key(key.clone()));
                walk(field, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn text_edits(text: &str) -> Vec<(&'static str, String)> {
    let words = WORDS
        .iter()
        .filter(|words| words.contains(&text))
        .flat_map(|words| words.iter().filter(|word| **word != text))
        .map(|word| ("another word", (*word).to_owned()));
    let mut found: Vec<_> = words.collect();
    if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
        found.push(("next", std::net::Ipv4Addr::from(u32::from(address) + 1).to_string()));
        found.push(("far", std::net::Ipv4Addr::from(u32::from(address) ^ (1 << 20)).to_string()));
    }
    let last = text.chars().last().unwrap_or('a');
    let other = if last == '7' { '8' } else { '7' };
    let changed: String =
        text.chars().take(text.chars().count().saturating_sub(1)).chain([other]).collect();
    found.extend([
        ("another", changed),
        ("longer", format!("{text}x")),
        ("emptied", String::new()),
    ]);
    found
}

fn list_edits(all: &[Value]) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for index in 0..all.len() {
        let mut dropped = all.to_vec();
        let one = dropped.remove(index);
        found.push(("dropped", Value::Array(dropped)));
        let mut doubled = all.to_vec();
        doubled.insert(index, one);
        found.push(("doubled", Value::Array(doubled)));
        if index + 1 < all.len() && all[index] != all[index + 1] {
            let mut turned = all.to_vec();
            turned.swap(index, index + 1);
            found.push(("turned", Value::Array(turned)));
        }
    }
    if let [first, ..] = all {
        let like = match first {
            Value::Number(number) => Some(json!(number.as_u64().unwrap_or_default() + 1)),
            Value::String(text) => Some(json!(format!("{text}7"))),
            _ => None,
        };
        let more = like.map(|like| Value::Array([all, &[like]].concat()));
        found.extend(more.map(|more| ("more", more)));
    } else {
        found.push(("more", json!(["x"])));
    }
    found
}

fn key_edits(fields: &Map<String, Value>, path: &[Step]) -> Vec<(&'static str, Value)> {
    let mut found = Vec::new();
    for key in fields.keys() {
        let mut fewer = fields.clone();
        fewer.remove(key);
        found.push(("a key less", Value::Object(fewer)));
    }
    let more = match path.last() {
        Some(Step::Key(key)) if key == "settings" => ("loadmodule", json!({ "text": "/tmp/x.so" })),
        Some(Step::Key(key)) if key == "labels" => ("site", json!("x")),
        _ => ("x", json!(1)),
    };
    let mut fields = fields.clone();
    fields.insert(more.0.to_owned(), more.1);
    found.push(("a key more", Value::Object(fields)));
    found
}

/// Exchanges each value of an element with the next element's, and takes the next one's.
fn siblings(
    (this, next): (&Value, &Value),
    (path, index): (&[Step], usize),
    below: &mut Vec<Step>,
    found: &mut Vec<Edit>,
) {
    match (this, next) {
        (Value::Object(fields), Value::Object(others)) => {
            for (key, field) in fields {
                let Some(other) = others.get(key) else { continue };
                below.push(Step::Key(key.clone()));
                siblings((field, other), (path, index), below, found);
                below.pop();
            }
            if below.is_empty() || fields == others {
                return;
            }
        }
        _ if this == next => return,
        _ => {}
    }
    let own: Vec<Step> = path.iter().chain(below.iter()).cloned().collect();
    let mut theirs = own.clone();
    theirs[path.len() - 1] = Step::Index(index + 1);
    let taken = vec![(own.clone(), next.clone())];
    found.push(Edit { shape: shape(&own), kind: "a sibling's", changes: taken });
    if !below.is_empty() {
        let both = vec![(own.clone(), next.clone()), (theirs, this.clone())];
        found.push(Edit { shape: shape(&own), kind: "exchanged", changes: both });
    }
}
