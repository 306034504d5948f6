//! A service with everything that its operator may ask.

use std::net::Ipv4Addr;

use crate::engine::EngineError;
use crate::guest::Guest;
use crate::guest_file::GuestFile;
use crate::hypervisor::clock::Clock;
use crate::hypervisor::fan_out::on_each;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::recipe;
use crate::secret::{Secrets, ServiceSecrets};
use crate::spec::{Cluster, Serve};

/// The way to the guests of a plan, and to what they are to hold.
pub trait Guests: Sync {
    /// Returns the guest of that instance.
    ///
    /// # Errors
    /// Its host is not connected, or the name is not in the plan.
    fn guest(&self, instance: &InstanceName) -> Result<Guest<'_>, EngineError>;

    /// Returns the guest of an instance that leaves.
    ///
    /// # Errors
    /// Its host is not connected.
    fn guest_of<'a>(&'a self, leaving: &'a Leaving) -> Result<Guest<'a>, EngineError>;

    /// Passwords and certificates of the deployment.
    fn secrets(&self) -> &Secrets;

    /// Returns the archive of what a pool serves, as it was planned.
    ///
    /// # Errors
    /// It is not there, or is another.
    fn content(&self, serve: &Serve) -> Result<Vec<u8>, EngineError>;

    /// What waiting goes by.
    fn clock(&self) -> &dyn Clock;
}

/// An instance of a service that the plan does not hold any more, and that is still
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its name.
    pub name: InstanceName,
    /// The service that it was part of.
    pub service: ServiceName,
    /// Its host.
    pub host: HostName,
    /// Its domain.
    pub domain: String,
    /// Its address in the network; `None` where its guest does not say.
    pub address: Option<Ipv4Addr>,
}

/// The instances of a service, or some of them, and the way to them.
#[derive(Clone)]
pub struct Crew<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The service.
    pub service: &'a ServicePlan,
    guests: &'a dyn Guests,
    members: Vec<&'a Instance>,
    absent: Vec<&'a Instance>,
    leaving: Vec<&'a Leaving>,
    reports: &'a (dyn Fn(String) + Sync),
    may_lose_data: bool,
}

/// Reports nothing.
fn silent(_: String) {}

impl<'a> Crew<'a> {
    /// All instances of a service: group by group, each with its lead first, then those
    /// that are in no group.
    #[must_use]
    pub fn new(plan: &'a Plan, service: &'a ServicePlan, guests: &'a dyn Guests) -> Self {
        let grouped = service.groups.iter().flat_map(|group| {
            std::iter::once(&group.lead).chain(&group.replicas).filter_map(|n| plan.instance(n))
        });
        let mut members: Vec<&Instance> = grouped.collect();
        let rest = plan.members(&service.name).filter(|one| one.group.is_none());
        let rest: Vec<&Instance> = rest.filter(|one| !members.contains(one)).collect();
        members.extend(rest);
        let (absent, leaving) = (Vec::new(), Vec::new());
        let (reports, may_lose_data) = (&silent, false);
        Self { plan, service, guests, members, absent, leaving, reports, may_lose_data }
    }

    /// The same with some of the instances only.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Instance) -> bool) -> Self {
        let members = self.members.iter().copied().filter(|one| keep(one)).collect();
        Self { members, ..self.clone() }
    }

    /// The same without instances that cannot be asked, and are not waited for: their
    /// hosts are left out, or their machines are yet to be made.
    #[must_use]
    pub fn without(mut self, is_absent: impl Fn(&Instance) -> bool) -> Self {
        let (absent, members) = self.members.iter().partition(|one| is_absent(one));
        self.members = members;
        self.absent.extend::<Vec<_>>(absent);
        self
    }

    /// The same with instances that are to leave the service.
    #[must_use]
    pub fn with_leaving(mut self, all: &'a [Leaving]) -> Self {
        self.leaving = all.iter().filter(|one| one.service == self.service.name).collect();
        self
    }

    /// The same with somebody who is to know what is being done, as it is done.
    #[must_use]
    pub fn reporting(mut self, reports: &'a (dyn Fn(String) + Sync)) -> Self {
        self.reports = reports;
        self
    }

    /// Reports what is being done now.
    pub fn report(&self, what: String) {
        (self.reports)(what);
    }

    /// The same where data may be given up of which nothing is left, as the operator says.
    #[must_use]
    pub const fn losing_data(mut self, allowed: bool) -> Self {
        self.may_lose_data = allowed;
        self
    }

    /// Whether data may be given up of which nothing is left.
    #[must_use]
    pub const fn may_lose_data(&self) -> bool {
        self.may_lose_data
    }

    /// The instances that can be asked.
    #[must_use]
    pub fn members(&self) -> &[&'a Instance] {
        &self.members
    }

    /// Planned instances that cannot be asked, and are not waited for.
    #[must_use]
    pub fn absent(&self) -> &[&'a Instance] {
        &self.absent
    }

    /// Instances that are to leave the service.
    #[must_use]
    pub fn leaving(&self) -> &[&'a Leaving] {
        &self.leaving
    }

    /// The instances that are planned to hold copies of the same data as another, itself
    /// and absent ones among them; all of a pool, which serve the same, and all of a cluster
    /// that spreads copies over its instances.
    pub fn copies_of<'s>(&'s self, instance: &'s Instance) -> impl Iterator<Item = &'a Instance> {
        let group = instance.group;
        let are_alike = match self.service.engine.cluster() {
            Cluster::Pool => true,
            Cluster::Quorum => self.service.layout.copies > 1,
            _ => false,
        };
        let planned = self.members.iter().chain(&self.absent).copied();
        planned.filter(move |one| are_alike || (one.group.is_some() && one.group == group))
    }

    /// Whether the plan lets an instance lead its group.
    #[must_use]
    pub fn is_lead(&self, instance: &Instance) -> bool {
        self.service.groups.iter().any(|group| group.lead == instance.name)
    }

    /// The planned leads, in the order of their groups.
    pub fn leads(&self) -> impl Iterator<Item = &'a Instance> {
        self.members.iter().copied().filter(|one| self.is_lead(one))
    }

    /// The instances that come after one, as in a ring; itself last.
    pub fn after<'s>(&'s self, instance: &Instance) -> impl Iterator<Item = &'a Instance> {
        let place = self.members.iter().position(|one| one.name == instance.name);
        let next = place.map_or(0, |place| place + 1);
        self.members.iter().copied().cycle().skip(next).take(self.members.len())
    }

    /// Returns the guest of an instance.
    ///
    /// # Errors
    /// Its host is not connected.
    pub fn guest(&self, instance: &InstanceName) -> Result<Guest<'a>, EngineError> {
        self.guests.guest(instance)
    }

    /// Returns the guest of an instance that leaves.
    ///
    /// # Errors
    /// Its host is not connected.
    pub fn guest_of(&self, leaving: &'a Leaving) -> Result<Guest<'a>, EngineError> {
        self.guests.guest_of(leaving)
    }

    /// Returns the guest of an instance, also of one that leaves.
    ///
    /// # Errors
    /// Its host is not connected.
    pub fn any_guest(&self, name: &InstanceName) -> Result<Guest<'a>, EngineError> {
        match self.leaving.iter().find(|leaving| leaving.name == *name) {
            Some(leaving) => self.guest_of(leaving),
            None => self.guest(name),
        }
    }

    /// Renders the files of an instance.
    ///
    /// # Errors
    /// An engine that cannot be set up; a secret that is not there.
    pub fn files(&self, instance: &Instance) -> Result<Vec<GuestFile>, EngineError> {
        let ServicePlan { name, engine, .. } = self.service;
        let unsupported = || EngineError::Unsupported { service: name.clone(), engine: *engine };
        let setup = recipe::of(*engine).setup.ok_or_else(unsupported)?;
        let files = setup.files(self.service, instance, self.guests.secrets());
        files.map_err(|error| EngineError::Files(error.to_string()))
    }

    /// The secrets that the instances share, where the service asks for a password and it
    /// is known.
    #[must_use]
    pub fn secrets(&self) -> Option<&'a ServiceSecrets> {
        let known = self.guests.secrets().services.get(&self.service.name);
        known.filter(|_| self.service.access.password.is_some())
    }

    /// Returns the archive of what the service serves.
    ///
    /// # Errors
    /// It is not there, or is another than was planned.
    pub fn content(&self, serve: &Serve) -> Result<Vec<u8>, EngineError> {
        self.guests.content(serve)
    }

    /// Returns the refusal to go on with the service, for a reason that a person has to see to.
    #[must_use]
    pub fn refusal(&self, reason: String) -> EngineError {
        EngineError::Refused { service: self.service.name.clone(), reason }
    }

    /// What waiting goes by.
    #[must_use]
    pub fn clock(&self) -> &'a dyn Clock {
        self.guests.clock()
    }

    /// Works on all items at the same time, a few on each host; `at` says in whose
    /// guest. Returns the results in the order of the items.
    pub fn each<'i, T: Sync, R: Send>(
        &self,
        items: &'i [T],
        at: impl Fn(&'i T) -> &'i InstanceName,
        work: impl Fn(&'i T) -> R + Sync,
    ) -> Vec<R> {
        let host = |item: &'i T| -> Option<&'a HostName> {
            self.plan.instance(at(item)).map(|instance| &instance.host)
        };
        on_each(items, host, work)
    }

    /// Works in the guests of all instances at the same time, a few on each host.
    pub fn each_member<R: Send>(&self, work: impl Fn(&'a Instance) -> R + Sync) -> Vec<R> {
        on_each(&self.members, |one| &one.host, |one| work(one))
    }
}
