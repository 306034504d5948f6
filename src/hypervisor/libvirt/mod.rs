//! Real hosts: [`Hypervisor`] on libvirt. The only room that knows `virt`.
//!
//! One connection per host serves all threads. Calls block until libvirt
//! answers; a keep-alive ends those whose host has gone.

mod describe;
mod domains;
mod error;
mod migration;
mod state;
mod storage;
mod unwrapped;
mod xml;

use std::any::Any;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use virt::connect::Connect;
use virt::event;
use virt_sys as sys;

use self::error::CallSite;
use super::{
    AttachedDisk, Connector, Domain, ErrorKind, HostReport, Hypervisor, HypervisorError, Migrated,
    MigrationProgress, MigrationRequest, OwnerTag, Result, Thread, VolumeInfo, VolumeRequest,
    domain_xml,
};
use crate::ids::HostName;

/// Seconds between keep-alive messages, and how many may stay unanswered: a
/// host that is cut off is given up after half a minute.
const KEEP_ALIVE: (i32, u32) = (5, 5);

/// Connects to real hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct LibvirtConnector;

impl Connector for LibvirtConnector {
    fn connect(&self, host: &HostName, uri: &str) -> Result<Box<dyn Hypervisor>> {
        Ok(Box::new(LibvirtHost::open(host.as_str(), uri)?))
    }
}

/// Connects to real hosts to look at them: where we may not change anything, for
/// reading alone. Guest agents cannot be asked then.
#[derive(Clone, Copy, Debug, Default)]
pub struct LibvirtViewer;

impl Connector for LibvirtViewer {
    fn connect(&self, host: &HostName, uri: &str) -> Result<Box<dyn Hypervisor>> {
        let open = |uri: &str| match Connect::open(Some(uri)) {
            Err(refusal) if error::is_refusal(&refusal) => {
                tracing::info!(%host, uri, %refusal, "looking only");
                Connect::open_read_only(Some(uri))
            }
            other => other,
        };
        Ok(Box::new(LibvirtHost::with(host.as_str(), uri, open)?))
    }
}

/// A connection to the libvirt of one host.
#[derive(Debug)]
pub struct LibvirtHost {
    connection: Connect,
    host: String,
}

impl LibvirtHost {
    /// Connects to the libvirt at `uri`; errors call the host `host`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], with libvirt's message.
    pub fn open(host: &str, uri: &str) -> Result<Self> {
        Self::with(host, uri, |uri| Connect::open(Some(uri)))
    }

    fn with(
        host: &str,
        uri: &str,
        open: impl FnOnce(&str) -> std::result::Result<Connect, virt::error::Error>,
    ) -> Result<Self> {
        start_events();
        let connection = open(uri).map_err(|source| HypervisorError {
            kind: ErrorKind::Unreachable,
            ..error::of(host, format!("connect to {uri}"), &source)
        })?;
        // Drivers inside this process have no connection to keep alive and say so.
        if let Err(refusal) = connection.set_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1) {
            tracing::debug!(host, uri, %refusal, "no keep-alive");
        }
        Ok(Self { connection, host: host.to_owned() })
    }

    /// Names a call, to which its errors are put down.
    fn site(&self, what: impl Into<String>) -> CallSite<'_> {
        CallSite { connection: &self.connection, host: &self.host, what: what.into() }
    }
}

impl Hypervisor for LibvirtHost {
    fn describe(&self) -> Result<HostReport> {
        describe::host(&self.connection, &self.site("describe the host"))
    }

    fn domains(&self) -> Result<Vec<Domain>> {
        domains::list(&self.connection, &self.site("list domains"))
    }

    fn volumes(&self, pool: &str) -> Result<Vec<VolumeInfo>> {
        storage::volumes(&self.connection, &self.site(format!("list volumes of pool {pool}")), pool)
    }

    fn volume(&self, pool: &str, name: &str) -> Result<VolumeInfo> {
        let site = self.site(format!("look up volume {name} in pool {pool}"));
        storage::find(&self.connection, &site, pool, name)
    }

    fn is_active(&self, domain: &str) -> Result<bool> {
        let site = self.site(format!("look up domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domain.is_active())
    }

    fn create_volume(&self, request: &VolumeRequest) -> Result<()> {
        let site = self.site(format!("create volume {} in pool {}", request.name, request.pool));
        storage::create(&self.connection, &site, request)
    }

    fn upload(&self, pool: &str, name: &str, source: &mut dyn Read, length: u64) -> Result<()> {
        let site = self.site(format!("write volume {name} in pool {pool}"));
        storage::upload(&self.connection, &site, (pool, name), source, length)
    }

    fn delete_volume(&self, pool: &str, name: &str) -> Result<()> {
        let site = self.site(format!("delete volume {name} in pool {pool}"));
        storage::delete(&self.connection, &site, pool, name)
    }

    fn define(&self, xml: &str) -> Result<()> {
        let name = domain_xml::domain_name(xml).unwrap_or_else(|| "without a name".to_owned());
        let site = self.site(format!("define domain {name}"));
        site.named(self.connection.define_domain_xml(xml)).map(drop)
    }

    fn start(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("start domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domain.create())
    }

    fn shutdown(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("shut down domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domain.shutdown())
    }

    fn power_off(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("power off domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domain.destroy())
    }

    fn suspend(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("suspend domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domain.suspend())
    }

    fn resume(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("resume domain {domain}"));
        domains::with(&self.connection, &site, domain, domains::resume)
    }

    fn set_autostart(&self, domain: &str, autostart: bool) -> Result<()> {
        let site = self.site(format!("set autostart of domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domain.set_autostart(autostart))
    }

    fn pin(&self, domain: &str, thread: Thread, cpus: &[u32]) -> Result<()> {
        let site = self.site(format!("pin {thread} of domain {domain}"));
        domains::with(&self.connection, &site, domain, |domain| domains::pin(domain, thread, cpus))
    }

    fn set_link(&self, domain: &str, mac: &str, up: bool) -> Result<()> {
        let site = self.site(format!("set the link of {mac} of domain {domain}"));
        domains::set_link(&self.connection, &site, domain, mac, up)
    }

    fn undefine(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("undefine domain {domain}"));
        domains::undefine(&self.connection, &site, domain)
    }

    fn addresses(&self, domain: &str) -> Result<Vec<Ipv4Addr>> {
        let site = self.site(format!("ask for addresses of domain {domain}"));
        domains::addresses(&self.connection, &site, domain)
    }

    fn agent(
        &self,
        domain: &str,
        request: &serde_json::Value,
        timeout: Duration,
    ) -> Result<serde_json::Value> {
        let site = self.site(format!("ask the guest agent of domain {domain}"));
        domains::agent(&self.connection, &site, domain, request, timeout)
    }

    fn download(&self, pool: &str, name: &str, from: u64, sink: &mut dyn Write) -> Result<u64> {
        let site = self.site(format!("read volume {name} in pool {pool}"));
        storage::download(&self.connection, &site, (pool, name), from, sink)
    }

    fn migratable_xml(&self, domain: &str) -> Result<String> {
        let site = self.site(format!("read domain {domain}"));
        let flags = sys::VIR_DOMAIN_XML_MIGRATABLE;
        domains::with(&self.connection, &site, domain, |domain| domain.xml_desc(flags))
    }

    fn migrate(
        &self,
        destination: &dyn Hypervisor,
        request: &MigrationRequest,
        watch: &mut dyn FnMut(&MigrationProgress) -> ControlFlow<()>,
    ) -> Result<Migrated> {
        let site = self.site(format!("migrate domain {}", request.domain));
        let Some(destination) = destination.as_any().downcast_ref::<Self>() else {
            return Err(site.error("the destination is no libvirt host"));
        };
        migration::migrate(&self.connection, &destination.connection, &site, request, watch)
    }

    fn start_paused(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("start domain {domain} paused"));
        let flags = sys::VIR_DOMAIN_START_PAUSED;
        domains::with(&self.connection, &site, domain, |domain| domain.create_with_flags(flags))
    }

    fn resize_volume(&self, pool: &str, name: &str, bytes: u64) -> Result<()> {
        let site = self.site(format!("resize volume {name} in pool {pool}"));
        storage::resize(&self.connection, &site, (pool, name), bytes)
    }

    fn resize_disk(&self, domain: &str, target: &str, bytes: u64) -> Result<()> {
        let site = self.site(format!("resize disk {target} of domain {domain}"));
        let flags = sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES;
        let resize = |domain: &virt::domain::Domain| domain.block_resize(target, bytes, flags);
        domains::with(&self.connection, &site, domain, resize)
    }

    fn attach_disk(&self, domain: &str, disk: &AttachedDisk) -> Result<()> {
        let site = self.site(format!("attach volume {} to domain {domain}", disk.volume));
        let attach = |domain: &virt::domain::Domain| {
            domain.attach_device_flags(&disk.to_xml(), sys::VIR_DOMAIN_AFFECT_LIVE)
        };
        domains::with(&self.connection, &site, domain, attach).map(drop)
    }

    fn detach_disk(&self, domain: &str) -> Result<()> {
        let site = self.site(format!("detach a disk from domain {domain}"));
        domains::detach_disk(&self.connection, &site, domain)
    }

    fn set_tag(&self, domain: &str, tag: &OwnerTag) -> Result<()> {
        domains::set_tag(&self.connection, &self.site(format!("tag domain {domain}")), domain, tag)
    }

    fn cpu(&self) -> Result<Option<String>> {
        let capabilities = self.site("describe the CPUs").named(self.connection.capabilities())?;
        Ok(xml::cpu(&capabilities))
    }

    fn covers_cpu(&self, other: &str) -> Result<bool> {
        let site = self.site("compare CPUs");
        let result = site.named(self.connection.compare_cpu(other, 0))?;
        Ok(matches!(result, sys::VIR_CPU_COMPARE_IDENTICAL | sys::VIR_CPU_COMPARE_SUPERSET))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Makes libvirt silent and able to keep connections alive: its errors are
/// returned, not printed, and its event loop runs on a thread of its own. Once
/// per process, before the first connection.
fn start_events() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        virt::error::clear_error_callback();
        if let Err(error) = event::event_register_default_impl() {
            tracing::warn!(%error, "libvirt has no event loop; a host that is cut off may block");
            return;
        }
        std::thread::spawn(run_events);
    });
}

/// Runs libvirt's event loop for as long as the process lives. It fails only
/// without an implementation, and then each turn would: so it ends.
fn run_events() {
    loop {
        if let Err(error) = event::event_run_default_impl() {
            tracing::warn!(%error, "libvirt's event loop has ended");
            return;
        }
    }
}
