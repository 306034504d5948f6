//! `certificate:` of a service: whether it can have one of its own, and by which name it is
//! asked.

use super::demand::engines;
use super::gateway::Unresolved;
use crate::certificate::covers;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark};
use crate::spec::read::certified::FoundChain;
use crate::spec::read::form::Spanned;
use crate::spec::read::scalar::Text;
use crate::spec::read::scope::Scope;
use crate::spec::{Cluster, Engine, KeySource, OwnCertificate, wire};

/// Replaces a `*` where no name is stated.
const ANY: &str = "www";

/// The certificate of a service's own. `found` is its chain, as it was read.
pub(super) fn own(
    scope: &mut Scope<'_>,
    engine: Engine,
    node: Option<&Spanned<wire::Certificate>>,
    found: Option<&FoundChain>,
) -> Option<Box<OwnCertificate>> {
    let node = node?;
    if !matches!(engine.cluster(), Cluster::Pool | Cluster::GatewayPair) {
        let all = [Cluster::Pool, Cluster::GatewayPair].map(engines).join(", ");
        let message = format!("certificate: not supported for {engine}, only for {all}");
        let hint = "its clients trust the deployment's authority: secrets/ca.crt in the state \
                    directory"
            .to_owned();
        scope.error_with(node.mark, message, hint);
        return None;
    }
    let (key, names) = of_any_engine(scope, node)?;
    let FoundChain { path, chain } = found?;
    for (mark, name) in &names {
        if !covers(chain.names(), name) {
            let message = format!("certificate.names: {path} is not for {name:?}");
            let hint = format!("it is for {}", chain.names().join(", "));
            scope.error_with(*mark, message, hint);
        }
    }
    let stated = names.into_iter().next().map(|(_, name)| name);
    let name = stated.or_else(|| Some(chain.names().first()?.replacen('*', ANY, 1)))?;
    if !OwnCertificate::is_name(&name) {
        let message = format!("certificate.chain: {path} begins with {name:?}, which is no name");
        let hint = "say by which of its names clients ask: `names: [shop.example.com]`".to_owned();
        scope.error_with(node.mark, message, hint);
        return None;
    }
    Some(Box::new(OwnCertificate {
        chain: path.clone(),
        sha256: chain.digest(),
        names: chain.names().to_vec(),
        ends: chain.ends(),
        name,
        key,
    }))
}

/// Reports what is malformed whichever engine the service runs.
pub(super) fn of_any_engine(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::Certificate>,
) -> Option<(KeySource, Vec<(Mark, String)>)> {
    let wire::Certificate { chain, key, names } = &node.value;
    let chain = scope.required("certificate.chain", chain, node.mark);
    let mut stated = Vec::new();
    for at in names.iter().flat_map(|list| &list.value) {
        let Some(Text(name)) = scope.value("certificate.names", at) else { continue };
        if OwnCertificate::is_name(&name) {
            stated.push((at.mark, name.to_lowercase()));
        } else {
            let message = format!(
                "certificate.names: {name:?} is neither the name of a server nor an IPv4 address"
            );
            scope.error(at.mark, message);
        }
    }
    let Some(key) = key else {
        scope.missing("certificate.key", node.mark);
        return None;
    };
    let wire::KeyFrom { file, env, command } = &key.value;
    let text = |found: Option<Text>| found.map(|Text(text)| text);
    let found = [
        text(scope.optional("certificate.key.file", file)).map(KeySource::File),
        text(scope.optional("certificate.key.env", env)).map(KeySource::Environment),
        text(scope.optional("certificate.key.command", command)).map(KeySource::Command),
    ];
    if [file, env, command].into_iter().flatten().count() != 1 {
        let message = "certificate.key: expected one of `file`, `env` and `command`";
        scope.error(key.mark, message.to_owned());
        return None;
    }
    chain?;
    Some((found.into_iter().flatten().next()?, stated))
}

/// Reports certificates that nobody would see.
pub(super) fn unseen(found: &[Unresolved], diagnostics: &mut Diagnostics) {
    for one in found {
        let service = &one.service;
        if service.access.certificate.is_none() {
            continue;
        }
        let mut wrong = |message: String, hint: String| {
            let place = one.certificate_at.clone();
            diagnostics.push(Diagnostic { place, message, hint: Some(hint) });
        };
        if !service.access.tls.is_offered() {
            let hint = "write `tls: true` in its demand, or remove the certificate".to_owned();
            wrong(format!("certificate: {} does not end TLS", service.name), hint);
            continue;
        }
        let gateway = service.gateway.as_ref();
        let gateway = gateway.and_then(|name| found.iter().find(|one| one.service.name == *name));
        if let Some(edge) = gateway.filter(|one| one.own.tls) {
            let edge = &edge.service.name;
            let message = format!(
                "certificate: clients of {} see that of {edge}, which ends TLS before",
                service.name
            );
            wrong(message, format!("move it to {edge}"));
        }
    }
}
