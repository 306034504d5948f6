//! From a plan to its graph.

use std::collections::BTreeSet;

use super::unwanted::Unwanted;
use super::{Graph, ImagePart, Vertex};
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, Role};

/// Instances of a service whose engines are configured one after the other, since
/// others rely on them meanwhile.
pub(super) struct Queue {
    /// Those that come before all of them, at the same time.
    pub first: Vec<InstanceName>,
    /// One after the other.
    pub next: Vec<InstanceName>,
}

impl Graph {
    /// Returns the resources of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self::with(plan, &[], &[])
    }

    /// The resources of a plan, after the removal of what it does not hold, and with
    /// some engines configured one after the other.
    pub(super) fn with(plan: &Plan, unwanted: &[Unwanted], queues: &[Queue]) -> Self {
        let mut graph = Self::default();
        for one in unwanted {
            graph.add(one.vertex(), Some(&one.host), &[]);
        }
        graph.add_images(plan);
        for instance in &plan.instances {
            graph.add_instance(plan, instance, unwanted);
            let waits = queues.iter().any(|queue| queue.next.contains(&instance.name));
            if instance.role != Role::Fixed && !waits {
                graph.add_configured(instance, &[]);
            }
        }
        for queue in queues {
            graph.add_queue(plan, queue);
        }
        for service in &plan.services {
            let members = plan.members(&service.name);
            let needs: Vec<Vertex> =
                members.map(|one| Vertex::Configured(one.name.clone())).collect();
            graph.add(Vertex::Cluster(service.name.clone()), None, &needs);
        }
        graph
    }

    fn add_images(&mut self, plan: &Plan) {
        let places: BTreeSet<_> = plan
            .instances
            .iter()
            .filter_map(|one| Some((&one.host, &one.root.as_ref()?.pool)))
            .collect();
        for (host, pool) in places {
            for part in parts(plan) {
                let vertex = Vertex::ImageFile { host: host.clone(), pool: pool.clone(), part };
                self.add(vertex, Some(host), &[]);
            }
        }
    }

    fn add_instance(&mut self, plan: &Plan, instance: &Instance, unwanted: &[Unwanted]) {
        let name = || instance.name.clone();
        let host = Some(&instance.host);
        let image = |part| {
            let pool = instance.root.as_ref()?.pool.clone();
            Some(Vertex::ImageFile { host: instance.host.clone(), pool, part })
        };
        self.add(Vertex::Root(name()), host, &Vec::from_iter(image(ImagePart::Disk)));
        if instance.data.is_some() {
            self.add(Vertex::Data(name()), host, &[]);
        }
        // Making a root anew takes the old domain away first, and that one holds
        // the old seed.
        self.add(Vertex::Seed(name()), host, &[Vertex::Root(name())]);
        let mut needs = vec![Vertex::Root(name()), Vertex::Data(name()), Vertex::Seed(name())];
        needs.extend(parts(plan).filter(|part| *part != ImagePart::Disk).filter_map(image));
        self.add(Vertex::Domain(name()), host, &needs);
        // An old copy elsewhere has the same address; others on the host may hold
        // its CPUs.
        let in_the_way = unwanted.iter().filter(|one| {
            one.host == instance.host || one.instance.as_deref() == Some(instance.name.as_str())
        });
        let mut needs = vec![Vertex::Domain(name())];
        needs.extend(in_the_way.map(Unwanted::vertex));
        self.add(Vertex::Running(name()), host, &needs);
        self.add(Vertex::Ready(name()), host, &[Vertex::Running(name())]);
    }

    fn add_configured(&mut self, instance: &Instance, first: &[InstanceName]) {
        let name = || instance.name.clone();
        let first = first.iter().cloned().map(Vertex::Configured);
        let needs: Vec<Vertex> = std::iter::once(Vertex::Ready(name())).chain(first).collect();
        self.add(Vertex::Configured(name()), Some(&instance.host), &needs);
    }

    fn add_queue(&mut self, plan: &Plan, queue: &Queue) {
        let mut first = queue.first.clone();
        for instance in queue.next.iter().filter_map(|name| plan.instance(name)) {
            self.add_configured(instance, &first);
            first = vec![instance.name.clone()];
        }
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
