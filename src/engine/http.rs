//! Requests of HTTP from within a guest, by `curl`: the operator's machine needs no way into
//! the instances' network.
//!
//! One process for all questions to an instance. A body is never kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::cluster::{Complaints, FileChange, Patience, Serving};
use super::load::{self, Bound, Measured, Rate};
use super::probe::Broken;
use super::{Admission, Difference, EngineError, Fact};
use crate::guest::{Guest, GuestError, Limit};
use crate::ids::InstanceName;
use crate::recipe::web::{CONFIGURATION, Expected};
use crate::spec::Access;

/// How long one answer may take, in seconds, as `curl` counts.
const ANSWER: &str = "5";
/// How long `curl` itself may take in a guest that is not slow, and in one that is.
const PROMPT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);
/// What is written of each answer. `%header{}` is new in curl 7.84.
/// <https://curl.se/docs/manpage.html#-w>
const WRITTEN: &str = "%{http_code}\t%header{x-configuration}\t%header{x-down}\t%{errormsg}\n";

/// How long servers and gateways are waited for: they load no data, and VRRP takes 4 s.
pub(super) const PATIENCE: Patience = Patience {
    loading: Duration::from_secs(120),
    idle: Duration::from_secs(60),
    longest: Duration::from_secs(600),
    pause: Duration::from_secs(1),
    settling: 10,
    refusals: 2,
};

/// Where something is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) encrypted: bool,
    /// The name by which it is asked; `None` for its address.
    pub(super) name: Option<String>,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    /// With its slash.
    pub(super) path: String,
    /// The address that is connected to in the place of the one that is asked for, at the same
    /// port.
    pub(super) at: Option<Ipv4Addr>,
    /// Whether its certificate is looked at elsewhere: who is asked from knows nobody that
    /// vouches for it.
    pub(super) unverified: bool,
}

impl Url {
    /// One that is asked by its address, and whose certificate the deployment's authority signed.
    pub(super) const fn new(encrypted: bool, address: Ipv4Addr, port: u16, path: String) -> Self {
        Self { encrypted, name: None, address, port, path, at: None, unverified: false }
    }

    /// The same by the name for which a service has a certificate of its own, if it has one.
    pub(super) fn named(mut self, access: &Access) -> Self {
        self.name = access.certificate.as_ref().map(|own| own.name.clone());
        self
    }

    /// What is asked by, as a URL has it.
    fn host(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.address.to_string())
    }

    /// The same by the address.
    fn by_address(&self) -> String {
        Self { name: None, ..self.clone() }.to_string()
    }

    /// Options of `curl` with the address to connect to, if the URL does not have it.
    fn rule(&self) -> Option<String> {
        let Self { name, address, port, at, .. } = self;
        let at = at.or_else(|| name.as_ref().map(|_| *address))?;
        Some(format!("{}:{port}:{at}:{port}", self.host()))
    }
}

/// Where a server or a gateway says which configuration it runs with.
pub(super) fn status(address: Ipv4Addr, port: u16) -> Url {
    Url::new(false, address, port, CONFIGURATION.to_owned())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { encrypted, port, path, .. } = self;
        let scheme = if *encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}:{port}{path}", self.host())
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A status, and what the server says of itself.
    Status {
        code: u16,
        /// The configuration that it runs with.
        configuration: Option<String>,
        /// The servers that it sends no requests to.
        down: Vec<String>,
    },
    /// None, with the reason.
    None(String),
}

impl Reply {
    /// Why it is none that a client can do with; `None` for one that it can.
    pub(super) fn fault(&self, expected: Expected) -> Option<String> {
        self.complaint(expected).or_else(|| self.silence().map(str::to_owned))
    }

    /// Why there is none.
    pub(super) fn silence(&self) -> Option<&str> {
        match self {
            Self::Status { .. } => None,
            Self::None(reason) => Some(reason),
        }
    }

    /// What is wrong with the one that there is.
    pub(super) fn complaint(&self, expected: Expected) -> Option<String> {
        match self {
            Self::Status { code, .. } => (!expected.holds(*code)).then(|| format!("HTTP {code}")),
            Self::None(_) => None,
        }
    }

    /// The configuration that the server runs with.
    pub(super) fn configuration(&self) -> Option<&str> {
        match self {
            Self::Status { configuration, .. } => configuration.as_deref(),
            Self::None(_) => None,
        }
    }

    /// The servers that it sends no requests to.
    pub(super) fn down(&self) -> &[String] {
        match self {
            Self::Status { down, .. } => down,
            Self::None(_) => &[],
        }
    }

    /// Reads a line as [`WRITTEN`] has it. Without an answer the status is 000.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, '\t');
        let code: u16 = words.next()?.parse().ok()?;
        let (configuration, down, reason) = (words.next()?, words.next()?, words.next()?);
        if code == 0 {
            return Some(Self::None(reason.trim().to_owned()));
        }
        let configuration = (!configuration.is_empty()).then(|| configuration.to_owned());
        let down = down.split_whitespace().map(str::to_owned).collect();
        Some(Self::Status { code, configuration, down })
    }
}

/// Asks for URLs from a guest, one after the other; `authority` is the file with the
/// certificate that vouches for servers that are asked by TLS.
///
/// # Errors
/// The agent; `curl` cannot be run.
pub(super) fn get(
    guest: &Guest<'_>,
    authority: &str,
    urls: &[Url],
) -> Result<Vec<Reply>, EngineError> {
    let mut replies = BTreeMap::new();
    for (unverified, trust) in
        [(false, ["--cacert", authority].as_slice()), (true, &["--insecure"])]
    {
        let own = urls.iter().enumerate().filter(|(_, url)| url.unverified == unverified);
        let (places, own): (Vec<usize>, Vec<&Url>) = own.unzip();
        if !own.is_empty() {
            replies.extend(places.into_iter().zip(ask(guest, trust, &own)?));
        }
    }
    Ok(replies.into_values().collect())
}

/// Asks for URLs with one process.
fn ask(guest: &Guest<'_>, trust: &[&str], urls: &[&Url]) -> Result<Vec<Reply>, EngineError> {
    let written: Vec<String> = urls.iter().map(ToString::to_string).collect();
    let mut command = vec!["curl", "--silent", "--max-time", ANSWER, "--write-out", WRITTEN];
    if urls.iter().any(|url| url.encrypted) {
        command.extend(trust);
    }
    let rules: Vec<String> = urls.iter().filter_map(|url| url.rule()).collect();
    for rule in &rules {
        command.extend(["--connect-to", rule]);
    }
    for url in &written {
        command.extend(["--output", "/dev/null", url]);
    }
    let limit = Limit::adapting(PROMPT, LONGEST);
    let call = crate::guest::Call { command: &command, input: "", environment: &[] };
    let output = guest.call(&call, limit)?;
    let replies: Option<Vec<Reply>> = output.stdout.lines().map(Reply::read).collect();
    // Its status is that of the last request.
    match replies.filter(|replies| replies.len() == urls.len()) {
        Some(replies) => Ok(replies),
        None => Err(guest.failed(&command, &output).into()),
    }
}

/// Asks for one URL, as a client does.
///
/// # Errors
/// On which side it failed.
pub(super) fn answers(
    guest: &Guest<'_>,
    authority: &str,
    (url, expected): (&Url, Expected),
) -> Result<(), Broken> {
    let replies = get(guest, authority, std::slice::from_ref(url))?;
    let fault = match replies.first() {
        Some(reply) => reply.fault(expected),
        None => Some("no reply".to_owned()),
    };
    fault.map_or(Ok(()), |fault| Err(Broken::Service(format!("{fault} at {url}"))))
}

/// What a server that answers says when it is asked whether it serves, with what its clients
/// can do nothing with.
pub(super) fn serving(
    fault: Option<String>,
    complaints: Complaints,
    runs_with: Option<&String>,
    planned: Option<&String>,
) -> Serving {
    match fault {
        Some(fault) => Serving::NotYet(fault),
        None if planned.is_some() && runs_with != planned => {
            Serving::NotYet("it runs with its former configuration".to_owned())
        }
        None if complaints.is_empty() => Serving::Yes,
        None => Serving::Badly(complaints),
    }
}

/// The difference of an instance that has loaded another configuration than the planned one;
/// none where it is not known which that is.
pub(super) fn loaded_another(
    instance: &InstanceName,
    runs_with: Option<&String>,
    planned: Option<&String>,
) -> Option<Difference> {
    let planned = planned.filter(|planned| Some(*planned) != runs_with)?;
    Some(Difference {
        instance: instance.clone(),
        fact: Fact::LoadedConfiguration,
        planned: planned.clone(),
        found: runs_with.cloned().unwrap_or_else(|| "none".to_owned()),
    })
}

/// How a change of a configuration alters where clients come in: lines that begin with one of
/// `words` say where its program listens.
pub(super) fn moves(change: &FileChange, words: [&str; 2]) -> Option<Admission> {
    let doors = |text: &str| -> BTreeSet<(String, bool)> {
        let lines = text.lines().map(str::trim);
        let rests = lines.filter_map(|line| words.iter().find_map(|word| line.strip_prefix(word)));
        rests
            .filter_map(|rest| {
                let at = rest.trim_end_matches(';').split_whitespace().next()?;
                Some((at.to_owned(), rest.contains(" ssl") || rest.contains(" https")))
            })
            .collect()
    };
    let (before, after) = (doors(change.before.as_ref()?), doors(&change.file.text));
    (!before.is_subset(&after)).then_some(Admission::Moves)
}

/// The error of an instance that gave no reply.
pub(super) fn unanswered(guest: &Guest<'_>, url: &Url, reason: String) -> EngineError {
    EngineError::Guest(GuestError::Command {
        domain: guest.domain.to_owned(),
        command: format!("curl {url}"),
        status: "no answer".to_owned(),
        output: reason,
    })
}

/// Whether a server took the connection and did not answer.
pub(super) fn is_silence(error: &EngineError) -> bool {
    matches!(
        error,
        EngineError::Guest(GuestError::Command { output, .. }) if output.contains("timed out")
    )
}

/// Sends requests for a URL from one guest to another, by as many connections as the bound
/// says, each kept open: `ab` of the Apache project.
/// <https://httpd.apache.org/docs/2.4/programs/ab.html>
///
/// # Errors
/// Why none was answered well.
pub(super) fn press(
    (served, sent): (&Guest<'_>, &Guest<'_>),
    url: &Url,
    bound: Bound,
    promised: crate::units::PerSecond,
) -> Result<Measured, EngineError> {
    // It checks no certificate, and has no option for the address of a name.
    let name = url.name.as_ref().map(|name| format!("Host: {name}"));
    let url = url.by_address();
    let requests = load::requests(bound, promised).to_string();
    let connections = bound.connections.to_string();
    let mut line = vec!["ab", "-q", "-k", "-r", "-n", &requests, "-c", &connections];
    line.extend(name.iter().flat_map(|name| ["-H", name.as_str()]));
    line.push(&url);
    let (said, signs) = load::watching((served, sent), || load::run(sent, bound, &line, &line))?;
    let rate = rate(&said).map_err(|problem| sent.unreadable("ab", &problem))?;
    Ok(Measured { rates: vec![rate], signs, connections: bound.connections.into() })
}

/// Reads what `ab` says.
pub(super) fn rate(said: &str) -> Result<Rate, String> {
    let value = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.trim().split_once(name));
        let (_, rest) = lines.find(|(before, _)| before.is_empty())?;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    };
    let found = |name: &str| value(name).ok_or_else(|| format!("it has no {name:?}"));
    for name in ["Failed requests:", "Non-2xx responses:"] {
        // The second line is only there where there are any.
        if let Some(count) = value(name).filter(|count| *count > 0.0) {
            return Err(format!("{} {count}", name.to_lowercase()));
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
    let whole = |value: f64| value.max(0.0).round() as u64;
    let per_s = whole(found("Requests per second:")?);
    let p99_us = Some(whole(found("99%")? * 1000.0));
    Ok(Rate { what: "requests", per_s, p99_us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        let read = |line: &str| Reply::read(line).unwrap();
        let well = read("200\t0123abcd\tweb-1 web-2 \t");
        assert_eq!(well.configuration(), Some("0123abcd"));
        assert_eq!(well.down(), ["web-1", "web-2"]);
        let fault = |line: &str, expected| read(line).fault(expected);
        assert_eq!(fault("404\t\t\t", Expected::NoFault), None);
        assert_eq!(fault("404\t\t\t", Expected::Found).unwrap(), "HTTP 404");
        assert_eq!(fault("401\t\t\t", Expected::Status(401)), None);
        assert_eq!(fault("502\t\t\t", Expected::NoFault).unwrap(), "HTTP 502");
        let refused = read("000\t\t\tFailed to connect to 10.0.0.1 port 80 after 0 ms");
        assert!(refused.silence().unwrap().starts_with("Failed to connect"));
        assert_eq!(Reply::read("curl: option unknown"), None);
    }

    /// As ab 2.3 writes it.
    const SAID: &str = "\
Concurrency Level:      4
Complete requests:      200
Failed requests:        0
Keep-Alive requests:    200
Requests per second:    5203.58 [#/sec] (mean)
Percentage of the requests served within a certain time (ms)
  50%      1
  99%      3
 100%      4 (longest request)
";

    #[test]
    fn a_load_is_read() {
        let Rate { per_s, p99_us, .. } = rate(SAID).unwrap();
        assert_eq!((per_s, p99_us), (5204, Some(3000)));
        let failed = SAID.replace("Failed requests:        0", "Failed requests:        3");
        assert_eq!(rate(&failed).unwrap_err(), "failed requests: 3");
        let wrong = SAID.replace("Keep-Alive", "Non-2xx responses:      7\nKeep-Alive");
        assert!(rate(&wrong).unwrap_err().contains('7'));
    }
}
