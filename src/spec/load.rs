//! Reads a spec and the files that it includes.
#![expect(clippy::disallowed_methods, reason = "edge: reads files")]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_saphyr::Spanned;

use super::check::{self, Sources};
use super::check_image::FoundImage;
use super::parse::parse;
use super::problem::{Place, Problem, SpecErrors};
use super::scalar::{At, Include};
use super::scope::Scope;
use super::{Spec, wire};

/// Largest file in bytes; a host of 1,000 cores takes 20 KB.
const MAX_FILE: u64 = 1 << 20;

/// Reads and checks the spec at `path` with all that it includes.
///
/// # Errors
/// Everything that is wrong with it, each mistake with its place.
pub fn load(path: &Path) -> Result<Spec, SpecErrors> {
    let mut problems = Vec::new();
    let spec =
        sources(path, &mut problems).and_then(|sources| check::spec(&sources, &mut problems));
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(SpecErrors::new(problems)),
    }
}

/// Reads all files; what cannot be read is noted and left out.
fn sources(path: &Path, problems: &mut Vec<Problem>) -> Option<Sources> {
    let file = path.display().to_string();
    let text = note(read(path), problems)?;
    let mut spec = note(parse::<wire::SpecFile>(&file, &text), problems)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let before = problems.len();
    let mut hosts = Vec::new();
    for node in spec.value.hosts.take().unwrap_or_default() {
        let mut scope = Scope { file: &file, problems };
        match &node.value.include {
            Some(include) if is_include_only(&node.value) => {
                for path in matches(&mut scope, directory, include) {
                    hosts.extend(note(parsed::<wire::Host>(&path), problems));
                }
            }
            _ => hosts.push((file.clone(), node)),
        }
    }
    let image = spec.value.image.take();
    let image = image.and_then(|image| self::image(&file, directory, image, problems));
    let incomplete = problems.len() > before;
    Some(Sources { file, spec, hosts, image, incomplete })
}

/// Whether an entry of `hosts` says nothing of its own.
fn is_include_only(host: &wire::Host) -> bool {
    let wire::Host {
        include: _,
        name: None,
        uri: None,
        hypervisor: None,
        labels: None,
        cost: None,
        reserve: None,
        network: None,
        bridges: None,
        numa: None,
        pools: None,
        _assumed: None,
    } = host
    else {
        return false;
    };
    true
}

/// Files that an include names, in the order of their paths.
fn matches(scope: &mut Scope<'_>, directory: &Path, include: &At<Include>) -> Vec<PathBuf> {
    let Some(Include(pattern)) = scope.value("include", include) else { return Vec::new() };
    let Some(base) = directory.to_str() else {
        let message = format!("include: the directory {} is not UTF-8", directory.display());
        scope.wrong(include.mark, message);
        return Vec::new();
    };
    // The directory is a name, not a pattern, whatever characters it holds.
    let full = Path::new(&glob::Pattern::escape(base)).join(&pattern);
    let found = match glob::glob(&full.to_string_lossy()) {
        Ok(found) => found,
        Err(error) => {
            scope.wrong(include.mark, format!("include: {pattern:?} is no pattern: {}", error.msg));
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    for entry in found {
        match entry {
            Ok(path) => paths.push(path),
            Err(error) => scope.wrong(include.mark, format!("include: {error}")),
        }
    }
    if paths.is_empty() {
        scope.wrong_with(
            include.mark,
            format!("include: {pattern:?} matches no file"),
            "`hostsplit discover URI` writes host files; paths are relative to this file"
                .to_owned(),
        );
    }
    paths
}

/// The manifest, included or inline, with the directory that its relative paths
/// start from, seen from the spec's: so a plan does not depend on where the spec
/// lies.
fn image(
    file: &str,
    directory: &Path,
    node: Spanned<wire::Image>,
    problems: &mut Vec<Problem>,
) -> Option<FoundImage> {
    let Some(include) = &node.value.include else {
        return Some(FoundImage { file: file.to_owned(), directory: PathBuf::new(), wire: node });
    };
    let Include(name) = Scope { file, problems }.value("image.include", include)?;
    let (file, wire) = note(parsed::<wire::Image>(&directory.join(&name)), problems)?;
    let directory = Path::new(&name).parent().unwrap_or(Path::new("")).to_owned();
    Some(FoundImage { file, directory, wire })
}

/// An included file. Unlike the spec itself it must be a regular one: a pattern
/// that happens to match a pipe must not wait for it.
fn parsed<T: serde::de::DeserializeOwned>(path: &Path) -> Result<(String, Spanned<T>), Problem> {
    let file = path.display().to_string();
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let message = "is not a regular file".to_owned();
        return Err(Problem { place: Place::whole(&file), message, hint: None });
    }
    let text = read(path)?;
    let wire = parse(&file, &text)?;
    Ok((file, wire))
}

fn note<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// A file's text, if it is UTF-8 and of sensible size.
fn read(path: &Path) -> Result<String, Problem> {
    let fault = |message: String| Problem {
        place: Place::whole(&path.display().to_string()),
        message,
        hint: None,
    };
    let unreadable = |error: std::io::Error| fault(format!("cannot read it: {error}"));
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(fault("is a directory; expected a file".to_owned()));
    }
    let mut bytes = Vec::new();
    // A limit on what is read, not on the size that is stated: devices and
    // pipes state none.
    let source = File::open(path).map_err(unreadable)?;
    source.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(fault(format!("is larger than {} KiB", MAX_FILE >> 10)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.utf8_error().valid_up_to();
        fault(format!("is not UTF-8 text: byte {} is wrong", before + 1))
    })
}
