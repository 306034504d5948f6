//! The direction of the crate: each room uses the rooms of its row and nothing
//! else, and some crates belong to one room. Modules that only tests have are free.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads the sources"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms that it uses, in the order in which data flows: a room comes
/// behind all that it uses. A new dependency is a change of this table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("ids", &[]),
    ("quote", &[]),
    ("digest", &[]),
    ("atomic_file", &[]),
    ("guest_file", &[]),
    ("certificate", &["digest"]),
    ("content", &["digest"]),
    ("template", &[]),
    ("engines", &[]),
    ("profile", &["engines"]),
    ("topology", &["ids", "units"]),
    ("spec", &["certificate", "content", "ids", "profile", "topology", "units"]),
    ("plan", &["atomic_file", "digest", "ids", "profile", "spec", "topology", "units"]),
    ("sizing", &["ids", "plan", "profile", "spec", "topology", "units"]),
    ("model", &["ids", "plan", "sizing", "spec", "topology", "units"]),
    ("solve", &["ids", "model", "sizing", "spec", "topology", "units"]),
    ("secret", &["atomic_file", "certificate", "digest", "engines", "ids", "plan", "spec"]),
    (
        "recipe",
        &[
            "digest",
            "engines",
            "guest_file",
            "ids",
            "plan",
            "profile",
            "secret",
            "sizing",
            "spec",
            "template",
            "topology",
            "units",
        ],
    ),
    (
        "planner",
        &[
            "ids", "model", "plan", "profile", "recipe", "sizing", "solve", "spec", "topology",
            "units",
        ],
    ),
    ("audit", &["certificate", "ids", "plan", "profile", "recipe", "spec", "topology", "units"]),
    (
        "explain",
        &[
            "audit", "ids", "model", "plan", "planner", "profile", "sizing", "solve", "spec",
            "topology", "units",
        ],
    ),
    ("hypervisor", &["ids", "quote", "topology"]),
    ("guest", &["guest_file", "hypervisor"]),
    (
        "render",
        &[
            "digest",
            "hypervisor",
            "ids",
            "plan",
            "quote",
            "recipe",
            "spec",
            "template",
            "topology",
            "units",
        ],
    ),
    (
        "engine",
        &[
            "digest",
            "guest",
            "guest_file",
            "hypervisor",
            "ids",
            "plan",
            "recipe",
            "secret",
            "spec",
            "units",
        ],
    ),
    ("state", &["atomic_file", "digest", "engine", "hypervisor", "ids"]),
    (
        "graph",
        &["engine", "hypervisor", "ids", "plan", "render", "spec", "state", "topology", "units"],
    ),
    (
        "deploy",
        &[
            "certificate",
            "content",
            "digest",
            "engine",
            "graph",
            "guest",
            "hypervisor",
            "ids",
            "plan",
            "recipe",
            "render",
            "secret",
            "spec",
            "state",
            "topology",
            "units",
        ],
    ),
    (
        "drill",
        &[
            "audit",
            "deploy",
            "engine",
            "graph",
            "hypervisor",
            "ids",
            "plan",
            "profile",
            "secret",
            "state",
            "topology",
            "units",
        ],
    ),
    (
        "simulated",
        &[
            "content",
            "deploy",
            "digest",
            "hypervisor",
            "ids",
            "plan",
            "recipe",
            "spec",
            "topology",
            "units",
        ],
    ),
    (
        "report",
        &[
            "audit",
            "certificate",
            "deploy",
            "drill",
            "engine",
            "explain",
            "graph",
            "hypervisor",
            "ids",
            "plan",
            "planner",
            "profile",
            "quote",
            "recipe",
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
            "atomic_file",
            "audit",
            "deploy",
            "digest",
            "drill",
            "explain",
            "graph",
            "hypervisor",
            "ids",
            "plan",
            "planner",
            "profile",
            "recipe",
            "report",
            "secret",
            "simulated",
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
    ("flate2::", &["content"]),
    ("petgraph::", &["graph"]),
    ("tar::", &["content"]),
    ("handlebars::", &["template"]),
    ("rcgen::", &["secret"]),
    ("ring::", &["secret"]),
    ("pem::", &["certificate"]),
    ("yasna::", &["certificate"]),
    ("virt::", &["hypervisor"]),
    ("virt_sys::", &["hypervisor"]),
    ("clap::", &["cli"]),
    ("indicatif::", &["cli"]),
    ("ctrlc::", &["cli"]),
    ("jiff::", &["certificate", "cli", "state", "units"]),
    ("schemars::", &["spec"]),
    ("serde_saphyr::", &["spec"]),
    ("toml::", &["profile"]),
    ("fatfs::", &["render", "simulated"]),
    ("base64::", &["guest", "secret", "simulated"]),
    ("sha2::", &["audit", "deploy", "digest", "plan", "state"]),
    ("similar::", &["report"]),
    ("roxmltree::", &["hypervisor", "render", "topology"]),
    ("println!", &[]),
];

/// A file of the crate with its production code.
struct Source {
    /// Path below `src`.
    path: PathBuf,
    room: String,
    code: String,
}

/// Every source file but `lib.rs`, `main.rs` and the modules that only tests have.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    let of_tests: Vec<PathBuf> =
        files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_production = |path: &Path| {
        !matches!(path.to_str(), Some("lib.rs" | "main.rs"))
            && !of_tests.iter().any(|module| path.with_extension("").starts_with(module))
    };
    let source = |(path, text): (PathBuf, String)| {
        let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
        let room = first.trim_end_matches(".rs").to_owned();
        Source { code: production(&text), room, path }
    };
    files.into_iter().filter(|(path, _)| is_production(path)).map(source).collect()
}

/// What follows each `#[cfg(test)]`, further attributes skipped.
fn behind_cfg_test(text: &str) -> impl Iterator<Item = (usize, &str)> {
    const CFG: &str = "#[cfg(test)]\n";
    text.match_indices(CFG).map(|(at, _)| {
        let mut rest = text.get(at + CFG.len()..).unwrap_or_default();
        while let Some((_, next)) =
            rest.trim_start().starts_with("#[").then(|| rest.split_once('\n')).flatten()
        {
            rest = next;
        }
        (at, rest.trim_start())
    })
}

/// The module files that a file declares for tests alone, without extension.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap();
    let folder = match stem.to_str() {
        Some("mod" | "lib" | "main") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let declared = behind_cfg_test(text).filter_map(|(_, rest)| {
        let line = rest.lines().next()?.trim_start_matches("pub ").strip_prefix("mod ")?;
        line.strip_suffix(';')
    });
    declared.map(|name| folder.join(name)).collect()
}

/// The text before its inline test module, without comments.
fn production(text: &str) -> String {
    let is_inline = |rest: &str| {
        rest.lines().next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = behind_cfg_test(text).find(|(_, rest)| is_inline(rest)).map_or(text.len(), |it| it.0);
    let lines = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The rooms that a code names.
fn rooms_named(code: &str) -> impl Iterator<Item = String> {
    code.split("crate::")
        .skip(1)
        .map(|used| used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect())
}

#[test]
fn production_code_ends_at_the_inline_test_module_and_nowhere_else() {
    let text = "#[cfg(test)]\nmod near;\nuse a;\n#[cfg(test)]\nmod tests {\nuse b;\n}\n";
    assert_eq!(production(text), "#[cfg(test)]\nmod near;\nuse a;\n");
    assert_eq!(test_modules(Path::new("room/mod.rs"), text), [Path::new("room/near")]);
    assert_eq!(test_modules(Path::new("room/one.rs"), text), [Path::new("room/one/near")]);
    let attributed = "use a;\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n}\n";
    assert_eq!(production(attributed), "use a;\n");
    let all: usize = sources().iter().map(|source| source.code.lines().count()).sum();
    assert!(all > 20_000, "{all} lines were looked at");
}

#[test]
fn rooms_use_only_what_flows_into_them() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for Source { path, room, code } in sources() {
        let Some(allowed) = table.get(room.as_str()) else {
            wrong.push(format!("{}: room {room} is not in the table", path.display()));
            continue;
        };
        for name in rooms_named(&code) {
            if name.is_empty() {
                wrong.push(format!("{}: write one `use crate::room` a line", path.display()));
            } else if name != room && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: {room} may not use {name}", path.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_permission_is_used() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Source { room, code, .. } in sources() {
        used.entry(room).or_default().extend(rooms_named(&code));
    }
    let unused: Vec<String> = MAY_USE
        .iter()
        .flat_map(|(room, allowed)| allowed.iter().map(move |name| (*room, *name)))
        .filter(|(room, name)| !used.get(*room).is_some_and(|names| names.contains(*name)))
        .map(|(room, name)| format!("{room} does not use {name}"))
        .collect();
    assert!(unused.is_empty(), "take these out of the table: {unused:?}");
}

/// The table has no cycle, since each of its rows names only rooms above it, and the
/// crate declares and describes its rooms in the same order.
#[test]
fn the_rooms_stand_in_the_order_in_which_data_flows() {
    let place = |name: &str| MAY_USE.iter().position(|(room, _)| *room == name);
    for (at, (room, allowed)) in MAY_USE.iter().enumerate() {
        for name in *allowed {
            let above = place(name).is_some_and(|place| place < at);
            assert!(above, "{room} uses {name}, which is not above it");
        }
    }
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = fs::read_to_string(lib).unwrap();
    let declared: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let table: Vec<&str> = MAY_USE.iter().map(|(room, _)| *room).collect();
    assert_eq!(declared, table, "lib.rs declares the rooms in the order of the table");
    let described: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next()).collect();
    assert_eq!(described, table, "lib.rs describes each room in a row of its own");
}

#[test]
fn crates_stay_in_the_rooms_that_they_belong_to() {
    let mut wrong = Vec::new();
    for Source { path, room, code } in sources() {
        for (name, rooms) in BELONGS_TO {
            let named = code.match_indices(name).any(|(at, _)| {
                !code[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
            });
            if named && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: {name} belongs to {rooms:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.path, source.code.lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "split these by noun: {long:?}");
}

/// Programs that belong to engines, besides the engines themselves.
const PROGRAMS: [&str; 2] = ["keepalived", "mysqlslap"];

/// Where engines are at home.
const HOMES: [&str; 2] = ["engines.rs", "recipe/"];

/// Rooms in which each folder is the home of a family of engines.
const FOLDERS: [&str; 2] = ["engine/", "simulated/"];

/// Files elsewhere that name an engine, and why each may.
const NAMES_AN_ENGINE: &[(&str, &str)] = &[
    ("audit/groups.rs", "a rule of a kind of cluster is explained in the words of its engine"),
    ("engine/mod.rs", "which operator an engine has"),
    ("profile/check.rs", "a rule of a kind of cluster is explained in the words of its engine"),
    ("report/intervention.rs", "what a person does when an engine cannot decide"),
    ("simulated/daemon.rs", "which daemon an engine has in the simulator"),
    ("simulated/mod.rs", "the folder of a simulated engine"),
];

/// What a further engine touches: its row, its recipe and its folders, and nothing else.
#[test]
fn engines_are_named_where_they_are_at_home_and_nowhere_else() {
    let words = || hostsplit::engines::Engine::WORDS.iter().chain(&PROGRAMS);
    let mut named = BTreeSet::new();
    for Source { path, code, .. } in sources() {
        let path = path.to_str().unwrap().to_owned();
        let code = code.to_ascii_lowercase();
        let of_family =
            |room: &&str| path.strip_prefix(*room).is_some_and(|rest| rest.contains('/'));
        let is_home =
            HOMES.iter().any(|home| path.starts_with(home)) || FOLDERS.iter().any(of_family);
        if !is_home && words().any(|word| code.contains(word)) {
            named.insert(path);
        }
    }
    let allowed: BTreeSet<String> =
        NAMES_AN_ENGINE.iter().map(|(path, _)| (*path).to_owned()).collect();
    let new: Vec<_> = named.difference(&allowed).collect();
    assert!(new.is_empty(), "move what knows an engine to its folder or recipe: {new:?}");
    let unused: Vec<_> = allowed.difference(&named).collect();
    assert!(unused.is_empty(), "take these out of the table: {unused:?}");
}
