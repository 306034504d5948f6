//! The summary of a plan as Markdown, for a comment on a change of the spec.

use super::demand;
use super::emulation::{NO_PROMISE, no_promise};
use super::intervention::intervention;
use super::layout::{limit, shape};
use super::plan::{InstanceSummary, NumaSummary, ServiceSummary, Summary};
use super::plan_text::{assumed, gain, part, proof, rate_of, size, thousands};
use super::{clients, preferred};
use crate::explain::Unsplit;
use crate::units::{counted, percent};

impl Summary {
    /// The plan in Markdown: what matters first, the long tables folded.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "### Plan of `{}`: {} on {}\n\n",
            self.name,
            counted(self.instances.len() as u64, "instance"),
            counted(self.hosts_used() as u64, "host")
        );
        if !self.services.is_empty() {
            text.push_str(&self.service_table());
        }
        text.extend(self.services.iter().map(|one| {
            let demand = escaped(&demand::sentence(one));
            let preferred = preferred::sentence(one)
                .map(|text| format!("- {}: {}\n", one.name, escaped(&text)));
            let clients = one.clients.as_ref().map(clients::sentence);
            let clients = clients
                .map(|text| format!("- clients of {}: {}\n", one.name, escaped(&text)))
                .unwrap_or_default();
            let preferred = preferred.unwrap_or_default();
            format!("- demand on {}: {demand}\n{preferred}{clients}", one.name)
        }));
        text.push_str(if self.services.is_empty() { "" } else { "\n" });
        text.extend(self.profiles.iter().map(|own| format!("{}\n\n", escaped(&own.to_string()))));
        text.push_str(&self.survival_table());
        let assumed = assumed(&self.bandwidth, &self.assumed_iops);
        if !assumed.is_empty() {
            text.push_str(&format!("{}\n", escaped_lines(&assumed)));
        }
        if let Some(outlook) = &self.outlook {
            text.extend(outlook.text().lines().map(|line| format!("{}\n\n", escaped(line))));
        }
        if let Some(moves) = &self.moves {
            let lines = moves.lines();
            let body = if lines.is_empty() { lines } else { format!("```text\n{lines}```\n\n") };
            text.push_str(&format!("Changes from the prior plan: {}.\n\n{body}", moves.counts()));
        }
        if let Some(change) = &self.change {
            text.push_str(&format!("```text\n{change}```\n\n"));
        }
        text.push_str(&folded("Hosts", &self.host_table()));
        text.push_str(&folded("Instances", &self.instance_table()));
        text.push_str(&folded("Objectives", &self.tier_table()));
        match self.findings.as_slice() {
            [] => text.push_str("Audit: no findings.\n"),
            findings => {
                text.push_str("Audit:\n\n");
                let lines = findings.iter().map(|one| format!("- {}\n", escaped(&one.to_string())));
                text.extend(lines);
            }
        }
        text
    }

    fn service_table(&self) -> String {
        let row = |one: &ServiceSummary| {
            let (layout, capacity) = (&one.layout, &one.capacity);
            let used = percent(capacity.demand_per_s.get(), capacity.total_per_s.get());
            let (of, used) = if one.emulated_on.is_empty() {
                let total = rate_of(capacity.total_per_s, one.engine.cluster());
                let of = format!("{} of {total}", thousands(capacity.demand_per_s));
                (of, format!("{used:.0} %"))
            } else {
                let demand = rate_of(capacity.demand_per_s, one.engine.cluster());
                (format!("{demand}: {}", no_promise(one)), "-".to_owned())
            };
            vec![
                format!("**{}** ({})", one.name, one.engine),
                format!(
                    "{} of {} vCPU, {}",
                    layout.all_instances(),
                    layout.vcpus,
                    size(layout.memory_mib)
                ),
                of,
                used,
                shape(one.engine.cluster(), layout),
                limit(capacity.binding).to_owned(),
                one.unsplit.as_ref().map_or_else(String::new, vs_unsplit),
            ]
        };
        table(
            &[
                "service",
                "instances",
                "demand of capacity",
                "used",
                "layout",
                "limited by",
                "vs. unsplit",
            ],
            self.services.iter().map(row),
        )
    }

    fn survival_table(&self) -> String {
        let levels: Vec<&str> = self.survive.iter().map(|one| one.level.as_str()).collect();
        if levels.is_empty() {
            let mut text = "Survives: no guarantee (`policy.survive: none`).\n\n".to_owned();
            if !self.machine_losses.is_empty() {
                text.push_str(&table(&["failure", "fixed VMs"], self.machines().into_iter()));
                text.push_str(&self.restart_steps());
            }
            return text;
        }
        let rows = self.losses.iter().map(|loss| {
            let used = percent(loss.demand_per_s.get(), loss.remaining_per_s.get());
            vec![
                format!("{} {}", loss.level, loss.domain),
                loss.service.to_string(),
                format!("{} of {}", loss.instances_lost, loss.instances),
                if self.is_emulated(&loss.service) {
                    NO_PROMISE.to_owned()
                } else {
                    format!("{used:.0} %")
                },
                intervention(loss).unwrap_or_default(),
            ]
        });
        let header =
            ["failure", "service", "instances lost", "remaining used", "manual intervention"];
        let failovers = self.failovers().into_iter().map(|line| format!("{}\n\n", escaped(&line)));
        let hints = self.hints().into_iter().map(|hint| format!("Hint: {}\n\n", escaped(&hint)));
        let failovers: String = failovers.chain(hints).collect();
        let mut text = String::new();
        if !self.losses.is_empty() {
            text = format!("{}\n{failovers}", table(&header, rows));
        }
        if !self.machine_losses.is_empty() {
            let heading = self.heading(&levels.join(", any one "));
            text.push_str(&format!("{}:\n\n", escaped(&capital(&heading))));
            text.push_str(&table(&["failure", "fixed VMs"], self.machines().into_iter()));
            text.push_str(&self.restart_steps());
        }
        text
    }

    /// How machines are restarted for which room is kept, as a paragraph.
    fn restart_steps(&self) -> String {
        match self.steps().trim() {
            "" => String::new(),
            steps => format!("{}\n\n", escaped(&capital(steps))),
        }
    }

    fn host_table(&self) -> String {
        let row = |node: &NumaSummary| {
            vec![
                format!("{} NUMA {}", node.host, node.numa),
                format!("{} of {}", node.cores_used, node.cores_allocatable),
                format!("{} of {}", size(node.memory_used_mib), size(node.memory_allocatable_mib)),
                size(node.memory_overhead_mib),
            ]
        };
        table(&["host", "cores", "memory", "of which for QEMU"], self.numa.iter().map(row))
    }

    fn instance_table(&self) -> String {
        let row = |one: &InstanceSummary| {
            vec![
                format!("`{}`", one.name),
                format!("{} NUMA {}", one.host, one.numa),
                part(one),
                one.reason.clone(),
            ]
        };
        table(&["instance", "placement", "role", "reason"], self.instances.iter().map(row))
    }

    fn tier_table(&self) -> String {
        let rows = self.tiers.iter().map(|tier| {
            let (amount, proof) = proof(tier);
            vec![tier.name.clone(), amount, proof]
        });
        table(&["objective", "value", "proof"], rows)
    }
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> = header.iter().map(|_| "---".to_owned()).collect();
    let escape = |row: Vec<String>| row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>();
    let body: String = rows.map(|row| line(&escape(row))).collect();
    format!("{}{}{body}\n", line(&head), line(&rule))
}

/// What a host serves when it is split, against one instance; a split for less is not for speed.
fn vs_unsplit(unsplit: &Unsplit) -> String {
    match unsplit.gain_tenths {
        10.. => gain(unsplit),
        _ => "not for speed".to_owned(),
    }
}

/// A sentence with its first letter in upper case.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Escapes a text for a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

/// Escapes lines that follow each other in one paragraph.
fn escaped_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", escaped(line))).collect()
}

fn folded(title: &str, body: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{body}\n</details>\n\n")
}
