//! Why a file is no machine, and where in it.

use std::fmt;

/// What each format is made with.
pub const EXPECTED: &str = "expected the output of one of: virsh capabilities; \
     lstopo --of xml; lscpu -p; lscpu -J; lscpu -J -e";

/// What is left to do with a file that contradicts itself or is cut short.
const AGAIN: &str = "the file may be damaged or cut short; write it again, with one of: \
     virsh capabilities; lstopo --of xml; lscpu -p";

/// Why a file cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}{message}", if *.place == Place::Whole { "" } else { ": " })]
pub struct ImportError {
    /// Where in the file.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A byte of the text; becomes a line and a column where the text is known.
    Byte(usize),
    /// A line and a column, both from 1.
    Line(usize, usize),
    /// An entry of `cpus` in JSON, from 0.
    Row(usize),
    /// An entry of `lscpu` in JSON, from 0.
    Field(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Byte(byte) => write!(f, "byte {byte}"),
            Self::Line(line, column) => write!(f, "{line}:{column}"),
            Self::Row(row) => write!(f, "cpus[{row}]"),
            Self::Field(field) => write!(f, "lscpu[{field}]"),
        }
    }
}

impl ImportError {
    /// An error of the whole file.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { place: Place::Whole, message: message.into(), hint: None }
    }

    /// The same at a place.
    pub(super) const fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The same with what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with the remedy that is left where there is no better one.
    pub(super) fn or_again(mut self) -> Self {
        self.hint.get_or_insert_with(|| AGAIN.to_owned());
        self
    }

    /// A file of more than [`super::MAX_BYTES`].
    #[must_use]
    pub fn too_large() -> Self {
        let most = super::MAX_BYTES >> 20;
        Self::new(format!("the file is larger than {most} MiB, which no machine's is"))
            .hint(EXPECTED)
    }

    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // The place precedes the message here, as it does everywhere.
        let message = text.split(" at line ").next().unwrap_or(&text);
        Self::new(format!("not JSON: {message}")).at(Place::Line(error.line(), error.column()))
    }

    /// The same with a line and a column instead of a byte.
    pub(super) fn located(mut self, text: &str) -> Self {
        if let Place::Byte(byte) = self.place {
            let before = text.get(..byte).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            self.place = Place::Line(line, column);
        }
        self
    }

    /// The error with the name of its file.
    #[must_use]
    pub fn in_file(&self, file: &str) -> String {
        match self.place {
            Place::Line(..) => format!("{file}:{self}"),
            _ => format!("{file}: {self}"),
        }
    }
}
