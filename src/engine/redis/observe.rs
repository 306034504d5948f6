//! Asks every planned instance what it believes: guests to an [`Observed`].

use std::collections::BTreeMap;
use std::thread;

use super::cli::redis_cli;
use super::nodes::{Member, MemberId, parse_info, parse_members};
use super::target::{Seat, Target};
use crate::engine::{EngineError, Guests};
use crate::ids::InstanceName;

/// Instances that are asked at the same time.
const AT_ONCE: usize = 16;

/// The cluster as each instance sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What those who answered see.
    pub views: BTreeMap<InstanceName, View>,
    /// Why the others did not answer.
    pub silent: BTreeMap<InstanceName, EngineError>,
}

/// The cluster as one instance sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// All members that it knows, itself included.
    pub members: Vec<Member>,
    /// `cluster_state`: `ok` or `fail`.
    pub state: String,
    /// For a replica, the state of its replication.
    pub link: Option<Link>,
}

/// The replication of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether it is in step with its master.
    pub up: bool,
    /// Bytes of a full copy that arrived, while there is one.
    pub copied: u64,
    /// How far in its master's stream it is.
    pub offset: u64,
}

impl Observed {
    /// The same without what moves in a cluster that is at rest.
    #[must_use]
    pub fn at_rest(&self) -> Self {
        let mut rest = self.clone();
        for link in rest.views.values_mut().filter_map(|view| view.link.as_mut()) {
            link.offset = 0;
        }
        rest
    }
}

impl View {
    /// The line of the instance itself.
    #[must_use]
    pub fn me(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.myself)
    }

    /// The line of a member, unless it is a handshake.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id && !member.handshake)
    }
}

/// Asks all instances of a target.
pub(super) fn observe(guests: &dyn Guests, target: &Target) -> Observed {
    let mut observed = Observed::default();
    for seats in target.seats.chunks(AT_ONCE) {
        let answers = thread::scope(|scope| {
            let asked: Vec<_> =
                seats.iter().map(|seat| (seat, scope.spawn(|| look(guests, seat)))).collect();
            let joined = asked.into_iter().map(|(seat, thread)| (seat, thread.join()));
            joined.collect::<Vec<_>>()
        });
        for (seat, answer) in answers {
            match answer {
                Ok(Ok(view)) => drop(observed.views.insert(seat.name.clone(), view)),
                Ok(Err(error)) => drop(observed.silent.insert(seat.name.clone(), error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }
    observed
}

fn look(guests: &dyn Guests, seat: &Seat) -> Result<View, EngineError> {
    let guest = guests.guest(&seat.name)?;
    let ask = |words: &[&str]| redis_cli(&guest, seat.address, seat.port, words);
    let members = parse_members(&ask(&["CLUSTER", "NODES"])?)
        .map_err(|error| guest.unreadable("CLUSTER NODES", &error))?;
    let info = ask(&["CLUSTER", "INFO"])?;
    let state = parse_info(&info).get("cluster_state").copied().unwrap_or_default().to_owned();
    let replica = members.iter().any(|member| member.myself && member.follows.is_some());
    let link = if replica { Some(link(&ask(&["INFO", "replication"])?)) } else { None };
    Ok(View { members, state, link })
}

fn link(info: &str) -> Link {
    let info = parse_info(info);
    let number = |name| info.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    Link {
        up: info.get("master_link_status") == Some(&"up"),
        copied: number("master_sync_read_bytes"),
        offset: number("slave_repl_offset"),
    }
}
