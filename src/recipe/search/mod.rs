//! Elasticsearch and OpenSearch: one whole configuration file, the heap of the JVM, what the
//! unit does besides, and the first start of a cluster.
//!
//! No configuration says who founds a cluster: an instance that was configured so and has lost its
//! data would found another. One start of one instance is given [`Package::founds`] as an
//! argument, by a file that is gone once it runs.
//! <https://www.elastic.co/docs/deploy-manage/deploy/self-managed/important-settings-configuration>
//! <https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/index/>

mod files;
mod security;
mod settings;

pub use self::files::{bootstrap, planned_digest};
pub use self::security::{Security, known, read, who};

use super::credentials::{CLIENT, INTERNAL};
use super::{Certificates, Recipe, Setup};
use crate::engines::Engine;
use crate::guest_file::Owner;
use crate::plan::ServicePlan;
use crate::spec::{Cluster, SEARCH_PORT};

/// The port for clients.
pub const HTTP: u16 = SEARCH_PORT;
/// The port that instances reach each other at.
pub const TRANSPORT: u16 = 9300;

/// The file with the argument of the start that founds a cluster.
pub const BOOTSTRAP: &str = "/run/hostsplit-bootstrap";
/// The variable in it.
const VARIABLE: &str = "HOSTSPLIT_BOOTSTRAP";

/// The attribute of a node that says which configuration it runs with.
pub const CONFIGURATION: &str = "configuration";

/// The index template by which new indices are divided as planned.
pub const TEMPLATE: &str = "hostsplit";
/// The policy by which indices are removed after the planned time, for those that name it.
pub const POLICY: &str = "hostsplit";
/// The index in which writes are proved.
pub const OWN: &str = "hostsplit";

/// An engine as a package brings it: all that differs between the two.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The engine.
    pub engine: Engine,
    /// Its systemd unit, without `.service`.
    pub units: [&'static str; 1],
    /// Its configuration file.
    pub config: &'static str,
    /// The options of its JVM.
    pub jvm: &'static str,
    /// What its unit does besides.
    pub unit_config: &'static str,
    /// Where its program lies.
    home: &'static str,
    /// Where its data lies: the data volume.
    pub data: &'static str,
    /// Where it logs.
    logs: &'static str,
    /// The role of those that vote.
    pub votes: &'static str,
    /// The role, if there is one, of a node that may vote and never be elected.
    votes_only: Option<&'static str>,
    /// The setting that founds a cluster.
    pub founds: &'static str,
    /// What a gateway asks: answered with 200 by an instance that has a cluster with a master. One
    /// that is asked for what it knows itself answers so while it is cut off.
    health: &'static str,
    /// Where its policies are that say how long indices are kept; `None` where that takes a plugin.
    pub policies: Option<&'static str>,
    /// Where its users and certificates lie; `None` where it has none of its own.
    pub security: Option<Security>,
    /// User and group that it runs as.
    pub owner: Owner,
}

impl Package {
    /// Both of them.
    pub const ALL: [&'static Self; 2] = [&ELASTICSEARCH_PACKAGE, &OPENSEARCH_PACKAGE];

    /// The package of an engine.
    #[must_use]
    pub fn of(engine: Engine) -> &'static Self {
        if engine == Engine::Opensearch { &OPENSEARCH_PACKAGE } else { &ELASTICSEARCH_PACKAGE }
    }

    /// Its systemd unit, without `.service`.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        self.units[0]
    }

    /// The file that says which cluster an instance has belonged to: on the volume with its
    /// data, so that it goes where these go.
    #[must_use]
    pub fn membership(&self) -> String {
        format!("{}/hostsplit-cluster", self.data)
    }
}

/// What a gateway asks the instances of a search engine; `None` for another service.
#[must_use]
pub fn health(service: &ServicePlan) -> Option<&'static str> {
    let is_search = service.engine.cluster() == Cluster::Quorum;
    is_search.then(|| Package::of(service.engine).health)
}

/// Elasticsearch 8 and 9.
pub static ELASTICSEARCH_PACKAGE: Package = Package {
    engine: Engine::Elasticsearch,
    units: ["elasticsearch"],
    config: "/etc/elasticsearch/elasticsearch.yml",
    jvm: "/etc/elasticsearch/jvm.options.d/hostsplit.options",
    unit_config: "/etc/systemd/system/elasticsearch.service.d/91-hostsplit.conf",
    home: "/usr/share/elasticsearch",
    data: "/var/lib/elasticsearch",
    logs: "/var/log/elasticsearch",
    votes: "master",
    votes_only: Some("voting_only"),
    founds: "cluster.initial_master_nodes",
    health: "/_cluster/health?master_timeout=1s",
    policies: Some("/_ilm/policy"),
    security: Some(Security {
        tls: Certificates {
            authority: "/etc/elasticsearch/ca.crt",
            certificate: "/etc/elasticsearch/server.crt",
            key: "/etc/elasticsearch/server.key",
        },
        users: "/etc/elasticsearch/users",
        users_roles: "/etc/elasticsearch/users_roles",
        roles: "/etc/elasticsearch/roles.yml",
        own: "/etc/elasticsearch/hostsplit.netrc",
    }),
    owner: Owner { user: "elasticsearch", group: "elasticsearch" },
};

/// OpenSearch 2 and 3, without its security plugin: the minimal distribution.
pub static OPENSEARCH_PACKAGE: Package = Package {
    engine: Engine::Opensearch,
    units: ["opensearch"],
    config: "/etc/opensearch/opensearch.yml",
    jvm: "/etc/opensearch/jvm.options.d/hostsplit.options",
    unit_config: "/etc/systemd/system/opensearch.service.d/91-hostsplit.conf",
    home: "/usr/share/opensearch",
    data: "/var/lib/opensearch",
    logs: "/var/log/opensearch",
    votes: "cluster_manager",
    votes_only: None,
    founds: "cluster.initial_cluster_manager_nodes",
    health: "/_cluster/health?cluster_manager_timeout=1s",
    policies: None,
    security: None,
    owner: Owner { user: "opensearch", group: "opensearch" },
};

/// Lucene maps its files, each segment several: the engine does not start with fewer.
/// <https://www.elastic.co/docs/deploy-manage/deploy/self-managed/vm-max-map-count>
const SYSCTLS: &[&str] =
    &["vm.max_map_count = 1048576", "vm.swappiness = 1", "net.ipv4.tcp_retries2 = 5"];

const MAIN: &[&str] =
    &["jvm.heap", "node.roles", "index.number_of_shards", "index.number_of_replicas"];

static ELASTICSEARCH_SETUP: Setup = setup(&ELASTICSEARCH_PACKAGE);
static OPENSEARCH_SETUP: Setup = setup(&OPENSEARCH_PACKAGE);

/// Elasticsearch 8 and 9.
pub(super) static ELASTICSEARCH: Recipe =
    Recipe { settings: settings::settings, main: MAIN, setup: Some(&ELASTICSEARCH_SETUP) };

/// OpenSearch 2 and 3.
pub(super) static OPENSEARCH: Recipe =
    Recipe { settings: settings::settings, main: MAIN, setup: Some(&OPENSEARCH_SETUP) };

const fn setup(package: &'static Package) -> Setup {
    Setup {
        units: &package.units,
        gate: package.unit_config,
        data: package.data,
        owner: package.owner,
        sysctls: SYSCTLS,
        tmpfiles: &[],
        secrets: if package.security.is_some() { &[CLIENT, INTERNAL] } else { &[] },
        plain: files::plain,
        mask: security::mask,
        backup: None,
        closed: security::closed,
    }
}
