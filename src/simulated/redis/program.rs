//! `redis-cli` and `redis-benchmark`, and Valkey's: a command line to a server
//! and back.

use super::cli::Caller;
use super::reply::Form;
use super::{Login, Network, Uid};
use crate::simulated::daemon::{Endpoint, Invocation};
use crate::simulated::exec::Outcome;

/// The options of a command line.
#[derive(Default)]
struct Options<'a> {
    host: &'a str,
    port: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    follow: bool,
    encrypted: bool,
    form: Form,
    rest: &'a [&'a str],
}

impl<'a> Options<'a> {
    fn read(args: &'a [&'a str], password: Option<&'a str>) -> Self {
        let mut found = Self {
            host: "127.0.0.1",
            port: "6379",
            user: "default",
            password,
            rest: args,
            ..Self::default()
        };
        loop {
            match found.rest {
                ["-h", value, tail @ ..] => (found.host, found.rest) = (value, tail),
                ["-p", value, tail @ ..] => (found.port, found.rest) = (value, tail),
                ["--user", value, tail @ ..] => (found.user, found.rest) = (value, tail),
                ["-a", value, tail @ ..] => (found.password, found.rest) = (Some(*value), tail),
                ["--cacert" | "--threads" | "-n" | "-r", _, tail @ ..] => found.rest = tail,
                ["-c", count, tail @ ..] if count.parse::<u32>().is_ok() => found.rest = tail,
                ["-c", tail @ ..] => (found.follow, found.rest) = (true, tail),
                ["--no-raw", tail @ ..] => (found.form, found.rest) = (Form::Quoted, tail),
                ["--tls", tail @ ..] => (found.encrypted, found.rest) = (true, tail),
                ["-e" | "--raw" | "--no-auth-warning" | "--csv", tail @ ..] => {
                    found.rest = tail;
                }
                _ => return found,
            }
        }
    }
}

/// Sends one request for all that it was asked to send, and reports the world's
/// rate: time in guests is virtual.
pub(super) fn benchmark(
    network: &mut Network,
    own: Option<Uid>,
    invocation: &Invocation<'_>,
) -> Outcome {
    let rate = invocation.rate;
    let sent = client(network, own, &Invocation { input: "", environment: &[], ..*invocation });
    if sent.status != 0 || sent.endless {
        return sent;
    }
    let verb = Options::read(invocation.args, None).rest.first().copied().unwrap_or_default();
    Outcome::ok(format!(
        "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
         \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
         \"{verb}\",\"{rate}.00\",\"0.2\",\"0.1\",\"0.2\",\"0.3\",\"0.5\",\"0.9\"\n"
    ))
}

/// Sends the command of the command line, or those of the standard input.
pub(super) fn client(
    network: &mut Network,
    own: Option<Uid>,
    invocation: &Invocation<'_>,
) -> Outcome {
    let password = invocation.variable("REDISCLI_AUTH");
    let Options { host, port, user, password, follow, encrypted, form, rest } =
        Options::read(invocation.args, password);
    let &Invocation { input, address, now, .. } = invocation;
    let server = match host {
        "127.0.0.1" => own,
        _ if address.is_some_and(|own| host.parse() == Ok(own)) => own,
        _ => endpoint(host, port).and_then(|endpoint| network.at(endpoint)),
    };
    let takes =
        |server: Uid, kind| port.parse().is_ok_and(|port| network.takes(server, port, kind));
    let server = server.filter(|server| takes(*server, false) || takes(*server, true));
    if server.is_some_and(|server| !takes(server, encrypted)) {
        return Outcome::failed(1, "Error: Connection reset by peer".to_owned());
    }
    let caller = Caller { login: Login { user, password }, follow, encrypted, form, now };
    match server {
        Some(server) if rest.is_empty() => network.session(server, input, &caller),
        Some(server) => network.command(server, rest, &caller),
        // Without a command it tries again for each line, and ends well.
        None if rest.is_empty() => Outcome {
            stderr: format!("Could not connect to Redis at {host}:{port}: Connection refused\n"),
            ..Outcome::default()
        },
        None => Outcome::failed(
            1,
            format!("Could not connect to Redis at {host}:{port}: Connection refused"),
        ),
    }
}

fn endpoint(host: &str, port: &str) -> Option<Endpoint> {
    Some(Endpoint { address: host.parse().ok()?, port: port.parse().ok()? })
}
