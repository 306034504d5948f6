//! How a host is cut off, and how it is brought back.

use std::fmt;

use super::fence::{Fence, FenceAction};
use crate::hypervisor::fan_out::on_each;
use crate::hypervisor::{Domain, Hypervisor, HypervisorError};
use crate::ids::DeploymentName;
use crate::state::world::is_ours;
use crate::topology::Host;

/// How a host fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// It loses its power.
    Power,
    /// It loses its network.
    Cable,
    /// Its guests hang.
    Hang,
}

impl Cut {
    /// The word on the command line and in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Cable => "cable",
            Self::Hang => "hang",
        }
    }

    /// What a fence does for it, and to end it; no fence lets guests hang.
    const fn fenced(self) -> Option<(FenceAction, FenceAction)> {
        match self {
            Self::Power => Some((FenceAction::Off, FenceAction::On)),
            Self::Cable => Some((FenceAction::Cut, FenceAction::Restore)),
            Self::Hang => None,
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host with the means to cut it off.
pub(super) struct Target<'a> {
    pub(super) host: &'a Host,
    pub(super) deployment: &'a DeploymentName,
    pub(super) fence: &'a dyn Fence,
}

impl Target<'_> {
    /// Cuts the host off. By its fence it goes as a whole, otherwise by its domains of the
    /// deployment.
    pub(super) fn cut_off(&self, libvirt: &dyn Hypervisor, cut: Cut) -> Result<(), String> {
        if let (Some(fence), Some((action, _))) = (&self.host.fence, cut.fenced()) {
            return self.fence.run(&fence.command, &self.host.name, action);
        }
        self.each(libvirt, |domain| match cut {
            Cut::Power => libvirt.power_off(&domain.name),
            Cut::Cable => links(libvirt, domain, false),
            Cut::Hang => libvirt.suspend(&domain.name),
        })
    }

    /// Gives the host back what was cut off, where its fence did it; its libvirt need not
    /// answer for that.
    pub(super) fn unfence(&self, cut: Cut) -> Result<(), String> {
        match (&self.host.fence, cut.fenced()) {
            (Some(fence), Some((_, action))) => {
                self.fence.run(&fence.command, &self.host.name, action)
            }
            _ => Ok(()),
        }
    }

    /// Gives its domains back what was cut off. Those without power are started by a
    /// deploy, which does it in order.
    pub(super) fn bring_back(&self, libvirt: &dyn Hypervisor, cut: Cut) -> Result<(), String> {
        if self.host.fence.is_some() && cut.fenced().is_some() {
            return Ok(());
        }
        self.each(libvirt, |domain| match cut {
            Cut::Power => Ok(()),
            Cut::Cable => links(libvirt, domain, true),
            Cut::Hang => libvirt.resume(&domain.name),
        })
    }

    /// Acts upon all domains of the deployment that run, also after one failed.
    fn each(
        &self,
        libvirt: &dyn Hypervisor,
        act: impl Fn(&Domain) -> Result<(), HypervisorError> + Sync,
    ) -> Result<(), String> {
        let domains = libvirt.domains().map_err(|error| error.to_string())?;
        let is_here = |domain: &Domain| domain.active && is_ours(domain, self.deployment);
        let own: Vec<Domain> = domains.into_iter().filter(is_here).collect();
        let results = on_each(&own, |_| (), act);
        let failures: Vec<String> =
            results.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
    }
}

/// Sets the links of all interfaces of a domain.
fn links(libvirt: &dyn Hypervisor, domain: &Domain, up: bool) -> Result<(), HypervisorError> {
    let macs = &domain.definition.devices.macs;
    macs.iter().try_for_each(|mac| libvirt.set_link(&domain.name, mac, up))
}
