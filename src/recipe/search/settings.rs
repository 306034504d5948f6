//! What is planned for a node and for the indices that clients make.

use super::{HTTP, Package, TRANSPORT};
use crate::plan::{Instance, Role, Setting, Settings};
use crate::profile::Rules;
use crate::recipe::{Planned, settings_of};
use crate::sizing::quorum::{Sharing, Sizes};
use crate::spec::Demand;
use crate::topology::Level;

/// Parts of a data volume: where a node gets no more shards, where it gives some away, and
/// where indices on it take no more writes. The data volume is larger than the data by more.
/// <https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/cluster-level-shard-allocation-routing-settings>
const WATERMARKS: [(&str, &str); 3] = [("low", "85%"), ("high", "90%"), ("flood_stage", "95%")];

pub(super) fn settings(planned: &Planned<'_>) -> Settings {
    let Planned { plan, service, instance, profile } = *planned;
    let package = Package::of(service.engine);
    let (Demand::Quorum(demand), Rules::Quorum(rules)) = (&service.demand, &profile.rules) else {
        return Settings::new();
    };
    let votes = |one: &&Instance| matches!(one.role, Role::Voter | Role::Witness);
    let voters: Vec<&Instance> = planned.members().filter(votes).collect();
    let roles: Vec<&str> = match instance.role {
        Role::Voter => vec![package.votes, "data", "ingest"],
        Role::Witness => [Some(package.votes), package.votes_only].into_iter().flatten().collect(),
        _ => vec!["data", "ingest"],
    };
    let heap = Sizes { profile, rules }.heap(instance.memory_mib);
    let survives = plan.policy.survives();
    let sharing = Sharing::new((profile, rules), demand, service.layout.copies, survives);
    let shards = sharing.of(service.capacity.usable_per_s).primary;
    let mut settings = settings_of([
        ("cluster.name", format!("{}-{}", plan.name, service.name).as_str().into()),
        ("node.name", instance.name.as_str().into()),
        ("node.roles", Setting::words(roles)),
        ("node.processors", u64::try_from(instance.cpus.len()).unwrap_or(u64::MAX).into()),
        ("path.data", package.data.into()),
        ("path.logs", package.logs.into()),
        ("http.port", u64::from(HTTP).into()),
        ("transport.port", u64::from(TRANSPORT).into()),
        ("bootstrap.memory_lock", true.into()),
        // It answers before there is a cluster, which is founded once all answer.
        ("discovery.initial_state_timeout", "0s".into()),
        ("discovery.seed_hosts", Setting::words(voters.iter().filter_map(|one| one.address))),
        ("jvm.heap", heap.into()),
        ("index.number_of_shards", shards.into()),
        ("index.number_of_replicas", u64::from(demand.copies.saturating_sub(1)).into()),
    ]);
    if let Some(address) = instance.address {
        settings.insert("network.host".to_owned(), address.into());
    }
    for (stage, part) in WATERMARKS {
        let name = format!("cluster.routing.allocation.disk.watermark.{stage}");
        settings.insert(name, part.into());
    }
    if let Some(security) = &package.security {
        settings.extend(security.settings(service));
    }
    settings.insert("node.attr.host".to_owned(), instance.host.as_str().into());
    settings.extend(awareness(planned));
    settings
}

/// Copies of a shard go to different failure domains, and are not made again on the
/// domains that are left when one is lost: what is left was sized for its own share.
fn awareness(planned: &Planned<'_>) -> Settings {
    let Planned { plan, instance, .. } = *planned;
    let level = plan.policy.survive.first().map_or(Level::Host, |survive| survive.level);
    let domain = |one: &Instance| Some(plan.topology.host(&one.host)?.failure_domain(level));
    let Some(own) = domain(instance) else { return Settings::new() };
    let mut all: Vec<String> = planned.members().filter_map(domain).collect();
    all.sort_unstable();
    all.dedup();
    let level = level.as_str();
    let mut settings =
        settings_of([("cluster.routing.allocation.awareness.attributes", Setting::words([level]))]);
    settings.insert(format!("node.attr.{level}"), own.as_str().into());
    let force = format!("cluster.routing.allocation.awareness.force.{level}.values");
    settings.insert(force, Setting::words(all));
    settings
}
