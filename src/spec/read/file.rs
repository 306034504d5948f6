//! Files as text, whatever lies there.
#![expect(clippy::disallowed_methods, reason = "edge: reads files")]

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::spec::diagnostic::{Diagnostic, Mark, Place};

/// Largest file in bytes: a thousand hosts of 200 cores.
const MAX_FILE: u64 = 4 << 20;

const TOO_LARGE: &str = "is larger than";

/// A file's text, if it is UTF-8 and of sensible size.
///
/// # Errors
/// What lies there instead.
pub(in crate::spec) fn read(path: &Path) -> Result<String, Diagnostic> {
    read_up_to(path, MAX_FILE).map_err(|diagnostic| {
        match diagnostic.message.starts_with(TOO_LARGE) {
            true => Diagnostic {
                hint: Some("split it: `include: [part.yaml]`".to_owned()),
                ..diagnostic
            },
            false => diagnostic,
        }
    })
}

/// The same of a file of at most that many bytes.
///
/// # Errors
/// What lies there instead.
pub(in crate::spec) fn read_up_to(path: &Path, most: u64) -> Result<String, Diagnostic> {
    let place = Place::whole(&path.display().to_string());
    let fault = |message: String| Diagnostic { place: place.clone(), message, hint: None };
    let unreadable = |error: io::Error| fault(format!("cannot read it: {error}"));
    let kind = fs::metadata(path).map_err(unreadable)?.file_type();
    if kind.is_dir() {
        return Err(fault("is a directory; expected a file".to_owned()));
    }
    // Reading a pipe without a writer never ends. A shell's pipes are in /dev and
    // have one.
    if kind.is_fifo() && !path.starts_with("/dev") {
        return Err(fault("is a pipe; expected a file".to_owned()));
    }
    let mut bytes = Vec::new();
    // A limit on what is read, not on the size that is stated: devices and
    // pipes state none.
    let source = File::open(path).map_err(unreadable)?;
    source.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        let (most, unit) = if most < 1 << 20 { (most >> 10, "KiB") } else { (most >> 20, "MiB") };
        return Err(fault(format!("{TOO_LARGE} {most} {unit}")));
    }
    text(bytes).map_err(|(message, mark)| {
        let place = Place { mark: Some(mark), ..place.clone() };
        Diagnostic { place, message, hint: None }
    })
}

/// Bytes as text without NUL, else what is wrong and where.
fn text(bytes: Vec<u8>) -> Result<String, (String, Mark)> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        let good = error.as_bytes().get(..before).unwrap_or_default();
        (format!("is not UTF-8 text: byte {} is wrong", before + 1), end_of(good))
    })?;
    match text.find('\0') {
        Some(at) => Err((
            format!("is not text: byte {} is zero", at + 1),
            end_of(text.as_bytes().get(..at).unwrap_or_default()),
        )),
        None => Ok(text),
    }
}

/// The place behind `before`.
fn end_of(before: &[u8]) -> Mark {
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count();
    let tail = String::from_utf8_lossy(before.get(start..).unwrap_or_default());
    Mark { line: line as u64 + 1, column: tail.chars().count() as u64 + 1 }
}

/// One path for a file, whichever way it is named.
pub(in crate::spec) fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// A path from the root of the file system, as it is named; nothing is looked up.
pub(in crate::spec) fn absolute(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(if path.as_os_str().is_empty() { Path::new(".") } else { path })
}
