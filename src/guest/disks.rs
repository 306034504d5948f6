//! How full the disks of a guest are, as its agent says.

use serde_json::{Value, json};

use super::{Guest, GuestError};
use crate::hypervisor::ErrorKind;

impl Guest<'_> {
    /// How full the file system is that is mounted at a path, in percent, rounded down; `None`
    /// where there is none, or the agent does not say.
    ///
    /// # Errors
    /// The agent does not answer.
    pub fn full_percent(&self, mounted_at: &str) -> Result<Option<u64>, GuestError> {
        let answer = match self.request("guest-get-fsinfo", json!({})) {
            Err(GuestError::Hypervisor(error)) if error.kind == ErrorKind::Other => {
                return Ok(None);
            }
            other => other?,
        };
        Ok(full_percent(&answer, mounted_at))
    }
}

/// <https://qemu-project.gitlab.io/qemu/interop/qemu-ga-ref.html>, `GuestFilesystemInfo`.
fn full_percent(answer: &Value, mounted_at: &str) -> Option<u64> {
    let of = |one: &&Value| one.get("mountpoint").and_then(Value::as_str) == Some(mounted_at);
    let one = answer.as_array()?.iter().find(of)?;
    let bytes = |name: &str| one.get(name).and_then(Value::as_u64);
    bytes("used-bytes")?.checked_mul(100)?.checked_div(bytes("total-bytes")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_found_by_where_it_is_mounted() {
        let answer = json!([
            { "name": "vda", "mountpoint": "/", "used-bytes": 10, "total-bytes": 100 },
            { "name": "vdb", "mountpoint": "/var/lib/mysql", "used-bytes": 199, "total-bytes": 200 },
            { "name": "vdc", "mountpoint": "/srv" },
            { "name": "vdd", "mountpoint": "/empty", "used-bytes": 0, "total-bytes": 0 },
        ]);
        assert_eq!(full_percent(&answer, "/var/lib/mysql"), Some(99));
        assert_eq!(full_percent(&answer, "/"), Some(10));
        for path in ["/srv", "/empty", "/var/lib/redis"] {
            assert_eq!(full_percent(&answer, path), None, "{path}");
        }
    }
}
