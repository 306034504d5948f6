//! Shows a walk while it goes on: a bar per host on a terminal, lines elsewhere,
//! JSON lines for programs.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::ui::{self, Format};
use crate::deploy::{Event, EventKind, Observer};
use crate::graph::{Action, Actions, Vertex};
use crate::hypervisor::clock::{Clock, SystemClock};
use crate::ids::HostName;
use crate::report::deploy::{Wait, event_json, event_line, waiting_line};

/// How often the elapsed times of the bars move.
const TICK: Duration = Duration::from_millis(500);
/// How often a wait that lasts says what for.
const WAIT: Duration = Duration::from_secs(10);

/// The observer for an output format and terminal.
#[must_use]
pub fn observer(format: Format, actions: &Actions) -> Box<dyn Observer> {
    match format {
        Format::Json => Box::new(JsonLines),
        Format::Text if ui::is_watched() => Box::new(Bars::new(actions)),
        Format::Text => Box::new(Lines::new()),
    }
}

/// The same without bars, where lines of another kind come in between.
#[must_use]
pub fn lines(format: Format) -> Box<dyn Observer> {
    match format {
        Format::Json => Box::new(JsonLines),
        Format::Text => Box::new(Lines::new()),
    }
}

/// One line per event on stderr, and one every 10 s while something lasts.
struct Lines {
    waits: Arc<Mutex<Waits>>,
    clock: SystemClock,
    /// Ends the thread that looks for waits once it is dropped.
    running: Option<Sender<()>>,
    watcher: Option<JoinHandle<()>>,
}

impl Lines {
    fn new() -> Self {
        let (waits, clock) = (Arc::<Mutex<Waits>>::default(), SystemClock::default());
        let (running, ended) = mpsc::channel();
        let watched = Arc::clone(&waits);
        let watcher = thread::spawn(move || {
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let due = lock(&watched).due(clock.elapsed());
                if let Some(line) = due.as_deref().and_then(waiting_line) {
                    ui::say(&line);
                }
            }
        });
        Self { waits, clock, running: Some(running), watcher: Some(watcher) }
    }
}

impl Observer for Lines {
    fn on(&self, event: &Event) {
        lock(&self.waits).on(event, self.clock.elapsed());
        if let Some(line) = event_line(event) {
            ui::say(&line);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.running.take());
        if let Some(watcher) = self.watcher.take() {
            // What it would say is no longer of interest.
            let _ = watcher.join();
        }
    }
}

fn lock(waits: &Mutex<Waits>) -> std::sync::MutexGuard<'_, Waits> {
    waits.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is at work since when, and when something was last said of it: a function of
/// events and times.
#[derive(Debug, Default)]
struct Waits {
    at_work: BTreeMap<Vertex, AtWork>,
    said: Duration,
}

#[derive(Debug)]
struct AtWork {
    since: Duration,
    host: Option<HostName>,
    bytes: Option<(u64, u64)>,
    doing: Option<String>,
}

impl Waits {
    fn on(&mut self, event: &Event, now: Duration) {
        let Event { vertex, host, kind } = event;
        match kind {
            EventKind::Started(_) => {
                let work = AtWork { since: now, host: host.clone(), bytes: None, doing: None };
                self.at_work.insert(vertex.clone(), work);
            }
            EventKind::Progress { done, total } => {
                if let Some(work) = self.at_work.get_mut(vertex) {
                    work.bytes = Some((*done, *total));
                }
            }
            EventKind::Doing(what) => {
                if let Some(work) = self.at_work.get_mut(vertex) {
                    work.doing = Some(what.clone());
                }
            }
            EventKind::Finished | EventKind::Failed { .. } | EventKind::Skipped => {
                self.at_work.remove(vertex);
            }
            EventKind::NotNeeded | EventKind::Note(_) => {}
        }
    }

    /// Returns what lasts, the longest first, if something is to be said of it now.
    fn due(&mut self, now: Duration) -> Option<Vec<Wait>> {
        if now.saturating_sub(self.said) < WAIT {
            return None;
        }
        let waits = self.at_work.iter().map(|(vertex, work)| Wait {
            vertex: vertex.clone(),
            host: work.host.clone(),
            bytes: work.bytes,
            doing: work.doing.clone(),
            lasts: now.saturating_sub(work.since),
        });
        let mut waits: Vec<Wait> = waits.filter(|wait| wait.lasts >= WAIT).collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.lasts));
        if waits.is_empty() {
            return None;
        }
        self.said = now;
        Some(waits)
    }
}

/// One JSON object per event on stdout.
struct JsonLines;

impl Observer for JsonLines {
    fn on(&self, event: &Event) {
        // A reader that is gone must not stop a deploy; its exit code still counts.
        let _ = ui::data(&format!("{}\n", event_json(event)));
    }
}

/// A bar per host, in actions, with the stage that it is at.
struct Bars {
    all: MultiProgress,
    bars: BTreeMap<Option<HostName>, Bar>,
}

struct Bar {
    bar: ProgressBar,
    /// Actions done and in all, by stage.
    stages: Mutex<BTreeMap<&'static str, (u64, u64)>>,
}

impl Bar {
    /// Shows what is in progress, and how far its stage is: `boot 3/10: ready cache-3`. Words
    /// of guests may be in it: a bar is one line, whatever they say.
    fn show(&self, event: &Event, more: &str) {
        let stage = event.vertex.stage();
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, all) = stages.get(stage).copied().unwrap_or_default();
        let message = format!("{stage} {done}/{all}: {}{more}", event.vertex);
        self.bar.set_message(ui::plain(&message).replace(['\n', '\t'], " "));
    }

    fn finish(&self, event: &Event) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((done, _)) = stages.get_mut(event.vertex.stage()) {
            *done += 1;
        }
        drop(stages);
        self.bar.inc(1);
    }
}

impl Bars {
    fn new(actions: &Actions) -> Self {
        let mut counts: BTreeMap<Option<HostName>, BTreeMap<&str, (u64, u64)>> = BTreeMap::new();
        for (vertex, step) in actions.steps() {
            if !matches!(step.action, Action::NoOp | Action::Unknown) {
                let stages = counts.entry(actions.graph().host(vertex).cloned()).or_default();
                stages.entry(vertex.stage()).or_default().1 += 1;
            }
        }
        let all = MultiProgress::new();
        // The template is a constant; the default is as good if it were wrong.
        let template = "{prefix:<12} {bar:24} {pos:>3}/{len} {elapsed:>4} {wide_msg}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // Hosts in their order, clusters last.
        let (clusters, hosts): (Vec<_>, Vec<_>) =
            counts.into_iter().partition(|(host, _)| host.is_none());
        let bars = hosts.into_iter().chain(clusters).map(|(host, stages)| {
            let count = stages.values().map(|(_, all)| all).sum();
            let bar = all.add(ProgressBar::new(count).with_style(style.clone()));
            bar.enable_steady_tick(TICK);
            let name = host.as_ref().map_or("clusters", HostName::as_str);
            bar.set_prefix(name.to_owned());
            (host, Bar { bar, stages: Mutex::new(stages) })
        });
        Self { bars: bars.collect(), all }
    }

    /// Writes a line above the bars; a terminal that is gone needs none.
    fn say(&self, text: &str) {
        let _ = self.all.println(ui::plain(text));
    }
}

impl Observer for Bars {
    fn on(&self, event: &Event) {
        let Some(bar) = self.bars.get(&event.host) else { return };
        match &event.kind {
            EventKind::NotNeeded | EventKind::Skipped => {}
            EventKind::Started(_) => bar.show(event, ""),
            EventKind::Progress { done, total } => {
                bar.show(event, &format!(", {} of {} MiB", done >> 20, total >> 20));
            }
            EventKind::Doing(what) => bar.show(event, &format!(", {what}")),
            EventKind::Note(text) => self.say(&format!("{}: {text}", event.vertex)),
            EventKind::Finished => bar.finish(event),
            EventKind::Failed { cause } => self.say(&format!("{} failed: {cause}", event.vertex)),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.bars.values() {
            bar.bar.abandon();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;
    use crate::graph::{Reason, Step};
    use crate::ids::{InstanceName, ServiceName};

    fn event(vertex: &Vertex, host: Option<&str>, kind: EventKind) -> Event {
        let host = host.map(|name| HostName::new(name).unwrap());
        Event { vertex: vertex.clone(), host, kind }
    }

    fn started() -> EventKind {
        EventKind::Started(Step { action: Action::Create, reason: Reason::Missing })
    }

    #[test]
    fn what_lasts_is_named_every_ten_seconds() {
        let ready = Vertex::Ready(InstanceName::new("cache-3").unwrap());
        let root = Vertex::Root(InstanceName::new("cache-4").unwrap());
        let cluster = Vertex::Cluster(ServiceName::new("cache").unwrap());
        let mut waits = Waits::default();
        let mut said = Vec::new();
        for second in 0..55 {
            let now = Duration::from_secs(second);
            match second {
                2 => waits.on(&event(&ready, Some("h2"), started()), now),
                13 => waits.on(&event(&root, Some("h1"), started()), now),
                20 => {
                    let kind = EventKind::Progress { done: 3 << 20, total: 9 << 20 };
                    waits.on(&event(&root, Some("h1"), kind), now);
                }
                30 => waits.on(&event(&ready, Some("h2"), EventKind::Finished), now),
                35 => {
                    let kind = EventKind::Failed { cause: "no".to_owned() };
                    waits.on(&event(&root, Some("h1"), kind), now);
                    waits.on(&event(&cluster, None, started()), now);
                }
                40 => {
                    let doing = "cache-2 hands slots 0-511 over to cache-6".to_owned();
                    waits.on(&event(&cluster, None, EventKind::Doing(doing)), now);
                }
                _ => {}
            }
            let line = waits.due(now).as_deref().and_then(waiting_line);
            said.extend(line.map(|line| format!("{second}: {line}")));
        }
        insta::assert_snapshot!(said.join("\n"), @r"
        12: waiting 10 s for: ready cache-3 on h2 (boot)
        22: waiting 20 s for: ready cache-3 on h2 (boot)
        32: waiting 19 s for: root cache-4 on h1 (volumes, 3 of 9 MiB)
        45: waiting 10 s for: cluster cache (clusters, cache-2 hands slots 0-511 over to cache-6)
        ");
    }

    /// A terminal that keeps what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            200
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.write_str("\n")
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bars_send_no_control_characters_to_a_terminal() {
        let screen = Screen::default();
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let all = MultiProgress::with_draw_target(target);
        let bar = all.add(ProgressBar::new(3));
        let host = HostName::new("h2").unwrap();
        let bars = BTreeMap::from([(Some(host), Bar { bar, stages: Mutex::default() })]);
        let bars = Bars { all, bars };
        let ready = Vertex::Ready(InstanceName::new("cache-3").unwrap());
        for kind in [
            EventKind::Note("a\u{1b}[2J".to_owned()),
            EventKind::Doing("b\u{1b}]0;title\u{7}\nc".to_owned()),
            EventKind::Failed { cause: "d\rroot #".to_owned() },
        ] {
            bars.on(&event(&ready, Some("h2"), kind));
        }
        let message = bars.bars.values().next().unwrap().bar.message();
        assert_eq!(message, r"boot 0/0: ready cache-3, b\u{1b}]0;title\u{7} c");
        drop(bars);
        let shown = screen.0.lock().unwrap().clone();
        assert!(shown.contains(r"ready cache-3: a\u{1b}[2J"), "{shown:?}");
        assert!(shown.contains(r"ready cache-3 failed: d\rroot #"), "{shown:?}");
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    }

    #[test]
    fn short_work_is_not_a_wait() {
        let root = Vertex::Root(InstanceName::new("cache-4").unwrap());
        let mut waits = Waits::default();
        for second in 0..60 {
            let now = Duration::from_secs(second);
            let kind = if second % 2 == 0 { started() } else { EventKind::Finished };
            waits.on(&event(&root, None, kind), now);
            assert_eq!(waits.due(now), None);
        }
    }
}
