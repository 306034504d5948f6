//! What a backup is: text and JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::state::backup::Manifest;
use crate::units::Mebibytes;

/// A backup in a line.
#[must_use]
pub fn taken_line(manifest: &Manifest) -> String {
    let Manifest { deployment, service, engine, completed, groups, .. } = manifest;
    let bytes: u64 = groups.iter().map(|group| group.bytes).sum();
    format!(
        "backup of {service} of {deployment}: {engine}, complete since {completed}, {}",
        Mebibytes::new(bytes.div_ceil(1 << 20))
    )
}

/// A backup that was taken.
#[must_use]
pub fn taken_text(manifest: &Manifest, directory: &Path) -> String {
    let mut text = format!("{}\n", taken_line(manifest));
    for (number, group) in manifest.groups.iter().enumerate() {
        let _ = writeln!(
            text,
            "  group {number}  of {} ({}), transactions {}, binary log {}",
            group.instance, group.version, group.position, group.binlog
        );
    }
    let _ = writeln!(text, "written to {}", directory.display());
    text
}

/// The same for programs.
#[must_use]
pub fn taken_json(manifest: &Manifest, directory: &Path) -> Value {
    json!({ "directory": directory, "backup": manifest })
}
