//! Who holds an address, as VRRP with `nopreempt` decides it: one that has it keeps it, and
//! the others take it once they have not heard of it for a while.
//! <https://www.rfc-editor.org/rfc/rfc5798>

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::simulated::daemon::VolumeId;

/// How long nobody may be heard of: three advertisements of a second, and a skew.
const SILENCE: Duration = Duration::from_millis(3600);
/// How often keepalived announces what it holds (`vrrp_garp_master_refresh`).
const REMINDER: Duration = Duration::from_secs(15);

/// Who holds an address, among gateways that know each other's password.
#[derive(Debug, Default)]
pub(super) struct Election {
    holders: BTreeSet<VolumeId>,
    /// Since when nobody does.
    vacant: Option<Duration>,
}

impl Election {
    pub(super) const fn holders(&self) -> &BTreeSet<VolumeId> {
        &self.holders
    }

    /// One that is started anew holds nothing.
    pub(super) fn leave(&mut self, volume: VolumeId, now: Duration) {
        if self.holders.remove(&volume) && self.holders.is_empty() {
            // It says that it goes, and the others take over at once.
            self.vacant = now.checked_sub(SILENCE).or(Some(now));
        }
    }

    /// Lets time pass: `candidates` with their priorities are there, and `says_so` is
    /// whether one that is not has said that it goes. Returns who takes the address.
    pub(super) fn advance(
        &mut self,
        candidates: &BTreeMap<VolumeId, u32>,
        says_so: impl Fn(VolumeId) -> bool,
        now: Duration,
    ) -> Option<VolumeId> {
        let gone: Vec<VolumeId> =
            self.holders.iter().copied().filter(|one| !candidates.contains_key(one)).collect();
        for volume in gone {
            if says_so(volume) {
                self.leave(volume, now);
            } else {
                self.holders.remove(&volume);
            }
        }
        if !self.holders.is_empty() {
            self.vacant = None;
            return None;
        }
        let since = *self.vacant.get_or_insert(now);
        if now.saturating_sub(since) < SILENCE {
            return None;
        }
        let (volume, _) = candidates.iter().max_by_key(|(_, priority)| **priority)?;
        self.holders.insert(*volume);
        self.vacant = None;
        Some(*volume)
    }
}

/// Where those who use an address believe it to be: who took it or announced it last.
#[derive(Debug)]
pub(super) struct Believed {
    pub(super) at: VolumeId,
    since: Duration,
}

impl Believed {
    pub(super) const fn new(at: VolumeId, since: Duration) -> Self {
        Self { at, since }
    }

    /// Lets time pass: each that holds the address reminds them now and then, one after the
    /// other where several do.
    pub(super) fn advance(&mut self, holders: &BTreeSet<VolumeId>, now: Duration) {
        let next = holders.iter().find(|one| **one > self.at).or(holders.first());
        if let Some(next) = next.filter(|_| now.saturating_sub(self.since) >= REMINDER) {
            *self = Self::new(*next, now);
        }
    }
}

/// The addresses of a configuration of keepalived that move.
pub(super) fn addresses(text: &str) -> Vec<Ipv4Addr> {
    block(text, "virtual_ipaddress {")
}

/// Those that are there as long as it runs.
pub(super) fn fixed_addresses(text: &str) -> Vec<Ipv4Addr> {
    block(text, "static_ipaddress {")
}

fn block(text: &str, begin: &str) -> Vec<Ipv4Addr> {
    let Some((_, rest)) = text.split_once(begin) else { return Vec::new() };
    let block = rest.split('}').next().unwrap_or_default();
    let first = block.lines().filter_map(|line| line.split_whitespace().next());
    first.filter_map(|word| word.split('/').next()?.parse().ok()).collect()
}

/// The password by which it knows the others.
pub(super) fn password(text: &str) -> &str {
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("auth_pass "));
    lines.next().unwrap_or_default()
}

/// Its priority.
pub(super) fn priority(text: &str) -> u32 {
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("priority "));
    lines.next().and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_serves_keeps_the_address_and_another_takes_it_when_it_is_gone() {
        let both = BTreeMap::from([(1, 150), (2, 100)]);
        let second = BTreeMap::from([(2, 100)]);
        let mut election = Election::default();
        let mut at = |seconds: u64, candidates: &BTreeMap<VolumeId, u32>, says_so: bool| {
            election.advance(candidates, |_| says_so, Duration::from_secs(seconds));
            election.holders().iter().copied().collect::<Vec<_>>()
        };
        assert_eq!(at(0, &both, false), [0_u64; 0]);
        assert_eq!(at(4, &both, false), [1]);
        assert_eq!(at(10, &second, false), [0_u64; 0], "it is not missed yet");
        assert_eq!(at(14, &second, false), [2]);
        assert_eq!(at(20, &both, false), [2], "one that comes back waits");
        assert_eq!(
            at(30, &BTreeMap::from([(1, 150)]), true),
            [1],
            "one that says so is not missed"
        );
    }

    #[test]
    fn a_configuration_is_read() {
        let text = "vrrp_instance edge {\n  priority 150\n  virtual_ipaddress {\n    10.0.0.9/24 dev eth0\n  }\n}\n";
        assert_eq!(addresses(text), [Ipv4Addr::new(10, 0, 0, 9)]);
        assert_eq!(priority(text), 150);
        assert_eq!(fixed_addresses(text), [Ipv4Addr::UNSPECIFIED; 0]);
        let alone = "static_ipaddress {\n    10.0.0.9/32 dev eth0\n}\n";
        assert_eq!(fixed_addresses(alone), [Ipv4Addr::new(10, 0, 0, 9)]);
    }
}
