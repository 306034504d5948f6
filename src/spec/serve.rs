//! What a pool of web servers serves.

use serde::{Deserialize, Serialize};

use crate::ids::ServiceName;

/// The port at which a web server says how it is.
pub const WEB_STATUS_PORT: u16 = 8081;

/// The port at which a gateway says how it is.
pub const GATEWAY_STATUS_PORT: u16 = 8404;

/// The port of search engines, and theirs at a gateway where no other is asked for.
pub const SEARCH_PORT: u16 = 9_200;

/// The port of databases.
pub const DATABASE_PORT: u16 = 3306;

/// What a pool of web servers serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Serve {
    /// Files.
    Content {
        /// A directory or an archive: absolute if the spec says so, else relative to the
        /// directory of the spec. A deploy looks for it where it looks for the image.
        path: String,
        /// SHA-256 of the archive ([`crate::content::pack`]), 64 lower-case hexadecimal
        /// digits.
        sha256: String,
        /// Size of the archive.
        bytes: u64,
    },
    /// What other servers answer.
    Proxy {
        /// Where requests go on to.
        to: Target,
    },
    /// What its author wrote, in the language of the engine.
    Config {
        /// Directives for the inside of the server or virtual host.
        text: String,
    },
}

impl Serve {
    /// Most bytes of a fragment of configuration: it is part of the plan.
    pub const MOST_CONFIG: u64 = 64 << 10;
}

/// What the members of a pool are asked for, to know whether they serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// The path, with its slash.
    pub path: String,
    /// The status of an answer that serves; `None` for 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u16>,
}

impl Health {
    /// Most characters of a path.
    const MOST: usize = 200;

    /// Whether a path is read alike by all that ask for it: HAProxy, `curl` and a shell.
    #[must_use]
    pub fn is_path(text: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~%?&=+:,@!".contains(c);
        text.starts_with('/') && text.len() <= Self::MOST && text.chars().all(plain)
    }

    /// Whether a status is one of an answer.
    #[must_use]
    pub const fn is_status(code: u16) -> bool {
        200 <= code && code <= 599
    }
}

/// Where requests go on to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A server: IPv4 address, colon and port.
    Server(String),
    /// The members of another pool.
    Service(ServiceName),
}
