//! Words of `redis.conf` and of commands: how values are spelled and quoted.

use std::fmt::Write as _;

use crate::plan::Setting;

/// The words of a value as `redis.conf` and `CONFIG GET` spell it.
#[must_use]
pub fn words(value: &Setting) -> Vec<String> {
    match value {
        Setting::Text(text) => vec![text.clone()],
        Setting::Switch(on) => vec![if *on { "yes" } else { "no" }.to_owned()],
        Setting::Count(number) | Setting::Bytes(number) | Setting::Millis(number) => {
            vec![number.to_string()]
        }
        Setting::Address(address) => vec![address.to_string()],
        Setting::Words(words) => words.clone(),
    }
}

/// Turns a text into a word as `sdssplitargs` of Redis and Valkey reads it: as it
/// is, or in double quotes with `\xHH` for bytes that are not printable.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    for byte in word.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
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
