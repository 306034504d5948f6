//! What Redis says of its cluster: the text of `CLUSTER NODES`, `CLUSTER INFO`
//! and `INFO` to values.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use crate::recipe::redis::slots::Slots;

/// A node's id: 40 hexadecimal digits that Redis drew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(String);

impl NodeId {
    /// Reads an id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A line of `CLUSTER NODES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// Its id; drawn at random while it is in handshake.
    pub id: NodeId,
    /// Address, unless unknown.
    pub address: Option<Ipv4Addr>,
    /// Port for clients; 0 if unknown.
    pub port: u16,
    /// The instance that was asked.
    pub myself: bool,
    /// Whether it is a master.
    pub master: bool,
    /// The master it follows.
    pub follows: Option<NodeId>,
    /// Failed, as a majority of masters agreed.
    pub failed: bool,
    /// Perhaps failed: the one that was asked cannot reach it.
    pub suspect: bool,
    /// Met, but not yet known by its id.
    pub handshake: bool,
    /// Whether the link to it is up.
    pub connected: bool,
    /// Configuration epoch; a replica shows its master's.
    pub epoch: u64,
    /// Slots that it serves.
    pub slots: Slots,
    /// Slots on the move, of the instance that was asked.
    pub moving: Vec<OpenSlot>,
}

/// A slot on its way from one master to another, as one of both has it open:
/// `[93->-id]` at the one that gives, `[93-<-id]` at the one that receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSlot {
    /// The slot.
    pub slot: u16,
    /// Whether it is to be received, rather than given.
    pub incoming: bool,
    /// The other side.
    pub other: NodeId,
}

impl OpenSlot {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('[')?.strip_suffix(']')?;
        let (slot, way) = text.split_once('-')?;
        let (incoming, other) = match way.split_once('-')? {
            (">", other) => (false, other),
            ("<", other) => (true, other),
            _ => return None,
        };
        Some(Self { slot: slot.parse().ok()?, incoming, other: NodeId::parse(other)? })
    }
}

/// Why a text is no output of Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line:?} has no readable {part}")]
pub struct ParseError {
    /// The line.
    pub line: String,
    /// What is missing or malformed.
    pub part: &'static str,
}

/// Reads the output of `CLUSTER NODES`.
///
/// # Errors
/// The line, and which part of it cannot be read.
pub fn parse_nodes(text: &str) -> Result<Vec<NodeLine>, ParseError> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(node).collect()
}

fn node(line: &str) -> Result<NodeLine, ParseError> {
    let error = |part| ParseError { line: line.to_owned(), part };
    let mut words = line.split_ascii_whitespace();
    let mut word = |part| words.next().ok_or_else(|| error(part));
    let id = NodeId::parse(word("id")?).ok_or_else(|| error("id"))?;
    let (address, port) = endpoint(word("address")?).ok_or_else(|| error("address"))?;
    let flags: Vec<&str> = word("flags")?.split(',').collect();
    let flag = |name: &str| flags.contains(&name);
    let follows = match word("master")? {
        "-" => None,
        master => Some(NodeId::parse(master).ok_or_else(|| error("master"))?),
    };
    word("ping time")?;
    word("pong time")?;
    let epoch = word("epoch")?.parse().map_err(|_| error("epoch"))?;
    let connected = word("link state")? == "connected";
    let (moving, ranges): (Vec<&str>, Vec<&str>) = words.partition(|slot| slot.starts_with('['));
    let ranges: Option<Vec<_>> = ranges.into_iter().map(range).collect();
    let moving: Option<Vec<_>> = moving.into_iter().map(OpenSlot::parse).collect();
    Ok(NodeLine {
        id,
        address: address.filter(|_| !flag("noaddr")),
        port,
        myself: flag("myself"),
        master: flag("master"),
        follows,
        failed: flag("fail"),
        suspect: flag("fail?"),
        handshake: flag("handshake"),
        connected,
        epoch,
        slots: Slots::of(&ranges.ok_or_else(|| error("slots"))?),
        moving: moving.ok_or_else(|| error("open slots"))?,
    })
}

/// Reads `ip:port@bus,hostname,...`; before an instance knows its own address,
/// `ip` is empty.
fn endpoint(text: &str) -> Option<(Option<Ipv4Addr>, u16)> {
    let place = text.split(',').next()?;
    let client = place.split('@').next()?;
    let (ip, port) = client.rsplit_once(':')?;
    let address = if ip.is_empty() { None } else { ip.parse().ok() };
    Some((address, port.parse().ok()?))
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Reads the `name:value` lines of `CLUSTER INFO` and `INFO`; headings and
/// other lines are left out.
#[must_use]
pub fn parse_info(text: &str) -> BTreeMap<&str, &str> {
    text.lines().map(str::trim).filter_map(|line| line.split_once(':')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "07c37dfeb235213a872192d90877d0cd55635b91";
    const B: &str = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";

    fn one(line: &str) -> NodeLine {
        parse_nodes(line).unwrap().remove(0)
    }

    #[test]
    fn a_master_with_ranges_single_slots_and_migrations() {
        let line = format!(
            "{B} 127.0.0.1:30002@31002,cache-1,shard-id=77 myself,master - 0 1426238316232 2 \
             connected 5461-10922 42 [93->-{A}] [77-<-{A}]"
        );
        let seen = one(&line);
        assert!(seen.myself && seen.master && seen.connected && !seen.failed);
        assert_eq!(seen.address, Some(Ipv4Addr::LOCALHOST));
        assert_eq!((seen.port, seen.epoch), (30002, 2));
        assert_eq!(seen.slots.to_string(), "42,5461-10922");
        let open = |slot, incoming| OpenSlot { slot, incoming, other: NodeId::parse(A).unwrap() };
        assert_eq!(seen.moving, [open(93, false), open(77, true)]);
    }

    #[test]
    fn replicas_and_the_failing() {
        let line = format!("{A} 10.0.0.4:6379@16379 slave,fail? {B} 5 6 4 disconnected");
        let seen = one(&line);
        assert_eq!(seen.follows.unwrap().as_str(), B);
        assert!(!seen.master && seen.suspect && !seen.failed && !seen.connected);
        let lost = one(&format!("{A} :0@0 master,fail,noaddr - 1 2 3 disconnected"));
        assert!(lost.failed && !lost.suspect && lost.address.is_none());
        let met = one(&format!("{A} 10.0.0.9:6379@16379 handshake - 1 0 0 disconnected"));
        assert!(met.handshake && !met.master);
    }

    #[test]
    fn an_instance_that_does_not_know_its_address() {
        let fresh = one(&format!("{A} :7001@17001 myself,master - 0 0 0 connected"));
        assert_eq!((fresh.address, fresh.port), (None, 7001));
    }

    #[test]
    fn what_is_no_line_is_named() {
        for (text, part) in [
            ("ERR unknown command", "id"),
            (&format!("{A} nowhere master - 0 0 0 connected"), "address"),
            (&format!("{A} 10.0.0.1:1@2 master - 0 0 x connected"), "epoch"),
            (&format!("{A} 10.0.0.1:1@2 master - 0 0 1 connected 1-x"), "slots"),
            (&format!("{A} 10.0.0.1:1@2 master"), "master"),
        ] {
            assert_eq!(parse_nodes(text).unwrap_err().part, part, "{text}");
        }
    }

    #[test]
    fn info_is_read_with_its_headings_left_out() {
        let info = parse_info("# Replication\r\nrole:slave\r\nmaster_link_status:up\r\n");
        assert_eq!(info.get("role"), Some(&"slave"));
        assert_eq!(info.get("master_link_status"), Some(&"up"));
        assert_eq!(info.len(), 2);
    }
}
