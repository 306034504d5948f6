//! The direction of the crate: each room uses the rooms of its row and nothing
//! else, and some crates belong to one room. `#[cfg(test)]` modules are free.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads the sources"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms that it may use. A new dependency is a change of this table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("ids", &[]),
    ("slots", &[]),
    ("quote", &[]),
    ("digest", &[]),
    ("files", &[]),
    ("software", &[]),
    ("topology", &["ids", "units"]),
    ("spec", &["ids", "profile", "topology", "units"]),
    ("profile", &[]),
    ("sizing", &["ids", "plan", "profile", "spec", "topology", "units"]),
    ("model", &["ids", "plan", "profile", "sizing", "spec", "topology", "units"]),
    ("solve", &["ids", "model", "plan", "profile", "sizing", "spec", "topology", "units"]),
    (
        "plan",
        &[
            "digest", "files", "ids", "model", "profile", "sizing", "software", "solve", "spec",
            "topology", "units",
        ],
    ),
    ("secret", &["digest", "files", "ids", "plan", "spec"]),
    ("audit", &["ids", "plan", "profile", "spec", "topology", "units"]),
    (
        "explain",
        &[
            "audit", "ids", "model", "plan", "profile", "sizing", "solve", "spec", "topology",
            "units",
        ],
    ),
    ("hypervisor", &["digest", "ids", "quote", "slots", "software", "topology", "units"]),
    (
        "graph",
        &["engine", "hypervisor", "ids", "plan", "render", "spec", "state", "topology", "units"],
    ),
    (
        "render",
        &[
            "digest",
            "ids",
            "plan",
            "quote",
            "secret",
            "software",
            "spec",
            "topology",
            "units",
            "hypervisor",
        ],
    ),
    (
        "engine",
        &[
            "digest",
            "hypervisor",
            "ids",
            "plan",
            "quote",
            "secret",
            "slots",
            "software",
            "spec",
            "units",
        ],
    ),
    ("state", &["engine", "files", "hypervisor", "ids", "plan"]),
    (
        "deploy",
        &[
            "digest",
            "engine",
            "graph",
            "hypervisor",
            "ids",
            "plan",
            "render",
            "secret",
            "software",
            "spec",
            "state",
            "topology",
            "units",
        ],
    ),
    (
        "report",
        &[
            "audit",
            "deploy",
            "engine",
            "explain",
            "graph",
            "hypervisor",
            "ids",
            "model",
            "plan",
            "profile",
            "quote",
            "secret",
            "sizing",
            "solve",
            "spec",
            "state",
            "topology",
            "units",
        ],
    ),
    (
        "cli",
        &[
            "audit",
            "deploy",
            "digest",
            "engine",
            "explain",
            "files",
            "graph",
            "hypervisor",
            "ids",
            "plan",
            "profile",
            "render",
            "report",
            "secret",
            "solve",
            "spec",
            "state",
            "topology",
            "units",
        ],
    ),
];

/// Crate → the rooms that may name it.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("good_lp::", &["model", "solve"]),
    ("highs::", &["solve"]),
    ("petgraph::", &["graph"]),
    ("handlebars::", &["render"]),
    ("rcgen::", &["secret"]),
    ("virt::", &["hypervisor"]),
    ("virt_sys::", &["hypervisor"]),
    ("clap::", &["cli"]),
    ("indicatif::", &["cli"]),
    ("schemars::", &["spec"]),
    ("serde_saphyr::", &["spec"]),
    ("println!", &[]),
];

/// Every source file with its room and its code before the first test module.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
        .into_iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let room = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let is_test =
                inside.with_extension("").components().any(|part| part.as_os_str() == "tests");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code: String = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .flat_map(|line| [line, "\n"])
                .collect();
            let top = matches!(room.as_str(), "lib" | "main");
            (!top && !is_test).then(|| (inside.to_owned(), room, code))
        })
        .collect()
}

#[test]
fn rooms_use_only_what_flows_into_them() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, room, code) in sources() {
        let Some(allowed) = table.get(room.as_str()) else {
            wrong.push(format!("{}: room {room} is not in the table", file.display()));
            continue;
        };
        for used in code.split("crate::").skip(1) {
            let name: String =
                used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if name.is_empty() {
                wrong.push(format!("{}: write one `use crate::room` a line", file.display()));
            } else if name != room && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: {room} may not use {name}", file.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_stay_in_the_rooms_that_they_belong_to() {
    let mut wrong = Vec::new();
    for (file, room, code) in sources() {
        for (name, rooms) in BELONGS_TO {
            let named = code.match_indices(name).any(|(at, _)| {
                !code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            if named && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: {name} belongs to {rooms:?}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|(file, _, code)| (file, code.lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "split these by noun: {long:?}");
}
