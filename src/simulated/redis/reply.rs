//! Answers of a server, and how `redis-cli` shows them to a pipe and, with
//! `--no-raw`, to a person.

use std::fmt::Write as _;

/// What a server answers: a reply, or an error.
pub(super) type Answer = Result<Reply, String>;

/// A reply that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word such as `OK`.
    Status(&'static str),
    Integer(usize),
    Text(String),
    /// No value.
    Missing,
    List(Vec<String>),
}

/// How answers are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is, as to a pipe.
    #[default]
    Raw,
    /// Strings quoted and elements numbered (`--no-raw`).
    Quoted,
}

impl Form {
    pub(super) fn reply(self, reply: &Reply) -> String {
        match (self, reply) {
            (_, Reply::Status(word)) => format!("{word}\n"),
            (Self::Raw, Reply::Integer(number)) => format!("{number}\n"),
            (Self::Raw, Reply::Text(text)) => format!("{text}\n"),
            (Self::Raw, Reply::Missing) => "\n".to_owned(),
            (Self::Raw, Reply::List(items)) => items.join("\n") + "\n",
            (Self::Quoted, Reply::Integer(number)) => format!("(integer) {number}\n"),
            (Self::Quoted, Reply::Text(text)) => quoted(text) + "\n",
            (Self::Quoted, Reply::Missing) => "(nil)\n".to_owned(),
            (Self::Quoted, Reply::List(items)) => numbered(items),
        }
    }

    /// An error within a session, where it does not end the program.
    pub(super) fn error(self, text: &str) -> String {
        match self {
            Self::Raw => format!("{text}\n\n"),
            Self::Quoted => format!("(error) {text}\n"),
        }
    }
}

fn numbered(items: &[String]) -> String {
    if items.is_empty() {
        return "(empty array)\n".to_owned();
    }
    let width = items.len().to_string().len();
    let mut shown = String::new();
    for (number, item) in (1..).zip(items) {
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "{number:>width$}) {}", quoted(item));
    }
    shown
}

/// A text as `sdscatrepr` of Redis writes it.
fn quoted(text: &str) -> String {
    let mut shown = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => shown.extend(['\\', char::from(byte)]),
            b'\n' => shown.push_str("\\n"),
            b'\r' => shown.push_str("\\r"),
            b'\t' => shown.push_str("\\t"),
            7 => shown.push_str("\\a"),
            8 => shown.push_str("\\b"),
            b' '..=b'~' => shown.push(char::from(byte)),
            _ => drop(write!(shown, "\\x{byte:02x}")),
        }
    }
    shown.push('"');
    shown
}

/// The words of a line as `sdssplitargs` of Redis reads them; `None` where quotes
/// are not closed, or go on without a space.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.bytes().peekable();
    loop {
        while rest.next_if(u8::is_ascii_whitespace).is_some() {}
        if rest.peek().is_none() {
            return Some(words);
        }
        let mut word = Vec::new();
        while let Some(byte) = rest.next_if(|byte| !byte.is_ascii_whitespace()) {
            match byte {
                b'"' | b'\'' => {
                    while let Some(inner) = rest.next_if(|inner| *inner != byte) {
                        let escapes = byte == b'"' || rest.peek() == Some(&b'\'');
                        word.push(if inner == b'\\' && escapes {
                            unescaped(&mut rest)?
                        } else {
                            inner
                        });
                    }
                    rest.next()?;
                    if rest.peek().is_some_and(|next| !next.is_ascii_whitespace()) {
                        return None;
                    }
                }
                _ => word.push(byte),
            }
        }
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
}

/// The byte behind a backslash, as it is meant.
fn unescaped(rest: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> Option<u8> {
    Some(match rest.next()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        b'x' => {
            let mut digits = rest.clone();
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            match (digit(digits.next()), digit(digits.next())) {
                (Some(high), Some(low)) => {
                    *rest = digits;
                    u8::try_from(high * 16 + low).ok()?
                }
                _ => b'x',
            }
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recipe::redis::quote;

    #[test]
    fn lists_are_numbered_as_redis_cli_does() {
        let keys: Vec<String> = (1..=10).map(|n| format!("key:{n}")).collect();
        let shown = Form::Quoted.reply(&Reply::List(keys));
        assert!(shown.starts_with(" 1) \"key:1\"\n 2) \"key:2\"\n"), "{shown}");
        assert!(shown.ends_with("10) \"key:10\"\n"), "{shown}");
        let one = Reply::List(vec!["a\"\n\u{e4}\\".to_owned()]);
        assert_eq!(Form::Quoted.reply(&one), "1) \"a\\\"\\n\\xc3\\xa4\\\\\"\n");
        assert_eq!(Form::Quoted.reply(&Reply::List(Vec::new())), "(empty array)\n");
        assert_eq!(Form::Quoted.reply(&Reply::Integer(7)), "(integer) 7\n");
        assert_eq!(Form::Quoted.error("ERR no"), "(error) ERR no\n");
    }

    #[test]
    fn lines_are_split_as_redis_cli_does() {
        let split = |line: &str| words(line).map(|words| words.join("|"));
        assert_eq!(split("SET a  'b c' \"d\\x41\\n\" ").as_deref(), Some("SET|a|b c|dA\n"));
        assert_eq!(split("'it\\'s' \"\"").as_deref(), Some("it's|"));
        assert_eq!(split("").as_deref(), Some(""));
        for open in ["\"a", "'a", "\"a\"b"] {
            assert_eq!(split(open), None, "{open}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_quoted_reads_back(text in any::<String>()) {
            prop_assert_eq!(words(&quoted(&text)), Some(vec![text.clone()]));
            prop_assert_eq!(words(&quote(&text)), Some(vec![text]));
        }
    }
}
