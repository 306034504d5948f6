//! `redis.conf` and `valkey.conf`: the planned directives, quoted as the engine
//! reads them, and the file of users that they include.

use serde::Serialize;

use super::{RenderError, Result, text};
use crate::digest::sha256;
use crate::plan::{Instance, Setting};
use crate::quote;
use crate::secret::Credentials;

#[derive(Serialize)]
struct Values<'a> {
    instance: &'a str,
    digest: String,
    directives: Vec<String>,
}

/// The configuration file of a Redis instance: all its settings, in their order.
///
/// # Errors
/// [`RenderError::Directive`] for a name that would be read as something else.
pub fn redis_conf(instance: &Instance) -> Result<String> {
    let directives = instance
        .settings
        .iter()
        .map(|(name, value)| directive(instance, name, value))
        .collect::<Result<Vec<_>>>()?;
    let digest = sha256(directives.join("\n"));
    text::REDIS.render(&Values { instance: instance.name.as_str(), digest, directives })
}

fn directive(instance: &Instance, name: &str, value: &Setting) -> Result<String> {
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
    let words = redis_words(value);
    // `save ""` is one empty word, which is how the engine reads none.
    let quoted: Vec<String> = words.iter().map(|word| quote::redis(word)).collect();
    let text = if quoted.is_empty() { quote::redis("") } else { quoted.join(" ") };
    Ok(format!("{name} {text}"))
}

/// The words that stand for a value in `redis.conf`, and in what `CONFIG GET` answers.
#[must_use]
pub fn redis_words(value: &Setting) -> Vec<String> {
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

#[derive(Serialize)]
struct Passwords {
    client: String,
    internal: String,
    master: String,
}

/// The users of an instance with their passwords: a file that only the engine
/// may read.
///
/// # Errors
/// [`RenderError::Template`].
pub fn redis_secrets(credentials: &Credentials) -> Result<String> {
    let rule = |password: &str| quote::redis(&format!(">{password}"));
    text::REDIS_SECRETS.render(&Passwords {
        client: rule(credentials.client.expose()),
        internal: rule(credentials.internal.expose()),
        master: quote::redis(credentials.internal.expose()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn each_user_has_what_it_needs_and_no_more() {
        let secret = |text| Secret::parse(text).unwrap();
        let (client, internal) = (secret("for-all-#clients"), secret("for-ourselves"));
        let text = redis_secrets(&Credentials { client, internal }).unwrap();
        insta::assert_snapshot!(text, @r##"
        # Written by hostsplit; do not edit. Holds passwords.
        # Clients: all keys, no administration.
        user default on ">for-all-#clients" ~* &* +@all -@admin -@dangerous +info +keys +sort +role
        # Whoever runs the cluster.
        user hostsplit on >for-ourselves ~* &* +@all
        # What a replica needs of its master.
        user replica on >for-ourselves +psync +replconf +ping
        masterauth for-ourselves
        "##);
    }
}
