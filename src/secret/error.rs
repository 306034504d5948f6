//! Why a secret cannot be had.

use std::io;
use std::path::PathBuf;

use crate::ids::ServiceName;

/// A secret that cannot be had. Never carries one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than its owner can read a file.
    #[error("{} can be read by others (mode {mode:o}); chmod 600 it, and change what it holds", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something that is no secret.
    #[error("service {service}: the password from {origin} cannot be used: {problem}")]
    Unusable {
        /// The service.
        service: ServiceName,
        /// Where it came from.
        origin: String,
        /// Why not.
        problem: String,
    },
    /// A certificate of the user's own.
    #[error("service {service}: the certificate in {file} cannot be used: {problem}")]
    Certificate {
        /// The service.
        service: ServiceName,
        /// The file.
        file: String,
        /// Why not.
        problem: String,
    },
    /// The key of such a certificate.
    #[error("service {service}: the key from {origin} cannot be used: {problem}")]
    Key {
        /// The service.
        service: ServiceName,
        /// Where it came from.
        origin: String,
        /// Why not.
        problem: String,
    },
    /// Keys or certificates.
    #[error("{}: {problem}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

pub(super) type Result<T> = std::result::Result<T, SecretError>;
