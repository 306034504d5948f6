//! The program that says to gateways what a server is, and its units: a socket that the
//! server's own unit wants, and a process for each question.

use serde::Serialize;

use super::{Dialect, Package};
use crate::guest_file::GuestFile;
use crate::plan::Instance;
use crate::recipe::{RecipeError, role};
use crate::template::{Template, template};

/// The program.
const SCRIPT: &str = "/etc/mysql/hostsplit-role";
/// The unit that listens.
pub const ROLE_UNIT: &str = "hostsplit-role.socket";
/// Its file.
pub const ROLE_SOCKET: &str = "/etc/systemd/system/hostsplit-role.socket";
const SERVICE: &str = "/etc/systemd/system/hostsplit-role@.service";

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
        address: address.to_string(),
        port: role::PORT,
    };
    Ok(vec![
        file(SCRIPT, 0o500, SCRIPT_SH.render(&values)?),
        file(SERVICE, 0o644, SERVICE_UNIT.render(&values)?),
        file(ROLE_SOCKET, 0o644, SOCKET.render(&values)?),
    ])
}
