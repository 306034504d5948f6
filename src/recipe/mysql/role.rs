//! The programs that say to gateways what a server is, and their units: one asks the server all
//! the time over one connection, and a socket starts another one for each question of a gateway,
//! which reads what was noted. A client of the server for each question would cost more than some
//! servers do.

use serde::Serialize;

use super::{Dialect, Package};
use crate::guest_file::GuestFile;
use crate::plan::Instance;
use crate::recipe::{RecipeError, role};
use crate::template::{Template, template};

/// The program that answers.
const SCRIPT: &str = "/etc/mysql/hostsplit-role";
/// The program that asks.
const ASKER: &str = "/etc/mysql/hostsplit-ask";
/// The units that run all the time: who asks, and the socket.
pub const ROLE_UNITS: [&str; 2] = ["hostsplit-ask.service", "hostsplit-role.socket"];
/// The files by which these run.
pub const ROLE_FILES: [&str; 3] = [
    ASKER,
    "/etc/systemd/system/hostsplit-ask.service",
    "/etc/systemd/system/hostsplit-role.socket",
];
const SERVICE: &str = "/etc/systemd/system/hostsplit-role@.service";
/// Below `/run`, where the answer is noted.
const DIRECTORY: &str = "hostsplit-role";
/// Seconds for which an answer counts: it is asked for every second, which takes longer in a slow
/// guest.
const AGE_S: u32 = 5;

static ASK_SH: Template = template!("mysql/ask.sh.hbs");
static ASK_UNIT: Template = template!("mysql/ask.service.hbs");
static SCRIPT_SH: Template = template!("mysql/role.sh.hbs");
static SOCKET: Template = template!("mysql/role.socket.hbs");
static SERVICE_UNIT: Template = template!("mysql/role.service.hbs");

#[derive(Serialize)]
struct Values<'a> {
    instance: &'a str,
    mariadb: bool,
    client: &'static str,
    word: &'static str,
    source: &'static str,
    primary: &'static str,
    replica: &'static str,
    behind: u32,
    script: &'static str,
    asker: &'static str,
    server: &'static str,
    directory: &'static str,
    noted: String,
    age: u32,
    address: String,
    port: u16,
}

/// All files of it.
pub(super) fn files(
    package: &Package,
    instance: &Instance,
    file: impl Fn(&str, u32, String) -> GuestFile,
) -> Result<Vec<GuestFile>, RecipeError> {
    let address = instance.address.ok_or_else(|| RecipeError::Name {
        instance: instance.name.clone(),
        name: "address".to_owned(),
    })?;
    let (word, source) = match package.dialect {
        Dialect::Mysql => ("Replica", "Source"),
        Dialect::Mariadb => ("Slave", "Master"),
    };
    let values = Values {
        instance: instance.name.as_str(),
        mariadb: package.dialect == Dialect::Mariadb,
        client: package.client,
        word,
        source,
        primary: role::PRIMARY,
        replica: role::REPLICA,
        behind: role::MOST_BEHIND_S,
        script: SCRIPT,
        asker: ASKER,
        server: package.unit(),
        directory: DIRECTORY,
        noted: format!("/run/{DIRECTORY}/is"),
        age: AGE_S,
        address: address.to_string(),
        port: role::PORT,
    };
    let [asker, ask_unit, socket] = ROLE_FILES;
    Ok(vec![
        file(asker, 0o500, ASK_SH.render(&values)?),
        file(ask_unit, 0o644, ASK_UNIT.render(&values)?),
        file(SCRIPT, 0o555, SCRIPT_SH.render(&values)?),
        file(SERVICE, 0o644, SERVICE_UNIT.render(&values)?),
        file(socket, 0o644, SOCKET.render(&values)?),
    ])
}
