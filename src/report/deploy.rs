//! What happens during a deploy or a destroy, as lines, JSON and a summary.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::deploy::{Event, EventKind, Failure, Obstacle, WalkOutcome};
use crate::graph::{Actions, Vertex};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::units::{counted, first_few};

/// An event as a line; `None` for what only a bar can show.
#[must_use]
pub fn event_line(event: &Event) -> Option<String> {
    let Event { vertex, host, kind } = event;
    let place = host.as_ref().map_or_else(|| "cluster".to_owned(), ToString::to_string);
    let said = match kind {
        EventKind::NotNeeded
        | EventKind::Progress { .. }
        | EventKind::Doing(_)
        | EventKind::Skipped => return None,
        EventKind::Started(step) => {
            format!("{} {vertex} ({})", step.action.sign(), step.reason)
        }
        EventKind::Note(text) => format!("{vertex}: {text}"),
        EventKind::Finished => format!("{vertex}: done"),
        EventKind::Failed { .. } => format!("{vertex}: failed"),
    };
    Some(format!("{place}: {said}"))
}

/// Work that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// On what.
    pub vertex: Vertex,
    /// Where; `None` for clusters.
    pub host: Option<HostName>,
    /// Bytes sent and in all, of an upload.
    pub bytes: Option<(u64, u64)>,
    /// What is being done of it.
    pub doing: Option<String>,
    /// For how long.
    pub lasts: Duration,
}

/// Waits that a line names before it only counts.
const WAITS_SHOWN: usize = 4;

/// What is waited for and for how long, the longest first; `None` for nothing:
/// `waiting 20 s for: ready cache-3 on h2 (boot)`.
#[must_use]
pub fn waiting_line(waits: &[Wait]) -> Option<String> {
    let longest = waits.first()?.lasts;
    let say = |wait: &Wait| {
        let Wait { vertex, host, bytes, doing, .. } = wait;
        let place = host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        let sent = bytes.map(|(done, all)| format!(", {} of {} MiB", done >> 20, all >> 20));
        let doing = doing.as_ref().map(|what| format!(", {what}")).unwrap_or_default();
        format!("{vertex}{place} ({}{}{doing})", vertex.stage(), sent.unwrap_or_default())
    };
    let names: Vec<String> = waits.iter().map(say).collect();
    Some(format!("waiting {} for: {}", seconds(longest), first_few(&names, WAITS_SHOWN)))
}

/// An event as one JSON object.
#[must_use]
pub fn event_json(event: &Event) -> Value {
    let Event { vertex, host, kind } = event;
    let (word, more) = match kind {
        EventKind::NotNeeded => ("not-needed", Value::Null),
        EventKind::Started(step) => (
            "started",
            json!({ "action": step.action.as_str(), "reason": step.reason.to_string() }),
        ),
        EventKind::Progress { done, total } => {
            ("progress", json!({ "bytes": done, "of_bytes": total }))
        }
        EventKind::Doing(what) => ("doing", json!({ "text": what })),
        EventKind::Note(text) => ("note", json!({ "text": text })),
        EventKind::Finished => ("done", Value::Null),
        EventKind::Failed { cause } => ("failed", json!({ "cause": cause })),
        EventKind::Skipped => ("skipped", Value::Null),
    };
    let mut value =
        json!({ "event": word, "vertex": vertex.to_string(), "kind": vertex.kind(), "host": host });
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

/// The end of a walk in one line: `Done: 24 changed, 3 unchanged, 0 failed, 0 skipped in 74 s.`
#[must_use]
pub fn summary_line(outcome: &WalkOutcome, took: Duration) -> String {
    let WalkOutcome { done, not_needed, failures, skipped, took: _ } = outcome;
    let word = if failures.is_empty() && *skipped == 0 { "Done" } else { "Incomplete" };
    format!(
        "{word}: {done} changed, {not_needed} unchanged, {} failed, {skipped} skipped in {}.",
        failures.len(),
        seconds(took)
    )
}

/// The critical path of a walk in one line: the chain of dependencies that took
/// longest, its short steps summed up.
#[must_use]
pub fn critical_line(actions: &Actions, outcome: &WalkOutcome) -> Option<String> {
    let graph = actions.graph();
    let path = graph.critical_path(&outcome.took);
    let whole: Duration = path.iter().map(|(_, took)| *took).sum();
    if whole < SHORTEST {
        return None;
    }
    let (long, short): (Vec<_>, Vec<_>) =
        path.into_iter().partition(|(_, took)| *took * NOTABLE >= whole);
    let mut parts: Vec<String> = long
        .iter()
        .map(|(vertex, took)| match (vertex, graph.host(vertex)) {
            (Vertex::ImageFile { .. }, Some(host)) => {
                format!("{vertex} on {host} {}", seconds(*took))
            }
            _ => format!("{vertex} {}", seconds(*took)),
        })
        .collect();
    let rest: Duration = short.iter().map(|(_, took)| *took).sum();
    if !short.is_empty() {
        parts.push(format!("{} more {}", short.len(), seconds(rest)));
    }
    Some(format!("Critical path: {} = {}", seconds(whole), parts.join(" + ")))
}

/// A shorter critical path is not worth a line.
const SHORTEST: Duration = Duration::from_secs(1);
/// Steps that take at least one part in so many of the path are named.
const NOTABLE: u32 = 20;

fn seconds(took: Duration) -> String {
    match took.as_secs() {
        secs @ 0..60 => format!("{secs} s"),
        secs => format!("{} min {} s", secs / 60, secs % 60),
    }
}

/// The end of a walk as one JSON object.
#[must_use]
pub fn summary_json(actions: &Actions, outcome: &WalkOutcome, took: Duration) -> Value {
    let failures: Vec<Value> = outcome.failures.iter().map(failure_json).collect();
    let path = actions.graph().critical_path(&outcome.took).into_iter().map(|(vertex, took)| {
        json!({
            "vertex": vertex.to_string(),
            "host": actions.graph().host(&vertex),
            "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })
    });
    json!({
        "event": "summary",
        "done": outcome.done,
        "not_needed": outcome.not_needed,
        "skipped": outcome.skipped,
        "failures": failures,
        "seconds": took.as_secs(),
        "critical_path": path.collect::<Vec<_>>(),
    })
}

fn failure_json(failure: &Failure) -> Value {
    json!({
        "vertex": failure.vertex.to_string(),
        "host": failure.host,
        "cause": failure.error.to_string(),
        "libvirt": failure.error.libvirt().map(|(code, domain)| {
            json!({ "code": code, "domain": domain })
        }),
        "remedy": failure.error.remedy(),
    })
}

/// The hosts that do not answer, where steps were skipped; `None` without any.
#[must_use]
pub fn waits_text<'a>(
    skipped: usize,
    unreachable: impl Iterator<Item = &'a HostName>,
) -> Option<String> {
    let hosts: Vec<&HostName> = unreachable.collect();
    let (first, others) = hosts.split_first().filter(|_| skipped > 0)?;
    let names = others.iter().fold(first.to_string(), |all, host| format!("{all}, {host}"));
    let options = hosts.iter().fold(String::new(), |all, host| format!("{all} --without {host}"));
    let steps = counted(skipped as u64, "skipped step");
    Some(format!("  {names}: no answer, {steps}; to go on without: hostsplit deploy{options}"))
}

/// The root causes, each once, with their remedies.
#[must_use]
pub fn failures_text(failures: &[Failure]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    for Failure { vertex, host, error } in failures {
        let place = host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
        let _ = writeln!(out, "  {vertex}{place}\n    {error}");
        if let Some(remedy) = error.remedy() {
            let _ = writeln!(out, "    {remedy}");
        }
    }
    out
}

/// The last line of a simulated deploy.
#[must_use]
pub fn simulated_line(plan: &Plan) -> String {
    let hosts = plan.topology.hosts.len() as u64;
    format!(
        "Simulated on {} in memory; nothing real was changed. Times are virtual: real hosts and \
         uploads take others.",
        counted(hosts, "host")
    )
}

/// The same for programs.
#[must_use]
pub fn simulated_json(plan: &Plan) -> Value {
    let hosts: Vec<&str> = plan.topology.hosts.iter().map(|host| host.name.as_str()).collect();
    json!({ "event": "simulated", "hosts": hosts })
}

/// Problems that preflight found, each with its remedy.
#[must_use]
pub fn obstacles_text(obstacles: &[Obstacle]) -> String {
    let lines = obstacles.iter().map(|one| format!("  {one}\n    {}\n", one.kind.remedy()));
    lines.collect()
}

/// The same as JSON.
#[must_use]
pub fn obstacles_json(obstacles: &[Obstacle]) -> Value {
    let all = obstacles.iter().map(|one| {
        json!({
            "host": one.host,
            "problem": one.kind.to_string(),
            "remedy": one.kind.remedy(),
        })
    });
    Value::Array(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deploy_that_waits_for_hosts_names_them() {
        let hosts = ["h2", "h3"].map(|name| HostName::new(name).unwrap());
        insta::assert_snapshot!(
            waits_text(15, hosts.iter()).unwrap(),
            @"  h2, h3: no answer, 15 skipped steps; to go on without: hostsplit deploy --without h2 --without h3"
        );
        assert_eq!(waits_text(0, hosts.iter()), None);
        assert_eq!(waits_text(15, [].iter()), None);
    }
}
