//! A plan against a prior one: what is unchanged, moved, resized, added, removed.

use std::fmt;

use serde::Serialize;

use super::columns::columns;
use super::plan_text::size;
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan, Volume};
use crate::units::{Mebibytes, grouped};

/// What a plan changes of a prior one, instance by instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moves {
    /// Instances that keep their host and size.
    pub stay: u64,
    /// Instances that change their host, or the pool of their volumes.
    pub moved: Vec<Moved>,
    /// Instances that keep their host and change their size.
    pub resized: Vec<Resized>,
    /// Instances that the prior plan does not have.
    pub new: Vec<Placed>,
    /// Instances that only the prior plan has.
    pub gone: Vec<Placed>,
}

/// An instance on another host, or in another pool of its host. An instance of a service
/// has another name there, since it exists beside the one that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// The instance.
    pub name: InstanceName,
    /// The instance of the prior plan whose place it takes; itself for a fixed machine.
    pub was: InstanceName,
    /// Its host in the prior plan.
    pub from: HostName,
    /// Its host now.
    pub to: HostName,
}

/// An instance of another size on the same host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resized {
    /// The instance.
    pub name: InstanceName,
    /// Its host.
    pub host: HostName,
    /// Its size in the prior plan.
    pub from: Size,
    /// Its size now.
    pub to: Size,
}

/// An instance on its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// The instance.
    pub name: InstanceName,
    /// Its host.
    pub host: HostName,
}

/// Size of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Virtual CPUs.
    pub vcpus: usize,
    /// Memory.
    pub memory_mib: Mebibytes,
    /// Root volume; zero for none.
    pub root_mib: Mebibytes,
    /// Data volume; zero for none.
    pub data_mib: Mebibytes,
}

impl Moves {
    /// Compares a plan with a prior one by the names of instances. A new one of the group
    /// that another leaves (of several the one in the same role) takes its place.
    #[must_use]
    pub fn new(prior: &Plan, plan: &Plan) -> Self {
        let mut found = Self { stay: 0, moved: vec![], resized: vec![], new: vec![], gone: vec![] };
        let mut gone: Vec<&Instance> =
            prior.instances.iter().filter(|old| plan.instance(&old.name).is_none()).collect();
        for instance in &plan.instances {
            if let Some(old) = prior.instance(&instance.name) {
                found.compare(old, instance);
                continue;
            }
            let is_group =
                |old: &&&Instance| (&old.service, old.group) == (&instance.service, instance.group);
            let mut like = gone.iter().enumerate().filter(|(_, old)| is_group(old));
            let same_role = like.clone().find(|(_, old)| old.role == instance.role);
            match same_role.or_else(|| like.next()).map(|(at, _)| at) {
                Some(at) => found.moved.push(Moved::of(gone.remove(at), instance)),
                None => found.new.push(Placed::of(instance)),
            }
        }
        found.gone = gone.into_iter().map(Placed::of).collect();
        found
    }

    fn compare(&mut self, old: &Instance, new: &Instance) {
        let (name, host) = (new.name.clone(), new.host.clone());
        let (from, to) = (Size::of(old), Size::of(new));
        if old.host != host {
            self.moved.push(Moved::of(old, new));
        } else if from != to {
            self.resized.push(Resized { name, host, from, to });
        } else {
            self.stay += 1;
        }
    }

    /// What changes, a line each.
    #[must_use]
    pub fn lines(&self) -> String {
        let moved = self.moved.iter().map(|one| {
            let Moved { name, was, from, to } = one;
            let replaced = if was == name { String::new() } else { format!(", replaces {was}") };
            let to = if from == to { "another pool" } else { to.as_str() };
            ("~", name, format!("{from} -> {to}{replaced}"))
        });
        let resized = self.resized.iter().map(|one| {
            let Resized { name, host, from, to } = one;
            ("=", name, format!("{host}  {} -> {}", from.beside(*to), to.beside(*from)))
        });
        let new = self.new.iter().map(|one| ("+", &one.name, one.host.to_string()));
        let gone = self.gone.iter().map(|one| ("-", &one.name, one.host.to_string()));
        let all = moved.chain(resized).chain(new).chain(gone);
        let rows: Vec<Vec<String>> =
            all.map(|(sign, name, what)| vec![format!("{sign} {name}"), what]).collect();
        columns(2, &rows)
    }

    /// What changes, in numbers: `5 unchanged, 1 moved, 1 added`.
    #[must_use]
    pub fn counts(&self) -> String {
        let counts = [
            (self.moved.len(), "moved"),
            (self.resized.len(), "resized"),
            (self.new.len(), "added"),
            (self.gone.len(), "removed"),
        ];
        let changes = counts.into_iter().filter(|(count, _)| *count > 0);
        let changes: String = changes.map(|(count, word)| format!(", {count} {word}")).collect();
        format!("{} unchanged{changes}", grouped(self.stay))
    }
}

impl fmt::Display for Moves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "changes from the prior plan: {}\n{}", self.counts(), self.lines())
    }
}

impl Moved {
    fn of(old: &Instance, new: &Instance) -> Self {
        Self {
            name: new.name.clone(),
            was: old.name.clone(),
            from: old.host.clone(),
            to: new.host.clone(),
        }
    }
}

impl Placed {
    fn of(instance: &Instance) -> Self {
        Self { name: instance.name.clone(), host: instance.host.clone() }
    }
}

impl Size {
    fn of(instance: &Instance) -> Self {
        let of = |volume: &Option<Volume>| {
            volume.as_ref().map_or(Mebibytes::ZERO, |volume| volume.size_mib)
        };
        Self {
            vcpus: instance.cpus.len(),
            memory_mib: instance.memory_mib,
            root_mib: of(&instance.root),
            data_mib: of(&instance.data),
        }
    }

    /// What of it differs from another size.
    fn beside(self, other: Self) -> String {
        let parts = [
            (self.vcpus != other.vcpus, format!("{} vCPU", self.vcpus)),
            (self.memory_mib != other.memory_mib, size(self.memory_mib)),
            (self.root_mib != other.root_mib, format!("{} root", size(self.root_mib))),
            (self.data_mib != other.data_mib, format!("{} data", size(self.data_mib))),
        ];
        let differing = parts.into_iter().filter(|(differs, _)| *differs);
        differing.map(|(_, text)| text).collect::<Vec<_>>().join(", ")
    }
}
