//! How an operator's own command cuts a host off and brings it back.

use serde::{Deserialize, Serialize};

/// A command that acts upon the power or the network of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// The program and its arguments, which no shell reads.
    pub command: Vec<String>,
}

/// Splits a command at blanks. Quotes of either kind hold words together, and nothing else
/// means anything; `None` for an open quote, or for no word at all.
#[must_use]
pub fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (quote.is_none() && !words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        let split = |text: &str| words(text).unwrap().join("|");
        assert_eq!(split("  ipmi power "), "ipmi|power");
        assert_eq!(split("sh -c 'ipmi \"$HOST\" && true'"), "sh|-c|ipmi \"$HOST\" && true");
        assert_eq!(split("a\"b c\"d ''"), "ab cd|");
        assert_eq!(words("ipmi 'power"), None);
        assert_eq!(words("  "), None);
    }
}
