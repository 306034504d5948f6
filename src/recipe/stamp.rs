//! A configuration says which one it is: servers answer with its digest, so that the one that
//! a server runs with is known, and not only the one in its file.

use crate::digest::sha256;

/// The header of responses that holds the digest.
pub const HEADER: &str = "X-Configuration";

/// What a text has in the place of the digest while that is taken.
pub(super) const BLANK: &str = "0000000000000000";

/// Puts the digest of a configuration into it: the first digits of its SHA-256 with zeros in
/// their place, which it holds once before all that its author wrote.
pub(super) fn stamped(text: &str) -> String {
    let digest = sha256(text);
    text.replacen(BLANK, digest.get(..BLANK.len()).unwrap_or(&digest), 1)
}

/// Returns the digest that is in a configuration.
#[must_use]
pub fn digest_in(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.contains(HEADER))?;
    let is_digest = |word: &&str| {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        word.len() == BLANK.len() && word.bytes().all(hex)
    };
    line.split([' ', '"', ';']).find(is_digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_holds_the_digest_of_all_of_it() {
        let text = |own: &str| format!("add_header {HEADER} {BLANK} always;\n{own}\n");
        let (one, other) = (stamped(&text("gzip on;")), stamped(&text("gzip off;")));
        assert_ne!(digest_in(&one), digest_in(&other));
        let digest = digest_in(&one).unwrap();
        assert_eq!(digest.len(), 16);
        assert!(sha256(one.replace(digest, BLANK)).starts_with(digest));
        // One that its author wrote is not taken for it, and is a part of what is digested.
        let own = format!("add_header {HEADER} {BLANK};");
        let text = stamped(&text(&own));
        assert!(text.contains(&own) && digest_in(&text) != Some(BLANK));
        assert_eq!(digest_in("listen 80;\n"), None);
    }
}
