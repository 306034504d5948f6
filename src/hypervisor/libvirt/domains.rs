//! Domains: listed, driven, asked through their guest agent.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::Value;
use virt::connect::Connect;
use virt::domain::Domain as Handle;
use virt::error::Error;
use virt_sys as sys;

use super::error::CallSite;
use crate::hypervisor::{Domain, Result, domain_xml};

/// What a domain may leave behind besides its definition. Ours have neither NVRAM nor checkpoints,
/// and not every driver knows the flags for those.
const LEFTOVERS: sys::virDomainUndefineFlagsValues =
    sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;

/// Lists all domains, by name. One that goes away meanwhile is left out.
pub(super) fn list(connection: &Connect, site: &CallSite<'_>) -> Result<Vec<Domain>> {
    let mut domains = Vec::new();
    for handle in site.named(connection.list_all_domains(0))? {
        let read = || Ok((handle.xml_desc(0)?, handle.is_active()?));
        let Some((text, active)) = site.unless_gone(read())? else { continue };
        let domain = domain_xml::parse(&text, active);
        domains.push(domain.map_err(|error| site.error(error.to_string()))?);
    }
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(domains)
}

/// Looks a domain up and does something with it.
pub(super) fn with<T>(
    connection: &Connect,
    site: &CallSite<'_>,
    name: &str,
    act: impl FnOnce(&Handle) -> std::result::Result<T, Error>,
) -> Result<T> {
    let handle = site.named(connection.lookup_domain_by_name(name))?;
    site.named(act(&handle))
}

/// Forgets a domain that is off. libvirt would also take one that runs, and
/// make it vanish when it stops.
pub(super) fn undefine(connection: &Connect, site: &CallSite<'_>, name: &str) -> Result<()> {
    let handle = site.named(connection.lookup_domain_by_name(name))?;
    if site.named(handle.is_active())? {
        return Err(site.error("the domain is running"));
    }
    site.named(handle.undefine_flags(LEFTOVERS))
}

/// Returns IPv4 addresses of a domain by leases and by the host's neighbours. Its agent
/// is not asked: a foreign one may be slow, and is not ours to wake.
pub(super) fn addresses(
    connection: &Connect,
    site: &CallSite<'_>,
    name: &str,
) -> Result<Vec<Ipv4Addr>> {
    let handle = site.named(connection.lookup_domain_by_name(name))?;
    let sources = [
        sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
        sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
    ];
    let mut found = BTreeSet::new();
    for source in sources {
        // A source that this domain or driver does not have knows no address.
        let interfaces = handle.interface_addresses(source, 0).unwrap_or_default();
        let addresses = interfaces.into_iter().flat_map(|interface| interface.addrs);
        found.extend(addresses.filter_map(|address| address.addr.parse::<Ipv4Addr>().ok()));
    }
    Ok(found.into_iter().collect())
}

/// Sends one request to a guest agent.
pub(super) fn agent(
    connection: &Connect,
    site: &CallSite<'_>,
    name: &str,
    request: &Value,
    timeout: Duration,
) -> Result<Value> {
    // libvirt counts whole seconds, and 0 would mean not to wait at all.
    let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX).max(1);
    let request = request.to_string();
    let answer =
        with(connection, site, name, |handle| handle.qemu_agent_command(&request, seconds, 0))?;
    let malformed = || site.error(format!("the guest agent answered {answer:?}"));
    let mut answer: Value = serde_json::from_str(&answer).map_err(|_| malformed())?;
    if let Some(message) = answer.pointer("/error/desc").and_then(Value::as_str) {
        return Err(site.error(message));
    }
    answer
        .get_mut("return")
        .map(Value::take)
        .ok_or_else(|| site.error("an answer without a return value"))
}
