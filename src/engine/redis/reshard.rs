//! Slots handed over from one master to another while both serve, one hand-over of a cluster
//! at a time, as the Redis Cluster specification has it ("Cluster live reconfiguration"): the receiver is prepared first, keys
//! that have moved are asked for there, and the owner changes once no key is left. Clients
//! see redirections and nothing else.
//!
//! A run that is cut off leaves slots open, which both sides go on serving, and the next
//! one goes on with them.

use super::access::USER;
use super::nodes::NodeId;
use super::send::via;
use super::session::Session;
use super::target::{Member, Target};
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError};
use crate::guest::{Guest, GuestError};
use crate::recipe::redis::quote;
use crate::recipe::redis::slots::Slots;

/// Keys whose names go through the agent at a time: its answers hold a few megabytes.
const KEYS: usize = 500;
/// Keys of one `MIGRATE`, which stops both servers for as long as it takes.
const BLOCK: usize = 50;
/// What is answered in a transaction that goes well.
const TAKEN: [&str; 3] = ["OK", "QUEUED", ""];
/// Milliseconds that a `MIGRATE` may wait for the other side at a time.
const IDLE_MS: u32 = 5000;

/// Hands slots over with all their keys; what was moved, in words.
///
/// # Errors
/// What either side refused, or the agent.
pub(super) fn hand_over(
    crew: &Crew<'_>,
    target: &Target,
    (from, to): (&Member, &Member),
    (source, destination): &(NodeId, NodeId),
    slots: &Slots,
) -> Answer {
    let guests = (crew.guest(&via(crew, from)?)?, crew.guest(&via(crew, to)?)?);
    let work = Work {
        target,
        to,
        from: session(&guests.0, target, from),
        at_to: session(&guests.1, target, to),
    };
    set(&work.at_to, slots, &format!("IMPORTING {source}"))?;
    set(&work.from, slots, &format!("MIGRATING {destination}"))?;
    let mut moved = 0;
    loop {
        let left = work.keys_left(slots)?;
        if left.is_empty() {
            break;
        }
        moved += work.migrate(&left)?;
    }
    // The receiver first, in a new epoch: until it says that the slots are its own, the
    // owner sends everybody there, who is asking. Then the owner at once: should it claim
    // them again in a later epoch, the receiver would give them up with their keys.
    let own = format!("NODE {destination}");
    set(&work.at_to, slots, &own)?;
    match set(&work.from, slots, &own) {
        // One that gave its last slot away may have become a copy of the receiver meanwhile.
        Err(EngineError::Guest(GuestError::Command { output, .. }))
            if output.contains("SETSLOT only with masters") => {}
        other => other?,
    }
    Ok(format!("{moved} keys moved"))
}

/// Sets slots in one transaction: each `SETSLOT` by itself would write the whole of
/// `nodes.conf`, which grows with every open slot.
fn set(session: &Session<'_>, slots: &Slots, what: &str) -> Result<(), EngineError> {
    let lines = slots.iter().map(|slot| format!("CLUSTER SETSLOT {slot} {what}"));
    let lines: Vec<String> =
        std::iter::once("MULTI".to_owned()).chain(lines).chain(["EXEC".to_owned()]).collect();
    let [answer] = session.ask([&lines.join("\n")])?;
    let answer = answer?;
    let wrong = answer.lines().map(str::trim).find(|line| !TAKEN.contains(line));
    wrong.map_or(Ok(()), |line| Err(session.refused(&format!("CLUSTER SETSLOT {what}"), line)))
}

fn session<'a>(guest: &'a Guest<'a>, target: &'a Target, member: &Member) -> Session<'a> {
    Session::new(guest, &target.access, (member.address, member.port))
}

/// Sends commands that all have to be taken.
fn all_taken(session: &Session<'_>, commands: &[String]) -> Result<(), EngineError> {
    session.ask_all(commands)?.into_iter().try_for_each(|answer| answer.map(drop))
}

struct Work<'a> {
    target: &'a Target,
    to: &'a Member,
    from: Session<'a>,
    at_to: Session<'a>,
}

impl Work<'_> {
    /// Slots of which the owner still has keys, with their numbers.
    fn keys_left(&self, slots: &Slots) -> Result<Vec<(u16, usize)>, EngineError> {
        let questions: Vec<String> =
            slots.iter().map(|slot| format!("CLUSTER COUNTKEYSINSLOT {slot}")).collect();
        let mut left = Vec::new();
        for (slot, answer) in slots.iter().zip(self.from.ask_all(&questions)?) {
            let answer = answer?;
            let count = answer
                .trim()
                .parse::<usize>()
                .map_err(|error| self.from.guest.unreadable("CLUSTER COUNTKEYSINSLOT", &error))?;
            if count > 0 {
                left.push((slot, count));
            }
        }
        Ok(left)
    }

    /// Moves some of the keys that are left; returns how many.
    fn migrate(&self, left: &[(u16, usize)]) -> Result<usize, EngineError> {
        let mut room = KEYS;
        let mut questions = Vec::new();
        for (slot, count) in left {
            let count = (*count).min(room);
            if count == 0 {
                break;
            }
            room -= count;
            questions.push(format!("CLUSTER GETKEYSINSLOT {slot} {count}"));
        }
        let mut commands = Vec::new();
        let mut moved = 0;
        for answer in self.from.ask_quoted(&questions)? {
            let answer = answer?;
            let keys: Vec<&str> = answer.lines().filter_map(quoted).collect();
            moved += keys.len();
            commands.extend(keys.chunks(BLOCK).map(|keys| self.command(keys)));
        }
        // A key that has gone meanwhile, by its time or by a client, is no failure.
        all_taken(&self.from, &commands)?;
        Ok(moved)
    }

    fn command(&self, keys: &[&str]) -> String {
        let Member { address, port, .. } = self.to;
        let login = self
            .target
            .access
            .password()
            .map_or_else(String::new, |password| format!("AUTH2 {USER} {} ", quote(password)));
        format!("MIGRATE {address} {port} \"\" 0 {IDLE_MS} REPLACE {login}KEYS {}", keys.join(" "))
    }
}

/// The string of a line like `1) "key"`, still in its quotes: as `redis-cli` writes it and
/// reads it, whatever bytes are in it.
fn quoted(line: &str) -> Option<&str> {
    let (number, string) = line.trim().split_once(") ")?;
    let is_string = string.len() >= 2 && string.starts_with('"') && string.ends_with('"');
    (number.parse::<u32>().is_ok() && is_string).then_some(string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_bytes_keep_their_quotes() {
        // As redis-cli 8.0 writes them with --no-raw.
        let answer = "1) \"client:7\"\n2) \"a\\x00b\\\"c\"\n10) \"1) \\\"x\\\"\"\n(empty array)\n";
        let keys: Vec<&str> = answer.lines().filter_map(quoted).collect();
        assert_eq!(keys, ["\"client:7\"", "\"a\\x00b\\\"c\"", "\"1) \\\"x\\\"\""]);
    }
}
