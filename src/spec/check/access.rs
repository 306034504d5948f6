//! `password:` and `tls:` of a service: how clients get in.

use super::demand::engines;
use super::ports;
use crate::spec::diagnostic::Mark;
use crate::spec::read::address::Address;
use crate::spec::read::form::{At, Spanned};
use crate::spec::read::scalar::Text;
use crate::spec::read::scope::Scope;
use crate::spec::wire;
use crate::spec::{Access, Cluster, Engine, Health, Password, SEARCH_PORT, Tls};

/// How clients get into a service: into a sharded one by a password, unless its author
/// says otherwise.
pub(super) fn access(
    scope: &mut Scope<'_>,
    engine: Engine,
    wire: &wire::Service,
) -> Option<Access> {
    if let Some(at) = wire.vip.as_ref().filter(|_| engine.cluster() != Cluster::GatewayPair) {
        let gateways = engines(Cluster::GatewayPair);
        scope.error(at.mark, format!("vip: not supported for {engine}, only for {gateways}"));
    }
    if let Some(node) = wire.health.as_ref().filter(|_| engine.cluster() != Cluster::Pool) {
        let pools = engines(Cluster::Pool);
        scope.error(node.mark, format!("health: not supported for {engine}, only for {pools}"));
    }
    let is_database = engine.cluster() == Cluster::PrimaryReplica;
    if let Some(at) = wire.read_port.as_ref().filter(|_| !is_database) {
        let databases = engines(Cluster::PrimaryReplica);
        scope
            .error(at.mark, format!("read_port: not supported for {engine}, only for {databases}"));
    }
    match engine.cluster() {
        Cluster::Sharded => {}
        Cluster::PrimaryReplica => return of_database(scope, engine, wire),
        Cluster::Quorum => return of_search(scope, engine, wire),
        _ => return Some(without_password(scope, engine, wire)),
    }
    let tls = scope.optional("tls", &wire.tls);
    let (password, optional) = match &wire.password {
        None => (Some(Password::Generated), false),
        Some(node) => password(scope, node)?,
    };
    let tls = tls.unwrap_or_default();
    let port = match scope.optional("port", &wire.port) {
        None => None,
        Some(number) => Some(port(scope, number, tls, wire.port.as_ref().map(|at| at.mark))?),
    };
    Some(Access { password, optional, tls, port, ..Access::default() })
}

/// How clients get into a database: by a password, which hostsplit needs as well.
fn of_database(scope: &mut Scope<'_>, engine: Engine, wire: &wire::Service) -> Option<Access> {
    let tls = scope.optional("tls", &wire.tls).unwrap_or_default();
    let [port, read_port] = [("port", &wire.port), ("read_port", &wire.read_port)]
        .map(|(field, at)| at_gateway(scope, engine, wire, field, at.as_ref()));
    let password = match &wire.password {
        None => Password::Generated,
        Some(node) => {
            let (found, optional) = password(scope, node)?;
            let Some(found) = found.filter(|_| !optional) else {
                let message = format!("password: {engine} lets nobody in without one");
                scope.error_with(node.mark, message, "leave it out: a deploy makes one".to_owned());
                return None;
            };
            found
        }
    };
    Some(Access { password: Some(password), tls, port, read_port, ..Access::default() })
}

/// How clients get into a search engine: encrypted and with a password, or with neither. Its
/// instances have the engine's own port.
fn of_search(scope: &mut Scope<'_>, engine: Engine, wire: &wire::Service) -> Option<Access> {
    let port = match &wire.gateway {
        Some(_) if wire.port.is_none() => Some(SEARCH_PORT),
        _ => at_gateway(scope, engine, wire, "port", wire.port.as_ref()),
    };
    let tls = scope.optional("tls", &wire.tls);
    let given = match &wire.password {
        None => None,
        Some(node) => Some((node.mark, password(scope, node)?)),
    };
    let open = Access { port, ..Access::default() };
    let mark = wire.tls.as_ref().map(|at| at.mark);
    let mut refuse = |mark: Option<Mark>, message: String, hint: &str| {
        if let Some(mark) = mark {
            scope.error_with(mark, message, hint.to_owned());
        }
        None
    };
    if let Some(why) = engine.why_open() {
        let asks = given.as_ref().filter(|(_, (password, _))| password.is_some());
        let hint = "leave `password` and `tls` out: everybody is let in";
        if let Some((mark, _)) = asks {
            return refuse(Some(*mark), format!("password: {why}, for {engine}"), hint);
        }
        if tls.is_some_and(Tls::is_offered) {
            return refuse(mark, format!("tls: {why}, for {engine}"), hint);
        }
        return Some(open);
    }
    if tls == Some(Tls::Optional) {
        let message = format!("tls: {engine} encrypts all connections or none");
        return refuse(mark, message, "leave it out");
    }
    let password = match given {
        Some((mark, (_, true))) => {
            let message = format!("password: {engine} asks everybody for one or nobody");
            return refuse(Some(mark), message, "leave it out: a deploy makes one");
        }
        Some((_, (None, _))) if tls == Some(Tls::On) => {
            let message = format!("tls: {engine} encrypts only where it asks for a password");
            return refuse(mark, message, "leave `password: none` out: a deploy makes one");
        }
        Some((_, (None, _))) => return Some(open),
        Some((_, (Some(password), _))) => password,
        None => Password::Generated,
    };
    if tls == Some(Tls::Off) {
        let message = format!("tls: {engine} asks for a password only over encrypted connections");
        let hint = "leave it out, or add `password: none`: everybody is let in, and nothing is \
                    encrypted";
        return refuse(mark, message, hint);
    }
    Some(Access { password: Some(password), tls: Tls::On, ..open })
}

/// A port of a database or a search engine at its gateway.
fn at_gateway(
    scope: &mut Scope<'_>,
    engine: Engine,
    wire: &wire::Service,
    field: &str,
    at: Option<&At<u32>>,
) -> Option<u16> {
    let at = at?;
    if wire.gateway.is_none() {
        let message = format!("{field}: not supported for {engine} without a gateway");
        let hint = "its instances have the engine's own port; `gateway:` names a service that has \
                    ports for it";
        scope.error_with(at.mark, message, hint.to_owned());
        return None;
    }
    let number = scope.value(field, at)?;
    let port = u16::try_from(number).ok().filter(|port| ports::is_free(*port));
    if port.is_none() {
        let message = format!(
            "{field}: {number} is not a port of a gateway; expected 1 to 65535, and not {}, at \
             which instances say how they are",
            ports::taken()
        );
        scope.error(at.mark, message);
    }
    port
}

/// How clients get into a service that asks for no password: only a pool has a port of its
/// choice. Whether it ends TLS is part of its demand, since that is work.
fn without_password(scope: &mut Scope<'_>, engine: Engine, wire: &wire::Service) -> Access {
    let cluster = engine.cluster();
    let sharded = engines(Cluster::Sharded);
    let closed =
        [Cluster::Sharded, Cluster::PrimaryReplica, Cluster::Quorum].map(engines).join(", ");
    if let Some(node) = &wire.password {
        let message = format!("password: not supported for {engine}, only for {closed}");
        scope.error(node.mark, message);
    }
    if let Some(at) = &wire.tls {
        let message = format!("tls: not supported for {engine}, only for {closed}");
        let is_web = matches!(cluster, Cluster::Pool | Cluster::GatewayPair);
        let hint = "whether it ends TLS is part of its demand: `demand: { tls: true }`";
        scope.error_with(at.mark, message, is_web.then(|| hint.to_owned()));
    }
    let vip = scope.optional("vip", &wire.vip).map(|Address(address)| address);
    let health = wire.health.as_ref().and_then(|node| health(scope, node));
    let Some(at) = &wire.port else { return Access { vip, health, ..Access::default() } };
    if cluster != Cluster::Pool {
        let pools = engines(Cluster::Pool);
        let message = format!("port: not supported for {engine}, only for {sharded}, {pools}");
        let hint = "a gateway listens at the ports of the pools behind it: `port:` of these";
        let is_gateway = cluster == Cluster::GatewayPair;
        scope.error_with(at.mark, message, is_gateway.then(|| hint.to_owned()));
        return Access { vip, ..Access::default() };
    }
    let Some(number) = scope.value("port", at) else { return Access::default() };
    let port = u16::try_from(number).ok().filter(|port| ports::is_free(*port));
    if port.is_none() {
        let message = format!(
            "port: {number} is not a port of a pool; expected 1 to 65535, and not {}, at which \
             instances say how they are",
            ports::taken()
        );
        scope.error(at.mark, message);
    }
    Access { port, health, ..Access::default() }
}

/// What members are asked for.
fn health(scope: &mut Scope<'_>, node: &Spanned<wire::Health>) -> Option<Health> {
    let wire::Health { path, expect } = &node.value;
    let text = scope.optional("health.path", path).map(|Text(text)| text);
    let number = scope.optional("health.expect", expect);
    let mark = |at: Option<Mark>| at.unwrap_or(node.mark);
    if let Some(text) = text.as_ref().filter(|text| !Health::is_path(text)) {
        let message = format!(
            "health.path: {text:?} is no path; expected / and letters, digits and -._~%?&=+:,@!"
        );
        scope.error(mark(path.as_ref().map(|at| at.mark)), message);
        return None;
    }
    let status =
        number.map(|number| u16::try_from(number).ok().filter(|one| Health::is_status(*one)));
    if status == Some(None) {
        let message = "health.expect: expected the status of an answer, 200 to 599".to_owned();
        scope.error(mark(expect.as_ref().map(|at| at.mark)), message);
        return None;
    }
    Some(Health { path: text.unwrap_or_else(|| "/".to_owned()), expect: status.flatten() })
}

/// A port for clients, which is not the one that instances reach each other at, nor is the
/// one above it where that is for encrypted connections.
fn port(scope: &mut Scope<'_>, number: u32, tls: Tls, mark: Option<Mark>) -> Option<u16> {
    let is_free = |port: u16| port != 0 && port != BUS;
    let has_next = |port: u16| tls != Tls::Optional || port.checked_add(1).is_some_and(is_free);
    let port = u16::try_from(number).ok().filter(|port| is_free(*port));
    let message = match port {
        Some(port) if has_next(port) => return Some(port),
        Some(_) => format!(
            "port: with `tls: optional` the port above {number} is for encrypted connections; \
             expected 1 to 65534, and not {}, above which is {BUS}, which instances reach each \
             other at",
            BUS - 1
        ),
        None => format!(
            "port: {number} is not a port for clients; expected 1 to 65535, and not {BUS}, which instances reach each other at"
        ),
    };
    if let Some(mark) = mark {
        scope.error(mark, message);
    }
    None
}

/// The port that the instances of a sharded cluster reach each other at.
const BUS: u16 = 16379;

/// Reports what is malformed whichever engine the service runs.
pub(super) fn of_any_engine(scope: &mut Scope<'_>, wire: &wire::Service) {
    scope.optional("tls", &wire.tls);
    scope.optional("port", &wire.port);
    scope.optional("read_port", &wire.read_port);
    scope.optional("vip", &wire.vip);
    if let Some(node) = &wire.health {
        health(scope, node);
    }
    if let Some(node) = &wire.password {
        password(scope, node);
    }
}

/// Where the password comes from, if there is one, and whether it is optional.
fn password(
    scope: &mut Scope<'_>,
    node: &Spanned<wire::PasswordRule>,
) -> Option<(Option<Password>, bool)> {
    let from = match &node.value {
        wire::PasswordRule::None => return Some((None, false)),
        wire::PasswordRule::Optional => return Some((Some(Password::Generated), true)),
        wire::PasswordRule::From(from) => from,
    };
    let wire::PasswordFrom { file, env, command, optional } = &**from;
    let text = |found: Option<Text>| found.map(|Text(text)| text);
    let found = [
        text(scope.optional("password.file", file)).map(Password::File),
        text(scope.optional("password.env", env)).map(Password::Environment),
        text(scope.optional("password.command", command)).map(Password::Command),
    ];
    let optional = scope.optional("password.optional", optional).unwrap_or_default();
    let written = [file, env, command].into_iter().flatten().count();
    if written != 1 {
        let message = "password: expected one of `file`, `env` and `command`, or `optional`, or \
                       `none`; without `password`, a deploy makes one";
        scope.error(node.mark, message);
        return None;
    }
    let password = found.into_iter().flatten().next()?;
    Some((Some(password), optional))
}
