//! Numbered values through every group, as a client with little patience sends them: what
//! was acknowledged and what was refused, and what can be read afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use super::cluster::{Broken, Cluster};
use super::{Crew, EngineError, Through};
use crate::ids::HostName;
use crate::plan::Instance;

/// Values that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Distinguishes them from others; a word.
    pub name: String,
    /// The host whose guests send nothing.
    pub avoid: HostName,
}

/// A numbered value that was written and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What it went through.
    pub through: Through,
    /// Its number.
    pub number: u64,
    /// When it was sent.
    pub sent: Duration,
    /// Whether the write was acknowledged.
    pub acknowledged: bool,
    /// Why it was refused, or could not be read although it was acknowledged.
    pub failure: Option<String>,
}

/// Acknowledged numbers of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The group.
    pub through: Through,
    /// Its numbers.
    pub numbers: BTreeSet<u64>,
}

/// An entry for clients with the guests that may send, in the order in which they are
/// tried.
type Way<'a> = (Through, &'a Instance, Vec<&'a Instance>);

/// Returns the ways through all that clients go through. Copies of the same data send last:
/// there may be nobody else. One of several that are alike is not asked where its own host is
/// to fail, since clients go to the others.
fn ways<'a, C: Cluster>(cluster: &C, crew: &Crew<'a>, series: &Series) -> Vec<Way<'a>> {
    let way = |(through, at): (Through, &'a Instance)| {
        let others = crew.after(at).filter(|one| one.host != series.avoid);
        let (own, others): (Vec<_>, Vec<_>) = others.partition(|one| one.group == at.group);
        (through, at, others.into_iter().chain(own).collect())
    };
    let is_alike = |(through, at): &(Through, &Instance)| {
        matches!(through, Through::Instance(_)) && at.host == series.avoid
    };
    let entries = cluster.entries(crew).into_iter().filter(|entry| !is_alike(entry));
    entries.map(way).collect()
}

fn holds_data(crew: &Crew<'_>) -> bool {
    crew.service.engine.cluster().holds_data()
}

/// Does something from the first sender that answers.
fn from_first<T>(
    senders: &[&Instance],
    send: impl Fn(&Instance) -> Result<T, Broken>,
) -> Result<T, Broken> {
    let mut silence = None;
    for via in senders {
        match send(via) {
            Err(Broken::Sender(error)) => drop(silence.get_or_insert(error)),
            answer => return answer,
        }
    }
    Err(silence.map_or_else(|| Broken::Service("no guest to send from".to_owned()), Broken::Sender))
}

fn words(broken: Broken) -> String {
    match broken {
        Broken::Sender(error) => error.to_string(),
        Broken::Service(what) => what,
    }
}

/// Works on all ways at the same time.
fn each<'a, R: Send>(
    crew: &Crew<'a>,
    ways: &[Way<'a>],
    work: impl Fn(&Way<'a>) -> R + Sync,
) -> Vec<R> {
    crew.each(ways, |(_, at, via)| via.first().map_or(&at.name, |via| &via.name), work)
}

/// Writes a value through every group, at the same time, and reads it back.
pub(super) fn write<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    series: &Series,
    number: u64,
) -> Result<Vec<Attempt>, EngineError> {
    let target = cluster.target(crew)?;
    Ok(each(crew, &ways(cluster, crew, series), |(through, at, senders)| {
        let sent = crew.clock().elapsed();
        let answer = from_first(senders, |via| {
            if holds_data(crew) {
                cluster.write_numbered(crew, &target, (at, via), (&series.name, number))
            } else {
                // A request counts as acknowledged where it is answered.
                cluster.round_trip(crew, &target, at, via).map(|()| None)
            }
        });
        let (acknowledged, failure) = match answer {
            Ok(unread) => (true, unread),
            Err(broken) => (false, Some(words(broken))),
        };
        Attempt { through: through.clone(), number, sent, acknowledged, failure }
    }))
}

/// Returns what cannot be read of what was acknowledged. With `forget` all of it is removed
/// afterwards.
pub(super) fn lost<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    series: &Series,
    acknowledged: &[Acknowledged],
    forget: bool,
) -> Result<Vec<Acknowledged>, EngineError> {
    if !holds_data(crew) {
        return Ok(Vec::new());
    }
    let target = cluster.target(crew)?;
    let answers = each(crew, &ways(cluster, crew, series), |(through, at, senders)| {
        let own = acknowledged.iter().find(|one| one.through == *through);
        let Some(own) = own.filter(|one| !one.numbers.is_empty()) else { return Ok(None) };
        let numbers = from_first(senders, |via| {
            let of = (series.name.as_str(), &own.numbers);
            cluster.lost_numbers(crew, &target, (at, via), of, forget)
        });
        let lost = |numbers| Acknowledged { through: through.clone(), numbers };
        match numbers {
            Ok(numbers) => Ok(Some(lost(numbers)).filter(|one| !one.numbers.is_empty())),
            Err(Broken::Sender(error)) => Err(error),
            Err(Broken::Service(reason)) => {
                Err(EngineError::Refused { service: crew.service.name.clone(), reason })
            }
        }
    });
    answers.into_iter().filter_map(Result::transpose).collect()
}
