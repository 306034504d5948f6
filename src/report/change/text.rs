//! A change in words.

use std::fmt;

use super::{Change, ChangeStep, Need, ServiceChange, Work, estimate};
use crate::plan::Layout;
use crate::planner::Room;
use crate::report::columns::columns;
use crate::report::plan_text::size;
use crate::topology::cpuset;
use crate::units::{Mebibytes, grouped};

/// Names of instances that a line lists.
const MAX_NAMES: usize = 4;

impl fmt::Display for Change {
    /// Ends with a newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&ServiceChange> = self.services.iter().chain(&self.machines).collect();
        if all.is_empty() {
            return f.write_str("steps of the change: none\n");
        }
        writeln!(f, "steps of the change, about {}:", estimate::shown(self.seconds))?;
        for one in all {
            write!(f, "  {}: {}\n{}{}", one.name, headline(one), steps(one), needs(one))?;
        }
        f.write_str(&room(&self.room))
    }
}

/// What changes and what a client sees of it.
fn headline(one: &ServiceChange) -> String {
    let mut parts = Vec::new();
    match (&one.from, &one.to) {
        (Some(from), Some(to)) => parts.extend(layout(from, to)),
        (None, Some(_)) => parts.push("new".to_owned()),
        (Some(_), None) => parts.push("removed".to_owned()),
        (None, None) => {}
    }
    let time = estimate::shown(one.refused_s);
    let is_machine = one.from.is_none() && one.to.is_none();
    let moves = one.steps.iter().any(|step| step.work == Work::Migrate);
    parts.push(match (one.refused_s, one.hand_overs) {
        (0, 0) if moves => "runs while it moves".to_owned(),
        (0, 0) if is_machine && one.steps.iter().all(|step| step.work == Work::Leave) => {
            "removed".to_owned()
        }
        (0, 0) if is_machine => "no machine is stopped".to_owned(),
        (0, 0) => "nothing is refused".to_owned(),
        (0, count) => {
            let times = if count == 1 {
                "at a hand-over".to_owned()
            } else {
                format!("at each of {count} hand-overs")
            };
            let what = if one.holds_data {
                "writes wait"
            } else {
                "open connections end and requests wait"
            };
            format!("{what} for up to {} s {times}", estimate::HAND_OVER_S)
        }
        _ if one.to.is_none() && one.from.is_some() => "refuses all requests".to_owned(),
        _ => format!("down in turn, {time} in total"),
    });
    parts.extend(one.used_percent.map(|used| format!("up to {used:.0} % used meanwhile")));
    parts.join("; ")
}

/// What of a layout changes.
fn layout(from: &Layout, to: &Layout) -> Option<String> {
    let mut parts = Vec::new();
    let mut counts = |what: &str, from: u32, to: u32| {
        if from != to {
            parts.push(format!("{what} {from} -> {to}"));
        }
    };
    counts("groups", from.groups, to.groups);
    counts("copies", from.copies, to.copies);
    if (from.groups, from.copies) == (to.groups, to.copies) {
        counts("instances", from.instances, to.instances);
    }
    counts("vCPU", from.vcpus, to.vcpus);
    let mut sizes = |what: &str, from: Mebibytes, to: Mebibytes| {
        let (from, to) = (size(from), size(to));
        if from != to {
            parts.push(format!("{what} {from} -> {to}"));
        }
    };
    sizes("memory", from.memory_mib, to.memory_mib);
    sizes("data volume", from.data_mib, to.data_mib);
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn steps(one: &ServiceChange) -> String {
    let rows = one.steps.iter().zip(1..).map(|(step, number): (_, u32)| {
        vec![format!("{number}. {}", words(step)), estimate::shown(step.seconds)]
    });
    columns(4, &rows.collect::<Vec<_>>())
}

fn needs(one: &ServiceChange) -> String {
    let line = |need: &Need| {
        let Need { option, cause, instances } = need;
        format!("    needs {option}: {} ({cause})\n", names(instances))
    };
    one.needs.iter().map(line).collect()
}

fn words(step: &ChangeStep) -> String {
    let names = names(&step.instances);
    let data = size(step.data_mib);
    match step.work {
        Work::Add => format!("add {names}"),
        Work::Copy => format!("copy {data} to {names}"),
        Work::MoveSlots => format!("move {} slots, {data}", grouped(u64::from(step.slots))),
        Work::Replace => format!("replace in turn{}: {names}", copying(step)),
        Work::PowerCycle => {
            format!("switch off and on in turn{}: {names}", copying(step))
        }
        Work::TakeUp => format!("{names} take settings up while they run"),
        Work::Configure => format!("configure {names}"),
        Work::Migrate => format!("migrate {names}, {data}"),
        Work::Leave => format!("remove {names}"),
    }
}

/// What has to be copied back to machines that were away.
fn copying(step: &ChangeStep) -> String {
    match step.data_mib {
        Mebibytes::ZERO => String::new(),
        data => format!(", copying up to {}", size(data)),
    }
}

fn names<T: fmt::Display>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(MAX_NAMES).map(ToString::to_string).collect();
    let more = match all.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// What is short for old beside new, a line each; empty where everything fits.
fn room(room: &Room) -> String {
    let mut text = String::new();
    let leave = |instances: &[_]| match instances {
        [] => "nothing that leaves makes room".to_owned(),
        all => format!("{} must leave first", names(all)),
    };
    for short in &room.memory {
        let pages = match short.page_kib {
            4 => String::new(),
            page => format!(" in pages of {}", size(Mebibytes::new(page >> 10))),
        };
        text.push_str(&format!(
            "  {} NUMA {}: old beside new needs {} of {} memory{pages}: {}\n",
            short.host,
            short.numa,
            size(short.needed_mib),
            size(short.allocatable_mib),
            leave(&short.leave_first)
        ));
    }
    for short in &room.pools {
        text.push_str(&format!(
            "  {} pool {}: old beside new needs {} of {}: {}\n",
            short.host,
            short.pool,
            size(short.needed_mib),
            size(short.capacity_mib),
            leave(&short.leave_first)
        ));
    }
    if !room.addresses.is_empty() {
        let count = room.addresses.len();
        let noun = if count == 1 { "address" } else { "addresses" };
        text.push_str(&format!(
            "  {count} {noun} short to keep old and new side by side: {}\n",
            leave(&room.addresses)
        ));
    }
    for shared in &room.cpus {
        text.push_str(&format!(
            "  {}: {} shares CPU {} with {} until that leaves\n",
            shared.host,
            shared.new,
            cpuset::show(&shared.cpus),
            shared.old
        ));
    }
    text
}
