//! Shows a walk while it goes on: a bar per host on a terminal, lines elsewhere,
//! JSON lines for programs.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::ui::{self, Format};
use crate::deploy::{Event, Happening, Observer};
use crate::graph::{Action, Actions};
use crate::ids::HostName;
use crate::report::deploy::{event_json, event_line};

/// The observer that fits the format and whoever watches.
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
        // A reader that is gone must not stop a deploy; its exit code still tells.
        let _ = ui::data(&format!("{}\n", event_json(event)));
    }
}

/// A bar per host, in actions.
struct Bars {
    all: MultiProgress,
    bars: BTreeMap<Option<HostName>, ProgressBar>,
}

impl Bars {
    fn new(actions: &Actions) -> Self {
        let mut counts: BTreeMap<Option<HostName>, u64> = BTreeMap::new();
        for (vertex, step) in actions.steps() {
            if !matches!(step.action, Action::NoOp | Action::Unknown) {
                *counts.entry(actions.graph().host(vertex).cloned()).or_default() += 1;
            }
        }
        let all = MultiProgress::new();
        // The template is a constant; the default is as good if it were wrong.
        let style = ProgressStyle::with_template("{prefix:<12} {bar:24} {pos:>3}/{len} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        // Hosts in their order, clusters last.
        let (clusters, hosts): (Vec<_>, Vec<_>) =
            counts.into_iter().partition(|(host, _)| host.is_none());
        let bars = hosts.into_iter().chain(clusters).map(|(host, count)| {
            let bar = all.add(ProgressBar::new(count).with_style(style.clone()));
            let name = host.as_ref().map_or("clusters", HostName::as_str);
            bar.set_prefix(name.to_owned());
            (host, bar)
        });
        Self { bars: bars.collect(), all }
    }
}

impl Observer for Bars {
    fn on(&self, event: &Event) {
        let Some(bar) = self.bars.get(&event.host) else { return };
        match &event.what {
            Happening::NotNeeded => {}
            Happening::Started(_) => bar.set_message(event.vertex.to_string()),
            Happening::Progress { done, total } => {
                let (done, total) = (done >> 20, total >> 20);
                bar.set_message(format!("{}: {done} of {total} MiB", event.vertex));
            }
            Happening::Note(text) => {
                // A line above the bars; a terminal that is gone needs none.
                let _ = self.all.println(format!("{}: {text}", event.vertex));
            }
            Happening::Finished => bar.inc(1),
            Happening::Failed { .. } => bar.set_message(format!("{} failed", event.vertex)),
            Happening::Skipped => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.bars.values() {
            bar.abandon();
        }
    }
}
