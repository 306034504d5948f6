//! Ordinary clients of the cluster: `redis-cli` beside the hosts.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use hostsplit::plan::Plan;

use crate::path;

/// An ordinary client, without a password.
pub fn client(plan: &Plan, host: &str) -> Command {
    let address = plan.instances.iter().find(|i| i.host.as_str() == host).unwrap().address;
    let mut client = Command::new(path("tests/lab/exec"));
    client.args(["redis-cli", "-c", "-h", &address.unwrap().to_string()]);
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    client
}

/// Lines of answers; where they come from is left out.
fn answers(output: impl Read) -> impl Iterator<Item = String> {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    lines.filter(|line| !line.is_empty() && !line.starts_with("->"))
}

/// Feeds commands to a client and returns its answers, one a line.
pub fn redis(client: &mut Command, commands: String) -> Vec<String> {
    let mut client = client.spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(commands.as_bytes()));
    let all = answers(client.stdout.take().unwrap()).collect();
    client.wait().unwrap();
    writer.join().unwrap().unwrap();
    all
}

/// A client that writes key after key and asks after each whether a replica has
/// it; it ends when it is killed.
pub struct Writer {
    client: Child,
    confirmed: mpsc::Receiver<usize>,
}

impl Writer {
    pub fn start(mut client: Command) -> Self {
        let mut client = client.spawn().unwrap();
        let (mut stdin, stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
        std::thread::spawn(move || {
            for n in 0.. {
                // It ends with its client.
                if writeln!(stdin, "set key:{n} value:{n}\nwait 1 5000").is_err() {
                    return;
                }
            }
        });
        let (send, confirmed) = mpsc::channel();
        std::thread::spawn(move || {
            let mut answers = answers(stdout);
            for n in 0.. {
                let (Some(written), Some(copies)) = (answers.next(), answers.next()) else {
                    return;
                };
                if written == "OK" && copies == "1" && send.send(n).is_err() {
                    return;
                }
            }
        });
        Self { client, confirmed }
    }

    /// The next keys that are confirmed.
    pub fn confirm(&self, count: usize) -> Vec<usize> {
        let keys: Vec<usize> = self.confirmed.iter().take(count).collect();
        assert_eq!(keys.len(), count, "the client ended early");
        keys
    }

    /// Kills the client; returns what else was confirmed.
    pub fn stop(mut self) -> Vec<usize> {
        self.client.kill().unwrap();
        self.client.wait().unwrap();
        self.confirmed.iter().collect()
    }
}

pub fn read_keys(client: &mut Command, keys: &[usize]) {
    let commands = keys.iter().map(|n| format!("get key:{n}\n")).collect();
    let values = redis(client, commands);
    let expected: Vec<String> = keys.iter().map(|n| format!("value:{n}")).collect();
    let lost = expected.iter().zip(&values).filter(|(planned, found)| planned != found).count();
    assert_eq!((lost, values.len()), (0, expected.len()), "confirmed writes that are gone");
}
