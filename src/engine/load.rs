//! A short real load: what a group did under it, and why it may have done less
//! than the plan promises.

use std::time::Duration;

use super::cluster::Cluster;
use super::probe::entries_now;
use super::{Crew, EngineError, Through};
use crate::guest::{Guest, GuestError, Output, Shares};
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::units::PerSecond;

/// A share of CPU time that others took from which on it explains a result.
const STOLEN: f64 = 0.05;
/// A share of idle time below which a guest is busy with all that it has.
const BUSY: f64 = 0.10;
/// Part of the promise that has to be reached: shorter is no noise of a run of a
/// few seconds.
const REACHED: f64 = 0.9;

/// Seconds of the promised rate that are sent.
const SECONDS: u64 = 3;
/// Time for a program to end after it should have.
const GRACE: u64 = 10;

/// How much load is put on a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Most requests of a kind; fewer where the promise is small.
    pub requests: u64,
    /// Most seconds that a kind may take.
    pub seconds: u64,
    /// Connections at the same time.
    pub connections: u32,
}

impl Bound {
    /// A few seconds of what the plan promises.
    pub const REAL: Self = Self { requests: 400_000, seconds: 20, connections: 50 };
    /// Enough to see that it works, where guests are emulated.
    pub const EMULATED: Self = Self { requests: 200, seconds: 60, connections: 4 };
}

/// A load, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// What it went through.
    pub through: Through,
    /// The instance that served it.
    pub at: InstanceName,
    /// The instance that it was sent from.
    pub via: InstanceName,
    /// What is counted and promised: `reads`.
    pub work: &'static str,
    /// Units of work that the plan promises of one instance.
    pub promised_per_s: PerSecond,
    /// What came of it, or why nothing did.
    pub outcome: Result<Measured, String>,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// What was reached; the first is set beside the promise.
    pub rates: Vec<Rate>,
    /// What else was seen meanwhile.
    pub signs: Vec<Sign>,
    /// How many connections were open at the same time.
    pub connections: u64,
}

/// How much work of a kind was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What is counted: `reads`.
    pub what: &'static str,
    /// How many in a second.
    pub per_s: u64,
    /// Microseconds within which 99 of 100 were answered; `None` where the program that sends
    /// does not say.
    pub p99_us: Option<u64>,
}

/// One end of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The instance that serves.
    Server,
    /// The instance that sends.
    Sender,
}

/// What may explain a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    /// How busy the CPUs of an end were.
    Cpu {
        /// The end.
        end: End,
        /// What its CPU time went to.
        shares: Shares,
    },
    /// Less of something runs than is planned.
    Fewer {
        /// What: `I/O threads`.
        what: &'static str,
        /// As planned.
        planned: u64,
        /// As running.
        running: u64,
    },
    /// The engine had other work to do: what, and whose.
    Busy(&'static str),
}

/// A verdict on a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what the plan promises.
    Kept,
    /// It did less; with the likeliest cause.
    Short(String),
    /// It may be able to do more than was sent.
    Unproven(String),
}

impl Load {
    /// What the result says of the promise. `pinned` is whether the instance that
    /// served is pinned as planned.
    #[must_use]
    pub fn verdict(&self, pinned: bool) -> Verdict {
        let measured = match &self.outcome {
            Ok(measured) => measured,
            Err(why) => return Verdict::Short(why.clone()),
        };
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
        let (reached, promised) = (measured.reached() as f64, self.promised_per_s.get() as f64);
        if reached >= promised * REACHED {
            return Verdict::Kept;
        }
        measured.cause(pinned)
    }
}

impl Measured {
    /// What is set beside the promise.
    fn reached(&self) -> u64 {
        self.rates.first().map_or(0, |rate| rate.per_s)
    }

    fn cpu(&self, wanted: End) -> Option<&Shares> {
        self.signs.iter().find_map(|sign| match sign {
            Sign::Cpu { end, shares } if *end == wanted => Some(shares),
            _ => None,
        })
    }

    /// The likeliest cause of less than was promised: what is certain first.
    fn cause(&self, pinned: bool) -> Verdict {
        let (server, sender) = (self.cpu(End::Server), self.cpu(End::Sender));
        if !pinned {
            return Verdict::Short("it is not pinned as planned".to_owned());
        }
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        if let Some(shares) = server.filter(|shares| shares.stolen > STOLEN) {
            let stolen = percent(shares.stolen);
            let text = format!("its host took {stolen} of its CPU time for others (steal)");
            return Verdict::Short(text);
        }
        for sign in &self.signs {
            if let Sign::Fewer { what, planned, running } = sign {
                return Verdict::Short(format!("it runs {running} {what}, planned {planned}"));
            }
        }
        for sign in &self.signs {
            if let Sign::Busy(why) = sign {
                return Verdict::Short((*why).to_owned());
            }
        }
        match (server, sender) {
            (Some(server), _) if server.idle < BUSY => {
                Verdict::Short("its CPUs were busy all the time: it cannot do more".to_owned())
            }
            (_, Some(sender)) if sender.idle < BUSY => {
                Verdict::Unproven("the instance that sent had no CPU time left".to_owned())
            }
            (Some(server), Some(_)) => Verdict::Short(format!(
                "the network: both ends had time, the one that served was idle for {}",
                percent(server.idle)
            )),
            _ => Verdict::Short("of unknown cause".to_owned()),
        }
    }
}

/// Puts load on everything that clients go through, all at the same time.
pub(super) fn load<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    bound: Bound,
) -> Result<Vec<Load>, EngineError> {
    let target = cluster.target(crew)?;
    let observed = cluster.observe(crew, &target);
    let entries = entries_now(cluster, crew, (&target, &observed));
    let pairs = entries.iter().map(|(through, at)| (through, *at, sender(crew, &entries, at)));
    let pairs: Vec<_> = pairs.collect();
    let loads = crew.each(
        &pairs,
        |(_, _, via)| &via.name,
        |(through, at, via)| Load {
            through: (*through).clone(),
            at: at.name.clone(),
            via: via.name.clone(),
            work: C::WORK,
            promised_per_s: crew.service.capacity.usable_per_s,
            outcome: cluster
                .press(crew, &target, (at, via), bound)
                .map_err(|error| error.to_string()),
        },
    );
    // A gateway before databases alone has no password to load them with.
    let is_load = |one: &Load| one.outcome.as_ref().map_or(true, |found| !found.rates.is_empty());
    Ok(loads.into_iter().filter(is_load).collect())
}

/// Who sends: a replica of the next group, which has least to do; the lead of that group
/// where there are no replicas, which is the one that serves where it is alone.
fn sender<'a>(
    crew: &Crew<'a>,
    entries: &[(Through, &'a Instance)],
    at: &'a Instance,
) -> &'a Instance {
    let place = entries.iter().position(|(_, one)| one.name == at.name).unwrap_or_default();
    let next = entries.get((place + 1) % entries.len().max(1)).map_or(at, |(_, next)| *next);
    let mut others = crew.copies_of(next).filter(|one| one.name != next.name);
    others.find(|one| one.name != at.name).unwrap_or(next)
}

/// Does work that sends from one guest to another; also how busy both were meanwhile.
pub(super) fn watching<T>(
    (served, sent): (&Guest<'_>, &Guest<'_>),
    work: impl FnOnce() -> Result<T, EngineError>,
) -> Result<(T, Vec<Sign>), EngineError> {
    let ends = [(End::Server, served), (End::Sender, sent)];
    let before = [served.ticks()?, sent.ticks()?];
    let done = work()?;
    let mut signs = Vec::new();
    for ((end, guest), before) in ends.into_iter().zip(before) {
        let shares = guest.ticks()?.zip(before).and_then(|(now, before)| now.since(before));
        signs.extend(shares.map(|shares| Sign::Cpu { end, shares }));
    }
    Ok((done, signs))
}

/// Runs a program that puts load on something; the system ends it where it takes too
/// long. `shown` is its line as errors may show it. Returns what it says.
pub(super) fn run(
    guest: &Guest<'_>,
    bound: Bound,
    line: &[&str],
    shown: &[&str],
) -> Result<String, EngineError> {
    let seconds = bound.seconds.to_string();
    let line = [&["timeout", "-k", "5", seconds.as_str()], line].concat();
    let output = guest.run(&line, Duration::from_secs(bound.seconds + GRACE))?;
    match output.status {
        Some(0) => Ok(output.stdout),
        status => {
            let late = matches!(status, Some(124 | 137));
            let late = late.then(|| format!("it was not done after {seconds} s: "));
            Err(failed(guest, shown, &output, &late.unwrap_or_default()))
        }
    }
}

fn failed(guest: &Guest<'_>, shown: &[&str], output: &Output, what: &str) -> EngineError {
    let mut error = guest.failed(shown, output);
    if let GuestError::Command { output, .. } = &mut error {
        output.insert_str(0, what);
    }
    error.into()
}

/// Requests of one kind: a few seconds of what is promised, within the bound.
pub(super) fn requests(bound: Bound, promised: PerSecond) -> u64 {
    promised.get().saturating_mul(SECONDS).max(1000).min(bound.requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(per_s: u64, signs: Vec<Sign>) -> Load {
        let name = |text| InstanceName::new(text).unwrap();
        let rates = vec![Rate { what: "reads", per_s, p99_us: Some(0) }];
        let measured = Measured { rates, signs, connections: 50 };
        Load {
            through: Through::Group(0),
            work: "reads",
            at: name("cache-0"),
            via: name("cache-4"),
            promised_per_s: PerSecond::new(100_000),
            outcome: Ok(measured),
        }
    }

    const fn shares(idle: f64, stolen: f64) -> Shares {
        Shares { idle, stolen }
    }

    #[test]
    fn what_falls_short_has_its_likeliest_cause() {
        let cpus = |server, sender| {
            let cpu = |(end, shares)| Sign::Cpu { end, shares };
            [(End::Server, server), (End::Sender, sender)].map(cpu).to_vec()
        };
        let why = |signs: Vec<Sign>, pinned| match load(50_000, signs).verdict(pinned) {
            Verdict::Kept => "kept".to_owned(),
            Verdict::Short(why) => why,
            Verdict::Unproven(why) => format!("unproven: {why}"),
        };
        let calm = shares(0.5, 0.0);
        let with = |sign| [cpus(calm, calm), vec![sign]].concat();
        assert_eq!(load(95_000, Vec::new()).verdict(false), Verdict::Kept);
        assert_eq!(why(cpus(calm, calm), false), "it is not pinned as planned");
        assert!(why(cpus(shares(0.0, 0.2), calm), true).contains("took 20 % of its CPU time"));
        let threads = Sign::Fewer { what: "I/O threads", planned: 4, running: 1 };
        assert_eq!(why(with(threads), true), "it runs 1 I/O threads, planned 4");
        let slow = Sign::Busy("persistence: its disk was too slow");
        assert!(why(with(slow), true).starts_with("persistence"));
        assert!(why(cpus(shares(0.02, 0.0), calm), true).contains("busy all the time"));
        assert!(why(cpus(calm, shares(0.01, 0.0)), true).starts_with("unproven"));
        assert!(why(cpus(calm, calm), true).starts_with("the network"));
        assert_eq!(why(Vec::new(), true), "of unknown cause");
    }

    #[test]
    fn as_much_is_sent_as_seconds_of_the_promise_take() {
        assert_eq!(requests(Bound::REAL, PerSecond::new(50_000)), 150_000);
        assert_eq!(requests(Bound::REAL, PerSecond::new(10)), 1_000);
        assert_eq!(requests(Bound::EMULATED, PerSecond::new(50_000)), 200);
    }
}
