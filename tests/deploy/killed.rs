//! `kill -9` at every record of the journal: before it is on the disk, with half
//! of it there, and right after it. One further run converges to the same world,
//! with the journal or without it.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use hostsplit::plan::Plan;
use hostsplit::simulated::SimulatedWorld;
use hostsplit::state::journal::Entry;
use hostsplit::state::store::{Journal, Recorder, StoreError};

use crate::faults::converges;
use crate::fixture::{Purpose, Run, inventory, plan, run, run_recording, small};

/// Where the process dies.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Before the record is handed to the system.
    Before,
    /// The disk has half of it.
    Torn,
    /// The disk has it.
    After,
}

const PLACES: [At; 3] = [At::Before, At::Torn, At::After];

/// A journal whose process dies at a record, counted from 0.
struct Dying<'a> {
    journal: Journal,
    file: std::path::PathBuf,
    world: &'a SimulatedWorld,
    written: &'a AtomicUsize,
    record: usize,
    at: At,
}

impl Recorder for Dying<'_> {
    fn write(&self, entry: Entry) -> Result<(), StoreError> {
        let number = self.written.fetch_add(1, Ordering::SeqCst);
        if number == self.record {
            match self.at {
                At::Before => {}
                At::Torn => {
                    let mut options = std::fs::OpenOptions::new();
                    let mut file = options.append(true).open(&self.file).unwrap();
                    file.write_all(b"{\"at\":\"20").unwrap();
                }
                At::After => self.journal.write(entry.clone())?,
            }
            self.world.kill();
        }
        if number >= self.record {
            let source = std::io::Error::other("killed");
            return Err(StoreError::Io { what: "cannot write", path: self.file.clone(), source });
        }
        self.journal.write(entry)
    }
}

/// A run that is killed; also the records that it tried to write.
fn killed(
    plan: &Plan,
    world: &SimulatedWorld,
    state: &Path,
    purpose: Purpose,
    (record, at): (usize, At),
) -> (Run, usize) {
    let written = AtomicUsize::new(0);
    let file = state.join("journal.jsonl");
    let recording = |journal| -> Box<dyn Recorder> {
        let file = file.clone();
        Box::new(Dying { journal, file, world, written: &written, record, at })
    };
    let run = run_recording(plan, world, state, purpose, &|_| {}, &recording);
    (run, written.load(Ordering::SeqCst))
}

/// How many records a whole run writes, and what it leaves.
fn whole(plan: &Plan) -> (usize, Vec<String>) {
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    let never = (usize::MAX, At::After);
    let (run, records) = killed(plan, &world, state.path(), Purpose::Deploy, never);
    assert!(run.is_complete(), "{}", run.story());
    (records, inventory(plan, &world))
}

#[test]
fn one_further_deploy_converges_wherever_the_first_was_killed() {
    let plan = small();
    let (records, expected) = whole(&plan);
    assert!(records > 50, "{records}");
    let cases = (0..records).flat_map(|record| PLACES.map(|at| (record, at)));
    converge(&plan, &expected, &cases.collect::<Vec<_>>());
}

#[test]
fn so_does_a_deploy_of_several_groups_killed_at_each_record_in_one_place() {
    let plan = plan();
    let (records, expected) = whole(&plan);
    assert!(records > 100, "{records}");
    let cases = (0..records).zip(PLACES.into_iter().cycle());
    converge(&plan, &expected, &cases.collect::<Vec<_>>());
}

/// Kills a deploy in each of these cases, and deploys once more.
fn converge(plan: &Plan, expected: &[String], cases: &[(usize, At)]) {
    std::thread::scope(|scope| {
        for part in cases.chunks(cases.len().div_ceil(4)) {
            scope.spawn(move || {
                for (record, at) in part {
                    let world = SimulatedWorld::new(&plan.topology);
                    let state = tempfile::tempdir().unwrap();
                    let directory = state.path().join("state");
                    let when = (*record, *at);
                    let (first, _) = killed(plan, &world, &directory, Purpose::Deploy, when);
                    assert!(!first.is_complete(), "record {record} {at:?}");
                    let case = format!("killed at record {record} {at:?}");
                    converges(plan, &world, &directory, *record as u64, expected, &case);
                }
            });
        }
    });
}

#[test]
fn one_further_destroy_converges_wherever_the_first_was_killed() {
    let plan = small();
    let destroy = Purpose::Destroy { data: false };
    let prepare = || {
        let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
        assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
        (world, state)
    };
    let (world, state) = prepare();
    let never = (usize::MAX, At::After);
    let (_, records) = killed(&plan, &world, state.path(), destroy, never);
    let expected = inventory(&plan, &world);
    assert!(records > 20 && expected.len() == 2, "{records} {expected:?}");
    for (record, at) in (0..records).flat_map(|record| PLACES.map(|at| (record, at))) {
        let (world, state) = prepare();
        let (first, _) = killed(&plan, &world, state.path(), destroy, (record, at));
        assert!(!first.is_complete(), "record {record} {at:?}");
        world.revive();
        let second = run(&plan, &world, state.path(), destroy);
        assert!(second.is_complete(), "record {record} {at:?}: {}", second.story());
        assert_eq!(inventory(&plan, &world), expected, "record {record} {at:?}");
    }
}
