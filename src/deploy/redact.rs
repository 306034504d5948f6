//! Replaces secrets in texts that are shown.

/// Shown in the place of a secret.
const REDACTED: &str = "(secret)";

/// Parts of names whose values are secrets.
const SECRET_WORDS: [&str; 6] = ["auth", "credential", "pass", "private", "secret", "token"];

/// Names that hold such a part and no secret: directives of web servers.
const OPEN_WORDS: [&str; 10] = [
    "fastcgi_pass",
    "grpc_pass",
    "memcached_pass",
    "proxy_pass",
    "proxypass",
    "proxypassreverse",
    "scgi_pass",
    "server_tokens",
    "servertokens",
    "uwsgi_pass",
];

/// A text with its secrets replaced, and what is left of it: two texts with equal
/// secrets have equal rests.
pub struct Redacted {
    /// The text.
    pub text: String,
    /// The lines that held secrets. Not to be shown.
    pub secrets: Vec<String>,
}

/// How an engine's own lines of secrets are masked: [`crate::recipe::Setup::mask`].
pub type Mask = fn(&str, &str) -> Option<String>;

/// Replaces the secrets of a configuration text: values of directives whose names
/// announce one, lines that the engine masks itself, private keys.
#[must_use]
pub fn redact(text: &str, mask: Mask) -> Redacted {
    let mut out = String::with_capacity(text.len());
    let mut secrets = Vec::new();
    let mut in_key = false;
    for line in text.lines() {
        let begins = line.contains("-----BEGIN") && line.contains("PRIVATE");
        in_key |= begins;
        let shown = match in_key {
            false => mask(line, REDACTED).unwrap_or_else(|| redact_line(line)),
            true if begins => REDACTED.to_owned(),
            true => String::new(),
        };
        if shown != line {
            secrets.push(line.to_owned());
        }
        if !in_key || begins {
            out.push_str(&shown);
            out.push('\n');
        }
        in_key &= !line.contains("-----END");
    }
    Redacted { text: out, secrets }
}

fn redact_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let ends = |c: char| c.is_whitespace() || matches!(c, ':' | '=' | '>');
    let (blank, rest) = line.split_at(indent);
    let name = rest.trim_start_matches(['-', ' ', '"', '\'', '<']);
    let name = name.split(ends).next().unwrap_or_default().to_ascii_lowercase();
    if rest.starts_with('#') || name.starts_with('/') || OPEN_WORDS.contains(&name.as_str()) {
        return line.to_owned();
    }
    let Some(at) = rest.find(ends).filter(|_| SECRET_WORDS.iter().any(|word| name.contains(word)))
    else {
        return line.to_owned();
    };
    let (name, value) = rest.split_at(at);
    let separator = value.chars().take_while(|c| ends(*c)).collect::<String>();
    let is_set = !value.trim_matches(ends).is_empty();
    format!("{blank}{name}{separator}{}", if is_set { REDACTED } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of users, as an engine may have them.
    fn mask(line: &str, mark: &str) -> Option<String> {
        let (user, _) = line.split_once(" >")?;
        Some(format!("{user} {mark}"))
    }

    #[test]
    fn secrets_are_replaced_and_everything_else_stays() {
        let text = "# passwords below\nport 6379\nrequirepass \"hunter2\"\nmasterauth hunter2\n\
                    user app on >hunter2 #ab12 ~* +@all\n  password: hunter2\nplain_text_passwd=x\n\
                    tls-key-file-pass hunter2\n  - content: |\n      -----BEGIN RSA PRIVATE KEY-----\n\
                    hunter2\n      -----END RSA PRIVATE KEY-----\nmaxmemory 4gb\n";
        let shown = redact(text, mask).text;
        assert!(!shown.contains("hunter2") && !shown.contains("ab12"), "{shown}");
        insta::assert_snapshot!(shown, @r#"
        # passwords below
        port 6379
        requirepass (secret)
        masterauth (secret)
        user app on (secret)
          password: (secret)
        plain_text_passwd=(secret)
        tls-key-file-pass (secret)
          - content: |
        (secret)
        maxmemory 4gb
        "#);
    }

    #[test]
    fn nothing_is_hidden_that_is_no_secret() {
        let text = "<domain type=\"kvm\">\n  <name>pass</name>\ncluster-enabled yes\n\n";
        let redacted = redact(text, mask);
        assert!(redacted.text == text && redacted.secrets.is_empty());
    }
}
