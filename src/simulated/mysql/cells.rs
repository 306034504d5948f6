//! Values and rows, and how the client writes them.

use std::fmt;

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
}

impl Cell {
    /// A value as it is written in a statement: a number, or a text behind a quote.
    pub(super) fn read(word: &str) -> Self {
        match (word.strip_prefix('\''), word.parse()) {
            (Some(text), _) => Self::Text(text.to_owned()),
            (None, Ok(number)) => Self::Number(number),
            (None, Err(_)) => Self::Text(word.to_owned()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A row of an answer: names of columns and values.
pub(super) type Row = Vec<(String, String)>;

/// Rows as `--vertical` shows them: names to the right, a line for each value.
pub(super) fn vertical(rows: &[Row]) -> String {
    let mut text = String::new();
    for (number, row) in (1..).zip(rows) {
        let stars = "*".repeat(27);
        text += &format!("{stars} {number}. row {stars}\n");
        let width = row.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, value) in row {
            text += &format!("{name:>width$}: {value}\n");
        }
    }
    text
}
