//! `serve:` of a service: what a pool of web servers serves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::demand::engines;
use super::gateway::Unresolved;
use crate::ids::ServiceName;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark, nearest};
use crate::spec::read::form::Spanned;
use crate::spec::read::scalar::Text;
use crate::spec::read::scope::Scope;
use crate::spec::{Cluster, Engine, Serve, Target, wire};

const EXPECTED: &str = "expected one of `content`, `proxy` and `config`; without `serve`, a pool \
                        answers with a page that names the instance";

/// What a service serves, if it says so: `found` is what was read out of files.
pub(super) fn serve(
    scope: &mut Scope<'_>,
    engine: Engine,
    node: Option<&Spanned<wire::Serve>>,
    found: Option<&Serve>,
) -> Option<Option<Serve>> {
    let Some(node) = node else { return Some(None) };
    if engine.cluster() != Cluster::Pool {
        let hint = format!("remove it; supported for {}", engines(Cluster::Pool));
        scope.error_with(node.mark, format!("serve: not supported for {engine}"), hint);
        return None;
    }
    let proxy = of_any_engine(scope, node)?;
    proxy.map(|to| Serve::Proxy { to }).or_else(|| found.cloned()).map(Some)
}

/// Reports what is malformed whichever engine the service runs. The target is that of
/// `proxy`, where there is one.
pub(super) fn of_any_engine(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::Serve>,
) -> Option<Option<Target>> {
    let wire::Serve { content, proxy, config } = &node.value;
    scope.optional("serve.content", content);
    scope.optional("serve.config", config);
    let target = match proxy {
        None => None,
        Some(at) => {
            let Text(text) = scope.value("serve.proxy", at)?;
            Some(target(scope, at.mark, &text)?)
        }
    };
    let written = [content, proxy, config].into_iter().flatten().count();
    if written != 1 {
        scope.error(node.mark, format!("serve: {EXPECTED}"));
        return None;
    }
    Some(target)
}

/// `http://ADDRESS:PORT`, or the name of a service. Guests have no name servers, and a server
/// that looks a name up once would keep to an address that is another's later.
fn target(scope: &mut Scope<'_>, mark: Mark, text: &str) -> Option<Target> {
    let Some(rest) = text.strip_prefix("http://") else {
        if let Ok(name) = ServiceName::new(text) {
            return Some(Target::Service(name));
        }
        scope.error_with(
            mark,
            format!("proxy: {text:?} is neither http://ADDRESS:PORT nor the name of a pool"),
            "other protocols, and paths, are written in a file of the engine's own directives: \
             `config: FILE`"
                .to_owned(),
        );
        return None;
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.split_once(':').unwrap_or((rest, "80"));
    match (host.parse::<Ipv4Addr>(), port.parse::<u16>()) {
        (Ok(host), Ok(port)) if port != 0 => Some(Target::Server(format!("{host}:{port}"))),
        _ => {
            let message = format!("proxy: {text:?} is not a server; expected http://ADDRESS:PORT");
            let hint = "guests have no name servers: write its IPv4 address, or look the name up in \
                        directives of the engine, with a resolver: `config: FILE`";
            scope.error_with(mark, message, hint.to_owned());
            None
        }
    }
}

/// Reports proxies of services that are no pools, or that lead back to where they began.
/// `written` has the names of all services; without it one that seems missing may only be
/// unread.
pub(super) fn targets(
    found: &[Unresolved],
    written: Option<&BTreeSet<&ServiceName>>,
    diagnostics: &mut Diagnostics,
) {
    let by_name: BTreeMap<&ServiceName, &Unresolved> =
        found.iter().map(|one| (&one.service.name, one)).collect();
    for one in found {
        let Some(name) = goes_to(one) else { continue };
        let (message, hint) = match by_name.get(name) {
            None if written.is_none_or(|names| names.contains(name)) => continue,
            None => {
                let known: Vec<&str> = pools(found).map(ServiceName::as_str).collect();
                let hint = match nearest(name.as_str(), &known) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "a server outside is written as http://ADDRESS:PORT".to_owned(),
                };
                (format!("proxy: unknown service {:?}", name.as_str()), hint)
            }
            Some(other) if other.service.engine.cluster() != Cluster::Pool => (
                format!("proxy: {:?} runs {}", name.as_str(), other.service.engine),
                format!("expected a service that runs {}", engines(Cluster::Pool)),
            ),
            Some(_) if is_circle(one, &by_name) => (
                format!("proxy: requests to {:?} would come back to it", one.service.name.as_str()),
                "serve `content` or `config` at one of the services of the circle".to_owned(),
            ),
            Some(other) if other.service.demand.ends_tls() => (
                format!("proxy: the members of {:?} end TLS themselves", name.as_str()),
                format!("remove `tls: true` from the demand of {name}: one end of TLS is enough"),
            ),
            Some(_) => continue,
        };
        diagnostics.push(Diagnostic { place: one.serve_at.clone(), message, hint: Some(hint) });
    }
}

/// The service that one passes requests on to.
fn goes_to(one: &Unresolved) -> Option<&ServiceName> {
    match &one.service.serve {
        Some(Serve::Proxy { to: Target::Service(name) }) => Some(name),
        _ => None,
    }
}

fn pools(found: &[Unresolved]) -> impl Iterator<Item = &ServiceName> {
    let services = found.iter().map(|one| &one.service);
    services.filter(|one| one.engine.cluster() == Cluster::Pool).map(|one| &one.name)
}

/// Whether requests come back to where they began.
fn is_circle(first: &Unresolved, by_name: &BTreeMap<&ServiceName, &Unresolved>) -> bool {
    let mut at = first;
    for _ in by_name {
        match goes_to(at).and_then(|name| by_name.get(name)) {
            Some(next) if next.service.name == first.service.name => return true,
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}
