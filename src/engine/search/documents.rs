//! Documents through one instance: those that prove that it serves, and a load.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::api::{self, Door, get, lines, send};
use super::target::Target;
use crate::engine::cluster::Broken;
use crate::engine::load::{self, Bound, Measured, Rate};
use crate::engine::{Crew, EngineError};
use crate::plan::Instance;
use crate::recipe::search::OWN;
use crate::spec::Demand;

/// Documents of one request of a load.
const BULK: u64 = 200;
/// The file with them.
const BODY: &str = "/run/hostsplit-bulk";
/// The file with how they are sent.
const CONFIGURATION: &str = "/run/hostsplit-bulk.curl";

fn at(target: &Target, instance: &Instance) -> Result<Door, EngineError> {
    Ok(target.member(&instance.name)?.door)
}

/// Writes a document through one instance from the guest of another, reads and removes it.
pub(super) fn round_trip(
    crew: &Crew<'_>,
    target: &Target,
    (through, via): (&Instance, &Instance),
) -> Result<(), Broken> {
    let guest = crew.guest(&via.name)?;
    let document = format!("/{OWN}/_doc/probe-{}", through.name);
    let value = crew.clock().elapsed().as_millis().to_string();
    let requests = [
        send("PUT", format!("{document}?timeout=10s"), Some(json!({ "value": value }))),
        get(format!("{document}?filter_path=found,_source")),
        send("DELETE", format!("{document}?timeout=10s"), None),
    ];
    let answers = api::ask(&guest, at(target, through)?, &requests)?;
    let [written, read, removed] = answers.as_slice() else {
        return Err(Broken::Service("no answer".to_owned()));
    };
    for (what, answer) in [("written", written), ("removed", removed)] {
        if !answer.is_ok() {
            let why = format!("a document is not {what}: {}", answer.reason());
            return Err(Broken::Service(why));
        }
    }
    let found = read.body.pointer("/_source/value").and_then(Value::as_str);
    if found != Some(value.as_str()) {
        let found = found.unwrap_or("nothing");
        return Err(Broken::Service(format!("it reads {found:?}, {value:?} was written")));
    }
    Ok(())
}

fn numbered(series: &str, number: u64) -> String {
    format!("{series}-{number}")
}

/// Writes a document of a series and reads it; why it cannot be read.
pub(super) fn write(
    crew: &Crew<'_>,
    target: &Target,
    (through, via): (&Instance, &Instance),
    (series, number): (&str, u64),
) -> Result<Option<String>, Broken> {
    let guest = crew.guest(&via.name)?;
    let document = format!("/{OWN}/_doc/{}", numbered(series, number));
    let requests = [
        send("PUT", format!("{document}?timeout=1s"), Some(json!({ "value": number.to_string() }))),
        get(format!("{document}?filter_path=found")),
    ];
    let answers = api::ask(&guest, at(target, through)?, &requests)?;
    let [written, read] = answers.as_slice() else {
        return Err(Broken::Service("no answer".to_owned()));
    };
    if !written.is_ok() {
        return Err(Broken::Service(written.reason()));
    }
    Ok((!read.is_ok()).then(|| read.reason()))
}

/// Which documents of a series cannot be read; with `forget` removes all of it.
pub(super) fn lost(
    crew: &Crew<'_>,
    target: &Target,
    (through, via): (&Instance, &Instance),
    (series, numbers): (&str, &BTreeSet<u64>),
    forget: bool,
) -> Result<BTreeSet<u64>, Broken> {
    let guest = crew.guest(&via.name)?;
    let ids: Vec<String> = numbers.iter().map(|number| numbered(series, *number)).collect();
    let question = send(
        "POST",
        format!("/{OWN}/_mget?filter_path=docs._id,docs.found"),
        Some(json!({ "ids": ids })),
    );
    let answer = api::command(&guest, at(target, through)?, &question)?;
    let docs = answer.get("docs").and_then(Value::as_array).into_iter().flatten();
    let found: BTreeSet<&str> = docs
        .filter(|one| one.get("found") == Some(&Value::Bool(true)))
        .filter_map(|one| one.get("_id")?.as_str())
        .collect();
    let is_lost = |number: &&u64| !found.contains(numbered(series, **number).as_str());
    let lost = numbers.iter().filter(is_lost).copied().collect();
    if forget {
        let all: Vec<Value> = ids.iter().map(|id| json!({ "delete": { "_id": id } })).collect();
        let request = lines(format!("/{OWN}/_bulk?timeout=10s&filter_path=errors"), &all);
        api::command(&guest, at(target, through)?, &request)?;
    }
    Ok(lost)
}

/// Indexes documents through one instance from another, in an index of their own that is
/// removed again; each counts as often as it is copied.
pub(super) fn press(
    crew: &Crew<'_>,
    target: &Target,
    (through, via): (&Instance, &Instance),
    bound: Bound,
) -> Result<Measured, EngineError> {
    let (served, sent) = (crew.guest(&through.name)?, crew.guest(&via.name)?);
    let door = at(target, through)?;
    let index = format!("{OWN}-load-{}", through.name);
    let remove = send("DELETE", format!("/{index}?ignore_unavailable=true&timeout=10s"), None);
    let settings = json!({ "settings": {
        "index.number_of_shards": target.shards,
        "index.number_of_replicas": target.replicas,
        "index.hidden": true,
    } });
    // One that a run left behind that was cut off.
    api::command(&sent, door, &remove)?;
    api::command(&sent, door, &send("PUT", format!("/{index}?timeout=10s"), Some(settings)))?;
    let pressed = index_all(crew, (&served, &sent), (door, &index), bound);
    let removed = api::command(&sent, door, &remove);
    let _ = sent.run(&["rm", "-f", BODY, CONFIGURATION], std::time::Duration::from_secs(10));
    let mut measured = pressed?;
    removed?;
    for rate in &mut measured.rates {
        let copies = target.replicas.saturating_add(1);
        *rate = Rate {
            what: "documents, every copy counted",
            per_s: rate.per_s.saturating_mul(BULK).saturating_mul(copies),
            ..*rate
        };
    }
    Ok(measured)
}

fn index_all(
    crew: &Crew<'_>,
    (served, sent): (&crate::guest::Guest<'_>, &crate::guest::Guest<'_>),
    (door, index): (Door, &str),
    bound: Bound,
) -> Result<Measured, EngineError> {
    let size = match &crew.service.demand {
        Demand::Quorum(demand) => demand.document_bytes.get(),
        _ => 0,
    };
    let filler = "x".repeat(usize::try_from(size.min(64 << 10)).unwrap_or_default());
    let document = format!("{{\"index\":{{}}}}\n{{\"value\":\"{filler}\"}}\n");
    let times = usize::try_from(BULK).unwrap_or(1);
    sent.write_bytes(BODY, document.repeat(times).as_bytes())?;
    let promised = crew.service.capacity.usable_per_s;
    let requests = load::requests(bound, promised).div_ceil(BULK).max(10);
    let connections = u64::from(bound.connections.min(8));
    // `curl` counts up what is in brackets, and asks for as many at a time as it may. The server
    // refuses parameters that it does not know: seconds are as good as any other number.
    let (first, last) = (1_000, requests.saturating_add(999));
    let url = door.url(&format!("/{index}/_bulk?filter_path=errors&timeout=[{first}-{last}]s"));
    let text = format!(
        "url = \"{url}\"\nrequest = POST\nparallel\nparallel-max = {connections}\nsilent\n\
         data-binary = \"@{BODY}\"\nheader = \"Content-Type: application/x-ndjson\"\n\
         output = /dev/null\nwrite-out = \"%{{http_code}} %{{time_total}}\\n\"\n{}",
        door.entry()
    );
    sent.write_bytes(CONFIGURATION, text.as_bytes())?;
    let line = ["curl", "--config", CONFIGURATION];
    let (said, signs) = load::watching((served, sent), || load::run(sent, bound, &line, &line))?;
    let rate = rate(&said, connections).map_err(|problem| sent.unreadable("curl", &problem))?;
    Ok(Measured { rates: vec![rate], signs, connections })
}

/// Reads status and seconds of each request. All connections were busy all the time.
fn rate(said: &str, connections: u64) -> Result<Rate, String> {
    let mut times = Vec::new();
    for line in said.lines() {
        match line.split_once(' ') {
            Some(("200", seconds)) => {
                let seconds = seconds.parse::<f64>();
                times.push(seconds.map_err(|_| format!("{line:?} is no time"))?);
            }
            Some((code, _)) => return Err(format!("a request was answered by HTTP {code}")),
            None => return Err(format!("{line:?} is no answer")),
        }
    }
    times.sort_unstable_by(f64::total_cmp);
    let Some(p99) = times.get((times.len() * 99 / 100).min(times.len().saturating_sub(1))) else {
        return Err("it says nothing".to_owned());
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^53")]
    let whole = |value: f64| value.max(0.0).round() as u64;
    #[expect(clippy::cast_precision_loss, reason = "as many as documents of a few seconds")]
    let (count, connections) = (times.len() as f64, connections as f64);
    let busy = times.iter().sum::<f64>().max(1e-6);
    let per_s = whole(count * connections.min(count) / busy);
    Ok(Rate { what: "requests", per_s, p99_us: Some(whole(p99 * 1e6)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reached_follows_from_the_times_of_requests() {
        let said = "200 0.100000\n".repeat(99) + "200 2.000000\n";
        let rate = rate(&said, 4).unwrap();
        assert_eq!((rate.per_s, rate.p99_us), (34, Some(2_000_000)));
        assert!(super::rate("200 0.1\n401 0.1\n", 4).unwrap_err().contains("HTTP 401"));
        assert!(super::rate("", 4).is_err());
    }
}
