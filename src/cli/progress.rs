//! Shows a walk while it goes on: a bar per host on a terminal, lines elsewhere,
//! JSON lines for programs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::ui::{self, Format};
use crate::deploy::{Event, EventKind, Observer};
use crate::graph::{Action, Actions};
use crate::ids::HostName;
use crate::report::deploy::{event_json, event_line};

/// How often the elapsed times of the bars move.
const TICK: Duration = Duration::from_millis(500);

/// The observer for an output format and terminal.
#[must_use]
pub fn observer(format: Format, actions: &Actions) -> Box<dyn Observer> {
    match format {
        Format::Json => Box::new(JsonLines),
        Format::Text if ui::is_watched() => Box::new(Bars::new(actions)),
        Format::Text => Box::new(Lines),
    }
}

/// One line per event on stderr.
struct Lines;

impl Observer for Lines {
    fn on(&self, event: &Event) {
        if let Some(line) = event_line(event) {
            ui::say(&line);
        }
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
    /// Shows what is in progress, and how far its stage is: `boot 3/10: ready cache-3`.
    fn show(&self, event: &Event, more: &str) {
        let stage = event.vertex.stage();
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, all) = stages.get(stage).copied().unwrap_or_default();
        self.bar.set_message(format!("{stage} {done}/{all}: {}{more}", event.vertex));
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
            EventKind::Note(text) => {
                // A line above the bars; a terminal that is gone needs none.
                let _ = self.all.println(format!("{}: {text}", event.vertex));
            }
            EventKind::Finished => bar.finish(event),
            EventKind::Failed { cause } => {
                let _ = self.all.println(format!("{} failed: {cause}", event.vertex));
            }
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
