//! The sources of referenced secrets: this process' environment, the shell.
#![expect(
    clippy::disallowed_methods,
    reason = "edge: an operator's own command prints a secret; the time"
)]

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::plan::Plan;
use crate::secret::Sources;
use crate::spec::{KeySource, Password};

/// The system that `hostsplit` runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct System {
    /// Whether the operator has let the plan's commands run, having seen them.
    pub runs_commands: bool,
}

impl Sources for System {
    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn run(&self, command: &str) -> io::Result<Option<String>> {
        if !self.runs_commands {
            return Ok(None);
        }
        let mut shell = Command::new("sh");
        // stderr goes to the operator; stdout is the secret.
        let output = shell.args(["-c", command]).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(output.status.to_string()));
        }
        let text = String::from_utf8(output.stdout);
        text.map(Some).map_err(|_| io::Error::other("its output is not UTF-8"))
    }

    fn runs_commands(&self) -> bool {
        self.runs_commands
    }

    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// The commands of a plan that print passwords and keys, a line each, as they may be shown.
pub fn commands(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for service in &plan.services {
        let mut add = |command: &str| {
            found.push(format!("  {}: {}", service.name, command.escape_debug()));
        };
        if let Some(Password::Command(command)) = &service.access.password {
            add(command);
        }
        if let Some(KeySource::Command(command)) =
            service.access.certificate.as_ref().map(|own| &own.key)
        {
            add(command);
        }
    }
    found
}
