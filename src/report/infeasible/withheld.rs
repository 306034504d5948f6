//! What hosts have and no instance can get.

use serde_json::{Value, json};

use super::{LISTED, WIDTH};
use crate::report::columns::wrapped;
use crate::report::plan_text::size;
use crate::solve::Withheld;
use crate::units::{Mebibytes, counted};

/// One sentence for each.
pub(super) fn text(withheld: &[Withheld]) -> String {
    let sentences = withheld.iter().take(LISTED).map(|one| wrapped(2, WIDTH, &sentence(one)));
    sentences.collect()
}

fn sentence(withheld: &Withheld) -> String {
    match withheld {
        Withheld::Reserve { hosts, cores, of_cores, memory, of_memory, is_default } => {
            let cores = (*cores > 0).then(|| format!("{cores} of {of_cores} cores"));
            let memory = (*memory > Mebibytes::ZERO)
                .then(|| format!("{} of {}", size(*memory), size(*of_memory)));
            let taken: Vec<String> = cores.into_iter().chain(memory).collect();
            let each = if hosts.len() > 1 { " of each" } else { "" };
            let default = match is_default {
                true => "; it is the default where a host states no `reserve:`",
                false => "",
            };
            format!("The reserve of {} takes {}{each}{default}.", names(hosts), taken.join(" and "))
        }
        Withheld::Memoryless { host, nodes, cores } => {
            let [word, have] = if nodes.len() == 1 { ["node", "has"] } else { ["nodes", "have"] };
            let nodes: Vec<String> = nodes.iter().map(u32::to_string).collect();
            format!(
                "NUMA {word} {} of {host} {have} {} and no memory: no instance fits there.",
                names(&nodes),
                counted(u64::from(*cores), "core")
            )
        }
    }
}

/// The names, a few of them where there are many.
fn names(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [others @ .., last] if names.len() <= LISTED => format!("{} and {last}", others.join(", ")),
        [first, others @ ..] => format!("{first} and {} others", others.len()),
    }
}

pub(super) fn json(withheld: &[Withheld]) -> Vec<Value> {
    let value = |one: &Withheld| match one {
        Withheld::Reserve { hosts, cores, of_cores, memory, of_memory, is_default: _ } => json!({
            "hosts": hosts,
            "reserved_cores": cores,
            "cores": of_cores,
            "reserved_memory_mib": memory,
            "memory_mib": of_memory,
            "because": sentence(one),
        }),
        Withheld::Memoryless { host, nodes, cores } => json!({
            "hosts": [host],
            "memoryless_numa": nodes,
            "cores": cores,
            "because": sentence(one),
        }),
    };
    withheld.iter().map(value).collect()
}
