//! `apart` and `near` of machines: services and entries that there are, and no contradiction.

use std::collections::BTreeMap;

use crate::ids::ServiceName;
use crate::spec::diagnostic::{Diagnostics, Mark, nearest};
use crate::spec::read::form::{At, Spanned};
use crate::spec::read::scope::Scope;
use crate::spec::read::sources::Sources;
use crate::spec::wire::{self, NameList};

/// The names of a list that are right, each once, in their order.
pub(super) fn names(
    scope: &mut Scope<'_>,
    field: &str,
    list: &Option<Spanned<NameList>>,
) -> Vec<ServiceName> {
    let Some(list) = list else { return Vec::new() };
    if list.value.0.is_empty() {
        scope.error(list.mark, format!("{field}: is an empty list; expected at least one name"));
    }
    let mut found: Vec<ServiceName> =
        list.value.0.iter().filter_map(|at| scope.value(field, at)).collect();
    found.sort();
    found.dedup();
    found
}

/// Reports names that nothing has, and rules that no plan can keep.
pub(super) fn known(sources: &Sources, diagnostics: &mut Diagnostics) {
    if sources.incomplete {
        return;
    }
    let vms: Vec<(&ServiceName, &wire::FixedVm)> = sources
        .vms
        .iter()
        .filter_map(|(_, node)| Some((of(node.value.name.as_ref()?)?, &node.value)))
        .collect();
    let services = sources.services.iter().filter_map(|(_, node)| of(node.value.name.as_ref()?));
    let all: Vec<&str> =
        services.chain(vms.iter().map(|(name, _)| *name)).map(ServiceName::as_str).collect();
    let mut apart: BTreeMap<&ServiceName, Vec<&ServiceName>> = BTreeMap::new();
    for (name, vm) in &vms {
        for (other, _) in items(&vm.apart) {
            apart.entry(name).or_default().push(other);
            apart.entry(other).or_default().push(name);
        }
    }
    for (file, node) in &sources.vms {
        let own = node.value.name.as_ref().and_then(of);
        let scope = &mut Scope { file, diagnostics };
        for (field, list) in [("apart", &node.value.apart), ("near", &node.value.near)] {
            for (name, mark) in items(list) {
                if Some(name) == own {
                    itself(scope, field, (name, mark));
                } else if !all.contains(&name.as_str()) {
                    let hint = nearest(name.as_str(), &all);
                    scope.error_with(
                        mark,
                        format!("{field}: there is no service or entry of vms {:?}", name.as_str()),
                        hint.map(|near| format!("did you mean {near:?}?")),
                    );
                }
            }
        }
        for (name, mark) in items(&node.value.near) {
            let apart = own.filter(|own| *own != name).and_then(|own| apart.get(own));
            if apart.is_some_and(|apart| apart.contains(&name)) {
                let message = format!("near: {:?} is to be apart from it as well", name.as_str());
                scope.error(mark, message);
            }
        }
    }
}

fn itself(scope: &mut Scope<'_>, field: &str, (name, mark): (&ServiceName, Mark)) {
    let hint = "`spread: host` keeps the machines of one entry on different hosts";
    scope.error_with(
        mark,
        format!("{field}: {:?} is the entry itself", name.as_str()),
        (field == "apart").then(|| hint.to_owned()),
    );
}

/// The names of a list that can be read, with their places.
fn items(list: &Option<Spanned<NameList>>) -> impl Iterator<Item = (&ServiceName, Mark)> {
    let all = list.iter().flat_map(|list| &list.value.0);
    all.filter_map(|at| Some((at.value.as_ref().ok()?, at.mark)))
}

fn of(at: &At<ServiceName>) -> Option<&ServiceName> {
    at.value.as_ref().ok()
}
