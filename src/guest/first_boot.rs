//! The first boot: the files that cloud-init leaves in a guest to its verdict.
//!
//! `cloud-init status` reads the same files, but takes seconds of an emulated
//! guest. Their form is that of cloud-init's `cmd/main.py`, `status_wrapper`:
//! `status.json` follows the stages, `result.json` is written when the last one
//! has ended, and both go at the beginning of a boot.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Guest, GuestError};
use crate::hypervisor::ErrorKind;
use crate::hypervisor::clock::{Pauses, Poll};

const RESULT: &str = "/run/cloud-init/result.json";
const STATUS: &str = "/run/cloud-init/status.json";

/// Both files keep all they say under the version of their form.
#[derive(Deserialize)]
struct Versioned<T> {
    v1: T,
}

/// Other fields are of no concern here.
#[derive(Deserialize)]
struct Verdict {
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Progress {
    /// The stage that runs.
    stage: Option<String>,
    /// The stages by name, and facts of other kinds.
    #[serde(flatten)]
    stages: BTreeMap<String, Value>,
}

/// Older versions report no errors that they recovered from.
#[derive(Deserialize)]
struct Stage {
    errors: Vec<String>,
    #[serde(default)]
    recoverable_errors: BTreeMap<String, Vec<String>>,
}

impl Guest<'_> {
    /// Whether the first boot is over, and well.
    ///
    /// # Errors
    /// [`GuestError::FirstBoot`] with cloud-init's lines; the agent.
    pub fn has_booted(&self) -> Result<bool, GuestError> {
        let Some(text) = self.read_file(RESULT)? else { return Ok(false) };
        let errors = errors(&text).map_err(|problem| self.unreadable(RESULT, &problem))?;
        if errors.is_empty() {
            return Ok(true);
        }
        Err(GuestError::FirstBoot { domain: self.domain.to_owned(), errors })
    }

    /// Waits for the end of the first boot, for at most `timeout`; returns the
    /// warnings that cloud-init recovered from.
    ///
    /// # Errors
    /// [`GuestError::FirstBoot`] with cloud-init's lines,
    /// [`GuestError::FirstBootUnfinished`] with how far it is.
    pub fn wait_for_first_boot(&self, timeout: Duration) -> Result<Vec<String>, GuestError> {
        let pauses = Pauses::growing(Duration::from_millis(250), Duration::from_secs(2));
        let mut poll = Poll::new(self.clock, timeout, pauses);
        loop {
            match self.has_booted() {
                Ok(true) => return Ok(warnings(&self.read_file(STATUS)?.unwrap_or_default())),
                Ok(false) => {}
                // A guest that is busy with its boot may miss a question.
                Err(GuestError::Hypervisor(error)) if error.kind == ErrorKind::AgentSilent => {}
                Err(error) => return Err(error),
            }
            if !poll.pause() {
                return Err(GuestError::FirstBootUnfinished {
                    domain: self.domain.to_owned(),
                    waited_s: poll.waited().as_secs(),
                    status: progress(self.read_file(STATUS)?.as_deref()),
                });
            }
        }
    }
}

/// The errors of a finished boot, from `result.json`.
fn errors(result: &str) -> serde_json::Result<Vec<String>> {
    serde_json::from_str(result).map(|Versioned { v1: Verdict { errors } }| errors)
}

/// The stages of `status.json` that can be read, by name.
fn stages(status: &str) -> Option<(Option<String>, BTreeMap<String, Stage>)> {
    let Versioned { v1: Progress { stage, stages } } = serde_json::from_str(status).ok()?;
    let read = |(name, value)| Some((name, serde_json::from_value(value).ok()?));
    Some((stage, stages.into_iter().filter_map(read).collect()))
}

/// What cloud-init recovered from, each line once: stages pass theirs on.
fn warnings(status: &str) -> Vec<String> {
    let (_, stages) = stages(status).unwrap_or_default();
    let mut warnings: Vec<String> = Vec::new();
    for line in stages.into_values().flat_map(|stage| stage.recoverable_errors).flat_map(|(_, l)| l)
    {
        if !warnings.contains(&line) {
            warnings.push(line);
        }
    }
    warnings
}

/// How far an unfinished boot is, in words, with what went wrong so far.
fn progress(status: Option<&str>) -> String {
    let Some(status) = status else { return "it has not begun".to_owned() };
    let Some((stage, stages)) = stages(status) else { return format!("{status:?}") };
    let stage = stage.map_or("between two stages".to_owned(), |stage| format!("in {stage}"));
    let errors: Vec<String> = stages.into_values().flat_map(|stage| stage.errors).collect();
    if errors.is_empty() { stage } else { format!("{stage}, with errors: {}", errors.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As found in guests with Debian 13.
    const RESULT: &str =
        r#"{ "v1": { "datasource": "DataSourceNoCloud [seed=/dev/vdc]", "errors": [] } }"#;
    const STATUS: &str = r#"{ "v1": {
        "datasource": "DataSourceNoCloud [seed=/dev/vdc]",
        "init": { "errors": [], "finished": 64.54, "recoverable_errors": {}, "start": 55.91 },
        "init-local": { "errors": [], "finished": 50.27, "recoverable_errors": {}, "start": 44.5 },
        "modules-config":
            { "errors": [], "finished": 67.19, "recoverable_errors": {}, "start": 66.66 },
        "modules-final":
            { "errors": [], "finished": 85.57, "recoverable_errors": {}, "start": 69.74 },
        "stage": null } }"#;

    #[test]
    fn a_boot_that_went_well() {
        assert_eq!(errors(RESULT).unwrap(), [""; 0]);
        assert_eq!(warnings(STATUS), [""; 0]);
    }

    #[test]
    fn cloud_init_is_taken_at_its_word() {
        let failed = r#"{ "v1": { "datasource": null, "errors": ["mount failed"] } }"#;
        assert_eq!(errors(failed).unwrap(), ["mount failed"]);
        let degraded = STATUS.replace(
            r#""recoverable_errors": {}"#,
            r#""recoverable_errors": { "WARNING": ["no mirror"] }"#,
        );
        assert_eq!(warnings(&degraded), ["no mirror"]);
        assert!(errors("{}").is_err(), "another form is not a success");
    }

    #[test]
    fn an_unfinished_boot_says_how_far_it_is() {
        let running = STATUS.replace("\"stage\": null", "\"stage\": \"modules-final\"");
        assert_eq!(progress(Some(&running)), "in modules-final");
        // As older versions write it.
        let failed = r#"{ "v1": { "datasource": null, "init":
            { "errors": ["no data source"], "finished": 9.1, "start": 4.2 }, "stage": null } }"#;
        insta::assert_snapshot!(
            progress(Some(failed)),
            @"between two stages, with errors: no data source"
        );
        assert_eq!(progress(None), "it has not begun");
        assert_eq!(progress(Some("torn")), "\"torn\"");
    }
}
