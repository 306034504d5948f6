//! Requests to the HTTP API of an instance, from within a guest by `curl`: one process for all
//! of them, which reads them from its standard input.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;

use crate::engine::EngineError;
use crate::guest::{Call, Guest, GuestError, Limit};
use crate::plan::ServicePlan;
use crate::recipe::search::{HTTP, Package, Security};

/// How long one answer may take, in seconds: longer than a master is waited for.
const ANSWER: u64 = 15;
const BRIEF: u64 = 3;
/// How long `curl` itself may take in a guest that is not slow, and in one that is.
const PROMPT: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(90);
/// What is written behind each answer, on a line of its own.
const MARK: &str = "@hostsplit ";

/// Where an instance is asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Door {
    pub(super) address: Ipv4Addr,
    /// Where the guest that asks has the password by which it is let in, and the certificate of
    /// who vouches for the other; `None` where everybody is let in.
    closed: Option<&'static Security>,
}

impl Door {
    /// The door of an instance of a service.
    pub(super) fn of(package: &'static Package, service: &ServicePlan, address: Ipv4Addr) -> Self {
        let is_closed = service.access.password.is_some();
        Self { address, closed: package.security.as_ref().filter(|_| is_closed) }
    }

    /// A door that is open to everybody.
    #[cfg(test)]
    pub(super) const fn open(address: Ipv4Addr) -> Self {
        Self { address, closed: None }
    }

    /// Where something is asked for; `path` with its slash.
    pub(super) fn url(&self, path: &str) -> String {
        let scheme = if self.closed.is_some() { "https" } else { "http" };
        format!("{scheme}://{}:{HTTP}{path}", self.address)
    }

    /// How `curl` comes in, as it reads it: by a file in the guest that asks, so that no list of
    /// processes has the password.
    pub(super) fn entry(&self) -> String {
        let Some(Security { tls, own, .. }) = self.closed else { return String::new() };
        format!("netrc-file = {}\ncacert = {}\n", quoted(own), quoted(tls.authority))
    }
}

/// A text as `curl` reads it: a value in quotes is escaped as in JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    method: &'static str,
    /// With its slash.
    path: String,
    body: Option<String>,
    /// How long the answer may take, in seconds.
    seconds: u64,
}

impl Request {
    /// The same with an answer that is done without where it takes long.
    pub(super) const fn briefly(mut self) -> Self {
        self.seconds = BRIEF;
        self
    }
}

/// Asks for something.
pub(super) fn get(path: impl Into<String>) -> Request {
    Request { method: "GET", path: path.into(), body: None, seconds: ANSWER }
}

/// Sends something.
pub(super) fn send(method: &'static str, path: impl Into<String>, body: Option<Value>) -> Request {
    Request { method, path: path.into(), body: body.map(|body| body.to_string()), seconds: ANSWER }
}

/// Sends lines of JSON.
pub(super) fn lines(path: impl Into<String>, lines: &[Value]) -> Request {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Request { method: "POST", path: path.into(), body: Some(text), seconds: ANSWER }
}

/// What came of a request that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Response {
    pub(super) code: u16,
    /// `null` where there is none, or it is no JSON.
    pub(super) body: Value,
}

impl Response {
    pub(super) const fn is_ok(&self) -> bool {
        200 <= self.code && self.code < 300
    }

    /// Whether who asks is not let in.
    pub(super) const fn is_locked(&self) -> bool {
        matches!(self.code, 401 | 403)
    }

    /// The words of an error.
    pub(super) fn reason(&self) -> String {
        let said = self.body.pointer("/error/reason").and_then(Value::as_str);
        said.map_or_else(|| format!("HTTP {}", self.code), str::to_owned)
    }
}

/// What `curl` reads.
fn configuration(at: Door, requests: &[Request]) -> String {
    let one = |Request { method, path, body, seconds }: &Request| {
        let url = quoted(&at.url(path));
        let written = quoted(&format!("\n{MARK}%{{http_code}} %{{errormsg}}\n"));
        let mut text = format!(
            "url = {url}\nrequest = {method}\nmax-time = {seconds}\ngloboff\nwrite-out = {written}\n"
        );
        text += &at.entry();
        if let Some(body) = body {
            text += "header = \"Content-Type: application/json\"\n";
            text += &format!("data-binary = {}\n", quoted(body));
        }
        text
    };
    requests.iter().map(one).collect::<Vec<_>>().join("next\n")
}

/// Reads what `curl` writes: the status of each request and its answer, or why there is none.
fn parse(text: &str) -> Vec<(u16, String, String)> {
    let (mut all, mut body) = (Vec::new(), String::new());
    for line in text.lines() {
        let Some(end) = line.strip_prefix(MARK) else {
            body += line;
            continue;
        };
        let (code, why) = end.split_once(' ').unwrap_or((end, ""));
        all.push((code.parse().unwrap_or(0), std::mem::take(&mut body), why.trim().to_owned()));
    }
    all
}

/// Sends requests, one after the other.
///
/// # Errors
/// The agent; a request that is not answered.
pub(super) fn ask(
    guest: &Guest<'_>,
    at: Door,
    requests: &[Request],
) -> Result<Vec<Response>, EngineError> {
    let command = ["curl", "--silent", "--config", "-"];
    let input = configuration(at, requests);
    let call = Call { command: &command, input: &input, environment: &[] };
    let output = guest.call(&call, Limit::adapting(PROMPT, LONGEST))?;
    let answers = parse(&output.stdout);
    if answers.len() != requests.len() {
        return Err(guest.failed(&command, &output).into());
    }
    let answers = requests.iter().zip(answers).map(|(request, (code, body, why))| match code {
        0 if request.seconds > BRIEF => Err(EngineError::Guest(GuestError::Command {
            domain: guest.domain.to_owned(),
            command: format!("curl {}", at.url(&request.path)),
            status: "no answer".to_owned(),
            output: why,
        })),
        code => Ok(Response { code, body: serde_json::from_str(&body).unwrap_or(Value::Null) }),
    });
    answers.collect()
}

/// Sends one request that is to succeed.
///
/// # Errors
/// As [`ask`]; its refusal, as a command that failed.
pub(super) fn command(
    guest: &Guest<'_>,
    at: Door,
    request: &Request,
) -> Result<Value, EngineError> {
    let answers = ask(guest, at, std::slice::from_ref(request))?;
    match answers.into_iter().next() {
        Some(answer) if answer.is_ok() => Ok(answer.body),
        answer => Err(refused(guest, at, request, answer.as_ref())),
    }
}

/// A refusal as a command that failed.
pub(super) fn refused(
    guest: &Guest<'_>,
    at: Door,
    request: &Request,
    answer: Option<&Response>,
) -> EngineError {
    EngineError::Guest(GuestError::Command {
        domain: guest.domain.to_owned(),
        command: format!("curl -X {} {}", request.method, at.url(&request.path)),
        status: answer.map_or_else(String::new, |one| format!("HTTP {}", one.code)),
        output: answer.map_or_else(String::new, Response::reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(closed: Option<&'static Security>) -> Door {
        Door { address: Ipv4Addr::new(10, 0, 0, 1), closed }
    }

    #[test]
    fn who_is_let_in_by_a_password_has_it_in_a_file() {
        let security = crate::recipe::search::ELASTICSEARCH_PACKAGE.security.as_ref();
        let text = configuration(door(security), &[get("/x")]);
        assert!(text.starts_with("url = \"https://10.0.0.1:9200/x\"\n"), "{text}");
        assert!(text.contains("\nnetrc-file = \"/etc/elasticsearch/hostsplit.netrc\"\n"), "{text}");
        assert!(text.contains("\ncacert = \"/etc/elasticsearch/ca.crt\"\n"), "{text}");
    }

    #[test]
    fn requests_are_written_as_curl_reads_them() {
        let body = serde_json::json!({ "a": "b\"c" });
        let requests = [get("/_cluster/health"), send("PUT", "/x", Some(body))];
        assert_eq!(
            configuration(door(None), &requests),
            "url = \"http://10.0.0.1:9200/_cluster/health\"\nrequest = GET\nmax-time = 15\n\
             globoff\nwrite-out = \"\\n@hostsplit %{http_code} %{errormsg}\\n\"\nnext\n\
             url = \"http://10.0.0.1:9200/x\"\nrequest = PUT\nmax-time = 15\n\
             globoff\nwrite-out = \"\\n@hostsplit %{http_code} %{errormsg}\\n\"\n\
             header = \"Content-Type: application/json\"\n\
             data-binary = \"{\\\"a\\\":\\\"b\\\\\\\"c\\\"}\"\n"
        );
    }

    #[test]
    fn answers_are_read_with_their_ends() {
        let said = "{\"a\":1}\n@hostsplit 200 \n\n@hostsplit 000 Connection refused\n";
        let read = parse(said);
        assert_eq!(read[0], (200, "{\"a\":1}".to_owned(), String::new()));
        assert_eq!(read[1], (0, String::new(), "Connection refused".to_owned()));
    }
}
