//! What parts of a spec ask of each other: labels for the failure domains that
//! are named, roots that hold the image.

use super::check::Sources;
use super::problem::Mark;
use super::scope::Scope;
use crate::topology::{Host, Level};
use crate::units::Mebibytes;

/// Racks and sites that are named must be known of every host: one without the
/// label would count as a rack of its own, and the promise be kept on paper only.
pub(super) fn labels(
    scope: &mut Scope<'_>,
    sources: &Sources,
    survive: Option<Level>,
    hosts: &[Host],
) {
    let wire = &sources.spec.value;
    let policy = wire.policy.as_ref().and_then(|policy| policy.survive.as_ref());
    if let (Some(level), Some(at)) = (survive, policy) {
        labelled(scope, "policy.survive", (level, at.mark), hosts);
    }
    for vm in wire.vms.iter().flatten() {
        if let Some(at) = &vm.value.spread
            && let Ok(level) = at.value
        {
            labelled(scope, "spread", (level, at.mark), hosts);
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
    scope.wrong_with(
        mark,
        format!("{field}: {count} of {all} hosts have no label {level}, such as {first}"),
        format!("say where each stands: `labels: {{ {level}: NAME }}` in its host file"),
    );
}

/// The root of a fixed machine is an overlay on the image, which it cannot cut.
pub(super) fn roots(scope: &mut Scope<'_>, sources: &Sources, image: Option<Mebibytes>) {
    let Some(image) = image else { return };
    for vm in sources.spec.value.vms.iter().flatten() {
        if let Some(at) = &vm.value.disk
            && let Ok(disk) = at.value
            && disk < image
        {
            scope.wrong(
                at.mark,
                format!("disk: {disk} is less than the image's {image}; expected at least that"),
            );
        }
    }
}
