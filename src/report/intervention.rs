//! What an operator has to do where a cluster cannot recover by itself.

use crate::audit::{Intervention, Loss, Promotion};
use crate::ids::{InstanceName, ServiceName};
use crate::spec::Cluster;

/// Returns the order to the operator; `None` where the service recovers by itself.
pub(super) fn intervention(loss: &Loss) -> Option<String> {
    Some(match loss.intervention.as_ref()? {
        Intervention::Takeover { replicas } => {
            let replicas: Vec<&str> = replicas.iter().map(InstanceName::as_str).collect();
            format!(
                "no majority of masters is left: run `CLUSTER FAILOVER TAKEOVER` on {}",
                replicas.join(", ")
            )
        }
        Intervention::Bootstrap { voter } => {
            let voter = voter.as_ref().map_or("a new one", InstanceName::as_str);
            format!(
                "no majority of voters is left: nothing is written until {:?} is back; if it \
                 never will, stop all, run `elasticsearch-node unsafe-bootstrap` on {voter} \
                 (OpenSearch: `opensearch-node`), which may lose the last writes, and \
                 `detach-cluster` on the others",
                loss.domain
            )
        }
        Intervention::Regroup { groups } => {
            let left = groups.iter().flat_map(|one| &one.replicas).map(InstanceName::as_str);
            format!(
                "no majority of the group is left: nothing is written until {:?} is back; if it \
                 will not be soon, `hostsplit failover PLAN {} --force` forms the group anew of {}, \
                 once the others are off",
                loss.domain,
                loss.service,
                left.collect::<Vec<_>>().join(", ")
            )
        }
        Intervention::Promote { groups } => promote(&loss.service, groups),
        Intervention::MoveAddress { active, standby } => format!(
            "the address does not move between sites by itself: make sure that {active} is off \
             (fence its host: cut off, it may still serve clients); then add the address on \
             {standby} (`ip address add`), announce it (`arping -U`), and take it out of \
             {active} before that returns"
        ),
    })
}

/// The steps to new primaries.
fn promote(service: &ServiceName, groups: &[Promotion]) -> String {
    let old: Vec<&str> = groups.iter().map(|one| one.primary.as_str()).collect();
    let new = groups.iter().map(|one| {
        let names: Vec<&str> = one.replicas.iter().map(InstanceName::as_str).collect();
        match names.as_slice() {
            [only] => (*only).to_owned(),
            several => format!("the one of {} that received most", several.join(", ")),
        }
    });
    let new = new.collect::<Vec<_>>().join(", and ");
    let is = if old.len() == 1 { "is" } else { "are" };
    let old = old.join(", ");
    let group = if groups.len() > 1 { ", for each group with `--group`," } else { "" };
    format!(
        "replicas elect nobody: make sure that {old} {is} off (fence the host: cut off, it may \
         still take writes); then `hostsplit failover PLAN {service} --force`{group} lets {new} \
         apply what was received and take writes; what {old} took without an acknowledgement is \
         lost, and the next deploy takes {old} back as a replica"
    )
}

/// Returns what would spare the operator the intervention: a third vote, or a place without
/// a cut between both.
pub(super) fn hint(loss: &Loss) -> Option<String> {
    let Loss { level, service, domains, .. } = loss;
    loss.intervention.as_ref()?;
    let third = if *domains < 3 { "a third" } else { "another" };
    Some(match loss.cluster {
        Cluster::Sharded | Cluster::Quorum if *domains >= 3 => return None,
        Cluster::Sharded => format!(
            "{service}: with a third {level}, even a small one that carries one master, and \
             `quorum: automatic` it decides by itself"
        ),
        Cluster::Quorum => format!(
            "{service}: with a third {level}, even a small one that carries one voting-only \
             instance, and `quorum: automatic` it decides by itself"
        ),
        Cluster::PrimaryReplica => format!(
            "{service}: two copies are two votes; where it must go on without a person, a third \
             vote on {third} {level} decides: with `failover: automatic` mysql has a third copy \
             and elects by itself (Group Replication); for mariadb that is not built yet"
        ),
        Cluster::GatewayPair => format!(
            "{service}: two instances are two votes; in one site they move the address by \
             themselves, and between sites a third one has to decide, such as routing or DNS with \
             health checks from {third} {level}"
        ),
        Cluster::Pool => return None,
    })
}
