//! Asks every planned instance what it believes: guests to an [`Observed`].

use std::collections::BTreeMap;

use super::batch::Session;
use super::door::Door;
use super::nodes::{Member, MemberId, parse_info, parse_members};
use super::settings::{self, Running};
use super::steps::{Order, Step};
use super::target::{Seat, Target};
use super::users;
use crate::engine::{Crew, EngineError, Fact};
use crate::ids::InstanceName;

/// The cluster as each instance sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What those who answered see.
    pub views: BTreeMap<InstanceName, View>,
    /// Why the others did not answer.
    pub silent: BTreeMap<InstanceName, EngineError>,
    /// The directives that those who answered run with, or why they do not tell.
    pub settings: BTreeMap<InstanceName, Result<BTreeMap<String, String>, EngineError>>,
    /// What is not as it should be of users and passwords, and how it is.
    pub access: BTreeMap<InstanceName, Vec<(Fact, String)>>,
}

/// What one instance told.
struct Seen {
    view: View,
    settings: Result<Running, EngineError>,
    access: Vec<(Fact, String)>,
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

    /// What will be seen once commands were taken that show at once, and only at
    /// the instance that was told; `None` where there are others among them.
    #[must_use]
    pub fn after(&self, steps: &[Step]) -> Option<Self> {
        let mut next = self.clone();
        for Step { at, order } in steps {
            let mut members = next.views.get_mut(at)?.members.iter_mut();
            let me = members.find(|member| member.myself)?;
            match order {
                Order::SetConfigEpoch(epoch) => me.epoch = *epoch,
                Order::AddSlots(slots) => me.slots = me.slots.union(slots),
                _ => return None,
            }
        }
        Some(next)
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
pub(super) fn observe(crew: &Crew<'_>, target: &Target) -> Observed {
    let mut observed = Observed::default();
    let answers =
        crew.each(&target.seats, |seat| &seat.name, |seat| look(crew, &target.door, seat));
    for (seat, answer) in target.seats.iter().zip(answers) {
        match answer {
            Ok(Seen { view, settings, access }) => {
                observed.views.insert(seat.name.clone(), view);
                observed.settings.insert(seat.name.clone(), settings);
                observed.access.insert(seat.name.clone(), access);
            }
            Err(error) => drop(observed.silent.insert(seat.name.clone(), error)),
        }
    }
    observed
}

/// Asks one instance for everything at once: a `redis-cli` costs an emulated
/// guest more than all the answers.
fn look(crew: &Crew<'_>, door: &Door, seat: &Seat) -> Result<Seen, EngineError> {
    let guest = crew.guest(&seat.name)?;
    let config = settings::question(seat);
    let questions = ["CLUSTER NODES", "CLUSTER INFO", "INFO replication", &config, users::QUESTION];
    let session = Session::asking(&guest, door, (seat.address, seat.port));
    let [nodes, info, replication, settings, told] = session.ask(questions)?;
    let members =
        parse_members(&nodes?).map_err(|error| guest.unreadable("CLUSTER NODES", &error))?;
    let info = info?;
    let state = parse_info(&info).get("cluster_state").copied().unwrap_or_default().to_owned();
    let replica = members.iter().any(|member| member.myself && member.follows.is_some());
    let link = if replica { Some(link(&replication?)) } else { None };
    let access = match told {
        Ok(told) => users::differences(door, &told),
        Err(error) => vec![(Fact::Users, error.to_string())],
    };
    let settings = settings.map(|answer| settings::parse(&answer));
    Ok(Seen { view: View { members, state, link }, settings, access })
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
