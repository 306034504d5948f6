//! Errors of a spec, each with its place and what would help.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Errors that are shown; more are usually one that is repeated.
const MAX_SHOWN: usize = 40;
/// Characters of a message.
const MAX_MESSAGE: usize = 400;

/// A place in a file that the user wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the user named it or as an include led to it.
    pub file: String,
    /// Line and column, both from 1; `None` where the whole file is meant.
    pub mark: Option<Mark>,
}

/// Line and column within a file, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl Place {
    /// The whole of a file.
    #[must_use]
    pub fn whole(file: &str) -> Self {
        Self { file: file.to_owned(), mark: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            Some(Mark { line, column }) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Its place.
    pub place: Place,
    /// What was found and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Diagnostic {
    /// The place and the message on one line; the hint is not part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Errors while they are collected.
#[derive(Default)]
pub(super) struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Fields, by file and map, that have an error already, so that they are not
    /// reported as missing as well.
    reported: BTreeSet<(String, Mark, String)>,
    /// Hints for errors that have none.
    hints: BTreeMap<Place, String>,
}

impl Diagnostics {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    /// Adds a hint to the error of a place, if it has none.
    pub(super) fn suggest(&mut self, place: Place, hint: String) {
        self.hints.insert(place, hint);
    }

    /// Records that a field of the map at `owner` has an error.
    pub(super) fn set_reported(&mut self, file: &str, owner: Mark, field: &str) {
        self.reported.insert((file.to_owned(), owner, field.to_owned()));
    }

    /// Whether a field of the map at `owner` has an error.
    pub(super) fn is_reported(&self, file: &str, owner: Mark, field: &str) -> bool {
        self.reported.contains(&(file.to_owned(), owner, field.to_owned()))
    }
}

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecErrors {
    /// The errors, by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

impl SpecErrors {
    /// The errors in the order in which they are shown. Of files that are not the spec
    /// itself they quote a word at most: a spec may name any file.
    pub(super) fn new(diagnostics: Diagnostics, spec: &str) -> Self {
        let Diagnostics { list: mut diagnostics, hints, .. } = diagnostics;
        for diagnostic in &mut diagnostics {
            if diagnostic.hint.is_none() {
                diagnostic.hint = hints.get(&diagnostic.place).cloned();
            }
            if diagnostic.place.file != spec {
                diagnostic.message = with_short_quotes(&diagnostic.message);
                diagnostic.hint = diagnostic.hint.as_deref().map(with_short_quotes);
            }
            diagnostic.message = printable(&diagnostic.message);
        }
        diagnostics.sort();
        diagnostics.dedup();
        Self { diagnostics }
    }
}

impl fmt::Display for SpecErrors {
    /// One line for each error, its hint on a line of its own; of very many
    /// only the first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().take(MAX_SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
            if let Some(hint) = &diagnostic.hint {
                write!(f, "\nhint: {hint}")?;
            }
        }
        match self.diagnostics.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for SpecErrors {}

/// Characters of a word that is quoted.
const MAX_WORD: usize = 24;

/// Returns a message of which each text in quotes is its first word, and not all of that
/// if it is long.
fn with_short_quotes(message: &str) -> String {
    let (mut out, mut quoted) = (String::new(), None::<String>);
    let mut is_escaped = false;
    for c in message.chars() {
        match &mut quoted {
            None => {
                out.push(c);
                quoted = (c == '"').then(String::new);
            }
            Some(text) if c == '"' && !is_escaped => {
                out.push_str(&word(text));
                out.push(c);
                quoted = None;
            }
            Some(text) => {
                is_escaped = c == '\\' && !is_escaped;
                text.push(c);
            }
        }
    }
    out.push_str(&quoted.map(|text| word(&text)).unwrap_or_default());
    out
}

fn word(text: &str) -> String {
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    let mut short: String = first.chars().take(MAX_WORD).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// A message that quotes a hostile file must neither flood nor steer a
/// terminal.
fn printable(message: &str) -> String {
    let mut text: String = message
        .chars()
        .take(MAX_MESSAGE)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if message.chars().nth(MAX_MESSAGE).is_some() {
        text.push('…');
    }
    text
}

/// Bytes of a word that may be a misspelled one: comparing a longer one takes long
/// and finds nothing.
const LONGEST: usize = 200;

/// The known word that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
    let best = known.iter().copied().min_by_key(|candidate| distance(candidate))?;
    // A third of the letters may differ; beyond that a suggestion only puzzles.
    (distance(best) <= best.chars().count().div_ceil(3)).then_some(best)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_is_near_or_absent() {
        assert_eq!(nearest("memroy", &["memory", "vcpus"]), Some("memory"));
        assert_eq!(nearest("Redis", &["redis"]), Some("redis"));
        assert_eq!(nearest("kafka", &["redis"]), None);
        assert_eq!(nearest("x", &[]), None);
        assert_eq!(nearest(&"x".repeat(1 << 22), &["redis"]), None);
    }

    #[test]
    fn of_other_files_a_word_is_quoted() {
        let shown = with_short_quotes;
        assert_eq!(
            shown("name: found \"a b\"; expected \"c\""),
            "name: found \"a…\"; expected \"c\""
        );
        let long = format!("found {:?}", "x".repeat(99));
        assert_eq!(shown(&long), format!("found \"{}…\"", "x".repeat(MAX_WORD)));
        assert_eq!(shown("found \"root:x:0:0"), "found \"root:x:0:0");
        assert_eq!(shown(r#"found "a\"b c" d"#), r#"found "a\"b…" d"#);
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(alternatives(&["a"]), "a");
        assert_eq!(alternatives(&["a", "b"]), "a or b");
        assert_eq!(alternatives(&["a", "b", "c"]), "a, b or c");
    }
}
