//! Apache httpd with its event MPM, and nginx: one whole configuration file each, with limits
//! of workers and connections, a server that says how it is, and what the pool serves.
//!
//! What is in `sites-enabled`, `mods-enabled` and `conf.d` of the packages is not used.

mod apache;
mod nginx;
mod settings;

pub use super::stamp::{HEADER, digest_in};

use std::fmt;

use serde::Serialize;

use super::{Certificates, Recipe, RecipeError, Setup};
use crate::engines::Engine;
use crate::guest_file::{GuestFile, Owner};
use crate::plan::{Instance, ServicePlan, Setting};
use crate::secret::Secrets;
use crate::spec::{Access, Health, Serve, Tls, WEB_STATUS_PORT};
use crate::template::{Template, template};

/// The port at which an instance says how it is, without TLS.
pub const STATUS_PORT: u16 = WEB_STATUS_PORT;

/// The path there that answers with 200 and, in [`HEADER`], with the configuration that it runs
/// with.
pub const CONFIGURATION: &str = "/configuration";

/// Where content lies: a directory of its own for each, by its digest, so that old and new are
/// there side by side.
pub const CONTENT: &str = "/srv/www";

/// Directory of the page that names the instance.
const PAGE: &str = "/srv/www/instance";

/// The page itself. It is written last, so it gates the first start: the packages bring
/// configuration files along that serve a page of their own.
const GATE: &str = "/srv/www/instance/index.html";

/// Digits of its digest that name a directory of content: 48 bits.
const CONTENT_DIGITS: usize = 12;

/// Everything belongs to root, which both read their files as; what serves requests,
/// `www-data`, reads content and writes none.
const ROOT: Owner = Owner { user: "root", group: "root" };

/// An engine as a package brings it: all that differs between Apache and nginx.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The engine.
    pub engine: Engine,
    /// Its systemd unit, without `.service`.
    pub units: [&'static str; 1],
    /// Its configuration file.
    pub config: &'static str,
    /// The command that judges a configuration file, whose path ends it.
    pub check: &'static [&'static str],
    /// Where its certificate and key lie.
    pub tls: Certificates,
    /// The file that the unit does not start without.
    pub gate: &'static str,
    /// User and group that own its files and its content.
    pub owner: Owner,
    /// Where content lies.
    pub content: &'static str,
}

/// Apache httpd 2.4.
pub static APACHE_PACKAGE: Package = Package {
    engine: Engine::Apache,
    units: ["apache2"],
    config: "/etc/apache2/apache2.conf",
    check: &["apache2ctl", "-t", "-f"],
    tls: Certificates {
        authority: "/etc/apache2/ca.crt",
        certificate: "/etc/apache2/server.crt",
        key: "/etc/apache2/server.key",
    },
    gate: GATE,
    owner: ROOT,
    content: CONTENT,
};

/// nginx.
pub static NGINX_PACKAGE: Package = Package {
    engine: Engine::Nginx,
    units: ["nginx"],
    config: "/etc/nginx/nginx.conf",
    check: &["nginx", "-t", "-q", "-c"],
    tls: Certificates {
        authority: "/etc/nginx/ca.crt",
        certificate: "/etc/nginx/server.crt",
        key: "/etc/nginx/server.key",
    },
    gate: GATE,
    owner: ROOT,
    content: CONTENT,
};

impl Package {
    /// All of them.
    pub const ALL: [&'static Self; 2] = [&APACHE_PACKAGE, &NGINX_PACKAGE];

    /// The package of an engine.
    #[must_use]
    pub fn of(engine: Engine) -> &'static Self {
        if engine == Engine::Nginx { &NGINX_PACKAGE } else { &APACHE_PACKAGE }
    }
}

/// The port of the members of a pool.
#[must_use]
pub fn port(access: &Access) -> u16 {
    access.web_port()
}

/// What an answer has to be for its client to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This status.
    Status(u16),
    /// Something that was found: 200 to 399.
    Found,
    /// Anything but a fault of the server: what others answer may be 401 or 404 on purpose.
    NoFault,
}

impl Expected {
    /// Whether a status is one of them.
    #[must_use]
    pub const fn holds(self, code: u16) -> bool {
        match self {
            Self::Status(expected) => code == expected,
            Self::Found => 200 <= code && code < 400,
            Self::NoFault => code < 500,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "HTTP {code}"),
            Self::Found => f.write_str("HTTP 200 to 399"),
            Self::NoFault => f.write_str("less than HTTP 500"),
        }
    }
}

/// What the members of a pool are asked for as clients ask, and what they have to answer.
#[must_use]
pub fn health(service: &ServicePlan) -> (&str, Expected) {
    match (&service.access.health, &service.serve) {
        (Some(Health { path, expect }), _) => {
            (path, expect.map_or(Expected::Found, Expected::Status))
        }
        (None, None | Some(Serve::Content { .. })) => ("/", Expected::Found),
        (None, Some(Serve::Proxy { .. } | Serve::Config { .. })) => ("/", Expected::NoFault),
    }
}

/// The directory of content with that SHA-256.
#[must_use]
pub fn content_directory(sha256: &str) -> String {
    format!("{CONTENT}/{}", sha256.get(..CONTENT_DIGITS).unwrap_or(sha256))
}

/// The digest of the configuration that is planned for an instance; `None` where it cannot be
/// rendered.
#[must_use]
pub fn planned_digest(service: &ServicePlan, instance: &Instance) -> Option<String> {
    let text = configuration(service, instance).ok()?;
    digest_in(&text).map(str::to_owned)
}

/// Connections wait in a queue of the kernel until they are accepted; both servers ask for one
/// of 511. A proxy has a port of its own for each connection to another server.
/// <https://nginx.org/en/docs/http/ngx_http_core_module.html#listen>
/// <https://httpd.apache.org/docs/2.4/mod/mpm_common.html#listenbacklog>
/// <https://docs.kernel.org/networking/ip-sysctl.html>
const SYSCTLS: &[&str] =
    &["net.core.somaxconn = 65535", "net.ipv4.ip_local_port_range = 10240 65535"];
const TMPFILES: &[&str] = &["d /srv/www 0755 root root -", "d /srv/www/instance 0755 root root -"];

static APACHE_SETUP: Setup = setup(&APACHE_PACKAGE);
static NGINX_SETUP: Setup = setup(&NGINX_PACKAGE);

/// Apache httpd 2.4.
pub(super) static APACHE: Recipe = Recipe {
    settings: settings::apache,
    main: &["MaxRequestWorkers", "ServerLimit", "ThreadsPerChild", "ListenCoresBucketsRatio"],
    setup: Some(&APACHE_SETUP),
};

/// nginx.
pub(super) static NGINX: Recipe = Recipe {
    settings: settings::nginx,
    main: &["worker_processes", "worker_connections"],
    setup: Some(&NGINX_SETUP),
};

const fn setup(package: &'static Package) -> Setup {
    Setup {
        units: &package.units,
        gate: package.gate,
        data: package.content,
        owner: package.owner,
        sysctls: SYSCTLS,
        tmpfiles: TMPFILES,
        secrets: &[],
        plain: files,
        mask: |_, _| None,
        backup: None,
        closed,
    }
}

static INDEX: Template = template!("web/index.html.hbs");

#[derive(Serialize)]
struct Page<'a> {
    instance: &'a str,
}

fn files(service: &ServicePlan, instance: &Instance) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    let file = |path: &str, text: String| GuestFile {
        path: path.to_owned(),
        text,
        mode: 0o644,
        owner: package.owner,
    };
    let page = INDEX.render(&Page { instance: instance.name.as_str() })?;
    Ok(vec![file(package.config, configuration(service, instance)?), file(GATE, page)])
}

fn closed(
    service: &ServicePlan,
    instance: &Instance,
    secrets: &Secrets,
) -> Result<Vec<GuestFile>, RecipeError> {
    if !service.access.tls.is_offered() {
        return Ok(Vec::new());
    }
    let package = Package::of(service.engine);
    let identity = secrets.identities.get(&instance.name).ok_or_else(|| RecipeError::NoSecret {
        instance: instance.name.clone(),
        what: "certificate",
    })?;
    Ok(package.tls.of(identity, package.owner).into())
}

/// The text of the configuration file of an instance.
///
/// # Errors
/// [`RecipeError::Name`] for a setting that neither engine knows.
pub fn configuration(service: &ServicePlan, instance: &Instance) -> Result<String, RecipeError> {
    let text = match service.engine {
        Engine::Nginx => nginx::configuration(service, instance)?,
        _ => apache::configuration(service, instance)?,
    };
    Ok(super::stamp::stamped(&text))
}

/// What the configurations of both engines are filled in with, besides their limits.
#[derive(Serialize)]
struct Common<'a> {
    instance: &'a str,
    digest: &'static str,
    /// Address and port of the status.
    status: String,
    /// Who may see it; `None` for everybody.
    allow: Option<String>,
    /// Where it listens for clients.
    listen: String,
    /// Directory of its content.
    root: Option<String>,
    /// Where requests go on to.
    servers: Vec<String>,
    tls: Option<TlsFiles<'a>>,
    /// What the author of the spec wrote.
    own: Option<&'a str>,
}

#[derive(Serialize)]
struct TlsFiles<'a> {
    certificate: &'a str,
    key: &'a str,
    /// The digest of a certificate of the user's own: with another one, the server runs with
    /// another configuration.
    digest: Option<&'a str>,
}

/// Names of settings by which both engines differ.
struct Names {
    listen: &'static str,
    root: &'static str,
    servers: &'static str,
    allow: &'static str,
}

impl<'a> Common<'a> {
    fn of(service: &'a ServicePlan, instance: &'a Instance, names: &Names) -> Self {
        let package = Package::of(service.engine);
        let text = |name: &str| instance.settings.get(name).map(quoted);
        let status = match instance.address {
            Some(address) => format!("{address}:{STATUS_PORT}"),
            None => STATUS_PORT.to_string(),
        };
        let servers = match instance.settings.get(names.servers) {
            Some(Setting::Words(words)) => words.iter().map(|word| quote(word)).collect(),
            _ => Vec::new(),
        };
        let (certificate, key) = (package.tls.certificate, package.tls.key);
        let digest = service.access.certificate.as_ref().map(|own| own.sha256.as_str());
        Self {
            instance: instance.name.as_str(),
            digest: super::stamp::BLANK,
            status,
            allow: text(names.allow),
            listen: text(names.listen).unwrap_or_default(),
            root: text(names.root),
            servers,
            tls: (service.access.tls == Tls::On).then_some(TlsFiles { certificate, key, digest }),
            own: match &service.serve {
                Some(Serve::Config { text }) => Some(text.trim_end()),
                _ => None,
            },
        }
    }
}

/// A value as both engines read it.
fn quoted(value: &Setting) -> String {
    match value {
        Setting::Text(text) => quote(text),
        Setting::Switch(on) => if *on { "on" } else { "off" }.to_owned(),
        Setting::Count(number) | Setting::Bytes(number) => number.to_string(),
        Setting::Millis(number) => format!("{number}ms"),
        Setting::Address(address) => address.to_string(),
        Setting::Words(words) => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    }
}

/// A word as it is, or in double quotes where it would be read as something else.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '/' | '-' | '_');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace(['\n', '\r', '\0'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_share_no_file_and_no_unit() {
        let parts = |one: &Package| {
            let Certificates { authority, certificate, key } = one.tls;
            [one.units[0], one.config, authority, certificate, key]
        };
        let mut all: Vec<&str> = Package::ALL.into_iter().flat_map(parts).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(GATE.starts_with(PAGE) && PAGE.starts_with(CONTENT));
    }

    #[test]
    fn words_are_quoted_where_they_must_be() {
        assert_eq!(quote("10.20.0.50:80"), "10.20.0.50:80");
        assert_eq!(quote("/srv/a b"), "\"/srv/a b\"");
        assert_eq!(quote("a\";\nroot /"), "\"a\\\"; root /\"");
        assert_eq!(quote(""), "\"\"");
    }
}
