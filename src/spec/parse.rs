//! Text to wire types: limits against hostile files, and the parser's errors
//! in the words of this program.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options, Spanned};

use super::problem::{Mark, Place, Problem, alternatives, nearest};

/// Reads one file.
///
/// # Errors
/// The first mistake that keeps the text from having the form of a `T`.
pub(super) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<Spanned<T>, Problem> {
    if text.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#'))) {
        let message = "the file is empty".to_owned();
        return Err(Problem { place: Place::whole(file), message, hint: None });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| reword(file, &error))
}

/// Far above any honest file, far below what hurts.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 100_000,
            max_aliases: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 8,
        },
        with_snippet: false,
    }
}

fn reword(file: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let mark = error
        .location()
        .filter(|location| location.line() > 0)
        .map(|location| Mark { line: location.line(), column: location.column() });
    let (message, hint) = words(error);
    Problem { place: Place { file: file.to_owned(), mark }, message, hint }
}

fn words(error: &Error) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => (
            format!("unknown field {field:?}; expected {}", alternatives(expected)),
            nearest(field, expected).map(|word| format!("did you mean {word:?}?")),
        ),
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.as_ref().map(|key| format!(" {key:?}")).unwrap_or_default();
            (format!("the field{name} stands here a second time"), None)
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("found {unexpected}; expected {expected}"), None)
        }
        Error::Unexpected { expected, .. } => (format!("expected {}", node_kind(expected)), None),
        Error::AliasError { error, .. } => words(error),
        Error::NullIntoString { .. } => ("is empty; expected a value".to_owned(), None),
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
        _ => (plain(error), None),
    }
}

/// The parser's names for kinds of YAML nodes, as users know them.
fn node_kind(expected: &str) -> &str {
    match expected {
        "string scalar" | "scalar" => "a single value",
        "mapping start" => "a map such as { field: value }",
        "sequence start" => "a list such as [a, b]",
        other => other,
    }
}

/// The parser's own words, less the place, which stands in front of them.
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
