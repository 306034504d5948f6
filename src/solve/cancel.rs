//! A requirement to stop: solves of this process then end as if their time were over.

use std::sync::atomic::{AtomicBool, Ordering};

static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Lets all solves of this process end with the best that they have. A search of
/// the solver ends with its present slice of nodes. May be called by a signal's
/// handler.
pub fn cancel() {
    CANCELLED.store(true, Ordering::Relaxed);
}

/// Whether solves shall end.
#[must_use]
pub fn is_cancelled() -> bool {
    CANCELLED.load(Ordering::Relaxed)
}
