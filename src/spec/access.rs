//! `password:` and `tls:` of a service: how clients get in.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::scalar::{At, Text, mark_of};
use super::scope::Scope;
use super::wire;
use crate::spec::{Access, Password};

/// Where a password comes from, if a deploy shall not make it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WirePassword {
    file: Option<At<Text>>,
    env: Option<At<Text>>,
    command: Option<At<Text>>,
}

/// How clients get into a sharded service: by a password, always.
pub(super) fn access(scope: &mut Scope<'_>, wire: &wire::Service) -> Option<Access> {
    let tls = scope.optional("tls", &wire.tls);
    let password = match &wire.password {
        None => Some(Password::Generated),
        Some(node) => password(scope, node),
    };
    Some(Access { password: Some(password?), tls: tls.unwrap_or_default() })
}

fn password(scope: &mut Scope<'_>, node: &Spanned<WirePassword>) -> Option<Password> {
    let WirePassword { file, env, command } = &node.value;
    let text = |found: Option<Text>| found.map(|Text(text)| text);
    let found = [
        text(scope.optional("password.file", file)).map(Password::File),
        text(scope.optional("password.env", env)).map(Password::Environment),
        text(scope.optional("password.command", command)).map(Password::Command),
    ];
    let written = [file, env, command].into_iter().flatten().count();
    if written != 1 {
        let message = "password: expected one of `file`, `env` and `command`; without `password`, \
                       a deploy makes one";
        scope.wrong(mark_of(node), message);
        return None;
    }
    found.into_iter().flatten().next()
}
