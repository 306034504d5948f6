//! `curl` with requests on its standard input, and with a load in a file.

use super::{Endpoint, Network};
use crate::recipe::search::who;
use crate::simulated::daemon::Invocation;
use crate::simulated::exec::Outcome;

/// `CURLE_COULDNT_CONNECT`, `CURLE_OPERATION_TIMEDOUT`, `CURLE_SSL_CONNECT_ERROR` and
/// `CURLE_PEER_FAILED_VERIFICATION`.
const REFUSED: i32 = 7;
const TIMED_OUT: i32 = 28;
const NO_TLS: i32 = 35;
const UNTRUSTED: i32 = 60;

pub(super) fn run(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    network.settle(invocation.now);
    network.read_again(invocation);
    match invocation.args {
        [.., "-"] => curl(network, invocation),
        [.., path] => load(network, invocation, path),
        [] => Outcome::ok(""),
    }
}

/// Answers a load: one request for all, in the time that the rate asks for.
fn load(network: &mut Network, invocation: &Invocation<'_>, path: &str) -> Outcome {
    let file = invocation.files.get(path);
    let text = file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
    let requests = read(&text.unwrap_or_default());
    let Some(request) = requests.first() else { return Outcome::ok("") };
    let code = match reach(network, invocation, request) {
        Ok(_) => "200".to_owned(),
        Err(Refusal { code, .. }) => code.to_string(),
    };
    let line = |_| format!("{code} 0.{:06}\n", 1_000_000 / invocation.rate.max(2));
    Outcome::ok((0..100).map(line).collect::<String>())
}

/// Why a request comes to nobody.
struct Refusal {
    /// As HTTP has it; 0 where nobody answers.
    code: u16,
    why: &'static str,
    status: i32,
}

/// The node that a request reaches and that lets in who asks; with a password from a file in
/// the guest that asks.
fn reach(
    network: &Network,
    invocation: &Invocation<'_>,
    request: &Request,
) -> Result<super::VolumeId, Refusal> {
    let refused = |code, why, status| Refusal { code, why, status };
    let (scheme, rest) = request.url.split_once("://").unwrap_or(("http", &request.url));
    let at = rest.split('/').next().and_then(|at| at.split_once(':'));
    let at = at.and_then(|(address, port)| {
        Some(Endpoint { address: address.parse().ok()?, port: port.parse().ok()? })
    });
    let node = at.and_then(|at| network.at(at));
    let node = node.ok_or_else(|| refused(0, "Failed to connect: Connection refused", REFUSED))?;
    if !network.is_up(node) {
        return Err(refused(0, "Operation timed out", TIMED_OUT));
    }
    let is_closed = network.is_closed(node);
    if is_closed != (scheme == "https") {
        return Err(refused(0, "SSL routines::wrong version number", NO_TLS));
    }
    let text = |path: &str| {
        let file = invocation.files.get(path);
        file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
    };
    if is_closed {
        let authority = text(&request.authority).unwrap_or_default();
        if authority.is_empty() || !network.vouched(node, &authority) {
            return Err(refused(0, "SSL certificate problem", UNTRUSTED));
        }
        let own = text(&request.own).unwrap_or_default();
        let is_let_in = who(&own)
            .is_some_and(|(name, password)| network.is_known(node, name, password.expose()));
        if !is_let_in {
            return Err(refused(401, "", 0));
        }
    }
    Ok(node)
}

/// A request as its configuration has it.
#[derive(Debug, Default)]
struct Request {
    url: String,
    method: String,
    body: String,
    end: String,
    /// The file with the password.
    own: String,
    /// The file with who vouches for the server.
    authority: String,
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
            "netrc-file" => request.own = value,
            "cacert" => request.authority = value,
            _ => {}
        }
    }
    all
}

fn curl(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    let mut outcome = Outcome::ok("");
    for request in read(invocation.input) {
        let end = |code: &str, why: &str| {
            request.end.replace("%{http_code}", code).replace("%{errormsg}", why)
        };
        match reach(network, invocation, &request) {
            Err(Refusal { code, why, status }) => {
                let body =
                    if code == 0 { "" } else { r#"{"error":{"reason":"unable to authenticate"}}"# };
                outcome.stdout += &(body.to_owned() + &end(&format!("{code:03}"), why));
                outcome.status = status;
            }
            Ok(node) => {
                let Request { url, method, body, .. } = &request;
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let (_, path) = rest.split_once('/').unwrap_or((rest, ""));
                let (code, answer) = network.answer(node, method, &format!("/{path}"), body);
                outcome.stdout += &(answer.to_string() + &end(&code.to_string(), ""));
                outcome.status = 0;
            }
        }
    }
    outcome
}
