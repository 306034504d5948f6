//! Text to a tree: limits against hostile files, and the parser's errors in the
//! words of this program.

use serde_saphyr::{Error, Options};

use super::tree::Tree;
use crate::spec::diagnostic::{Diagnostic, Mark, Place};

/// Reads one file.
///
/// # Errors
/// The error that keeps the text from being YAML.
pub(in crate::spec) fn parse(file: &str, text: &str) -> Result<Tree, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#'))) {
        let message = "the file is empty".to_owned();
        return Err(Diagnostic { place: Place::whole(file), message, hint: None });
    }
    serde_saphyr::from_str_with_options(text, options())
        .map(|read| Tree::new(read, text))
        .map_err(|error| reword(file, &error))
}

/// Far above any honest file, far below what hurts.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 500_000,
            max_aliases: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        // Text, as every value; what it means is judged later.
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn reword(file: &str, error: &Error) -> Diagnostic {
    let error = error.without_snippet();
    let mark = error
        .location()
        .filter(|location| location.line() > 0)
        .map(|location| Mark { line: location.line(), column: location.column() });
    let (message, hint) = words(error);
    Diagnostic { place: Place { file: file.to_owned(), mark }, message, hint }
}

fn words(error: &Error) -> (String, Option<String>) {
    match error {
        Error::AliasError { error, .. } => words(error),
        Error::NullIntoString { .. } => ("a field without a name".to_owned(), None),
        Error::MultipleDocuments { .. } => (
            "a second YAML document begins; a file holds one".to_owned(),
            Some("remove the line `---`".to_owned()),
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => {
            (format!("the file is too large or too deeply nested ({})", plain(error)), None)
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            ("found a list or a map; expected the name of a field".to_owned(), None)
        }
        _ => {
            let text = plain(error);
            let hint = text.contains("tab").then(|| "YAML is indented with spaces only".to_owned());
            (text, hint)
        }
    }
}

/// The parser's own words, less the place, which is printed in front of them.
fn plain(error: &Error) -> String {
    let text = error.to_string();
    let end = text.find(" at line ").unwrap_or(text.len());
    let text = text.get(..end).unwrap_or(&text);
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    text.strip_prefix("line ")
        .map_or(text, |rest| rest.split_once(": ").map_or(text, |(_, message)| message))
        .to_owned()
}
