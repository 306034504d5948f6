//! Asks every planned instance what it believes: guests to an [`Observed`].

use super::access::ClientAccess;
use super::nodes::{NodeId, NodeLine, parse_info, parse_nodes};
use super::session::Session;
use super::settings::{self, Running};
use super::steps::{Order, Step};
use super::target::Member;
use super::users;
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError, Fact, cluster};
use crate::ids::InstanceName;
use crate::plan::Setting;

/// The cluster as each instance sees it.
pub type Observed = cluster::Observed<Seen>;

/// What one instance reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The cluster as it sees it.
    pub view: NodeView,
    /// The directives that it runs with, or why it does not report them.
    pub settings: Result<Running, EngineError>,
    /// What is not as it should be of users and passwords, and how it is.
    pub users: Vec<(Fact, String)>,
}

/// The cluster as one instance sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// All nodes that it knows, itself included.
    pub nodes: Vec<NodeLine>,
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
    /// Whether it knows no port of its master: the one that it used was closed before the
    /// cluster changed over to encrypted connections, or back.
    pub astray: bool,
    /// Bytes of a full copy that arrived, while there is one.
    pub copied: u64,
    /// How far in its master's stream it is.
    pub offset: u64,
    /// Whether it takes over by order only: it has not reached its master since it was
    /// started, or for more than eleven node time-outs, and leaves it to a person whether its
    /// data is recent enough (`cluster-replica-validity-factor`).
    pub outdated: bool,
}

/// What will be seen once commands were taken that show at once, and only at the
/// instances that were commanded; `None` where there are others among them.
pub(super) fn after(observed: &Observed, steps: &[Step]) -> Option<Observed> {
    let mut next = observed.clone();
    for Step { at, order } in steps {
        if let Order::Move { slots, to, .. } = order {
            let giver = next.seen.get_mut(at)?.view.me_mut()?;
            giver.slots = giver.slots.minus(slots);
            giver.moving.clear();
            let receiver = next.seen.get_mut(to)?.view.me_mut()?;
            receiver.slots = receiver.slots.union(slots);
            receiver.moving.clear();
            continue;
        }
        let mut nodes = next.seen.get_mut(at)?.view.nodes.iter_mut();
        let me = nodes.find(|node| node.myself)?;
        match order {
            Order::SetConfigEpoch(epoch) => me.epoch = *epoch,
            Order::AddSlots(slots) => me.slots = me.slots.union(slots),
            _ => return None,
        }
    }
    Some(next)
}

impl NodeView {
    /// The line of the instance itself.
    #[must_use]
    pub fn me(&self) -> Option<&NodeLine> {
        self.nodes.iter().find(|node| node.myself)
    }

    fn me_mut(&mut self) -> Option<&mut NodeLine> {
        self.nodes.iter_mut().find(|node| node.myself)
    }

    /// The line of a node, unless it is a handshake.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&NodeLine> {
        self.nodes.iter().find(|node| node.id == *id && !node.handshake)
    }
}

/// Asks one instance for everything at once, from the guest of `via`: a `redis-cli` costs
/// an emulated guest more than all the answers.
pub(super) fn look(
    crew: &Crew<'_>,
    access: &ClientAccess,
    member: &Member,
    via: &InstanceName,
) -> Result<Seen, EngineError> {
    let guest = crew.guest(via)?;
    let config = settings::question(member);
    let questions = ["CLUSTER NODES", "CLUSTER INFO", "INFO replication", &config, users::QUESTION];
    let session = Session::asking(&guest, access, (member.address, member.port));
    let answers = session.ask_by_any_way(&questions.map(str::to_owned))?;
    let answers: Result<[Answer; 5], _> = answers.try_into();
    let unread = |_| guest.unreadable("CLUSTER NODES", &"answers are missing");
    let [nodes, info, replication, settings, reported] = answers.map_err(unread)?;
    let nodes = parse_nodes(&nodes?).map_err(|error| guest.unreadable("CLUSTER NODES", &error))?;
    let info = info?;
    let state = parse_info(&info).get("cluster_state").copied().unwrap_or_default().to_owned();
    let replica = nodes.iter().any(|node| node.myself && node.follows.is_some());
    let link = if replica { Some(link(&replication?, member)) } else { None };
    let settings = settings.map(|answer| settings::parse(&answer));
    let mut users = match reported {
        Ok(reported) => users::differences(access, &reported),
        Err(error) => vec![(Fact::Users, error.to_string())],
    };
    users.extend(settings.as_ref().ok().and_then(|running| users::at_others(access, running)));
    Ok(Seen { view: NodeView { nodes, state, link }, settings, users })
}

/// For how many seconds a copy may be without its master before it leaves it to a person
/// whether it takes over (`clusterHandleSlaveFailover` in Redis's `cluster_legacy.c`: the node
/// time-out times `cluster-replica-validity-factor`, 10 by default, and
/// `repl-ping-replica-period`, 10 s by default, counted from one node time-out on).
fn longest_apart(member: &Member) -> u64 {
    let timeout = match member.settings.get("cluster-node-timeout") {
        Some(Setting::Millis(timeout)) => *timeout,
        _ => 15_000,
    };
    timeout.saturating_mul(11).div_ceil(1_000).saturating_add(10)
}

fn link(info: &str, member: &Member) -> Link {
    let info = parse_info(info);
    // Redis 7 says -1 where it has not reached it since it was started, earlier ones the time
    // since 1970.
    let down = info.get("master_link_down_since_seconds").and_then(|text| text.parse().ok());
    let down = down.map(|seconds: i64| u64::try_from(seconds).unwrap_or(u64::MAX));
    let number = |name| info.get(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    Link {
        up: info.get("master_link_status") == Some(&"up"),
        astray: info.get("master_port") == Some(&"0"),
        copied: number("master_sync_read_bytes"),
        offset: number("slave_repl_offset"),
        outdated: down.is_some_and(|seconds| seconds > longest_apart(member)),
    }
}
