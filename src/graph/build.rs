//! From a plan to its graph.

use std::collections::BTreeSet;

use super::sequence::{Sequence, Sequences};
use super::unwanted::Unwanted;
use super::{Graph, ImagePart, Vertex};
use crate::ids::HostName;
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::spec::{Serve, Target};
use crate::topology::Host;

impl Graph {
    /// Returns the resources of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let nothing = Changes {
            unwanted: &[],
            sequences: &Sequences::new(),
            moves: &[],
            absent: &|_| false,
            unreachable: &|_| false,
        };
        Self::with(plan, &nothing)
    }

    /// The resources of a plan, and the removal of what it does not hold, in the order in
    /// which services go on to serve.
    pub(super) fn with(plan: &Plan, changes: &Changes<'_>) -> Self {
        let mut graph = Self::default();
        let none = Sequence::default();
        let sequence =
            |service: &ServicePlan| changes.sequences.get(&service.name).unwrap_or(&none);
        let all = || plan.services.iter().map(|service| (service, sequence(service)));
        for one in changes.unwanted {
            let vertex = one.vertex();
            let is_ordered = |(_, s): (&ServicePlan, &Sequence)| {
                [&s.early, &s.late].iter().any(|all| all.contains(&vertex))
                    || s.former.values().any(|former| *former == vertex)
            };
            let moves = changes.moves.iter().any(|moved| one.is_of(moved));
            if !moves && !all().any(is_ordered) {
                graph.add(vertex, Some(&one.host), &[]);
            }
        }
        for (_, sequence) in all() {
            // One after the other: two may hold copies of the same data.
            let mut after: Option<&Vertex> = None;
            for vertex in &sequence.early {
                graph.add(vertex.clone(), host_of(vertex), &Vec::from_iter(after.cloned()));
                after = Some(vertex);
            }
        }
        graph.add_images(plan, changes.absent);
        for instance in changes.moves {
            graph.add_move(plan, instance, changes.unwanted);
        }
        let here = |instance: &&Instance| !(changes.absent)(&instance.host);
        for instance in plan.instances.iter().filter(here) {
            let queued = plan.service_of(instance).map(sequence);
            let is_queued = queued.is_some_and(|one| one.is_queued(&instance.name));
            let is_replaced =
                queued.is_some_and(|one| one.batches.iter().any(|b| b.contains(&instance.name)));
            if !is_replaced {
                graph.add_instance(plan, instance, changes.unwanted, &[]);
            }
            if instance.role != Role::Fixed && !is_queued {
                graph.add_configured(instance, &[]);
            }
        }
        for (service, sequence) in all() {
            // Gateways that serve hear of a member once it answers.
            let pools = all().filter(|(pool, _)| sends_to(service, pool));
            let members = pools.flat_map(|(_, sequence)| &sequence.first);
            let before: Vec<Vertex> = members.cloned().map(Vertex::Configured).collect();
            graph.add_queue(plan, service, sequence, changes, before);
        }
        let databases = |gateway: &ServicePlan| {
            let behind = all().filter(|(one, _)| one.gateway.as_ref() == Some(&gateway.name));
            let behind = behind.filter(|(one, _)| one.engine.cluster().holds_data());
            behind.map(|(one, _)| Vertex::Cluster(one.name.clone())).collect::<Vec<_>>()
        };
        let (first, last): (Vec<_>, Vec<_>) =
            all().partition(|(service, _)| databases(service).is_empty());
        for (service, _) in first.into_iter().chain(last) {
            let asked = |one: &&Instance| here(one) && !(changes.unreachable)(&one.host);
            let members = plan.members(&service.name).filter(asked);
            // Servers of a database are up at its gateway once there is one that takes writes,
            // those of a search engine once it has a master.
            let needs: Vec<Vertex> = members
                .flat_map(|one| {
                    [Vertex::Configured(one.name.clone()), Vertex::Rejoined(one.name.clone())]
                })
                .chain(databases(service))
                // Two that form one cluster at the same time go by what the other one changes.
                .chain([Vertex::Joined, Vertex::Balanced].map(|of| of(service.name.clone())))
                .collect();
            graph.add(Vertex::Cluster(service.name.clone()), None, &needs);
        }
        for (service, sequence) in all() {
            // A gateway sends nothing more to an instance before that goes.
            let others = plan.services.iter().filter(|one| sends_to(one, service));
            let clusters = std::iter::once(service).chain(others).map(|one| one.name.clone());
            let needs: Vec<Vertex> = clusters.map(Vertex::Cluster).collect();
            for vertex in &sequence.late {
                graph.add(vertex.clone(), host_of(vertex), &needs);
            }
        }
        graph
    }

    fn add_images(&mut self, plan: &Plan, absent: &dyn Fn(&HostName) -> bool) {
        let places: BTreeSet<_> = plan
            .instances
            .iter()
            .filter_map(|one| Some((&one.host, &one.root.as_ref()?.pool)))
            .filter(|(host, _)| !absent(host))
            .collect();
        for (host, pool) in places {
            // What one host puts into a shared pool is there for all.
            if self.image_host(plan, host, pool) != host {
                continue;
            }
            for part in parts(plan) {
                let vertex = Vertex::ImageFile { host: host.clone(), pool: pool.clone(), part };
                self.add(vertex, Some(host), &[]);
            }
        }
    }

    /// The host that the files of the image are put into a pool at: of a shared pool the
    /// first that has them in the graph.
    fn image_host<'a>(&self, plan: &'a Plan, host: &'a HostName, pool: &str) -> &'a HostName {
        let is_shared = |host: &Host| host.pool(pool).is_some_and(|pool| pool.shared);
        if !plan.topology.host(host).is_some_and(is_shared) {
            return host;
        }
        let sharing = plan.topology.hosts.iter().filter(|host| is_shared(host));
        let has_image = |host: &&HostName| {
            let (host, pool) = ((*host).clone(), pool.to_owned());
            self.index.contains_key(&Vertex::ImageFile { host, pool, part: ImagePart::Disk })
        };
        sharing.map(|host| &host.name).find(has_image).unwrap_or(host)
    }

    fn add_instance(
        &mut self,
        plan: &Plan,
        instance: &Instance,
        unwanted: &[Unwanted],
        after: &[Vertex],
    ) {
        let name = || instance.name.clone();
        let host = Some(&instance.host);
        let place = instance.root.as_ref().map(|root| {
            (self.image_host(plan, &instance.host, &root.pool).clone(), root.pool.clone())
        });
        let image = |part| {
            let (host, pool) = place.clone()?;
            Some(Vertex::ImageFile { host, pool, part })
        };
        // A machine that is made anew is taken away with its root: by then its data have grown,
        // which asks the running domain, and which may fail.
        let data = instance.data.as_ref().map(|_| Vertex::Data(name()));
        if let Some(data) = &data {
            self.add(data.clone(), host, &[]);
        }
        let needs: Vec<Vertex> =
            image(ImagePart::Disk).into_iter().chain(data).chain(after.iter().cloned()).collect();
        self.add(Vertex::Root(name()), host, &needs);
        // Making a root anew takes the old domain away first, and that one holds
        // the old seed.
        self.add(Vertex::Seed(name()), host, &[Vertex::Root(name())]);
        let mut needs = vec![Vertex::Root(name()), Vertex::Data(name()), Vertex::Seed(name())];
        needs.extend(parts(plan).filter(|part| *part != ImagePart::Disk).filter_map(image));
        self.add(Vertex::Domain(name()), host, &needs);
        // An old copy elsewhere has the same address; others on the host may hold
        // its CPUs and its memory. Those that leave last are not in the graph yet.
        let in_the_way = unwanted.iter().filter(|one| {
            one.host == instance.host || one.instance.as_deref() == Some(instance.name.as_str())
        });
        let mut needs = vec![Vertex::Domain(name())];
        needs.extend(in_the_way.map(Unwanted::vertex));
        self.add(Vertex::Running(name()), host, &needs);
        self.add(Vertex::Ready(name()), host, &[Vertex::Running(name())]);
    }

    /// Adds a machine that goes on at its planned host. What it leaves behind is removed
    /// once its guest has answered there.
    fn add_move(&mut self, plan: &Plan, instance: &Instance, unwanted: &[Unwanted]) {
        let in_the_way = unwanted.iter().filter(|one| one.host == instance.host);
        let needs: Vec<Vertex> = in_the_way.map(Unwanted::vertex).collect();
        self.add_instance(plan, instance, &[], &needs);
        let ready = [Vertex::Ready(instance.name.clone())];
        for left in unwanted.iter().filter(|one| one.is_of(instance)) {
            self.add(left.vertex(), Some(&left.host), &ready);
        }
    }

    fn add_configured(&mut self, instance: &Instance, after: &[Vertex]) {
        let name = || instance.name.clone();
        let needs: Vec<Vertex> =
            std::iter::once(Vertex::Ready(name())).chain(after.iter().cloned()).collect();
        self.add(Vertex::Configured(name()), Some(&instance.host), &needs);
    }

    /// Adds what is done with the instances of a service that others may rely on, once what
    /// is to come `before` it is done.
    fn add_queue(
        &mut self,
        plan: &Plan,
        service: &ServicePlan,
        sequence: &Sequence,
        changes: &Changes<'_>,
        before: Vec<Vertex>,
    ) {
        if !sequence.has_queue() {
            return;
        }
        let mut after = sequence.awake.clone();
        for vertex in &sequence.awake {
            let host = vertex.instance().and_then(|name| plan.instance(name)).map(|one| &one.host);
            self.add(vertex.clone(), host, &[]);
        }
        for instance in sequence.silent.iter().filter_map(|name| plan.instance(name)) {
            self.add_configured(instance, &after);
            after = vec![Vertex::Configured(instance.name.clone())];
        }
        after.extend(sequence.first.iter().cloned().map(Vertex::Configured));
        let is_joined = sequence.joins && (sequence.apart || !after.is_empty());
        for instance in sequence.prepared.iter().filter_map(|name| plan.instance(name)) {
            let vertex = Vertex::Prepared(instance.name.clone());
            self.add(vertex.clone(), Some(&instance.host), &sequence.awake);
            after.push(vertex);
        }
        if is_joined {
            after = self.add_after(Vertex::Joined(service.name.clone()), &after);
        }
        if sequence.shrinks {
            after = self.add_after(Vertex::Balanced(service.name.clone()), &after);
        }
        after.extend(before);
        if sequence.waits() {
            for instance in sequence.live.iter().filter_map(|name| plan.instance(name)) {
                self.add_configured(instance, &after);
            }
        }
        for instance in sequence.restarts.iter().filter_map(|name| plan.instance(name)) {
            self.add_configured(instance, &after);
            after = vec![Vertex::Configured(instance.name.clone())];
        }
        for batch in &sequence.batches {
            let instances = || batch.iter().filter_map(|name| plan.instance(name));
            for instance in instances() {
                let mut needs = after.clone();
                if let Some(former) = sequence.former.get(&instance.name) {
                    self.add(former.clone(), host_of(former), &after);
                    needs = vec![former.clone()];
                }
                self.add_instance(plan, instance, changes.unwanted, &needs);
                self.add_configured(instance, &[]);
            }
            // All that came back are brought into the cluster by the first of them, and
            // one after the other where that was not enough.
            after = batch.iter().cloned().map(Vertex::Configured).collect();
            for instance in instances() {
                let rejoined = Vertex::Rejoined(instance.name.clone());
                self.add(rejoined.clone(), Some(&instance.host), &after);
                after = vec![rejoined];
            }
        }
    }

    fn add_after(&mut self, vertex: Vertex, needs: &[Vertex]) -> Vec<Vertex> {
        self.add(vertex.clone(), None, needs);
        vec![vertex]
    }
}

/// What is done with what is there already.
pub(super) struct Changes<'a> {
    /// What is removed.
    pub unwanted: &'a [Unwanted],
    /// Machines that go on at another host, in their order.
    pub moves: &'a [&'a Instance],
    /// The order for each service.
    pub sequences: &'a Sequences,
    /// Hosts that are left out.
    pub absent: &'a dyn Fn(&HostName) -> bool,
    /// Hosts that did not answer: clusters do not wait for what is on them.
    pub unreachable: &'a dyn Fn(&HostName) -> bool,
}

/// Whether a service sends requests on to a pool: as its gateway, or as a proxy.
fn sends_to(service: &ServicePlan, pool: &ServicePlan) -> bool {
    let proxied = match &service.serve {
        Some(Serve::Proxy { to: Target::Service(name) }) => *name == pool.name,
        _ => false,
    };
    proxied || pool.gateway.as_ref() == Some(&service.name)
}

/// The host of something unwanted.
const fn host_of(vertex: &Vertex) -> Option<&HostName> {
    match vertex {
        Vertex::Unwanted { host, .. } => Some(host),
        _ => None,
    }
}

/// Returns the files of the plan's image.
fn parts(plan: &Plan) -> impl Iterator<Item = ImagePart> {
    let image = plan.image.as_ref();
    let disk = image.map(|_| ImagePart::Disk);
    let kernel = image.and_then(|image| image.kernel.as_ref()).map(|_| ImagePart::Kernel);
    let initrd = image.and_then(|image| image.initrd.as_ref()).map(|_| ImagePart::Initrd);
    disk.into_iter().chain(kernel).chain(initrd)
}
