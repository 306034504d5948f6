//! Machines for which no room is left to restart them.

use crate::topology::Level;
use crate::units::counted;

/// Failure domains that are listed; the others are counted.
const LISTED: usize = 8;

/// Says which machines of an entry have no room after the loss of each of these domains.
pub(super) fn because(
    service: &str,
    (level, domains): (Level, &[String]),
    (needed, available): (u64, u64),
) -> String {
    let (others, room) = match (needed, available) {
        (1, _) => (format!("another {level}"), "none has".to_owned()),
        (_, 0) => (format!("other {level}s"), "none has it for any".to_owned()),
        (_, some) => (format!("other {level}s"), format!("they have it for {some}")),
    };
    let each = if domains.len() > 1 { "each of " } else { "" };
    format!(
        "Because of `restart: true`, {others} must have room for {} of {service} on {each}{} once \
         that is lost, and {room}.",
        counted(needed, "VM"),
        listed(domains),
    )
}

/// Says for what there is no room.
pub(super) fn subject(service: &str, level: Level, domains: &[String]) -> String {
    format!("room to restart {service} without {level} {}", listed(domains))
}

fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
    match names.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
