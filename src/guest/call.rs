//! Commands for guests, and how they ended.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// Lines of a failed command's output that an error shows.
const SHOWN_LINES: usize = 5;

/// A command with what it reads besides its arguments.
///
/// Arguments show up in errors and in the guest's process list, so they must not
/// carry secrets. Input and environment may: neither is shown, and the kernel
/// shows the environment of a process to nobody but its user.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The program, found by the agent's `PATH`, and its arguments.
    pub command: &'a [&'a str],
    /// What it reads on stdin.
    pub input: &'a str,
    /// All variables of its environment; those of the agent if there are none.
    pub environment: &'a [(&'a str, &'a str)],
}

/// How a command in the guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it wrote to stdout, invalid UTF-8 replaced.
    pub stdout: String,
    /// What it wrote to stderr, invalid UTF-8 replaced.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with exit status 0.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Some(0)
    }

    /// How it ended, in words.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.status, self.signal) {
            (Some(status), _) => format!("exit status {status}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no exit status".to_owned(),
        }
    }

    /// The last lines of stderr, or of stdout where stderr is empty.
    pub(super) fn last_words(&self) -> String {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = said.trim_end().lines().collect();
        let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
        if shown.is_empty() { "no output".to_owned() } else { shown.join(" / ") }
    }
}

impl Call<'_> {
    /// What the agent is asked to run.
    pub(super) fn request(&self) -> Value {
        let (path, args) = self.command.split_first().unwrap_or((&"", &[]));
        let mut request = json!({ "path": path, "arg": args, "capture-output": true });
        if let Some(object) = request.as_object_mut() {
            if !self.input.is_empty() {
                object.insert("input-data".to_owned(), BASE64.encode(self.input).into());
            }
            if !self.environment.is_empty() {
                let set = |(name, value): &(&str, &str)| format!("{name}={value}");
                let all: Vec<String> = self.environment.iter().map(set).collect();
                object.insert("env".to_owned(), json!(all));
            }
        }
        request
    }
}
