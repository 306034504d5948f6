//! Work on many instances at the same time.

use std::thread;

/// Instances that are worked on at the same time.
const AT_ONCE: usize = 16;

/// Works on all items, some at a time; results in the order of the items.
pub(super) fn on_each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut results = Vec::new();
    for some in items.chunks(AT_ONCE) {
        results.extend(thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|item| scope.spawn(|| work(item))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, R>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect::<Vec<_>>()
        }));
    }
    results
}
