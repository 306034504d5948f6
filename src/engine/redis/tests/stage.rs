//! The sample plan on simulated hosts, for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::redis::{REDIS, Redis, VALKEY};
use crate::engine::{
    Bound, Change, Crew, Difference, Disruption, EngineError, Goal, Guests, Leaving, Load,
    Operator, Probe,
};
use crate::guest::Guest;
use crate::hypervisor::clock::Clock;
use crate::hypervisor::{Connector, Hypervisor, METADATA_NAMESPACE, VolumeFormat, VolumeRequest};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan, ServicePlan, Setting, Volume};
use crate::recipe::redis::Package;
use crate::sample;
use crate::secret::{Secret, Secrets};
use crate::simulated::{SimulatedClock, SimulatedWorld};
use crate::spec::{self, Access, Password, Serve};

pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) world: SimulatedWorld,
    pub(super) clock: SimulatedClock,
    pub(super) secrets: Secrets,
    engine: &'static Redis,
    hosts: BTreeMap<HostName, Box<dyn Hypervisor>>,
}

impl Guests for Stage {
    fn guest(&self, name: &InstanceName) -> Result<Guest<'_>, EngineError> {
        let instance = self.plan.instance(name).unwrap();
        let hypervisor = self.hosts[&instance.host].as_ref();
        Ok(Guest { hypervisor, domain: &instance.domain, clock: &self.clock })
    }

    fn guest_of<'a>(&'a self, leaving: &'a Leaving) -> Result<Guest<'a>, EngineError> {
        let hypervisor = self.hosts[&leaving.host].as_ref();
        Ok(Guest { hypervisor, domain: &leaving.domain, clock: &self.clock })
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn content(&self, _: &Serve) -> Result<Vec<u8>, EngineError> {
        Err(EngineError::Files("a cluster of Redis serves no files".to_owned()))
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
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
        Self::of(sample::plan())
    }

    /// Formed, of an engine, with passwords.
    pub(super) fn closed(engine: spec::Engine) -> Self {
        let mut plan = sample::plan();
        plan.services[0].engine = engine;
        plan.services[0].access =
            Access { password: Some(Password::Generated), ..Access::default() };
        let package = Package::of(engine);
        for instance in &mut plan.instances {
            for (name, value) in [
                ("dir", package.directory.into()),
                ("include", package.secrets.into()),
                ("masteruser", "replica".into()),
                ("protected-mode", true.into()),
            ] {
                instance.settings.insert(name.to_owned(), value);
            }
        }
        let mut stage = Self::of(plan);
        stage.set_passwords("for-all-clients", "for-ourselves");
        for instance in &stage.plan.instances {
            stage.configure(instance);
        }
        stage.form().unwrap();
        stage
    }

    /// Other passwords from now on; instances have them once configured.
    pub(super) fn set_passwords(&mut self, client: &str, internal: &str) {
        let secret = |text| Secret::parse(text).unwrap();
        let credentials =
            crate::recipe::Credentials { client: secret(client), internal: secret(internal) };
        self.secrets.services.insert(self.plan.services[0].name.clone(), credentials.into());
    }

    fn of(plan: Plan) -> Self {
        let engine = plan.services[0].engine;
        let engine = if engine == spec::Engine::Valkey { &VALKEY } else { &REDIS };
        let world = SimulatedWorld::new(&plan.topology);
        let connect = |host: &crate::topology::Host| {
            let uri = host.uri.as_deref().unwrap();
            (host.name.clone(), world.connect(&host.name, uri).unwrap())
        };
        let hosts = plan.topology.hosts.iter().map(connect).collect();
        let secrets = Secrets::default();
        let stage = Self { clock: world.clock(), hosts, world, plan, secrets, engine };
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
        Self::formed_with("cluster-node-timeout", Setting::Millis(600_000))
    }

    /// Formed, with a setting of its own.
    pub(super) fn formed_with(name: &str, value: Setting) -> Self {
        let mut stage = Self::new();
        for instance in &mut stage.plan.instances {
            instance.settings.insert(name.to_owned(), value.clone());
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

    pub(super) fn configure(&self, instance: &Instance) -> Change {
        let guest = self.guest(&instance.name).unwrap();
        guest.wait_until_answering(Duration::from_secs(120)).unwrap();
        assert!(guest.wait_for_first_boot(Duration::from_secs(120)).unwrap().is_empty());
        self.try_configure(instance).unwrap()
    }

    pub(super) fn try_configure(&self, instance: &Instance) -> Result<Change, EngineError> {
        self.engine.configure(&self.crew(), instance, Disruption::Covered)
    }

    pub(super) fn crew(&self) -> Crew<'_> {
        Crew::new(&self.plan, self.service(), self)
    }

    pub(super) const fn engine(&self) -> &'static Redis {
        self.engine
    }

    pub(super) fn probe(&self) -> Vec<Probe> {
        self.engine.probe(&self.crew()).unwrap()
    }

    pub(super) fn load(&self) -> Vec<Load> {
        self.engine.load(&self.crew(), Bound::REAL).unwrap()
    }

    pub(super) fn service(&self) -> &ServicePlan {
        &self.plan.services[0]
    }

    pub(super) fn form(&self) -> Result<Change, EngineError> {
        self.engine.form(&self.crew(), Goal::Planned)
    }

    /// The same where data may be given up of which nothing is left.
    pub(super) fn form_losing_data(&self) -> Result<Change, EngineError> {
        self.engine.form(&self.crew().losing_data(true), Goal::Planned)
    }

    pub(super) fn check(&self) -> Vec<Difference> {
        self.check_only(&self.crew())
    }

    /// Checks some of the instances.
    pub(super) fn check_only(&self, crew: &Crew<'_>) -> Vec<Difference> {
        self.engine.check(crew).unwrap().differences
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.clock.wait(Duration::from_secs(seconds));
    }

    pub(super) fn cli(&self, ordinal: usize, words: &[&str]) -> Result<String, EngineError> {
        let instance = self.instance(ordinal);
        let address = instance.address.unwrap().to_string();
        let mut command = vec!["redis-cli", "-e", "-c", "-h", &address];
        command.extend_from_slice(words);
        Ok(self.guest(&instance.name).unwrap().run_ok(&command, Duration::from_secs(10))?)
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
