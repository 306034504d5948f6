//! A short load through every group: `mysqlslap` or `mariadb-slap` in an instance of another
//! group. What it sends are read-only transactions of as many statements as the profile counts
//! in one, over a table of hostsplit's own.

use super::sql;
use super::target::Target;
use crate::engine::load::{self, Bound, Measured, Rate};
use crate::engine::{Crew, EngineError};
use crate::plan::Instance;
use crate::recipe::mysql::{OWN, SECRETS};

/// Statements of a transaction, as sysbench's oltp_read_only has them: begin, ten points, four
/// ranges, end.
/// <https://github.com/akopytov/sysbench/blob/master/src/lua/oltp_common.lua>
const POINTS: u64 = 10;
/// See [`POINTS`].
const RANGES: u64 = 4;

/// Puts a load on one instance from the guest of another.
pub(super) fn press(
    crew: &Crew<'_>,
    target: &Target,
    (at, via): (&Instance, &Instance),
    bound: Bound,
) -> Result<Measured, EngineError> {
    let (served, sent) = (crew.guest(&at.name)?, crew.guest(&via.name)?);
    let address = at.address.map(|address| address.to_string()).unwrap_or_default();
    let transactions = load::requests(bound, crew.service.capacity.usable_per_s);
    let connections = u64::from(bound.connections).min(transactions).max(1);
    let each = (transactions / connections).max(1);
    let query = sql::read_only(POINTS, RANGES);
    let defaults = format!("--defaults-file={SECRETS}");
    let statements = 2 + POINTS + RANGES;
    let queries = format!("--number-of-queries={}", each * connections * statements);
    let concurrency = format!("--concurrency={connections}");
    let (schema, query) = (format!("--create-schema={OWN}"), format!("--query={query}"));
    let program = target.package.benchmark;
    let line = [
        program,
        &defaults,
        "-h",
        &address,
        "--delimiter=;",
        "--no-drop",
        "--csv",
        &schema,
        &concurrency,
        &queries,
        &query,
    ];
    let send = || load::run(&sent, bound, &line, &[program]);
    let (said, signs) = load::watching((&served, &sent), send)?;
    let unread = || sent.unreadable(program, &format!("{said:?}"));
    let seconds = seconds(&said).ok_or_else(unread)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive rate far below 2^52"
    )]
    let per_s = ((each * connections) as f64 / seconds) as u64;
    // It measures no single answers.
    let rates = vec![Rate { what: "transactions", per_s, p99_us: None }];
    Ok(Measured { rates, signs, connections })
}

/// How long all queries took, in its line of comma-separated values: engine, kind, and the
/// average, the shortest and the longest run.
fn seconds(csv: &str) -> Option<f64> {
    let line = csv.lines().find(|line| line.contains(','))?;
    let seconds: f64 = line.split(',').nth(2)?.trim().parse().ok()?;
    (seconds > 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_load_is_in_its_third_field() {
        assert_eq!(seconds(",mixed,1.250,1.250,1.250,4,800\n"), Some(1.25));
        for wrong in ["", "mysqlslap: Error", ",mixed,0.000,0,0,4,1"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
