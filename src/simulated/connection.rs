//! [`Hypervisor`] over a simulated host: every call through the script of
//! failures to its effect.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::Value;

use super::faults::{Call, Mode, failure};
use super::host::{SimulatedDomain, SimulatedHost, Volume, pool_path};
use super::xml;
use super::{SimulatedWorld, State, guest, migration, report};
use crate::hypervisor::clock::Clock;
use crate::hypervisor::{
    AttachedDisk, Domain, ErrorKind, HostReport, Hypervisor, HypervisorError, Migrated,
    MigrationProgress, MigrationRequest, OwnerTag, Pause, Result, Thread, VolumeInfo,
    VolumeRequest, edit,
};
use crate::ids::HostName;

/// A connection to one simulated host.
pub(super) struct Connection {
    world: SimulatedWorld,
    pub(super) host: HostName,
}

/// What a call finds once it has come through: the world, itself and the time.
pub(super) struct Arrived<'a> {
    pub(super) state: &'a mut State,
    call: &'a Call,
    now: Duration,
}

impl Arrived<'_> {
    pub(super) fn fail<T>(&self, kind: ErrorKind, message: impl AsRef<str>) -> Result<T> {
        Err(failure(self.call, kind, message.as_ref()))
    }

    pub(super) fn host(&mut self) -> Result<&mut SimulatedHost> {
        let gone = failure(self.call, ErrorKind::Unreachable, "no route to host");
        self.state.hosts.get_mut(&self.call.host).ok_or(gone)
    }

    pub(super) fn domain(&mut self) -> Result<&mut SimulatedDomain> {
        let name = self.call.object.clone();
        let missing = failure(self.call, ErrorKind::NotFound, "Domain not found");
        self.host()?.domains.get_mut(&name).ok_or(missing)
    }

    fn pool(&mut self, pool: &str) -> Result<&mut BTreeMap<String, Volume>> {
        let missing = failure(self.call, ErrorKind::NotFound, "Storage pool not found");
        self.host()?.pools.get_mut(pool).ok_or(missing)
    }
}

impl Connection {
    pub(super) const fn new(world: SimulatedWorld, host: HostName) -> Self {
        Self { world, host }
    }

    /// Brings a call to the host, through what is scripted for it.
    pub(super) fn call<T>(
        &self,
        name: &str,
        object: &str,
        changes: bool,
        effect: impl FnOnce(&mut Arrived<'_>) -> Result<T>,
    ) -> Result<T> {
        let now = self.world.shared.clock.elapsed();
        let mut state = self.world.state();
        let (call, strike) = state.faults.enter(&self.host, name, object, changes)?;
        if let Some(strike) = &strike
            && matches!(strike.mode, Mode::Before | Mode::DieBefore)
        {
            return Err(strike.error(&call));
        }
        if !state.hosts.get(&self.host).is_some_and(SimulatedHost::answers) {
            return Err(failure(&call, ErrorKind::Unreachable, "no route to host"));
        }
        state.settle(now);
        let result = effect(&mut Arrived { state: &mut state, call: &call, now });
        if changes {
            state.share_pools(&self.host);
            state.refresh(now);
        }
        state.serve_clients(now);
        state.be_watched(now, Some(&call));
        match strike {
            Some(strike) => Err(strike.error(&call)),
            None => result,
        }
    }
}

impl Hypervisor for Connection {
    fn describe(&self) -> Result<HostReport> {
        self.call("describe", "", false, |at| Ok(report::report(at.host()?)))
    }

    fn domains(&self) -> Result<Vec<Domain>> {
        self.call("domains", "", false, |at| {
            Ok(at.host()?.domains.values().map(SimulatedDomain::seen).collect())
        })
    }

    fn volumes(&self, pool: &str) -> Result<Vec<VolumeInfo>> {
        self.call("volumes", pool, false, |at| {
            Ok(at.pool(pool)?.iter().map(|(name, volume)| info(pool, name, volume)).collect())
        })
    }

    fn volume(&self, pool: &str, name: &str) -> Result<VolumeInfo> {
        self.call("volume", &format!("{pool}/{name}"), false, |at| {
            let missing = failure(at.call, ErrorKind::NotFound, "Storage volume not found");
            at.pool(pool)?.get(name).map(|volume| info(pool, name, volume)).ok_or(missing)
        })
    }

    fn is_active(&self, domain: &str) -> Result<bool> {
        self.call("is_active", domain, false, |at| Ok(at.domain()?.running.is_some()))
    }

    fn create_volume(&self, request: &VolumeRequest) -> Result<()> {
        let object = format!("{}/{}", request.pool, request.name);
        self.call("create_volume", &object, true, |at| {
            let id = at.state.next_volume;
            let pool = at.pool(&request.pool)?;
            if pool.contains_key(&request.name) {
                return at.fail(ErrorKind::Exists, "storage volume already exists");
            }
            if request.backing.as_ref().is_some_and(|backing| !pool.contains_key(backing)) {
                return at.fail(ErrorKind::NotFound, "backing volume not found");
            }
            pool.insert(request.name.clone(), Volume::empty(id, request));
            at.state.next_volume += 1;
            Ok(())
        })
    }

    fn upload(&self, pool: &str, name: &str, source: &mut dyn Read, length: u64) -> Result<()> {
        // Before the world is held: who reads may report, and look into the world.
        let mut bytes = Vec::new();
        let read = source.take(length).read_to_end(&mut bytes);
        let complete = read.is_ok_and(|read| read as u64 == length);
        self.call("upload", &format!("{pool}/{name}"), true, |at| {
            let missing = failure(at.call, ErrorKind::NotFound, "Storage volume not found");
            let volume = at.pool(pool)?.get_mut(name).ok_or(missing)?;
            // What arrived stays, as with a real stream.
            volume.fill(bytes);
            if complete { Ok(()) } else { at.fail(ErrorKind::Other, "the source ended early") }
        })
    }

    fn delete_volume(&self, pool: &str, name: &str) -> Result<()> {
        self.call("delete_volume", &format!("{pool}/{name}"), true, |at| {
            let missing = failure(at.call, ErrorKind::NotFound, "Storage volume not found");
            at.pool(pool)?.remove(name).map(|_| ()).ok_or(missing)
        })
    }

    fn define(&self, xml: &str) -> Result<()> {
        let definition = xml::read(xml).map_err(|message| HypervisorError {
            host: self.host.to_string(),
            what: "define domain".to_owned(),
            kind: ErrorKind::Other,
            message,
            code: None,
        })?;
        self.call("define", &definition.domain.name.clone(), true, |at| {
            let domains = &mut at.host()?.domains;
            let Some(old) = domains.get_mut(&definition.domain.name) else {
                let name = definition.domain.name.clone();
                domains.insert(name, SimulatedDomain::new(definition));
                return Ok(());
            };
            if old.definition.domain.uuid != definition.domain.uuid {
                return at.fail(ErrorKind::Exists, "domain already exists with another uuid");
            }
            old.define(definition);
            Ok(())
        })
    }

    fn start(&self, domain: &str) -> Result<()> {
        self.start_as("start", domain, false)
    }

    fn shutdown(&self, domain: &str) -> Result<()> {
        self.stop("shutdown", domain)
    }

    fn power_off(&self, domain: &str) -> Result<()> {
        self.stop("power_off", domain)
    }

    fn suspend(&self, domain: &str) -> Result<()> {
        self.pause("suspend", domain, Some(Pause::Asked))
    }

    fn resume(&self, domain: &str) -> Result<()> {
        self.pause("resume", domain, None)
    }

    fn set_autostart(&self, domain: &str, autostart: bool) -> Result<()> {
        self.call("set_autostart", domain, true, |at| {
            if at.domain()?.transient {
                return at.fail(ErrorKind::Other, "cannot set autostart for transient domain");
            }
            at.domain()?.autostart = autostart;
            Ok(())
        })
    }

    fn pin(&self, domain: &str, thread: Thread, cpus: &[u32]) -> Result<()> {
        self.call("pin", domain, true, |at| {
            at.domain()?.change(true, true, |xml| edit::with_pin(xml, thread, cpus));
            Ok(())
        })
    }

    fn set_link(&self, domain: &str, mac: &str, up: bool) -> Result<()> {
        self.call("set_link", domain, true, |at| {
            let known = at.domain()?;
            if known.running.is_none() {
                return at.fail(ErrorKind::Other, "domain is not running");
            }
            if !known.definition.domain.definition.devices.macs.contains(mac) {
                return at.fail(ErrorKind::NotFound, "the domain has no such interface");
            }
            let edited =
                |xml: &str| edit::with_link(xml, mac, up).unwrap_or_else(|| xml.to_owned());
            known.change(true, false, edited);
            Ok(())
        })
    }

    fn undefine(&self, domain: &str) -> Result<()> {
        self.call("undefine", domain, true, |at| {
            if at.domain()?.running.is_some() {
                return at.fail(ErrorKind::Other, "cannot undefine a running domain");
            }
            at.host()?.domains.remove(domain);
            Ok(())
        })
    }

    fn addresses(&self, domain: &str) -> Result<Vec<Ipv4Addr>> {
        self.call("addresses", domain, false, |at| {
            let running = at.domain()?.running.as_ref();
            Ok(running.and_then(|running| running.address).into_iter().collect())
        })
    }

    fn agent(&self, domain: &str, request: &Value, _timeout: Duration) -> Result<Value> {
        let command = request.get("execute").and_then(Value::as_str).unwrap_or_default();
        let reads = request.pointer("/arguments/mode").is_some_and(|mode| mode == "r");
        let changes =
            matches!(command, "guest-exec" | "guest-file-open" | "guest-file-write") && !reads;
        self.call(&format!("agent {command}"), domain, changes, |at| {
            at.domain()?;
            let answer = guest::answer(at.state, &at.call.host, domain, request, at.now);
            answer.map_err(|refusal| failure(at.call, refusal.kind, &refusal.message))
        })
    }

    fn download(&self, pool: &str, name: &str, from: u64, sink: &mut dyn Write) -> Result<u64> {
        self.call("download", &format!("{pool}/{name}"), false, |at| {
            let missing = failure(at.call, ErrorKind::NotFound, "Storage volume not found");
            let bytes = at.pool(pool)?.get(name).map(Volume::content).ok_or(missing)?;
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let bytes = bytes.get(from..).unwrap_or_default();
            match sink.write_all(bytes) {
                Ok(()) => Ok(bytes.len() as u64),
                Err(error) => at.fail(ErrorKind::Other, error.to_string()),
            }
        })
    }

    fn migratable_xml(&self, domain: &str) -> Result<String> {
        self.call("migratable_xml", domain, false, |at| {
            Ok(at.domain()?.definition.domain.definition.xml.clone())
        })
    }

    fn migrate(
        &self,
        destination: &dyn Hypervisor,
        request: &MigrationRequest,
        watch: &mut dyn FnMut(&MigrationProgress) -> ControlFlow<()>,
    ) -> Result<Migrated> {
        match destination.as_any().downcast_ref::<Self>() {
            Some(destination) => migration::migrate(self, destination, request, watch),
            None => self.call("migrate", &request.domain, false, |at| {
                at.fail(ErrorKind::Other, "the destination is not simulated")
            }),
        }
    }

    fn start_paused(&self, domain: &str) -> Result<()> {
        self.start_as("start paused", domain, true)
    }

    fn resize_volume(&self, pool: &str, name: &str, bytes: u64) -> Result<()> {
        self.call("resize_volume", &format!("{pool}/{name}"), true, |at| {
            let missing = failure(at.call, ErrorKind::NotFound, "Storage volume not found");
            at.pool(pool)?.get_mut(name).ok_or(missing)?.request.capacity = bytes;
            Ok(())
        })
    }

    fn resize_disk(&self, domain: &str, target: &str, bytes: u64) -> Result<()> {
        self.call("resize_disk", domain, true, |at| {
            let SimulatedDomain { definition, running, .. } = at.domain()?.clone();
            let disk = definition.disks.iter().find(|one| one.target.as_deref() == Some(target));
            let Some(disk) = disk.filter(|_| running.is_some()) else {
                return at.fail(ErrorKind::Other, format!("invalid path: {target}"));
            };
            let missing = failure(at.call, ErrorKind::NotFound, "Storage volume not found");
            at.pool(&disk.pool)?.get_mut(&disk.volume).ok_or(missing)?.request.capacity = bytes;
            Ok(())
        })
    }

    fn attach_disk(&self, domain: &str, disk: &AttachedDisk) -> Result<()> {
        self.call("attach_disk", domain, true, |at| {
            let known = at.domain()?;
            if known.running.is_none() {
                return at.fail(ErrorKind::Other, "domain is not running");
            }
            let is_taken = |one: &xml::Disk| one.target.as_deref() == Some(AttachedDisk::TARGET);
            if known.definition.disks.iter().any(is_taken) {
                return at.fail(ErrorKind::Other, "target already exists");
            }
            if !at.pool(&disk.pool)?.contains_key(&disk.volume) {
                return at.fail(ErrorKind::NotFound, "Storage volume not found");
            }
            let element = disk.to_xml();
            at.domain()?.change(true, false, |xml| edit::with_device(xml, &element));
            Ok(())
        })
    }

    fn detach_disk(&self, domain: &str) -> Result<()> {
        self.call("detach_disk", domain, true, |at| {
            let without = |xml: &str| edit::without_disk(xml, AttachedDisk::TARGET);
            at.domain()?.change(true, false, without);
            Ok(())
        })
    }

    fn set_tag(&self, domain: &str, tag: &OwnerTag) -> Result<()> {
        self.call("set_tag", domain, true, |at| {
            at.domain()?.change(true, true, |xml| xml::with_tag(xml, tag));
            Ok(())
        })
    }

    fn cpu(&self) -> Result<Option<String>> {
        self.call("cpu", "", false, |at| Ok(at.host()?.cpu_model.clone()))
    }

    fn covers_cpu(&self, other: &str) -> Result<bool> {
        self.call("covers_cpu", "", false, |at| Ok(at.host()?.cpu_model.as_deref() == Some(other)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Connection {
    fn start_as(&self, name: &str, domain: &str, paused: bool) -> Result<()> {
        self.call(name, domain, true, |at| {
            let definition = at.domain()?.definition.clone();
            if at.domain()?.running.is_some() {
                return at.fail(ErrorKind::Other, "domain is already running");
            }
            if let Some(obstacle) = at.host()?.obstacle(&definition) {
                return at.fail(ErrorKind::Other, obstacle);
            }
            at.host()?.forget_run(domain);
            let mut running = guest::Running::starting(at.now);
            running.paused = paused.then_some(Pause::Asked);
            let domain = at.domain()?;
            (domain.running, domain.crashed) = (Some(running), false);
            Ok(())
        })
    }

    fn stop(&self, name: &str, domain: &str) -> Result<()> {
        self.call(name, domain, true, |at| {
            at.domain()?;
            if at.host()?.stop(domain) {
                return Ok(());
            }
            at.fail(ErrorKind::Other, "domain is not running")
        })
    }

    fn pause(&self, name: &str, domain: &str, paused: Option<Pause>) -> Result<()> {
        self.call(name, domain, true, |at| match &mut at.domain()?.running {
            Some(running) => {
                running.paused = paused;
                Ok(())
            }
            None => at.fail(ErrorKind::Other, "domain is not running"),
        })
    }
}

fn info(pool: &str, name: &str, volume: &Volume) -> VolumeInfo {
    let path = |name: &str| format!("{}/{name}", pool_path(pool));
    VolumeInfo {
        name: name.to_owned(),
        path: path(name),
        capacity: volume.request.capacity,
        backing: volume.request.backing.as_deref().map(path),
    }
}
