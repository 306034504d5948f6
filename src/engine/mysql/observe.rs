//! Asks every planned server what it is: guests to an [`Observed`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::session::{self, Row, Rows, column};
use super::sql;
use super::target::Target;
use super::transactions::Transactions;
use crate::engine::{EngineError, cluster};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::recipe::mysql::{Dialect, FILL_LOG, FILL_UNIT, Package};

/// A service as its servers report it.
pub type Observed = cluster::Observed<Seen>;

/// How long a small command may take in an emulated guest.
const SMALL: Duration = Duration::from_secs(60);

/// Seconds that a replica may be behind for it to take over: longer would be an outage.
const CLOSE_S: u64 = 5;

/// What one instance reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is being filled from another one.
    Filling {
        /// What is on its volume, with what the filling says, in bytes: while the data that has
        /// arrived is made consistent, only that grows.
        bytes: u64,
    },
    /// Its server answers.
    Server(Box<Server>),
}

/// What a server reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Whether it takes writes of clients.
    pub writable: bool,
    /// Whether it has what hostsplit makes on the first primary.
    pub formed: bool,
    /// The mark of the passwords that its users were given last.
    pub users: String,
    /// The transactions that it has applied.
    pub transactions: Transactions,
    /// Their identifiers as it spells them, to wait for.
    pub position: String,
    /// Whom it copies, if anybody.
    pub source: Option<Source>,
    /// Whether it waits for acknowledgements, as a primary does.
    pub waits: bool,
    /// Whether it acknowledges, as a replica does.
    pub acknowledges: bool,
    /// Whether its connection to whom it copies is one on which it acknowledges.
    pub sends_acknowledgements: bool,
    /// Whether acknowledgements are being waited for now.
    pub waiting: bool,
    /// Replicas that it sends to and that acknowledge.
    pub acknowledging: u64,
    /// Transactions since its start that a replica has acknowledged.
    pub acknowledged: u64,
    /// Those that none has.
    pub alone: u64,
    /// The planned options that it runs with, as it reports them.
    pub settings: BTreeMap<String, String>,
    /// What the last filling said, where it did not end well.
    pub fault: Option<String>,
}

/// The replication of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whom it copies.
    pub address: Option<Ipv4Addr>,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether it is to be: it has been started.
    pub started: bool,
    /// Whether it applies what arrives.
    pub applies: bool,
    /// Whether all that has arrived is applied.
    pub drained: bool,
    /// The number of the error for which it is not connected; 0 for none.
    pub error_number: u32,
    /// Why it is not connected, or does not apply.
    pub error: Option<String>,
    /// How far behind its primary it is, in seconds; `None` where it does not know.
    pub behind_s: Option<u64>,
}

impl Source {
    /// Whether it could take over within a moment: what it is behind by is an outage then.
    pub(super) fn is_close(&self) -> bool {
        self.is_up() && self.behind_s.is_some_and(|behind| behind <= CLOSE_S)
    }

    /// Whether it is in step with whom it copies.
    pub(super) const fn is_up(&self) -> bool {
        self.connected && self.applies
    }
}

impl Seen {
    /// The server, where it answers.
    pub(super) fn server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::Filling { .. } => None,
        }
    }
}

/// Asks the server of a guest for everything.
pub(super) fn look(
    guest: &Guest<'_>,
    target: &Target,
    name: &InstanceName,
) -> Result<Seen, EngineError> {
    let package = target.package;
    let options: Vec<&str> = target
        .settings
        .get(name)
        .map(|settings| settings.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let script = sql::look(package.dialect, &options);
    let answer = session::send(guest, package, &script, session::asking());
    let server = match answer {
        Ok(rows) => read(guest, package, (&rows, &options))?,
        // It is off while it is being filled, or started anew.
        Err(error) if error.is_of_command() => {
            return filling(guest)?.ok_or(error);
        }
        Err(error) => return Err(error),
    };
    if server.formed {
        return Ok(Seen::Server(Box::new(server)));
    }
    if let Some(filling) = filling(guest)? {
        return Ok(filling);
    }
    let said = guest.read_file(FILL_LOG)?.unwrap_or_default();
    let fault = said.lines().last().map(str::to_owned);
    Ok(Seen::Server(Box::new(Server { fault, ..server })))
}

/// How far the filling of a server is; `None` where it is not being filled.
pub(super) fn filling(guest: &Guest<'_>) -> Result<Option<Seen>, EngineError> {
    let state = guest.run(&["systemctl", "is-active", FILL_UNIT], SMALL)?;
    if !matches!(state.stdout.trim(), "active" | "activating" | "deactivating") {
        return Ok(None);
    }
    let size = guest.run(&["du", "-sb", "/var/lib/mysql"], SMALL)?;
    let bytes = size.stdout.split_whitespace().next().and_then(|bytes| bytes.parse().ok());
    Ok(Some(Seen::Filling { bytes: bytes.unwrap_or_default() }))
}

fn settings(rows: &Rows, options: &[&str]) -> BTreeMap<String, String> {
    let value = |name: &&str| Some(((*name).to_owned(), rows.variable(name).next()?.to_owned()));
    options.iter().filter_map(value).collect()
}

fn read(
    guest: &Guest<'_>,
    package: &Package,
    (rows, options): (&Rows, &[&str]),
) -> Result<Server, EngineError> {
    let dialect = package.dialect;
    let value = |column: &'static str| {
        rows.first(column).ok_or_else(|| guest.unreadable(package.client, &format!("no {column}")))
    };
    let is_on = |text: &str| matches!(text, "1" | "ON" | "Yes");
    let (transactions, position) = match dialect {
        Dialect::Mysql => {
            let executed = value("executed")?;
            (Transactions::of_mysql(executed), executed)
        }
        Dialect::Mariadb => {
            let current = value("current")?;
            let all = Transactions::of_mariadb(current, value("applied")?, value("logged")?);
            (all, current)
        }
    };
    // Until its position is set, nothing that it was filled with counts.
    let is_half_filled = rows.first("filling").is_some_and(is_on);
    if is_half_filled {
        return Ok(Server { writable: false, ..Server::default() });
    }
    let transactions = transactions.ok_or_else(|| guest.unreadable(package.client, &position))?;
    let is_closed = is_on(value("read_only")?) || rows.first("super_read_only").is_some_and(is_on);
    let status = |rest: &str| {
        rows.variable(&sql::semi_sync(dialect, rest)).next().unwrap_or_default().to_owned()
    };
    let number = |rest: &str| status(rest).parse().unwrap_or_default();
    let option = |name: &str| rows.variable(name).next().is_some_and(is_on);
    Ok(Server {
        writable: !is_closed,
        formed: value("formed")? != "0",
        users: rows.first("users").unwrap_or_default().to_owned(),
        source: source(dialect, rows, &transactions),
        transactions,
        position: position.to_owned(),
        waits: option(sql::waits(dialect)),
        acknowledges: option(sql::acknowledges(dialect)),
        sends_acknowledgements: option(sql::acknowledging(dialect)),
        waiting: is_on(&status("status")),
        acknowledging: number("clients"),
        acknowledged: number("yes_tx"),
        alone: number("no_tx"),
        settings: settings(rows, options),
        fault: None,
    })
}

/// The replication of a server that has a source.
fn source(dialect: Dialect, rows: &Rows, applied: &Transactions) -> Option<Source> {
    let (host, role) = match dialect {
        Dialect::Mysql => ("Source_Host", "Replica"),
        Dialect::Mariadb => ("Master_Host", "Slave"),
    };
    let row: &Row = rows.with(host)?;
    let of = |name: &str| column(row, name).unwrap_or_default();
    let address = of(host);
    if address.is_empty() {
        return None;
    }
    let reads = of(&format!("{role}_IO_Running"));
    let received = match dialect {
        Dialect::Mysql => Transactions::of_mysql(&of("Retrieved_Gtid_Set").replace('\n', "")),
        Dialect::Mariadb => Transactions::of_mariadb(of("Gtid_IO_Pos"), "", ""),
    };
    let error =
        [of("Last_IO_Error"), of("Last_SQL_Error")].into_iter().find(|text| !text.is_empty());
    let behind = match dialect {
        Dialect::Mysql => of("Seconds_Behind_Source"),
        Dialect::Mariadb => of("Seconds_Behind_Master"),
    };
    Some(Source {
        address: address.parse().ok(),
        connected: reads == "Yes",
        started: reads != "No",
        applies: of(&format!("{role}_SQL_Running")) == "Yes",
        drained: received.is_none_or(|received| applied.contain(&received)),
        error_number: of("Last_IO_Errno").parse().unwrap_or_default(),
        error: error.map(str::to_owned),
        behind_s: behind.parse().ok(),
    })
}

/// Whether the server in a guest takes writes of clients.
pub(super) fn takes_writes(guest: &Guest<'_>, package: &Package) -> Result<bool, EngineError> {
    let statement = sql::is_closed(package.dialect);
    let rows = session::send(guest, package, statement, session::asking())?;
    match rows.first("closed") {
        Some("0") => Ok(true),
        Some(_) => Ok(false),
        None => Err(guest.unreadable(package.client, &"no answer").into()),
    }
}
