//! Files into a guest: rendered text to a file with content, owner and mode,
//! replaced at once or not at all.
//!
//! A process that the agent starts costs an emulated guest ten times as much as a
//! file that the agent reads itself, so there are as few as can be.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;

use super::{Guest, GuestError, GuestFile, Owner};

/// Bytes of one write; well below what agents and libvirt take in a message.
const CHUNK: usize = 32 * 1024;
/// How long a small command on a file may take in an emulated guest.
const SMALL: Duration = Duration::from_secs(60);

/// Puts files that are made in the place of the old ones: on disk first, so that a
/// guest that loses its power has either.
const TAKE: &str = r#"sync -- "$@" && for new do mv -f -- "$new" "${new%.new}" || exit; done"#;

#[derive(Deserialize)]
struct Written {
    count: usize,
}

impl Guest<'_> {
    /// Replaces files and says so, file by file. A reader sees the old or the new
    /// file, never a part of one, and nobody but its owner sees it while it is
    /// written.
    ///
    /// # Errors
    /// The agent, or a command on a file, with what it said.
    pub fn replace_files(&self, files: &[&GuestFile]) -> Result<Vec<String>, GuestError> {
        let new: Vec<String> = files.iter().map(|file| format!("{}.new", file.path)).collect();
        for (file, new) in files.iter().zip(&new) {
            self.make(file, new)?;
        }
        if !files.is_empty() {
            let mut take = vec!["sh", "-c", TAKE, "sh"];
            take.extend(new.iter().map(String::as_str));
            self.run_ok(&take, SMALL)?;
        }
        Ok(files.iter().map(|file| format!("wrote {}", file.path)).collect())
    }

    /// Makes a file as `file` shall be, at another path.
    fn make(&self, file: &GuestFile, path: &str) -> Result<(), GuestError> {
        let mode = format!("{:o}", file.mode);
        let Owner { user, group } = file.owner;
        // The agent makes files world-writable (QEMU's CVE-2013-2007 and the
        // default that followed it), so the file is made before it is opened, with
        // the owner and mode that it is to have; the agent, which is root, may
        // write to it all the same.
        let make = ["install", "-m", &mode, "-o", user, "-g", group, "/dev/null", path];
        self.run_ok(&make, SMALL)?;
        self.fill(path, file.text.as_bytes())?;
        if self.read_file(path)?.as_ref() != Some(&file.text) {
            return Err(self.unreadable(path, &"it does not hold what was written to it"));
        }
        Ok(())
    }

    /// Writes bytes to a file that root alone reads, in the place of what is there.
    ///
    /// # Errors
    /// The agent.
    pub fn write_bytes(&self, path: &str, bytes: &[u8]) -> Result<(), GuestError> {
        let make = ["install", "-m", "600", "-o", "root", "-g", "root", "/dev/null", path];
        self.run_ok(&make, SMALL)?;
        self.fill(path, bytes)
    }

    /// The files that are not there as they should be.
    ///
    /// # Errors
    /// The agent.
    pub fn stale_files<'f>(
        &self,
        files: &'f [GuestFile],
    ) -> Result<Vec<&'f GuestFile>, GuestError> {
        let mut same = Vec::new();
        for file in files {
            if self.read_file(&file.path)?.as_ref() == Some(&file.text) {
                same.push(file.path.as_str());
            }
        }
        let mut rights = String::new();
        if !same.is_empty() {
            // One that is gone by now has no line.
            let stat = [&["stat", "-c", "%a %U:%G %n"], same.as_slice()].concat();
            rights = self.run(&stat, SMALL)?.stdout;
        }
        let is_right = |file: &&GuestFile| {
            let line = format!("{:o} {} {}", file.mode, file.owner, file.path);
            same.contains(&file.path.as_str()) && rights.lines().any(|seen| seen == line)
        };
        Ok(files.iter().filter(|file| !is_right(file)).collect())
    }

    /// Replaces the content of an existing file.
    fn fill(&self, path: &str, bytes: &[u8]) -> Result<(), GuestError> {
        let handle: i64 = self.ask("guest-file-open", json!({ "path": path, "mode": "w" }))?;
        let written = bytes.chunks(CHUNK).try_for_each(|chunk| self.put(handle, chunk));
        let closed = self.request("guest-file-close", json!({ "handle": handle }));
        written?;
        closed.map(|_| ())
    }

    /// Writes all of `bytes`, in as many writes as the agent needs.
    fn put(&self, handle: i64, mut bytes: &[u8]) -> Result<(), GuestError> {
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
