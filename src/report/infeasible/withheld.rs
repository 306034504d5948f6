//! What hosts have and no instance can get.

use serde_json::{Value, json};

use super::{LISTED, WIDTH};
use crate::report::columns::{listed, wrapped};
use crate::report::plan_text::size;
use crate::solve::{Origin, Withheld};
use crate::units::{Mebibytes, counted};

/// One sentence for each.
pub(super) fn text(withheld: &[Withheld]) -> String {
    let sentences = withheld.iter().take(LISTED).map(|one| wrapped(2, WIDTH, &sentence(one)));
    sentences.collect()
}

fn sentence(withheld: &Withheld) -> String {
    match withheld {
        Withheld::Reserve { hosts, cores, of_cores, memory, of_memory, origin } => {
            let cores = (*cores > 0).then(|| format!("{cores} of {of_cores} cores"));
            let memory = (*memory > Mebibytes::ZERO)
                .then(|| format!("{} of {}", size(*memory), size(*of_memory)));
            let taken: Vec<String> = cores.into_iter().chain(memory).collect();
            let each = if hosts.len() > 1 { " of each" } else { "" };
            let origin = match origin {
                Origin::Stated => "",
                Origin::Default => "; it is the default where a host states no `reserve:`",
                Origin::Assumed => "; it was assumed: state `reserve`",
            };
            format!(
                "The reserve of {} takes {}{each}{origin}.",
                listed(hosts, LISTED),
                taken.join(" and ")
            )
        }
        Withheld::Memoryless { host, nodes, cores } => {
            let [word, have] = if nodes.len() == 1 { ["node", "has"] } else { ["nodes", "have"] };
            let nodes: Vec<String> = nodes.iter().map(u32::to_string).collect();
            format!(
                "NUMA {word} {} of {host} {have} {} and no memory: no instance fits there.",
                listed(&nodes, LISTED),
                counted(u64::from(*cores), "core")
            )
        }
    }
}

pub(super) fn json(withheld: &[Withheld]) -> Vec<Value> {
    let value = |one: &Withheld| match one {
        Withheld::Reserve { hosts, cores, of_cores, memory, of_memory, origin } => json!({
            "hosts": hosts,
            "reserved_cores": cores,
            "cores": of_cores,
            "reserved_memory_mib": memory,
            "memory_mib": of_memory,
            "origin": match origin {
                Origin::Stated => "stated",
                Origin::Default => "default",
                Origin::Assumed => "assumed",
            },
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
