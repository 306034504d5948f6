//! What a service is asked for, as a sentence: the stated rates, and why the operations that
//! they come to are more.

use super::columns::labelled;
use super::plan::ServiceSummary;
use super::plan_text::{rate_of, thousands};
use crate::explain::{DemandPart, Of};
use crate::spec::{Cluster, Persistence};
use crate::units::{PerSecond, counted, grouped};

/// Columns of a screen.
const WIDTH: usize = 100;

/// `  demand    4,600 reads/s, from 3,000 reads/s + 1,000 writes/s × 1.6`, in lines.
pub(super) fn line(service: &ServiceSummary) -> String {
    labelled("demand", WIDTH, &sentence(service))
}

/// The same without the word.
pub(super) fn sentence(service: &ServiceSummary) -> String {
    let cluster = service.engine.cluster();
    let all = rate_of(service.capacity.demand_per_s, cluster);
    let is_plain = |part: &DemandPart| {
        let same = matches!(part.of, Of::Reads | Of::Requests { .. });
        same && part.per_s == part.operations_per_s
    };
    if service.demand.iter().all(is_plain) {
        return all;
    }
    let parts: Vec<String> = service.demand.iter().map(|part| self::part(part, cluster)).collect();
    let reasons: Vec<String> = service.demand.iter().flat_map(reasons).collect();
    let reasons = match reasons.as_slice() {
        [] => String::new(),
        all => format!(" ({})", all.join(", ")),
    };
    format!("{all}, from {}{reasons}", parts.join(" + "))
}

/// `1,000 writes/s × 1.6`.
fn part(part: &DemandPart, cluster: Cluster) -> String {
    let DemandPart { of, per_s, operations_per_s } = part;
    let (noun, times, each) = match of {
        Of::Reads => (cluster.operations(), 1, String::new()),
        Of::Writes { .. } => (writes(cluster), 1, String::new()),
        Of::Documents { copies } => {
            let copies = u64::from(*copies);
            let word = if copies == 1 { "copy" } else { "copies" };
            ("documents", copies, format!(" × {} {word}", grouped(copies)))
        }
        Of::Searches { shards } => {
            ("searches", *shards, format!(" × {}", counted(*shards, "shard")))
        }
        Of::Requests { .. } => ("requests", 1, String::new()),
        Of::Transactions => ("transactions", 1, String::new()),
    };
    let stated = format!("{} {noun}/s{each}", thousands(*per_s));
    match factor(*operations_per_s, per_s.get().saturating_mul(times)) {
        Some(factor) => format!("{stated} × {factor}"),
        None => stated,
    }
}

const fn writes(cluster: Cluster) -> &'static str {
    match cluster {
        Cluster::PrimaryReplica => "write transactions",
        _ => "writes",
    }
}

/// Why one of these is more than one operation.
fn reasons(part: &DemandPart) -> Vec<String> {
    match part.of {
        Of::Writes { replicas, persistence } => {
            let replicas = (replicas > 0).then(|| counted(replicas.into(), "replica"));
            let kept = match persistence {
                Some(Persistence::Aof) => Some("append-only file".to_owned()),
                Some(Persistence::Rdb) => Some("snapshots".to_owned()),
                Some(Persistence::None) | None => None,
            };
            replicas.into_iter().chain(kept).collect()
        }
        Of::Requests { tls: true } => vec!["response bytes".to_owned(), "TLS".to_owned()],
        Of::Requests { tls: false } => vec!["response bytes".to_owned()],
        Of::Transactions => vec!["statements".to_owned()],
        Of::Reads | Of::Documents { .. } | Of::Searches { .. } => Vec::new(),
    }
}

/// How many operations one comes to, to one decimal below a hundred; `None` for one.
fn factor(operations: PerSecond, stated: u64) -> Option<String> {
    let tenths =
        (u128::from(operations.get()) * 10 + u128::from(stated) / 2) / u128::from(stated.max(1));
    let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
    match (tenths / 10, tenths % 10) {
        (1, 0) => None,
        (whole @ 100.., _) | (whole, 0) => Some(grouped(whole)),
        (whole, tenth) => Some(format!("{whole}.{tenth}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_short() {
        let all = [(16, 10), (10, 10), (1_005, 1_000), (3_100, 10), (95, 30)];
        let all = all.map(|(operations, stated)| factor(PerSecond::new(operations), stated));
        let expected = [Some("1.6"), None, None, Some("310"), Some("3.2")];
        assert_eq!(all.each_ref().map(Option::as_deref), expected);
    }
}
