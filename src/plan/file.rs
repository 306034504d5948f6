//! A plan as text: canonical JSON, the same bytes for the same plan.

use serde::Deserialize;

use super::upgrade::{OLDEST, upgrade};
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
    /// A plan of a format that nothing has been deployed with.
    #[error("the plan has format {found}; the oldest that can be read is {OLDEST}: make it again")]
    Older {
        /// The format of the text.
        found: u32,
    },
    /// A plan of a newer program.
    #[error(
        "the plan has format {found}, written by hostsplit {by}; this is hostsplit {}, which reads \
         formats {OLDEST} to {FORMAT}: use hostsplit {by} or newer",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// The format of the text.
        found: u32,
        /// The version that wrote it.
        by: String,
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
    /// The text is no plan, one of a format that is not read (see [`FORMAT`]), or one
    /// with a broken profile.
    pub fn from_text(text: &str) -> Result<Self, FileError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            #[serde(default)]
            hostsplit: String,
        }
        let Head { format, hostsplit } = serde_json::from_str(text).map_err(malformed)?;
        let plan: Self = match format {
            FORMAT => serde_json::from_str(text).map_err(malformed)?,
            OLDEST..FORMAT => {
                let mut value = serde_json::from_str(text).map_err(malformed)?;
                upgrade(&mut value, format);
                serde_json::from_value(value).map_err(malformed)?
            }
            0..OLDEST => return Err(FileError::Older { found: format }),
            _ => return Err(FileError::Newer { found: format, by: shown(&hostsplit) }),
        };
        // A plan that was read has profiles that can be used.
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

/// A version as a message may show it: the file may come from anywhere.
fn shown(version: &str) -> String {
    const MOST: usize = 20;
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let version: String = version.chars().filter(plain).take(MOST).collect();
    if version.is_empty() { "of an unknown version".to_owned() } else { version }
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
            refuse("{\"format\": 1, \"more\": []}"),
            @"the plan has format 1; the oldest that can be read is 2: make it again"
        );
        let newer = refuse("{\"format\": 7, \"hostsplit\": \"9.0.0\\n\", \"more\": []}");
        assert!(newer.starts_with("the plan has format 7, written by hostsplit 9.0.0; this is "));
        assert!(newer.ends_with("formats 2 to 4: use hostsplit 9.0.0 or newer"), "{newer}");
        insta::assert_snapshot!(
            refuse("{}"),
            @"not a plan: missing field `format` at line 1 column 2"
        );
        assert!(refuse("name: shop").starts_with("not a plan: "));
    }
}
