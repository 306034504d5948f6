//! What is wrong with a profile, and where in its text.

use std::fmt;

use toml::de::DeTable;

use super::Engine;

/// Why a profile cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("profile of {engine}: {}{fault}", place(*at))]
pub struct ProfileError {
    /// The engine.
    pub engine: Engine,
    /// Where in its text, if that is known.
    pub at: Option<Spot>,
    /// What is wrong.
    pub fault: Fault,
}

fn place(at: Option<Spot>) -> String {
    at.map(|spot| format!("{spot}: ")).unwrap_or_default()
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not the TOML of a profile; what the parser said.
    #[error("{0}")]
    Toml(String),
    /// The profile of another engine.
    #[error("engine: {found}; expected {expected}")]
    Engine {
        /// The engine that it states.
        found: Engine,
        /// The engine whose profile it should be.
        expected: Engine,
    },
    /// An interval that is none.
    #[error("{number}: expected 0 <= low <= default <= high <= {}", super::Decimal::MOST)]
    Interval {
        /// Section and name.
        number: String,
    },
    /// A section that is missing, or one too many; what is expected.
    #[error("expected {0}")]
    Section(String),
    /// A number without evidence.
    #[error("{number}: unknown evidence {evidence:?}")]
    Evidence {
        /// Section and name.
        number: String,
        /// The id that is missing.
        evidence: String,
    },
    /// Two records with the same id.
    #[error("duplicate evidence {evidence:?}")]
    DuplicateEvidence {
        /// The id.
        evidence: String,
    },
    /// A value that no instance can have.
    #[error("{number}: {expected}")]
    OutOfRange {
        /// Section and name.
        number: String,
        /// What it must be.
        expected: &'static str,
    },
    /// An override of a number that the profile does not have.
    #[error("unknown number {number:?}")]
    Unknown {
        /// The name.
        number: String,
    },
}

impl Fault {
    /// Returns the fault as the error of an engine's profile.
    pub(super) const fn of(self, engine: Engine) -> ProfileError {
        ProfileError { engine, at: None, fault: self }
    }

    /// Returns the number or field that it is about, with its section.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        match self {
            Self::Interval { number }
            | Self::Evidence { number, .. }
            | Self::OutOfRange { number, .. }
            | Self::Unknown { number } => Some(number),
            Self::Engine { .. } => Some("engine"),
            Self::DuplicateEvidence { .. } => Some("evidence"),
            Self::Toml(_) | Self::Section(_) => None,
        }
    }
}

/// A position in the text of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl Spot {
    /// Returns the position of a byte.
    pub(super) fn at(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let lines = before.matches('\n').count() as u64;
        Self { line: lines + 1, column: line.chars().count() as u64 + 1 }
    }

    /// Returns the position of a value by its sections and name: `sharded.work.write`.
    pub(super) fn of(text: &str, number: &str) -> Option<Self> {
        let document = DeTable::parse(text).ok()?;
        let mut names = number.split('.');
        let mut found = document.get_ref().get(names.next()?)?;
        for name in names {
            found = found.get_ref().as_table()?.get(name)?;
        }
        Some(Self::at(text, found.span().start))
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
