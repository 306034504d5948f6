//! What a pool serves: an archive by its digest, unpacked into a directory of that name, to
//! which the configuration refers. What is being served is never changed in place.

use std::time::Duration;

use crate::engine::{Crew, EngineError};
use crate::guest::Guest;
use crate::plan::Instance;
use crate::recipe::web::content_directory;
use crate::spec::Serve;

/// How long an archive may take to be unpacked.
const UNPACKING: Duration = Duration::from_secs(600);
/// Where an archive lies until it is unpacked.
const ARCHIVE: &str = "/var/tmp/hostsplit-content.tar";

/// Unpacks the archive beside its place, as files that all may read and root owns, and moves
/// it there when it is complete and on disk.
const UNPACK: &str = r#"set -e
sha256sum --quiet --check --strict - <<END
$2  $1
END
mkdir -p -- "${3%/*}"
rm -rf -- "$3.new"
mkdir -- "$3.new"
tar --extract --file="$1" --directory="$3.new" --no-same-owner --no-same-permissions
chmod -R u=rwX,go=rX -- "$3.new"
sync
touch -- "$3.new"
mv -- "$3.new" "$3"
rm -f -- "$1"
"#;

/// Keeps what is served, and what was brought last besides: requests that were begun go on.
/// What a run that was cut off left half-way goes as well. Archives hold times of their own, so a directory has that of when it was brought.
const FORGET: &str = r#"cd "${1%/*}" || exit 0
rm -rf -- ./[0-9a-f]???????????.new "$2"
ls -1dt -- [0-9a-f]??????????? 2>/dev/null | grep -vxF -- "${1##*/}" | tail -n +2 |
while IFS= read -r one; do rm -rf -- "./$one"; done
"#;

/// Brings the content of a pool into a guest, unless it is there.
pub(super) fn supply(crew: &Crew<'_>, instance: &Instance) -> Result<Vec<String>, EngineError> {
    let Some(serve @ Serve::Content { sha256, .. }) = &crew.service.serve else {
        return Ok(Vec::new());
    };
    let guest = crew.guest(&instance.name)?;
    let directory = content_directory(sha256);
    if guest.run(&["test", "-d", &directory], UNPACKING)?.is_ok() {
        guest.run_ok(&["touch", "--", &directory], UNPACKING)?;
        guest.run_ok(&["rm", "-f", ARCHIVE], UNPACKING)?;
        return Ok(Vec::new());
    }
    let archive = crew.content(serve)?;
    guest.write_bytes(ARCHIVE, &archive)?;
    guest.run_ok(&["sh", "-c", UNPACK, "sh", ARCHIVE, sha256, &directory], UNPACKING)?;
    Ok(vec![format!("unpacked its content into {directory}")])
}

/// Removes content of before the last change.
pub(super) fn forget_former(crew: &Crew<'_>, guest: &Guest<'_>) -> Result<(), EngineError> {
    if let Some(Serve::Content { sha256, .. }) = &crew.service.serve {
        let directory = content_directory(sha256);
        guest.run_ok(&["sh", "-c", FORGET, "sh", &directory, ARCHIVE], UNPACKING)?;
    }
    Ok(())
}
