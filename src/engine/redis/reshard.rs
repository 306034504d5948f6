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
    let migrating = format!("MIGRATING {destination}");
    let (answers, mut left) = work.and_count(vec![transaction(slots, &migrating)], slots)?;
    for answer in answers {
        taken(&work.from, &migrating, &answer)?;
    }
    let mut moved = 0;
    while !left.is_empty() {
        let (keys, then_left) = work.migrate(&left, slots)?;
        moved += keys;
        left = then_left;
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
fn transaction(slots: &Slots, what: &str) -> String {
    let lines = slots.iter().map(|slot| format!("CLUSTER SETSLOT {slot} {what}"));
    let lines = std::iter::once("MULTI".to_owned()).chain(lines).chain(["EXEC".to_owned()]);
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether all of a transaction was taken.
fn taken(session: &Session<'_>, what: &str, answer: &str) -> Result<(), EngineError> {
    let wrong = answer.lines().map(str::trim).find(|line| !TAKEN.contains(line));
    wrong.map_or(Ok(()), |line| Err(session.refused(&format!("CLUSTER SETSLOT {what}"), line)))
}

fn set(session: &Session<'_>, slots: &Slots, what: &str) -> Result<(), EngineError> {
    let [answer] = session.ask([&transaction(slots, what)])?;
    taken(session, what, &answer?)
}

fn session<'a>(guest: &'a Guest<'a>, target: &'a Target, member: &Member) -> Session<'a> {
    Session::new(guest, &target.access, (member.address, member.port))
}

/// Slots of which the owner still has keys, with their numbers.
type Left = Vec<(u16, usize)>;

struct Work<'a> {
    target: &'a Target,
    to: &'a Member,
    from: Session<'a>,
    at_to: Session<'a>,
}

impl Work<'_> {
    /// Sends commands to the owner, and asks then which slots it still has keys of: in one
    /// session, whose start is what takes the time.
    fn and_count(
        &self,
        commands: Vec<String>,
        slots: &Slots,
    ) -> Result<(Vec<String>, Left), EngineError> {
        let count = commands.len();
        let questions = slots.iter().map(|slot| format!("CLUSTER COUNTKEYSINSLOT {slot}"));
        let all: Vec<String> = commands.into_iter().chain(questions).collect();
        let mut answers = self.from.ask_all(&all)?.into_iter();
        let first = answers.by_ref().take(count).collect::<Result<Vec<String>, _>>()?;
        let mut left = Vec::new();
        for (slot, answer) in slots.iter().zip(answers) {
            let keys = answer?.trim().parse::<usize>();
            let keys = keys
                .map_err(|error| self.from.guest.unreadable("CLUSTER COUNTKEYSINSLOT", &error))?;
            if keys > 0 {
                left.push((slot, keys));
            }
        }
        Ok((first, left))
    }

    /// Moves the keys that were counted; returns how many they were, and what is left: keys
    /// that were written meanwhile.
    fn migrate(
        &self,
        counted: &[(u16, usize)],
        slots: &Slots,
    ) -> Result<(usize, Left), EngineError> {
        let mut moved = 0;
        let mut commands = Vec::new();
        for questions in questions(counted) {
            self.send(&std::mem::take(&mut commands))?;
            for answer in self.from.ask_quoted(&questions)? {
                let answer = answer?;
                let keys: Vec<&str> = answer.lines().filter_map(quoted).collect();
                moved += keys.len();
                commands.extend(keys.chunks(BLOCK).map(|keys| self.command(keys)));
            }
        }
        let (_, left) = self.and_count(commands, slots)?;
        Ok((moved, left))
    }

    /// Sends commands to the owner. A key that has gone meanwhile, by its time or by a client,
    /// is no failure.
    fn send(&self, commands: &[String]) -> Result<(), EngineError> {
        if commands.is_empty() {
            return Ok(());
        }
        self.from.ask_all(commands)?.into_iter().try_for_each(|answer| answer.map(drop))
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

/// Questions for the names of keys, in rounds of [`KEYS`]: names that were asked for are moved
/// before the next ones of their slot are.
fn questions(counted: &[(u16, usize)]) -> Vec<Vec<String>> {
    let mut rounds = Vec::new();
    let (mut round, mut room) = (Vec::new(), KEYS);
    for (slot, count) in counted {
        let mut count = *count;
        while count > 0 {
            let now = count.min(room);
            round.push(format!("CLUSTER GETKEYSINSLOT {slot} {now}"));
            (count, room) = (count - now, room - now);
            if room == 0 {
                rounds.push(std::mem::take(&mut round));
                room = KEYS;
            }
        }
    }
    rounds.push(round);
    rounds.retain(|round| !round.is_empty());
    rounds
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
    fn names_are_asked_for_in_rounds() {
        let all = questions(&[(7, 499), (8, 2), (9, 1000)]);
        let all: Vec<String> = all.iter().map(|round| round.join("; ")).collect();
        let ask = |slot, count| format!("CLUSTER GETKEYSINSLOT {slot} {count}");
        let expected = [
            format!("{}; {}", ask(7, 499), ask(8, 1)),
            format!("{}; {}", ask(8, 1), ask(9, 499)),
            ask(9, 500),
            ask(9, 1),
        ];
        assert_eq!(all, expected);
        assert_eq!(questions(&[]), Vec::<Vec<String>>::new());
    }

    #[test]
    fn keys_of_any_bytes_keep_their_quotes() {
        // As redis-cli 8.0 writes them with --no-raw.
        let answer = "1) \"client:7\"\n2) \"a\\x00b\\\"c\"\n10) \"1) \\\"x\\\"\"\n(empty array)\n";
        let keys: Vec<&str> = answer.lines().filter_map(quoted).collect();
        assert_eq!(keys, ["\"client:7\"", "\"a\\x00b\\\"c\"", "\"1) \\\"x\\\"\""]);
    }
}
