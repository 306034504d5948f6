//! The graph and the actions on it, as text and JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::graph::{Action, Actions, Graph, LostVolume, Vertex, VolumeFate};
use crate::ids::HostName;

/// The graph as JSON: every vertex with its kind, its host and its needs, and
/// where it was decided what is to be done with it and why.
#[must_use]
pub fn graph_json(graph: &Graph, actions: Option<&Actions>) -> Value {
    let vertices = graph.vertices().map(|vertex| {
        let needs: Vec<Value> =
            graph.needs(vertex).into_iter().map(|need| id(graph, need)).collect();
        let mut value = json!({
            "vertex": vertex.to_string(),
            "kind": vertex.kind(),
            "host": graph.host(vertex),
            "needs": needs,
        });
        let step = actions.and_then(|actions| actions.step(vertex));
        if let (Some(object), Some(step)) = (value.as_object_mut(), step) {
            object.insert("action".to_owned(), step.action.as_str().into());
            object.insert("reason".to_owned(), step.reason.to_string().into());
        }
        value
    });
    json!({ "vertices": vertices.collect::<Vec<_>>() })
}

/// What names a vertex: image files have the same name on every host.
fn id(graph: &Graph, vertex: &Vertex) -> Value {
    json!({ "vertex": vertex.to_string(), "host": graph.host(vertex) })
}

/// Everything that changes something, host by host, with its sign and reason,
/// and the closing line.
#[must_use]
pub fn actions_text(actions: &Actions) -> String {
    let mut places: BTreeMap<(bool, Option<&HostName>), Vec<_>> = BTreeMap::new();
    for (vertex, step) in actions.steps().filter(|(_, step)| step.action != Action::NoOp) {
        let host = actions.graph().host(vertex);
        // Clusters come last.
        places.entry((host.is_none(), host)).or_default().push((vertex.to_string(), step));
    }
    let width = places.values().flatten().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut out = String::new();
    // Writing to a string does not fail.
    for ((_, host), steps) in places {
        let _ = writeln!(out, "{}", host.map_or("clusters", HostName::as_str));
        for (name, step) in steps {
            let _ = writeln!(out, "  {:<3} {name:<width$}  {}", step.action.sign(), step.reason);
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    for impact in actions.impacts() {
        let option = impact.kind.option();
        let _ = writeln!(out, "{impact}\n  has to be allowed: {option} {}", impact.service);
    }
    let _ = writeln!(out, "{}", closing_line(actions));
    out
}

/// The volumes whose content a run gives up: those of a host and a fate in one line.
#[must_use]
pub fn lost_text(lost: &[LostVolume]) -> String {
    let mut places: BTreeMap<(&HostName, VolumeFate), Vec<String>> = BTreeMap::new();
    for LostVolume { host, fate, pool, name } in lost {
        places.entry((host, *fate)).or_default().push(format!("{pool}/{name}"));
    }
    let line = |((host, fate), names): ((&HostName, VolumeFate), Vec<String>)| {
        let what = match fate {
            VolumeFate::Replaced => "made anew",
            VolumeFate::Deleted => "deleted",
            VolumeFate::DeletedOnceCopied => "deleted once others have its data",
        };
        format!("volumes on {host} {what}: {}\n", names.join(", "))
    };
    places.into_iter().map(line).collect()
}

/// The same for programs.
#[must_use]
pub fn lost_json(lost: &[LostVolume]) -> Value {
    let fate = |fate| match fate {
        VolumeFate::Replaced => "replaced",
        VolumeFate::Deleted => "deleted",
        VolumeFate::DeletedOnceCopied => "deleted_once_copied",
    };
    lost.iter()
        .map(|one| {
            json!({
                "host": one.host, "pool": one.pool, "volume": one.name, "fate": fate(one.fate)
            })
        })
        .collect()
}

/// `Plan: 24 to create, 0 to update, 0 to replace, 0 to delete.`
#[must_use]
pub fn closing_line(actions: &Actions) -> String {
    format!("Plan: {}.", actions.counts())
}

/// All steps, those that need nothing included, and their counts.
#[must_use]
pub fn actions_json(actions: &Actions) -> Value {
    let steps = actions.steps().map(|(vertex, step)| {
        json!({
            "vertex": vertex.to_string(),
            "kind": vertex.kind(),
            "host": actions.graph().host(vertex),
            "action": step.action.as_str(),
            "reason": step.reason.to_string(),
        })
    });
    let counts = actions.counts();
    let impacts = actions.impacts().iter().map(|impact| {
        json!({
            "service": impact.service,
            "kind": impact.kind.as_str(),
            "cause": impact.cause,
            "instances": impact.instances,
            "allowed_by": impact.kind.option(),
        })
    });
    json!({
        "impacts": impacts.collect::<Vec<_>>(),
        "actions": steps.collect::<Vec<_>>(),
        "counts": {
            "no_op": counts.no_op,
            "create": counts.create,
            "update": counts.update,
            "replace": counts.replace,
            "migrate": counts.migrate,
            "delete": counts.delete,
            "unknown": counts.unknown,
        },
    })
}
