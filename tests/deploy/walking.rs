//! The walk itself: its bound, its order, and work that breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use hostsplit::deploy::{Event, Observer, StepError, walk};
use hostsplit::graph::{Actions, Vertex, decide};
use hostsplit::hypervisor::clock::Clock;
use hostsplit::ids::InstanceName;
use hostsplit::simulated::{SimulatedClock, SimulatedWorld};

use crate::fixture::{look, plan};

struct Nobody;

impl Observer for Nobody {
    fn on(&self, _event: &Event) {}
}

fn first_deploy() -> Actions {
    let plan = plan();
    decide(&plan, &look(&plan, &SimulatedWorld::new(&plan.topology)))
}

#[test]
fn no_host_has_more_work_than_its_bound_and_needs_come_first() {
    let actions = first_deploy();
    let running: Mutex<BTreeMap<_, usize>> = Mutex::default();
    let done: Mutex<BTreeSet<Vertex>> = Mutex::default();
    let work = |vertex: &Vertex| {
        let host = actions.graph().host(vertex);
        let now = {
            let mut running = running.lock().unwrap();
            let count = running.entry(host).or_default();
            *count += 1;
            *count
        };
        assert!(now <= 2, "{now} at once on {host:?}");
        let unmet = actions
            .graph()
            .needs(vertex)
            .into_iter()
            .find(|need| !done.lock().unwrap().contains(need));
        assert_eq!(unmet, None, "of {vertex}");
        std::thread::yield_now();
        done.lock().unwrap().insert(vertex.clone());
        *running.lock().unwrap().get_mut(&host).unwrap() -= 1;
        Ok(())
    };
    let end = walk(&actions, 2, &work, None, &Nobody, &SimulatedClock::default());
    assert_eq!(end.done, actions.counts().create);
    assert!(end.failures.is_empty(), "{:?}", end.failures);
}

#[test]
fn work_that_breaks_is_one_failure_and_takes_only_its_dependants_along() {
    let actions = first_deploy();
    let broken = Vertex::Seed(InstanceName::new("cache-0").unwrap());
    let work = |vertex: &Vertex| {
        assert_ne!(*vertex, broken);
        Ok(())
    };
    let end = walk(&actions, 4, &work, None, &Nobody, &SimulatedClock::default());
    assert!(matches!(end.failures[..], [ref one] if matches!(one.error, StepError::Panicked)));
    // Domain, running, ready, configured, and the cluster.
    assert_eq!(end.skipped, 5);
    assert_eq!(end.done, actions.counts().create - 6);
}

#[test]
fn the_critical_path_is_the_chain_whose_work_took_longest() {
    let actions = first_deploy();
    let clock = SimulatedClock::default();
    // One guest boots slowly, and waits on one thread only.
    let work = |vertex: &Vertex| {
        if let Vertex::Ready(name) = vertex {
            let slow = name.as_str() == "cache-3";
            clock.wait(Duration::from_secs(if slow { 50 } else { 0 }));
        }
        Ok(())
    };
    let end = walk(&actions, 1, &work, None, &Nobody, &clock);
    let path = actions.graph().critical_path(&end.took);
    let names: Vec<String> = path.iter().map(|(vertex, _)| vertex.to_string()).collect();
    assert!(names.contains(&"ready cache-3".to_owned()), "{names:?}");
    let ready = path.iter().find(|(vertex, _)| vertex.to_string() == "ready cache-3").unwrap();
    assert!(ready.1 >= Duration::from_secs(50), "{path:?}");
    let graph = actions.graph();
    for pair in path.windows(2) {
        assert!(graph.needs(&pair[1].0).contains(&&pair[0].0), "{pair:?}");
    }
    assert!(graph.critical_path(&[]).is_empty());
}
