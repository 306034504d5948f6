//! `redis-cli` in a guest.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::engine::{EngineError, Guest};

/// How long a command may take; all that we send are answered at once, but not
/// by a guest that has just begun to load its data.
const ANSWER: Duration = Duration::from_secs(30);

/// Sends a command to the Redis at `address`, from within `guest`; `-e` makes
/// Redis's errors failures of the command. The address is the one that clients
/// use, so that an answer proves the network too.
pub(super) fn redis_cli(
    guest: &Guest<'_>,
    address: Ipv4Addr,
    port: u16,
    words: &[&str],
) -> Result<String, EngineError> {
    let (address, port) = (address.to_string(), port.to_string());
    let mut command = vec!["redis-cli", "-e", "-h", &address, "-p", &port];
    command.extend_from_slice(words);
    guest.run_ok(&command, ANSWER)
}
