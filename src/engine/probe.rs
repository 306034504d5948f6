//! A value through every group: written, read back and deleted, from an instance of
//! another group, as a client would.

use std::fmt;
use std::net::Ipv4Addr;

use super::cluster::{Cluster, Observed};
use super::{Crew, EngineError};
use crate::guest::GuestError;
use crate::ids::InstanceName;
use crate::plan::Instance;

/// What a probe or a load goes through: not every kind of cluster has groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Through {
    /// A group, by its lead.
    Group(u32),
    /// One instance of several that are alike.
    Instance(InstanceName),
    /// An address that moves between instances.
    Address(Ipv4Addr),
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(index) => write!(f, "group {index}"),
            Self::Instance(name) => write!(f, "instance {name}"),
            Self::Address(address) => write!(f, "address {address}"),
        }
    }
}

/// A write and a read, as a client does them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it went through.
    pub through: Through,
    /// The instance that it was sent from.
    pub via: InstanceName,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// On which side a probe failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The instance that it was sent from does not answer.
    Sender(EngineError),
    /// The other side did not do what it should.
    Service(String),
}

impl Broken {
    /// The answer of an engine that keeps no values.
    pub(super) fn no_values() -> Self {
        Self::Service("the engine keeps no numbered values".to_owned())
    }
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Guest(GuestError::Hypervisor(_)) => Self::Sender(error),
            _ => Self::Service(error.to_string()),
        }
    }
}

/// What clients go through, each with the instance that serves it now: after a failover
/// another copy leads. The planned one where those that answered do not agree.
pub(super) fn entries_now<'a, C: Cluster>(
    cluster: &C,
    crew: &Crew<'a>,
    (target, observed): (&C::Target, &Observed<C::Seen>),
) -> Vec<(Through, &'a Instance)> {
    let now = |(through, planned): (Through, &'a Instance)| {
        let copies = planned.group.map(|group| cluster.copies(target, observed, group));
        let leader = copies.and_then(|copies| copies.leader);
        let leads = |one: &&&'a Instance| leader.as_ref() == Some(&one.name);
        (through, crew.members().iter().find(leads).copied().unwrap_or(planned))
    };
    cluster.entries(crew).into_iter().map(now).collect()
}

/// An entry for clients with the guests that may send, in the order in which they are
/// tried.
type Way<'a> = (Through, &'a Instance, Vec<&'a Instance>);

/// Probes everything that clients go through, all at the same time. A probe that failed
/// from an instance that is not in step with the cluster is sent once more from others: one
/// that is cut off from the majority says nothing of what clients see.
pub(super) fn probe<C: Cluster>(cluster: &C, crew: &Crew<'_>) -> Result<Vec<Probe>, EngineError> {
    let target = cluster.target(crew)?;
    let ways: Vec<Way<'_>> = cluster
        .entries(crew)
        .into_iter()
        .map(|(through, at)| {
            // The copies of the same data come last: there may be nobody else.
            let (own, others): (Vec<_>, Vec<_>) =
                crew.after(at).partition(|one| one.group == at.group);
            (through, at, others.into_iter().chain(own).collect())
        })
        .collect();
    let mut probes = send_all(cluster, crew, &target, &ways);
    if probes.iter().all(|one| one.failure.is_none()) {
        return Ok(probes);
    }
    let observed = cluster.observe(crew, &target);
    let healthy = |one: &Instance| {
        let copies = match one.group {
            Some(group) => cluster.copies(&target, &observed, group),
            None => cluster.copies_with(&target, &observed, &one.name),
        };
        copies.healthy.contains(&one.name)
    };
    let is_doubtful = |probe: &Probe| {
        let sender = crew.members().iter().find(|one| one.name == probe.via);
        probe.failure.is_some() && sender.is_some_and(|one| !healthy(one))
    };
    let failed = probes.iter().zip(ways).filter(|(probe, _)| is_doubtful(probe));
    let again = failed.map(|(_, (through, at, senders))| {
        (through, at, senders.into_iter().filter(|one| healthy(one)).collect())
    });
    let again: Vec<Way<'_>> = again.filter(|way: &Way<'_>| !way.2.is_empty()).collect();
    for second in send_all(cluster, crew, &target, &again) {
        probes.iter_mut().filter(|first| first.through == second.through).for_each(|first| {
            first.clone_from(&second);
        });
    }
    Ok(probes)
}

fn send_all<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    target: &C::Target,
    ways: &[Way<'_>],
) -> Vec<Probe> {
    crew.each(
        ways,
        |(_, at, via)| via.first().map_or(&at.name, |via| &via.name),
        |(through, at, via)| send(cluster, crew, target, (through, at), via),
    )
}

/// Probes from the first instance that answers.
fn send<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    target: &C::Target,
    (through, at): (&Through, &Instance),
    senders: &[&Instance],
) -> Probe {
    let probe = |via: &Instance, failure| Probe {
        through: through.clone(),
        via: via.name.clone(),
        failure,
    };
    let mut silence = None;
    for via in senders {
        match cluster.round_trip(crew, target, at, via) {
            Err(Broken::Sender(error)) => {
                silence.get_or_insert((*via, error.to_string()));
            }
            Err(Broken::Service(what)) => return probe(via, Some(what)),
            Ok(()) => return probe(via, None),
        }
    }
    let (via, failure) = silence.unwrap_or((at, "nobody to ask".to_owned()));
    probe(via, Some(failure))
}
