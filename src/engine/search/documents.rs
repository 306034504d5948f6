//! Documents through one instance: those that prove that it serves, and a load.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::api::{self, get, lines, send};
use super::target::Target;
use crate::engine::cluster::Broken;
use crate::engine::load::{self, Bound, Measured, Rate};
use crate::engine::{Crew, EngineError, http};
use crate::plan::Instance;
use crate::recipe::search::{HTTP, OWN};
use crate::spec::Demand;

/// Documents of one request of a load.
const BULK: u64 = 200;
/// The file with them.
const BODY: &str = "/run/hostsplit-bulk";

fn at(target: &Target, instance: &Instance) -> Result<std::net::Ipv4Addr, EngineError> {
    Ok(target.member(&instance.name)?.address)
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
    let address = at(target, through)?;
    let index = format!("{OWN}-load-{}", through.name);
    let remove = send("DELETE", format!("/{index}?ignore_unavailable=true&timeout=10s"), None);
    let settings = json!({ "settings": {
        "index.number_of_shards": target.shards,
        "index.number_of_replicas": target.replicas,
        "index.hidden": true,
    } });
    // One that a run left behind that was cut off.
    api::command(&sent, address, &remove)?;
    api::command(&sent, address, &send("PUT", format!("/{index}?timeout=10s"), Some(settings)))?;
    let pressed =
        index_all(crew, (&served, &sent), &format!("http://{address}:{HTTP}/{index}/_bulk"), bound);
    let removed = api::command(&sent, address, &remove);
    let _ = sent.run(&["rm", "-f", BODY], std::time::Duration::from_secs(10));
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
    url: &str,
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
    let requests = load::requests(bound, promised).div_ceil(BULK).max(10).to_string();
    let connections = bound.connections.min(8).to_string();
    let line = [
        "ab",
        "-q",
        "-k",
        "-r",
        "-n",
        &requests,
        "-c",
        &connections,
        "-p",
        BODY,
        "-T",
        "application/x-ndjson",
        url,
    ];
    let (said, signs) = load::watching((served, sent), || load::run(sent, bound, &line, &line))?;
    let rate = http::rate(&said).map_err(|problem| sent.unreadable("ab", &problem))?;
    Ok(Measured { rates: vec![rate], signs })
}
