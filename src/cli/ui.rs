//! The two streams: data on stdout, messages on stderr.

use std::borrow::Cow;
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
    match out.write_all(plain(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::new(format!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes a line for people to stderr. Nobody has to listen: a stream that is closed or
/// full never ends what goes on.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(text));
}

/// Returns a text as a terminal may have it: what moves its cursor, sets its title or
/// starts another line is shown and not done.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let is_harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let shown = |c: char| match is_harmless(c) {
        true => c.to_string(),
        false => c.escape_default().to_string(),
    };
    text.chars().map(shown).collect::<String>().into()
}

/// Whether a person watches stderr.
#[must_use]
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Shows a failure.
pub fn fail(error: &CliError) {
    say(&format!("error: {}", error.message.trim_end()));
    if let Some(hint) = &error.hint {
        say(&format!("hint: {hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(plain("a\tb\nc ä"), "a\tb\nc ä");
        assert_eq!(plain("a\u{1b}[2J\rb\u{9b}"), "a\\u{1b}[2J\\rb\\u{9b}");
    }
}
