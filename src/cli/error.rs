//! What a command ends with when it fails: kind, text, hint, exit code.

use std::fmt;

/// Exit codes, part of the interface.
pub mod exit {
    /// Done, or nothing to do.
    pub const DONE: u8 = 0;
    /// An error: unreadable input, an unreachable host.
    pub const ERROR: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// With `--dry-run` or `--detailed-exitcode`: there are changes.
    pub const CHANGES: u8 = 3;
    /// No plan satisfies the spec.
    pub const INFEASIBLE: u8 = 4;
    /// An audit or a verification failed, or a status found a fault.
    pub const FAILED_CHECK: u8 = 5;
    /// A deploy is partly done; run it again to resume.
    pub const PARTLY_DONE: u8 = 6;
    /// A search was interrupted by the user, as shells number it.
    pub const INTERRUPTED: u8 = 130;
}

/// A failure as the user sees it.
#[derive(Debug)]
pub struct CliError {
    /// The exit code, one of [`exit`].
    pub code: u8,
    /// What failed, on what, with the numbers; may have several lines.
    pub message: String,
    /// The next thing to do.
    pub hint: Option<String>,
}

impl CliError {
    /// An error with exit code 1.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { code: exit::ERROR, message: message.to_string(), hint: None }
    }

    /// The same failure with another exit code.
    #[must_use]
    pub const fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The same failure with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: std::error::Error> From<E> for CliError {
    /// The error and its causes, one `: ` apart.
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = inner.source();
        }
        Self::new(message)
    }
}

/// What a command returns: its exit code.
pub type Outcome = Result<u8, CliError>;
