//! What a plan promises for the loss of a host.

use std::time::Duration;

use crate::audit::{Loss, losses};
use crate::ids::{HostName, InstanceName};
use crate::plan::Plan;
use crate::profile::Profiles;
use crate::topology::Level;
use crate::units::counted;

/// What is promised while a host is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Followers that take over.
    pub promoted: Vec<InstanceName>,
    /// The longest time without writes to any group, or until an address has moved.
    pub most: Duration,
}

/// Returns the promise for the loss of a host; the reason where its loss is not survived
/// without help.
///
/// # Errors
/// No copy or no majority is left.
pub fn promise(plan: &Plan, profiles: &Profiles, host: &HostName) -> Result<Promise, String> {
    let mut promise = Promise { promoted: Vec::new(), most: Duration::ZERO };
    let all = losses(plan, profiles, Level::Host);
    for loss in all.into_iter().filter(|loss| loss.domain == host.as_str()) {
        if let Some(reason) = unpromised(&loss) {
            return Err(format!("{}: {reason}", loss.service));
        }
        let most_ms = loss.failover.map(|one| one.most_ms).max(loss.address_moves_ms);
        promise.most = promise.most.max(Duration::from_millis(most_ms.unwrap_or_default()));
        promise.promoted.extend(loss.promoted);
    }
    Ok(promise)
}

fn unpromised(loss: &Loss) -> Option<String> {
    if !loss.lost_groups.is_empty() {
        let groups = counted(loss.lost_groups.len() as u64, "group");
        return Some(format!("every copy of {groups} is on it"));
    }
    let Loss { leads, leads_lost, .. } = loss;
    match loss.intervention {
        Some(_) if loss.has_majority() => Some("a person decides who takes over".to_owned()),
        Some(_) => Some(format!("{leads_lost} of {leads} that vote are on it")),
        None => None,
    }
}
