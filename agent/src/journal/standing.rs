//! What stays true while nobody can be asked: duties, observed instances, and
//! who may use the local socket.

use std::collections::BTreeSet;

use holdfast_proto::{Assignments, Work};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Journal, JournalError};

const STANDING: &str = "standing";
const PEERS: &str = "peers";

impl Journal {
    /// Keeps what of `all` must go on without the control plane: standing
    /// duties, the instances they are about, slots, and standing orders (I-08). Jobs are not kept: a
    /// job that ends with the process is reported as interrupted.
    pub async fn keep_standing(&self, all: &Assignments) -> Result<(), JournalError> {
        let standing = |work: &Work| matches!(work, Work::ReceiveWal(_));
        let duties = all
            .assignments
            .iter()
            .filter(|assignment| standing(&assignment.work));
        let kept = Assignments {
            assignments: duties.cloned().collect(),
            instances: all.instances.clone(),
            orders: all.orders.clone(),
            kept_slots: Vec::new(),
            slots: all.slots.clone(),
        };
        self.put(STANDING, &kept).await
    }

    /// What was kept last; nothing when nothing was.
    pub async fn standing(&self) -> Result<Assignments, JournalError> {
        self.get(STANDING).await
    }

    /// Keeps which users may use the local socket.
    pub async fn keep_peers(&self, peers: &BTreeSet<u32>) -> Result<(), JournalError> {
        self.put(PEERS, peers).await
    }

    /// The users kept last.
    pub async fn peers(&self) -> Result<BTreeSet<u32>, JournalError> {
        self.get(PEERS).await
    }

    async fn put(&self, name: &'static str, value: &impl Serialize) -> Result<(), JournalError> {
        let json = serde_json::to_string(value)?;
        let done = self.with(move |connection| {
            // Assignments are sent anew often and change seldom: no write then.
            let upsert = "INSERT INTO document (name, json) VALUES (?1, ?2) \
                          ON CONFLICT (name) DO UPDATE SET json = excluded.json \
                          WHERE json <> excluded.json";
            Ok(connection.execute(upsert, params![name, json])?)
        });
        done.await.map(drop)
    }

    async fn get<T>(&self, name: &'static str) -> Result<T, JournalError>
    where
        T: DeserializeOwned + Default + Send + 'static,
    {
        let found = self.with(move |connection| {
            let query = "SELECT json FROM document WHERE name = ?1";
            let json: Option<String> = connection
                .query_row(query, [name], |row| row.get(0))
                .optional()?;
            Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
        });
        Ok(found.await?.unwrap_or_default())
    }
}
