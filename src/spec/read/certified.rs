//! Reads the certificates that services have of their own.

use std::collections::BTreeMap;
use std::path::Path;

use super::file;
use super::form::Spanned;
use super::scalar::Text;
use super::scope::Scope;
use super::sources::{Bounds, OUTSIDE_HINT};
use crate::certificate::Chain;
use crate::spec::OwnCertificate;
use crate::spec::diagnostic::{Diagnostic, Diagnostics};
use crate::spec::wire::Service;

/// A chain as it was read, and the path of its file as plans have it.
pub(in crate::spec) struct FoundChain {
    pub path: String,
    pub chain: Chain,
}

/// The certificates of the services, by their place in the list; what cannot be read is
/// reported and left out. `root` is the directory of the spec.
pub(in crate::spec) fn chains(
    services: &[(String, Spanned<Service>)],
    root: &Path,
    bounds: &Bounds,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<usize, FoundChain> {
    let mut found = BTreeMap::new();
    for (index, (file, service)) in services.iter().enumerate() {
        let mut scope = Scope { file, diagnostics };
        let chain = || service.value.certificate.as_ref()?.value.chain.as_ref();
        let Some(at) = chain() else { continue };
        // Whether the text is right is judged later, with all the others.
        let Ok(Text(name)) = &at.value else { continue };
        let path = Path::new(file).parent().unwrap_or(Path::new("")).join(name);
        if !bounds.hold(&path) {
            let shown = path.display();
            let message = format!("certificate.chain: {shown} is outside of the spec's directory");
            scope.error_with(at.mark, message, OUTSIDE_HINT.to_owned());
            continue;
        }
        let read = file::read_up_to(&path, OwnCertificate::MOST)
            .map_err(|Diagnostic { message, .. }| message)
            .and_then(|text| Chain::read(&text));
        let seen = path.strip_prefix(root).unwrap_or(&path).to_str();
        match (read, seen) {
            (Ok(chain), Some(seen)) => {
                found.insert(index, FoundChain { path: seen.to_owned(), chain });
            }
            (Ok(_), None) => {
                let message = format!("certificate.chain: {} is not UTF-8", path.display());
                scope.error(at.mark, message);
            }
            (Err(problem), _) => {
                let message = format!("certificate.chain: {}: {problem}", path.display());
                let hint = "expected PEM: the server's certificate, then those between it and one \
                            that clients know"
                    .to_owned();
                scope.error_with(at.mark, message, hint);
            }
        }
    }
    found
}
