//! Failures and elections: a majority of the masters says who is gone and who
//! takes over.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Network, Server, Uid};
use crate::recipe::redis::slots::Slots;

impl Network {
    /// Marks as failed whom a majority of the masters cannot reach.
    pub(super) fn judge(&mut self, online: &[Uid], now: Duration) {
        let mut verdicts = Vec::new();
        for &uid in online {
            let Some(server) = self.servers.get(&uid) else { continue };
            let suspected: Vec<Uid> =
                server.view.keys().copied().filter(|peer| server.suspects(*peer, now)).collect();
            if suspected.is_empty() {
                continue;
            }
            let voters: Vec<Uid> = server.voters().collect();
            for peer in suspected {
                let against = voters.iter().filter(|voter| self.suspects(**voter, peer, now));
                if against.count() * 2 > voters.len() {
                    verdicts.push((uid, peer));
                }
            }
        }
        for (uid, peer) in verdicts {
            let view = self.servers.get_mut(&uid).and_then(|server| server.view.get_mut(&peer));
            if let Some(peer) = view {
                peer.failed = true;
            }
        }
    }

    fn suspects(&self, voter: Uid, peer: Uid, now: Duration) -> bool {
        let voter = self.servers.get(&voter).filter(|voter| voter.online.is_some());
        voter.is_some_and(|voter| voter.suspects(peer, now))
    }

    /// Replicas of failed masters ask for votes; each master's first wins.
    pub(super) fn elect(&mut self, online: &[Uid], now: Duration) {
        let mut replaced = BTreeSet::new();
        for &uid in online {
            let Some(master) = self.candidate(uid) else { continue };
            if replaced.insert(master) {
                self.promote(uid, master, now);
            }
        }
    }

    /// The failed master whose place `uid` may take, by a majority's vote.
    fn candidate(&self, uid: Uid) -> Option<Uid> {
        let server = self.servers.get(&uid)?;
        let master = server.follows().filter(|master| server.synced == Some(*master))?;
        let gone = server.view.get(&master)?;
        if !gone.failed || gone.slots.is_empty() {
            return None;
        }
        let agrees = |voter: &Server| {
            voter.online.is_some()
                && voter.view.contains_key(&uid)
                && voter.view.get(&master).is_some_and(|gone| gone.failed)
        };
        let voters: Vec<Uid> = server.voters().collect();
        let votes = voters.iter().filter(|voter| self.servers.get(voter).is_some_and(agrees));
        (votes.count() * 2 > voters.len()).then_some(master)
    }

    /// Whether more than half of the masters that a server knows of can vote.
    pub(super) fn has_majority(&self, uid: Uid) -> bool {
        let Some(server) = self.servers.get(&uid) else { return false };
        let voters: Vec<Uid> = server.voters().collect();
        let master = server.follows();
        // A master denies its vote to one that it does not know for a replica yet.
        let votes = |voter: &&Uid| {
            self.servers.get(voter).is_some_and(|one| {
                let known = one.view.get(&uid).map(|peer| peer.follows);
                one.online.is_some() && known == Some(master)
            })
        };
        voters.iter().filter(votes).count() * 2 > voters.len()
    }

    /// Makes a replica the master of what its master served, in a new epoch, and
    /// lets it say so to all who can hear it.
    pub(super) fn promote(&mut self, uid: Uid, master: Uid, now: Duration) {
        let Some(server) = self.servers.get(&uid) else { return };
        let known = server.view.keys().filter_map(|peer| self.servers.get(peer));
        let newest = known.map(|server| server.epoch).max().unwrap_or_default();
        let Some(server) = self.servers.get_mut(&uid) else { return };
        let taken = server.view.get_mut(&master).map(|old| std::mem::take(&mut old.slots));
        server.epoch = newest + 1;
        server.synced = None;
        let epoch = server.epoch;
        if let Some(me) = server.view.get_mut(&uid) {
            me.follows = None;
            me.slots = taken.unwrap_or(Slots::EMPTY);
            me.epoch = epoch;
        }
        for peer in self.online() {
            if peer != uid {
                self.hear(peer, uid, now);
            }
        }
    }
}
