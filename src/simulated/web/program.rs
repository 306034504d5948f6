//! `curl`, `ab`, and programs that judge a configuration.

use super::{Got, Network, read, text};
use crate::recipe::haproxy;
use crate::simulated::daemon::Invocation;
use crate::simulated::exec::Outcome;

/// `CURLE_COULDNT_CONNECT` and `CURLE_OPERATION_TIMEDOUT`.
/// <https://curl.se/libcurl/c/libcurl-errors.html>
const REFUSED: i32 = 7;
const TIMED_OUT: i32 = 28;

pub(super) fn run(network: &Network, invocation: &Invocation<'_>) -> Outcome {
    let Invocation { program, args, files, .. } = *invocation;
    match program {
        "curl" => curl(network, invocation),
        "ab" => ab(network, invocation),
        // Whoever judges is given the path last.
        _ => {
            let path = args.last().copied().unwrap_or_default();
            let verdict = text(files, path).ok_or_else(|| format!("{path}: No such file"));
            match verdict.and_then(|text| read(&text)) {
                Ok(_) => Outcome::ok(""),
                Err(why) => Outcome::failed(1, format!("{why} in {path}")),
            }
        }
    }
}

/// Host and port of a URL, as it has them, and whether it is asked for by TLS.
fn place(url: &str) -> Option<(&str, bool)> {
    let (scheme, rest) = url.split_once("://")?;
    Some((rest.split('/').next()?, scheme == "https"))
}

/// Answers each URL with a line, as `--write-out` of the deploy has it.
fn curl(network: &Network, invocation: &Invocation<'_>) -> Outcome {
    let Invocation { args, local, .. } = *invocation;
    let mut outcome = Outcome::ok("");
    for (at, encrypted) in args.iter().filter_map(|arg| place(arg)) {
        let instead = format!("{at}:");
        let mut rules = args.iter().filter_map(|arg| arg.strip_prefix(instead.as_str()));
        let got = match (rules.find_map(super::endpoint), super::endpoint(at)) {
            (Some(at), _) if at.address == haproxy::LOOPBACK => {
                network.get_here(local, at, encrypted)
            }
            (Some(at), _) | (None, Some(at)) => network.get(at, encrypted),
            // Nobody knows the name.
            (None, None) => Got::Refused,
        };
        let (line, status) = match got {
            Got::Refused => {
                ("000\t\t\tFailed to connect: Connection refused\n".to_owned(), REFUSED)
            }
            Got::Silence => ("000\t\t\tOperation timed out\n".to_owned(), TIMED_OUT),
            Got::Reset => ("000\t\t\tTLS connect error\n".to_owned(), 35),
            Got::Status { code, configuration, down } => {
                (format!("{code:03}\t{configuration}\t{down}\t\n"), 0)
            }
        };
        outcome.stdout += &line;
        outcome.status = status;
    }
    outcome
}

fn ab(network: &Network, invocation: &Invocation<'_>) -> Outcome {
    let url = invocation.args.last().copied().unwrap_or_default();
    let got =
        place(url).and_then(|(at, encrypted)| Some(network.get(super::endpoint(at)?, encrypted)));
    match got {
        Some(Got::Status { code: 200, .. }) => Outcome::ok(format!(
            "Failed requests:        0\nRequests per second:    {}.00 [#/sec] (mean)\n  99%      2\n",
            invocation.rate
        )),
        other => Outcome::failed(1, format!("apr_socket_connect(): {other:?}")),
    }
}
