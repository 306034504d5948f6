//! Walks a decided graph: everything whose needs are met runs, hosts in parallel
//! and each of them a few at a time. What fails takes its dependants with it,
//! silently; the rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc;
use std::thread::{self, Scope};
use std::time::Duration;

use super::{Event, EventKind, Observer, StepError};
use crate::graph::{Action, Actions, Step, Vertex};
use crate::hypervisor::clock::Clock;
use crate::hypervisor::fan_out::{choose, is_one_by_one};
use crate::ids::HostName;
use crate::state::journal::Entry;
use crate::state::store::Recorder;

/// How a walk ended.
#[derive(Debug, Default)]
#[must_use = "a walk may have failed"]
pub struct WalkOutcome {
    /// Vertices that were worked on with success.
    pub done: usize,
    /// Vertices that were as planned.
    pub not_needed: usize,
    /// Root causes, in the order they happened.
    pub failures: Vec<Failure>,
    /// Vertices that waited for a failed one, or whose host was lost.
    pub skipped: usize,
    /// How long the work on each vertex took, in the order of their ends.
    pub took: Vec<(Vertex, Duration)>,
}

/// A vertex that failed by itself.
#[derive(Debug)]
pub struct Failure {
    /// The vertex.
    pub vertex: Vertex,
    /// Where; `None` for clusters.
    pub host: Option<HostName>,
    /// Why.
    pub error: StepError,
}

/// What the work on a vertex is.
pub type Work<'a> = dyn Fn(&Vertex) -> Result<(), StepError> + Sync + 'a;

/// Walks the graph, at most `per_host` vertices of a host at a time; clusters
/// count as a host of their own. Each action is in the journal before it begins
/// and when it ended; when the journal fails, nothing new is begun.
pub fn walk(
    actions: &Actions,
    per_host: usize,
    work: &Work<'_>,
    journal: Option<&dyn Recorder>,
    observer: &dyn Observer,
    clock: &dyn Clock,
) -> WalkOutcome {
    let (sender, results) = mpsc::channel();
    let mut walker = Walker::new(actions, per_host.max(1), observer);
    thread::scope(|scope| {
        loop {
            while let Some((vertex, step)) = walker.next() {
                let task = Task { work, journal, clock, vertex, step, host: walker.host(vertex) };
                if is_one_by_one() {
                    walker.take(task.done(task.span()));
                } else {
                    begin(scope, sender.clone(), task);
                }
            }
            if walker.running == 0 {
                break;
            }
            // The walker holds a sender, so this cannot fail while work is running.
            let Ok(ended) = results.recv() else { break };
            walker.take(ended);
        }
    });
    walker.finish()
}

/// The work on a vertex, with all that it needs.
#[derive(Clone, Copy)]
struct Task<'a> {
    work: &'a Work<'a>,
    journal: Option<&'a dyn Recorder>,
    clock: &'a dyn Clock,
    vertex: &'a Vertex,
    step: &'a Step,
    host: Option<&'a HostName>,
}

type Ended<'a> = (&'a Vertex, Duration, Result<(), StepError>);

/// Starts the work on a vertex on a thread of its own.
fn begin<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    sender: mpsc::Sender<Ended<'env>>,
    task: Task<'env>,
) {
    let span = task.span();
    // Nobody waits any more only if the walk has ended.
    scope.spawn(move || drop(sender.send(task.done(span))));
}

impl<'a> Task<'a> {
    /// Does it, and says how that ended.
    fn done(&self, span: tracing::Span) -> Ended<'a> {
        let _span = span.entered();
        let begun = self.clock.elapsed();
        // A walk that waited for a thread that panicked would never end.
        let result = panic::catch_unwind(AssertUnwindSafe(|| self.journaled()));
        let result = result.unwrap_or(Err(StepError::Panicked));
        let took = self.clock.elapsed().saturating_sub(begun);
        if let Err(error) = &result {
            tracing::info!(%error, "failed");
        }
        (self.vertex, took, result)
    }

    fn span(&self) -> tracing::Span {
        let Self { vertex, step, host, .. } = self;
        let (host, action) = (host.map(tracing::field::display), step.action.as_str());
        tracing::info_span!("vertex", host, %vertex, action)
    }

    fn journaled(&self) -> Result<(), StepError> {
        let Some(journal) = self.journal else { return (self.work)(self.vertex) };
        let (name, host) = (self.vertex.to_string(), self.host.map(ToString::to_string));
        journal.write(Entry::Intent {
            vertex: name.clone(),
            host: host.clone(),
            action: self.step.action.as_str().to_owned(),
            reason: self.step.reason.to_string(),
        })?;
        match (self.work)(self.vertex) {
            Ok(()) => Ok(journal.write(Entry::Done { vertex: name, host })?),
            Err(error) => {
                let cause = error.to_string();
                // The cause is what must be reported, written or not.
                let _ = journal.write(Entry::Failed { vertex: name, host, cause });
                Err(error)
            }
        }
    }
}

struct Walker<'a> {
    actions: &'a Actions,
    observer: &'a dyn Observer,
    per_host: usize,
    /// Needs that are not met yet.
    waiting: BTreeMap<&'a Vertex, usize>,
    /// Vertices whose needs are met, host by host in the graph's order.
    ready: BTreeMap<Option<&'a HostName>, BTreeMap<usize, &'a Vertex>>,
    order: BTreeMap<&'a Vertex, usize>,
    busy: BTreeMap<Option<&'a HostName>, usize>,
    running: usize,
    lost: BTreeSet<&'a HostName>,
    stopped: bool,
    skipped: BTreeSet<&'a Vertex>,
    outcome: WalkOutcome,
}

impl<'a> Walker<'a> {
    fn new(actions: &'a Actions, per_host: usize, observer: &'a dyn Observer) -> Self {
        let graph = actions.graph();
        let order: BTreeMap<_, _> =
            graph.vertices().enumerate().map(|(number, vertex)| (vertex, number)).collect();
        let waiting: BTreeMap<_, _> =
            graph.vertices().map(|vertex| (vertex, graph.needs(vertex).len())).collect();
        let mut ready: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (vertex, number) in &order {
            if waiting.get(vertex) == Some(&0) {
                ready.entry(graph.host(vertex)).or_default().insert(*number, *vertex);
            }
        }
        Self {
            actions,
            observer,
            per_host,
            waiting,
            ready,
            order,
            busy: BTreeMap::new(),
            running: 0,
            lost: BTreeSet::new(),
            stopped: false,
            skipped: BTreeSet::new(),
            outcome: WalkOutcome::default(),
        }
    }

    fn host(&self, vertex: &Vertex) -> Option<&'a HostName> {
        self.actions.graph().host(vertex)
    }

    fn emit(&self, vertex: &Vertex, kind: EventKind) {
        let host = self.host(vertex).cloned();
        self.observer.on(&Event { vertex: vertex.clone(), host, kind });
    }

    /// Returns the next vertex to work on, if one may begin now. Passes over those that
    /// need no work.
    fn next(&mut self) -> Option<(&'a Vertex, &'a Step)> {
        while let Some(vertex) = self.pick() {
            let Some(step) = self.actions.step(vertex) else { continue };
            match step.action {
                Action::NoOp => {
                    self.outcome.not_needed += 1;
                    self.emit(vertex, EventKind::NotNeeded);
                    self.release(vertex);
                }
                Action::Unknown => self.skip(vertex),
                _ => {
                    *self.busy.entry(self.host(vertex)).or_default() += 1;
                    self.running += 1;
                    self.emit(vertex, EventKind::Started(step.clone()));
                    return Some((vertex, step));
                }
            }
        }
        None
    }

    /// Takes the first vertex, in the graph's order, whose host is there and has
    /// room for more; another one of those where the order is chosen.
    fn pick(&mut self) -> Option<&'a Vertex> {
        if self.stopped {
            return None;
        }
        let Self { ready, busy, lost, per_host, .. } = self;
        let free = |host: &Option<&HostName>| {
            busy.get(host).copied().unwrap_or_default() < *per_host
                && host.is_none_or(|host| !lost.contains(host))
        };
        let open = ready.iter_mut().filter(|(host, _)| free(host)).map(|(_, queue)| queue);
        let mut open: Vec<_> = open.filter(|queue| !queue.is_empty()).collect();
        open.sort_by_key(|queue| queue.keys().next().copied());
        let place = choose(open.len());
        let queue = open.into_iter().nth(place)?;
        let number = queue.keys().nth(choose(queue.len())).copied()?;
        queue.remove(&number)
    }

    fn take(&mut self, (vertex, took, result): Ended<'a>) {
        self.outcome.took.push((vertex.clone(), took));
        self.end(vertex, result);
    }

    fn end(&mut self, vertex: &'a Vertex, result: Result<(), StepError>) {
        self.running -= 1;
        let host = self.host(vertex);
        if let Some(busy) = self.busy.get_mut(&host) {
            *busy -= 1;
        }
        let Err(error) = result else {
            self.outcome.done += 1;
            self.emit(vertex, EventKind::Finished);
            self.release(vertex);
            return;
        };
        self.stopped |= matches!(error, StepError::Journal(_));
        let already_lost = host.is_some_and(|host| self.lost.contains(host));
        if error.is_host_lost() && already_lost {
            // Its host is the root cause, and that has been reported.
            self.skip(vertex);
            return;
        }
        if error.is_host_lost() {
            self.lost.extend(host);
        }
        self.emit(vertex, EventKind::Failed { cause: error.to_string() });
        self.outcome.failures.push(Failure { vertex: vertex.clone(), host: host.cloned(), error });
        self.skip_dependants(vertex);
    }

    /// Counts one need less for all that need the vertex.
    fn release(&mut self, vertex: &Vertex) {
        for dependant in self.actions.graph().dependants(vertex) {
            let Some(needs) = self.waiting.get_mut(dependant) else { continue };
            *needs -= 1;
            if let (0, Some(number)) = (*needs, self.order.get(dependant)) {
                let host = self.actions.graph().host(dependant);
                self.ready.entry(host).or_default().insert(*number, dependant);
            }
        }
    }

    fn skip(&mut self, vertex: &'a Vertex) {
        if self.skipped.insert(vertex) {
            self.emit(vertex, EventKind::Skipped);
            self.skip_dependants(vertex);
        }
    }

    fn skip_dependants(&mut self, vertex: &Vertex) {
        for dependant in self.actions.graph().dependants(vertex) {
            self.skip(dependant);
        }
    }

    fn finish(mut self) -> WalkOutcome {
        for vertex in std::mem::take(&mut self.ready).into_values().flat_map(BTreeMap::into_values)
        {
            self.skip(vertex);
        }
        self.outcome.skipped = self.skipped.len();
        self.outcome
    }
}
