//! A configuration is judged by the program that is to run with it, before it takes the
//! place of the one that it runs with.

use std::time::Duration;

use crate::engine::cluster::FileChange;
use crate::engine::{Crew, EngineError};
use crate::guest::Call;
use crate::guest_file::GuestFile;
use crate::plan::Instance;
use crate::recipe::web::Package;

/// How long a program may take to read a configuration.
const READING: Duration = Duration::from_secs(60);
/// What the name of a configuration that is being judged ends with.
const ENDING: &str = ".judged";

/// Lets a program read its input as a file of root alone, which is gone afterwards whatever
/// becomes of who asked.
const JUDGE: &str = r#"umask 077
file=$1
shift
trap 'rm -f -- "$file"' EXIT
cat > "$file"
"$@" "$file"
"#;

/// Who judges which file.
pub(in crate::engine) struct Judge {
    /// The file.
    pub config: &'static str,
    /// The command, which ends before the path.
    pub command: &'static [&'static str],
    /// The file that units do not start without: never written here.
    pub gate: &'static str,
}

impl Judge {
    pub(super) const fn of(package: &Package) -> Self {
        Self { config: package.config, command: package.check, gate: package.gate }
    }
}

/// Lets a program judge a configuration, if it is among the files.
///
/// Files that it refers to and that were never there, as those of certificates, are written
/// before: nothing reads them yet.
pub(in crate::engine) fn judge(
    crew: &Crew<'_>,
    instance: &Instance,
    files: &[FileChange],
    judge: &Judge,
) -> Result<(), EngineError> {
    let Some(config) = files.iter().find(|change| change.file.path == judge.config) else {
        return Ok(());
    };
    let guest = crew.guest(&instance.name)?;
    let is_new = |change: &&FileChange| {
        change.before.is_none() && ![judge.config, judge.gate].contains(&change.file.path.as_str())
    };
    let new: Vec<&GuestFile> = files.iter().filter(is_new).map(|change| &change.file).collect();
    guest.replace_files(&new)?;
    let path = format!("{}{ENDING}", judge.config);
    let command = [judge.command, &[path.as_str()]].concat();
    let line = [&["sh", "-c", JUDGE, "sh", path.as_str()], judge.command].concat();
    let call = Call { command: &line, input: &config.file.text, environment: &[] };
    let verdict = guest.call(&call, READING.into())?;
    if verdict.is_ok() {
        return Ok(());
    }
    let error = guest.failed(&command, &verdict).to_string();
    Err(EngineError::Refused {
        service: crew.service.name.clone(),
        reason: format!(
            "{}: its configuration is refused and was not taken up: {}",
            instance.name,
            error.replace(ENDING, "")
        ),
    })
}
