//! What kind of file a command was given, where it is not the one that it takes.
#![expect(clippy::disallowed_methods, reason = "edge: looks into a file that was named")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::CliError;

/// Bytes of a file that are looked at.
const LOOK: u64 = 256 << 10;

/// A kind of file that commands take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// What `plan` reads.
    Spec,
    /// What a spec includes.
    Hosts,
    /// What `plan` writes.
    Plan,
}

impl FileKind {
    /// Returns the kind of a file by what is in it; `None` if it is none of them.
    pub(super) fn of(path: &Path) -> Option<Self> {
        // What is read of a pipe is gone.
        if !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(LOOK).read_to_end(&mut bytes).ok()?;
        Self::of_text(&String::from_utf8_lossy(&bytes))
    }

    fn of_text(text: &str) -> Option<Self> {
        let keys = text.trim_start().strip_prefix('{').map(outer_keys);
        let has = |names: &[&str]| {
            names.iter().any(|name| match &keys {
                Some(keys) => keys.contains(name),
                None => has_key(text, name),
            })
        };
        if keys.is_some() && has(&["format"]) && has(&["topology", "services", "instances"]) {
            return Some(Self::Plan);
        }
        if has(&["services", "vms", "policy", "hosts"]) {
            return Some(Self::Spec);
        }
        has(&["numa", "flat", "uri", "pools", "cores"]).then_some(Self::Hosts)
    }

    /// The kind in a sentence.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "a spec",
            Self::Hosts => "a file of hosts",
            Self::Plan => "a plan",
        }
    }

    /// Which command takes such a file.
    fn hint(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Spec => format!("make a plan of it with: hostsplit plan {path}"),
            Self::Hosts => {
                format!("include it in a spec, hosts: [{{ include: {path} }}], and check that")
            }
            Self::Plan => format!(
                "look at it with: hostsplit show {path}; apply it with: hostsplit deploy {path}"
            ),
        }
    }

    /// Replaces the error of reading `path` as another kind of file by what it is, if that
    /// is known.
    pub(super) fn explain(path: &Path, expected: Self, error: CliError) -> CliError {
        match Self::of(path) {
            Some(kind) if kind != expected => {
                let (found, expected) = (kind.as_str(), expected.as_str());
                CliError::new(format!("{} is {found}, not {expected}", path.display()))
                    .hint(kind.hint(path))
            }
            _ => error,
        }
    }
}

/// The keys of a JSON object after its brace, which may be cut short, however it is laid out.
fn outer_keys(text: &str) -> BTreeSet<&str> {
    let mut keys = BTreeSet::new();
    let (mut depth, mut rest) = (1_u32, text);
    while let Some(at) = rest.find(['"', '{', '}', '[', ']']) {
        let (_, from) = rest.split_at(at);
        rest = from.get(1..).unwrap_or_default();
        match from.chars().next() {
            Some('{' | '[') => depth = depth.saturating_add(1),
            Some('"') => {
                let end = end_of_string(rest);
                let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                rest = after.get(1..).unwrap_or_default();
                if depth == 1 && rest.trim_start().starts_with(':') {
                    keys.insert(word);
                }
            }
            _ => depth = depth.saturating_sub(1),
        }
    }
    keys
}

/// Where a string of JSON ends.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// Whether a line begins with the key, as a file of YAML has it: at the margin or in an item
/// of a list.
fn has_key(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let in_item = line.strip_prefix("- ").or_else(|| line.strip_prefix("  "));
        let at_margin = in_item.unwrap_or(line);
        at_margin.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_keys() {
        let of = FileKind::of_text;
        assert_eq!(of("name: shop\nservices:\n  - name: cache\n"), Some(FileKind::Spec));
        assert_eq!(of("name: h1\nuri: qemu+ssh://h1/system\nnuma: []\n"), Some(FileKind::Hosts));
        assert_eq!(of("- name: h1\n  cores: 4\n- name: h2\n"), Some(FileKind::Hosts));
        assert_eq!(of("{\n  \"format\": 4,\n  \"instances\": []\n}\n"), Some(FileKind::Plan));
        assert_eq!(of("{\"format\": 4}"), None);
        // However it is laid out.
        let spec = "{\"name\":\"j\",\"vms\":[{\"name\":\"format\",\"instances\":1}],\"hosts\":[]}";
        assert_eq!(of(spec), Some(FileKind::Spec));
        let plan = "{\"format\":4,\"name\":\"a \\\" b\",\"policy\":{},\"topology\":[{\"na";
        assert_eq!(of(plan), Some(FileKind::Plan));
        assert_eq!(of("anything"), None);
    }
}
