//! `curl` with requests on its standard input, and `ab`.

use super::{Endpoint, Network};
use crate::simulated::daemon::Invocation;
use crate::simulated::exec::Outcome;

/// `CURLE_COULDNT_CONNECT` and `CURLE_OPERATION_TIMEDOUT`.
const REFUSED: i32 = 7;
const TIMED_OUT: i32 = 28;

pub(super) fn run(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    network.settle(invocation.now);
    match invocation.program {
        "ab" => Outcome::ok(format!(
            "Failed requests:        0\nRequests per second:    {}.00 [#/sec] (mean)\n  99%      2\n",
            invocation.rate
        )),
        _ => curl(network, invocation.input),
    }
}

/// A request as its configuration has it.
#[derive(Debug, Default)]
struct Request {
    url: String,
    method: String,
    body: String,
    end: String,
}

/// Reads a configuration of `curl`: values in quotes are escaped.
fn read(input: &str) -> Vec<Request> {
    let mut all = vec![Request::default()];
    for line in input.lines() {
        if line == "next" {
            all.push(Request::default());
            continue;
        }
        let (name, value) = line.split_once(" = ").unwrap_or((line, ""));
        let value = serde_json::from_str::<String>(value).unwrap_or_else(|_| value.to_owned());
        let Some(request) = all.last_mut() else { continue };
        match name {
            "url" => request.url = value,
            "request" => request.method = value,
            "data-binary" => request.body = value,
            "write-out" => request.end = value,
            _ => {}
        }
    }
    all
}

fn curl(network: &mut Network, input: &str) -> Outcome {
    let mut outcome = Outcome::ok("");
    for Request { url, method, body, end } in read(input) {
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let (at, path) = rest.split_once('/').unwrap_or((rest, ""));
        let at = at.split_once(':').and_then(|(address, port)| {
            Some(Endpoint { address: address.parse().ok()?, port: port.parse().ok()? })
        });
        let node = at.and_then(|at| network.at(at));
        let end =
            |code: &str, why: &str| end.replace("%{http_code}", code).replace("%{errormsg}", why);
        match node {
            None => {
                outcome.stdout += &end("000", "Failed to connect: Connection refused");
                outcome.status = REFUSED;
            }
            Some(node) if !network.is_up(node) => {
                outcome.stdout += &end("000", "Operation timed out");
                outcome.status = TIMED_OUT;
            }
            Some(node) => {
                let (code, answer) = network.answer(node, &method, &format!("/{path}"), &body);
                outcome.stdout += &(answer.to_string() + &end(&code.to_string(), ""));
                outcome.status = 0;
            }
        }
    }
    outcome
}
