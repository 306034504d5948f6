//! What an operator has to do where a cluster cannot recover by itself.

use crate::audit::{Intervention, Loss};
use crate::ids::InstanceName;

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
    })
}
