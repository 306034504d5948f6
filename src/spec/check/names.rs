//! Names that services and fixed machines share.

use std::collections::BTreeMap;

use crate::ids::{InstanceName, MAX_NAME, ServiceName};
use crate::spec::diagnostic::{Mark, Place};
use crate::spec::read::scope::Scope;

/// Most instances of one name.
pub(super) const MAX_COUNT: u32 = 10_000;

/// Names that were given, and where.
#[derive(Default)]
pub(super) struct Names(BTreeMap<ServiceName, Place>);

impl Names {
    /// Gives a name, unless it is taken or too long for those of its instances.
    pub(super) fn claim(&mut self, scope: &mut Scope<'_>, name: &ServiceName, mark: Mark) {
        if InstanceName::of(name, MAX_COUNT).is_err() {
            let longest = MAX_NAME - format!("-{MAX_COUNT}").len();
            let message = format!(
                "name: {:?} is too long: instances are named {name}-0 and so on, expected at most \
                 {longest} characters",
                name.as_str()
            );
            scope.error(mark, message);
        }
        if let Some(first) = self.0.get(name) {
            let message = format!("duplicate name {:?}, first defined at {first}", name.as_str());
            scope.error(mark, message);
            return;
        }
        self.0.insert(name.clone(), scope.place(mark));
    }
}
