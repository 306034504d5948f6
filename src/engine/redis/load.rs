//! A short load through every group: `redis-benchmark` in an instance of another
//! group, straight to the group's master, all groups at the same time.
//!
//! The keys carry the prefix `hostsplit:load:` and are gone after a minute. The program takes
//! its password as an argument, so it gets one of its own: of a user who can read
//! and write these keys and nothing else, and who is gone when it ends.

use super::nodes::parse_info;
use super::probe::key_in;
use super::session::Session;
use super::target::{Member, Target};
use crate::engine::load::{self, Bound, Measured, Rate, Sign};
use crate::engine::{Crew, EngineError};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::plan::{Instance, Setting};
use crate::secret::Secret;
use crate::spec::Demand;

/// The user that load comes from.
const USER: &str = "hostsplit-load";
/// Seconds after which keys are gone, if the run is cut off in between.
const LIFE: &str = "60";
/// Keys that are written and read.
const KEYS: &str = "1000";
/// Values longer than this would make the network the limit, not the engine.
const LONGEST_VALUE: u64 = 1024;
/// Threads of the sender: one can send no more than one instance can take.
const MOST_THREADS: usize = 4;

/// Puts a load on `at` from the guest of `via`.
pub(super) fn press(
    crew: &Crew<'_>,
    target: &Target,
    (at, via): (&Instance, &InstanceName),
    bound: Bound,
) -> Result<Measured, EngineError> {
    let master = target.known(&at.name)?;
    Pressure { crew, target, bound, master }.press(via)
}

struct Pressure<'a> {
    crew: &'a Crew<'a>,
    target: &'a Target,
    bound: Bound,
    master: &'a Member,
}

impl Pressure<'_> {
    fn press(&self, via: &InstanceName) -> Result<Measured, EngineError> {
        let served = self.crew.guest(&self.master.name)?;
        let sent = self.crew.guest(via)?;
        let at = (self.master.address, self.master.port);
        let session = Session::new(&served, &self.target.access, at);
        let once = self.admit(&session)?;
        let measured = self.measure(&served, &sent, &session, once.as_ref());
        if once.is_some() {
            let gone = session.ask([&format!("ACL DELUSER {USER}")]);
            // The first failure is the one to report.
            if measured.is_ok() {
                gone.and_then(|[gone]| gone)?;
            }
        }
        measured
    }

    /// Lets the sender in, by a password for this once.
    fn admit(&self, session: &Session<'_>) -> Result<Option<Secret>, EngineError> {
        if self.target.access.credentials.is_none() {
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
        let written = self.send(sent, once, "writes", &["SET", &key, &value, "EX", LIFE])?;
        let read = || self.send(sent, once, "reads", &["GET", &key]);
        let (read, mut signs) = load::watching((served, sent), read)?;
        let after = self.persistence(session)?;
        let (planned, running) = (self.planned_threads(), after.io_threads);
        if let Some(running) = running.filter(|running| *running < planned) {
            signs.push(Sign::Fewer { what: "I/O threads", planned, running });
        }
        if before.saving || after.saving {
            signs.push(Sign::Busy("persistence: it wrote a snapshot meanwhile"));
        } else if after.delayed > before.delayed {
            signs.push(Sign::Busy("persistence: its disk was too slow"));
        }
        let connections = u64::from(self.bound.connections);
        Ok(Measured { rates: vec![read, written], signs, connections })
    }

    fn value_bytes(&self) -> usize {
        let bytes = match &self.crew.service.demand {
            Demand::Sharded(demand) => demand.value_bytes.get(),
            _ => 1,
        };
        usize::try_from(bytes.min(LONGEST_VALUE)).unwrap_or(1)
    }

    fn planned_threads(&self) -> u64 {
        self.master.settings.get("io-threads").and_then(Setting::number).unwrap_or(1)
    }

    /// Sends one kind of request.
    fn send(
        &self,
        guest: &Guest<'_>,
        once: Option<&Secret>,
        what: &'static str,
        words: &[&str],
    ) -> Result<Rate, EngineError> {
        let service = self.crew.service;
        let (address, port) = (self.master.address.to_string(), self.master.port.to_string());
        let connections = self.bound.connections.to_string();
        let requests = load::requests(self.bound, service.capacity.usable_per_s).to_string();
        let threads = usize::try_from(service.layout.vcpus).unwrap_or(1).min(MOST_THREADS);
        let threads = threads.to_string();
        let access = &self.target.access;
        let mut line = vec![access.package.benchmark, "-h", &address, "-p", &port];
        line.extend(access.encryption());
        if let Some(once) = once {
            line.extend(["--user", USER, "-a", once.expose()]);
        }
        line.extend(["-c", &connections, "-n", &requests, "-r", KEYS, "--csv"]);
        if threads != "1" {
            line.extend(["--threads", &threads]);
        }
        line.extend_from_slice(words);
        let shown: Vec<&str> =
            [access.package.benchmark].into_iter().chain(words.first().copied()).collect();
        let said = load::run(guest, self.bound, &line, &shown)?;
        rate(what, &said)
            .ok_or_else(|| guest.unreadable(access.package.benchmark, &"no result").into())
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

/// Reads the last line of `--csv`: the request, the rate, and latencies in
/// milliseconds: mean, least, median, 95 and 99 of 100, most.
fn rate(what: &'static str, csv: &str) -> Option<Rate> {
    let line = csv.lines().rev().find(|line| line.starts_with('"'))?;
    let mut fields = line.trim().trim_matches('"').rsplit("\",\"");
    let _most = fields.next()?;
    let p99: f64 = fields.next()?.parse().ok()?;
    let rate: f64 = fields.nth(4)?.parse().ok()?;
    Some(Rate { what, per_s: whole(rate)?, p99_us: Some(whole(p99 * 1000.0)?) })
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
        // Printed by redis-benchmark 7.0.15.
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
            \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
            \"GET hostsplit:load:{0}:__rand_int__\",\"99009.90\",\"0.276\",\"0.080\",\"0.263\",\
            \"0.415\",\"0.527\",\"1.415\"\n";
        assert_eq!(
            rate("reads", csv),
            Some(Rate { what: "reads", per_s: 99_009, p99_us: Some(527) })
        );
        assert_eq!(rate("reads", "Could not connect"), None);
        let header = csv.lines().next().unwrap();
        assert_eq!(rate("reads", header), None);
    }
}
