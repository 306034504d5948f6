//! The pages for people name only what is there: every link, every path and every test
//! that they name exists in the tree, and every page of `docs/` is linked.
//!
//! A placeholder is written in angle brackets, `profiles/<engine>.toml`: what precedes
//! it must exist.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads the pages and the sources"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that a path in a page begins with.
const FOLDERS: [&str; 8] =
    ["benches/", "docs/", "examples/", "profiles/", "src/", "templates/", "tests/", ".ci/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder, as paths from the root, in order.
fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The pages, as paths from the root.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md")];
    let folders = ["docs", "examples", "tests/lab", "tests/stories"];
    let all = folders.into_iter().flat_map(below);
    found.extend(all.filter(|path| path.extension().is_some_and(|ext| ext == "md")));
    found
}

/// A page without its blocks of code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let outside = text.split("```").step_by(2);
    outside.collect::<Vec<_>>().join("\n")
}

/// Where the links of a page lead, those within a page and to the web left out.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.filter_map(|target| target.split('#').next())
}

/// What a page writes as code within a line.
fn spans(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2).filter(|span| !span.contains(char::is_whitespace))
}

/// Whether a span is the name of a file without its folder.
fn is_file_name(span: &str) -> bool {
    let name = span.rsplit_once('.');
    name.is_some_and(|(stem, ext)| {
        let is_word = stem.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        is_word && !stem.is_empty() && ext == "rs"
    })
}

/// Whether a span is the name of a test: long and in words.
fn is_test_name(span: &str) -> bool {
    span.matches('_').count() > 2
        && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = root().join(page.parent().unwrap());
        let prose = prose(&page);
        let missing = links(&prose).filter(|target| !folder.join(target).exists());
        broken.extend(missing.map(|target| format!("{}: {target}", page.display())));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn paths_and_tests_that_pages_name_exist() {
    let sources: Vec<PathBuf> = ["src", "tests", "benches"].into_iter().flat_map(below).collect();
    let sources: Vec<PathBuf> =
        sources.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    let names: BTreeSet<&str> =
        sources.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let code: String =
        sources.iter().map(|path| fs::read_to_string(root().join(path)).unwrap()).collect();
    let mut missing = Vec::new();
    for page in pages() {
        for span in spans(&prose(&page)) {
            let exists = if FOLDERS.iter().any(|folder| span.starts_with(folder)) {
                let fixed = match span.find(['<', '*']) {
                    Some(at) => span[..at].rsplit_once('/').map_or("", |(folder, _)| folder),
                    None => span,
                };
                root().join(fixed).exists()
            } else if is_file_name(span) {
                names.contains(span)
            } else {
                !is_test_name(span) || code.contains(&format!("fn {span}("))
            };
            if !exists {
                missing.push(format!("{}: {span}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_page_of_the_documentation_is_linked() {
    let mut texts: Vec<String> =
        ["README.md", "CONTRIBUTING.md"].map(|page| prose(Path::new(page))).into();
    let sources = below("src").into_iter().filter(|path| path.extension().is_some());
    texts.extend(sources.filter_map(|path| fs::read_to_string(root().join(path)).ok()));
    let lost: Vec<_> = below("docs")
        .into_iter()
        .filter(|page| !texts.iter().any(|text| text.contains(page.to_str().unwrap())))
        .collect();
    assert!(lost.is_empty(), "neither the README, CONTRIBUTING nor a module links {lost:?}");
}
