//! `redis.conf`: the planned directives, quoted as Redis reads them.

use std::fmt::Write as _;

use serde::Serialize;

use super::{RenderError, Result, digest, text};
use crate::plan::Instance;

/// Directives that take several words; any other value is one word, however
/// many spaces it has. From `redis.conf` of Redis 8.0.
const MULTI_WORD: [&str; 9] = [
    "bind",
    "client-output-buffer-limit",
    "enable-module-command",
    "latency-tracking-info-percentiles",
    "loadmodule",
    "oom-score-adj-values",
    "rename-command",
    "replicaof",
    "save",
];

#[derive(Serialize)]
struct Values<'a> {
    instance: &'a str,
    digest: String,
    directives: Vec<String>,
}

/// The configuration file of a Redis instance: every directive of its `config`,
/// in their order.
///
/// # Errors
/// [`RenderError::Directive`] for a name that would be read as something else.
pub fn redis_conf(instance: &Instance) -> Result<String> {
    let directives = instance
        .config
        .iter()
        .map(|(name, value)| directive(instance, name, value))
        .collect::<Result<Vec<_>>>()?;
    let digest = digest::hex(directives.join("\n").as_bytes());
    text::REDIS.render(&Values { instance: instance.name.as_str(), digest, directives })
}

fn directive(instance: &Instance, name: &str, value: &str) -> Result<String> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if !good {
        return Err(RenderError::Directive {
            instance: instance.name.clone(),
            directive: name.to_owned(),
        });
    }
    // `save ""` is one empty word, not no word.
    let words: Vec<String> = if MULTI_WORD.contains(&name) && !value.trim().is_empty() {
        value.split_whitespace().map(quote).collect()
    } else {
        vec![quote(value)]
    };
    Ok(format!("{name} {}", words.join(" ")))
}

/// A word as `sdssplitargs` of Redis reads it: as it is, or in double quotes
/// with `\xHH` for bytes that are not printable.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    for byte in word.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_only_when_they_must_be() {
        for plain in ["yes", "4gb", "/var/lib/redis", "10.20.0.50", "*"] {
            assert_eq!(quote(plain), plain);
        }
        assert_eq!(quote(""), "\"\"");
        assert_eq!(quote("two words"), "\"two words\"");
        assert_eq!(quote("a\nshutdown"), "\"a\\x0ashutdown\"");
        assert_eq!(quote("a\"b\\c'#"), "\"a\\\"b\\\\c'#\"");
        assert_eq!(quote("ä"), "\"\\xc3\\xa4\"");
    }
}
