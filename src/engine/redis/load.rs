//! A short load through every group: `redis-benchmark` in an instance of another
//! group, straight to the group's master, all groups at the same time.
//!
//! The keys carry a prefix of ours and are gone after a minute. The program takes
//! its password as an argument, so it gets one of its own: of a user who can read
//! and write these keys and nothing else, and who is gone when it ends.

use std::time::Duration;

use super::batch::Session;
use super::nodes::parse_info;
use super::parallel::on_each;
use super::probe::key_in;
use super::target::{Seat, Target};
use crate::engine::load::{Measured, Signs};
use crate::engine::{Bound, EngineError, Guests, Load};
use crate::guest::Guest;
use crate::guest::GuestError;
use crate::plan::{ServicePlan, Setting};
use crate::secret::Secret;
use crate::spec::Demand;
use crate::units::PerSecond;

/// The user that load comes from.
const USER: &str = "hostsplit-load";
/// Seconds after which keys are gone, should we die in between.
const LIFE: &str = "60";
/// Keys that are written and read.
const KEYS: &str = "1000";
/// Values longer than this would make the network the limit, not the engine.
const LONGEST_VALUE: u64 = 1024;
/// Seconds of the promised rate that are sent.
const SECONDS: u64 = 3;
/// Threads of the sender: one can send no more than one instance can take.
const MOST_THREADS: usize = 4;
/// Time for the program to end after it was told to.
const GRACE: u64 = 10;

/// Puts load on every group.
pub(super) fn load(
    guests: &dyn Guests,
    service: &ServicePlan,
    target: &Target,
    bound: Bound,
) -> Vec<Load> {
    let pairs: Vec<(&Seat, &Seat)> =
        target.masters().map(|master| (master, sender(target, master))).collect();
    on_each(&pairs, |(master, via)| {
        let load = Pressure { guests, service, target, bound, master, via };
        Load {
            group: master.group,
            at: master.name.clone(),
            via: via.name.clone(),
            promised_per_s: service.capacity.usable_per_s,
            outcome: load.press().map_err(|error| error.to_string()),
        }
    })
}

/// Who sends: a replica of the next group, which has least to do; any other
/// instance where there are no replicas; the master itself where it is alone.
fn sender<'a>(target: &'a Target, master: &'a Seat) -> &'a Seat {
    let groups: Vec<&Seat> = target.masters().collect();
    let place = groups.iter().position(|one| one.name == master.name).unwrap_or_default();
    let next = groups.get((place + 1) % groups.len().max(1)).copied().unwrap_or(master);
    let replica = target.group(next.group).find(|seat| !seat.master);
    replica.unwrap_or(next)
}

struct Pressure<'a> {
    guests: &'a dyn Guests,
    service: &'a ServicePlan,
    target: &'a Target,
    bound: Bound,
    master: &'a Seat,
    via: &'a Seat,
}

impl Pressure<'_> {
    fn press(&self) -> Result<Measured, EngineError> {
        let served = self.guests.guest(&self.master.name)?;
        let sent = self.guests.guest(&self.via.name)?;
        let at = (self.master.address, self.master.port);
        let session = Session::new(&served, &self.target.door, at);
        let once = self.admit(&session)?;
        let measured = self.measure(&served, &sent, &session, once.as_ref());
        if once.is_some() {
            let gone = session.ask([&format!("ACL DELUSER {USER}")]);
            // The first failure is the one to tell.
            if measured.is_ok() {
                gone.and_then(|[gone]| gone)?;
            }
        }
        measured
    }

    /// Lets the sender in, by a password for this once.
    fn admit(&self, session: &Session<'_>) -> Result<Option<Secret>, EngineError> {
        if self.target.door.credentials.is_none() {
            return Ok(None);
        }
        let once =
            Secret::generate().map_err(|error| session.guest.unreadable("random bytes", &error))?;
        let rules = format!("reset on >{} ~hostsplit:load:* +get +set +ping", once.expose());
        let [admitted] = session.ask([&format!("ACL SETUSER {USER} {rules}")])?;
        admitted?;
        Ok(Some(once))
    }

    fn measure(
        &self,
        served: &Guest<'_>,
        sent: &Guest<'_>,
        session: &Session<'_>,
        once: Option<&Secret>,
    ) -> Result<Measured, EngineError> {
        let key = key_in(&self.master.slots)
            .and_then(|key| Some(key.split_once('{')?.1.to_owned()))
            .ok_or_else(|| served.unreadable("slots", &"no key hashes into them"))?;
        let key = format!("hostsplit:load:{{{key}:__rand_int__");
        let value = "x".repeat(self.value_bytes());
        let before = self.persistence(session)?;
        let written = self.send(sent, once, &["SET", &key, &value, "EX", LIFE])?;
        let (server, sender) = (served.ticks()?, sent.ticks()?);
        let read = self.send(sent, once, &["GET", &key])?;
        let since = |guest: &Guest<'_>, before: Option<_>| {
            Ok::<_, EngineError>(guest.ticks()?.zip(before).and_then(|(now, old)| now.since(old)))
        };
        let (server, sender) = (since(served, server)?, since(sent, sender)?);
        let after = self.persistence(session)?;
        Ok(Measured {
            writes_per_s: written.per_s,
            reads_per_s: read.per_s,
            read_p99_us: read.p99_us,
            signs: Signs {
                server,
                sender,
                delayed_flushes: after.delayed.saturating_sub(before.delayed),
                saving: before.saving || after.saving,
                io_threads: after.io_threads.map(|running| (self.planned_threads(), running)),
            },
        })
    }

    fn value_bytes(&self) -> usize {
        let bytes = match &self.service.demand {
            Demand::Sharded(demand) => demand.value_bytes.get(),
            _ => 1,
        };
        usize::try_from(bytes.min(LONGEST_VALUE)).unwrap_or(1)
    }

    fn planned_threads(&self) -> u64 {
        self.master.settings.get("io-threads").and_then(Setting::number).unwrap_or(1)
    }

    /// Sends one kind of request; the system ends a program that takes too long.
    fn send(
        &self,
        guest: &Guest<'_>,
        once: Option<&Secret>,
        words: &[&str],
    ) -> Result<Rate, EngineError> {
        let Bound { seconds, connections, .. } = self.bound;
        let limit = seconds.to_string();
        let (address, port) = (self.master.address.to_string(), self.master.port.to_string());
        let connections = connections.to_string();
        let requests = requests(self.bound, self.service.capacity.usable_per_s).to_string();
        let threads = usize::try_from(self.service.layout.vcpus).unwrap_or(1).min(MOST_THREADS);
        let threads = threads.to_string();
        let door = &self.target.door;
        let mut line = vec!["timeout", "-k", "5", &limit, door.software.benchmark];
        line.extend(["-h", &address, "-p", &port]);
        line.extend(door.encryption());
        if let Some(once) = once {
            line.extend(["--user", USER, "-a", once.expose()]);
        }
        line.extend(["-c", &connections, "-n", &requests, "-r", KEYS, "--csv"]);
        if threads != "1" {
            line.extend(["--threads", &threads]);
        }
        line.extend_from_slice(words);
        let output = guest.run(&line, Duration::from_secs(seconds + GRACE))?;
        let failed = |what: &str| {
            let mut shown = vec![door.software.benchmark];
            shown.extend(words.first());
            let mut error = guest.failed(&shown, &output);
            if let GuestError::Command { output, .. } = &mut error
                && !what.is_empty()
            {
                *output = format!("{what}: {output}");
            }
            EngineError::from(error)
        };
        match output.status {
            Some(0) => Rate::parse(&output.stdout).ok_or_else(|| failed("no result")),
            Some(124 | 137) => {
                Err(failed(&format!("{requests} requests were not done after {seconds} s")))
            }
            _ => Err(failed("")),
        }
    }

    /// What the master says of its disk and its threads.
    fn persistence(&self, session: &Session<'_>) -> Result<Persistence, EngineError> {
        let [info, threads] = session.ask(["INFO persistence", "CONFIG GET io-threads"])?;
        let info = info?;
        let info = parse_info(&info);
        let number = |name: &str| info.get(name).and_then(|text| text.parse::<u64>().ok());
        let saving = ["rdb_bgsave_in_progress", "aof_rewrite_in_progress"];
        Ok(Persistence {
            delayed: number("aof_delayed_fsync").unwrap_or_default(),
            saving: saving.iter().any(|name| number(name) == Some(1)),
            io_threads: threads.ok().and_then(|text| text.lines().nth(1)?.trim().parse().ok()),
        })
    }
}

/// What an instance says of itself.
struct Persistence {
    delayed: u64,
    saving: bool,
    io_threads: Option<u64>,
}

/// Requests of one kind: a few seconds of what is promised, within the bound.
fn requests(bound: Bound, promised: PerSecond) -> u64 {
    promised.get().saturating_mul(SECONDS).max(1000).min(bound.requests)
}

/// What the program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    per_s: u64,
    p99_us: u64,
}

impl Rate {
    /// Reads the last line of `--csv`: the request, the rate, and latencies in
    /// milliseconds: mean, least, median, 95 and 99 of 100, most.
    fn parse(csv: &str) -> Option<Self> {
        let line = csv.lines().rev().find(|line| line.starts_with('"'))?;
        let mut fields = line.trim().trim_matches('"').rsplit("\",\"");
        let _most = fields.next()?;
        let p99: f64 = fields.next()?.parse().ok()?;
        let rate: f64 = fields.nth(4)?.parse().ok()?;
        Some(Self { per_s: whole(rate)?, p99_us: whole(p99 * 1000.0)? })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(number: f64) -> Option<u64> {
    (number.is_finite() && (0.0..1e15).contains(&number)).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_the_last_line() {
        // As told by redis-benchmark 7.0.15.
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
            \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
            \"GET hostsplit:load:{0}:__rand_int__\",\"99009.90\",\"0.276\",\"0.080\",\"0.263\",\
            \"0.415\",\"0.527\",\"1.415\"\n";
        assert_eq!(Rate::parse(csv), Some(Rate { per_s: 99_009, p99_us: 527 }));
        assert_eq!(Rate::parse("Could not connect"), None);
        let header = csv.lines().next().unwrap();
        assert_eq!(Rate::parse(header), None);
    }

    #[test]
    fn as_much_is_sent_as_seconds_of_the_promise_take() {
        assert_eq!(requests(Bound::REAL, PerSecond::new(50_000)), 150_000);
        assert_eq!(requests(Bound::REAL, PerSecond::new(10)), 1_000);
        assert_eq!(requests(Bound::EMULATED, PerSecond::new(50_000)), 200);
    }
}
