//! The two streams: data on stdout, messages on stderr.
#![expect(clippy::print_stderr, reason = "edge: the only room that prints")]

use std::io::{self, IsTerminal, Write};

use crate::cli::error::CliError;

/// Output formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Output formats of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PlanFormat {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For a comment on a pull request
    Markdown,
}

/// Writes data to stdout. A reader that has gone away is no error.
///
/// # Errors
/// stdout cannot be written to, for example because the disk is full.
pub fn data(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::new(format!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes a line for people to stderr.
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Whether a person watches stderr.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Shows a failure.
pub fn fail(error: &CliError) {
    eprintln!("error: {}", error.message.trim_end());
    if let Some(hint) = &error.hint {
        eprintln!("hint: {hint}");
    }
}
