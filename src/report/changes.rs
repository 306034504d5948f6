//! Texts that would change, as unified diffs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::deploy::TextChange;
use crate::units::counted;

/// Lines that are shown around a change.
const CONTEXT: usize = 3;

/// Which texts are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// None.
    None,
    /// Those that are there and would change; new ones are counted.
    #[default]
    Changed,
    /// New ones too.
    All,
}

/// One change as a unified diff.
#[must_use]
pub fn diff(change: &TextChange) -> String {
    let TextChange { host, name, before, after, secret } = change;
    let old = before.as_deref().unwrap_or_default();
    let from = if before.is_some() { format!("{name} on {host}") } else { "/dev/null".to_owned() };
    let lines = TextDiff::from_lines(old, after);
    let mut out = lines
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&from, &format!("{name} on {host} (planned)"))
        .to_string();
    if *secret {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{name} on {host}: a secret differs");
    }
    out
}

/// The diffs for people; empty without any change.
#[must_use]
pub fn changes_text(changes: &[TextChange], shown: Shown) -> String {
    let mut out = String::new();
    let mut new = 0;
    for change in changes {
        match shown {
            Shown::None => continue,
            Shown::Changed if change.before.is_none() => new += 1,
            Shown::Changed | Shown::All => {
                out.push_str(&diff(change));
                out.push('\n');
            }
        }
    }
    if new > 0 {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}, shown with --diff all\n", counted(new, "new text"));
    }
    out
}

/// The diffs for programs.
#[must_use]
pub fn changes_json(changes: &[TextChange], shown: Shown) -> Value {
    let is_shown = |change: &&TextChange| match shown {
        Shown::None => false,
        Shown::Changed => change.before.is_some(),
        Shown::All => true,
    };
    let all = changes.iter().filter(is_shown).map(|change| {
        let new = change.before.is_none();
        json!({ "host": change.host, "name": change.name, "new": new, "diff": diff(change) })
    });
    Value::Array(all.collect())
}
