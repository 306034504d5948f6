//! `profiles:`: files that are profiles of their engines, numbers that there are,
//! and a whole that makes sense.

use std::collections::BTreeMap;

use crate::profile::{Decimal, Fault, Own, OwnProfiles, Profile, ProfileError};
use crate::spec::Engine;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark, Place, nearest};
use crate::spec::read::form::Spanned;
use crate::spec::read::profile::FoundProfile;
use crate::spec::read::scope::Scope;
use crate::spec::read::sources::Sources;
use crate::spec::wire;

/// What the spec says in place of the engines' profiles.
pub(super) fn profiles(sources: &Sources, diagnostics: &mut Diagnostics) -> OwnProfiles {
    let mut own = OwnProfiles::default();
    let Some(wire) = &sources.spec.value.profiles else { return own };
    let mut scope = Scope { file: &sources.file, diagnostics };
    for (engine, node) in wire.value.each() {
        is_used(&mut scope, sources, engine, node.mark);
        let found = sources.profiles.get(&engine);
        let checked = profile(&mut scope, engine, node, found);
        own.0.extend(checked.map(|checked| (engine, checked)));
    }
    own
}

/// Reports a profile of an engine that no service runs.
fn is_used(scope: &mut Scope<'_>, sources: &Sources, engine: Engine, mark: Mark) {
    let services = sources.services.iter();
    let engines: Vec<Option<Engine>> = services
        .map(|(_, service)| service.value.engine.as_ref().and_then(|at| at.value.as_ref().ok()))
        .map(|engine| engine.copied())
        .collect();
    // One that is not known may be this one.
    if sources.incomplete || engines.contains(&None) || engines.contains(&Some(engine)) {
        return;
    }
    let mut words: Vec<&str> = engines.iter().flatten().map(|engine| engine.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    let hint = match words.as_slice() {
        [] => "there are no services; remove it".to_owned(),
        words => format!("the services run {}; remove it", words.join(", ")),
    };
    scope.error_with(mark, format!("profiles: no service runs {engine}"), hint);
}

fn profile(
    scope: &mut Scope<'_>,
    engine: Engine,
    node: &Spanned<wire::Profile>,
    found: Option<&FoundProfile>,
) -> Option<Own> {
    let wire::Profile { file, set } = &node.value;
    let is_empty = set.as_ref().is_none_or(|set| set.value.0.is_empty());
    if file.is_none() && is_empty {
        let (owner, hint) =
            (node.mark, "write `file: PATH`, `set: { SECTION.NAME: NUMBER }` or both");
        if !scope.is_reported(owner, "file") && !scope.is_reported(owner, "set") {
            let message = format!("profiles: {engine} has neither a file nor a number");
            scope.error_with(owner, message, hint.to_owned());
        }
        return None;
    }
    if let Some(at) = file {
        scope.value("file", at)?;
    }
    let base = Own { file: found.map(|found| found.file.clone()), set: BTreeMap::new() };
    // A file that cannot be read was reported.
    if file.is_some() && found.is_none() {
        return None;
    }
    let profile = match base.profile(engine) {
        Ok(profile) => profile,
        Err(errors) => {
            let path = found.map_or("", |found| &found.path);
            for error in errors {
                scope.diagnostics.push(in_file(path, error));
            }
            return None;
        }
    };
    match set {
        Some(set) => numbers(scope, &profile, set, base),
        None => Some(base),
    }
}

/// An error in a profile file.
fn in_file(path: &str, error: ProfileError) -> Diagnostic {
    let mark = error.at.map(|spot| Mark { line: spot.line, column: spot.column });
    let hint = matches!(error.fault, Fault::Section(_)).then(|| {
        format!(
            "compare it with the file of {} in `profiles` of the program's sources",
            error.engine
        )
    });
    Diagnostic {
        place: Place { file: path.to_owned(), mark },
        message: error.fault.to_string(),
        hint,
    }
}

/// The profile with the numbers that are set, if the whole makes sense.
fn numbers(
    scope: &mut Scope<'_>,
    profile: &Profile,
    node: &Spanned<wire::Numbers>,
    mut own: Own,
) -> Option<Own> {
    let before = scope.diagnostics.len();
    let mut marks: BTreeMap<String, Mark> = BTreeMap::new();
    for one in &node.value.0 {
        let name = known(scope, profile, one);
        let value: Option<Decimal> = scope.value(&one.name, &one.value);
        let Some((full, value)) = name.zip(value) else { continue };
        let shown = profile.shown_name(&full).to_owned();
        own.set.insert(shown, value);
        if marks.insert(full, one.value.mark).is_some() {
            scope.error(one.mark, format!("duplicate number {:?}", one.name));
        }
    }
    if scope.diagnostics.len() > before {
        return None;
    }
    let errors = own.profile(profile.engine).err().unwrap_or_default();
    for ProfileError { fault, engine, .. } in &errors {
        let set = fault.number().and_then(|number| {
            Some((*marks.get(number)?, own.set.get(profile.shown_name(number))?))
        });
        match set {
            Some((mark, value)) => scope.error(mark, format!("{fault}; found {value}")),
            None => scope.error(
                node.mark,
                format!("these numbers make the profile of {engine} inconsistent: {fault}"),
            ),
        }
    }
    errors.is_empty().then_some(own)
}

/// The full name of a number; an error if there is none of that name.
fn known(scope: &mut Scope<'_>, profile: &Profile, one: &wire::SetNumber) -> Option<String> {
    let full = profile.full_name(&one.name);
    if full.is_none() {
        let engine = profile.engine;
        let numbers = profile.numbers();
        let names: Vec<&str> = numbers.iter().map(|(full, _)| profile.shown_name(full)).collect();
        let hint = match nearest(&one.name, &names) {
            _ if one.name == "shapes.vcpus" => {
                "lists are set in a profile file: `file: PATH`".to_owned()
            }
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("`hostsplit profile {engine}` shows them all"),
        };
        let message = format!("the profile of {engine} has no number {:?}", one.name);
        scope.error_with(one.mark, message, hint);
    }
    full
}
