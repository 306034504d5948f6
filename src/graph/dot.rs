//! The graph in the language of Graphviz, one cluster of vertices per host.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Action, Actions, Graph, Vertex};
use crate::ids::HostName;

/// Writes the graph for `dot -Tsvg`; arrows point from what is needed to what needs it.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    written(graph, &|vertex| format!("label=\"{}\"", escape(&vertex.to_string())))
}

/// The same with what is to be done with each vertex, and why.
#[must_use]
pub fn dot_of(actions: &Actions) -> String {
    written(actions.graph(), &|vertex| {
        let name = escape(&vertex.to_string());
        let Some(step) = actions.step(vertex) else { return format!("label=\"{name}\"") };
        let (sign, reason) = (step.action.sign(), escape(&step.reason.to_string()));
        format!("label=\"{sign} {name}\\n{reason}\" {}", look(step.action))
    })
}

/// Colours help; the sign alone is enough.
const fn look(action: Action) -> &'static str {
    match action {
        Action::NoOp => "color=gray",
        Action::Create => "color=darkgreen",
        Action::Update => "color=orange",
        Action::Replace => "color=blue",
        Action::Migrate => "color=purple",
        Action::Delete => "color=red",
        Action::Unknown => "style=dashed",
    }
}

fn written(graph: &Graph, attributes: &dyn Fn(&Vertex) -> String) -> String {
    let numbers: BTreeMap<&Vertex, usize> =
        graph.vertices().enumerate().map(|(number, vertex)| (vertex, number)).collect();
    let mut hosts: BTreeMap<Option<&HostName>, Vec<(&Vertex, usize)>> = BTreeMap::new();
    for (number, vertex) in graph.vertices().enumerate() {
        hosts.entry(graph.host(vertex)).or_default().push((vertex, number));
    }
    let mut out = String::from("digraph hostsplit {\n  rankdir=LR;\n  node [shape=box];\n");
    // Writing to a string does not fail.
    for (number, (host, vertices)) in hosts.iter().enumerate() {
        let indent = if host.is_some() { "    " } else { "  " };
        if let Some(host) = host {
            let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label=\"{host}\";");
        }
        for (vertex, number) in vertices {
            let _ = writeln!(out, "{indent}v{number} [{}];", attributes(vertex));
        }
        if host.is_some() {
            out.push_str("  }\n");
        }
    }
    for (number, vertex) in graph.vertices().enumerate() {
        for need in graph.needs(vertex).into_iter().filter_map(|need| numbers.get(need)) {
            let _ = writeln!(out, "  v{need} -> v{number};");
        }
    }
    out.push_str("}\n");
    out
}

/// Escapes a text for the inside of a quoted string; pool names are the host's.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
