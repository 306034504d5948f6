//! Group Replication: members that agree on what is committed, put out who is silent, and elect.
//! <https://dev.mysql.com/doc/refman/8.4/en/group-replication-failure-detection.html>

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::cells::Row;
use super::data::Change;
use super::history::Gap;
use super::server::Server;
use super::session::{Answer, Session, syntax};
use super::settings::refuse_longer;
use super::words::{parts, text};
use super::{Network, Refusal};
use crate::recipe::mysql::{Dialect, GROUP_PORT};
use crate::simulated::daemon::VolumeId;

/// How long a member is silent until the others put it out.
const SILENCE: Duration = Duration::from_secs(5);
/// How long one that was started looks for its group.
const LOOKING: Duration = Duration::from_secs(60);

/// A group that is there.
#[derive(Debug)]
pub(super) struct Group {
    name: String,
    members: BTreeSet<VolumeId>,
    primary: VolumeId,
    /// Those that do not answer, and since when.
    silent: BTreeMap<VolumeId, Duration>,
}

/// What a server has of groups besides its options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// User and password with which it comes in at others.
    way: Option<(String, String)>,
    /// Whether it was put out, or has given up.
    failed: bool,
    /// Whether it has left by `STOP GROUP_REPLICATION`, and looks for no group.
    parted: bool,
}

impl Membership {
    /// The same after a start.
    pub(super) fn started(&self) -> Self {
        Self { way: self.way.clone(), failed: false, parted: false }
    }
}

impl Group {
    fn reached(&self) -> impl Iterator<Item = VolumeId> {
        self.members.iter().copied().filter(|one| !self.silent.contains_key(one))
    }

    fn has_majority(&self) -> bool {
        self.reached().count() * 2 > self.members.len()
    }
}

fn not_configured() -> Refusal {
    let text = "The server is not configured properly to be an active member of the group. Please \
                see more details on error log.";
    Refusal::general(3092, text)
}

impl Network {
    fn group(&self, volume: VolumeId) -> Option<&Group> {
        self.groups.iter().find(|group| group.members.contains(&volume))
    }

    /// Whom a member follows.
    pub(super) fn leader_of(&self, volume: VolumeId) -> Option<VolumeId> {
        self.group(volume).map(|group| group.primary).filter(|primary| *primary != volume)
    }

    /// Whether a member has what its group has.
    pub(super) fn is_member(&self, volume: VolumeId) -> bool {
        self.group(volume).is_some_and(|group| group.has_majority())
    }

    fn set_closed(&mut self, volume: VolumeId, closed: bool) {
        if let Some(server) = self.servers.get_mut(&volume) {
            let (name, value) =
                if closed { ("super_read_only", "ON") } else { ("read_only", "OFF") };
            // Both are options of every server of this engine.
            let _ = server.options.set(name, value);
        }
    }

    /// Lets silent members be put out, groups elect, and servers come back to theirs.
    pub(super) fn settle_groups(&mut self) {
        let all = std::mem::take(&mut self.groups);
        for group in all {
            self.settle_group(group);
        }
        let looking: Vec<VolumeId> =
            self.servers.keys().copied().filter(|one| self.is_looking(*one)).collect();
        for volume in looking {
            // Where there is none it goes on looking.
            let _ = self.join(volume);
        }
    }

    fn is_looking(&self, volume: VolumeId) -> bool {
        let Some(server) = self.servers.get(&volume) else { return false };
        let Membership { way, failed, parted } = &server.membership;
        let is_starting = self.now.saturating_sub(server.started) <= LOOKING;
        let starts = server.options.is_on("group_replication_start_on_boot");
        starts
            && way.is_some()
            && !parted
            && (*failed || is_starting)
            && self.answers(volume)
            && self.group(volume).is_none()
    }

    fn settle_group(&mut self, mut group: Group) {
        let now = self.now;
        for member in &group.members {
            if self.answers(*member) {
                group.silent.remove(member);
            } else {
                group.silent.entry(*member).or_insert(now);
            }
        }
        let minority = group.members.iter().filter_map(|one| self.servers.get(one)).map(|one| {
            let seconds = one.options.get("group_replication_unreachable_majority_timeout");
            seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(u64::MAX)
        });
        let gives_up = SILENCE + Duration::from_secs(minority.min().unwrap_or_default());
        let since = |limit: Duration| {
            let silent = group.silent.iter();
            silent.filter(move |(_, since)| now.saturating_sub(**since) >= limit)
        };
        if group.has_majority() {
            let out: Vec<VolumeId> = since(SILENCE).map(|(one, _)| *one).collect();
            for one in &out {
                group.members.remove(one);
                group.silent.remove(one);
                self.fail(*one);
            }
            self.elect(&mut group);
            self.groups.push(group);
        } else if group.reached().next().is_some() && since(gives_up).next().is_none() {
            self.groups.push(group);
        } else {
            let members = group.members.clone();
            members.into_iter().for_each(|one| self.fail(one));
        }
    }

    /// One that is in its group no more.
    fn fail(&mut self, volume: VolumeId) {
        self.set_closed(volume, true);
        if let Some(server) = self.servers.get_mut(&volume) {
            server.membership.failed = true;
        }
    }

    /// Makes the heaviest member that is there the primary, where the former one is not.
    fn elect(&mut self, group: &mut Group) {
        if group.members.contains(&group.primary) {
            return;
        }
        let weight = |volume: &VolumeId| {
            let server = self.servers.get(volume);
            let weight = server.and_then(|one| one.options.get("group_replication_member_weight"));
            let weight: u64 = weight.and_then(|text| text.parse().ok()).unwrap_or(50);
            (std::cmp::Reverse(weight), *volume)
        };
        if let Some(elected) = group.reached().min_by_key(weight) {
            group.primary = elected;
            self.set_closed(elected, false);
        }
    }

    /// Takes a server out of its group, as when it is stopped.
    pub(super) fn leave(&mut self, volume: VolumeId) {
        let Some(at) = self.groups.iter().position(|one| one.members.contains(&volume)) else {
            return;
        };
        let mut group = self.groups.remove(at);
        group.members.remove(&volume);
        group.silent.remove(&volume);
        self.set_closed(volume, true);
        if !group.members.is_empty() {
            self.elect(&mut group);
            self.groups.push(group);
        }
    }

    /// Joins the group that a server's configuration names.
    fn join(&mut self, volume: VolumeId) -> Result<(), Refusal> {
        let server = self.server(volume)?;
        let name = server.options.get("group_replication_group_name").unwrap_or_default();
        let seeds = server.options.get("group_replication_group_seeds").unwrap_or_default();
        let own = self.links.get(&volume).map_or(Ipv4Addr::LOCALHOST, |link| link.address);
        let is_seed = |member: VolumeId| {
            let address = self.links.get(&member).map(|link| link.address);
            address
                .is_some_and(|at| seeds.split(',').any(|one| one == format!("{at}:{GROUP_PORT}")))
        };
        let is_there = |group: &&Group| {
            group.name == name && group.has_majority() && group.reached().any(is_seed)
        };
        let group = self.groups.iter().find(is_there).ok_or_else(not_configured)?;
        let (name, donor) = (group.name.clone(), self.server(group.primary)?);
        let (user, password) = server.membership.way.as_ref().ok_or_else(not_configured)?;
        let certificate = server.options.get("group_replication_recovery_ssl_cert").is_some();
        donor.admits(user, Some(password), certificate, own).map_err(|_| not_configured())?;
        if !donor.history.has_all_of(&server.history) {
            return Err(not_configured());
        }
        let lacking = donor.history.lacking(Dialect::Mysql, &name, &server.history);
        let copied = (donor.data.clone(), donor.history.copied(Dialect::Mysql, &name));
        let joining = self.server_mut(volume)?;
        match lacking {
            Ok(transactions) => joining.apply(transactions),
            Err(Gap::Purged) => (joining.data, joining.history) = copied,
            Err(Gap::Ahead(_)) => return Err(not_configured()),
        }
        joining.membership.failed = false;
        joining.membership.parted = false;
        self.set_closed(volume, true);
        if let Some(group) = self.groups.iter_mut().find(|group| group.name == name) {
            group.members.insert(volume);
        }
        Ok(())
    }

    /// Starts and stops, and how a server comes in at the others.
    pub(super) fn group_statement(
        &mut self,
        session: &Session<'_>,
        words: &[&str],
    ) -> Result<Answer, Refusal> {
        let at = session.at;
        match words {
            ["START", _] if self.group(at).is_some() => {
                let text = "The START GROUP_REPLICATION command failed since the group is already \
                            running.";
                return Err(Refusal::general(3093, text));
            }
            ["START", _] => {
                let server = self.server_mut(at)?;
                let name = server.options.get("group_replication_group_name");
                let name = name.ok_or_else(not_configured)?.to_owned();
                server.membership.parted = false;
                if server.options.is_on("group_replication_bootstrap_group") {
                    server.membership.failed = false;
                    let members = BTreeSet::from([at]);
                    self.groups.push(Group { name, members, primary: at, silent: BTreeMap::new() });
                    self.set_closed(at, false);
                } else {
                    self.join(at)?;
                }
            }
            ["STOP", _] => {
                self.leave(at);
                let membership = &mut self.server_mut(at)?.membership;
                (membership.failed, membership.parted) = (false, true);
            }
            ["CHANGE", "REPLICATION", "SOURCE", "TO", options @ .., "FOR", "CHANNEL", channel]
                if text(channel) == "group_replication_recovery" =>
            {
                let option = |name: &str| {
                    parts(options).into_iter().find_map(|part| match part {
                        [known, "=", value] if *known == name => Some(text(value).to_owned()),
                        _ => None,
                    })
                };
                let way = option("SOURCE_USER").zip(option("SOURCE_PASSWORD"));
                refuse_longer(way.as_ref().map(|(_, password)| password.as_str()))?;
                self.server_mut(at)?.membership.way = way;
            }
            _ => return Err(syntax(words)),
        }
        Ok(Answer::default())
    }

    /// Makes the member with an identity the primary.
    pub(super) fn set_primary(&mut self, at: VolumeId, id: &str) -> Result<String, Refusal> {
        let refused = || {
            let text = "Can't initialize function 'group_replication_set_as_primary'; The requested \
                        uuid is not a member of the group.";
            Refusal::general(1123, text)
        };
        let to = self.servers.iter().find(|(_, server)| server.origin() == id);
        let to = to.map(|(volume, _)| *volume).ok_or_else(refused)?;
        let mut groups = self.groups.iter_mut();
        let group = groups.find(|group| group.members.contains(&at) && group.has_majority());
        let group = group.filter(|group| group.reached().any(|one| one == to));
        let group = group.ok_or_else(refused)?;
        let from = std::mem::replace(&mut group.primary, to);
        self.set_closed(from, true);
        self.set_closed(to, false);
        Ok(format!("Primary server switched to: {id}"))
    }

    /// The members of a server's group as it sees them.
    pub(super) fn group_rows(&self, volume: VolumeId) -> Result<Vec<Row>, Refusal> {
        let row = |server: &Server, state: &str, role: &str| -> Row {
            let host = server.address.map(|address| address.to_string()).unwrap_or_default();
            let columns = [
                ("member_id", server.origin()),
                ("member_host", &host),
                ("member_state", state),
                ("member_role", role),
            ];
            columns.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
        };
        let own = self.server(volume)?;
        let Some(group) = self.group(volume) else {
            let state = if own.membership.failed { "ERROR" } else { "OFFLINE" };
            return Ok(vec![row(own, state, "")]);
        };
        let rows = group.members.iter().filter_map(|member| {
            let since = group.silent.get(member).map(|since| self.now.saturating_sub(*since));
            let state = if since.is_some() { "UNREACHABLE" } else { "ONLINE" };
            let role = if group.primary == *member { "PRIMARY" } else { "SECONDARY" };
            Some(row(self.servers.get(member)?, state, role))
        });
        Ok(rows.collect())
    }

    /// Refuses what a member cannot commit, since no majority would get it.
    pub(super) fn may_commit(&self, volume: VolumeId) -> Result<(), Refusal> {
        let blocked = self.group(volume).is_some_and(|group| !group.has_majority());
        let text = "Error on observer while running replication hook 'before_commit'.";
        if blocked { Err(Refusal::general(3100, text)) } else { Ok(()) }
    }

    /// Commits a transaction at all members that answer; `None` for a server without a group.
    pub(super) fn commit_in_group(
        &mut self,
        volume: VolumeId,
        changes: &[Change],
    ) -> Option<Duration> {
        let group = self.group(volume)?;
        let (name, members) = (group.name.clone(), group.reached().collect::<Vec<_>>());
        let server = self.servers.get_mut(&volume)?;
        let changed: Vec<bool> = changes.iter().map(|change| server.data.apply(change)).collect();
        if !changed.contains(&true) {
            return Some(Duration::ZERO);
        }
        server.history.commit(Dialect::Mysql, &name, changes.to_vec());
        let transaction = server.history.last().cloned()?;
        for member in members.into_iter().filter(|member| *member != volume) {
            if let Some(server) = self.servers.get_mut(&member) {
                server.apply(vec![transaction.clone()]);
            }
        }
        Some(Duration::ZERO)
    }
}
