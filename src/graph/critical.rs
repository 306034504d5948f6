//! What a run could not have been faster than.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Graph, Vertex};

impl Graph {
    /// Returns the chain of needs whose work took longest, first to last, by how long
    /// the work on each vertex took. Vertices without any work take no time; the first
    /// of equal chains is taken.
    #[must_use]
    pub fn critical_path(&self, took: &[(Vertex, Duration)]) -> Vec<(Vertex, Duration)> {
        let took: BTreeMap<&Vertex, Duration> =
            took.iter().map(|(vertex, took)| (vertex, *took)).collect();
        // By vertex: when it could have ended at the earliest, and after which one.
        let mut ends: BTreeMap<&Vertex, (Duration, Option<&Vertex>)> = BTreeMap::new();
        let mut last: Option<(&Vertex, Duration)> = None;
        for vertex in self.vertices() {
            let mut start = (Duration::ZERO, None);
            for need in self.needs(vertex) {
                let end = ends.get(need).map_or(Duration::ZERO, |(end, _)| *end);
                if end > start.0 {
                    start = (end, Some(need));
                }
            }
            let end = start.0 + took.get(vertex).copied().unwrap_or_default();
            ends.insert(vertex, (end, start.1));
            if last.is_none_or(|(_, latest)| end > latest) {
                last = Some((vertex, end));
            }
        }
        let mut path = Vec::new();
        let mut next = last.map(|(vertex, _)| vertex);
        while let Some(vertex) = next {
            path.extend(took.get(vertex).map(|took| (vertex.clone(), *took)));
            next = ends.get(vertex).and_then(|(_, before)| *before);
        }
        path.reverse();
        path
    }
}
