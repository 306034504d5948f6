//! What parts of a spec ask of each other: labels for the failure domains that
//! are named, roots that hold the image.

use crate::spec::diagnostic::{Diagnostics, Mark};
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::read::sources::Sources;
use crate::spec::wire;
use crate::topology::{Host, Level};
use crate::units::Mebibytes;

/// Racks and sites that are named must be known of every host: one without the
/// label would count as a rack of its own, and the promise be kept on paper only.
pub(super) fn labels(sources: &Sources, hosts: &[Host], diagnostics: &mut Diagnostics) {
    let policy = sources.spec.value.policy.as_ref();
    if let Some(survive) = policy.and_then(|policy| policy.value.survive.as_ref()) {
        let mut scope = Scope { file: &sources.file, diagnostics };
        for promise in &survive.value.levels {
            let mark = mark_or(&promise.value.level, promise.mark);
            if let Some(Ok(level)) = promise.value.level.as_ref().map(|at| &at.value) {
                labelled(&mut scope, "policy.survive", (*level, mark), hosts);
            }
        }
    }
    for (file, vm) in &sources.vms {
        let at = vm.value.spread.as_ref().and_then(|spread| match spread {
            wire::Spread::One(at) => Some(at),
            wire::Spread::Of(of) => of.value.per.as_ref(),
        });
        if let Some(at) = at
            && let Ok(level) = at.value
        {
            labelled(&mut Scope { file, diagnostics }, "spread", (level, at.mark), hosts);
        }
    }
}

fn labelled(scope: &mut Scope<'_>, field: &str, (level, mark): (Level, Mark), hosts: &[Host]) {
    let without = |host: &&Host| level != Level::Host && !host.labels.contains_key(&level);
    let mut names: Vec<&str> =
        hosts.iter().filter(without).map(|host| host.name.as_str()).collect();
    names.sort_unstable();
    let Some(first) = names.first() else { return };
    let (count, all) = (names.len(), hosts.len());
    scope.error_with(
        mark,
        format!("{field}: {count} of {all} hosts have no label {level}, such as {first}"),
        format!("add `labels: {{ {level}: NAME }}` to each of their host files"),
    );
}

/// The root of a fixed machine is an overlay on the image, which it cannot cut.
pub(super) fn roots(sources: &Sources, image: Option<Mebibytes>, diagnostics: &mut Diagnostics) {
    let Some(image) = image else { return };
    for (file, vm) in &sources.vms {
        if let Some(at) = &vm.value.disk
            && let Ok(disk) = at.value
            && disk < image
        {
            Scope { file, diagnostics }.error(
                at.mark,
                format!("disk: {disk} is less than the image's {image}; expected at least that"),
            );
        }
    }
}
