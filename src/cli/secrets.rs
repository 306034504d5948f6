//! Where references to secrets lead: this process' environment, the shell.
#![expect(
    clippy::disallowed_methods,
    reason = "edge: an operator's own command says where a password is"
)]

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
        // What it has to say goes to the operator; what it prints is the secret.
        let output = shell.args(["-c", command]).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(io::Error::other(output.status.to_string()));
        }
        String::from_utf8(output.stdout).map_err(|_| io::Error::other("it printed no UTF-8"))
    }
}
