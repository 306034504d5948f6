//! What is wrong, a line each: cause, effect, what to do.

use serde_json::{Value, json};

use crate::deploy::{Cause, Effect, Fault, Next, Undone};
use crate::engine::Fact;
use crate::graph::Action;
use crate::graph::drift::Remedy;
use crate::units::{counted, first_few};

/// Names that a line lists before it only counts.
const SHOWN: usize = 3;

/// A fault in a line.
#[must_use]
pub fn fault_line(fault: &Fault) -> String {
    let mut parts = vec![cause(&fault.cause)];
    parts.extend(effect_of_cause(&fault.cause).map(str::to_owned));
    parts.extend(fault.effects.iter().map(effect));
    if fault.follows > 0 && !matches!(fault.cause, Cause::Sights { .. }) {
        let follow = if fault.follows == 1 { "follows" } else { "follow" };
        parts.push(format!("{} {follow}", counted(fault.follows as u64, "more difference")));
    }
    parts.extend(next(&fault.next));
    parts.join("; ")
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Host { host, message } => format!("{host} is unreachable: {message}"),
        Cause::Difference(one) => one.to_string(),
        Cause::Sights { of, by, found } => {
            let names: Vec<String> = by.iter().map(ToString::to_string).collect();
            format!("{of}: {found} in the view of {}", first_few(&names, SHOWN))
        }
    }
}

/// What a difference comes to, where that is not plain from it.
const fn effect_of_cause(cause: &Cause) -> Option<&'static str> {
    let Cause::Difference(one) = cause else { return None };
    match &one.fact {
        Fact::VcpuPins | Fact::EmulatorPins | Fact::IoThreadPins => {
            Some("it may share CPUs with others")
        }
        Fact::Persistence => Some("it is gone once it stops"),
        Fact::Autostart => Some("its host would start it after it was replaced elsewhere"),
        Fact::Links => Some("nobody reaches it"),
        _ => None,
    }
}

fn effect(effect: &Effect) -> String {
    let Effect { service, group, copies, planned, leader, serves } = effect;
    let serves = match serves {
        Some(true) => " serves with",
        Some(false) => " does not serve,",
        None => ":",
    };
    let Some(group) = group else {
        return format!("{service}{serves} {copies} of {planned} instances");
    };
    let leader = match leader {
        Some(leader) => format!("{leader} leads"),
        None => "nobody leads".to_owned(),
    };
    format!("{service} group {group}{serves} {copies} of {planned} copies, {leader}")
}

fn next(next: &Next) -> Option<String> {
    Some(match next {
        Next::Host(host) => {
            format!("bring it back, or go on without it: hostsplit deploy --without {host}")
        }
        Next::Remedy(remedy) => format!("deploy {}", remedy_words(*remedy)),
        Next::Deploy => "deploy repairs it".to_owned(),
        Next::Renew(chain) => {
            format!("put a renewed one into {chain}, then hostsplit plan and hostsplit deploy")
        }
        Next::Person => return None,
    })
}

/// What a deploy does about a drift.
const fn remedy_words(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Define => "defines it again while it runs",
        Remedy::Autostart => "turns it off",
        Remedy::Pin => "pins it again while it runs",
        Remedy::Plug => "sets the link up",
        Remedy::Resume => "resumes it",
        Remedy::Start => "starts it",
        Remedy::Restart => "restarts it once others serve its data",
    }
}

/// What a deploy would do that no fault speaks of, in a line.
#[must_use]
pub fn undone_line(undone: &Undone) -> String {
    let Undone { vertex, host, step } = undone;
    let host = host.as_ref().map_or_else(String::new, |host| format!(" on {host}"));
    let done = match step.action {
        Action::Create => "creates",
        Action::Update => "updates",
        Action::Replace => "replaces",
        Action::Migrate => "moves",
        Action::Delete => "deletes",
        Action::NoOp | Action::Unknown => "checks",
    };
    format!("{vertex}{host}: {}; deploy {done} it", step.reason)
}

/// The same for programs.
#[must_use]
pub fn fault_json(fault: &Fault) -> Value {
    let effects: Vec<Value> = fault
        .effects
        .iter()
        .map(|one| {
            json!({
                "service": one.service,
                "group": one.group,
                "copies": one.copies,
                "planned_copies": one.planned,
                "leader": one.leader,
                "serves": one.serves,
            })
        })
        .collect();
    let (host, instance) = match &fault.cause {
        Cause::Host { host, .. } => (Some(host), None),
        Cause::Difference(one) => (None, Some(&one.instance)),
        Cause::Sights { of, .. } => (None, Some(of)),
    };
    json!({
        "host": host,
        "instance": instance,
        "cause": cause(&fault.cause),
        "effects": effects,
        "differences_that_follow": fault.follows,
        "next": next(&fault.next),
    })
}
