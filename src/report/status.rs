//! The planned and the observed state of each instance; what a verification found.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::columns::columns;
use super::faults::{fault_json, fault_line, undone_line};
use crate::certificate::Validity;
use crate::deploy::{CertificateFound, LoadFound, Verification};
use crate::engine::load::{Rate, Verdict};
use crate::engine::{Fact, Through};
use crate::graph::{is_as_planned, owned_domain};
use crate::plan::{Instance, Plan};
use crate::state::journal::LastRun;
use crate::state::world::{Seen, World};
use crate::units::{counted, grouped};

/// What a status shows.
#[derive(Clone, Copy)]
pub struct Status<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The hosts as they were seen.
    pub world: &'a World,
    /// What differs from the plan.
    pub found: &'a Verification,
    /// Who changes the deployment right now, in their own words.
    pub holder: Option<&'a str>,
    /// The last run.
    pub last: Option<&'a LastRun>,
}

/// What was seen of an instance, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus<'a> {
    /// As planned.
    pub instance: &'a Instance,
    /// `as planned`, `drifted`, `differs`, `missing`, `host unreachable`.
    pub defined: &'static str,
    /// Its domain's state, or `-`.
    pub state: String,
    /// `ready`, `not ready`, or `-`.
    pub guest: &'static str,
    /// The role it plays with the number of differences, or `-`.
    pub engine: String,
}

impl<'a> Status<'a> {
    /// What was seen of every instance.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceStatus<'a>> {
        self.plan.instances.iter().map(|instance| self.instance(instance)).collect()
    }

    fn instance(&self, instance: &'a Instance) -> InstanceStatus<'a> {
        let (defined, state) = match self.world.hosts.get(&instance.host) {
            Some(Seen::Reached(view)) => match owned_domain(self.plan, view, instance) {
                Some(domain) => {
                    let defined = if !is_as_planned(self.plan, instance, domain) {
                        "differs"
                    } else if self.found.has_drifted(&instance.name) {
                        "drifted"
                    } else {
                        "as planned"
                    };
                    (defined, domain.state.to_string())
                }
                None => ("missing", "-".to_owned()),
            },
            Some(Seen::Unreachable(_)) | None => ("host unreachable", "-".to_owned()),
        };
        let guest = match self.world.guests.get(&instance.name) {
            Some(guest) if guest.ready => "ready",
            Some(guest) if guest.denied => "not queried",
            Some(_) => "not ready",
            None => "-",
        };
        InstanceStatus { instance, defined, state, guest, engine: self.engine(instance) }
    }

    /// The role that it plays and the number of differences, which `verify` lists.
    fn engine(&self, instance: &Instance) -> String {
        let is_asked = self.world.guests.get(&instance.name).is_some_and(|guest| guest.ready);
        let judged = !self.found.unjudged.iter().any(|(name, _)| *name == instance.service);
        if !is_asked || !judged || self.plan.service_of(instance).is_none() {
            return "-".to_owned();
        }
        let own = || {
            let differences = self.found.differences.iter();
            differences.filter(|one| one.instance == instance.name && one.fact.is_of_engine())
        };
        if own().any(|one| one.fact == Fact::Answer) {
            return "no answer".to_owned();
        }
        let role = own().find(|one| one.fact == Fact::Role).map(|role| role.found.as_str());
        let role = self.leading(instance).or(role).unwrap_or(instance.role.as_str());
        match own().count() {
            0 => role.to_owned(),
            1 => format!("{role} (1 difference)"),
            count => format!("{role} ({count} differences)"),
        }
    }

    /// The role of who leads its group, if it does.
    fn leading(&self, instance: &Instance) -> Option<&'a str> {
        let service = self.plan.service_of(instance)?;
        let group = service.groups.iter().find(|group| Some(group.index) == instance.group)?;
        let leader = self.world.leaders.get(&(service.name.clone(), group.index))?;
        let lead = self.plan.instance(&group.lead)?;
        (*leader == instance.name).then(|| lead.role.as_str())
    }

    /// What is being done, or was done last.
    fn run(&self) -> Option<String> {
        match (self.holder, self.last) {
            (Some(holder), last) => Some(match last.filter(|last| !last.finished) {
                Some(last) => format!("{holder}: {}", last.progress()),
                None => format!("{holder}: at work"),
            }),
            (None, last) => last.map(last_run),
        }
    }

    /// Whether everything is as planned, as far as it was asked.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.found.is_ok()
    }
}

/// A table for people, and what is wrong.
#[must_use]
pub fn status_text(status: &Status<'_>) -> String {
    let header = ["instance", "role", "host", "address", "domain", "state", "guest", "engine"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(status.instances().into_iter().map(|one| {
        let InstanceStatus { instance, defined, state, guest, engine } = one;
        vec![
            instance.name.to_string(),
            instance.role.as_str().to_owned(),
            instance.host.to_string(),
            instance.address.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            defined.to_owned(),
            state,
            guest.to_owned(),
            engine,
        ]
    }));
    let mut out = columns(0, &rows);
    // Writing to a string does not fail.
    for one in &status.found.certificates {
        let _ = writeln!(out, "{}", certificate_line(one));
    }
    for fault in &status.found.faults {
        let _ = writeln!(out, "{}", fault_line(fault));
    }
    for (service, reason) in &status.found.unjudged {
        let _ = writeln!(out, "{service}: {reason}");
    }
    for one in &status.found.undone {
        let _ = writeln!(out, "{}", undone_line(one));
    }
    if let Some(text) = status.run() {
        let _ = writeln!(out, "{text}");
    }
    out
}

/// When the certificate of a service ends, in a line.
fn certificate_line(found: &CertificateFound) -> String {
    let CertificateFound { service, chain, ends, validity: _ } = found;
    match chain {
        Some(chain) => format!("{service}: certificate of {chain}, valid until {ends}"),
        None => format!("{service}: certificate of the deployment's authority, valid until {ends}"),
    }
}

fn certificate_json(found: &CertificateFound) -> Value {
    let CertificateFound { service, chain, ends, validity } = found;
    let validity = match validity {
        Validity::NotYet => "not_yet",
        Validity::Valid => "valid",
        Validity::EndsSoon { .. } => "ends_soon",
        Validity::Over => "over",
    };
    json!({ "service": service, "chain": chain, "ends": ends, "validity": validity })
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
pub fn status_json(status: &Status<'_>) -> Value {
    let instances: Vec<Value> = status
        .instances()
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
    let unreachable: Vec<Value> = status
        .world
        .hosts
        .iter()
        .filter_map(|(host, seen)| match seen {
            Seen::Unreachable(error) => Some(json!({ "host": host, "message": error.message })),
            Seen::Reached(_) => None,
        })
        .collect();
    json!({
        "deployment": status.plan.name,
        "ok": status.is_ok(),
        "instances": instances,
        "unreachable": unreachable,
        "faults": status.found.faults.iter().map(fault_json).collect::<Vec<_>>(),
        "undone": status.found.undone.iter().map(undone_line).collect::<Vec<_>>(),
        "certificates": status.found.certificates.iter().map(certificate_json).collect::<Vec<_>>(),
        "running": status.holder,
        "last_run": status.run(),
    })
}

/// What a verification found, for people.
#[must_use]
pub fn verification_text(found: &Verification) -> String {
    let Verification { checks, faults, undone, probes, unjudged, loads, .. } = found;
    let mut out = String::new();
    // Writing to a string does not fail.
    for one in faults {
        let _ = writeln!(out, "  {}", fault_line(one));
    }
    for (service, reason) in unjudged {
        let _ = writeln!(out, "  {service}: {reason}");
    }
    for one in undone {
        let _ = writeln!(out, "  {}", undone_line(one));
    }
    for (service, probe) in probes.iter().filter(|(service, probe)| !found.explains(service, probe))
    {
        if let Some(failure) = &probe.failure {
            let _ = writeln!(out, "  {service} {} via {}: {failure}", probe.through, probe.via);
        }
    }
    for one in loads {
        let _ = writeln!(out, "  {}", load_line(one));
    }
    for one in &found.certificates {
        let _ = writeln!(out, "  {}", certificate_line(one));
    }
    let through = probes.iter().filter(|(_, probe)| probe.failure.is_none()).count();
    let wrong = faults.len() + unjudged.len() + undone.len();
    let _ = writeln!(
        out,
        "{}, {}. Read/write probe: {through} of {} passed.",
        counted(*checks as u64, "check"),
        counted(wrong as u64, "fault"),
        counted(probes.len() as u64, "group")
    );
    out
}

/// What a group did under load, in a line.
fn load_line(found: &LoadFound) -> String {
    let LoadFound { service, load, verdict } = found;
    let from = format!("{service} {}: {} from {}", load.through, load.at, load.via);
    let measured = match &load.outcome {
        Ok(measured) => measured,
        Err(why) => return format!("{from}: load test failed: {why}"),
    };
    let rate = |Rate { what, per_s, p99_us }: &Rate| {
        let p99 = p99_us.map(|p99_us| format!(", p99 {} us", grouped(p99_us)));
        format!("{} {what}/s{}", grouped(*per_s), p99.unwrap_or_default())
    };
    let rates = measured.rates.iter().map(rate).collect::<Vec<_>>().join("; ");
    let planned = format!("{} {}/s", grouped(load.promised_per_s.get()), load.work);
    let said = match verdict {
        None => "the host emulates its guests, so rates are not meaningful".to_owned(),
        Some(Verdict::Kept) => format!("reaches the planned {planned}"),
        Some(Verdict::Short(why)) => format!("below the planned {planned}; likely cause: {why}"),
        Some(Verdict::Unproven(why)) => {
            format!("inconclusive, planned {planned}: {why}")
        }
    };
    let over = counted(measured.connections, "connection");
    format!("{from}: {rates} over {over}; {said}")
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
    let mut value = json!({
        "service": service,
        "at": load.at,
        "via": load.via,
        "failure": load.outcome.as_ref().err(),
        "verdict": verdict,
        "likely_cause": cause,
    });
    if let Some(object) = value.as_object_mut() {
        through(object, &load.through);
        object.insert(format!("promised_{}_per_s", load.work), json!(load.promised_per_s));
        object.insert("connections".to_owned(), json!(measured.map(|one| one.connections)));
        for Rate { what, per_s, p99_us } in measured.iter().flat_map(|one| &one.rates) {
            object.insert(format!("{what}_per_s"), json!(per_s));
            object.insert(format!("{what}_p99_us"), json!(p99_us));
        }
    }
    value
}

/// Adds what a probe or a load went through: `"group": 0`, `"instance": "web-0"`.
fn through(object: &mut Map<String, Value>, through: &Through) {
    let (key, value) = match through {
        Through::Group(index) => ("group", json!(index)),
        Through::Instance(name) => ("instance", json!(name)),
        Through::Address(address) => ("address", json!(address)),
    };
    object.insert(key.to_owned(), value);
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
            let mut value = json!({
                "service": service,
                "via": probe.via,
                "failure": probe.failure,
            });
            if let Some(object) = value.as_object_mut() {
                through(object, &probe.through);
            }
            value
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
        "faults": found.faults.iter().map(fault_json).collect::<Vec<_>>(),
        "undone": found.undone.iter().map(undone_line).collect::<Vec<_>>(),
        "certificates": found.certificates.iter().map(certificate_json).collect::<Vec<_>>(),
        "probes": probes,
        "unjudged": unjudged,
        "loads": found.loads.iter().map(load_json).collect::<Vec<_>>(),
    })
}
