//! Planned against seen, instance by instance; and what a verification found.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::deploy::{LoadFound, Verification};
use crate::engine::Fact;
use crate::engine::load::{Measured, Verdict};
use crate::graph::{is_as_planned, owned_domain};
use crate::plan::{Instance, Plan};
use crate::state::journal::LastRun;
use crate::state::world::{Seen, World};

/// What was seen of an instance, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus<'a> {
    /// As planned.
    pub instance: &'a Instance,
    /// `as planned`, `another plan`, `missing`, `host unreachable`.
    pub defined: &'static str,
    /// `running`, `off`, or `-`.
    pub state: &'static str,
    /// `ready`, `not ready`, or `-`.
    pub guest: &'static str,
    /// The role it plays with the number of differences, or `-`.
    pub engine: String,
}

/// What was seen of every instance.
#[must_use]
pub fn statuses<'a>(plan: &'a Plan, world: &World) -> Vec<InstanceStatus<'a>> {
    plan.instances.iter().map(|instance| status(plan, world, instance)).collect()
}

fn status<'a>(plan: &Plan, world: &World, instance: &'a Instance) -> InstanceStatus<'a> {
    let (defined, state) = match world.hosts.get(&instance.host) {
        Some(Seen::Reached(view)) => match owned_domain(plan, view, instance) {
            Some(domain) => {
                let same = is_as_planned(plan, instance, domain);
                let defined = if same { "as planned" } else { "another plan" };
                (defined, if domain.active { "running" } else { "off" })
            }
            None => ("missing", "-"),
        },
        Some(Seen::Unreachable(_)) | None => ("host unreachable", "-"),
    };
    let guest = match world.guests.get(&instance.name) {
        Some(guest) if guest.ready => "ready",
        Some(guest) if guest.denied => "not asked",
        Some(_) => "not ready",
        None => "-",
    };
    InstanceStatus { instance, defined, state, guest, engine: engine(world, instance) }
}

/// The role that it plays, and whether more differs; `verify` tells all.
fn engine(world: &World, instance: &Instance) -> String {
    let is_asked = world.guests.get(&instance.name).is_some_and(|guest| guest.ready);
    let Some(differences) = world.clusters.get(&instance.service).filter(|_| is_asked) else {
        return "-".to_owned();
    };
    let own = || differences.iter().filter(|one| one.instance == instance.name);
    let role = own().find(|one| one.fact == Fact::Role);
    let role = role.map_or(instance.role.as_str(), |role| role.found.as_str());
    match own().count() {
        0 => role.to_owned(),
        1 => format!("{role} (1 difference)"),
        count => format!("{role} ({count} differences)"),
    }
}

/// A table for people.
#[must_use]
pub fn status_text(plan: &Plan, world: &World, last: Option<&LastRun>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["INSTANCE", "ROLE", "HOST", "ADDRESS", "DOMAIN", "STATE", "GUEST", "ENGINE"]);
    for one in statuses(plan, world) {
        let InstanceStatus { instance, defined, state, guest, engine } = one;
        table.add_row([
            instance.name.as_str(),
            instance.role.as_str(),
            instance.host.as_str(),
            &instance.address.map_or_else(String::new, |address| address.to_string()),
            defined,
            state,
            guest,
            &engine,
        ]);
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim());
        out.push('\n');
    }
    // Writing to a string does not fail.
    for (host, seen) in &world.hosts {
        if let Seen::Unreachable(error) = seen {
            let _ = writeln!(out, "{host} is unreachable: {}", error.message);
        }
    }
    if let Some(text) = last.map(last_run) {
        let _ = writeln!(out, "{text}");
    }
    out
}

fn last_run(last: &LastRun) -> String {
    if let Some(text) = last.interruption() {
        return text;
    }
    let LastRun { command, at, done, failed, .. } = last;
    format!("last {command} at {at}: {done} done, {} failed", failed.len())
}

/// The same for programs.
#[must_use]
pub fn status_json(plan: &Plan, world: &World, last: Option<&LastRun>) -> Value {
    let instances: Vec<Value> = statuses(plan, world)
        .into_iter()
        .map(|one| {
            json!({
                "instance": one.instance.name,
                "service": one.instance.service,
                "role": one.instance.role,
                "host": one.instance.host,
                "address": one.instance.address,
                "domain": one.defined,
                "state": one.state,
                "guest": one.guest,
                "engine": one.engine,
            })
        })
        .collect();
    let unreachable: Vec<Value> = world
        .hosts
        .iter()
        .filter_map(|(host, seen)| match seen {
            Seen::Unreachable(error) => Some(json!({ "host": host, "message": error.message })),
            Seen::Reached(_) => None,
        })
        .collect();
    json!({
        "deployment": plan.name,
        "instances": instances,
        "unreachable": unreachable,
        "last_run": last.map(last_run),
    })
}

/// What a verification found, for people.
#[must_use]
pub fn verification_text(found: &Verification) -> String {
    let Verification { checks, differences, probes, unjudged, loads } = found;
    let mut out = String::new();
    // Writing to a string does not fail.
    for one in differences {
        let _ = writeln!(out, "  {one}");
    }
    for (service, reason) in unjudged {
        let _ = writeln!(out, "  {service}: {reason}");
    }
    for (service, probe) in probes {
        if let Some(failure) = &probe.failure {
            let _ = writeln!(out, "  {service} group {} via {}: {failure}", probe.group, probe.via);
        }
    }
    for one in loads {
        let _ = writeln!(out, "  {}", load_line(one));
    }
    let through = probes.iter().filter(|(_, probe)| probe.failure.is_none()).count();
    let wrong = differences.len() + unjudged.len();
    let _ = writeln!(
        out,
        "Verified: {checks} facts, {wrong} not as planned; a value went through {through} of {} \
         groups.",
        probes.len()
    );
    out
}

/// What a group did under load, in a line.
fn load_line(found: &LoadFound) -> String {
    let LoadFound { service, load, verdict } = found;
    let from = format!("{service} group {}: {} from {}", load.group, load.at, load.via);
    let measured = match &load.outcome {
        Ok(measured) => measured,
        Err(why) => return format!("{from}: no load went through: {why}"),
    };
    let Measured { writes_per_s, reads_per_s, read_p99_us, .. } = measured;
    let rates =
        format!("{writes_per_s} writes/s, {reads_per_s} reads/s, 99 % within {read_p99_us} us");
    let promised = load.promised_per_s.get();
    let said = match verdict {
        None => "emulated, so the rates mean nothing".to_owned(),
        Some(Verdict::Kept) => format!("as promised ({promised} reads/s)"),
        Some(Verdict::Short(why)) => format!("promised {promised} reads/s; likely cause: {why}"),
        Some(Verdict::Unproven(why)) => {
            format!("promised {promised} reads/s, which was not reached because {why}")
        }
    };
    format!("{from}: {rates}; {said}")
}

fn load_json(found: &LoadFound) -> Value {
    let LoadFound { service, load, verdict } = found;
    let measured = load.outcome.as_ref().ok();
    let (verdict, cause) = match verdict {
        None => (None, None),
        Some(Verdict::Kept) => (Some("kept"), None),
        Some(Verdict::Short(why)) => (Some("short"), Some(why)),
        Some(Verdict::Unproven(why)) => (Some("unproven"), Some(why)),
    };
    json!({
        "service": service,
        "group": load.group,
        "at": load.at,
        "via": load.via,
        "promised_reads_per_s": load.promised_per_s,
        "reads_per_s": measured.map(|one| one.reads_per_s),
        "writes_per_s": measured.map(|one| one.writes_per_s),
        "read_p99_us": measured.map(|one| one.read_p99_us),
        "failure": load.outcome.as_ref().err(),
        "verdict": verdict,
        "likely_cause": cause,
    })
}

/// The same for programs.
#[must_use]
pub fn verification_json(found: &Verification) -> Value {
    let differences: Vec<Value> = found
        .differences
        .iter()
        .map(|one| {
            json!({
                "instance": one.instance,
                "what": one.fact.to_string(),
                "planned": one.planned,
                "found": one.found,
            })
        })
        .collect();
    let probes: Vec<Value> = found
        .probes
        .iter()
        .map(|(service, probe)| {
            json!({
                "service": service,
                "group": probe.group,
                "via": probe.via,
                "failure": probe.failure,
            })
        })
        .collect();
    let unjudged: Vec<Value> = found
        .unjudged
        .iter()
        .map(|(service, reason)| json!({ "service": service, "reason": reason }))
        .collect();
    json!({
        "ok": found.is_ok(),
        "checks": found.checks,
        "mismatches": differences,
        "probes": probes,
        "unjudged": unjudged,
        "loads": found.loads.iter().map(load_json).collect::<Vec<_>>(),
    })
}
