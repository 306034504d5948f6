//! Elasticsearch and OpenSearch: `elasticsearch.yml` or `opensearch.yml`, the heap of
//! `jvm.options`, and the index template. Planned, not yet deployed.
//! <https://www.elastic.co/docs/deploy-manage/deploy/self-managed/important-settings-configuration>
//! <https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index/>

use super::{Planned, Recipe, settings_of};
use crate::plan::{Instance, Role, Setting, Settings};
use crate::profile::Rules;
use crate::sizing::quorum::{Sharing, Sizes};
use crate::spec::Demand;
use crate::topology::Level;

const HTTP: u64 = 9200;
const TRANSPORT: u64 = 9300;

const MAIN: &[&str] =
    &["jvm.heap", "node.roles", "index.number_of_shards", "index.number_of_replicas"];

/// Elasticsearch 8 and later.
pub(super) static ELASTICSEARCH: Recipe =
    Recipe { settings: elasticsearch, main: MAIN, setup: None };

/// OpenSearch 2 and later.
pub(super) static OPENSEARCH: Recipe = Recipe { settings: opensearch, main: MAIN, setup: None };

/// What the two call differently.
struct Words {
    master: &'static str,
    initial: &'static str,
    /// The role, if there is one, of a node that may vote and never be elected.
    votes_only: Option<&'static str>,
    data: &'static str,
}

fn elasticsearch(planned: &Planned<'_>) -> Settings {
    let words = Words {
        master: "master",
        initial: "cluster.initial_master_nodes",
        votes_only: Some("voting_only"),
        data: "/var/lib/elasticsearch",
    };
    settings(planned, &words)
}

fn opensearch(planned: &Planned<'_>) -> Settings {
    let words = Words {
        master: "cluster_manager",
        initial: "cluster.initial_cluster_manager_nodes",
        votes_only: None,
        data: "/var/lib/opensearch",
    };
    settings(planned, &words)
}

fn settings(planned: &Planned<'_>, words: &Words) -> Settings {
    let Planned { plan, service, instance, profile } = *planned;
    let (Demand::Quorum(demand), Rules::Quorum(rules)) = (&service.demand, &profile.rules) else {
        return Settings::new();
    };
    let votes = |one: &&Instance| matches!(one.role, Role::Voter | Role::Witness);
    let voters: Vec<&Instance> = planned.members().filter(votes).collect();
    let roles: Vec<&str> = match instance.role {
        Role::Voter => vec![words.master, "data", "ingest"],
        Role::Witness => [Some(words.master), words.votes_only].into_iter().flatten().collect(),
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
        ("path.data", words.data.into()),
        ("http.port", HTTP.into()),
        ("transport.port", TRANSPORT.into()),
        ("bootstrap.memory_lock", true.into()),
        // Read at the first start of the cluster and never again.
        (words.initial, Setting::words(voters.iter().map(|one| &one.name))),
        ("discovery.seed_hosts", Setting::words(voters.iter().filter_map(|one| one.address))),
        ("jvm.heap", heap.into()),
        ("index.number_of_shards", shards.into()),
        ("index.number_of_replicas", u64::from(demand.copies.saturating_sub(1)).into()),
    ]);
    if let Some(address) = instance.address {
        settings.insert("network.host".to_owned(), address.into());
    }
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
