//! The sources of referenced secrets: this process' environment, the shell.
#![expect(clippy::disallowed_methods, reason = "edge: an operator's own command prints a password")]

use std::io;
use std::process::{Command, Stdio};

use crate::secret::Sources;

/// The system that `hostsplit` runs on.
pub struct System;

impl Sources for System {
    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn run(&self, command: &str) -> io::Result<String> {
        let mut shell = Command::new("sh");
        // stderr goes to the operator; stdout is the secret.
        let output = shell.args(["-c", command]).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(output.status.to_string()));
        }
        String::from_utf8(output.stdout).map_err(|_| io::Error::other("its output is not UTF-8"))
    }
}
