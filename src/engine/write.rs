//! Files into a guest: rendered text to a file with content, owner and mode,
//! replaced at once or not at all.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::engine::{Change, ConfigFile, EngineError, Guest};

/// Bytes of one write; well below what agents and libvirt take in a message.
const CHUNK: usize = 32 * 1024;
/// How long a small command on a file may take in an emulated guest.
const SMALL: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Written {
    count: usize,
}

impl Guest<'_> {
    /// Brings a file to its content, owner and mode. A reader sees the old or
    /// the new file, never a part of one, and nobody but its owner sees it
    /// while it is written.
    ///
    /// # Errors
    /// The agent, or a command on the file, with what it said.
    pub fn write_file(&self, file: &ConfigFile) -> Result<Change, EngineError> {
        if self.has_file(file)? {
            return Ok(Change::NotNeeded);
        }
        self.replace_file(file)
    }

    /// The same for a file that is known to differ: in emulated guests each look
    /// costs as much as a part of the work.
    ///
    /// # Errors
    /// As [`Guest::write_file`].
    pub fn replace_file(&self, file: &ConfigFile) -> Result<Change, EngineError> {
        let path = file.path.as_str();
        let mode = format!("{:o}", file.mode);
        let new = format!("{path}.new");
        let (user, group) = file.owner.split_once(':').unwrap_or((&file.owner, &file.owner));
        // The agent makes files world-writable (QEMU's CVE-2013-2007 and the
        // default that followed it), so the file is made before it is opened, with
        // the owner and mode that it is to have; the agent, which is root, may
        // write to it all the same.
        let make = ["install", "-m", &mode, "-o", user, "-g", group, "/dev/null", &new];
        self.run_ok(&make, SMALL)?;
        self.fill(&new, file.text.as_bytes())?;
        if !self.has_content(&new, file.text.as_bytes())? {
            return Err(self.unreadable(&new, &"it does not hold what was written to it"));
        }
        self.run_ok(&["sync", &new], SMALL)?;
        self.run_ok(&["mv", "-f", &new, path], SMALL)?;
        Ok(Change::Made(format!("wrote {path}")))
    }

    /// Whether a file is there as it should be.
    ///
    /// # Errors
    /// The agent.
    pub fn has_file(&self, file: &ConfigFile) -> Result<bool, EngineError> {
        let mode = format!("{:o}", file.mode);
        Ok(self.has_content(&file.path, file.text.as_bytes())?
            && self.has_rights(&file.path, &mode, &file.owner)?)
    }

    /// Whether the file is there with these bytes.
    fn has_content(&self, path: &str, bytes: &[u8]) -> Result<bool, EngineError> {
        let seen = self.run(&["sha256sum", path], SMALL)?;
        let digest = Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Ok(seen.is_ok() && seen.stdout.split_whitespace().next() == Some(digest.as_str()))
    }

    fn has_rights(&self, path: &str, mode: &str, owner: &str) -> Result<bool, EngineError> {
        let seen = self.run_ok(&["stat", "-c", "%a %U:%G", path], SMALL)?;
        Ok(seen.trim() == format!("{mode} {owner}"))
    }

    /// Replaces the content of an existing file.
    fn fill(&self, path: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let handle: i64 = self.ask("guest-file-open", json!({ "path": path, "mode": "w" }))?;
        let written = bytes.chunks(CHUNK).try_for_each(|chunk| self.put(handle, chunk));
        let closed = self.request("guest-file-close", json!({ "handle": handle }));
        written?;
        closed.map(|_| ())
    }

    /// Writes all of `bytes`, in as many writes as the agent needs.
    fn put(&self, handle: i64, mut bytes: &[u8]) -> Result<(), EngineError> {
        while !bytes.is_empty() {
            let request = json!({ "handle": handle, "buf-b64": BASE64.encode(bytes) });
            let Written { count } = self.ask("guest-file-write", request)?;
            match bytes.get(count..) {
                Some(rest) if count > 0 => bytes = rest,
                _ => return Err(self.unreadable("guest-file-write", &format!("wrote {count}"))),
            }
        }
        Ok(())
    }
}
