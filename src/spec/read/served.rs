//! Reads what pools serve out of files.

use std::collections::BTreeMap;
use std::path::Path;

use super::file;
use super::form::{At, Spanned};
use super::scalar::Text;
use super::scope::Scope;
use super::sources::{Bounds, OUTSIDE_HINT};
use crate::content;
use crate::spec::Serve;
use crate::spec::diagnostic::{Diagnostic, Diagnostics};
use crate::spec::wire::Service;

/// What the services serve out of files, by their place in the list; what cannot be read is
/// reported and left out. `root` is the directory of the spec.
pub(in crate::spec) fn files(
    services: &[(String, Spanned<Service>)],
    root: &Path,
    bounds: &Bounds,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<usize, Serve> {
    let mut found = BTreeMap::new();
    for (index, (file, service)) in services.iter().enumerate() {
        let Some(serve) = &service.value.serve else { continue };
        let mut reader = Reader { scope: Scope { file, diagnostics }, file, root, bounds };
        let asks = service.value.health.is_some();
        let content = serve.value.content.as_ref().and_then(|at| reader.content(at, asks));
        let config = serve.value.config.as_ref().and_then(|at| reader.config(at));
        found.extend(content.or(config).map(|serve| (index, serve)));
    }
    found
}

struct Reader<'a, 'd> {
    scope: Scope<'d>,
    /// The file that names it.
    file: &'a str,
    root: &'a Path,
    bounds: &'a Bounds,
}

impl Reader<'_, '_> {
    /// `asks` is whether the spec says what members are asked for; else it is `/`.
    fn content(&mut self, at: &At<Text>, asks: bool) -> Option<Serve> {
        let path = self.path("content", at)?;
        let archive = match content::pack(&path) {
            Ok(archive) => archive,
            Err(error) => {
                self.scope.error(at.mark, format!("content: {error}"));
                return None;
            }
        };
        if !asks && !content::has_index(&archive) {
            let message = format!(
                "content: {} holds no index.html at its top, so that members could not answer \
                 requests for /",
                path.display()
            );
            let hint = "add one, or say what members answer: `health: { path: /PAGE }`";
            self.scope.error_with(at.mark, message, hint.to_owned());
            return None;
        }
        let seen = path.strip_prefix(self.root).unwrap_or(&path);
        let Some(seen) = seen.to_str() else {
            let message = format!("content: the path {} is not UTF-8", path.display());
            self.scope.error(at.mark, message);
            return None;
        };
        Some(Serve::Content {
            path: if seen.is_empty() { "." } else { seen }.to_owned(),
            sha256: content::digest(&archive),
            bytes: archive.len() as u64,
        })
    }

    fn config(&mut self, at: &At<Text>) -> Option<Serve> {
        let path = self.path("config", at)?;
        let text = match file::read_up_to(&path, Serve::MOST_CONFIG) {
            Ok(text) => text,
            Err(Diagnostic { place, message, hint }) if place.mark.is_none() => {
                let message = format!("config: {}: {message}", place.file);
                self.scope.error_with(at.mark, message, hint);
                return None;
            }
            Err(diagnostic) => {
                self.scope.diagnostics.push(diagnostic);
                return None;
            }
        };
        if let Some(bad) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let bad = bad.escape_unicode();
            let message = format!("config: {} holds the control character {bad}", path.display());
            let hint = "lines end with a line feed alone, without a carriage return".to_owned();
            self.scope.error_with(at.mark, message, hint);
            return None;
        }
        Some(Serve::Config { text })
    }

    /// The path of a file, beside the one that names it and within the bounds.
    fn path(&mut self, field: &str, at: &At<Text>) -> Option<std::path::PathBuf> {
        // Whether the text is right is judged later, with all the others.
        let Ok(Text(name)) = &at.value else { return None };
        let path = Path::new(self.file).parent().unwrap_or(Path::new("")).join(name);
        if !self.bounds.hold(&path) {
            let message = format!("{field}: {} is outside of the spec's directory", path.display());
            self.scope.error_with(at.mark, message, OUTSIDE_HINT.to_owned());
            return None;
        }
        Some(path)
    }
}
