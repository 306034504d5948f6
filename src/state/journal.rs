//! What a run writes down: its intent before each action, the result after it.
//! For people and for messages; nothing is decided from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, in RFC 3339 with UTC.
    pub at: String,
    /// What.
    pub entry: Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Entry {
    /// A run began.
    Started {
        /// `deploy` or `destroy`.
        command: String,
        /// SHA-256 of the plan file.
        plan: String,
        /// Version of the program.
        hostsplit: String,
        /// Actions that the run is about to take.
        actions: usize,
    },
    /// An action is about to be taken.
    Intent {
        /// On what: `root cache-0`.
        vertex: String,
        /// Where; none for clusters.
        host: Option<String>,
        /// The action's word.
        action: String,
        /// Why.
        reason: String,
    },
    /// The action succeeded.
    Done {
        /// On what.
        vertex: String,
        /// Where.
        host: Option<String>,
    },
    /// The action failed.
    Failed {
        /// On what.
        vertex: String,
        /// Where.
        host: Option<String>,
        /// Why.
        cause: String,
    },
    /// The run came to its end.
    Finished {
        /// Actions that succeeded.
        done: usize,
        /// Actions that failed.
        failed: usize,
        /// Actions that waited for a failed one.
        skipped: usize,
    },
}

/// The last run that a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastRun {
    /// Its command.
    pub command: String,
    /// When it began.
    pub at: String,
    /// Digest of its plan.
    pub plan: String,
    /// Actions that it was about to take.
    pub actions: usize,
    /// Actions that succeeded.
    pub done: usize,
    /// Actions without a result: what it was at when it was interrupted.
    pub open: Vec<String>,
    /// Actions that failed, with the cause.
    pub failed: Vec<(String, String)>,
    /// Whether it came to its end.
    pub finished: bool,
}

/// A journal, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The last run, if there was one.
    pub last: Option<LastRun>,
    /// Lines that could not be read; a crash can tear the last one.
    pub unreadable: usize,
}

impl History {
    /// Reads a journal's text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut history = Self::default();
        let mut open = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<Record>(line) {
                Ok(record) => history.take(record, &mut open),
                Err(_) => history.unreadable += 1,
            }
        }
        if let Some(last) = &mut history.last {
            last.open = open.into_keys().collect();
        }
        history
    }

    fn take(&mut self, record: Record, open: &mut BTreeMap<String, ()>) {
        if let Entry::Started { command, plan, actions, hostsplit: _ } = record.entry {
            open.clear();
            let run = LastRun { command, at: record.at, plan, actions, ..LastRun::default() };
            self.last = Some(run);
            return;
        }
        let Some(last) = &mut self.last else { return };
        match record.entry {
            Entry::Started { .. } => {}
            Entry::Intent { vertex, host, .. } => {
                open.insert(place(&vertex, host.as_deref()), ());
            }
            Entry::Done { vertex, host } => {
                open.remove(&place(&vertex, host.as_deref()));
                last.done += 1;
            }
            Entry::Failed { vertex, host, cause } => {
                let place = place(&vertex, host.as_deref());
                open.remove(&place);
                last.failed.push((place, cause));
            }
            Entry::Finished { .. } => last.finished = true,
        }
    }
}

fn place(vertex: &str, host: Option<&str>) -> String {
    host.map_or_else(|| vertex.to_owned(), |host| format!("{vertex} on {host}"))
}

impl LastRun {
    /// Returns what the next run says about an interrupted one; `None` after a run that
    /// came to its end.
    #[must_use]
    pub fn interruption(&self) -> Option<String> {
        if self.finished {
            return None;
        }
        let Self { command, at, actions, done, .. } = self;
        let mut text =
            format!("the {command} of {at} was interrupted after {done} of {actions} actions");
        if !self.open.is_empty() {
            text.push_str(", in the middle of: ");
            text.push_str(&self.open.join(", "));
        }
        Some(text)
    }

    /// Returns how far a run has come that is at work.
    #[must_use]
    pub fn progress(&self) -> String {
        let Self { actions, done, open, failed, .. } = self;
        let mut text = format!("{done} of {actions} actions done");
        if !failed.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(text, ", {} failed", failed.len());
        }
        if !open.is_empty() {
            text.push_str(", at work on: ");
            text.push_str(&open.join(", "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(entry: Entry) -> String {
        let record = Record { at: "2026-01-02T03:04:05Z".to_owned(), entry };
        serde_json::to_string(&record).unwrap() + "\n"
    }

    fn intent(vertex: &str) -> String {
        line(Entry::Intent {
            vertex: vertex.to_owned(),
            host: Some("h2".to_owned()),
            action: "create".to_owned(),
            reason: "missing".to_owned(),
        })
    }

    fn started() -> String {
        line(Entry::Started {
            command: "deploy".to_owned(),
            plan: "ab".to_owned(),
            hostsplit: "0.1.0".to_owned(),
            actions: 9,
        })
    }

    #[test]
    fn an_interrupted_run_is_told_with_what_it_was_at() {
        let done = Entry::Done { vertex: "root a-0".to_owned(), host: Some("h2".to_owned()) };
        let text =
            started() + &intent("root a-0") + &line(done) + &intent("seed a-0") + "{\"at\":\"20";
        let history = History::read(&text);
        assert_eq!(history.unreadable, 1);
        insta::assert_snapshot!(history.last.unwrap().interruption().unwrap(), @"the deploy of 2026-01-02T03:04:05Z was interrupted after 1 of 9 actions, in the middle of: seed a-0 on h2");
    }

    #[test]
    fn a_run_at_work_says_how_far_it_is() {
        let text = started() + &intent("root a-0") + &intent("root a-1");
        let last = History::read(&text).last.unwrap();
        assert_eq!(
            last.progress(),
            "0 of 9 actions done, at work on: root a-0 on h2, root a-1 on h2"
        );
    }

    #[test]
    fn a_finished_run_leaves_nothing_to_say() {
        let text = started() + &line(Entry::Finished { done: 9, failed: 0, skipped: 0 });
        assert_eq!(History::read(&text).last.unwrap().interruption(), None);
    }
}
