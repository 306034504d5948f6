//! Runs `hostsplit` as a person does, and kills it as nobody should.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::text;

/// A directory that `hostsplit` is run in.
pub struct Desk(tempfile::TempDir);

impl Desk {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostsplit"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command that must end with `code`; returns both streams.
    pub fn hostsplit(&self, args: &[&str], code: i32) -> String {
        let output = self.command(args).output().unwrap();
        let text = text(&output);
        assert_eq!(output.status.code(), Some(code), "hostsplit {args:?}:\n{text}");
        eprintln!("$ hostsplit {}\n{text}", args.join(" "));
        text
    }

    /// Starts a deploy and kills it with SIGKILL at its `count`-th line that counts;
    /// false where it ended before.
    fn kill_deploy_at(&self, count: usize, counts: fn(&str) -> bool) -> bool {
        let mut command = self.command(&["deploy", "plan.json", "--yes", "--format", "json", "-v"]);
        // What it does on stdout, and the commands to a cluster on stderr, as one stream.
        let (reader, writer) = std::io::pipe().unwrap();
        let mut child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        // Its ends of the pipe are the only ones now.
        drop(command);
        let lines = BufReader::new(reader).lines().map(|line| line.unwrap());
        let last = lines.filter(|line| counts(line)).nth(count - 1);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        match &last {
            Some(line) => eprintln!("killed at line {count}: {line}"),
            None => assert!(status.success(), "the deploy ended by itself with {status}"),
        }
        last.is_some()
    }

    /// Kills a deploy four times, each time at a random moment of a part of it: the
    /// work on hosts, the boot of the guests, their configuration, the formation.
    pub fn kill_deploy_at_random_moments(&self) {
        let seed = std::env::var("HOSTSPLIT_KILLS").ok().map(|seed| seed.parse().unwrap());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        eprintln!("HOSTSPLIT_KILLS={seed} kills at the same lines again");
        let mut random = fastrand::Rng::with_seed(seed);
        /// What the journal records as well, of actions on hosts or of those in guests.
        fn is_step(line: &str, in_guests: bool) -> bool {
            let has = |key: &str, value: &str| line.contains(&format!("\"{key}\":\"{value}\""));
            let late = has("kind", "configured") || has("kind", "cluster");
            (has("event", "started") || has("event", "done")) && late == in_guests
        }
        type Part = (usize, fn(&str) -> bool);
        let parts: [Part; 4] = [
            // 78 lines of 39 actions on hosts, and 6 that wait for a guest.
            (70, |line| is_step(line, false)),
            // Wherever that was, 12 lines are left of the guests' boots.
            (8, |line| is_step(line, false)),
            // After 8 of them no more than 2 guests are up: 4 are left to configure, with 2
            // lines each, and the cluster with its first.
            (9, |line| is_step(line, true)),
            // 6 epochs, 3 slot ranges, 5 introductions, 3 replicas.
            (17, |line| line.contains("engine::converge")),
        ];
        for (number, (lines, counts)) in parts.into_iter().enumerate() {
            let killed = self.kill_deploy_at(random.usize(1..=lines), counts);
            // Guests that boot in no time may leave nothing to do for the later parts.
            assert!(killed || number > 0, "the deploy ended before it could be killed");
        }
    }
}
