//! Lets another copy lead, as a person has decided: in step with a leader that answers, or in
//! the place of one that is off. Nothing is promoted beside a machine that may still serve.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use crate::engine::{Copies, Crew, EngineError, Operator, operator_of};
use crate::hypervisor::ErrorKind;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, ServicePlan};

/// A group of a service that is asked who leads it.
pub struct Failover<'a> {
    context: &'a Context<'a>,
    service: &'a ServicePlan,
    operator: &'static dyn Operator,
    group: u32,
}

/// Who leads a group, and who could.
#[derive(Debug)]
pub struct Leadership<'a> {
    /// Who leads, where all that answered agree.
    pub leader: Option<InstanceName>,
    /// Those that could take over at once; the leader among them.
    pub healthy: BTreeSet<InstanceName>,
    /// What is wrong with the others.
    pub ailing: BTreeMap<InstanceName, String>,
    /// Those that do not answer, each of which may be the leader.
    pub silent: Vec<&'a Instance>,
}

/// Why another copy does not lead.
#[derive(Debug, thiserror::Error)]
pub enum FailoverError {
    /// The engine, or the way to it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A machine that may still take writes.
    #[error("{instance} may still take writes: {why}")]
    NotFenced {
        /// The instance.
        instance: InstanceName,
        /// Its host.
        host: HostName,
        /// Why it could not be switched off.
        why: String,
    },
    /// The group's leader answers.
    #[error("{service}: {leader} answers and takes writes")]
    Answers {
        /// The service.
        service: ServiceName,
        /// Who leads.
        leader: InstanceName,
    },
}

impl<'a> Failover<'a> {
    /// A group of a service.
    ///
    /// # Errors
    /// An engine that cannot be set up.
    pub fn of(
        context: &'a Context<'a>,
        service: &'a ServicePlan,
        group: u32,
    ) -> Result<Self, EngineError> {
        Ok(Self { context, service, operator: operator_of(service)?, group })
    }

    /// Its instances that can be asked.
    fn crew(&self) -> Crew<'a> {
        self.context.crew(self.service, &[])
    }

    /// Who leads it now and who could, and who does not answer.
    ///
    /// # Errors
    /// The plan contradicts itself.
    pub fn leadership(&self) -> Result<Leadership<'a>, EngineError> {
        let (copies, answering) = self.operator.copies(&self.crew(), self.group)?;
        let members = self.context.plan.members(&self.service.name);
        let own = members.filter(|one| one.group == Some(self.group));
        let silent = own.filter(|one| !answering.contains(&one.name)).collect();
        let Copies { leader, healthy, ailing } = copies;
        Ok(Leadership { leader, healthy, ailing, silent })
    }

    /// Lets `to` take over from a leader that answers.
    ///
    /// # Errors
    /// It is not in step, or does not answer.
    pub fn hand_over(&self, to: &InstanceName) -> Result<(), EngineError> {
        self.operator.take_lead(&self.crew(), to)
    }

    /// Why a write to a leader that answers does not come back, if it does not: it may be stuck,
    /// as on a full disk.
    ///
    /// # Errors
    /// The plan contradicts itself.
    pub fn stuck(&self, leader: &InstanceName) -> Result<Option<String>, EngineError> {
        self.operator.stuck(&self.crew(), leader)
    }

    /// Sees to it that an instance is off: switched off by its host's hypervisor, or by
    /// `fence`, which knows another way to a host.
    ///
    /// # Errors
    /// [`FailoverError::NotFenced`].
    pub fn switch_off(
        &self,
        instance: &Instance,
        fence: &dyn Fn(&HostName) -> Option<Result<(), String>>,
    ) -> Result<String, FailoverError> {
        let host = &instance.host;
        let not_fenced = |why: String| FailoverError::NotFenced {
            instance: instance.name.clone(),
            host: host.clone(),
            why,
        };
        let why = match self.context.hosts.connected.get(host) {
            None => format!("host {host} does not answer"),
            Some(hypervisor) => match hypervisor.is_active(&instance.domain) {
                Ok(false) => return Ok(format!("{} is off", instance.name)),
                Err(error) if error.kind == ErrorKind::NotFound => {
                    return Ok(format!("{} is not there", instance.name));
                }
                Ok(true) => match hypervisor.power_off(&instance.domain) {
                    Ok(()) => return Ok(format!("{} switched off", instance.name)),
                    Err(error) => error.to_string(),
                },
                Err(error) => error.to_string(),
            },
        };
        match fence(host) {
            None => Err(not_fenced(why)),
            Some(Ok(())) => Ok(format!("{host} fenced")),
            Some(Err(failed)) => Err(not_fenced(format!("{why}; {failed}"))),
        }
    }

    /// Lets one lead in the place of those that are off.
    ///
    /// # Errors
    /// None has what is needed.
    pub fn promote(
        &self,
        off: &BTreeSet<InstanceName>,
        to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError> {
        let crew = self.crew().without(|one| off.contains(&one.name));
        self.operator.promote(&crew, self.group, to)
    }
}
