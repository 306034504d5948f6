//! Days that are not good: each ends clearly, keeps what other hosts have done,
//! and goes on afterwards.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use hostsplit::deploy::{Event, EventKind};
use hostsplit::graph::{Vertex, decide};
use hostsplit::plan::Plan;
use hostsplit::report::deploy::failures_text;
use hostsplit::simulated::{Fault, Mode, SimulatedWorld};
use hostsplit::state::journal::Entry;
use hostsplit::state::store::{Journal, Recorder, StoreError};
use tempfile::TempDir;

use crate::fixture::{Purpose, Run, look, open, plan, run, run_in_turn, run_recording, run_with};

fn begin() -> (Plan, SimulatedWorld, TempDir) {
    let plan = plan();
    let world = SimulatedWorld::new(&plan.topology);
    (plan, world, tempfile::tempdir().unwrap())
}

/// The failures as a user reads them.
fn told(run: &Run) -> String {
    failures_text(&run.outcome.as_ref().unwrap().failures)
}

/// How many guests are ready.
fn ready(plan: &Plan, world: &SimulatedWorld) -> usize {
    look(plan, world).guests.values().filter(|guest| guest.ready).count()
}

fn resumes(plan: &Plan, world: &SimulatedWorld, state: &TempDir) {
    let resumed = run(plan, world, state.path(), Purpose::Deploy);
    assert!(resumed.is_complete(), "{}", resumed.story());
    assert_eq!(decide(plan, &look(plan, world)).counts().changes(), 0);
}

#[test]
fn a_pool_that_fills_up() {
    let (plan, world, state) = begin();
    let full = Fault::when(Mode::Before, u32::MAX, |call| {
        call.host.as_str() == "h2" && call.name == "upload" && call.object.contains("cache-1-seed")
    });
    world.fail(full.saying("cannot write data to volume: No space left on device"));
    let first = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(told(&first), @r"
    seed cache-1 on h2
      h2: upload default/shop-cache-1-seed.img: cannot write data to volume: No space left on device
    ");
    assert_eq!(ready(&plan, &world), 6);
    world.revive();
    resumes(&plan, &world, &state);
}

/// A journal on a disk that has room for so many records.
struct Full {
    journal: Journal,
    left: AtomicUsize,
}

impl Recorder for Full {
    fn write(&self, entry: Entry) -> Result<(), StoreError> {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return self.journal.write(entry);
        }
        let source = std::io::ErrorKind::StorageFull.into();
        Err(StoreError::Io { what: "cannot write", path: "journal.jsonl".into(), source })
    }
}

#[test]
fn a_full_disk_under_the_journal_stops_everything() {
    let (plan, world, state) = begin();
    let recording =
        |journal| -> Box<dyn Recorder> { Box::new(Full { journal, left: AtomicUsize::new(30) }) };
    let first = run_recording(&plan, &world, state.path(), Purpose::Deploy, &|_| {}, &recording);
    let end = first.outcome.as_ref().unwrap();
    let told = told(&first);
    assert!(told.contains("cannot write journal.jsonl: no storage space"), "{told}");
    // Those that were at work end; nothing new is begun.
    assert!(end.failures.len() <= 12 && end.skipped > 20, "{}", first.story());
    resumes(&plan, &world, &state);
}

#[test]
fn a_vm_that_never_boots() {
    let (plan, world, state) = begin();
    world.never_boots("shop-cache-3");
    let first = run_in_turn(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(told(&first), @r"
    ready cache-3 on h3
      shop-cache-3: the guest agent did not answer within 900 s: h3: agent guest-ping shop-cache-3: Guest agent is not responding: QEMU guest agent is not connected
      look at the guest's serial console (virsh console); the image must start qemu-guest-agent
    ");
    // Its engine and the cluster.
    assert_eq!(first.outcome.as_ref().unwrap().skipped, 2);
    assert_eq!(ready(&plan, &world), 6);
    world.boots_again("shop-cache-3");
    resumes(&plan, &world, &state);
}

#[test]
fn an_agent_that_never_answers() {
    let (plan, world, state) = begin();
    world.silence_agent("shop-cache-2", u32::MAX);
    let first = run_in_turn(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(told(&first), @r"
    ready cache-2 on h2
      shop-cache-2: the guest agent did not answer within 900 s: h2: agent guest-ping shop-cache-2: Guest agent is not responding: scripted silence
      look at the guest's serial console (virsh console); the image must start qemu-guest-agent
    ");
    world.silence_agent("shop-cache-2", 0);
    assert_eq!(ready(&plan, &world), 7);
    resumes(&plan, &world, &state);
}

#[test]
fn a_guest_that_gave_up_an_address_which_is_taken() {
    let (plan, world, state) = begin();
    world.give_address("shop-cache-1", Ipv4Addr::new(169, 254, 7, 7));
    let first = run(&plan, &world, state.path(), Purpose::Deploy);
    insta::assert_snapshot!(told(&first), @r"
    ready cache-1 on h2
      shop-cache-1: the guest has 169.254.7.7, not 10.20.0.11
      look at its network on the console (virsh console); a guest may have given up an address that another machine has
    ");
    assert_eq!(ready(&plan, &world), 6);
    // A second look does not take it for ready either.
    let again = run(&plan, &world, state.path(), Purpose::Deploy);
    assert_eq!(told(&again), told(&first));
    let instance = plan.instances.iter().find(|one| one.domain == "shop-cache-1").unwrap();
    world.give_address("shop-cache-1", instance.address.unwrap());
    open(&plan, &world, instance.host.as_str()).power_off("shop-cache-1").unwrap();
    resumes(&plan, &world, &state);
}

#[test]
fn a_machine_that_is_none_of_ours_and_has_an_address_of_ours() {
    let (plan, world, state) = begin();
    // It runs no Redis, so that the cluster does not form, and answers ARP.
    let take_address = |event: &Event| {
        if matches!((&event.vertex, &event.kind), (Vertex::Cluster(_), EventKind::Started(_))) {
            world.silence_agent("shop-cache-2", u32::MAX);
            let table = "10.20.0.12  0x1  0x2  02:42:ac:11:00:02  *  eth0\n";
            world.put_file("shop-cache-4", "/proc/net/arp", table);
        }
    };
    let first = run_with(&plan, &world, state.path(), Purpose::Deploy, &take_address);
    insta::assert_snapshot!(told(&first), @r#"
    cluster cache
      address conflict: 10.20.0.12 (cache-2) resolves to 02:42:ac:11:00:02, expected 52:54:00:00:00:0c (seen from cache-4); cache: cluster did not converge: no progress for 121 s; outstanding: cache-2: answer is "h2: agent guest-exec shop-cache-2: Guest agent is not responding: scripted silence", planned "answers"; cache-0: cluster state is "fail", planned "ok"; cache-0: sight of cache-1 is "unknown", planned "known"; cache-0: sight of cache-3 is "unknown", planned "known"; and 40 more (see `hostsplit verify`)
      another machine has the address: take it from that machine, or leave it out of the spec's `network.addresses` and plan again
    "#);
    world.silence_agent("shop-cache-2", 0);
    world.put_file("shop-cache-4", "/proc/net/arp", "");
    resumes(&plan, &world, &state);
}
