//! `on` and `not_on` of machines, `prefer` of services: hosts that there are, and of the first
//! two some that are left.

use crate::spec::diagnostic::{Diagnostics, Mark, nearest};
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::Scope;
use crate::spec::read::sources::Sources;
use crate::spec::wire::HostList;
use crate::spec::{FixedVm, HostSet};
use crate::topology::{Host, Level};

/// The sets of hosts that are right, each once, in their order.
pub(super) fn sets(
    scope: &mut Scope<'_>,
    field: &str,
    list: &Option<Spanned<HostList>>,
) -> Vec<HostSet> {
    let mut found = Vec::new();
    let Some(list) = list else { return found };
    if list.value.0.is_empty() {
        scope.error(list.mark, format!("{field}: is an empty list; expected at least one host"));
    }
    for item in &list.value.0 {
        let of = &item.value;
        let host = scope.optional("host", &of.host).map(HostSet::Host);
        let rack = scope.optional("rack", &of.rack).map(|name| HostSet::Rack(name.0));
        let site = scope.optional("site", &of.site).map(|name| HostSet::Site(name.0));
        let stated = [of.host.is_some(), of.rack.is_some(), of.site.is_some()];
        if stated.into_iter().filter(|is| *is).count() != 1 {
            let message = format!("{field}: expected one of host, rack and site in each map");
            scope.error(item.mark, message);
        }
        found.extend([host, rack, site].into_iter().flatten());
    }
    found.sort();
    found.dedup();
    found
}

/// Reports sets that hold no host, and machines that may be on none.
pub(super) fn known(
    sources: &Sources,
    hosts: &[Host],
    vms: &[FixedVm],
    diagnostics: &mut Diagnostics,
) {
    for (file, service) in &sources.services {
        items(&mut Scope { file, diagnostics }, hosts, "prefer", &service.value.prefer);
    }
    for (file, vm) in &sources.vms {
        let before = diagnostics.len();
        let scope = &mut Scope { file, diagnostics };
        for (field, list) in [("on", &vm.value.on), ("not_on", &vm.value.not_on)] {
            items(scope, hosts, field, list);
        }
        let name = vm.value.name.as_ref().and_then(|at| at.value.as_ref().ok());
        let own = vms.iter().find(|vm| Some(&vm.name) == name);
        if let Some(own) = own.filter(|vm| !hosts.iter().any(|host| vm.may_be_on(host)))
            && !own.not_on.is_empty()
            && !hosts.is_empty()
            && scope.diagnostics.len() == before
        {
            let mark = vm.value.not_on.as_ref().map_or(vm.mark, |list| list.mark);
            scope.error(mark, format!("not_on: leaves no host for {}", own.name));
        }
    }
}

/// Reports items of a list that hold no host.
fn items(scope: &mut Scope<'_>, hosts: &[Host], field: &str, list: &Option<Spanned<HostList>>) {
    for item in list.iter().flat_map(|list| &list.value.0) {
        let of = &item.value;
        let host = of.host.as_ref().and_then(|at| at.value.as_ref().ok());
        let rack = of.rack.as_ref().and_then(|at| at.value.as_ref().ok());
        let site = of.site.as_ref().and_then(|at| at.value.as_ref().ok());
        let label = |level: Level| hosts.iter().filter_map(move |host| host.labels.get(&level));
        if let Some(name) = host {
            let names = hosts.iter().map(|host| host.name.as_str()).collect();
            is_known(scope, (field, "host", item.mark), name.as_str(), names);
        }
        for (level, name) in [(Level::Rack, rack), (Level::Site, site)] {
            let Some(name) = name else { continue };
            let names = label(level).map(String::as_str).collect();
            is_known(scope, (field, level.as_str(), item.mark), &name.0, names);
        }
    }
}

fn is_known(
    scope: &mut Scope<'_>,
    (field, what, mark): (&str, &str, Mark),
    name: &str,
    mut names: Vec<&str>,
) {
    if names.contains(&name) {
        return;
    }
    names.sort_unstable();
    names.dedup();
    let hint = nearest(name, &names).map(|near| format!("did you mean {near:?}?"));
    scope.error_with(mark, format!("{field}: there is no {what} {name:?}"), hint);
}
