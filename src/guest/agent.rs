//! The QEMU guest agent, spoken through the hypervisor: JSON requests to
//! commands that ran in a guest.
//!
//! The protocol is that of `qga/qapi-schema.json` in QEMU's source. The agent
//! works without any network, from the moment that it started.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Call, GuestError, Limit, Output};
use crate::hypervisor::clock::{Clock, Pauses, Poll};
use crate::hypervisor::{ErrorKind, Hypervisor};

/// How long the agent may take for one answer; it answers at once when it lives.
const ANSWER: Duration = Duration::from_secs(5);

/// A running domain's guest.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    /// The host that runs it.
    pub hypervisor: &'a dyn Hypervisor,
    /// Name of its libvirt domain.
    pub domain: &'a str,
    /// What waiting goes by.
    pub clock: &'a dyn Clock,
}

#[derive(Deserialize)]
struct Started {
    pid: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ExecStatus {
    exited: bool,
    exitcode: Option<i32>,
    signal: Option<i32>,
    out_data: Option<String>,
    err_data: Option<String>,
    #[serde(default)]
    out_truncated: bool,
}

impl Guest<'_> {
    /// Polls the agent until it answers, for at most `deadline`.
    ///
    /// # Errors
    /// [`GuestError::Silent`] with the time waited and the last failure; at
    /// once if the domain does not exist.
    pub fn wait_until_answering(&self, deadline: Duration) -> Result<(), GuestError> {
        let pauses = Pauses::growing(Duration::from_millis(100), Duration::from_secs(1));
        let mut poll = Poll::new(self.clock, deadline, pauses);
        loop {
            let Err(error) = self.request("guest-ping", json!({})) else { return Ok(()) };
            if matches!(&error, GuestError::Hypervisor(inner) if inner.kind == ErrorKind::NotFound)
            {
                return Err(error);
            }
            if !poll.pause() {
                return Err(GuestError::Silent {
                    domain: self.domain.to_owned(),
                    waited_s: poll.waited().as_secs(),
                    last: error.to_string(),
                });
            }
        }
    }

    /// Runs a command, found by the agent's `PATH`, and waits for its end.
    ///
    /// # Errors
    /// As [`Guest::call`].
    pub fn run(&self, command: &[&str], limit: Duration) -> Result<Output, GuestError> {
        self.call(&Call { command, input: "", environment: &[] }, limit.into())
    }

    /// Runs a command and waits for its end. One that takes longer is ended.
    ///
    /// # Errors
    /// [`GuestError::Unfinished`] after `limit`; the agent's refusal, for example
    /// because there is no such program.
    pub fn call(&self, call: &Call<'_>, limit: Limit) -> Result<Output, GuestError> {
        let start = self.clock.elapsed();
        let output = self.wait_for(call, limit);
        let took = self.clock.elapsed().saturating_sub(start);
        let (domain, command) = (self.domain, call.command.join(" "));
        tracing::debug!(domain, command, "took {:.2} s", took.as_secs_f64());
        output
    }

    fn wait_for(&self, call: &Call<'_>, limit: Limit) -> Result<Output, GuestError> {
        let command = call.command;
        let pauses = Pauses::growing(Duration::from_millis(20), Duration::from_millis(500));
        let mut poll = Poll::new(self.clock, limit.prompt, pauses);
        let Started { pid } = self.ask("guest-exec", call.request())?;
        // A question that comes too early costs an emulated guest some of the
        // time that the command needs. Even where no time is left, it is asked once.
        let _ = poll.pause();
        let mut adapts = limit.adapts();
        loop {
            let mut silent = false;
            let asked = self.clock.elapsed();
            match self.ask::<ExecStatus>("guest-exec-status", json!({ "pid": pid })) {
                Ok(status) if status.exited => return self.output(status),
                Ok(_) => {}
                // A busy guest may miss one answer; the command goes on.
                Err(GuestError::Hypervisor(error)) if error.kind == ErrorKind::AgentSilent => {
                    silent = true;
                }
                Err(error) => return Err(error),
            }
            // The slower the guest, the more a question costs it.
            poll.at_least(2 * self.clock.elapsed().saturating_sub(asked));
            if poll.pause() {
                continue;
            }
            // Where not even the agent answers, nothing else will say more.
            if adapts && !silent {
                adapts = false;
                // It may have ended while the guest was looked at: it is asked at once.
                poll.set_limit(self.allowance(limit));
                continue;
            }
            let waited_s = poll.waited().as_secs();
            self.end(pid);
            return Err(GuestError::Unfinished {
                domain: self.domain.to_owned(),
                command: command.join(" "),
                waited_s,
            });
        }
    }

    /// Ends a process that nobody waits for any more.
    fn end(&self, pid: i64) {
        let arguments = json!({ "path": "kill", "arg": ["-KILL", pid.to_string()] });
        // That it took too long is the error to report.
        let _ = self.request("guest-exec", arguments);
    }

    /// Runs a command that must succeed and returns its stdout.
    ///
    /// # Errors
    /// As [`Guest::run`]; [`GuestError::Command`] with its last words when it
    /// ends with anything but 0.
    pub fn run_ok(&self, command: &[&str], timeout: Duration) -> Result<String, GuestError> {
        let output = self.run(command, timeout)?;
        if output.is_ok() { Ok(output.stdout) } else { Err(self.failed(command, &output)) }
    }

    /// The error for a command that ended badly.
    pub(crate) fn failed(&self, command: &[&str], output: &Output) -> GuestError {
        GuestError::Command {
            domain: self.domain.to_owned(),
            command: command.join(" "),
            status: output.ending(),
            output: output.last_words(),
        }
    }

    /// Sends one request and returns its raw answer.
    pub(crate) fn request(&self, execute: &str, arguments: Value) -> Result<Value, GuestError> {
        let mut request = json!({ "execute": execute });
        if let (Some(object), true) = (request.as_object_mut(), arguments != json!({})) {
            object.insert("arguments".to_owned(), arguments);
        }
        Ok(self.hypervisor.agent(self.domain, &request, ANSWER)?)
    }

    /// Sends one request and reads its answer as a `T`.
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        execute: &str,
        arguments: Value,
    ) -> Result<T, GuestError> {
        let answer = self.request(execute, arguments)?;
        serde_json::from_value(answer).map_err(|error| self.unreadable(execute, &error))
    }

    pub(crate) fn unreadable(&self, request: &str, problem: &dyn std::fmt::Display) -> GuestError {
        GuestError::Answer {
            domain: self.domain.to_owned(),
            request: request.to_owned(),
            problem: problem.to_string(),
        }
    }

    fn output(&self, status: ExecStatus) -> Result<Output, GuestError> {
        let text = |data: Option<String>| match data {
            None => Ok(String::new()),
            Some(data) => BASE64
                .decode(data)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .map_err(|error| self.unreadable("guest-exec-status", &error)),
        };
        if status.out_truncated {
            return Err(self.unreadable("guest-exec-status", &"the agent cut the output off"));
        }
        Ok(Output {
            status: status.exitcode,
            signal: status.signal,
            stdout: text(status.out_data)?,
            stderr: text(status.err_data)?,
        })
    }
}
