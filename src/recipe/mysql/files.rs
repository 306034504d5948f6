//! The files of an instance.

use serde::Serialize;

use super::{
    BACKUP, CONFIG, FILL, FILL_LOG, FILLING, INITIALISE, PORT, Package, REPLICA, ROLE_UNITS,
    SECRETS, SEND, VOLUME, role, secrets,
};
use crate::guest_file::{GuestFile, Owner};
use crate::plan::{Instance, ServicePlan, Setting};
use crate::recipe::mysql::Dialect;
use crate::recipe::{Certificates, Credentials, RecipeError, backup};
use crate::secret::Secrets;
use crate::template::{Template, template};

/// The port at which a MariaDB that is being filled waits for the data, as that of its own
/// state transfers.
/// <https://mariadb.com/kb/en/configuring-mariadb-galera-cluster/>
const FILL_PORT: u16 = 4444;

/// Is there while the server must not be started, since its data is being exchanged.
const FILL_GATE: &str = "/run/hostsplit-filling";

const ROOT: Owner = Owner { user: "root", group: "root" };

static MY_CNF: Template = template!("mysql/my.cnf.hbs");
static UNIT: Template = template!("mysql/unit.conf.hbs");
static INITIALISE_SH: Template = template!("mysql/initialise.sh.hbs");
static FILL_SH: Template = template!("mysql/fill.sh.hbs");
static BACKUP_SH: Template = template!("mysql/backup.sh.hbs");
static SEND_SH: Template = template!("mysql/send.sh.hbs");

#[derive(Serialize)]
struct Options<'a> {
    instance: &'a str,
    options: Vec<String>,
}

/// What the scripts and the unit are filled in with.
#[derive(Serialize)]
struct Values {
    mariadb: bool,
    server: &'static str,
    client: &'static str,
    volume: &'static str,
    directory: String,
    copy_log: &'static str,
    copied: &'static str,
    owner: &'static str,
    initialise: &'static str,
    secrets: &'static str,
    replica: &'static str,
    said: &'static str,
    filling: &'static str,
    gate: &'static str,
    role: String,
    port: u16,
    server_port: u16,
    tls: bool,
    authority: &'static str,
    certificate: &'static str,
    key: &'static str,
}

impl Values {
    fn of(package: &Package, service: &ServicePlan) -> Self {
        let Certificates { authority, certificate, key } = package.tls;
        Self {
            mariadb: package.dialect == Dialect::Mariadb,
            server: package.server,
            client: package.client,
            volume: VOLUME,
            directory: directory(),
            copy_log: backup::LOG,
            copied: backup::RESULT,
            owner: package.owner.user,
            initialise: INITIALISE,
            secrets: SECRETS,
            replica: REPLICA,
            said: FILL_LOG,
            filling: FILLING,
            gate: FILL_GATE,
            role: ROLE_UNITS.join(" "),
            port: FILL_PORT,
            server_port: PORT,
            tls: service.access.tls.is_offered(),
            authority,
            certificate,
            key,
        }
    }
}

/// The data directory: not the volume itself, which holds `lost+found`, so that another one
/// can take its place at once.
pub(super) fn directory() -> String {
    format!("{VOLUME}/data")
}

pub(super) fn plain(
    service: &ServicePlan,
    instance: &Instance,
) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    let values = Values::of(package, service);
    let file = |path: &str, mode: u32, text: String| GuestFile {
        path: path.to_owned(),
        text,
        mode,
        owner: ROOT,
    };
    let mut files = vec![
        file(CONFIG, 0o644, configuration(instance)?),
        file(package.unit_config, 0o644, UNIT.render(&values)?),
        file(FILL, 0o500, FILL_SH.render(&values)?),
        file(BACKUP, 0o500, BACKUP_SH.render(&values)?),
    ];
    if package.dialect == Dialect::Mariadb {
        files.push(file(SEND, 0o500, SEND_SH.render(&values)?));
    }
    files.extend(role::files(package, instance, file)?);
    // It gates the start, so it comes last.
    files.push(file(INITIALISE, 0o500, INITIALISE_SH.render(&values)?));
    Ok(files)
}

pub(super) fn closed(
    service: &ServicePlan,
    instance: &Instance,
    secrets: &Secrets,
) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    let missing = |what| RecipeError::NoSecret { instance: instance.name.clone(), what };
    let mut files = Vec::new();
    let tls = service.access.tls.is_offered();
    if tls {
        let identity = secrets.identities.get(&instance.name);
        let identity = identity.ok_or_else(|| missing("certificate"))?;
        files.extend(package.tls.of(identity, package.owner));
    }
    let credentials = secrets.services.get(&service.name).and_then(Credentials::of);
    let credentials = credentials.ok_or_else(|| missing("password"))?;
    let text = secrets::text(&credentials, package, tls)?;
    files.push(GuestFile { path: SECRETS.to_owned(), text, mode: 0o400, owner: ROOT });
    Ok(files)
}

/// The text of `my.cnf`.
fn configuration(instance: &Instance) -> Result<String, RecipeError> {
    let mut options = Vec::new();
    for (name, value) in &instance.settings {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_./:,".contains(c);
        let written = match value {
            Setting::Words(words) => words.clone(),
            other => vec![option(other)],
        };
        let is_plain =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if name.is_empty() || !is_plain || !written.iter().all(|word| word.chars().all(is_word)) {
            return Err(RecipeError::Name { instance: instance.name.clone(), name: name.clone() });
        }
        options.extend(written.into_iter().map(|word| format!("{name} = {word}")));
    }
    Ok(MY_CNF.render(&Options { instance: instance.name.as_str(), options })?)
}

/// A value as both engines read and report it.
#[must_use]
pub fn option(value: &Setting) -> String {
    match value {
        Setting::Text(text) => text.clone(),
        Setting::Switch(on) => if *on { "ON" } else { "OFF" }.to_owned(),
        Setting::Count(number) | Setting::Bytes(number) | Setting::Millis(number) => {
            number.to_string()
        }
        Setting::Address(address) => address.to_string(),
        Setting::Words(words) => words.join(","),
    }
}
