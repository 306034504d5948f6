//! What each engine needs inside a guest, as data and pure functions: the values of
//! its configuration ([`Recipe::settings`], part of every plan) and, for engines that
//! can be deployed, units, files and secrets ([`Setup`]).
//!
//! One file for each family of engines. What runs in the guest is observed and
//! changed by [`crate::engine`]; nothing here has an effect.

pub mod backup;
mod credentials;
pub mod haproxy;
pub mod mysql;
pub mod redis;
pub mod role;
pub mod search;
mod stamp;
pub mod web;

pub use self::credentials::Credentials;
pub use self::haproxy::groups as groups_at_gateway;
pub use self::redis::{seeds, slots};

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::engines::{Cluster, Engine};
use crate::guest_file::{GuestFile, Owner};
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, ServicePlan, Settings};
use crate::profile::{Profile, Profiles};
use crate::secret::{Identity, SecretNeed, Secrets};
use crate::template::TemplateError;

/// How an engine is configured and set up.
pub struct Recipe {
    /// Every value that goes into the configuration of one instance, by the engine's
    /// own names.
    pub settings: fn(&Planned<'_>) -> Settings,
    /// The settings that a person asks for first, in the order in which they are shown.
    pub main: &'static [&'static str],
    /// What a guest needs to run it; `None` where the engine can only be planned.
    pub setup: Option<&'static Setup>,
}

/// What a guest needs to run an engine, and what the engine needs of its guest.
///
/// As Debian 13 packages it; an image made of something else has to lay its engines
/// out in the same way.
pub struct Setup {
    /// Its systemd units, without `.service`, in the order of their start.
    pub units: &'static [&'static str],
    /// The file that the units must not start without: with the secrets of the service, or
    /// the word that it has none.
    pub gate: &'static str,
    /// Where it keeps its data: the data volume is mounted there.
    pub data: &'static str,
    /// User and group that it runs as.
    pub owner: Owner,
    /// Lines for sysctl.d.
    pub sysctls: &'static [&'static str],
    /// Lines for tmpfiles.d.
    pub tmpfiles: &'static [&'static str],
    /// The secrets that the instances of a service share, where it asks for a password.
    pub secrets: &'static [SecretNeed],
    /// Files that follow from the plan alone, those that others include first.
    pub plain: fn(&ServicePlan, &Instance) -> Result<Vec<GuestFile>, RecipeError>,
    /// Replaces the secrets in a line of its files by a mark, where the name of a
    /// directive does not announce them; `None` for a line without.
    pub mask: fn(&str, &str) -> Option<String>,
    /// The program in its guests that copies its data to an empty disk while it serves (see
    /// [`backup`]), where its data can be copied so.
    pub backup: Option<&'static str>,
    /// Files with passwords, certificates and keys.
    pub closed: fn(&ServicePlan, &Instance, &Secrets) -> Result<Vec<GuestFile>, RecipeError>,
}

impl Setup {
    /// All files of an instance, those that others include first.
    ///
    /// # Errors
    /// A secret that is not there; a setting that cannot be written.
    pub fn files(
        &self,
        service: &ServicePlan,
        instance: &Instance,
        secrets: &Secrets,
    ) -> Result<Vec<GuestFile>, RecipeError> {
        let mut files = (self.closed)(service, instance, secrets)?;
        files.extend((self.plain)(service, instance)?);
        Ok(files)
    }
}

/// Files of an instance that speaks TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The certificate of who signed all certificates.
    pub authority: &'static str,
    /// Its own certificate.
    pub certificate: &'static str,
    /// Its own key.
    pub key: &'static str,
}

impl Certificates {
    /// All of them.
    #[must_use]
    pub const fn files(&self) -> [&'static str; 3] {
        [self.authority, self.certificate, self.key]
    }

    /// The files of an instance, which its user alone may read.
    fn of(&self, identity: &Identity, owner: Owner) -> [GuestFile; 3] {
        let Identity { authority, certificate, key } = identity;
        let texts = [authority.as_str(), certificate.as_str(), key.expose()];
        let mut texts = texts.into_iter();
        self.files().map(|path| GuestFile {
            path: path.to_owned(),
            text: texts.next().unwrap_or_default().to_owned(),
            mode: 0o400,
            owner,
        })
    }
}

/// Why an instance's files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A template refers to something that nobody set, or is malformed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A name that the engine would read as something else.
    #[error("instance {instance}: {name:?} is not the name of a setting")]
    Name {
        /// The instance.
        instance: InstanceName,
        /// The name.
        name: String,
    },
    /// A secret that was not made yet.
    #[error("instance {instance}: its {what} was not made; `hostsplit deploy` makes it")]
    NoSecret {
        /// The instance.
        instance: InstanceName,
        /// What is missing.
        what: &'static str,
    },
}

/// An instance of a complete plan whose settings are to be found.
#[derive(Clone, Copy)]
pub struct Planned<'a> {
    /// The plan; the settings of its instances are not there yet.
    pub plan: &'a Plan,
    /// The service.
    pub service: &'a ServicePlan,
    /// The instance.
    pub instance: &'a Instance,
    /// What the engine can do.
    pub profile: &'a Profile,
}

impl<'a> Planned<'a> {
    /// All instances of the service, this one among them.
    fn members(self) -> impl Iterator<Item = &'a Instance> {
        self.plan.members(&self.service.name)
    }
}

/// The recipe of an engine.
#[must_use]
pub const fn of(engine: Engine) -> &'static Recipe {
    match engine {
        Engine::Redis | Engine::Valkey => redis::recipe(engine),
        Engine::Mysql => &mysql::MYSQL,
        Engine::Mariadb => &mysql::MARIADB,
        Engine::Elasticsearch => &search::ELASTICSEARCH,
        Engine::Opensearch => &search::OPENSEARCH,
        Engine::Apache => &web::APACHE,
        Engine::Nginx => &web::NGINX,
        Engine::Haproxy => &haproxy::HAPROXY,
    }
}

/// The secrets that the instances of a service share.
#[must_use]
pub fn secret_needs(engine: Engine) -> &'static [SecretNeed] {
    of(engine).setup.map_or(&[], |setup| setup.secrets)
}

/// The settings of an instance of a plan; none for a fixed machine.
#[must_use]
pub fn settings(plan: &Plan, instance: &Instance, profiles: &Profiles) -> Settings {
    let Some(service) = plan.service_of(instance) else { return Settings::new() };
    let Some(profile) = profiles.of(service.engine) else { return Settings::new() };
    (of(service.engine).settings)(&Planned { plan, service, instance, profile })
}

/// Where clients of a pool or a gateway come in, and whether encrypted: by address, where it
/// is not the instance's own.
#[must_use]
pub fn doors(plan: &Plan, instance: &Instance) -> Option<BTreeSet<(Option<Ipv4Addr>, u16, bool)>> {
    let service = plan.service_of(instance)?;
    let access = &service.access;
    Some(match service.engine.cluster() {
        Cluster::Pool => [(None, access.web_port(), access.tls.is_offered())].into(),
        Cluster::GatewayPair => {
            let address = plan.vip_of(service);
            let pools = haproxy::frontends(plan, service).into_iter();
            let databases = haproxy::databases(plan, service).into_iter().flat_map(|one| {
                let encrypted = one.database.access.tls.is_offered();
                [one.ports.writes, one.ports.reads].map(|port| (address, port, encrypted))
            });
            pools.map(|one| (address, one.port, one.encrypted)).chain(databases).collect()
        }
        _ => return None,
    })
}

/// Settings from pairs.
fn settings_of<const N: usize>(pairs: [(&str, crate::plan::Setting); N]) -> Settings {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
