//! The sample plan on simulated hosts, for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::redis::Redis;
use crate::engine::{Change, ConfigFile, Engine, EngineError, Guest, Guests, Mismatch};
use crate::hypervisor::clock::Clock;
use crate::hypervisor::simulated::{SimulatedClock, SimulatedWorld};
use crate::hypervisor::{Connector, Hypervisor, METADATA_NAMESPACE, VolumeFormat, VolumeRequest};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan, ServicePlan, Volume, sample};

pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) world: SimulatedWorld,
    pub(super) clock: SimulatedClock,
    hosts: BTreeMap<HostName, Box<dyn Hypervisor>>,
}

impl Guests for Stage {
    fn guest(&self, name: &InstanceName) -> Result<Guest<'_>, EngineError> {
        let instance = self.plan.instance(name).unwrap();
        let hypervisor = self.hosts[&instance.host].as_ref();
        Ok(Guest { hypervisor, domain: &instance.domain, clock: &self.clock })
    }
}

fn xml(plan: &Plan, instance: &Instance) -> String {
    let disk = |volume: &Volume, extra: &str| {
        format!(
            "<disk type='volume'><source pool='{}' volume='{}'/>{extra}</disk>",
            volume.pool, volume.name
        )
    };
    format!(
        "<domain type='qemu'><name>{}</name><uuid>{}</uuid><metadata><h:instance xmlns:h='{}' \
         deployment='{}' instance='{}' digest='d'/></metadata><memory unit='KiB'>{}</memory>\
         <vcpu>{}</vcpu><cputune><vcpupin vcpu='0' cpuset='{}'/><emulatorpin cpuset='0'/></cputune>\
         <numatune><memory mode='strict' nodeset='0'/></numatune><devices>{}{}{}</devices></domain>",
        instance.domain,
        instance.uuid,
        METADATA_NAMESPACE,
        plan.name,
        instance.name,
        instance.memory_mib.kib(),
        instance.cpus.len(),
        instance.cpus[0],
        disk(instance.root.as_ref().unwrap(), ""),
        instance.data.as_ref().map(|data| disk(data, "")).unwrap_or_default(),
        disk(instance.seed.as_ref().unwrap(), "<readonly/>"),
    )
}

impl Stage {
    /// Everything defined and started, nothing configured.
    pub(super) fn new() -> Self {
        let plan = sample::plan().unwrap();
        let world = SimulatedWorld::new(&plan.topology);
        let connect = |host: &crate::topology::Host| {
            let uri = host.uri.as_deref().unwrap();
            (host.name.clone(), world.connect(&host.name, uri).unwrap())
        };
        let hosts = plan.topology.hosts.iter().map(connect).collect();
        let stage = Self { clock: world.clock(), hosts, world, plan };
        for instance in &stage.plan.instances {
            for volume in instance.volumes() {
                stage.make(instance, volume);
            }
            stage.world.give_address(&instance.domain, instance.address.unwrap());
            stage.host(instance).define(&xml(&stage.plan, instance)).unwrap();
            stage.host(instance).start(&instance.domain).unwrap();
        }
        stage
    }

    /// Configured, not yet formed.
    pub(super) fn configured() -> Self {
        let stage = Self::new();
        for instance in &stage.plan.instances {
            stage.configure(instance);
        }
        stage
    }

    /// Formed, with a node timeout of ten minutes: longer than any boot.
    pub(super) fn formed_and_patient() -> Self {
        let mut stage = Self::new();
        for instance in &mut stage.plan.instances {
            instance.config.insert("cluster-node-timeout".into(), "600000".into());
        }
        for instance in &stage.plan.instances {
            stage.configure(instance);
        }
        stage.form().unwrap();
        stage
    }

    /// Formed.
    pub(super) fn formed() -> Self {
        let stage = Self::configured();
        stage.form().unwrap();
        stage
    }

    pub(super) fn host(&self, instance: &Instance) -> &dyn Hypervisor {
        self.hosts[&instance.host].as_ref()
    }

    fn make(&self, instance: &Instance, volume: &Volume) {
        let request = VolumeRequest {
            pool: volume.pool.clone(),
            name: volume.name.clone(),
            capacity: volume.size_mib.bytes(),
            format: VolumeFormat::Raw,
            backing: None,
        };
        self.host(instance).create_volume(&request).unwrap();
    }

    pub(super) fn instance(&self, ordinal: usize) -> &Instance {
        &self.plan.instances[ordinal]
    }

    pub(super) fn file(instance: &Instance) -> ConfigFile {
        let line = |(name, value): (&String, &String)| match value.as_str() {
            "" => format!("{name} \"\"\n"),
            value => format!("{name} {value}\n"),
        };
        ConfigFile {
            path: "/etc/redis/redis.conf".to_owned(),
            text: instance.config.iter().map(line).collect(),
            mode: 0o640,
            owner: "redis:redis".to_owned(),
        }
    }

    pub(super) fn configure(&self, instance: &Instance) -> Change {
        let guest = self.guest(&instance.name).unwrap();
        guest.wait_until_answering(Duration::from_secs(120)).unwrap();
        assert!(guest.wait_for_first_boot(Duration::from_secs(120)).unwrap().is_empty());
        Redis.configure(&guest, instance, &[Self::file(instance)]).unwrap()
    }

    pub(super) fn service(&self) -> &ServicePlan {
        &self.plan.services[0]
    }

    pub(super) fn form(&self) -> Result<Change, EngineError> {
        Redis.form(self, self.service(), &self.plan)
    }

    pub(super) fn check(&self) -> Vec<Mismatch> {
        Redis.check(self, self.service(), &self.plan).unwrap()
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.clock.wait(Duration::from_secs(seconds));
    }

    pub(super) fn cli(&self, ordinal: usize, words: &[&str]) -> Result<String, EngineError> {
        let instance = self.instance(ordinal);
        let address = instance.address.unwrap().to_string();
        let mut command = vec!["redis-cli", "-e", "-c", "-h", &address];
        command.extend_from_slice(words);
        self.guest(&instance.name).unwrap().run_ok(&command, Duration::from_secs(10))
    }

    pub(super) fn cut(&self, host: &str) {
        self.world.power_cut(&HostName::new(host).unwrap());
    }

    /// Power again, and all domains of the host started and configured.
    pub(super) fn restore(&self, host: &str) {
        let host = HostName::new(host).unwrap();
        self.world.power_on(&host);
        let here: Vec<&Instance> = self.plan.on_host(&host).collect();
        for instance in &here {
            self.host(instance).start(&instance.domain).unwrap();
        }
        for instance in here {
            self.configure(instance);
        }
    }

    /// A new machine in the place of an instance: all its volumes are lost.
    pub(super) fn reinstall(&self, ordinal: usize, pause: u64) {
        let instance = self.instance(ordinal);
        self.host(instance).power_off(&instance.domain).unwrap();
        for volume in instance.root.iter().chain(&instance.data) {
            self.host(instance).delete_volume(&volume.pool, &volume.name).unwrap();
            self.make(instance, volume);
        }
        self.wait(pause);
        self.host(instance).start(&instance.domain).unwrap();
        self.configure(instance);
    }
}
