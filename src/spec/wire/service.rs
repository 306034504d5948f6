//! Entries of `services:` and `vms:`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::demand::{GatewayDemand, RelationalDemand, SearchDemand, ShardedDemand, WebDemand};
use super::{HostList, NameList, Spread};
use crate::ids::ServiceName;
use crate::spec::read::address::Address;
use crate::spec::read::form::{At, Spanned, Wire, described, wire, wrong_type};
use crate::spec::read::scalar::Text;
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};
use crate::spec::{Cluster, Engine, FailoverMode, MigrationMethod, Tls};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

wire! {
    /// A service to split: an engine and its demand.
    struct Service {
        /// Name, unique among services and vms.
        required name: At<ServiceName>,
        /// The engine that it runs.
        required engine: At<Engine>,
        /// Its demand; the fields depend on the engine.
        optional demand: RawDemand,
        /// Name of the gateway service through which clients reach it; for pools of
        /// web servers and for databases.
        optional gateway: At<ServiceName>,
        /// Where the password comes from; for sharded clusters and databases. Of sharded
        /// clusters also `optional` or `none`. Default: a deploy generates one.
        optional password: Spanned<PasswordRule>,
        /// Whether connections are encrypted: all of them, or with `optional` those of clients
        /// that want it; for sharded clusters, at the port above the one for clients, and for
        /// databases. Default: false.
        optional tls: At<Tls>,
        /// The port for clients; for sharded clusters, for pools, where it is also that
        /// at the gateway, and for databases behind a gateway, where it is that for writes
        /// there. Default: that of the engine; of a pool 80, with TLS 443.
        optional port: At<u32>,
        /// The port for reads at the gateway, for databases behind one; a further group of a
        /// database has the ports two above. Default: the one above `port`.
        optional read_port: At<u32>,
        /// Address at which clients reach a gateway; it moves with the active instance.
        /// Default: that of the network.
        optional vip: At<Address>,
        /// What a pool of web servers serves. Default: a page that names the instance.
        optional serve: Spanned<Serve>,
        /// What members are asked for, to know whether they serve, by gateways and by a deploy;
        /// for pools of web servers. Default: / with 200 to 399 for files, and with less than
        /// 500 for what others answer.
        optional health: Spanned<Health>,
        /// A certificate that somebody else signed, for web servers and gateways that end TLS.
        /// Default: one that the deployment's own authority signs.
        optional certificate: Spanned<Certificate>,
        /// Hosts where its leading instances (masters, primaries, the active gateway) are
        /// preferred: names, or labels such as { site: main }. Default: none.
        optional prefer: Spanned<HostList>,
        /// Who lets another copy of a database take over from a primary that is lost: manual, a
        /// person by `hostsplit failover`; automatic, three copies that elect, of which one may
        /// be lost (mysql, by Group Replication). Default: manual.
        optional failover: At<FailoverMode>,
    }

    /// What the members of a pool are asked for, to know whether they serve.
    struct Health {
        /// The path, with its slash. Default: /.
        optional path: At<Text>,
        /// The status of an answer that serves. Default: 200 to 399.
        optional expect: At<u32>,
    }

    /// A certificate that somebody else signed.
    struct Certificate {
        /// A file in PEM: the server's certificate, then those between it and one that clients
        /// know.
        required chain: At<Text>,
        /// Where its private key comes from.
        required key: Spanned<KeyFrom>,
        /// The names by which clients ask, which the certificate has to be for. Default: its
        /// own.
        optional names: Spanned<Vec<At<Text>>>,
    }

    /// Where a private key comes from, in PEM (PKCS #8) and without a passphrase: one of these.
    struct KeyFrom {
        /// A file.
        optional file: At<Text>,
        /// An environment variable.
        optional env: At<Text>,
        /// What a command of the shell prints.
        optional command: At<Text>,
    }

    /// What a pool of web servers serves: one of these.
    struct Serve {
        /// A directory of files, or a .tar or .tar.gz file of one.
        optional content: At<Text>,
        /// The servers that requests are passed on to: http://ADDRESS:PORT, or the name of
        /// another pool.
        optional proxy: At<Text>,
        /// A file of directives in the engine's own language, for the inside of its server or
        /// virtual host.
        optional config: At<Text>,
    }

    /// Where a password comes from: one of these.
    struct PasswordFrom {
        /// The first line of a file.
        optional file: At<Text>,
        /// An environment variable.
        optional env: At<Text>,
        /// What a command of the shell prints.
        optional command: At<Text>,
        /// Whether clients are let in without it as well, to turn it on or off while they
        /// are served. Default: false.
        optional optional: At<bool>,
    }

    /// Machines of fixed size and count that live on the same hosts.
    struct FixedVm {
        /// Name, unique among services and vms.
        required name: At<ServiceName>,
        /// How many. Default: 1.
        optional count: At<u32>,
        /// Virtual CPUs of each.
        required vcpus: At<u32>,
        /// Memory of each.
        required memory: At<Mebibytes>,
        /// Root disk of each. Default: the disk is not planned.
        optional disk: At<Mebibytes>,
        /// I/O operations of each.
        optional iops: At<PerSecond>,
        /// Traffic of each.
        optional network: At<BitsPerSecond>,
        /// Failure domains of this level hold at most one each, or at most so many:
        /// { per: host, at_most: 2 }.
        optional spread: Spread,
        /// Hosts that they may be on: names, or labels such as { rack: r1 }. Default: all.
        optional on: Spanned<HostList>,
        /// Hosts that they may not be on.
        optional not_on: Spanned<HostList>,
        /// Services and other vms: no host holds one of these machines and an instance of them.
        optional apart: Spanned<NameList>,
        /// Services and other vms: each of these machines is on a host with an instance of each.
        optional near: Spanned<NameList>,
        /// Whether room is kept on other hosts to restart each once its own is lost.
        /// Default: false.
        optional restart: At<bool>,
        /// How one that moves to another host ends, if it writes faster than the network
        /// takes: auto-converge slows it down, post-copy lets it run there before all its
        /// memory has come. Default: auto-converge.
        optional migrate: At<MigrationMethod>,
    }
}
described!(Certificate, FixedVm, Health, KeyFrom, PasswordFrom, Serve);

/// Whether clients need a password.
#[derive(Debug)]
pub(in crate::spec) enum PasswordRule {
    /// They do not, and there is none.
    None,
    /// They do not, and one that a deploy generates is accepted.
    Optional,
    /// As this says.
    From(Box<PasswordFrom>),
}

impl Wire for PasswordRule {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        match &tree.node {
            Node::Scalar(text) if text == "none" => Some(Self::None),
            Node::Scalar(text) if text == "optional" => Some(Self::Optional),
            Node::Scalar(_) => {
                wrong_type(scope, field, tree, "none, optional or a map such as { file: path }");
                None
            }
            _ => PasswordFrom::read(scope, field, tree).map(Box::new).map(Self::From),
        }
    }
}

impl JsonSchema for PasswordRule {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PasswordRule".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let from = generator.subschema_for::<PasswordFrom>();
        json_schema!({ "anyOf": [{ "enum": ["none", "optional"] }, from] })
    }
}

/// A demand, read when the engine is known.
#[derive(Debug)]
pub(in crate::spec) struct RawDemand(pub Tree);

impl Wire for RawDemand {
    fn read(_: &mut Scope<'_>, _: &str, tree: &Tree) -> Option<Self> {
        Some(Self(tree.clone()))
    }
}

impl JsonSchema for RawDemand {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Demand".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

impl JsonSchema for Service {
    fn schema_name() -> Cow<'static, str> {
        "Service".into()
    }
    /// The fields, and for each kind of cluster what its demand holds.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Self::object(generator);
        let kinds: Vec<_> = [
            (Cluster::Sharded, generator.subschema_for::<ShardedDemand>()),
            (Cluster::PrimaryReplica, generator.subschema_for::<RelationalDemand>()),
            (Cluster::Quorum, generator.subschema_for::<SearchDemand>()),
            (Cluster::Pool, generator.subschema_for::<WebDemand>()),
            (Cluster::GatewayPair, generator.subschema_for::<GatewayDemand>()),
        ]
        .into_iter()
        .map(|(cluster, demand)| of_kind(cluster, &demand))
        .collect();
        schema.insert("allOf".to_owned(), kinds.into());
        schema
    }
}

fn of_kind(cluster: Cluster, demand: &Schema) -> serde_json::Value {
    let engines: Vec<&str> = Engine::forming(cluster).map(Engine::as_str).collect();
    let mut then = json!({ "properties": { "demand": demand } });
    if cluster != Cluster::GatewayPair {
        then["required"] = json!(["demand"]);
    }
    let only_of = |kind: Cluster, fields: &[&'static str]| {
        fields
            .iter()
            .filter(|_| cluster != kind)
            .map(|field| json!({ "required": [field] }))
            .collect()
    };
    let mut elsewhere: Vec<serde_json::Value> = only_of(Cluster::Pool, &["serve", "health"]);
    elsewhere.extend::<Vec<_>>(only_of(Cluster::GatewayPair, &["vip"]));
    if !matches!(cluster, Cluster::Pool | Cluster::GatewayPair) {
        elsewhere.push(json!({ "required": ["certificate"] }));
    }
    elsewhere.extend::<Vec<_>>(only_of(Cluster::PrimaryReplica, &["read_port", "failover"]));
    if !cluster.is_behind_gateways() {
        elsewhere.push(json!({ "required": ["gateway"] }));
    }
    then["not"] = json!({ "anyOf": elsewhere });
    json!({
        "if": { "properties": { "engine": { "enum": engines } }, "required": ["engine"] },
        "then": then,
    })
}
