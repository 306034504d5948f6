//! Databases behind a gateway: for each group a port for writes, which leads to the one server
//! that says that it takes them, and one for reads.
//!
//! - `inter 2s fastinter 500ms fall 2`: a server that is no primary any more is left after 2.5 s,
//!   and its connections are closed: they would go on read-only. `rise 1`: one yes is a yes.
//! - `timeout check 4s`: a guest that is slow starts the program that is asked within that.
//! - `nbsrv eq 1`: where none says that it takes writes, or several do, a new connection waits
//!   for 2 s and is refused then, if that has not changed. HAProxy takes every server for one
//!   that serves until it has asked it once, so that there are several after its start.
//! - Reads go to the primary too where no other server serves them; all that serve them at
//!   once have not been asked yet.
//! - 8 h: as long as both engines wait for a statement (`wait_timeout`).

use serde::Serialize;

use super::files::Reader;
use crate::plan::{Instance, Plan, ServicePlan, Setting, Settings};
use crate::recipe::{RecipeError, role};
use crate::spec::{Cluster, DATABASE_PORT, GroupPorts};

/// What a frontend is for, in the settings of a gateway.
const WRITES: &str = "writes";
const READS: &str = "reads";

/// A group of a database at a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFront<'a> {
    /// The database.
    pub database: &'a ServicePlan,
    /// Its group.
    pub group: u32,
    /// What it is called in the configuration of the gateway.
    pub name: String,
    /// Its ports.
    pub ports: GroupPorts,
}

impl DatabaseFront<'_> {
    /// The word for a group without a server that takes writes.
    #[must_use]
    pub fn nobody(&self) -> String {
        format!("{}:nobody", self.name)
    }

    /// The word for a group with several servers that say that they take writes.
    #[must_use]
    pub fn several(&self) -> String {
        format!("{}:several", self.name)
    }

    /// The word for a group whose servers were not all asked yet.
    #[must_use]
    pub fn unasked(&self) -> String {
        format!("{}:unasked", self.name)
    }
}

/// The groups of all databases behind a gateway.
#[must_use]
pub fn databases<'a>(plan: &'a Plan, gateway: &ServicePlan) -> Vec<DatabaseFront<'a>> {
    let behind = plan.services.iter().filter(|one| one.gateway.as_ref() == Some(&gateway.name));
    let all = behind.filter(|one| one.engine.cluster() == Cluster::PrimaryReplica);
    all.flat_map(groups).collect()
}

/// The groups of a database at its gateway.
pub fn groups(database: &ServicePlan) -> impl Iterator<Item = DatabaseFront<'_>> {
    database.groups.iter().filter_map(move |group| {
        let name = match group.index {
            0 => database.name.to_string(),
            index => format!("{}.{index}", database.name),
        };
        let ports = database.access.group_ports(group.index)?;
        Some(DatabaseFront { database, group: group.index, name, ports })
    })
}

/// The settings of a gateway for the databases behind it.
pub(super) fn settings(
    plan: &Plan,
    gateway: &ServicePlan,
    address: Option<std::net::Ipv4Addr>,
) -> Settings {
    let mut settings = Settings::new();
    for DatabaseFront { database, group, name, ports } in databases(plan, gateway) {
        if let Some(address) = address {
            let bind =
                |port, what: &str| Setting::words([format!("{address}:{port}"), what.to_owned()]);
            settings.insert(format!("frontend.{name}"), bind(ports.writes, WRITES));
            settings.insert(format!("frontend.{name}.reads"), bind(ports.reads, READS));
        }
        let server =
            |one: &Instance| Some(format!("{}={}:{DATABASE_PORT}", one.name, one.address?));
        let members = plan.members(&database.name).filter(|one| one.group == Some(group));
        settings.insert(format!("backend.{name}"), Setting::words(members.filter_map(server)));
    }
    settings
}

/// A group in the configuration of HAProxy.
#[derive(Serialize)]
pub(super) struct Database<'a> {
    name: &'a str,
    writes: &'a str,
    reads: &'a str,
    nobody: String,
    several: String,
    unasked: String,
    all: usize,
    port: u16,
    primary: &'static str,
    replica: &'static str,
    servers: Vec<Server<'a>>,
}

#[derive(Serialize)]
struct Server<'a> {
    name: &'a str,
    at: &'a str,
}

impl Database<'_> {
    /// How many frontends there are for it.
    pub(super) const FRONTENDS: usize = 2;
}

/// Whether a frontend is one of a database.
pub(super) fn is_front(mode: &str) -> bool {
    [WRITES, READS].contains(&mode)
}

/// The groups in the settings of an instance.
pub(super) fn read<'a>(reader: Reader<'a>) -> Result<Vec<Database<'a>>, RecipeError> {
    let mut found = Vec::new();
    for (name, [writes, mode]) in reader.frontends() {
        if mode != WRITES {
            continue;
        }
        let missing = || reader.wrong(&format!("frontend.{name}"));
        let reads = reader.words(&format!("frontend.{name}.reads"))?;
        let server = |text: &'a String| {
            let (name, at) = text.split_once('=')?;
            Some(Server { name, at })
        };
        let servers = reader.words(&format!("backend.{name}"))?;
        let servers: Vec<Server<'a>> =
            servers.iter().map(server).collect::<Option<_>>().ok_or_else(missing)?;
        let word = |what: &str| format!("{name}:{what}");
        found.push(Database {
            name,
            writes,
            reads: reads.first().ok_or_else(missing)?,
            nobody: word("nobody"),
            several: word("several"),
            unasked: word("unasked"),
            all: servers.len(),
            port: role::PORT,
            primary: role::PRIMARY,
            replica: role::REPLICA,
            servers,
        });
    }
    Ok(found)
}
