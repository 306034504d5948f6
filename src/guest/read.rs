//! Files out of a guest, and what the guest itself sees of its machine.
//!
//! The agent reads files without starting a process. Where guests are emulated
//! that costs a tenth of a `cat`: 0.02 s of CPU against 0.2 s, measured with
//! Debian 13 on QEMU 10.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::json;

use super::{Guest, GuestError};
use crate::hypervisor::ErrorKind;

/// Bytes of one read.
const CHUNK: usize = 64 * 1024;
/// Most bytes of a file; what we read has a few KiB.
const MOST: usize = 1 << 20;
/// How the agent, which has no error codes, ends its message on a file that is
/// not there: `strerror(ENOENT)`.
const MISSING: &str = "No such file or directory";

const MEMORY: &str = "/proc/meminfo";
const CPUS: &str = "/sys/devices/system/cpu/online";
/// Size of the L3 cache of the first CPU, in the form `32768K`.
const L3: &str = "/sys/devices/system/cpu/cpu0/cache/index3/size";

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Chunk {
    buf_b64: String,
    eof: bool,
}

/// What a guest's kernel sees of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Online CPUs.
    pub cpus: usize,
    /// Memory in KiB, less what the kernel keeps for itself.
    pub memory_kib: u64,
    /// Size of its first CPU's L3 cache in KiB; `None` if it sees none.
    pub l3_kib: Option<u64>,
}

impl Guest<'_> {
    /// The text of a file, invalid UTF-8 replaced; `None` if there is none.
    ///
    /// # Errors
    /// The agent, or a file of more than 1 MiB.
    pub fn read_file(&self, path: &str) -> Result<Option<String>, GuestError> {
        let opened = self.ask::<i64>("guest-file-open", json!({ "path": path, "mode": "r" }));
        let handle = match opened {
            Ok(handle) => handle,
            Err(GuestError::Hypervisor(error))
                if error.kind == ErrorKind::Other && error.message.contains(MISSING) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let bytes = self.drain(handle, path);
        // What was read is good whether or not the agent forgets the handle.
        let _ = self.request("guest-file-close", json!({ "handle": handle }));
        Ok(Some(String::from_utf8_lossy(&bytes?).into_owned()))
    }

    fn drain(&self, handle: i64, path: &str) -> Result<Vec<u8>, GuestError> {
        let mut bytes = Vec::new();
        loop {
            let request = json!({ "handle": handle, "count": CHUNK });
            let Chunk { buf_b64, eof } = self.ask("guest-file-read", request)?;
            let chunk = BASE64
                .decode(buf_b64)
                .map_err(|error| self.unreadable("guest-file-read", &error))?;
            bytes.extend_from_slice(&chunk);
            if eof || chunk.is_empty() {
                return Ok(bytes);
            }
            if bytes.len() > MOST {
                return Err(self.unreadable(path, &format!("more than {MOST} bytes")));
            }
        }
    }

    /// What its kernel sees of the machine.
    ///
    /// # Errors
    /// The agent; a kernel that does not say.
    pub fn facts(&self) -> Result<Facts, GuestError> {
        let read = |path: &str| {
            let text = self.read_file(path)?;
            text.ok_or_else(|| self.unreadable(path, &"there is no such file"))
        };
        let unclear = |path: &str, text: &str| self.unreadable(path, &format!("{text:?}"));
        let online = read(CPUS)?;
        let cpus = cpu_count(&online).ok_or_else(|| unclear(CPUS, &online))?;
        let memory = read(MEMORY)?;
        let memory_kib = mem_total(&memory).ok_or_else(|| unclear(MEMORY, &memory))?;
        let l3_kib = match self.read_file(L3)? {
            Some(text) => Some(cache_kib(&text).ok_or_else(|| unclear(L3, &text))?),
            None => None,
        };
        Ok(Facts { cpus, memory_kib, l3_kib })
    }
}

/// How many CPUs a list such as `0-3,6` names.
fn cpu_count(list: &str) -> Option<usize> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.trim().split(',').map(count).sum()
}

/// The size of a cache; the kernel always writes KiB, `size_show` in
/// `drivers/base/cacheinfo.c`.
fn cache_kib(size: &str) -> Option<u64> {
    size.trim().strip_suffix('K')?.parse().ok()
}

/// `MemTotal` of `/proc/meminfo`, in KiB.
fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_much_memory_there_is() {
        assert_eq!(mem_total("MemFree: 1 kB\nMemTotal:  489364 kB\n"), Some(489_364));
        assert_eq!(mem_total("MemTotal: much"), None);
    }

    #[test]
    fn the_kernel_tells_caches_in_kib() {
        assert_eq!(cache_kib("32768K\n"), Some(32_768));
        assert_eq!(cache_kib("32M"), None);
    }

    #[test]
    fn online_cpus_are_counted_from_their_list() {
        assert_eq!(cpu_count("0\n"), Some(1));
        assert_eq!(cpu_count("0-3,6,8-9\n"), Some(7));
        for bad in ["", "3-1", "a", "0-", "0-18446744073709551615"] {
            assert_eq!(cpu_count(bad), None, "{bad}");
        }
    }
}
