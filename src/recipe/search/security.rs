//! Who is let in, and how: certificates, and the users of Elasticsearch's file realm, which needs
//! no index, so that it lets hostsplit in before there is a cluster. All of it is in the basic
//! licence. Files of users, roles and certificates are read again by a running server within
//! five seconds.
//!
//! Encryption and passwords are one: a server that asks for passwords does not start beside
//! others without encryption between them.
//! <https://www.elastic.co/docs/deploy-manage/users-roles/cluster-or-deployment-auth/file-based>
//! <https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/security-settings>

use serde::Serialize;

use super::Package;
use crate::guest_file::{GuestFile, Owner};
use crate::plan::{Instance, ServicePlan, Setting, Settings};
use crate::recipe::{Certificates, Credentials, RecipeError, settings_of};
use crate::secret::{Secret, Secrets};
use crate::template::{Template, template};

/// The user of clients, and the role of the same name.
const APP: &str = "app";
/// The user of hostsplit, who may everything.
const OWN: &str = "hostsplit";
/// The anonymous user, where a gateway checks the server's health: it may read that, and nothing
/// else.
const GATEWAY: &str = "gateway";
/// The engine's own role that may everything.
const SUPERUSER: &str = "superuser";
/// How the engine marks a hash.
const PBKDF2: &str = "{PBKDF2}";

/// How a line begins that holds a password.
const LOGIN: &str = "default login hostsplit password ";
const CLIENTS: &str = "# app ";

static ROLES: Template = template!("search/roles.yml.hbs");
static NETRC: Template = template!("search/hostsplit.netrc.hbs");

/// Where users and certificates lie.
#[derive(Debug, PartialEq, Eq)]
pub struct Security {
    /// The certificates; a server reads none that lies elsewhere than its configuration.
    pub tls: Certificates,
    /// Users with the hashes of their passwords.
    pub users: &'static str,
    /// Roles of users.
    pub users_roles: &'static str,
    /// What roles may.
    pub roles: &'static str,
    /// The password by which `curl` comes in, for root alone.
    pub own: &'static str,
}

#[derive(Serialize)]
struct Netrc<'a> {
    instance: &'a str,
    client: &'a str,
    internal: &'a str,
}

#[derive(Serialize)]
struct Roles<'a> {
    instance: &'a str,
}

impl Security {
    /// All files that a running server reads again by itself, or that are none of its.
    #[must_use]
    pub fn is_read_again(&self, path: &str) -> bool {
        let own = [self.users, self.users_roles, self.roles, self.own];
        own.contains(&path) || self.tls.files().contains(&path)
    }

    /// What is planned for a server.
    pub(super) fn settings(&self, service: &ServicePlan) -> Settings {
        let set = |name: &str, value: Setting| (format!("xpack.security.{name}"), value);
        if service.access.password.is_none() {
            return [set("enabled", false.into())].into();
        }
        let mut all = settings_of([
            // The users that the engine brings along have no password that anybody here knows.
            ("xpack.security.authc.reserved_realm.enabled", false.into()),
            ("xpack.security.enrollment.enabled", false.into()),
            ("xpack.security.enabled", true.into()),
            ("xpack.security.transport.ssl.client_authentication", "required".into()),
            ("xpack.security.transport.ssl.verification_mode", "full".into()),
        ]);
        for side in ["http", "transport"] {
            let ssl = |name: &str, value: Setting| set(&format!("{side}.ssl.{name}"), value);
            all.extend([
                ssl("enabled", true.into()),
                ssl("certificate", self.tls.certificate.into()),
                ssl("key", self.tls.key.into()),
                ssl("certificate_authorities", Setting::words([self.tls.authority])),
            ]);
        }
        if service.gateway.is_some() {
            all.extend([
                set("authc.anonymous.username", GATEWAY.into()),
                set("authc.anonymous.roles", Setting::words([GATEWAY])),
                // They are asked for a password where they may not, and not sent away.
                set("authc.anonymous.authz_exception", false.into()),
            ]);
        }
        all
    }

    fn files(
        &self,
        instance: &Instance,
        credentials: &Credentials,
        group: &'static str,
    ) -> Result<Vec<GuestFile>, RecipeError> {
        let name = instance.name.as_str();
        let (client, internal) = (&credentials.client, &credentials.internal);
        let user = |name: &str, password: &Secret| {
            let hash = password.hashed(&[name, internal.expose()]);
            format!("{name}:{PBKDF2}{hash}\n")
        };
        let users = user(APP, client) + &user(OWN, internal);
        let roles = format!("{APP}:{APP}\n{SUPERUSER}:{OWN}\n");
        let own = NETRC.render(&Netrc {
            instance: name,
            client: client.expose(),
            internal: internal.expose(),
        })?;
        let readable = Owner { user: "root", group };
        let file = |path: &str, text: String, mode: u32, owner: Owner| GuestFile {
            path: path.to_owned(),
            text,
            mode,
            owner,
        };
        let rights = ROLES.render(&Roles { instance: name })?;
        Ok(vec![
            file(self.roles, rights, 0o640, readable),
            file(self.users_roles, roles, 0o640, readable),
            file(self.users, users, 0o640, readable),
            file(self.own, own, 0o600, Owner { user: "root", group: "root" }),
        ])
    }
}

/// Files with passwords, certificates and keys.
pub(super) fn closed(
    service: &ServicePlan,
    instance: &Instance,
    secrets: &Secrets,
) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    let Some(security) = package.security.as_ref().filter(|_| service.access.password.is_some())
    else {
        return Ok(Vec::new());
    };
    let missing = |what| RecipeError::NoSecret { instance: instance.name.clone(), what };
    let identity = secrets.identities.get(&instance.name);
    let identity = identity.ok_or_else(|| missing("certificate"))?;
    let known = secrets.services.get(&service.name).and_then(Credentials::of);
    let credentials = known.ok_or_else(|| missing("password"))?;
    let mut files: Vec<GuestFile> = security.tls.of(identity, package.owner).into();
    files.extend(security.files(instance, &credentials, package.owner.group)?);
    Ok(files)
}

/// Reads the passwords again by which hostsplit and clients come in; `None` where hostsplit did
/// not write that file.
#[must_use]
pub fn read(own: &str) -> Option<Credentials> {
    let after = |start: &str| {
        let line = own.lines().find_map(|line| line.strip_prefix(start))?;
        Secret::parse(line).ok()
    };
    Some(Credentials { client: after(CLIENTS)?, internal: after(LOGIN)? })
}

/// Name and password by which `curl` comes in, of that file.
#[must_use]
pub fn who(own: &str) -> Option<(&'static str, Secret)> {
    Some((OWN, read(own)?.internal))
}

/// Whether users with hashes of their passwords have one with that name and password.
#[must_use]
pub fn known(users: &str, name: &str, password: &str) -> bool {
    let mut lines = users.lines().filter_map(|line| line.split_once(':'));
    let hash =
        lines.find(|(user, _)| *user == name).and_then(|(_, hash)| hash.strip_prefix(PBKDF2));
    hash.is_some_and(|hash| Secret::from(password.to_owned()).is_hashed_as(hash))
}

/// Replaces passwords and hashes of a line by a mark.
pub(super) fn mask(line: &str, mark: &str) -> Option<String> {
    if let Some(start) = [LOGIN, CLIENTS].iter().find(|start| line.starts_with(**start)) {
        return Some(format!("{start}{mark}"));
    }
    if let Some((user, _)) = line.split_once(PBKDF2) {
        return Some(format!("{user}{mark}"));
    }
    // Settings of its own name authentication and hold no secret.
    line.starts_with("xpack.security.").then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::ELASTICSEARCH_PACKAGE;
    use super::*;
    use crate::sample;

    #[test]
    fn who_has_a_password_comes_in_and_nobody_sees_it() {
        let secret = |text: &str| Secret::parse(text).unwrap();
        let given =
            Credentials { client: secret("for-#all;clients"), internal: secret("abcdef012345") };
        let security = ELASTICSEARCH_PACKAGE.security.as_ref().unwrap();
        let instance = &sample::plan().instances[0];
        let files = security.files(instance, &given, "elasticsearch").unwrap();
        let text = |path: &str| &files.iter().find(|file| file.path == path).unwrap().text;
        assert!(read(text(security.own)) == Some(given.clone()));
        let users = text(security.users);
        let [client, internal] = [&given.client, &given.internal].map(|one| one.expose());
        assert!(known(users, "app", client) && known(users, "hostsplit", internal));
        assert!(!known(users, "app", internal) && !known(users, "elastic", client));
        for file in &files {
            let shown = |line: &str| mask(line, "(secret)").unwrap_or_else(|| line.to_owned());
            let shown: Vec<String> = file.text.lines().map(shown).collect();
            let shown = shown.join("\n");
            assert!(
                !["for-#all", "abcdef", "1000$"].iter().any(|part| shown.contains(part)),
                "{shown}"
            );
        }
        assert!(read("").is_none());
    }
}
