//! The programs of clients in guests: `mysql`, `mariadb`, and those that put load on a server.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::session::{ROOT, Session};
use super::{Network, Refusal, backup, fill};
use crate::recipe::mysql::{BACKUP, FILL, OWN, PORT, Package, SEND, read};
use crate::simulated::daemon::{Endpoint, Invocation, VolumeId};
use crate::simulated::exec::Outcome;

/// What a command line asks for.
#[derive(Default)]
struct Options<'a> {
    defaults: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<&'a str>,
    database: &'a str,
    patience: Option<Duration>,
    /// For a load: statements of a transaction, and how many in all.
    query: &'a str,
    queries: u64,
}

impl<'a> Options<'a> {
    fn read(args: &'a [&'a str]) -> Self {
        let mut found = Self::default();
        let mut left = args;
        while let [arg, rest @ ..] = left {
            left = rest;
            let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
            match (name, rest) {
                ("-h", [host, rest @ ..]) => (found.host, left) = (Some(*host), rest),
                ("-P", [port, rest @ ..]) => (found.port, left) = (Some(*port), rest),
                ("--defaults-file", _) => found.defaults = Some(value),
                ("--connect-timeout", _) => {
                    found.patience = value.parse().ok().map(Duration::from_secs);
                }
                ("--query", _) => found.query = value,
                ("--number-of-queries", _) => found.queries = value.parse().unwrap_or_default(),
                ("--create-schema", _) => found.database = value,
                (name, _) if !name.starts_with('-') => found.database = arg,
                _ => {}
            }
        }
        found
    }

    /// What becomes of somebody who is not answered.
    fn give_up(&self) -> Outcome {
        let why = "Lost connection to server at 'reading initial communication packet', system \
                   error: 110";
        match self.patience {
            Some(takes) => Outcome { takes, ..failed(&Refusal::general(2013, why)) },
            None => Outcome::endless(),
        }
    }
}

fn failed(refusal: &Refusal) -> Outcome {
    Outcome::failed(1, refusal.line(None) + "\n")
}

/// Whether a program is one of a client, or puts load on a server.
pub(super) fn is_known(program: &str) -> bool {
    let is_of = |package: &&Package| [package.client, package.benchmark].contains(&program);
    Package::ALL.iter().any(is_of) || [BACKUP, FILL, SEND].contains(&program)
}

/// Runs a program.
pub(super) fn run(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    match invocation.program {
        BACKUP => backup::begin(network, invocation),
        FILL => fill::begin(network, invocation),
        SEND => fill::send(network, invocation),
        _ => connect(network, invocation),
    }
}

fn connect(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    let options = Options::read(invocation.args);
    let found = match options.host {
        None => local(network, invocation),
        Some(host) => remote(network, host, options.port),
    };
    let at = match found {
        Ok(at) => at,
        Err(refusal) => return failed(&refusal),
    };
    if !network.answers(at) {
        return options.give_up();
    }
    let mut session =
        Session { at, user: ROOT, database: options.database, files: Some(invocation.files) };
    if options.host.is_some() {
        if let Err(refusal) = admit(network, &options, invocation, at) {
            return failed(&refusal);
        }
        (session.user, session.files) = (OWN, None);
    }
    if invocation.program.ends_with("slap") {
        load(network, &session, &options, invocation.rate)
    } else {
        network.script(&session, invocation.input)
    }
}

/// The server in the same guest.
fn local(network: &Network, invocation: &Invocation<'_>) -> Result<VolumeId, Refusal> {
    let mut all = invocation.local.iter().copied();
    let found = all.find(|volume| network.online(*volume).is_some());
    found.ok_or_else(|| {
        let socket = "/run/mysqld/mysqld.sock";
        let text = format!("Can't connect to local server through socket '{socket}' (2)");
        Refusal::general(2002, text)
    })
}

fn remote(network: &Network, host: &str, port: Option<&str>) -> Result<VolumeId, Refusal> {
    let port = port.map_or(Some(PORT), |port| port.parse().ok());
    let at = host.parse().ok().zip(port).map(|(address, port)| Endpoint { address, port });
    at.and_then(|at| network.at(at)).ok_or_else(|| {
        let port = port.unwrap_or_default();
        let text = format!("Can't connect to MySQL server on '{host}:{port}' (111)");
        Refusal::general(2003, text)
    })
}

/// Comes in with the password of the file that the command line names.
fn admit(
    network: &Network,
    options: &Options<'_>,
    invocation: &Invocation<'_>,
    at: VolumeId,
) -> Result<(), Refusal> {
    let file = options.defaults.and_then(|path| invocation.files.get(path));
    let known = file.and_then(|file| read(&String::from_utf8_lossy(&file.bytes)));
    let password = known.as_ref().map(|known| known.internal.expose());
    let from = invocation.address.unwrap_or(Ipv4Addr::LOCALHOST);
    network.server(at)?.admits(OWN, password, false, from)
}

/// Sends a transaction once and reports how long all of them take at the world's rate: time in
/// guests is virtual.
fn load(network: &mut Network, session: &Session<'_>, options: &Options<'_>, rate: u64) -> Outcome {
    let tried = network.script(session, options.query);
    if tried.status != 0 {
        return tried;
    }
    let statements = options.query.split(';').count() as u64;
    let transactions = options.queries / statements;
    let millis = (transactions * 1_000 / rate.max(1)).max(1);
    let seconds = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    Outcome::ok(format!(",mixed,{seconds},{seconds},{seconds},1,{transactions}\n"))
}
