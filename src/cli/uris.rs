//! URIs of hosts that do more than to lead somewhere: shown, and followed on a word only.

use std::sync::atomic::{AtomicBool, Ordering};

use super::error::CliError;
use super::ui;
use crate::hypervisor::uri::programs;
use crate::ids::HostName;

/// Whether the operator passed the word.
static ALLOWED: AtomicBool = AtomicBool::new(false);

/// Lets URIs run programs, for this run.
pub(super) fn allow() {
    ALLOWED.store(true, Ordering::SeqCst);
}

/// Refuses URIs that run programs on this machine or name its keys or files: a plan may come
/// from anywhere. Where they are allowed they are shown.
///
/// # Errors
/// They are not allowed.
pub(super) fn refuse_programs<'a>(
    uris: impl Iterator<Item = (&'a HostName, &'a str)>,
) -> Result<(), CliError> {
    let line = |(host, uri): (&HostName, &str)| {
        let what = programs(uri);
        (!what.is_empty()).then(|| format!("  {host}: {uri:?} ({})", what.join(", ")))
    };
    let lines: Vec<String> = uris.filter_map(line).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let text = format!(
        "URIs of hosts run programs on this machine, or name its keys or files:\n{}",
        lines.join("\n")
    );
    if ALLOWED.load(Ordering::SeqCst) {
        ui::say(&format!("note: {text}"));
        return Ok(());
    }
    Err(CliError::new(text).hint("if they are yours, pass --allow-uri-programs"))
}
