//! How a service differs from its plan.

use std::collections::{BTreeMap, BTreeSet};

use super::observe::{Observed, Seen, Server};
use super::steps::{Primary, View};
use super::target::Target;
use crate::engine::cluster::Copies;
use crate::engine::{Difference, Fact};
use crate::ids::InstanceName;
use crate::plan::Setting;
use crate::recipe::mysql::option;

/// Options that a server does not report, or not as they are in its file: what makes it start,
/// and what a decision changes.
const UNREPORTED: [&str; 7] =
    ["user", "datadir", "log_bin", "mysqlx", "plugin_load_add", "read_only", "super_read_only"];
/// Seconds by which a replica may be behind its primary before that is a difference.
const BEHIND_S: u64 = 30;

/// All that differs.
pub(super) fn differences(target: &Target, observed: &Observed) -> Vec<Difference> {
    let silent = observed.silent.iter();
    let mut found: Vec<Difference> =
        silent.map(|(name, error)| Difference::unanswered(name.clone(), error)).collect();
    for view in View::all(target, observed) {
        of_group(view, &mut found);
    }
    for (name, seen) in &observed.seen {
        match seen {
            Seen::Filling { bytes } => found.push(Difference {
                instance: name.clone(),
                fact: Fact::Replication,
                planned: "in step".to_owned(),
                found: format!("being filled, {} MiB on its volume", bytes >> 20),
            }),
            Seen::Server(server) => of_settings(target, name, &server.settings, &mut found),
        }
    }
    found
}

fn of_group(view: View<'_>, found: &mut Vec<Difference>) {
    let lead = view.group.lead.as_ref();
    let mut differs = |instance: &InstanceName, fact, planned: &str, seen: String| {
        let planned = planned.to_owned();
        found.push(Difference { instance: instance.clone(), fact, planned, found: seen });
    };
    let (primary, server) = match view.primary() {
        Primary::One(primary, server) => (primary, server),
        Primary::Nobody => {
            if let Some(lead) = lead.filter(|lead| view.server(lead).is_some()) {
                differs(
                    lead,
                    Fact::ClusterState,
                    "one takes writes",
                    "nobody takes writes".to_owned(),
                );
            }
            return;
        }
        Primary::Copy(name) => {
            differs(name, Fact::ClusterState, "takes no writes", "takes writes".to_owned());
            return;
        }
        Primary::Several(names) => {
            for name in names {
                let seen = "several take writes".to_owned();
                differs(name, Fact::ClusterState, "one takes writes", seen);
            }
            return;
        }
    };
    if let Some(lead) = lead.filter(|lead| *lead != primary && view.server(lead).is_some()) {
        differs(lead, Fact::Role, "primary", "replica".to_owned());
    }
    if !server.formed {
        differs(primary, Fact::ClusterState, "formed", "without users and databases".to_owned());
    } else if view.target.users().is_some_and(|users| users != server.users) {
        differs(primary, Fact::Passwords, "as given", "other ones".to_owned());
    }
    for (name, copy) in view.servers().filter(|(name, _)| *name != primary && view.stays(name)) {
        if let Some(fault) = fault_of_copy(view, copy, primary) {
            let planned = format!("in step with {primary}");
            differs(name, Fact::Replication, &planned, fault);
        }
    }
    let copies = view.group.members.len() - view.group.absent.len();
    if copies > 1 && (!server.waits || !server.waiting || server.acknowledging == 0) {
        let seen = if server.waits { "by nobody" } else { "not waited for" };
        differs(primary, Fact::Acknowledgement, "by a replica", seen.to_owned());
    }
}

/// Why a copy could not take over; `None` if it could.
fn fault_of_copy(view: View<'_>, copy: &Server, primary: &InstanceName) -> Option<String> {
    if let Some(fault) = &copy.fault {
        return Some(format!("empty: {fault}"));
    }
    if !copy.formed {
        return Some("empty".to_owned());
    }
    let Some(source) = &copy.source else { return Some("copies nobody".to_owned()) };
    if view.source_of(copy) != Some(primary) {
        let whom = source.address.map(|address| view.target.named(address));
        return Some(format!("copies {}", whom.unwrap_or_default()));
    }
    let word = |error: &Option<String>| error.clone().unwrap_or_else(|| "stopped".to_owned());
    if !source.is_up() {
        return Some(word(&source.error));
    }
    if copy.writable {
        return Some("takes writes".to_owned());
    }
    if !copy.acknowledges {
        return Some("does not acknowledge".to_owned());
    }
    let behind = source.behind_s.filter(|behind| *behind > BEHIND_S);
    behind.map(|behind| format!("{behind} s behind"))
}

/// The options of a server that are not as planned.
pub(super) fn of_settings(
    target: &Target,
    name: &InstanceName,
    settings: &BTreeMap<String, String>,
    found: &mut Vec<Difference>,
) {
    let planned = target.settings.get(name).into_iter().flatten();
    for (setting, value) in planned.filter(|(name, _)| !UNREPORTED.contains(&name.as_str())) {
        let running = settings.get(setting).map_or("unknown to this server", String::as_str);
        if !is_as_planned(value, running) {
            found.push(Difference {
                instance: name.clone(),
                fact: Fact::Setting(setting.clone()),
                planned: option(value),
                found: running.to_owned(),
            });
        }
    }
}

fn is_as_planned(planned: &Setting, running: &str) -> bool {
    option(planned).eq_ignore_ascii_case(running)
}

/// The copies of a group.
pub(super) fn copies(view: View<'_>) -> Copies {
    let mut copies = Copies::default();
    let primary = match view.primary() {
        Primary::One(name, _) => Some(name),
        Primary::Nobody | Primary::Several(_) | Primary::Copy(_) => None,
    };
    copies.leader = primary.cloned();
    for (name, server) in view.servers() {
        let fault = match primary {
            Some(primary) if primary == name => None,
            Some(primary) => fault_of_copy(view, server, primary),
            None => Some("nobody takes writes".to_owned()),
        };
        match fault {
            None => drop(copies.healthy.insert(name.clone())),
            // Nobody waits for one that leaves.
            Some(fault) if view.stays(name) => drop(copies.ailing.insert(name.clone(), fault)),
            Some(_) => {}
        }
    }
    let named: BTreeSet<&InstanceName> =
        copies.healthy.iter().chain(copies.ailing.keys()).collect();
    let missing = view.group.members.iter().filter(|name| !named.contains(name));
    let missing: Vec<(InstanceName, String)> = missing
        .filter(|name| !view.group.absent.contains(name))
        .map(|name| {
            let silent = view.observed.silent.get(name);
            (name.clone(), silent.map_or_else(|| "being filled".to_owned(), ToString::to_string))
        })
        .collect();
    copies.ailing.extend(missing);
    copies
}
