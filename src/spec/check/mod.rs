//! From the wire form to a [`Spec`](super::Spec): what must be there, what is in range,
//! what agrees with what. A file for each part of a spec.

mod access;
mod across;
mod any_demand;
mod certificate;
mod demand;
mod failover;
mod flat;
mod gateway;
mod host;
mod host_list;
mod image;
mod names;
mod neighbours;
mod network;
mod numa;
mod policy;
mod ports;
mod profile;
mod serve;
mod service;
mod spec;
mod vip;
mod vms;

pub(super) use self::spec::spec;
