//! Where the leading instances of a service are that prefers hosts for them.

use super::columns::labelled;
use super::plan::{PreferredSummary, ServiceSummary};
use crate::spec::Cluster;
use crate::units::grouped;

/// A line of the service's summary; empty where it prefers nothing.
pub(super) fn line(service: &ServiceSummary, width: usize) -> String {
    sentence(service).map_or_else(String::new, |text| labelled("prefers", width, &text))
}

/// `2 of 5 masters on site main: no host may hold half of the masters`.
pub(super) fn sentence(service: &ServiceSummary) -> Option<String> {
    let PreferredSummary { hosts, leading, there, instances, majority, is_proved } =
        service.preferred.as_ref()?;
    let (all, hosts) = (leads(service.engine.cluster(), *leading), hosts.join(", "));
    if there == leading {
        return Some(format!("{} {all} on {hosts}", grouped(*leading)));
    }
    let why = match majority {
        Some(level) => format!("no {level} may hold half of the masters"),
        None if !is_proved => "not proved to be the most".to_owned(),
        None if *instances == 0 => "an instance there would break a rule or cost more".to_owned(),
        None => "more instances there would break a rule or cost more".to_owned(),
    };
    Some(format!("{} of {} {all} on {hosts}: {why}", grouped(*there), grouped(*leading)))
}

/// What leads.
pub(super) const fn leads(cluster: Cluster, count: u64) -> &'static str {
    match (cluster, count) {
        (Cluster::Sharded, 1) => "master",
        (Cluster::Sharded, _) => "masters",
        (Cluster::PrimaryReplica, 1) => "primary",
        (Cluster::PrimaryReplica, _) => "primaries",
        (Cluster::GatewayPair, _) => "active instance",
        (Cluster::Quorum | Cluster::Pool, _) => "instances",
    }
}
