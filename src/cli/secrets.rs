//! The sources of referenced secrets: this process' environment, the shell.
#![expect(clippy::disallowed_methods, reason = "edge: an operator's own command prints a password")]

use std::io;
use std::process::{Command, Stdio};

use crate::plan::Plan;
use crate::secret::Sources;
use crate::spec::Password;

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
}

/// The commands of a plan that print passwords, a line each, as they may be shown.
pub fn commands(plan: &Plan) -> Vec<String> {
    let of = |service: &crate::plan::ServicePlan| match &service.access.password {
        Some(Password::Command(command)) => {
            Some(format!("  {}: {}", service.name, command.escape_debug()))
        }
        _ => None,
    };
    plan.services.iter().filter_map(of).collect()
}
