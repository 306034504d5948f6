//! The files of gateways. The ports and timeouts that they hold as they are come with their
//! reason:
//!
//! - `inter 1s fall 2`: a member that died gets no requests after 2 s; `rise 2` and
//!   `slowstart` let one that came back warm up.
//! - `retries 3` and `redispatch 1`: a request that failed goes to another member at once. What
//!   may have been done already is not repeated: of methods, GET, HEAD and OPTIONS are safe.
//! - `timeout connect 2s`: on one network an answer takes a millisecond, and a lost packet is
//!   sent again after one second.
//! - `tcp-ut 2s`: a request that was sent to a member whose power is cut is as lost after 2 s as
//!   one that could not be sent, and goes to another. Without it, it waits for a minute.
//!   HAProxy 3.0 does not take it over from `default-server`.
//! - The script of keepalived asks twice, a second apart, where HAProxy is not there, and waits
//!   for 3 s where it does not answer. So it gives the address away 2 s after HAProxy ended and
//!   4 s after it was stuck, and a gateway that gets no CPU for 3 s keeps it; of two questions
//!   that wait for a second each, both fail then.
//! - `advert_int 1`: the other takes the address after three missed advertisements and a part
//!   of a second, 3 to 4 s.

use serde::Serialize;

use super::databases::{self, Database};
use super::{
    AUTHORITY, CERTIFICATE, CONFIG, GATE, LOOPBACK, ROOT, STATISTICS, STATUS_PORT, VRRP,
    VRRP_CONFIG, VRRP_UNIT_CONFIG,
};
use crate::guest_file::GuestFile;
use crate::plan::{Instance, ServicePlan, Setting};
use crate::recipe::{RecipeError, stamp};
use crate::secret::Secrets;
use crate::spec::WEB_STATUS_PORT;
use crate::template::{Template, template};

/// Connections above those of clients: for keepalived, hostsplit, Prometheus and people.
const SPARE: u64 = 100;

/// VRRP takes as many characters of a password.
/// <https://www.rfc-editor.org/rfc/rfc2338#section-5.3.10>
const VRRP_PASSWORD: usize = 8;

static HAPROXY: Template = template!("haproxy/haproxy.cfg.hbs");
static KEEPALIVED: Template = template!("keepalived/keepalived.conf.hbs");
static UNIT: Template = template!("keepalived/unit.conf.hbs");

#[derive(Serialize)]
struct Haproxy<'a> {
    instance: &'a str,
    digest: &'static str,
    nbthread: u64,
    maxconn: u64,
    most: u64,
    status: String,
    check: u16,
    statistics: &'a str,
    servers: Vec<Server<'a>>,
    pools: Vec<Pool<'a>>,
    databases: Vec<Database<'a>>,
}

#[derive(Serialize)]
struct Pool<'a> {
    name: &'a str,
    defaults: &'static str,
    binds: [String; 2],
    certificate: Option<Shown<'a>>,
    http: bool,
    health: Option<Asked<'a>>,
    servers: Vec<Server<'a>>,
}

/// The certificate that clients are shown.
#[derive(Clone, Copy, Serialize)]
struct Shown<'a> {
    file: &'static str,
    /// The digest of one of the user's own: with another one, HAProxy runs with another
    /// configuration.
    digest: Option<&'a str>,
}

#[derive(Serialize)]
struct Asked<'a> {
    path: &'a str,
    expected: &'a str,
}

#[derive(Clone, Serialize)]
struct Server<'a> {
    pool: &'a str,
    name: &'a str,
    at: &'a str,
    authority: Option<&'static str>,
    /// The same, where the gateway speaks TLS to it to see whether it serves, and else not.
    checked_by: Option<&'static str>,
    /// Whether it does so without asking who signed its certificate: clients do.
    checked_blindly: bool,
}

#[derive(Serialize)]
struct Keepalived<'a> {
    instance: &'a str,
    service: &'a str,
    address: String,
    status: String,
    vrrp: Option<Vrrp<'a>>,
    fixed: Option<String>,
}

#[derive(Serialize)]
struct Vrrp<'a> {
    nopreempt: bool,
    router_id: u64,
    priority: u64,
    password: &'a str,
    peers: &'a [String],
    virtual_ipaddress: String,
}

/// The settings of an instance, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a Instance);

impl<'a> Reader<'a> {
    pub(super) fn wrong(self, name: &str) -> RecipeError {
        RecipeError::Name { instance: self.0.name.clone(), name: name.to_owned() }
    }

    fn number(self, name: &str) -> Result<u64, RecipeError> {
        let found = self.0.settings.get(name).and_then(Setting::number);
        found.ok_or_else(|| self.wrong(name))
    }

    pub(super) fn words(self, name: &str) -> Result<&'a [String], RecipeError> {
        match self.0.settings.get(name) {
            Some(Setting::Words(words)) => Ok(words),
            _ => Err(self.wrong(name)),
        }
    }

    fn is_on(self, name: &str) -> bool {
        self.0.settings.get(name) == Some(&Setting::Switch(true))
    }

    fn address(self, name: &str) -> Option<String> {
        self.0.settings.get(name).map(ToString::to_string)
    }

    /// The instance's own address, where it says how it is.
    fn own(self) -> Result<String, RecipeError> {
        let address = self.0.address.ok_or_else(|| self.wrong("address"))?;
        Ok(address.to_string())
    }

    fn status(self) -> Result<String, RecipeError> {
        Ok(format!("{}:{STATUS_PORT}", self.own()?))
    }

    /// The frontends by name: where each listens, and what it does with connections.
    pub(super) fn frontends(self) -> impl Iterator<Item = (&'a str, &'a [String; 2])> {
        self.0.settings.iter().filter_map(|(name, value)| {
            let Setting::Words(words) = value else { return None };
            Some((name.strip_prefix("frontend.")?, words.as_slice().try_into().ok()?))
        })
    }

    fn pool(self, name: &'a str, own: Option<&'a str>) -> Result<Pool<'a>, RecipeError> {
        let frontend = format!("frontend.{name}");
        let [bind, mode] = self.words(&frontend)? else { return Err(self.wrong(&frontend)) };
        let (_, port) = bind.rsplit_once(':').ok_or_else(|| self.wrong(&frontend))?;
        let backend = format!("backend.{name}");
        let authority = self.is_on(&format!("{backend}.ssl")).then_some(AUTHORITY);
        let asked = format!("{backend}.health");
        let health = match self.0.settings.get(&asked) {
            None => None,
            Some(_) => {
                let [path, expected] = self.words(&asked)? else { return Err(self.wrong(&asked)) };
                Some(Asked { path, expected })
            }
        };
        let is_checked = mode == "tcp" && health.is_some();
        let is_certified = self.is_on(&format!("{backend}.own_certificate"));
        let checked_by = (is_checked && !is_certified).then_some(AUTHORITY);
        let checked_blindly = is_checked && is_certified;
        let server = |text: &'a String| {
            let (server, at) = text.split_once('=')?;
            Some(Server { pool: name, name: server, at, authority, checked_by, checked_blindly })
        };
        let servers: Option<Vec<Server<'a>>> = self.words(&backend)?.iter().map(server).collect();
        Ok(Pool {
            name,
            defaults: if mode == "tcp" { "_tcp" } else { "_http" },
            binds: [bind.clone(), format!("{LOOPBACK}:{port}")],
            certificate: (mode == "https").then_some(Shown { file: CERTIFICATE, digest: own }),
            http: mode != "tcp",
            health,
            servers: servers.ok_or_else(|| self.wrong(&backend))?,
        })
    }

    /// Whether members of a pool end the TLS of connections that it passes on, by certificates
    /// of the deployment's authority.
    fn passes_on(self) -> bool {
        let is_certified = |name: &str| self.is_on(&format!("backend.{name}.own_certificate"));
        self.frontends().any(|(name, [_, mode])| mode == "tcp" && !is_certified(name))
    }

    fn haproxy(self, statistics: &'a str, own: Option<&'a str>) -> Result<String, RecipeError> {
        let databases = databases::read(self)?;
        let is_of_pool = |name: &&str| {
            !self.frontends().any(|(other, [_, mode])| other == *name && databases::is_front(mode))
        };
        let names = self.0.settings.keys().filter_map(|name| name.strip_prefix("frontend."));
        let names = names.filter(is_of_pool);
        let pools: Vec<Pool<'a>> =
            names.map(|name| self.pool(name, own)).collect::<Result<_, _>>()?;
        let maxconn = self.number("maxconn")?;
        let frontends = pools.len() + databases.len() * Database::FRONTENDS;
        let text = HAPROXY.render(&Haproxy {
            instance: self.0.name.as_str(),
            digest: stamp::BLANK,
            nbthread: self.number("nbthread")?,
            maxconn,
            // Each frontend may be full, and it still says how it is.
            most: maxconn.saturating_mul(frontends.max(1) as u64).saturating_add(SPARE),
            status: self.status()?,
            check: WEB_STATUS_PORT,
            statistics,
            servers: pools.iter().flat_map(|pool| pool.servers.iter().cloned()).collect(),
            pools,
            databases,
        })?;
        Ok(stamp::stamped(&text))
    }

    fn keepalived(self, service: &str, password: &str) -> Result<String, RecipeError> {
        let vrrp = match self.address("vrrp.virtual_ipaddress") {
            None => None,
            Some(virtual_ipaddress) => Some(Vrrp {
                nopreempt: self.is_on("vrrp.nopreempt"),
                router_id: self.number("vrrp.virtual_router_id")?,
                priority: self.number("vrrp.priority")?,
                password: password.get(..VRRP_PASSWORD).unwrap_or(password),
                peers: self.words("vrrp.unicast_peer")?,
                virtual_ipaddress,
            }),
        };
        Ok(KEEPALIVED.render(&Keepalived {
            instance: self.0.name.as_str(),
            service,
            address: self.own()?,
            status: self.status()?,
            vrrp,
            fixed: self.address("virtual_ipaddress"),
        })?)
    }
}

fn file(path: &str, text: String, mode: u32) -> GuestFile {
    GuestFile { path: path.to_owned(), text, mode, owner: ROOT }
}

/// Files with passwords, certificates and keys.
pub(super) fn closed(
    service: &ServicePlan,
    instance: &Instance,
    secrets: &Secrets,
) -> Result<Vec<GuestFile>, RecipeError> {
    let missing = |what| RecipeError::NoSecret { instance: instance.name.clone(), what };
    let secret = |name: &str| secrets.services.get(&service.name)?.get(name);
    let statistics = secret(STATISTICS.name).ok_or_else(|| missing("password of statistics"))?;
    let vrrp = secret(VRRP.name).ok_or_else(|| missing("password of VRRP"))?;
    let mut files = Vec::new();
    let reader = Reader(instance);
    if service.access.tls.is_offered() || reader.passes_on() {
        let identity = secrets.identities.get(&instance.name);
        let identity = identity.ok_or_else(|| missing("certificate"))?;
        let both = format!("{}{}", identity.certificate, identity.key.expose());
        files.push(file(AUTHORITY, identity.authority.clone(), 0o400));
        if service.access.tls.is_offered() {
            files.push(file(CERTIFICATE, both, 0o400));
        }
    }
    let own = service.access.certificate.as_ref().map(|own| own.sha256.as_str());
    files.push(file(CONFIG, reader.haproxy(statistics.expose(), own)?, 0o400));
    let text = reader.keepalived(service.name.as_str(), vrrp.expose())?;
    files.push(file(VRRP_CONFIG, text, 0o400));
    Ok(files)
}

#[derive(Serialize)]
struct Unit<'a> {
    instance: &'a str,
    address: String,
    fixed: Option<String>,
}

/// The other files; the gate comes last.
pub(super) fn plain(_: &ServicePlan, instance: &Instance) -> Result<Vec<GuestFile>, RecipeError> {
    let reader = Reader(instance);
    let (address, fixed) = (reader.own()?, reader.address("virtual_ipaddress"));
    let unit = UNIT.render(&Unit { instance: instance.name.as_str(), address, fixed })?;
    let gate = "# Written by hostsplit: the configuration beside it is its.\n".to_owned();
    Ok(vec![file(VRRP_UNIT_CONFIG, unit, 0o644), file(GATE, gate, 0o644)])
}

/// Replaces the password of the statistics by a mark. That of VRRP has a name that announces
/// it.
pub(super) fn mask(line: &str, mark: &str) -> Option<String> {
    let (before, rest) = line.split_once("stats auth ")?;
    let (user, _) = rest.split_once(':')?;
    Some(format!("{before}stats auth {user}:{mark}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_statistics_is_masked() {
        let masked = mask("    stats auth admin:hunter2", "(secret)");
        assert_eq!(masked.unwrap(), "    stats auth admin:(secret)");
        assert_eq!(mask("    stats uri /", "(secret)"), None);
    }
}
