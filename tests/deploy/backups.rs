//! Backups of databases: taken while a client writes, continued by the next run wherever one was
//! killed, and brought back in the place of what the service holds.

use std::cell::RefCell;
use std::path::Path;

use hostsplit::deploy::{Backup, Restore, RestoreError, TakeError};
use hostsplit::hypervisor::clock::Clock as _;
use hostsplit::plan::Plan;
use hostsplit::simulated::{Mode, Presence, Server, SimulatedWorld};
use hostsplit::spec::{Engine, FailoverMode};
use hostsplit::state::backup::{BackupDirectory, Manifest};

use crate::fixture::{self, Purpose, assert_planned, connected, inventory, open, run, starts};
use crate::orders::{
    ENGINES, assert_kept, client, deployed, pair, planned, primary, replica, spec, spec_of,
};

fn take(plan: &Plan, world: &SimulatedWorld, to: &Path) -> Result<Manifest, TakeError> {
    connected(plan, world, &fixture::secrets(), |context| {
        let service = &plan.services[0];
        let directory = BackupDirectory::begin(to, &plan.name, &service.name)?;
        Backup::of(context, service)?.take(&directory, &|_| {})
    })
}

/// The one backup of a directory.
fn only(to: &Path) -> (BackupDirectory, Manifest) {
    let all: Vec<_> = std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    BackupDirectory::open(&all[0]).unwrap()
}

fn restore(plan: &Plan, world: &SimulatedWorld, from: &Path) -> Result<(), RestoreError> {
    let (directory, manifest) = only(from);
    connected(plan, world, &fixture::secrets(), |context| {
        Restore::of(context, &plan.services[0], (&directory, &manifest))?.bring_back(&|_| {})
    })
}

/// All that the server of an address holds of the client's keys.
fn held(world: &SimulatedWorld, plan: &Plan, keys: &[&str]) -> Vec<bool> {
    let address = primary(plan).address.unwrap();
    let found = RefCell::new(Vec::new());
    world.glance(|scene| {
        let servers = scene.servers();
        let is_it = |one: &&Server| one.writable && one.presence == Presence::Present;
        let server =
            servers.iter().filter(is_it).find(|one| one.at.is_some_and(|at| at.0 == address));
        let server = server.unwrap_or_else(|| unreachable!("no server at {address}"));
        *found.borrow_mut() =
            keys.iter().map(|key| scene.value(server.id, key).is_some()).collect();
    });
    found.into_inner()
}

#[test]
fn a_backup_is_taken_of_a_replica_and_brought_back() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let to = tempfile::tempdir().unwrap();
        world.request(&client(&plan), "before").unwrap();
        let (before, before_starts) = (inventory(&plan, &world), starts(&plan, &world));
        let manifest = take(&plan, &world, to.path()).unwrap();
        assert_eq!(manifest.groups[0].instance, replica(&plan).name, "{engine}");
        let requests = world.take_requests();
        assert_eq!(requests.refused, [""; 0], "{engine}");
        assert!(requests.answered > 0);
        // Nothing is left of it, and nothing was started anew.
        assert_eq!(inventory(&plan, &world), before, "{engine}");
        assert_eq!(starts(&plan, &world), before_starts, "{engine}");
        assert_planned(&plan, &world);

        world.request(&client(&plan), "after").unwrap();
        restore(&plan, &world, to.path()).unwrap();
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(again.is_complete(), "{engine}: {}", again.story());
        assert_planned(&plan, &world);
        assert_eq!(held(&world, &plan, &["before", "after"]), [true, false], "{engine}");
        world.request(&client(&plan), "again").unwrap();
    }
}

#[test]
fn the_members_of_a_group_come_back_from_a_backup() {
    let plan = planned(&spec_of(Engine::Mysql, FailoverMode::Automatic, (3, 100)), None);
    let state = tempfile::tempdir().unwrap();
    let world = deployed(&plan, state.path());
    let to = tempfile::tempdir().unwrap();
    world.request(&client(&plan), "before").unwrap();
    take(&plan, &world, to.path()).unwrap();
    world.request(&client(&plan), "after").unwrap();
    restore(&plan, &world, to.path()).unwrap();
    let again = run(&plan, &world, state.path(), Purpose::Deploy);
    assert!(again.is_complete(), "{}", again.story());
    assert_planned(&plan, &world);
    assert_eq!(held(&world, &plan, &["before", "after"]), [true, false]);
}

#[test]
fn a_backup_that_was_killed_anywhere_is_continued() {
    for engine in ENGINES {
        let (plan, state) = (pair(engine), tempfile::tempdir().unwrap());
        let world = deployed(&plan, state.path());
        let before = inventory(&plan, &world);
        let calls = {
            let first = world.log().len();
            take(&plan, &world, tempfile::tempdir().unwrap().path()).unwrap();
            world.log().len() - first
        };
        for call in 1..=calls {
            let to = tempfile::tempdir().unwrap();
            let at = (world.log().len() + call) as u64;
            world.fail_at(at, if call % 2 == 0 { Mode::DieBefore } else { Mode::DieAfter });
            let cut_off = take(&plan, &world, to.path());
            world.revive();
            // Its disk, or its volume, is nobody else's business.
            assert_planned(&plan, &world);
            let manifest = cut_off.or_else(|_| take(&plan, &world, to.path())).unwrap();
            assert!(only(to.path()).1 == manifest, "{engine} call {call}");
            // What the last calls left is removed by the next backup.
            if inventory(&plan, &world) != before {
                take(&plan, &world, tempfile::tempdir().unwrap().path()).unwrap();
            }
            assert_eq!(inventory(&plan, &world), before, "{engine} call {call}");
        }
        assert_kept(&world);
    }
}

#[test]
fn a_restore_that_was_killed_anywhere_is_done_again() {
    let (plan, state) = (pair(Engine::Mysql), tempfile::tempdir().unwrap());
    let to = tempfile::tempdir().unwrap();
    let begun = || {
        let world = deployed(&plan, state.path());
        world.request(&client(&plan), "before").unwrap();
        world
    };
    let world = begun();
    take(&plan, &world, to.path()).unwrap();
    let first = world.log().len();
    restore(&plan, &world, to.path()).unwrap();
    let calls = world.log().len() - first;
    for call in (1..=calls).step_by(2) {
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(again.is_complete(), "call {call}: {}", again.story());
        let at = (world.log().len() + call) as u64;
        world.fail_at(at, if call % 4 == 1 { Mode::DieBefore } else { Mode::DieAfter });
        let _ = restore(&plan, &world, to.path());
        world.revive();
        restore(&plan, &world, to.path()).unwrap();
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(again.is_complete(), "call {call}: {}", again.story());
        assert_planned(&plan, &world);
        assert_eq!(held(&world, &plan, &["before"]), [true], "call {call}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that damages a file")]
fn what_does_not_fit_is_refused_before_anything_is_removed() {
    let (plan, state) = (pair(Engine::Mysql), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let to = tempfile::tempdir().unwrap();
    take(&plan, &world, to.path()).unwrap();
    let before = inventory(&plan, &world);
    let refused = |plan: &Plan| restore(plan, &world, to.path()).unwrap_err().to_string();

    let other = planned(&spec(Engine::Mariadb, 100), None);
    assert!(refused(&other).contains("planned as mariadb"), "{}", refused(&other));
    let mut groups = plan.clone();
    let another = groups.services[0].groups[0].clone();
    groups.services[0].groups.push(another);
    assert!(refused(&groups).contains("planned with 2 groups"), "{}", refused(&groups));
    let mut old = plan.clone();
    let image = old.image.as_mut().unwrap();
    image.engines = [("mysql".to_owned(), "0.9".to_owned())].into();
    assert!(refused(&old).contains("the image has 0.9"), "{}", refused(&old));
    world.set_reachable(&replica(&plan).host, false);
    assert!(refused(&plan).contains("does not answer"), "{}", refused(&plan));
    world.set_reachable(&replica(&plan).host, true);

    let (directory, _) = only(to.path());
    let image = directory.path().join("group-0.raw");
    let mut bytes = std::fs::read(&image).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&image, bytes).unwrap();
    assert!(refused(&plan).contains("SHA-256"), "{}", refused(&plan));
    assert_eq!(inventory(&plan, &world), before);
}

#[test]
fn without_a_whole_copy_there_is_no_backup() {
    let (plan, state) = (pair(Engine::Mariadb), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let to = tempfile::tempdir().unwrap();
    // The replica is away: the primary itself is copied.
    world.power_cut(&replica(&plan).host);
    let manifest = take(&plan, &world, to.path()).unwrap();
    assert_eq!(manifest.groups[0].instance, primary(&plan).name);
    world.power_cut(&primary(&plan).host);
    let refused = take(&plan, &world, to.path()).unwrap_err().to_string();
    assert!(refused.contains("has no copy that is whole"), "{refused}");
}

#[test]
fn a_guest_that_is_switched_off_meanwhile_is_copied_anew() {
    let (plan, state) = (pair(Engine::Mysql), tempfile::tempdir().unwrap());
    let world = deployed(&plan, state.path());
    let (to, before) = (tempfile::tempdir().unwrap(), inventory(&plan, &world));
    let host = open(&plan, &world, replica(&plan).host.as_str());
    let attach = world.log().len();
    world.fail_at((attach + 8) as u64, Mode::DieAfter);
    assert!(take(&plan, &world, to.path()).is_err());
    world.revive();
    host.power_off(&replica(&plan).domain).unwrap();
    host.start(&replica(&plan).domain).unwrap();
    world.clock().wait(std::time::Duration::from_secs(120));
    take(&plan, &world, to.path()).unwrap();
    assert_eq!(inventory(&plan, &world), before);
}
