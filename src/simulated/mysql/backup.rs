//! Copies of servers' data on disks of their own, and servers that start with one.
//!
//! A copy is a text on its disk, with the mark of a data volume, that leads to what was copied.

use std::time::Duration;

use super::Network;
use super::data::Data;
use super::history::History;
use super::server::Server;
use crate::digest::sha256;
use crate::recipe::backup::{DEVICE, RESULT};
use crate::recipe::mysql::Dialect;
use crate::simulated::daemon::{Invocation, VolumeId, Written};
use crate::simulated::exec::Outcome;

/// How long a copy takes.
const COPY: Duration = Duration::from_secs(8);
/// Where ext4 has its label, and that of data volumes.
const LABEL_AT: usize = 1024 + 120;
const LABEL: &str = "data\0";
/// What leads to a copy.
const TOKEN: &str = "copy ";

/// What was copied.
#[derive(Debug)]
pub(super) struct Copy {
    dialect: Dialect,
    data: Data,
    history: History,
}

/// Begins to copy the data of the server of a guest; the program comes back at once.
pub(super) fn begin(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    let Some(volume) = invocation.volume else { return Outcome::failed(1, "no volume") };
    network.copyings.insert(volume, invocation.now + COPY);
    Outcome::ok("")
}

impl Network {
    /// Lets copies be complete until now. Programs end with their guest.
    pub(super) fn settle_copies(&mut self) {
        let now = self.now;
        self.copyings.retain(|volume, _| self.links.contains_key(volume));
        let due: Vec<VolumeId> = self
            .copyings
            .iter()
            .filter(|(_, ends)| **ends <= now)
            .map(|(volume, _)| *volume)
            .collect();
        for volume in due {
            self.copyings.remove(&volume);
            let Some(server) = self.servers.get(&volume).filter(|_| self.answers(volume)) else {
                continue;
            };
            let Server { dialect, data, history, .. } = server;
            let history = history.copied(*dialect, server.origin());
            let copy = Copy { dialect: *dialect, data: data.clone(), history };
            let text = format!("{}{LABEL}{TOKEN}{}", "\0".repeat(LABEL_AT), self.copies.len());
            self.copies.push(copy);
            let result = format!(
                "{{\"version\":\"1.0\",\"position\":\"{}\",\"binlog\":\"log:4\",\"bytes\":{},\"sha256\":\"{}\"}}",
                self.copies.len(),
                text.len(),
                sha256(text.as_bytes())
            );
            for (path, text) in [(DEVICE, text), (RESULT, result)] {
                self.written.push(Written { volume, path: path.to_owned(), text: Some(text) });
            }
        }
    }

    /// The server whose data a volume holds that a copy was brought to.
    pub(super) fn copied_server(
        &self,
        dialect: Dialect,
        volume: VolumeId,
        content: &[u8],
    ) -> Option<Server> {
        let text = std::str::from_utf8(content.get(LABEL_AT + LABEL.len()..)?).ok()?;
        let number = text.trim_end_matches('\0').strip_prefix(TOKEN)?;
        let copy = self.copies.get(number.parse::<usize>().ok()?)?;
        let mut server = Server::new(dialect, volume);
        (server.data, server.history) = (copy.data.clone(), copy.history.clone());
        (copy.dialect == dialect).then_some(server)
    }
}
