//! Entries of `hosts:` and host files.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::ids::HostName;
use crate::spec::read::form::{At, Spanned, Wire, described, wire, wrong_type};
use crate::spec::read::scalar::{CommandLine, Text};
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};
use crate::topology::{Architecture, Virtualization};
use crate::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};

wire! {
    /// A server: with its NUMA nodes, as `hostsplit discover` writes it, or flat
    /// with `cores` and `memory`.
    struct Host {
        /// Name, unique among hosts.
        required name: At<HostName>,
        /// Flat: that many equal hosts, named NAME-1 and so on.
        optional count: At<u32>,
        /// Where libvirt is, such as qemu+ssh://root@h1/system; not needed to
        /// plan.
        optional uri: At<Text>,
        /// kvm, or qemu for software emulation. Flat: default kvm.
        optional hypervisor: At<Virtualization>,
        /// What its CPUs are. Default: x86_64, the only one that takes instances.
        optional architecture: At<Architecture>,
        /// Failure domains above the host.
        optional labels: Spanned<Labels>,
        /// What it costs when it is used, in any unit that all hosts share.
        /// Default: 1.
        optional cost: At<u64>,
        /// What is kept for the host itself. Default: a core per NUMA node, at most a
        /// sixteenth of all, and 2GiB, more on big hosts and less on tiny ones.
        optional reserve: Spanned<Reserve>,
        /// Flat: physical cores.
        optional cores: At<u32>,
        /// Flat: hardware threads of a core. Default: 1.
        optional threads: At<u32>,
        /// Flat: memory.
        optional memory: At<Mebibytes>,
        /// Flat: space of the pool `default`. Default: no pool.
        optional disk: At<Mebibytes>,
        /// Flat: I/O operations of the pool `default`, if known.
        optional iops: At<PerSecond>,
        /// Bandwidth of the NIC, if known.
        optional network: At<BitsPerSecond>,
        /// How VMs that move here while they run reach it.
        optional migration: Spanned<Migration>,
        /// Bridges that guests can be attached to. Flat: default the network's.
        optional bridges: Vec<At<Text>>,
        /// NUMA nodes.
        optional numa: Vec<Spanned<NumaNode>>,
        /// Storage pools.
        optional pools: Vec<Spanned<Pool>>,
        /// A command that cuts the host off and brings it back, for `hostsplit drill`.
        optional fence: Spanned<Fence>,
        /// Fields whose values were assumed, not measured: named as such where they decide.
        optional assumed: Vec<At<Text>>,
    }

    /// Names of the failure domains of a host.
    struct Labels {
        /// The rack.
        optional rack: At<Text>,
        /// The site.
        optional site: At<Text>,
    }

    /// Cores and memory that are near to each other.
    struct NumaNode {
        /// The kernel's number.
        required id: At<u32>,
        /// Physical memory.
        required memory: At<Mebibytes>,
        /// Huge pages, part of the memory.
        optional pages: Spanned<Pages>,
        /// Cores by the last-level cache that they share.
        required l3: Vec<Spanned<L3Domain>>,
    }

    /// Number of huge pages by their size.
    struct Pages {
        /// Pages of 2 MiB.
        optional small = "2MiB": At<u64>,
        /// Pages of 1 GiB.
        optional large = "1GiB": At<u64>,
    }

    /// Cores that share a last-level cache.
    struct L3Domain {
        /// Size of the cache.
        optional size: At<Bytes>,
        /// The CPU numbers of each core, such as [[0, 4], [1, 5]].
        required cores: Vec<Spanned<Vec<At<u32>>>>,
    }

    /// A storage pool and the disk behind it.
    struct Pool {
        /// libvirt's name.
        required name: At<Text>,
        /// Space that plans may use.
        required capacity: At<Mebibytes>,
        /// I/O operations of the disk, if known.
        optional iops: At<PerSecond>,
        /// Whether all hosts that have a shared pool of this name see the same volumes,
        /// as with NFS. Default: false.
        optional shared: At<bool>,
    }

    /// How VMs reach a host that they move to while they run.
    struct Migration {
        /// Address or name of the host for the other hosts. Default: that of its uri.
        optional address: At<Text>,
        /// Most that a move may send, such as 1 Gbit/s. Default: no limit.
        optional bandwidth: At<BitsPerSecond>,
        /// Whether memory and disks are encrypted on their way, with the certificates
        /// of QEMU. Default: false.
        optional tls: At<bool>,
    }

    /// How a host is cut off and brought back.
    struct Fence {
        /// A program with its arguments, which no shell reads. It has HOST and ACTION (off,
        /// on, cut or restore) in its environment.
        required command: At<CommandLine>,
    }

    /// What is kept for the host.
    struct ReserveOf {
        /// Cores, for the host, emulator and I/O threads.
        optional cores: At<u32>,
        /// Memory.
        optional memory: At<Mebibytes>,
    }
}
described!(Labels, NumaNode, Pages, L3Domain, Pool, Migration, Fence, ReserveOf);

impl JsonSchema for Host {
    fn schema_name() -> Cow<'static, str> {
        "Host".into()
    }
    /// The fields, and which go together.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Self::object(generator);
        let none_of = |fields: &[&str]| -> serde_json::Value {
            fields.iter().map(|field| (*field, json!(false))).collect()
        };
        let kinds = json!([
            {
                "required": ["numa", "pools", "hypervisor"],
                "properties": none_of(&["count", "cores", "threads", "memory", "disk", "iops"]),
            },
            { "required": ["cores", "memory"], "properties": none_of(&["numa"]) },
        ]);
        schema.insert("anyOf".to_owned(), kinds);
        schema
    }
}

/// `reserve:`, which is either the word `none` or a map.
#[derive(Debug)]
pub(in crate::spec) enum Reserve {
    /// Nothing.
    None,
    /// As much of each as stated.
    Of(ReserveOf),
}

impl Wire for Reserve {
    fn read(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<Self> {
        match &tree.node {
            Node::Scalar(text) if text == "none" => Some(Self::None),
            Node::Map(_) => ReserveOf::read(scope, field, tree).map(Self::Of),
            _ => {
                wrong_type(
                    scope,
                    field,
                    tree,
                    "`none` or a map such as { cores: 1, memory: 2GiB }",
                );
                None
            }
        }
    }
}

impl JsonSchema for Reserve {
    fn schema_name() -> Cow<'static, str> {
        "Reserve".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<ReserveOf>();
        json_schema!({ "anyOf": [{ "const": "none" }, map] })
    }
}
