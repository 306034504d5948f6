//! `demand:` of a service whose engine is not known: what is wrong with it whichever
//! engine was meant.
//!
//! Nothing is said of fields that are missing, of ranges, or of fields that only
//! other engines take: all that follows from the engine.

use super::demand::known;
use crate::spec::diagnostic::{alternatives, nearest};
use crate::spec::read::form::{At, Wire as _, duplicate, map};
use crate::spec::read::scalar::{Documents, Scalar};
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Entry, Tree};
use crate::spec::wire::RawDemand;
use crate::spec::{Engine, Persistence};
use crate::units::{Bytes, Days, Mebibytes, Microseconds, PerSecond, Percent};

/// Reports what no engine takes.
pub(super) fn demand(scope: &mut Scope<'_>, asked: Option<&RawDemand>) {
    let Some(RawDemand(tree)) = asked else { return };
    let Some(entries) = map(scope, "demand", tree) else { return };
    let fields = fields();
    for (index, entry) in entries.iter().enumerate() {
        if !fields.contains(&entry.key.as_str()) {
            let near = nearest(&entry.key, &fields);
            let message = format!(
                "unknown field {:?} in the demand; all engines together take {}",
                entry.key,
                alternatives(&fields)
            );
            scope.error_with(
                entry.mark,
                message,
                near.map(|near| format!("did you mean {near:?}?")),
            );
        } else if entries.iter().take(index).any(|before| before.key == entry.key) {
            duplicate(scope, entry);
        } else {
            value(scope, entry);
        }
    }
}

/// The fields that some engine takes, each once.
fn fields() -> Vec<&'static str> {
    let mut fields: Vec<&str> = Vec::new();
    for field in Engine::ALL.iter().flat_map(|engine| known(engine.cluster())) {
        if !fields.contains(field) {
            fields.push(field);
        }
    }
    fields
}

/// Reports a malformed value. A field is of the same type for all engines that take it.
fn value(scope: &mut Scope<'_>, Entry { key, value, .. }: &Entry) {
    match key.as_str() {
        "reads" | "writes" | "queries" | "requests" => read::<PerSecond>(scope, key, value),
        "index" => read::<Documents>(scope, key, value),
        "data" => read::<Mebibytes>(scope, key, value),
        "value" | "document" | "response" => read::<Bytes>(scope, key, value),
        "retention" => read::<Days>(scope, key, value),
        "working_set" => read::<Percent>(scope, key, value),
        "cpu" => read::<Microseconds>(scope, key, value),
        "shards" | "copies" | "shards_per_query" => read::<u32>(scope, key, value),
        "persistence" => read::<Persistence>(scope, key, value),
        "tls" => read::<bool>(scope, key, value),
        _ => {}
    }
}

fn read<T: Scalar + Clone>(scope: &mut Scope<'_>, field: &str, tree: &Tree) {
    if let Some(at) = At::<T>::read(scope, field, tree) {
        scope.value(field, &at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::diagnostic::{Diagnostics, Mark};
    use crate::spec::read::tree::Node;

    #[test]
    fn every_field_has_a_type_that_is_checked() {
        for field in fields() {
            let mark = Mark { line: 1, column: 1 };
            let tree = Tree { mark, node: Node::Scalar("~".to_owned()) };
            let mut diagnostics = Diagnostics::default();
            let entry = Entry { key: field.to_owned(), mark, value: tree };
            value(&mut Scope { file: "spec.yaml", diagnostics: &mut diagnostics }, &entry);
            assert_eq!(diagnostics.len(), 1, "{field}");
        }
    }
}
