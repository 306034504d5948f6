//! Why a plan has an instance: the limit that sets the number of those that lead,
//! or what a follower is for.

use crate::ids::{HostName, InstanceName};
use crate::plan::{Binding, Instance, Plan, Role, ServicePlan};

/// Why a plan has an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The spec requests it: a fixed machine, or a fixed number of instances.
    Requested,
    /// It takes over when the host of its group's leader fails, by itself or by a person.
    Standby {
        /// The leader.
        of: InstanceName,
        /// The leader's host.
        host: HostName,
    },
    /// One instance does not serve all reads.
    Reads,
    /// It makes the number of voters odd.
    OddVoters,
    /// The service needs one instance.
    Enough,
    /// Shards are to be copied to other instances.
    Copies {
        /// Whether the policy requires the copies, and not the demand.
        survives: bool,
    },
    /// A quorum has a least number of members.
    Quorum {
        /// Masters that vote; `None` where three voters do.
        masters: Option<u32>,
    },
    /// The demand exceeds what one instance serves.
    Throughput,
    /// The data exceeds one process.
    DataPerProcess,
    /// The writes exceed one primary.
    Writes,
    /// The demand exceeds the I/O operations of one instance's disk.
    Iops,
    /// The data exceeds what the memory of one instance serves.
    DataPerMemory,
}

impl Cause {
    /// The cause of an instance of a plan.
    #[must_use]
    pub fn of(plan: &Plan, instance: &Instance) -> Self {
        let Some(service) = plan.service_of(instance) else { return Self::Requested };
        let mut groups = service.groups.iter();
        let group = groups.find(|group| Some(group.index) == instance.group);
        let lead = group.and_then(|group| plan.instance(&group.lead));
        match (instance.role, lead) {
            (Role::Replica | Role::Standby, Some(lead)) if plan.policy.survives() => {
                Self::Standby { of: lead.name.clone(), host: lead.host.clone() }
            }
            (Role::Replica, _) => Self::Reads,
            (Role::Witness, _) => Self::OddVoters,
            _ => Self::of_leaders(plan, service),
        }
    }

    /// What sets the number of a service's instances.
    fn of_leaders(plan: &Plan, service: &ServicePlan) -> Self {
        let layout = &service.layout;
        match service.capacity.binding {
            Binding::Throughput if layout.instances == 1 => Self::Enough,
            Binding::Throughput => Self::Throughput,
            Binding::Copies if layout.instances > 1 && service.groups.is_empty() => {
                Self::Copies { survives: plan.policy.survives() }
            }
            Binding::Copies => Self::Enough,
            Binding::DataPerProcess => Self::DataPerProcess,
            Binding::Quorum => {
                Self::Quorum { masters: (layout.groups > 1).then_some(layout.groups) }
            }
            Binding::Writes => Self::Writes,
            Binding::Iops => Self::Iops,
            Binding::DataPerMemory => Self::DataPerMemory,
            Binding::Fixed => Self::Requested,
        }
    }
}
