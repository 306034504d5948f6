//! File systems that take up disks which were made larger.

use std::time::Duration;

use super::{Guest, GuestError};

/// How long a file system may take: the kernel writes new group tables, a few MiB for each
/// TiB.
const LIMIT: Duration = Duration::from_secs(300);

/// Grows the file system on the device `$1`, if there is one, which has no partitions; and
/// that of the root, if `$2` is `root`, after its partition. `growpart` ends with 1 where
/// the partition is as large as it can be.
const GROW: &str = r#"set -e
[ -z "$1" ] || resize2fs "$1"
[ "$2" = root ] || exit 0
root=$(findmnt -nvo SOURCE /)
disk=$(lsblk -ndo PKNAME "$root")
if [ -n "$disk" ]; then growpart "/dev/$disk" "${root##*[!0-9]}" || [ $? -eq 1 ]; fi
case $(findmnt -no FSTYPE /) in
  ext*) resize2fs "$root" ;;
  xfs) xfs_growfs / ;;
  btrfs) btrfs filesystem resize max / ;;
esac"#;

impl Guest<'_> {
    /// Makes file systems as large as their disks, while they are in use: that of the data
    /// device, where there is one, and that of the root. Those that are stay as they are.
    ///
    /// # Errors
    /// A tool failed or is not there, with its last words.
    pub fn grow_file_systems(&self, data: Option<&str>, root: bool) -> Result<(), GuestError> {
        let root = if root { "root" } else { "" };
        let command = ["sh", "-c", GROW, "sh", data.unwrap_or_default(), root];
        self.run_ok(&command, LIMIT).map(|_| ())
    }
}
