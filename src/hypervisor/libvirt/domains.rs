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
use super::{state, unwrapped};
use crate::hypervisor::domain_xml::DomainXmlError;
use crate::hypervisor::{
    AttachedDisk, Domain, DomainState, ErrorKind, HypervisorError, METADATA_NAMESPACE, OwnerTag,
    Result, Thread, domain_xml, edit,
};

/// What a domain may leave behind besides its definition. Ours have neither NVRAM nor checkpoints,
/// and not every driver knows the flags for those.
const LEFTOVERS: sys::virDomainUndefineFlagsValues =
    sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;

/// Lists all domains, by name. One that goes away meanwhile is left out.
pub(super) fn list(connection: &Connect, site: &CallSite<'_>) -> Result<Vec<Domain>> {
    let mut domains = Vec::new();
    for handle in site.named(connection.list_all_domains(0))? {
        let read = || Ok((handle.xml_desc(0)?, state::of(&handle)?));
        let Some((text, (state, active))) = site.unless_gone(read())? else { continue };
        let malformed = |error: DomainXmlError| site.error(error.to_string());
        let mut domain = domain_xml::parse(&text, active).map_err(malformed)?;
        domain.state = state;
        if domain.owner.is_some() {
            let Some(kept) = site.unless_gone(Kept::of(&handle, active))? else { continue };
            (domain.persistent, domain.autostart) = (kept.persistent, kept.autostart);
            let next = kept.next.as_deref().map(domain_xml::definition);
            domain.next = next.transpose().map_err(malformed)?;
        }
        domains.push(domain);
    }
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(domains)
}

/// What a host keeps of a domain besides its process.
struct Kept {
    persistent: bool,
    autostart: bool,
    /// The XML of its next boot, where it runs.
    next: Option<String>,
}

impl Kept {
    fn of(handle: &Handle, active: bool) -> std::result::Result<Self, Error> {
        let persistent = handle.is_persistent()?;
        let differs = active && persistent;
        let next = differs.then(|| handle.xml_desc(sys::VIR_DOMAIN_XML_INACTIVE)).transpose()?;
        Ok(Self { persistent, autostart: persistent && handle.autostart()?, next })
    }
}

/// Lets a domain run again that is paused or that suspended itself.
pub(super) fn resume(handle: &Handle) -> std::result::Result<(), Error> {
    match state::of(handle)? {
        (DomainState::Running, _) => Ok(()),
        (DomainState::Asleep, _) => handle.pm_wakeup(0),
        _ => handle.resume(),
    }
}

/// Pins a thread, now where the domain runs and for its next boot where it is persistent.
pub(super) fn pin(handle: &Handle, thread: Thread, cpus: &[u32]) -> std::result::Result<(), Error> {
    // Without a flag it is the one state that the domain has.
    let both = sys::VIR_DOMAIN_AFFECT_LIVE | sys::VIR_DOMAIN_AFFECT_CONFIG;
    let flags = if handle.is_active()? && handle.is_persistent()? { both } else { 0 };
    let map = cpu_map(cpus);
    match thread {
        Thread::Vcpu(number) => handle.pin_vcpu_flags(number, &map, flags),
        Thread::Emulator => handle.pin_emulator(&map, flags),
        Thread::Io(number) => unwrapped::pin_iothread(handle, number, map, flags),
    }
}

/// Returns CPUs in libvirt's form: a bit each, from the lowest of the first byte.
fn cpu_map(cpus: &[u32]) -> Vec<u8> {
    let bytes = cpus.iter().max().map_or(0, |last| *last as usize / 8 + 1);
    let mut map = vec![0; bytes];
    for cpu in cpus {
        if let Some(byte) = map.get_mut(*cpu as usize / 8) {
            *byte |= 1 << (cpu % 8);
        }
    }
    map
}

/// Sets the link of an interface of a running domain.
pub(super) fn set_link(
    connection: &Connect,
    site: &CallSite<'_>,
    name: &str,
    mac: &str,
    up: bool,
) -> Result<()> {
    let handle = site.named(connection.lookup_domain_by_name(name))?;
    let xml = site.named(handle.xml_desc(0))?;
    let Some(interface) = edit::interface_with_link(&xml, mac, up) else {
        return Err(HypervisorError {
            kind: ErrorKind::NotFound,
            ..site.error("the domain has no such interface")
        });
    };
    site.named(handle.update_device_flags(&interface, sys::VIR_DOMAIN_AFFECT_LIVE))
}

/// Asks the guest of a running domain to let go of the disk that it was given.
pub(super) fn detach_disk(connection: &Connect, site: &CallSite<'_>, name: &str) -> Result<()> {
    let handle = site.named(connection.lookup_domain_by_name(name))?;
    let xml = site.named(handle.xml_desc(0))?;
    let Some(disk) = edit::disk(&xml, AttachedDisk::TARGET) else { return Ok(()) };
    site.named(handle.detach_device_flags(disk, sys::VIR_DOMAIN_AFFECT_LIVE)).map(drop)
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

/// Replaces the tag in the metadata of a domain.
pub(super) fn set_tag(
    connection: &Connect,
    site: &CallSite<'_>,
    name: &str,
    tag: &OwnerTag,
) -> Result<()> {
    let handle = site.named(connection.lookup_domain_by_name(name))?;
    let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or(i32::MAX);
    let live = if site.named(handle.is_active())? { sys::VIR_DOMAIN_AFFECT_LIVE } else { 0 };
    let flags = live | sys::VIR_DOMAIN_AFFECT_CONFIG;
    let (key, space) = (Some("hostsplit"), Some(METADATA_NAMESPACE));
    site.named(handle.set_metadata(kind, Some(&tag.to_xml()), key, space, flags))
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
