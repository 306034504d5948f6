//! Work on many things of many hosts: on all hosts at the same time, and on a few
//! things of each.
//!
//! libvirtd works on five calls of a client at a time by default
//! (`max_client_requests`). More of them wait unread, and with them the answers to its
//! keep-alive: guests that hang would cost the connection.
//!
//! Threads are in the span of their caller.
//!
//! A simulated world that is to be the same one each time lets everything happen on one
//! thread, in an order that a seed decides: [`one_by_one`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tracing::Span;

/// Things of one host that are worked on at a time; one call less than libvirtd takes.
const PER_HOST: usize = 4;

/// Which of several that may be next is next, by its place among so many.
type Choice = Box<dyn FnMut(usize) -> usize>;

thread_local! {
    static ORDER: RefCell<Option<Choice>> = const { RefCell::new(None) };
}

/// Does something in which nothing happens at the same time: what would be worked on by
/// several threads is worked on by this one, in an order that `choice` decides; it is given
/// the number of things that may be next, two or more, and returns the place of one.
pub fn one_by_one<R>(choice: impl FnMut(usize) -> usize + 'static, work: impl FnOnce() -> R) -> R {
    /// Ends it, also where the work panics.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            ORDER.with_borrow_mut(|order| *order = None);
        }
    }
    ORDER.with_borrow_mut(|order| *order = Some(Box::new(choice)));
    let _end = End;
    work()
}

/// Returns whether this thread does everything by itself.
#[must_use]
pub fn is_one_by_one() -> bool {
    ORDER.with_borrow(Option::is_some)
}

/// Returns which of `count` things that may be next is next, by its place: the first unless
/// [`one_by_one`] decides.
#[must_use]
pub fn choose(count: usize) -> usize {
    if count < 2 {
        return 0;
    }
    ORDER.with_borrow_mut(|order| order.as_mut().map_or(0, |choice| choice(count) % count))
}

/// Works on all items; `host` says where each belongs, and at most four of the same
/// host are worked on at a time. Returns the results in the order of the items.
///
/// # Panics
/// As `work` does, once all others have ended.
pub fn on_each<'a, T: Sync, H: Ord, R: Send>(
    items: &'a [T],
    host: impl Fn(&'a T) -> H,
    work: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    if is_one_by_one() {
        return in_turn(items, work);
    }
    let mut hosts: BTreeMap<H, Vec<(usize, &T)>> = BTreeMap::new();
    for (place, item) in items.iter().enumerate() {
        hosts.entry(host(item)).or_default().push((place, item));
    }
    // Each worker has its first item from the beginning, so that none waits while
    // another works on two.
    let queues = hosts.into_values().map(|items| {
        let mut items = items.into_iter();
        let first: Vec<(usize, &T)> = items.by_ref().take(PER_HOST).collect();
        (first, Mutex::new(items))
    });
    let queues: Vec<_> = queues.collect();
    let (work, queues, span) = (&work, &queues, &Span::current());
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (first, queue) in queues {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            for item in first {
                threads.push(scope.spawn(move || -> Vec<(usize, R)> {
                    let items = std::iter::once(*item).chain(std::iter::from_fn(next));
                    span.in_scope(|| items.map(|(place, item)| (place, work(item))).collect())
                }));
            }
        }
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.flat_map(|results| results.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    results.sort_unstable_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Works on all items on this thread.
fn in_turn<'a, T, R>(items: &'a [T], work: impl Fn(&'a T) -> R) -> Vec<R> {
    let mut left: Vec<(usize, &T)> = items.iter().enumerate().collect();
    let mut results = BTreeMap::new();
    while !left.is_empty() {
        let (place, item) = left.remove(choose(left.len()));
        results.insert(place, work(item));
    }
    results.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(on_each(&items, |item| item % 7, |item| *item), items);
        assert_eq!(on_each(&[0; 0], |item| *item, |item| *item), [0; 0]);
    }

    /// Every item waits until as many are at work as may be: with fewer the test hangs.
    #[test]
    fn all_hosts_are_worked_on_at_once_and_each_has_its_bound() {
        const HOSTS: usize = 3;
        let items: Vec<usize> = (0..HOSTS * PER_HOST * 2).map(|item| item % HOSTS).collect();
        let busy: Vec<AtomicUsize> = (0..HOSTS).map(|_| AtomicUsize::new(0)).collect();
        let all = Barrier::new(HOSTS * PER_HOST);
        on_each(
            &items,
            |host| *host,
            |host| {
                assert!(busy[*host].fetch_add(1, Ordering::SeqCst) < PER_HOST);
                all.wait();
                busy[*host].fetch_sub(1, Ordering::SeqCst);
            },
        );
    }

    #[test]
    fn one_by_one_everything_is_done_here_in_the_chosen_order() {
        let items = [1, 2, 3, 4];
        let here = thread::current().id();
        let done = Mutex::new(Vec::new());
        let results = one_by_one(
            |count| count - 1,
            || {
                on_each(
                    &items,
                    |_| (),
                    |item| {
                        assert_eq!(thread::current().id(), here);
                        done.lock().unwrap().push(*item);
                        item * 10
                    },
                )
            },
        );
        assert_eq!(results, [10, 20, 30, 40]);
        assert_eq!(done.into_inner().unwrap(), [4, 3, 2, 1]);
        assert!(!is_one_by_one());
    }

    #[test]
    #[should_panic = "broken"]
    fn work_that_panics_is_not_lost() {
        on_each(&[1, 2], |_| (), |item| assert!(*item != 2, "broken"));
    }
}
