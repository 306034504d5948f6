//! Layouts, the limit that decides one, and the causes of instances, in words.

use crate::explain::Cause;
use crate::plan::{Binding, Layout};
use crate::spec::Cluster;
use crate::units::counted;

/// What a layout is made of, by the kind of cluster: `24 shards, no replicas`.
pub(super) fn shape(cluster: Cluster, layout: &Layout) -> String {
    let Layout { groups, copies, instances, .. } = layout;
    let replicas = match copies.saturating_sub(1) {
        0 => "no replicas".to_owned(),
        replicas => counted(replicas.into(), "replica"),
    };
    match cluster {
        Cluster::Sharded => {
            let each = if *copies > 1 { " each" } else { "" };
            format!("{}, {replicas}{each}", counted((*groups).into(), "shard"))
        }
        Cluster::PrimaryReplica if *groups > 1 => {
            format!("{groups} groups, each 1 primary and {replicas}")
        }
        Cluster::PrimaryReplica => format!("1 primary, {replicas}"),
        Cluster::Quorum => {
            let copies =
                if *copies == 1 { "one copy".to_owned() } else { format!("{copies} copies") };
            let witness = if layout.witness.is_some() { " and a voting-only witness" } else { "" };
            format!("cluster of {instances}{witness}, {copies} of each shard")
        }
        Cluster::Pool => format!("pool of {instances}"),
        Cluster::GatewayPair if *copies > 1 => "active instance and standby".to_owned(),
        Cluster::GatewayPair => "active instance, no standby".to_owned(),
    }
}

/// The limit that decides a layout, as a noun.
pub(super) const fn limit(binding: Binding) -> &'static str {
    match binding {
        Binding::Throughput => "throughput per instance",
        Binding::DataPerProcess => "data per process",
        Binding::Quorum => "quorum size",
        Binding::Writes => "writes per primary",
        Binding::Iops => "disk IOPS",
        Binding::DataPerMemory => "data-to-memory ratio",
        Binding::Copies => "required copies",
        Binding::Fixed => "spec",
    }
}

/// Why a layout has as many instances as it has.
pub(super) fn limited(
    cluster: Cluster,
    binding: Binding,
    layout: &Layout,
    survives: bool,
) -> String {
    match binding {
        Binding::Throughput | Binding::Copies if layout.instances == 1 => {
            "one instance is enough".to_owned()
        }
        Binding::Copies => format!("one instance is enough, {}", required(cluster, survives)),
        _ => format!("limited by {}", limit(binding)),
    }
}

/// Who follows the one instance, and what requires it.
fn required(cluster: Cluster, survives: bool) -> String {
    let what = match cluster {
        Cluster::Sharded | Cluster::PrimaryReplica => "replicas",
        Cluster::Quorum | Cluster::Pool => "copies",
        Cluster::GatewayPair => "standby",
    };
    format!("{what} required by {}", if survives { "policy.survive" } else { "the demand" })
}

/// Why a plan has an instance.
pub(super) fn reason(cause: &Cause) -> String {
    match cause {
        Cause::Requested => "requested by the spec".to_owned(),
        Cause::Standby { of, host } => format!("standby for {of} if {host} fails"),
        Cause::Reads => "reads exceed one instance".to_owned(),
        Cause::OddVoters => "a majority needs an odd number of voters".to_owned(),
        Cause::Enough => "one instance is enough".to_owned(),
        Cause::Copies { survives } => required(Cluster::Quorum, *survives),
        Cause::Quorum { masters: Some(masters) } => format!("a quorum needs {masters} masters"),
        Cause::Quorum { masters: None } => "a quorum needs 3 voters".to_owned(),
        Cause::Throughput => "demand exceeds one instance".to_owned(),
        Cause::DataPerProcess => "data exceeds one process".to_owned(),
        Cause::Writes => "writes exceed one primary".to_owned(),
        Cause::Iops => "demand exceeds the disk IOPS of one instance".to_owned(),
        Cause::DataPerMemory => "data exceeds what the memory of one instance serves".to_owned(),
    }
}
