//! Everything that work on a vertex needs besides the vertex.

use std::collections::BTreeSet;
use std::time::Duration;

use super::images::content_of;
use super::{Hosts, ImageStore, StepError};
use crate::engine::{Crew, EngineError, Guests, Leaving, Outage};
use crate::graph::{Impact, ImpactKind};
use crate::guest::Guest;
use crate::hypervisor::Hypervisor;
use crate::hypervisor::clock::Clock;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::secret::Secrets;
use crate::spec::Serve;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From power-on until the agent answers, and again until the first boot is
    /// over. Generous: an emulated guest on a busy machine takes minutes.
    pub boot: Duration,
    /// From the wish to shut down until the power is cut.
    pub shutdown: Duration,
    /// For how long a migration may make no headway: with more and more left to send, or as
    /// much as before.
    pub migration: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(900),
            shutdown: Duration::from_secs(60),
            migration: Duration::from_secs(600),
        }
    }
}

/// A plan with its hosts connected.
pub struct Context<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its hosts, and those of earlier plans.
    pub hosts: &'a Hosts,
    /// What waiting goes by.
    pub clock: &'a dyn Clock,
    /// Where the image's files are.
    pub images: &'a dyn ImageStore,
    /// How long things may take.
    pub patience: Patience,
    /// Passwords and certificates of the deployment.
    pub secrets: &'a Secrets,
    /// What the operator allows.
    pub allowed: Allowed,
}

/// What the operator allows a change to do: names of services and fixed machines, and of
/// hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Those that need not serve meanwhile.
    pub downtime: BTreeSet<ServiceName>,
    /// Those that may lose data.
    pub data_loss: BTreeSet<ServiceName>,
    /// Hosts that are left out: they are off, for good or for now, as the operator says.
    pub left_out: BTreeSet<HostName>,
}

impl Allowed {
    /// Whether a change may do this.
    #[must_use]
    pub fn covers(&self, impact: &Impact) -> bool {
        match impact.kind {
            ImpactKind::Downtime => &self.downtime,
            ImpactKind::DataLoss => &self.data_loss,
        }
        .contains(&impact.service)
    }

    /// Whether nobody need serve the data of a service meanwhile.
    pub(super) fn outage(&self, service: &ServiceName) -> Outage {
        if self.downtime.contains(service) { Outage::Allowed } else { Outage::Refused }
    }
}

impl Context<'_> {
    /// A service with the way to its guests; instances on hosts that are not connected are
    /// not waited for.
    pub(super) fn crew<'s>(&'s self, service: &'s ServicePlan, leaving: &'s [Leaving]) -> Crew<'s> {
        let crew = Crew::new(self.plan, service, self).with_leaving(leaving);
        let crew = crew.losing_data(self.may_lose_data(service));
        crew.without(|instance| !self.hosts.connected.contains_key(&instance.host))
    }

    /// Whether data of a service may be given up of which nothing is left: the operator has
    /// allowed it, and no host may have it that does not answer, of an earlier plan either.
    fn may_lose_data(&self, service: &ServicePlan) -> bool {
        self.allowed.data_loss.contains(&service.name) && self.hosts.unreachable.is_empty()
    }

    /// A service with all instances that are not left out, also those that cannot be asked
    /// and so are not as planned.
    #[must_use]
    pub fn whole_crew<'s>(&'s self, service: &'s ServicePlan) -> Crew<'s> {
        let crew = Crew::new(self.plan, service, self);
        crew.without(|instance| self.allowed.left_out.contains(&instance.host))
    }

    /// A connected host.
    pub(super) fn host(&self, name: &HostName) -> Result<&dyn Hypervisor, StepError> {
        let host = self.hosts.connected.get(name).map(AsRef::as_ref);
        host.ok_or_else(|| StepError::NotConnected(name.clone()))
    }

    /// Returns an instance of the plan.
    pub(super) fn instance(&self, name: &InstanceName) -> Result<&Instance, StepError> {
        self.plan.instance(name).ok_or_else(|| StepError::NotInPlan(name.to_string()))
    }
}

impl Guests for Context<'_> {
    fn guest(&self, name: &InstanceName) -> Result<Guest<'_>, EngineError> {
        let problem = |problem: &str| EngineError::Plan {
            instance: name.clone(),
            problem: problem.to_owned(),
        };
        let instance = self.plan.instance(name).ok_or_else(|| problem("not in the plan"))?;
        let hypervisor = self
            .hosts
            .connected
            .get(&instance.host)
            .ok_or_else(|| problem(&format!("host {} is not connected", instance.host)))?;
        Ok(Guest { hypervisor: hypervisor.as_ref(), domain: &instance.domain, clock: self.clock })
    }

    fn guest_of<'a>(&'a self, leaving: &'a Leaving) -> Result<Guest<'a>, EngineError> {
        let hypervisor = self.hosts.connected.get(&leaving.host);
        let hypervisor = hypervisor.ok_or_else(|| EngineError::Plan {
            instance: leaving.name.clone(),
            problem: format!("host {} is not connected", leaving.host),
        })?;
        Ok(Guest { hypervisor: hypervisor.as_ref(), domain: &leaving.domain, clock: self.clock })
    }

    fn secrets(&self) -> &Secrets {
        self.secrets
    }

    fn content(&self, serve: &Serve) -> Result<Vec<u8>, EngineError> {
        content_of(self.images, serve).map_err(EngineError::Files)
    }

    fn clock(&self) -> &dyn Clock {
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::connect_without;
    use crate::deploy::images::LocalImages;
    use crate::sample;
    use crate::simulated::SimulatedWorld;

    #[test]
    fn what_a_host_of_an_earlier_plan_may_have_is_not_lost_before_it_answers() {
        let plan = sample::plan();
        let (world, former) = (SimulatedWorld::new(&plan.topology), HostName::new("h9").unwrap());
        let service = &plan.services[0];
        let mut allowed =
            Allowed { data_loss: [service.name.clone()].into(), ..Allowed::default() };
        for (left_out, may_lose) in [(None, false), (Some(former.clone()), true)] {
            allowed.left_out = left_out.into_iter().collect();
            let earlier = [(former.clone(), "qemu+ssh://gone/system".to_owned())].into();
            let context = Context {
                plan: &plan,
                hosts: &connect_without(&plan, &world, &allowed.left_out, &earlier),
                clock: &world.clock(),
                images: &LocalImages { directory: "images".into() },
                patience: Patience::default(),
                secrets: &Secrets::default(),
                allowed: allowed.clone(),
            };
            assert_eq!(context.may_lose_data(service), may_lose, "{:?}", context.allowed);
        }
    }
}
