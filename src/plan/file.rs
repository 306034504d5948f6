//! A plan as text: canonical JSON, the same bytes for the same plan.

use serde::Deserialize;

use super::{FORMAT, Plan};
use crate::digest::sha256;
use crate::profile::ProfileError;

/// Why a text is no plan that this program reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Not the JSON of a plan.
    #[error("not a plan: {message}")]
    Malformed {
        /// What the parser said, with line and column.
        message: String,
    },
    /// A profile of its own that cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A plan of another version.
    #[error("the plan has format {found}; this program reads format {FORMAT}: make it again")]
    Format {
        /// The format of the text.
        found: u32,
    },
}

impl Plan {
    /// The canonical text: indented JSON with fields in a fixed order and a
    /// newline at the end.
    ///
    /// # Errors
    /// A name cannot be written as JSON, which no valid plan has.
    pub fn to_text(&self) -> Result<String, FileError> {
        let text = serde_json::to_string_pretty(self).map_err(malformed)?;
        Ok(text + "\n")
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// The text is no plan, one of another format, or one with a broken profile.
    pub fn from_text(text: &str) -> Result<Self, FileError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(malformed)?;
        if head.format != FORMAT {
            return Err(FileError::Format { found: head.format });
        }
        let plan: Self = serde_json::from_str(text).map_err(malformed)?;
        // Whoever reads a plan may count on its profiles.
        if !plan.profiles.is_empty() {
            plan.profiles.resolve()?;
        }
        Ok(plan)
    }

    /// SHA-256 of the canonical text, 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// As [`Plan::to_text`].
    pub fn digest(&self) -> Result<String, FileError> {
        Ok(sha256(self.to_text()?))
    }
}

fn malformed(error: serde_json::Error) -> FileError {
    FileError::Malformed { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused_in_a_sentence() {
        let refuse = |text| Plan::from_text(text).unwrap_err().to_string();
        insta::assert_snapshot!(
            refuse("{\"format\": 7, \"more\": []}"),
            @"the plan has format 7; this program reads format 2: make it again"
        );
        insta::assert_snapshot!(
            refuse("{}"),
            @"not a plan: missing field `format` at line 1 column 2"
        );
        assert!(refuse("name: shop").starts_with("not a plan: "));
    }
}
