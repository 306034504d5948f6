//! The settings of gateways: limits from the numbers of the plan, a frontend and a backend for
//! each pool and database, and who holds the address.

use std::collections::BTreeSet;

use super::{Mode, databases, frontends};
use crate::plan::{Instance, Role, Setting, Settings};
use crate::profile::{Rules, ceil, real};
use crate::recipe::{Planned, search, settings_of};
use crate::spec::{Demand, Health};
use crate::topology::Level;

/// VRRP priorities of the two: any two values of which the first is larger.
const PRIORITIES: [u64; 2] = [150, 100];

pub(super) fn settings(planned: &Planned<'_>) -> Settings {
    let Planned { plan, service, instance, profile } = *planned;
    let (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) =
        (&service.demand, &profile.rules)
    else {
        return Settings::new();
    };
    // The instance's memory was sized for as many.
    let connections =
        ceil(real(demand.passed_on_per_s().get()) * rules.memory.connection_s.default);
    let mut settings = settings_of([
        ("nbthread", u64::from(service.layout.vcpus).into()),
        ("maxconn", connections.into()),
    ]);
    let vip = plan.vip_of(service);
    let address = vip.or(instance.address);
    settings.extend(databases::settings(plan, service, address));
    for front in frontends(plan, service) {
        let (pool, mode) = (front.pool, Mode::of(service, front.pool));
        if let Some(address) = address {
            let bind = [format!("{address}:{}", front.port), mode.word().to_owned()];
            settings.insert(format!("frontend.{}", pool.name), Setting::words(bind));
        }
        let searched = search::health(pool);
        let port = if searched.is_some() { search::HTTP } else { pool.access.web_port() };
        let server = |one: &Instance| Some(format!("{}={}:{port}", one.name, one.address?));
        let servers = plan.members(&pool.name).filter_map(server);
        settings.insert(format!("backend.{}", pool.name), Setting::words(servers));
        if let Some(path) = searched {
            let asked = Setting::words([path, "200"]);
            settings.insert(format!("backend.{}.health", pool.name), asked);
        }
        if let Some(Health { path, expect }) = &pool.access.health {
            let expected = expect.map_or("200-399".to_owned(), |code| code.to_string());
            let asked = Setting::words([path.clone(), expected]);
            settings.insert(format!("backend.{}.health", pool.name), asked);
        }
        if mode == Mode::Tcp && pool.access.certificate.is_some() {
            settings.insert(format!("backend.{}.own_certificate", pool.name), true.into());
        }
        if mode.verifies(pool) {
            settings.insert(format!("backend.{}.ssl", pool.name), true.into());
        }
    }
    let Some(vip) = vip else { return settings };
    if service.layout.copies > 1 && in_one_site(planned) {
        let peers = planned.members().filter(|one| one.name != instance.name);
        settings.extend(settings_of([
            ("vrrp.virtual_ipaddress", vip.into()),
            // Unique among the groups on one network, as the address is.
            ("vrrp.virtual_router_id", u64::from(vip.octets()[3].max(1)).into()),
            ("vrrp.priority", PRIORITIES[usize::from(instance.role != Role::Active)].into()),
            ("vrrp.unicast_peer", Setting::words(peers.filter_map(|one| one.address))),
            // One that comes back does not take the address away from one that serves.
            ("vrrp.nopreempt", true.into()),
        ]));
    } else if instance.role == Role::Active {
        // The other one, if there is one, gets it from a person.
        settings.insert("virtual_ipaddress".to_owned(), vip.into());
    }
    settings
}

/// Whether both are in one site, as far as sites are known. VRRP asks nobody: with the link
/// between two sites cut, each would hold the address, and each has clients.
fn in_one_site(planned: &Planned<'_>) -> bool {
    let plan = planned.plan;
    let hosts = &plan.topology.hosts;
    let are_known = plan.policy.levels().any(|level| level == Level::Site)
        || hosts.iter().any(|host| host.labels.contains_key(&Level::Site));
    let of = |one: &Instance| Some(plan.topology.host(&one.host)?.failure_domain(Level::Site));
    let sites: BTreeSet<String> = planned.members().filter_map(of).collect();
    !are_known || sites.len() <= 1
}
