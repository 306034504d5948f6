//! The agent client against simulated guests.

use std::time::Duration;

use super::{Guest, GuestError, GuestFile, Owner};
use crate::hypervisor::{Connector, Hypervisor, VolumeFormat, VolumeRequest};
use crate::ids::HostName;
use crate::sample;
use crate::simulated::{Fault, SimulatedClock};
use crate::simulated::{Mode, SimulatedWorld};

const MINUTE: Duration = Duration::from_secs(60);
const XML: &str = "<domain><name>d</name><uuid>00000000-0000-0000-0000-00000000000a</uuid>\
    <memory>1024</memory><devices><disk><source pool='default' volume='root'/></disk></devices>\
    </domain>";

struct Machine {
    world: SimulatedWorld,
    clock: SimulatedClock,
    host: Box<dyn Hypervisor>,
}

impl Machine {
    fn started() -> Self {
        let world = SimulatedWorld::new(&sample::plan().topology);
        let host = world.connect(&HostName::new("h1").unwrap(), "simulated://h1").unwrap();
        let root = VolumeRequest {
            pool: "default".into(),
            name: "root".into(),
            capacity: 1 << 30,
            format: VolumeFormat::Qcow2,
            backing: None,
        };
        host.create_volume(&root).unwrap();
        host.define(XML).unwrap();
        host.start("d").unwrap();
        Self { clock: world.clock(), world, host }
    }

    fn guest(&self) -> Guest<'_> {
        Guest { hypervisor: self.host.as_ref(), domain: "d", clock: &self.clock }
    }
}

fn file(text: &str) -> GuestFile {
    GuestFile {
        path: "/etc/a".into(),
        text: text.into(),
        mode: 0o640,
        owner: Owner { user: "redis", group: "redis" },
    }
}

/// Brings a file to what it shall be; says what was done.
fn bring(guest: &Guest<'_>, file: &GuestFile) -> Result<Vec<String>, GuestError> {
    let stale = guest.stale_files(std::slice::from_ref(file))?;
    guest.replace_files(&stale)
}

#[test]
fn an_agent_is_waited_for_and_given_up() {
    let machine = Machine::started();
    let error = machine.guest().wait_until_answering(Duration::from_secs(20)).unwrap_err();
    insta::assert_snapshot!(
        error,
        @"d: the guest agent did not answer within 20 s: h1: agent guest-ping d: Guest agent is not responding: QEMU guest agent is not connected"
    );
    machine.guest().wait_until_answering(MINUTE).unwrap();
    assert_eq!(machine.guest().wait_for_first_boot(MINUTE), Ok(Vec::new()));
    let nobody = Guest { domain: "nobody", ..machine.guest() };
    assert!(matches!(nobody.wait_until_answering(MINUTE), Err(GuestError::Hypervisor(_))));
}

#[test]
fn commands_bring_their_output_or_what_they_said_last() {
    let machine = Machine::started();
    let guest = machine.guest();
    guest.wait_until_answering(MINUTE).unwrap();
    let failed = guest.run_ok(&["cat", "/nothing"], MINUTE).unwrap_err();
    insta::assert_snapshot!(
        failed,
        @"d: `cat /nothing` ended with exit status 1: /nothing: No such file or directory"
    );
    let unknown = guest.run_ok(&["no-such-program"], MINUTE).unwrap_err();
    assert!(unknown.to_string().contains("Failed to execute child process"), "{unknown}");
}

#[test]
fn a_broken_connection_ends_one_command_and_not_the_next() {
    let machine = Machine::started();
    machine.guest().wait_until_answering(MINUTE).unwrap();
    let status = |call: &crate::simulated::Call| call.name.ends_with("exec-status");
    machine.world.fail(Fault::when(Mode::Before, 1, status));
    assert!(machine.guest().run(&["true"], MINUTE).is_err());
    assert!(machine.guest().run(&["true"], MINUTE).unwrap().is_ok());
}

#[test]
fn files_are_written_once_in_pieces_with_owner_and_mode() {
    let machine = Machine::started();
    let guest = machine.guest();
    guest.wait_until_answering(MINUTE).unwrap();
    let long = file(&"0123456789".repeat(10_000));
    assert_eq!(bring(&guest, &long), Ok(vec!["wrote /etc/a".into()]));
    assert_eq!(machine.world.file("d", "/etc/a").as_deref(), Some(long.text.as_str()));
    assert_eq!(machine.world.file("d", "/etc/a.new"), None);
    let pieces = machine.world.log().iter().filter(|c| c.name.ends_with("file-write")).count();
    assert_eq!(pieces, 4);
    assert_eq!(bring(&guest, &long), Ok(Vec::new()));
    guest.run_ok(&["chmod", "644", "/etc/a"], MINUTE).unwrap();
    assert_eq!(
        guest.stale_files(std::slice::from_ref(&long)).unwrap().len(),
        1,
        "the mode is part of it"
    );
    assert!(!format!("{long:?}").contains("0123"), "the content may be secret");
}

#[test]
fn a_file_whose_writing_was_cut_off_is_the_old_one() {
    let machine = Machine::started();
    let guest = machine.guest();
    guest.wait_until_answering(MINUTE).unwrap();
    bring(&guest, &file("old")).unwrap();
    let calls = machine.world.log().len() as u64;
    bring(&guest, &file("new")).unwrap();
    let needed = machine.world.log().len() as u64 - calls;
    for call in 1..needed {
        bring(&guest, &file("old")).unwrap();
        let number = machine.world.log().len() as u64 + call;
        machine.world.fail_at(number, Mode::DieBefore);
        assert!(bring(&guest, &file("new")).is_err());
        machine.world.revive();
        assert_eq!(machine.world.file("d", "/etc/a").as_deref(), Some("old"), "call {call}");
        assert_eq!(bring(&guest, &file("new")), Ok(vec!["wrote /etc/a".into()]));
    }
}
