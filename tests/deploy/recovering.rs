//! The state directory is deleted, and with it the passwords: what runs knows
//! them, so that a deploy changes nothing and locks nobody out.

#![expect(clippy::disallowed_methods, reason = "a test that reads what was kept")]

use std::path::Path;
use std::time::Duration;

use hostsplit::deploy::{Recovery, RecoveryOutcome, recover, wake_and_recover};
use hostsplit::graph::Action;
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::Plan;
use hostsplit::recipe;
use hostsplit::secret::{Make, SecretStore, Secrets, Sources};
use hostsplit::simulated::SimulatedWorld;
use hostsplit::spec::Tls;
use tempfile::TempDir;

use crate::encrypting;
use crate::fixture::{Purpose, Run, connected, inventory, look, plan, run, run_knowing};

/// Nothing that a spec could refer to.
struct Nowhere;

impl Sources for Nowhere {
    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn run(&self, _: &str) -> std::io::Result<Option<String>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn runs_commands(&self) -> bool {
        true
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// Looks for secrets as the commands do; guests that are off are started for it
/// only if `say` is there.
fn settle(
    plan: &Plan,
    world: &SimulatedWorld,
    state: &Path,
    make: Make,
    say: Option<&dyn Fn(String)>,
) -> (Recovery, Secrets) {
    let mut store = SecretStore::new(state, state, recipe::secret_needs);
    let missing = store.missing(plan, &Nowhere).unwrap();
    let recovery = connected(plan, world, &Secrets::default(), |context| match say {
        Some(say) => wake_and_recover(context, &missing, say),
        None => recover(context, &missing),
    });
    store.know(recovery.identities.clone());
    let secrets = store.find(plan, &Nowhere, &recovery.passwords, make).unwrap();
    (recovery, secrets)
}

/// One deploy, with the secrets that it finds.
fn deploy(plan: &Plan, world: &SimulatedWorld, state: &Path) -> (Recovery, Secrets, Run) {
    let (recovery, secrets) = settle(plan, world, state, Make::Stored, Some(&|_| {}));
    let how: (&(dyn Fn(&_) + Sync), &crate::fixture::Recording<'_>) =
        (&|_| {}, &|journal| Box::new(journal));
    let run = run_knowing(plan, world, state, Purpose::Deploy, how, &secrets);
    assert!(run.is_complete(), "{}", run.story());
    (recovery, secrets, run)
}

fn deployed() -> (Plan, SimulatedWorld, TempDir, Secrets) {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    let (recovery, secrets, _) = deploy(&plan, &world, state.path());
    assert_eq!(outcome(&recovery), RecoveryOutcome::New, "there was nothing that could be locked");
    (plan, world, state, secrets)
}

fn outcome(recovery: &Recovery) -> RecoveryOutcome {
    recovery.services[0].1.clone()
}

fn found(from: &str, others: &[&str]) -> RecoveryOutcome {
    let name = |name: &str| name.parse().unwrap();
    RecoveryOutcome::Found {
        from: name(from),
        others: others.iter().map(|one| name(one)).collect(),
    }
}

#[test]
fn a_deploy_without_its_state_recovers_the_passwords_and_changes_nothing() {
    let (plan, world, _, before) = deployed();
    let (there, calls) = (inventory(&plan, &world), world.log().len());
    let state = tempfile::tempdir().unwrap();
    let (recovery, after, run) = deploy(&plan, &world, state.path());
    assert_eq!(outcome(&recovery), found("cache-0", &[]));
    assert!(before.services == after.services, "clients keep theirs");
    assert_eq!(run.actions.counts().changes(), 0);
    assert_eq!(inventory(&plan, &world), there);
    // As after a look: a process for each engine, nothing else.
    let calls = world.log().split_off(calls);
    assert!(calls.iter().all(|call| call.name == "agent guest-exec"), "{calls:?}");
    // What was recovered is kept: nothing is asked for the next time.
    let (recovery, again, _) = deploy(&plan, &world, state.path());
    assert_eq!(recovery, Recovery::default());
    assert!(again.services == before.services);
    // And nothing of it got into the journal.
    let journal = std::fs::read_to_string(state.path().join("journal.jsonl")).unwrap_or_default();
    for known in before.services.values() {
        for (_, secret) in known.iter() {
            assert!(!journal.contains(secret.expose()));
            assert!(!format!("{recovery:?}").contains(secret.expose()));
        }
    }
}

#[test]
fn who_only_looks_finds_the_passwords_and_keeps_none() {
    let (plan, world, _, before) = deployed();
    let state = tempfile::tempdir().unwrap();
    for make in [Make::Nothing, Make::Ephemeral] {
        let (recovery, found) = settle(&plan, &world, state.path(), make, None);
        assert!(found.services == before.services);
        assert!(!format!("{recovery:?} {found:?}").contains("for-"), "{recovery:?}");
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
    }
}

#[test]
fn one_guest_that_answers_is_enough() {
    let (plan, world, _, before) = deployed();
    // The planned masters of two groups, and a replica, are on these.
    for host in ["h1", "h2"] {
        let host = HostName::new(host).unwrap();
        world.power_cut(&host);
        world.power_on(&host);
    }
    let state = tempfile::tempdir().unwrap();
    let (recovery, after, run) = deploy(&plan, &world, state.path());
    assert!(matches!(outcome(&recovery), RecoveryOutcome::Found { .. }), "{recovery:?}");
    assert!(before.services == after.services);
    assert_eq!(run.actions.counts().create, 0);
}

fn without_power_for_a_moment(world: &SimulatedWorld) {
    for host in ["h1", "h2", "h3"] {
        let host = HostName::new(host).unwrap();
        world.power_cut(&host);
        world.power_on(&host);
    }
}

#[test]
fn guests_that_are_off_are_started_and_asked() {
    let (plan, world, _, before) = deployed();
    without_power_for_a_moment(&world);
    let state = tempfile::tempdir().unwrap();
    let (recovery, _) = settle(&plan, &world, state.path(), Make::Nothing, None);
    let RecoveryOutcome::PoweredOff { instances } = outcome(&recovery) else {
        panic!("{recovery:?}")
    };
    assert_eq!(instances.len(), 6);
    // The first boots for ever; the second tells, and no third is started.
    world.never_boots("shop-cache-0");
    let (told, tell) = (std::cell::RefCell::new(Vec::new()), state.path());
    let (recovery, after) = settle(
        &plan,
        &world,
        tell,
        Make::Ephemeral,
        Some(&|line| {
            told.borrow_mut().push(line);
        }),
    );
    assert_eq!(outcome(&recovery), found("cache-1", &[]));
    assert!(before.services == after.services, "clients keep theirs");
    insta::assert_snapshot!(told.borrow().join("\n"), @"
    starting cache-0 to read the passwords of cache
    cannot read passwords from cache-0: shop-cache-0: the guest agent did not answer within 900 s: h1: agent guest-ping shop-cache-0: Guest agent is not responding: QEMU guest agent is not connected
    starting cache-1 to read the passwords of cache
    ");
    let running = look(&plan, &world).guests.len();
    assert_eq!(running, 2, "as few as possible are started");
}

#[test]
fn where_only_data_is_left_the_loss_is_told_and_the_deploy_goes_on() {
    let (plan, world, state, before) = deployed();
    let gone = run(&plan, &world, state.path(), Purpose::Destroy { data: false });
    assert!(gone.is_complete(), "{}", gone.story());
    let state = tempfile::tempdir().unwrap();
    let (recovery, after, _) = deploy(&plan, &world, state.path());
    assert_eq!(outcome(&recovery), RecoveryOutcome::Lost);
    assert!(before.services != after.services);
    let (_, _, run) = deploy(&plan, &world, state.path());
    assert_eq!(run.actions.counts().changes(), 0);
}

#[test]
fn a_change_of_passwords_that_was_cut_off_is_ended_with_those_of_most() {
    let (plan, world, _, before) = deployed();
    let cache = ServiceName::new("cache").unwrap();
    let text = world.file("shop-cache-1", "/etc/redis/secrets.conf").unwrap();
    let old = before.services[&cache].get("client").unwrap().expose();
    world.put_file(
        "shop-cache-1",
        "/etc/redis/secrets.conf",
        &text.replace(old, "half-changed-password"),
    );
    let state = tempfile::tempdir().unwrap();
    let (recovery, after, run) = deploy(&plan, &world, state.path());
    assert_eq!(outcome(&recovery), found("cache-0", &["cache-1"]));
    assert!(before.services == after.services);
    let changed = run.actions.steps().filter(|(_, step)| step.action != Action::NoOp);
    let changed: Vec<String> =
        changed.map(|(vertex, step)| format!("{vertex}: {}", step.reason)).collect();
    assert_eq!(
        changed,
        [
            "configured cache-1: configuration changes, taken up live",
            "cluster cache: a dependency changes",
        ]
    );
}

#[test]
fn the_authority_of_certificates_cannot_be_recovered_and_certificates_are() {
    let plan = encrypting::with(Tls::On);
    let (world, state) = (SimulatedWorld::new(&plan.topology), tempfile::tempdir().unwrap());
    let (recovery, before, _) = deploy(&plan, &world, state.path());
    assert!(!recovery.authority_lost, "there was none before");
    for file in ["/etc/redis/server.key", "/etc/redis/server.crt", "/etc/redis/ca.crt"] {
        assert!(world.file("shop-cache-0", file).is_some(), "{file}");
    }
    let key = std::fs::read_to_string(state.path().join("secrets/ca.key")).unwrap();
    for instance in &plan.instances {
        for file in ["/etc/redis/server.key", "/etc/redis/ca.crt", "/etc/redis/secrets.conf"] {
            assert!(world.file(&instance.domain, file).is_none_or(|text| !text.contains(&key)));
        }
    }
    let state = tempfile::tempdir().unwrap();
    let (recovery, after, run) = deploy(&plan, &world, state.path());
    assert!(recovery.authority_lost, "it is said");
    assert_eq!(outcome(&recovery), found("cache-0", &[]));
    assert!(before.services == after.services && before.identities == after.identities);
    assert_eq!(run.actions.counts().changes(), 0, "nobody is shown another certificate");
    assert!(!state.path().join("secrets/ca.key").exists(), "nobody has to sign any");
    // One whose certificate is gone gets one of another authority. All trust both.
    let lost = plan.instances.iter().find(|one| one.group.is_some()).unwrap();
    world.put_file(&lost.domain, "/etc/redis/server.crt", "lost");
    let state = tempfile::tempdir().unwrap();
    let (_, mixed, run) = deploy(&plan, &world, state.path());
    let former = &before.identities[&lost.name].authority;
    for (name, identity) in &mixed.identities {
        let is_its = *name == lost.name;
        assert_eq!(identity.certificate != before.identities[name].certificate, is_its, "{name}");
        assert!(identity.authority.ends_with(former) && identity.authority != *former, "{name}");
    }
    let counts = run.actions.counts();
    assert_eq!((counts.create, counts.replace, counts.delete), (0, 0, 0), "{counts:?}");
    // Which is the same the next time, with the authority that is here now.
    let (_, again, run) = deploy(&plan, &world, state.path());
    assert!(again.identities == mixed.identities && run.actions.counts().changes() == 0);
}

#[test]
fn encryption_that_is_turned_on_has_lost_no_authority() {
    let (_, world, state, before) = deployed();
    let plan = encrypting::with(Tls::Optional);
    let (recovery, after, _) = deploy(&plan, &world, state.path());
    assert!(!recovery.authority_lost, "nobody was given a certificate before");
    assert!(before.services == after.services && before.identities.is_empty());
    assert!(world.file("shop-cache-0", "/etc/redis/server.crt").is_some());
}
