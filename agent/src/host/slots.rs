//! What is wrong with the slots that are kept at this host's instances, for
//! whoever tells of the instances.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_types::{Failure, Name};

/// A cluster, and how its instance is reached: a host may have two of one.
type Key = (Name, String);

/// The troubles of all slots that are kept here.
#[derive(Debug, Default)]
pub struct SlotTroubles(Mutex<BTreeMap<Key, Failure>>);

impl SlotTroubles {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is wrong with the slot at an instance; `None`: nothing, or it is
    /// not kept any more.
    pub fn note(&self, cluster: &Name, connection: &str, trouble: Option<Failure>) {
        let key = (cluster.clone(), connection.to_owned());
        match trouble {
            Some(failure) => drop(self.lock().insert(key, failure)),
            None => drop(self.lock().remove(&key)),
        }
    }

    /// What is wrong with the slot at an instance.
    pub fn of(&self, cluster: &Name, connection: &str) -> Option<Failure> {
        let key = (cluster.clone(), connection.to_owned());
        self.lock().get(&key).cloned()
    }
}
