//! The graph as text: one line per vertex, each after everything it needs.

use super::{Actions, Graph, Step, Vertex};

/// Writes the canonical listing: `root cache-0 @h1 <- image disk in default`.
#[must_use]
pub fn text(graph: &Graph) -> String {
    graph.vertices().map(|vertex| line(graph, vertex)).collect()
}

/// The same with what is to be done with each vertex, and why:
/// `+   root cache-0 @h1 <- image disk in default (missing)`.
#[must_use]
pub fn text_of(actions: &Actions) -> String {
    let lines = actions.steps().map(|(vertex, Step { action, reason })| {
        let line = line(actions.graph(), vertex);
        format!("{:<3} {} ({reason})\n", action.sign(), line.trim_end())
    });
    lines.collect()
}

fn line(graph: &Graph, vertex: &Vertex) -> String {
    let mut out = vertex.to_string();
    if let Some(host) = graph.host(vertex) {
        out.push_str(" @");
        out.push_str(host.as_str());
    }
    let needs: Vec<String> = graph.needs(vertex).iter().map(ToString::to_string).collect();
    if !needs.is_empty() {
        out.push_str(" <- ");
        out.push_str(&needs.join(", "));
    }
    out.push('\n');
    out
}
