//! Fixed machines that the plan has on another host than the world: which of them can go
//! there as they are, and how.
//!
//! A machine that cannot is deleted and made again, as any other that is not planned where
//! it is; that loses its disk, so it is an impact that the operator has to allow.

use std::fmt;

use super::decide::owned_domain;
use super::{Action, ImagePart, Reason, Vertex, is_as_planned};
use crate::hypervisor::{Disk, Domain, StorageSource, VolumeInfo, version};
use crate::ids::HostName;
use crate::plan::{Instance, Plan, Role, Volume};
use crate::state::world::{HostView, World};
use crate::topology::Virtualization;
use crate::units::Mebibytes;

/// A fixed machine that goes on at its planned host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it is.
    pub from: HostName,
    /// How it goes.
    pub way: Way,
    /// Whether its volumes lie in a pool that both hosts see.
    pub shared: bool,
    /// Whether it runs, and has to stop on its way.
    pub stops: bool,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = &self.from;
        match (self.way, self.stops) {
            (Way::Live, _) => write!(f, "moves from {from} while it runs"),
            (_, true) => write!(f, "moves from {from}, shut down meanwhile"),
            (_, false) => write!(f, "moves from {from}"),
        }
    }
}

/// How a machine goes to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is migrated while it runs.
    Live,
    /// It is off: its disks are migrated with a process that executes nothing, which then
    /// boots at the destination.
    Paused,
    /// Only its definition goes; one that runs is shut down before.
    Cold,
}

/// Why a machine cannot go to another host as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Immovable {
    /// One host runs guests in hardware, the other emulates them.
    Hypervisor,
    /// The hosts have different CPUs, which the guest sees.
    Cpu {
        /// That of the host where it is.
        here: String,
        /// That of the planned host.
        there: String,
    },
    /// The planned host's QEMU is older.
    Qemu {
        /// That of the host where it is.
        here: u64,
        /// That of the planned host.
        there: u64,
    },
    /// It has a disk that is not planned.
    ForeignDisk(String),
    /// A volume of it cannot be found.
    VolumeMissing(String),
    /// Its root is an overlay on another image than the planned one.
    Image,
    /// Its disk is larger than planned.
    Shrinks {
        /// As it is.
        found: Mebibytes,
        /// As planned.
        planned: Mebibytes,
    },
}

impl fmt::Display for Immovable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hypervisor => f.write_str("one host has kvm and the other has not"),
            Self::Cpu { here, there } => {
                write!(f, "its CPUs are {here}, the new host's are {there}")
            }
            Self::Qemu { here, there } => {
                let (here, there) = (version(*here), version(*there));
                write!(f, "the new host's QEMU {there} is older than {here}")
            }
            Self::ForeignDisk(disk) => write!(f, "its disk {disk} is not in the plan"),
            Self::VolumeMissing(disk) => write!(f, "the volume of its disk {disk} is missing"),
            Self::Image => f.write_str("its image differs from the planned one"),
            Self::Shrinks { found, planned } => {
                write!(f, "its disk has {found}, and {planned} are planned")
            }
        }
    }
}

/// Finds how a fixed machine goes to its planned host; `None` where it is not on another
/// one, or runs at the planned one already.
#[must_use]
pub fn relocation(
    plan: &Plan,
    world: &World,
    instance: &Instance,
) -> Option<Result<Move, Immovable>> {
    if instance.role != Role::Fixed {
        return None;
    }
    let there = world.view(&instance.host)?;
    let arrived = owned_domain(plan, there, instance);
    if arrived.is_some_and(|domain| domain.active) {
        return None;
    }
    let elsewhere = world.hosts.keys().filter(|host| **host != instance.host);
    let found = elsewhere.filter_map(|host| {
        let view = world.view(host)?;
        Some((host, view, owned_domain(plan, view, instance)?))
    });
    let (from, here, domain) = found.max_by_key(|(.., domain)| domain.active)?;
    // A definition is made last: of one that is off everything is there.
    let is_there = arrived.is_some_and(|domain| is_as_planned(plan, instance, domain));
    if !domain.active && is_there {
        return None;
    }
    let journey = Journey { plan, instance, from, here, there, domain };
    Some(journey.way())
}

/// Decides on a vertex of a machine that moves.
pub(super) fn of_move(vertex: &Vertex, moving: &Move) -> (Action, Reason) {
    let moves = Reason::Moves(Box::new(moving.clone()));
    match vertex {
        Vertex::Root(_) | Vertex::Data(_) | Vertex::Seed(_) if moving.shared => {
            (Action::NoOp, Reason::AsPlanned)
        }
        Vertex::Root(_) | Vertex::Data(_) | Vertex::Seed(_) => (Action::Create, moves),
        Vertex::Domain(_) => (Action::Migrate, moves),
        Vertex::Running(_) if moving.way == Way::Cold => (Action::Update, Reason::NotRunning),
        Vertex::Running(_) => (Action::NoOp, Reason::AsPlanned),
        _ => (Action::Update, Reason::ToBeChecked),
    }
}

/// Orders machines that move so that one whose host others leave comes after them, as far
/// as they do not change places. Of equals the first in the plan comes first.
pub(super) fn in_order<'a>(moves: Vec<(&'a Instance, &'a Move)>) -> Vec<&'a Instance> {
    let (mut left, mut ordered) = (moves, Vec::new());
    while !left.is_empty() {
        let is_free = |(one, _): &(&Instance, &Move)| {
            left.iter().all(|(other, moving)| other.name == one.name || moving.from != one.host)
        };
        let next = left.iter().position(is_free).unwrap_or(0);
        ordered.push(left.remove(next).0);
    }
    ordered
}

/// A machine with the hosts that it goes from and to.
struct Journey<'a> {
    plan: &'a Plan,
    instance: &'a Instance,
    from: &'a HostName,
    here: &'a HostView,
    there: &'a HostView,
    domain: &'a Domain,
}

impl Journey<'_> {
    fn way(&self) -> Result<Move, Immovable> {
        self.disks()?;
        let shared = self.is_shared();
        let way = match (self.obstacle(), self.domain.active) {
            (None, true) => Way::Live,
            (None, false) if !shared => Way::Paused,
            (Some(obstacle), _) if !shared => return Err(obstacle),
            _ => Way::Cold,
        };
        let stops = way == Way::Cold && self.domain.active;
        Ok(Move { from: self.from.clone(), way, shared, stops })
    }

    /// Why it cannot run on as it is.
    fn obstacle(&self) -> Option<Immovable> {
        let kind = |host| self.plan.topology.host(host).map(|host| host.hypervisor);
        let (old, new) = (kind(self.from), kind(&self.instance.host));
        if old.is_some() && old != new {
            return Some(Immovable::Hypervisor);
        }
        let (here, there) = (&self.here.report, &self.there.report);
        if there.qemu_version < here.qemu_version {
            let (here, there) = (here.qemu_version, there.qemu_version);
            return Some(Immovable::Qemu { here, there });
        }
        match (&here.cpu_model, &there.cpu_model) {
            (Some(here), Some(there)) if new == Some(Virtualization::Kvm) && here != there => {
                Some(Immovable::Cpu { here: here.clone(), there: there.clone() })
            }
            _ => None,
        }
    }

    /// Whether all its volumes lie where both hosts see them.
    fn is_shared(&self) -> bool {
        let is_shared = |host: &HostName, pool: &str| {
            let host = self.plan.topology.host(host);
            host.and_then(|host| host.pool(pool)).is_some_and(|pool| pool.shared)
        };
        self.domain.definition.devices.disks.iter().all(|disk| {
            let planned = planned_volume(self.instance, disk);
            self.place(disk).zip(planned).is_some_and(|((pool, volume), planned)| {
                pool == planned.pool
                    && volume.name == planned.name
                    && is_shared(self.from, pool)
                    && is_shared(&self.instance.host, pool)
            })
        })
    }

    /// Whether all its disks have a place at the planned host.
    fn disks(&self) -> Result<(), Immovable> {
        let image = self.plan.image.as_ref().map(|image| ImagePart::Disk.volume(&image.disk));
        for disk in &self.domain.definition.devices.disks {
            let name = || disk.target.clone().or(disk.serial.clone()).unwrap_or_default();
            let planned = planned_volume(self.instance, disk);
            let planned = planned.ok_or_else(|| Immovable::ForeignDisk(name()))?;
            let (_, volume) = self.place(disk).ok_or_else(|| Immovable::VolumeMissing(name()))?;
            let backing = volume.backing.as_deref().map(|path| path.rsplit('/').next());
            if backing.is_some_and(|file| file != image.as_deref()) {
                return Err(Immovable::Image);
            }
            if !disk.readonly && volume.capacity > planned.size_mib.bytes() {
                let found = Mebibytes::new(volume.capacity >> 20);
                return Err(Immovable::Shrinks { found, planned: planned.size_mib });
            }
        }
        Ok(())
    }

    /// The pool and the volume of a disk.
    fn place(&self, disk: &Disk) -> Option<(&str, &VolumeInfo)> {
        let source = disk.sources.first()?;
        let mut all =
            self.here.volumes.iter().flat_map(|(pool, volumes)| {
                volumes.iter().map(move |volume| (pool.as_str(), volume))
            });
        all.find(|(pool, volume)| match source {
            StorageSource::Path(path) => *path == volume.path,
            StorageSource::Volume { pool: of, name } => of == pool && *name == volume.name,
        })
    }
}

/// Returns the planned volume that a disk is of, by its serial number.
#[must_use]
pub fn planned_volume<'a>(instance: &'a Instance, disk: &Disk) -> Option<&'a Volume> {
    match disk.serial.as_deref()? {
        "root" => instance.root.as_ref(),
        "data" => instance.data.as_ref(),
        "seed" => instance.seed.as_ref(),
        _ => None,
    }
}
