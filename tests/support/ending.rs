//! How a process of a deploy ended.

use hostsplit::deploy::{Obstacle, WalkOutcome};

/// Whether all was done.
pub fn is_complete(outcome: Option<&WalkOutcome>) -> bool {
    outcome.is_some_and(|end| end.failures.is_empty() && end.skipped == 0)
}

/// Everything that went wrong.
pub fn story(obstacles: &[Obstacle], outcome: Option<&WalkOutcome>) -> String {
    let failures = outcome.into_iter().flat_map(|end| &end.failures);
    let failures: Vec<String> =
        failures.map(|one| format!("{}: {}", one.vertex, one.error)).collect();
    let obstacles: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    let skipped = outcome.map_or(0, |end| end.skipped);
    format!("obstacles {obstacles:?}, failures {failures:?}, {skipped} skipped")
}
