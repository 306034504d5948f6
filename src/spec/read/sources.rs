//! Reads a spec and the files that it includes.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::certified::{self, FoundChain};
use super::file;
use super::form::{At, Spanned, Wire};
use super::parse::parse;
use super::profile::{self, FoundProfile};
use super::scalar::Include;
use super::scope::Scope;
use super::served;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark, Place};
use crate::spec::load::Reach;
use crate::spec::wire::{Entries, FixedVm, Host, Image, Item, PartFile, Service, SpecFile};
use crate::spec::{Engine, Serve};

/// Files that a spec may include; each is read once.
const MAX_FILES: usize = 10_000;

/// A spec's files, read and parsed.
pub(in crate::spec) struct Sources {
    /// Name of the spec file.
    pub file: String,
    /// The spec file, less the lists below.
    pub spec: Spanned<SpecFile>,
    /// Hosts, inline or included, each with its file.
    pub hosts: Vec<(String, Spanned<Host>)>,
    /// Services, likewise.
    pub services: Vec<(String, Spanned<Service>)>,
    /// What services serve out of files, by their place in that list.
    pub served: BTreeMap<usize, Serve>,
    /// Their certificates of their own, likewise.
    pub certified: BTreeMap<usize, FoundChain>,
    /// Fixed machines, likewise.
    pub vms: Vec<(String, Spanned<FixedVm>)>,
    /// The image with its file and the directory that its paths start from.
    pub image: Option<FoundImage>,
    /// The profile files that are there, by engine.
    pub profiles: BTreeMap<Engine, FoundProfile>,
    /// Whether something could not be read, so that a thing that seems missing
    /// may only be unread.
    pub incomplete: bool,
}

/// An image manifest, inline or included.
pub(in crate::spec) struct FoundImage {
    /// The file that holds it.
    pub file: String,
    /// Where its relative paths start, as seen from the directory of the spec.
    pub directory: PathBuf,
    /// The manifest.
    pub wire: Spanned<Image>,
}

/// Reads all files; what cannot be read is reported and left out.
pub(in crate::spec) fn sources(
    path: &Path,
    reach: Reach,
    diagnostics: &mut Diagnostics,
) -> Option<Sources> {
    let bounds = Bounds::new(path, reach);
    let mut reader =
        Reader { diagnostics, seen: BTreeMap::new(), found: Found::default(), bounds: &bounds };
    let name = path.display().to_string();
    let text = reader.note(file::read(path))?;
    if let Ok(whole) = file::canonical(path) {
        reader.seen.insert(whole, Place::whole(&name));
    }
    let mut spec = reader.wire::<Spanned<SpecFile>>(&name, &text)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let wire = &mut spec.value;
    let part = PartFile {
        include: wire.include.take(),
        hosts: wire.hosts.take(),
        services: wire.services.take(),
        vms: wire.vms.take(),
    };
    reader.part(&name, directory, part);
    let image = wire.image.take().and_then(|image| reader.image(&name, directory, image));
    let Found { hosts, services, vms } = reader.found;
    let profiles = wire.profiles.as_ref().map(|own| {
        profile::files(&mut Scope { file: &name, diagnostics }, directory, &own.value, &bounds)
    });
    let profiles = profiles.unwrap_or_default();
    let incomplete = !diagnostics.is_empty();
    let served = served::files(&services, directory, &bounds, diagnostics);
    let certified = certified::chains(&services, directory, &bounds, diagnostics);
    let file = name;
    Some(Sources {
        file,
        spec,
        hosts,
        services,
        served,
        certified,
        vms,
        image,
        profiles,
        incomplete,
    })
}

/// Parts of the spec, each with its file.
#[derive(Default)]
struct Found {
    hosts: Vec<(String, Spanned<Host>)>,
    services: Vec<(String, Spanned<Service>)>,
    vms: Vec<(String, Spanned<FixedVm>)>,
}

/// The state of reading.
struct Reader<'p> {
    diagnostics: &'p mut Diagnostics,
    /// Files that were read, and where each was included: so none is read in a
    /// circle, nor often.
    seen: BTreeMap<PathBuf, Place>,
    found: Found,
    bounds: &'p Bounds,
}

/// The directory that includes stay in; `None` for anywhere.
pub(in crate::spec) struct Bounds(Option<Directory>);

/// A directory by its two names.
struct Directory {
    /// With links as they are.
    named: PathBuf,
    /// Without links.
    whole: PathBuf,
}

impl Bounds {
    fn new(spec: &Path, reach: Reach) -> Self {
        let directory = spec.parent().filter(|directory| !directory.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let found = || {
            let whole = file::canonical(directory).ok()?;
            let named =
                file::absolute(directory).map_or_else(|_| whole.clone(), |path| flat(&path));
            Some(Directory { named, whole })
        };
        Self(if reach == Reach::Anywhere { None } else { found() })
    }

    /// Whether a file may be read, wherever links lead. One that is not there may.
    pub(in crate::spec) fn hold(&self, path: &Path) -> bool {
        let Some(Directory { whole, .. }) = &self.0 else { return true };
        file::canonical(path).map_or(true, |path| path.starts_with(whole))
    }

    /// Whether a pattern stays inside by its own text. One that does not is not looked for:
    /// what it matches would be listed.
    fn may_hold(&self, directory: &Path, pattern: &str) -> bool {
        let Some(Directory { named, whole }) = &self.0 else { return true };
        let Ok(directory) = file::absolute(directory) else { return false };
        let full = flat(&directory.join(pattern));
        full.starts_with(named) || full.starts_with(whole)
    }
}

/// A path without `.` and `..`, by its text alone.
fn flat(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(found.pop()),
            Component::Normal(part) if part.to_str().is_some_and(may_lead_up) => drop(found.pop()),
            _ => found.push(part),
        }
    }
    found
}

/// Whether a part of a pattern matches the directory above, as `.?` and `.*` do.
fn may_lead_up(part: &str) -> bool {
    part.starts_with('.') && glob::Pattern::new(part).is_ok_and(|part| part.matches(".."))
}

/// What helps where a file is outside.
pub(in crate::spec) const OUTSIDE_HINT: &str =
    "if the spec is yours, pass --include-anywhere; else read what it is after";

impl Reader<'_> {
    fn note<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|diagnostic| self.diagnostics.push(diagnostic)).ok()
    }

    /// A text in the form of a `T`.
    fn wire<T: Wire>(&mut self, file: &str, text: &str) -> Option<T> {
        let tree = self.note(parse(file, text))?;
        T::read(&mut Scope { file, diagnostics: self.diagnostics }, "", &tree)
    }

    /// Takes what a spec or a part of one holds.
    fn part(&mut self, file: &str, directory: &Path, part: PartFile) {
        let PartFile { include, hosts, services, vms } = part;
        let hosts = self.items(file, directory, hosts);
        self.found.hosts.extend(hosts);
        let services = self.items(file, directory, services);
        self.found.services.extend(services);
        let vms = self.items(file, directory, vms);
        self.found.vms.extend(vms);
        for include in include.iter().flat_map(|list| &list.value) {
            for path in self.matches(file, directory, include) {
                let Some((file, part)) = self.included::<PartFile>(&path) else { continue };
                self.part(&file, path.parent().unwrap_or(Path::new("")), part);
            }
        }
    }

    /// The entries of a list, those of included files in their place.
    fn items<T: Wire>(
        &mut self,
        file: &str,
        directory: &Path,
        items: Option<Vec<Item<T>>>,
    ) -> Vec<(String, Spanned<T>)> {
        let mut found = Vec::new();
        for item in items.unwrap_or_default() {
            match item {
                Item::Here(entry) => found.push((file.to_owned(), entry)),
                Item::Include(include) => {
                    for path in self.matches(file, directory, &include) {
                        let Some((file, Entries(entries))) = self.included::<Entries<T>>(&path)
                        else {
                            continue;
                        };
                        found.extend(entries.into_iter().map(|entry| (file.clone(), entry)));
                    }
                }
            }
        }
        found
    }

    /// An included file.
    fn included<T: Wire>(&mut self, path: &Path) -> Option<(String, T)> {
        let file = path.display().to_string();
        let text = self.note(file::read(path))?;
        let wire = self.wire(&file, &text)?;
        Some((file, wire))
    }

    /// Files that an include names, in the order of their paths, less those that
    /// were read before.
    fn matches(&mut self, file: &str, directory: &Path, include: &At<Include>) -> Vec<PathBuf> {
        let mut scope = Scope { file, diagnostics: self.diagnostics };
        let Some(Include(pattern)) = scope.value("include", include) else { return Vec::new() };
        let outside = format!("include: {pattern:?} leads outside of the spec's directory");
        if !self.bounds.may_hold(directory, &pattern) {
            scope.error_with(include.mark, outside, OUTSIDE_HINT.to_owned());
            return Vec::new();
        }
        let found = glob(&mut scope, directory, include.mark, &pattern, self.bounds);
        let mut is_outside = false;
        let mut fresh = Vec::new();
        for path in found {
            let place = scope.place(include.mark);
            if self.seen.len() >= MAX_FILES {
                let message = format!("include: more than {MAX_FILES} files");
                scope.error(include.mark, message);
                break;
            }
            if !self.bounds.hold(&path) {
                // The name of a link is the spec's own; what lies where one leads is not.
                if path.parent().is_none_or(|parent| self.bounds.hold(parent)) {
                    let message =
                        format!("include: {} is outside of the spec's directory", path.display());
                    scope.error_with(include.mark, message, OUTSIDE_HINT.to_owned());
                } else if !is_outside {
                    is_outside = true;
                    scope.error_with(include.mark, outside.clone(), OUTSIDE_HINT.to_owned());
                }
                continue;
            }
            let whole = file::canonical(&path).unwrap_or_else(|_| path.clone());
            if let Some(first) = self.seen.get(&whole) {
                let message = if first.mark.is_none() {
                    format!("include: {} is the spec itself", path.display())
                } else {
                    format!("include: {} is included already at {first}", path.display())
                };
                let hint = "each file is read once; narrow the pattern or remove this include";
                scope.error_with(include.mark, message, hint.to_owned());
                continue;
            }
            self.seen.insert(whole, place);
            fresh.push(path);
        }
        fresh
    }

    /// The manifest, included or inline, with the directory that its relative
    /// paths start from, seen from the spec's: so a plan does not depend on where
    /// the spec lies.
    fn image(&mut self, file: &str, directory: &Path, image: Item<Image>) -> Option<FoundImage> {
        let include = match image {
            Item::Include(include) => include,
            Item::Here(wire) => {
                return Some(FoundImage { file: file.to_owned(), directory: PathBuf::new(), wire });
            }
        };
        let mut scope = Scope { file, diagnostics: self.diagnostics };
        let Include(name) = scope.value("image.include", &include)?;
        let (file, wire) = self.included(&directory.join(&name))?;
        let directory = Path::new(&name).parent().unwrap_or(Path::new("")).to_owned();
        Some(FoundImage { file, directory, wire })
    }
}

/// What a pattern matches, and what could not be looked into outside of the bounds.
fn glob(
    scope: &mut Scope<'_>,
    directory: &Path,
    mark: Mark,
    pattern: &str,
    bounds: &Bounds,
) -> Vec<PathBuf> {
    let Some(base) = directory.to_str() else {
        let message = format!("include: the directory {} is not UTF-8", directory.display());
        scope.error(mark, message);
        return Vec::new();
    };
    // The directory is a name, not a pattern, whatever characters it holds.
    let full = Path::new(&glob::Pattern::escape(base)).join(pattern);
    let found = match glob::glob(&full.to_string_lossy()) {
        Ok(found) => found,
        Err(error) => {
            scope.error(mark, format!("include: invalid pattern {pattern:?}: {}", error.msg));
            return Vec::new();
        }
    };
    let mut paths = Vec::new();
    // One more than may be read, so that the rest is missed by its message.
    for entry in found.take(MAX_FILES + 1) {
        match entry {
            Ok(path) => paths.push(path),
            Err(error) if !bounds.hold(error.path()) => paths.push(error.path().to_owned()),
            Err(error) => scope.error(mark, format!("include: {error}")),
        }
    }
    if paths.is_empty() {
        scope.error_with(
            mark,
            format!("include: {pattern:?} matches no file"),
            "paths are relative to this file; `hostsplit discover URI` writes host files"
                .to_owned(),
        );
    }
    paths
}
