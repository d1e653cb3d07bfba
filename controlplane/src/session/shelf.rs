//! Things read from the state, kept until they change.
//!
//! Whoever reads takes a ticket first and reads then. What it puts back counts
//! only when nothing has changed since it took the ticket: a value that was
//! read before a change never stays after it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values by key.
#[derive(Debug)]
pub(super) struct Shelf<K, V> {
    inner: Mutex<Inner<K, V>>,
}

#[derive(Debug)]
struct Inner<K, V> {
    /// How often everything was forgotten.
    round: u64,
    slots: BTreeMap<K, Slot<V>>,
}

#[derive(Debug)]
struct Slot<V> {
    /// How often this key was forgotten.
    version: u64,
    value: Option<Arc<V>>,
}

/// What a reader must show to put a value back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    round: u64,
    version: u64,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        let inner = Inner {
            round: 0,
            slots: BTreeMap::new(),
        };
        Self {
            inner: Mutex::new(inner),
        }
    }
}

impl<K: Ord, V> Shelf<K, V> {
    fn lock(&self) -> MutexGuard<'_, Inner<K, V>> {
        // What is inside is consistent after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value, or a ticket to put one.
    pub(super) fn get(&self, key: &K) -> Result<Arc<V>, Ticket> {
        let inner = self.lock();
        let slot = inner.slots.get(key);
        if let Some(value) = slot.and_then(|slot| slot.value.as_ref()) {
            return Ok(Arc::clone(value));
        }
        Err(Ticket {
            round: inner.round,
            version: slot.map_or(0, |slot| slot.version),
        })
    }

    /// Keeps what was read, unless it may have changed since.
    pub(super) fn put(&self, key: K, ticket: Ticket, value: V) -> Arc<V> {
        let value = Arc::new(value);
        let mut inner = self.lock();
        if inner.round == ticket.round {
            let slot = inner.slots.entry(key).or_insert(Slot {
                version: 0,
                value: None,
            });
            if slot.version == ticket.version {
                slot.value = Some(Arc::clone(&value));
            }
        }
        value
    }

    /// Forgets what has changed.
    pub(super) fn forget(&self, key: K) {
        let mut inner = self.lock();
        let slot = inner.slots.entry(key).or_insert(Slot {
            version: 0,
            value: None,
        });
        slot.version += 1;
        slot.value = None;
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        let mut inner = self.lock();
        inner.round += 1;
        inner.slots.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_does_not_stay_after_it() {
        let shelf = Shelf::default();
        let early = shelf.get(&1).unwrap_err();
        shelf.forget(1);
        assert_eq!(*shelf.put(1, early, "old"), "old");
        let ticket = shelf.get(&1).unwrap_err();
        shelf.put(1, ticket, "new");
        assert_eq!(shelf.get(&1).as_deref(), Ok(&"new"));
        // Another key's change leaves it alone.
        shelf.forget(2);
        assert_eq!(shelf.get(&1).as_deref(), Ok(&"new"));
        shelf.forget(1);
        assert!(shelf.get(&1).is_err());
        shelf.put(1, ticket, "new");
        assert!(shelf.get(&1).is_err());
    }

    #[test]
    fn forgetting_everything_outdates_every_ticket() {
        let shelf = Shelf::default();
        let (one, two) = (shelf.get(&1).unwrap_err(), shelf.get(&2).unwrap_err());
        shelf.put(1, one, "old");
        shelf.forget_all();
        shelf.put(2, two, "old");
        assert!(shelf.get(&1).is_err() && shelf.get(&2).is_err());
    }
}
