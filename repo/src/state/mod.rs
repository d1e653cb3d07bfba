//! Snapshots of a control plane's own state: what it needs to be made anew.
//!
//! The bytes are opaque here: a database that the control plane reads. They
//! are cut into parts, compressed, and sealed with a key of their own, which
//! the repository key wraps. A mark put last, with put-if-absent, makes a
//! snapshot exist: one that is cut short is never taken for whole.
//!
//! ```text
//! control-plane/<control plane>/snapshots/<snapshot>/<key>/<n>   a part
//! control-plane/<control plane>/marks/<snapshot>                 the mark
//! ```
//! Parts are below the key that sealed them, so that two nodes that both take
//! themselves for the leader write nothing of each other's; one mark wins.

mod mark;
mod read;
mod write;

use std::fmt;

use futures_util::TryStreamExt;
use holdfast_types::{ControlPlaneId, KeyId, StateSnapshotId};

pub use self::mark::{StateFacts, StateMark};
pub use self::write::{STATE_PART_BYTES, StateWriter};
use crate::crypto::{HashKey, KeyBytes, SealingKey, derive};
use crate::envelope::Place;
use crate::keyring::KeyPurpose;
use crate::{Error, Repository, Result};

const ROOT: &str = "control-plane";

/// The snapshots of one control plane in an open repository. Cheap to clone.
#[derive(Clone)]
pub struct StateSnapshots {
    repository: Repository,
    control_plane: ControlPlaneId,
    /// `control-plane/<id>`, the place's part of associated data.
    place: String,
}

/// The keys of one snapshot.
struct StateKeys {
    seal: SealingKey,
    hash: HashKey,
}

impl StateKeys {
    fn new(id: KeyId, bytes: &KeyBytes) -> Self {
        let hash = derive("holdfast repository 2026-11 state hash", bytes);
        Self {
            seal: SealingKey::new(id, bytes),
            hash: HashKey::new(id, hash),
        }
    }
}

impl Repository {
    /// The snapshots of a control plane in this repository.
    pub fn state_snapshots(&self, control_plane: ControlPlaneId) -> StateSnapshots {
        StateSnapshots {
            repository: self.clone(),
            control_plane,
            place: format!("{ROOT}/{control_plane}"),
        }
    }

    /// The control planes that have put anything of theirs here.
    pub async fn control_planes(&self) -> Result<Vec<ControlPlaneId>> {
        let names = self.store.list_directories(ROOT).await?;
        let mut found: Vec<ControlPlaneId> =
            names.iter().filter_map(|name| name.parse().ok()).collect();
        found.sort();
        Ok(found)
    }
}

impl StateSnapshots {
    /// Whose they are.
    pub const fn control_plane(&self) -> ControlPlaneId {
        self.control_plane
    }

    /// Every snapshot that has its mark, the oldest first.
    pub async fn list(&self) -> Result<Vec<StateSnapshotId>> {
        let directory = format!("{}/marks", self.place);
        let listed: Vec<_> = self.repository.store.list(&directory).try_collect().await?;
        if listed.is_empty() {
            // A volume that is not mounted looks empty too.
            self.repository.prove_present().await?;
        }
        let id = |name: &str| name.rsplit('/').next()?.parse().ok();
        let mut found: Vec<StateSnapshotId> =
            listed.iter().filter_map(|item| id(&item.name)).collect();
        found.sort();
        Ok(found)
    }

    /// Deletes a snapshot, whole or not: the mark first, so that what is left
    /// by an interruption is no snapshot; then parts and keys. Repeating it is
    /// fine.
    ///
    /// Only the leader may call this, and only for a snapshot that the
    /// replicated state has condemned (I-06).
    pub async fn delete(&self, snapshot: StateSnapshotId) -> Result<()> {
        let store = &self.repository.store;
        store.delete(&self.name(&mark_name(snapshot))).await?;
        let parts = self.name(&format!("snapshots/{snapshot}"));
        let keys = store.list_directories(&parts).await?;
        let listed: Vec<_> = store.list(&parts).try_collect().await?;
        for part in listed {
            store.delete(&part.name).await?;
        }
        for key in keys.iter().filter_map(|key| key.parse::<KeyId>().ok()) {
            self.repository.ring.delete(key, KeyPurpose::State).await?;
        }
        if store
            .size(&self.name(&mark_name(snapshot)))
            .await?
            .is_some()
        {
            let object = self.name(&mark_name(snapshot));
            return Err(Error::Conflict { object });
        }
        Ok(())
    }

    /// The full name of the object `below` this control plane.
    fn name(&self, below: &str) -> String {
        format!("{}/{below}", self.place)
    }

    fn place<'a>(&'a self, below: &'a str) -> Place<'a> {
        Place {
            lineage: &self.place,
            name: below,
        }
    }
}

impl fmt::Debug for StateSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "StateSnapshots({}/{})",
            self.repository.url(),
            self.place
        )
    }
}

fn mark_name(snapshot: StateSnapshotId) -> String {
    format!("marks/{snapshot}")
}

fn part_name(snapshot: StateSnapshotId, key: KeyId, number: u32) -> String {
    format!("snapshots/{snapshot}/{key}/{number}")
}
