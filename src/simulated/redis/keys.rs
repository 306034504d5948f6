//! The keys of a server, slot by slot.

use std::collections::BTreeMap;

use crate::recipe::redis::slots::slot_of;

/// Keys with their values, by slot; no slot is without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys(BTreeMap<u16, BTreeMap<String, String>>);

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// The slots that have a key.
    pub(super) fn slots(&self) -> impl Iterator<Item = u16> {
        self.0.keys().copied()
    }

    /// Number of keys in a slot.
    pub(super) fn count(&self, slot: u16) -> usize {
        self.0.get(&slot).map_or(0, BTreeMap::len)
    }

    /// The keys of a slot.
    pub(super) fn within(&self, slot: u16) -> impl Iterator<Item = &String> {
        self.0.get(&slot).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn get(&self, key: &str) -> Option<&String> {
        self.0.get(&slot_of(key))?.get(key)
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        let slot = self.0.entry(slot_of(key)).or_default();
        slot.insert(key.to_owned(), value.to_owned());
    }

    pub(super) fn remove(&mut self, key: &str) {
        let slot = slot_of(key);
        let Some(keys) = self.0.get_mut(&slot) else { return };
        keys.remove(key);
        if keys.is_empty() {
            self.0.remove(&slot);
        }
    }

    /// Removes the keys of a slot.
    pub(super) fn remove_slot(&mut self, slot: u16) {
        self.0.remove(&slot);
    }
}
