//! Asks every planned server what it is, and whom it sees.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::sql;
use crate::engine::mysql::session::{self, Rows};
use crate::engine::mysql::target::Target;
use crate::engine::mysql::transactions::Transactions;
use crate::engine::{EngineError, cluster};
use crate::guest::Guest;
use crate::ids::InstanceName;

/// A service as its servers report it.
pub type Observed = cluster::Observed<Member>;

/// What a server reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its identity in the group.
    pub id: String,
    /// Whether it takes writes of clients.
    pub writable: bool,
    /// Whether it lets no clients in.
    pub closed: bool,
    /// Whether it would start another group, were it started now.
    pub founds: bool,
    /// Whether it has what hostsplit makes on the first primary.
    pub formed: bool,
    /// The mark of the passwords that its users were given last.
    pub users: String,
    /// The transactions that it has.
    pub transactions: Transactions,
    /// Whom it sees in its group by their identities, itself among them.
    pub sees: BTreeMap<String, Sight>,
    /// Bytes that it has copied of another one's data.
    pub copied: u64,
    /// The planned options that it runs with, as it reports them.
    pub settings: BTreeMap<String, String>,
}

/// What a member makes of one of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Where it is.
    pub address: Option<Ipv4Addr>,
    /// How it is.
    pub state: State,
    /// Whether it is the primary.
    pub is_primary: bool,
}

/// How a member is, as it or another one says.
/// <https://dev.mysql.com/doc/refman/8.4/en/group-replication-server-states.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// In no group.
    #[default]
    Offline,
    /// It gets what it lacks.
    Recovering,
    /// It has what the others have.
    Online,
    /// It was put out, or has given up.
    Error,
    /// It does not answer the others.
    Unreachable,
}

impl State {
    fn read(word: &str) -> Self {
        match word {
            "ONLINE" => Self::Online,
            "RECOVERING" => Self::Recovering,
            "ERROR" => Self::Error,
            "UNREACHABLE" => Self::Unreachable,
            _ => Self::Offline,
        }
    }

    /// The engine's own word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "OFFLINE",
            Self::Recovering => "RECOVERING",
            Self::Online => "ONLINE",
            Self::Error => "ERROR",
            Self::Unreachable => "UNREACHABLE",
        }
    }
}

impl Member {
    /// How it is, as it says itself.
    pub(super) fn state(&self) -> State {
        self.sees.get(&self.id).map(|own| own.state).unwrap_or_default()
    }

    /// Whether it belongs to a group of which it reaches a majority: the group is there, and no
    /// other one can be.
    pub(super) fn has_majority(&self) -> bool {
        let is_in = matches!(self.state(), State::Online | State::Recovering);
        let reached = self.sees.values().filter(|one| one.state != State::Unreachable).count();
        is_in && reached * 2 > self.sees.len()
    }

    /// Whether it belongs to a group, or did until it lost the others.
    pub(super) fn is_in_a_group(&self) -> bool {
        matches!(self.state(), State::Online | State::Recovering)
    }
}

/// Asks the server of a guest for everything.
pub(super) fn look(
    guest: &Guest<'_>,
    target: &Target,
    name: &InstanceName,
) -> Result<Member, EngineError> {
    let settings = target.settings.get(name);
    let options: Vec<&str> = settings.into_iter().flatten().map(|one| one.0.as_str()).collect();
    let rows = session::send(guest, target.package, &sql::look(&options), session::asking())?;
    read(&rows, &options).ok_or_else(|| {
        guest.unreadable(target.package.client, &"not what a member of a group reports").into()
    })
}

fn read(rows: &Rows, options: &[&str]) -> Option<Member> {
    let is_on = |column: &str| Some(matches!(rows.first(column)?, "1" | "ON"));
    let columns = ["member_id", "member_host", "member_state", "member_role"];
    let [ids, hosts, states, roles] = columns.map(|column| rows.all(column).collect::<Vec<_>>());
    let sight = |(((id, host), state), role): (((&&str, &&str), &&str), &&str)| {
        let sight = Sight {
            address: host.parse().ok(),
            state: State::read(state),
            is_primary: *role == "PRIMARY",
        };
        ((*id).to_owned(), sight)
    };
    let sees = ids.iter().zip(&hosts).zip(&states).zip(&roles).map(sight).collect();
    let value = |name: &&str| Some(((*name).to_owned(), rows.variable(name).next()?.to_owned()));
    Some(Member {
        id: rows.first("id")?.to_owned(),
        writable: !is_on("super_read_only")?,
        closed: is_on("offline_mode")?,
        founds: is_on("founds")?,
        formed: rows.first("formed")? != "0",
        users: rows.first("users").unwrap_or_default().to_owned(),
        transactions: Transactions::of_mysql(rows.first("executed")?)?,
        sees,
        copied: rows.first("copied").and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
        settings: options.iter().filter_map(value).collect(),
    })
}
