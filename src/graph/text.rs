//! The graph as text: one line per vertex, each after everything it needs.

use super::Graph;

/// The canonical listing: `root cache-0 @h1 <- image disk in default`.
#[must_use]
pub fn text(graph: &Graph) -> String {
    let mut out = String::new();
    for vertex in graph.vertices() {
        out.push_str(&vertex.to_string());
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
    }
    out
}
