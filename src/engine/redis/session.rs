//! Several commands through one `redis-cli`, on its stdin: a process start for
//! all of them instead of one each.
//!
//! `redis-cli` then behaves as in its interactive mode: it goes on after an
//! error, ends with 0, and writes answers without a word on where one ends. So
//! each command is followed by an `ECHO` of a line that no answer holds.

use std::time::Duration;

use super::access::{ClientAccess, Login};
use crate::engine::EngineError;
use crate::engine::cluster::Answer;
use crate::guest::GuestError;
use crate::guest::{Call, Guest, Limit, Output};
use crate::recipe::redis::{Doors, internal_of};
use crate::secret::Secret;
use std::net::Ipv4Addr;

/// How long all answers to commands may take that change something: all that are
/// sent are answered at once, but not by a guest that has just begun to load its
/// data.
const ANSWERS: Duration = Duration::from_secs(30);
/// How long questions may take in a guest that is not slow: the answers are there
/// within milliseconds, and a server that is busy for so long serves nobody.
const PROMPT: Duration = Duration::from_secs(5);
/// The same where they are encrypted: with the certificates to be read and the handshake an
/// emulated guest needs more than twice as long (0.65 s and 0.3 s when it is idle).
const PROMPT_ENCRYPTED: Duration = Duration::from_secs(10);
/// What `-c` says, besides the answers, when it goes to another instance.
const REDIRECTED: &str = "-> Redirected to slot [";

/// What an instance says of a password that it does not know, of none, and of a user who may
/// not do what was asked.
const SHUT: [&str; 3] = ["WRONGPASS", "NOAUTH", "NOPERM"];

/// What a client says where nobody listens: an instance that is about to change its port
/// still listens at the one in its file.
const NOBODY: &str = "Connection refused";

/// A way to one instance, from within its own guest or another.
#[derive(Clone)]
pub(super) struct Session<'a> {
    pub(super) guest: &'a Guest<'a>,
    pub(super) access: &'a ClientAccess,
    /// The address that clients use, so that an answer proves the network too.
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    /// As whom it comes in.
    pub(super) login: Login,
    /// How long all answers may take.
    pub(super) limit: Limit,
}

impl<'a> Session<'a> {
    /// How a command ended that was answered with an error.
    pub(super) const REFUSED: &'static str = "an error";

    /// To an instance by the password of `access`.
    pub(super) fn new(guest: &'a Guest<'a>, access: &'a ClientAccess, at: (Ipv4Addr, u16)) -> Self {
        let (login, limit) = (access.login(), ANSWERS.into());
        Self { guest, access, address: at.0, port: at.1, login, limit }
    }

    /// The same for questions, which may be left unanswered: a server that hangs
    /// must not hold up the questions to all the others.
    pub(super) fn asking(
        guest: &'a Guest<'a>,
        access: &'a ClientAccess,
        at: (Ipv4Addr, u16),
    ) -> Self {
        let prompt = if access.tls { PROMPT_ENCRYPTED } else { PROMPT };
        let limit = Limit::adapting(prompt, ANSWERS);
        Self { limit, ..Self::new(guest, access, at) }
    }

    /// Sends commands.
    ///
    /// # Errors
    /// The agent. What Redis refuses, and what it leaves unanswered, is the error
    /// of that command.
    pub(super) fn ask<const N: usize>(
        &self,
        commands: [&str; N],
    ) -> Result<[Answer; N], EngineError> {
        self.run(&[], commands)
    }

    /// The same, going on at whichever instance serves a key.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(super) fn ask_cluster<const N: usize>(
        &self,
        commands: [&str; N],
    ) -> Result<[Answer; N], EngineError> {
        self.run(&["-c"], commands)
    }

    /// Sends commands to an instance that may not let hostsplit in as planned yet: then
    /// without a password, and by the one in the guest's file. The first command is one that
    /// only hostsplit may send.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(super) fn ask_by_any_way(&self, commands: &[String]) -> Result<Vec<Answer>, EngineError> {
        let refused = self.ask_all(commands)?;
        if !is_shut(&refused) {
            return Ok(refused);
        }
        let file = self.guest.read_file(self.access.package.secrets)?;
        let written = file.as_deref().and_then(internal_of).map(Secret::parse);
        let own = written.and_then(Result::ok).map(Login::Own);
        for login in [Some(Login::Anybody), own].into_iter().flatten() {
            if login != self.login {
                let answers = Self { login, ..self.clone() }.ask_all(commands)?;
                if !is_shut(&answers) {
                    return Ok(answers);
                }
            }
        }
        Ok(refused)
    }

    /// Sends any number of commands.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(super) fn ask_all(&self, commands: &[String]) -> Result<Vec<Answer>, EngineError> {
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let mut said = self.send(&[], &commands)?;
        Ok(commands.into_iter().map(|command| said.answer(command)).collect())
    }

    /// The same, with strings in the answers as `redis-cli` quotes them.
    ///
    /// # Errors
    /// As [`Session::ask`].
    pub(super) fn ask_quoted(&self, commands: &[String]) -> Result<Vec<Answer>, EngineError> {
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let mut said = self.send(&["--no-raw"], &commands)?;
        Ok(commands.into_iter().map(|command| said.answer(command)).collect())
    }

    /// The error for a command that was answered with one.
    pub(super) fn refused(&self, command: &str, answer: &str) -> EngineError {
        EngineError::Guest(GuestError::Command {
            domain: self.guest.domain.to_owned(),
            command: format!("{} {command}", self.access.package.client),
            status: Self::REFUSED.to_owned(),
            output: answer.to_owned(),
        })
    }

    fn run<const N: usize>(
        &self,
        options: &[&str],
        commands: [&str; N],
    ) -> Result<[Answer; N], EngineError> {
        let mut said = self.send(options, &commands)?;
        Ok(commands.map(|command| said.answer(command)))
    }

    fn send(&self, options: &[&str], commands: &[&str]) -> Result<Said<'a>, EngineError> {
        let said = self.send_to((self.port, self.access.tls), options, commands)?;
        if !said.output.stderr.contains(NOBODY) {
            return Ok(said);
        }
        let configuration = self.guest.read_file(self.access.package.config)?;
        match configuration.as_deref().and_then(|text| Doors::read(text).own()) {
            Some(door) if door.0 != self.port => self.send_to(door, options, commands),
            _ => Ok(said),
        }
    }

    fn send_to(
        &self,
        (port, tls): (u16, bool),
        options: &[&str],
        commands: &[&str],
    ) -> Result<Said<'a>, EngineError> {
        let (address, port) = (self.address.to_string(), port.to_string());
        let access = ClientAccess { tls, ..self.access.clone() };
        let mut line = access.line(&address, &port, &self.login);
        line.extend_from_slice(options);
        let environment = ClientAccess::environment(self.login.password());
        let input = script(commands);
        let call = Call { command: &line, input: &input, environment: &environment };
        let output = self.guest.call(&call, self.limit)?;
        let answers = answers(&output.stdout).into_iter();
        Ok(Said { domain: self.guest.domain, line: line.join(" "), output, answers })
    }
}

/// Whether the first command was refused because of who sent it.
fn is_shut(answers: &[Answer]) -> bool {
    let Some(Err(EngineError::Guest(GuestError::Command { output, .. }))) = answers.first() else {
        return false;
    };
    SHUT.iter().any(|code| output.contains(code))
}

/// What came back, answer by answer.
struct Said<'a> {
    domain: &'a str,
    line: String,
    output: Output,
    answers: std::vec::IntoIter<String>,
}

impl Said<'_> {
    /// The answer to the next command.
    fn answer(&mut self, command: &str) -> Answer {
        let (status, said) = match self.answers.next() {
            Some(answer) => match refusal(&answer) {
                None => return Ok(answer),
                Some(refusal) => (Session::REFUSED, refusal.to_owned()),
            },
            None => ("no answer", complaint(&self.output)),
        };
        Err(EngineError::Guest(GuestError::Command {
            domain: self.domain.to_owned(),
            command: format!("{} {}", self.line, shown(command)),
            status: status.to_owned(),
            output: said,
        }))
    }
}

/// A command as errors may show it: without passwords.
fn shown(command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    match words.as_slice() {
        ["ACL", "SETUSER", user, ..] => format!("ACL SETUSER {user} ..."),
        ["CONFIG", "SET", directive, ..] => format!("CONFIG SET {directive} ..."),
        ["MIGRATE", host, port, ..] => format!("MIGRATE {host} {port} ..."),
        _ => command.to_owned(),
    }
}

/// The line that ends the answer to a command.
fn end(number: usize) -> String {
    format!("hostsplit:end-of-answer:{number}")
}

/// The text for stdin.
fn script(commands: &[&str]) -> String {
    let pair = |(number, command): (usize, &&str)| format!("{command}\nECHO {}\n", end(number));
    commands.iter().enumerate().map(pair).collect()
}

/// The complete answers, in the order of the commands.
fn answers(said: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let mut answer = String::new();
    for line in said.split_inclusive('\n') {
        if line.trim_end().trim_matches('"') == end(answers.len()) {
            answers.push(std::mem::take(&mut answer));
        } else if !line.starts_with(REDIRECTED) {
            answer.push_str(line);
        }
    }
    answers
}

/// The error in an answer: its first line begins with a word in capitals, the
/// error's code, and goes on. No answer to a command that is sent here does.
fn refusal(answer: &str) -> Option<&str> {
    let line = answer.lines().next()?.trim_end();
    let line = line.strip_prefix("(error) ").unwrap_or(line);
    let (code, _) = line.split_once(' ')?;
    let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
    is_code.then_some(line)
}

/// Why answers are missing. `redis-cli` says the same for each command that it
/// cannot send.
fn complaint(output: &Output) -> String {
    let mut lines = output.stderr.lines().chain(output.stdout.lines().rev());
    lines.find(|line| !line.trim().is_empty()).map_or_else(|| output.ending(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_followed_by_its_end() {
        insta::assert_snapshot!(script(&["PING", "GET a"]), @r"
        PING
        ECHO hostsplit:end-of-answer:0
        GET a
        ECHO hostsplit:end-of-answer:1
        ");
    }

    #[test]
    fn answers_are_told_apart() {
        // Told by redis-cli 8.0 through a pipe: errors and strings end with a
        // line more.
        let said = "-> Redirected to slot [13907] located at 10.77.0.52:6379\nOK\n\
            hostsplit:end-of-answer:0\nport\n6379\nsave\n\nhostsplit:end-of-answer:1\n\
            ERR unknown command 'FOO', with args beginning with: \n\n\
            hostsplit:end-of-answer:2\ntorn";
        let reported = answers(said);
        assert_eq!(reported.len(), 3);
        assert_eq!(reported[0], "OK\n");
        assert_eq!(reported[1], "port\n6379\nsave\n\n");
        assert_eq!(
            refusal(&reported[2]),
            Some("ERR unknown command 'FOO', with args beginning with:")
        );
    }

    #[test]
    fn an_error_begins_with_its_code() {
        for error in ["LOADING Redis is loading the dataset in memory\n", "MOVED 7 10.0.0.1:1"] {
            assert_eq!(refusal(error), Some(error.trim_end()));
        }
        for answer in ["OK\n", "PONG\n", "", "\n", "# Replication\r\n", "07c3 10.0.0.1:1@2"] {
            assert_eq!(refusal(answer), None, "{answer}");
        }
    }

    #[test]
    fn what_is_not_answered_is_explained_once() {
        let output = |stdout: &str, stderr: &str| Output {
            status: Some(0),
            signal: None,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        let refused = "Could not connect to Redis at 10.0.0.1:1: Connection refused";
        assert_eq!(complaint(&output("OK\n", &format!("{refused}\n{refused}\n"))), refused);
        assert_eq!(complaint(&output("a\nb\n\n", "")), "b");
        assert_eq!(complaint(&output("", "")), "exit status 0");
    }
}
