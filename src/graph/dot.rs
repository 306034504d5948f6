//! The graph in the language of Graphviz, one cluster of vertices per host.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Graph, Vertex};
use crate::ids::HostName;

/// The graph for `dot -Tsvg`; arrows point from what is needed to what needs it.
#[must_use]
pub fn dot(graph: &Graph) -> String {
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
            let _ = writeln!(out, "{indent}v{number} [label=\"{}\"];", escape(vertex));
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

/// A vertex as the inside of a quoted string; pool names are the host's.
fn escape(vertex: &Vertex) -> String {
    vertex.to_string().replace('\\', "\\\\").replace('"', "\\\"")
}
