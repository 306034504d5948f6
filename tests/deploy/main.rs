//! The laws of a deploy, on simulated hosts: it ends with everything, a second
//! one needs nothing, and whatever fails, one further run converges.
#![expect(clippy::unwrap_used, reason = "a test")]

mod admitting;
mod backups;
#[path = "../support/built.rs"]
mod built;
mod certificates;
mod changing;
mod clients;
mod databases;
mod drift;
mod drilling;
mod encrypting;
#[path = "../support/ending.rs"]
mod ending;
mod ends;
mod faults;
mod fixture;
mod foreign;
mod formats;
mod groups;
mod growing;
mod killed;
mod listening;
mod listings;
mod moving;
mod orders;
mod passing;
#[path = "../support/plain.rs"]
mod plain;
mod pools;
mod recovering;
mod replace;
mod rolling;
mod search;
mod search_access;
mod verifying;
mod walking;

use hostsplit::deploy::{Event, EventKind};
use hostsplit::graph::{Vertex, decide};
use hostsplit::ids::HostName;
use hostsplit::simulated::SimulatedWorld;
use hostsplit::state::store::Store;

use crate::fixture::{Purpose, inventory, look, plan, run, run_with};

#[test]
fn a_deploy_ends_with_everything_and_a_second_needs_nothing() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let first = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(first.is_complete(), "{}", first.story());
    let notes = first.events.iter().filter_map(|event| match &event.kind {
        EventKind::Note(text) if text.contains("redis-server") => Some(text.as_str()),
        _ => None,
    });
    // Enabled by their seeds.
    let each = "wrote /etc/redis/secrets.conf, wrote /etc/redis/redis.conf, started redis-server";
    assert_eq!(notes.collect::<Vec<_>>(), [each; 6]);
    let seen = look(&plan, &world);
    assert_eq!(seen.guests.len(), plan.instances.len());
    assert!(seen.guests.values().all(|guest| guest.ready && guest.configured));
    assert!(seen.clusters.values().all(Vec::is_empty), "{:?}", seen.clusters);

    let (before, calls) = (inventory(&plan, &world), world.log().len());
    let second = run(&plan, &world, state.path(), Purpose::Deploy);
    assert_eq!(second.actions.counts().changes(), 0, "{:?}", second.actions.counts());
    let only = second.events.iter().all(|event| event.kind == EventKind::NotNeeded);
    assert!(only && second.is_complete());
    assert_eq!(inventory(&plan, &world), before);
    // Looking runs commands in guests; nothing else was called.
    let changed = world.log().split_off(calls);
    assert!(changed.iter().all(|call| call.name == "agent guest-exec"), "{changed:?}");
}

#[test]
fn a_destroy_leaves_nothing_and_needs_nothing_the_second_time() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());

    let gone = run(&plan, &world, state.path(), Purpose::Destroy { data: false });
    assert!(gone.is_complete(), "{}", gone.story());
    let left = inventory(&plan, &world);
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(left.iter().all(|line| line.contains("-data.raw")), "{left:?}");
    let again = run(&plan, &world, state.path(), Purpose::Destroy { data: false });
    assert_eq!(again.actions.counts().changes(), 0);

    let data = run(&plan, &world, state.path(), Purpose::Destroy { data: true });
    assert!(data.is_complete(), "{}", data.story());
    assert_eq!(inventory(&plan, &world), Vec::<String>::new());
}

#[test]
fn a_lost_host_is_one_root_cause_and_the_work_of_others_is_kept() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let h2 = HostName::new("h2").unwrap();
    // The cable is pulled when its first root is begun.
    let cut = |event: &Event| {
        let root = matches!(event.vertex, Vertex::Root(_));
        if root && event.host.as_ref() == Some(&h2) {
            world.power_cut(&h2);
        }
    };
    let first = run_with(&plan, &world, state.path(), Purpose::Deploy, &cut);
    let end = first.outcome.as_ref().unwrap();
    assert_eq!(end.failures.len(), 1, "{}", first.story());
    assert_eq!(end.failures[0].host.as_ref(), Some(&h2));
    let others = |host: &str| plan.instances.iter().filter(|one| one.host.as_str() == host).count();
    let seen = look(&plan, &world);
    assert_eq!(seen.guests.len(), others("h1") + others("h3"));
    assert!(seen.guests.values().all(|guest| guest.ready));

    // The cluster is founded by all of its instances.
    let refused = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(
        refused.story().contains("cannot be asked: bring their hosts back"),
        "{}",
        refused.story()
    );
    world.power_on(&h2);
    let resumed = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(resumed.is_complete(), "{}", resumed.story());
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn a_host_that_lost_its_power_is_repaired() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    let h1 = HostName::new("h1").unwrap();
    world.power_cut(&h1);
    world.power_on(&h1);
    let repaired = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(repaired.is_complete(), "{}", repaired.story());
    let counts = repaired.actions.counts();
    assert_eq!((counts.create, counts.replace, counts.delete), (0, 0, 0), "{counts:?}");
    assert_eq!(decide(&plan, &look(&plan, &world)).counts().changes(), 0);
}

#[test]
fn two_deploys_at_once_are_one_too_many() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::new(state.path().to_owned());
    let first = store.lock("deploy by ann@desk, pid 7").unwrap();
    let second = store.lock("deploy by bob@desk, pid 8").unwrap_err().to_string();
    assert!(second.contains("deploy by ann@desk, pid 7"), "{second}");
    drop(first);
    assert!(store.lock("deploy by bob@desk, pid 8").is_ok());
}
