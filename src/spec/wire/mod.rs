//! The files as they are written: unknown fields refused, every value with its
//! place, nothing required yet.
//!
//! Whether a field is missing or a value is out of range is judged in `check`, so
//! that all such errors are reported in one run. The words behind `///` are the
//! descriptions that editors show.

mod demand;
mod host;
mod host_list;
mod image;
mod item;
mod name_list;
mod policy;
mod profile;
mod service;
mod spread;

use schemars::{JsonSchema, Schema, SchemaGenerator};

pub(super) use self::demand::{
    GatewayDemand, RelationalDemand, SearchDemand, ShardedDemand, WebDemand,
};
pub(super) use self::host::{Host, L3Domain, NumaNode, Pages, Reserve, ReserveOf};
pub(super) use self::host_list::HostList;
pub(super) use self::image::{File, Image};
pub(super) use self::item::{Entries, Item};
pub(super) use self::name_list::NameList;
pub(super) use self::policy::Survive;
pub(super) use self::profile::{Numbers, Profile, Profiles, SetNumber};
pub(super) use self::service::{
    Certificate, FixedVm, Health, KeyFrom, PasswordFrom, PasswordRule, RawDemand, Serve, Service,
};
pub(super) use self::spread::Spread;

use crate::ids::DeploymentName;
use crate::spec::Objective;
use crate::spec::read::address::{Address, AddressRange, Subnet};
use crate::spec::read::form::{At, Spanned, described, wire};
use crate::spec::read::scalar::{Include, Text};

wire! {
    /// A deployment: its hosts, its services, other VMs on the same hosts, and the
    /// failures that it must survive.
    struct SpecFile {
        /// First part of every name that the deployment makes.
        required name: At<DeploymentName>,
        /// Files with further hosts, services and vms; paths and globs are
        /// relative to this file.
        optional include: Spanned<Vec<At<Include>>>,
        /// Rules over the whole deployment.
        optional policy: Spanned<Policy>,
        /// The IPv4 network of all instances; not needed where there are only vms.
        optional network: Spanned<Network>,
        /// What instances boot from; not needed to plan.
        optional image: Item<Image>,
        /// Overrides of built-in engine profiles, keyed by engine.
        optional profiles: Spanned<Profiles>,
        /// The servers, or the files that describe them.
        optional hosts: Vec<Item<Host>>,
        /// Services to split into instances.
        optional services: Vec<Item<Service>>,
        /// Other VMs on the same hosts, of fixed size and count.
        optional vms: Vec<Item<FixedVm>>,
    }

    /// Hosts, services and vms that a spec includes.
    struct PartFile {
        /// Files with further hosts, services and vms; paths and globs are
        /// relative to this file.
        optional include: Spanned<Vec<At<Include>>>,
        /// The servers, or the files that describe them.
        optional hosts: Vec<Item<Host>>,
        /// Services to split into instances.
        optional services: Vec<Item<Service>>,
        /// Other VMs on the same hosts, of fixed size and count.
        optional vms: Vec<Item<FixedVm>>,
    }

    /// Rules over the whole deployment.
    struct Policy {
        /// After the loss of any one such failure domain everything still serves
        /// its demand. Default: host.
        optional survive: Spanned<Survive>,
        /// What is minimized, most important first: unmet, then any of cost, moves
        /// and balance, in this order. Default: all four.
        optional objective: Spanned<Vec<At<Objective>>>,
    }

    /// The IPv4 network that all instances share.
    struct Network {
        /// Bridge on every host that carries the network.
        required bridge: At<Text>,
        /// The subnet, such as 10.20.0.0/24.
        required subnet: At<Subnet>,
        /// Addresses that instances may take, such as 10.20.0.50-10.20.0.199.
        required addresses: At<AddressRange>,
        /// Default route.
        optional gateway: At<Address>,
        /// Address at which clients reach a gateway; it moves with the active
        /// instance.
        optional vip: At<Address>,
    }
}
described!(PartFile, Policy, Network);

impl JsonSchema for SpecFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Spec".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Self::object(generator)
    }
}
