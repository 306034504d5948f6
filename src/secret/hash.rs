//! Passwords as engines keep them that are to know one again and not to hold it: PBKDF2 with
//! HMAC-SHA-512, which makes each guess as dear as a thousand digests.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, pbkdf2};

use super::Secret;

/// Rounds of a hash. A password that was made by chance needs none of them; of one that a person
/// chose, each guess costs as much.
const ROUNDS: NonZeroU32 = NonZeroU32::new(1_000).unwrap();
/// Bytes of a hash.
const LENGTH: usize = 32;

impl Secret {
    /// Returns a hash of it as `rounds$salt$hash`. The salt follows from what it is made of, so
    /// that the same password of the same user has the same hash: with a secret among that, nobody
    /// can prepare for it.
    #[must_use]
    pub fn hashed(&self, salt: &[&str]) -> String {
        let salt = digest::digest(&digest::SHA256, salt.join("\0").as_bytes());
        let mut hash = [0; LENGTH];
        let password = self.expose().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, ROUNDS, salt.as_ref(), password, &mut hash);
        format!("{ROUNDS}${}${}", BASE64.encode(salt.as_ref()), BASE64.encode(hash))
    }

    /// Whether a hash is one of it.
    #[must_use]
    pub fn is_hashed_as(&self, hash: &str) -> bool {
        let mut parts = hash.splitn(3, '$');
        let (Some(rounds), Some(salt), Some(hash)) = (parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let (Ok(rounds), Ok(salt), Ok(hash)) =
            (rounds.parse(), BASE64.decode(salt), BASE64.decode(hash))
        else {
            return false;
        };
        let password = self.expose().as_bytes();
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, rounds, &salt, password, &hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those that Elasticsearch 9.2.0 lets in, made with Python's `hashlib`.
    #[test]
    fn a_hash_is_that_of_the_standard() {
        let known = "1000$tad5ppWXsw3gy/xDDGW2C79D9EnFdG5DNTpjGexPhhU=$9nvHzzYFz+8KQ6JtrkFbdkvAHaqPWQX3VEHoNvdwZwo=";
        let secret = |text| Secret::parse(text).unwrap();
        assert!(secret("for-all-clients#1").is_hashed_as(known));
        assert!(!secret("for-all-clients#2").is_hashed_as(known));
        assert!(!secret("for-all-clients#1").is_hashed_as("1000$$"));
    }

    #[test]
    fn the_same_of_the_same_user_has_the_same_hash() {
        let (one, other) = (Secret::parse("for-all-clients").unwrap(), "for-ourselves");
        assert_eq!(one.hashed(&["app", other]), one.hashed(&["app", other]));
        assert_ne!(one.hashed(&["app", other]), one.hashed(&["hostsplit", other]));
        assert!(one.is_hashed_as(&one.hashed(&["app", other])));
    }
}
