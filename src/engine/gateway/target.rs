//! Gateways as planned.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::databases::{self, Database};
use crate::engine::http::{self, Url};
use crate::engine::{Crew, EngineError};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Instance, ServicePlan, Setting};
use crate::recipe::haproxy::{self, STATUS_PORT};
use crate::recipe::search;
use crate::recipe::web::{Expected, digest_in, health};

/// The gateways of a service as planned.
#[derive(Debug)]
pub struct Target {
    /// The address that clients use and that one of them holds; `None` for one gateway
    /// without such an address.
    pub(super) address: Option<Ipv4Addr>,
    /// Whether VRRP decides who holds it.
    pub(super) moves: bool,
    /// The one that is planned to be active.
    pub(super) lead: Option<InstanceName>,
    /// All of them.
    pub(super) gateways: BTreeMap<InstanceName, Planned>,
    /// Where clients ask, one for each frontend.
    pub(super) doors: Vec<Door>,
    /// Databases behind them.
    pub(super) databases: Vec<Database>,
    /// The file in a gateway's guest with what vouches for the certificate that clients see.
    pub(super) authority: &'static str,
}

/// A frontend as clients see it.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) url: Url,
    /// What clients are to be answered there.
    pub(super) expected: Expected,
    /// The pool behind it.
    pub(super) pool: ServiceName,
    /// Whether that serves once it is formed, and not as soon as its members answer.
    pub(super) is_formed: bool,
    /// Its members.
    pub(super) members: BTreeSet<InstanceName>,
}

impl Door {
    /// Where a gateway is asked through its own frontend, holding the address or not.
    pub(super) fn own(&self) -> Url {
        Url { at: Some(haproxy::LOOPBACK), ..self.url.clone() }
    }
}

/// One of them.
#[derive(Debug)]
pub(super) struct Planned {
    /// Where it says which configuration it runs with.
    pub(super) status: Url,
    /// The digest of the planned configuration; `None` where secrets are missing that are
    /// part of it.
    pub(super) digest: Option<String>,
}

impl Target {
    pub(super) fn of(crew: &Crew<'_>) -> Result<Self, EngineError> {
        let all: Vec<&Instance> = crew.members().iter().chain(crew.absent()).copied().collect();
        let lead = crew.service.groups.first().map(|group| group.lead.clone());
        let address = address(crew);
        let mut gateways = BTreeMap::new();
        for one in &all {
            let status = http::status(own_address(one)?, STATUS_PORT);
            gateways.insert(one.name.clone(), Planned { status, digest: digest(crew, one) });
        }
        let first = all.iter().find(|one| Some(&one.name) == lead.as_ref()).or(all.first());
        let at = address
            .map_or_else(|| first.map(|one| own_address(one)).transpose(), |at| Ok(Some(at)))?;
        let frontends = haproxy::frontends(crew.plan, crew.service);
        let doors = at.into_iter().flat_map(|address| {
            let door = move |one: &haproxy::Frontend<'_>| {
                let haproxy::Frontend { pool, port, encrypted } = *one;
                let members = crew.plan.members(&pool.name).map(|one| one.name.clone());
                let searched = search::health(pool).map(|path| (path, Expected::Status(200)));
                let (path, expected) = searched.unwrap_or_else(|| health(pool));
                let path = path.to_owned();
                Door {
                    url: door_of(crew.service, pool, Url::new(encrypted, address, port, path)),
                    expected,
                    pool: pool.name.clone(),
                    is_formed: searched.is_some(),
                    members: members.collect(),
                }
            };
            frontends.iter().map(door).collect::<Vec<_>>()
        });
        let moves = all.iter().any(|one| one.settings.contains_key("vrrp.virtual_ipaddress"));
        let databases = databases::of(crew, at);
        // One of the user's own vouches for itself.
        let is_own = crew.service.access.certificate.is_some();
        let authority = if is_own { haproxy::CERTIFICATE } else { haproxy::AUTHORITY };
        let doors = doors.collect();
        Ok(Self { address, moves, lead, gateways, doors, databases, authority })
    }
}

/// A frontend as clients ask it: by the name in the certificate that they are shown. That of
/// members is looked at by the members themselves, who know who vouches for it.
fn door_of(gateway: &ServicePlan, pool: &ServicePlan, url: Url) -> Url {
    if gateway.access.tls.is_offered() {
        return url.named(&gateway.access);
    }
    let unverified = url.encrypted && pool.access.certificate.is_some();
    Url { unverified, ..url.named(&pool.access) }
}

/// The address that clients use, if it is another than a gateway's own.
pub(super) fn address(crew: &Crew<'_>) -> Option<Ipv4Addr> {
    let names = ["vrrp.virtual_ipaddress", "virtual_ipaddress"];
    let mut all = crew.members().iter().chain(crew.absent());
    let setting = all.find_map(|one| names.iter().find_map(|name| one.settings.get(*name)));
    match setting {
        Some(Setting::Address(address)) => Some(*address),
        _ => None,
    }
}

fn own_address(instance: &Instance) -> Result<Ipv4Addr, EngineError> {
    instance.address.ok_or_else(|| EngineError::Plan {
        instance: instance.name.clone(),
        problem: "it has no address".to_owned(),
    })
}

fn digest(crew: &Crew<'_>, instance: &Instance) -> Option<String> {
    let files = crew.files(instance).ok()?;
    let config = files.into_iter().find(|file| file.path == haproxy::CONFIG)?;
    digest_in(&config.text).map(str::to_owned)
}
