//! The only writer of the replicated state.
//!
//! In one transaction of its caller an entry changes rows, appends to the
//! audit log (I-11), and keeps its reply under the caller's idempotency key
//! (I-14). Time is the entry's own, and never runs backwards: a new leader
//! whose clock is behind is held at the last applied time.

use jiff::{SignedDuration, Timestamp};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::column::{Bytes, Moment, Text};
use crate::context::{ApplyContext, AuditItem, Executed};
use crate::entity::idempotency;
use crate::{
    Cause, Digest, Effect, Entry, IdempotencyKey, Refusal, Reply, StateError, audit, meta, row,
};

/// How long a reply is kept under its idempotency key.
pub(crate) const IDEMPOTENCY_KEPT: SignedDuration = SignedDuration::from_hours(24);

const HEAD: &str = "head";

/// What applying an entry gave.
#[derive(Debug)]
pub struct Applied {
    /// The answer to whoever proposed it. Send it after the commit.
    pub reply: Reply,
    /// What to wake. Wake it after the commit.
    pub effects: Vec<Effect>,
}

/// What every entry continues: kept in one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) index: u64,
    pub(crate) time: Timestamp,
    pub(crate) audit_rows: u64,
    pub(crate) audit_hash: Digest,
}

impl Head {
    const START: Self = Self {
        index: 0,
        time: Timestamp::UNIX_EPOCH,
        audit_rows: 0,
        audit_hash: Digest::ZERO,
    };

    pub(crate) async fn read(conn: &impl sea_orm::ConnectionTrait) -> Result<Self, StateError> {
        let Some(bytes) = meta::read(conn, HEAD).await? else {
            return Ok(Self::START);
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| StateError::corrupt(format!("its head cannot be read: {error}")))
    }
}

/// Applies entries one after the other in one transaction.
///
/// Reading and writing the head once per batch is what it saves over
/// [`apply_entry`]; the result is the same.
#[derive(Debug)]
pub struct Batch<'a> {
    tx: &'a DatabaseTransaction,
    head: Head,
}

impl<'a> Batch<'a> {
    /// Begins where the last batch ended.
    pub async fn begin(tx: &'a DatabaseTransaction) -> Result<Self, StateError> {
        let head = Head::read(tx).await?;
        Ok(Self { tx, head })
    }

    /// Applies the entry at `index` of the log. After an error the transaction
    /// must be given up, and the node must stop.
    pub async fn apply(&mut self, index: u64, bytes: &[u8]) -> Result<Applied, StateError> {
        let applied = self.head.index;
        if index <= applied {
            return Err(StateError::OutOfOrder { index, applied });
        }
        let unreadable = |source| StateError::Entry { index, source };
        let entry = Entry::decode(bytes).map_err(unreadable)?;
        let now = Moment::truncate(entry.at.max(self.head.time));
        self.head.index = index;
        self.head.time = now;
        let at = At { index, now };
        match entry.idempotency.clone() {
            None => self.run(at, entry).await,
            Some(key) => self.run_once(at, entry, key).await,
        }
    }

    /// Makes the batch ready to be committed.
    pub async fn finish(self) -> Result<(), StateError> {
        let head = serde_json::to_vec(&self.head).expect("the head is JSON with text keys");
        meta::write(self.tx, HEAD, &head).await
    }

    async fn run_once(
        &mut self,
        at: At,
        entry: Entry,
        key: IdempotencyKey,
    ) -> Result<Applied, StateError> {
        let id = (Text(key.principal.clone()), key.key.clone());
        let kept = row::read::<idempotency::Entity>(self.tx, id).await?;
        let kept = kept.filter(|kept| at.now.duration_since(kept.at.0) < IDEMPOTENCY_KEPT);
        if let Some(kept) = kept {
            if kept.fingerprint.0 == key.fingerprint {
                // Done already: the answer is the same, nothing happens twice.
                let (reply, effects) = (Reply::from_bytes(kept.reply), Vec::new());
                return Ok(Applied { reply, effects });
            }
            return self.mismatch(at, &entry).await;
        }
        let applied = self.run(at, entry).await?;
        let row = idempotency::Model {
            principal: Text(key.principal),
            key: key.key,
            fingerprint: Bytes(key.fingerprint),
            reply: applied.reply.as_bytes().to_vec(),
            at: Moment(at.now),
        };
        ApplyContext::new(self.tx, at.index, at.now, None)
            .put(row)
            .await?;
        Ok(applied)
    }

    async fn mismatch(&mut self, at: At, entry: &Entry) -> Result<Applied, StateError> {
        let refusal = Refusal::IdempotencyMismatch;
        let reply = Reply::of::<()>(Err(refusal)).map_err(|error| at.unencodable(error))?;
        if let Some(cause) = &entry.cause {
            let item = AuditItem {
                target: entry.command.target(),
                detail: serde_json::Value::Null,
            };
            self.record(at, cause, entry.command.name(), vec![item], &reply)
                .await?;
        }
        let effects = Vec::new();
        Ok(Applied { reply, effects })
    }

    async fn run(&mut self, at: At, entry: Entry) -> Result<Applied, StateError> {
        let principal = entry.cause.as_ref().map(|cause| cause.principal.clone());
        let mut cx = ApplyContext::new(self.tx, at.index, at.now, principal);
        let name = entry.command.name();
        let described = entry.cause.is_some().then(|| AuditItem {
            target: entry.command.target(),
            detail: entry.command.audit_detail(),
        });
        let reply = entry.command.apply(&mut cx).await?;
        let (mut effects, items, executed) = (cx.effects, cx.audit, cx.executed);
        effects.sort();
        effects.dedup();
        if let (Some(cause), Some(described)) = (&entry.cause, described) {
            let items = items.unwrap_or_else(|| vec![described]);
            self.record(at, cause, name, items, &reply).await?; // I-11
            if let Some(Executed {
                action,
                items,
                outcome,
            }) = executed
            {
                self.append(at, cause, (action, outcome), items).await?; // I-11
            }
        }
        Ok(Applied { reply, effects })
    }

    async fn record(
        &mut self,
        at: At,
        cause: &Cause,
        action: &str,
        items: Vec<AuditItem>,
        reply: &Reply,
    ) -> Result<(), StateError> {
        let refusal = reply.refusal().map_err(|error| {
            StateError::corrupt(format!(
                "the reply to entry {} is unreadable: {error}",
                at.index
            ))
        })?;
        let outcome = refusal.as_ref().map_or(audit::ACCEPTED, Refusal::code);
        self.append(at, cause, (action, outcome), items).await
    }

    async fn append(
        &mut self,
        at: At,
        cause: &Cause,
        (action, outcome): (&str, &str),
        items: Vec<AuditItem>,
    ) -> Result<(), StateError> {
        for AuditItem { target, detail } in items {
            let record = audit::Record {
                seq: self.head.audit_rows + 1,
                index: at.index,
                at: at.now,
                cause,
                action,
                target: &target,
                detail: &detail,
                outcome,
            };
            let hash = audit::append(self.tx, &record, self.head.audit_hash).await?;
            self.head.audit_rows += 1;
            self.head.audit_hash = hash;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct At {
    index: u64,
    now: Timestamp,
}

impl At {
    fn unencodable(self, error: serde_json::Error) -> StateError {
        StateError::Entry {
            index: self.index,
            source: error.into(),
        }
    }
}

/// Applies one entry as a batch of its own.
pub async fn apply_entry(
    tx: &DatabaseTransaction,
    index: u64,
    entry_bytes: &[u8],
) -> Result<Applied, StateError> {
    let mut batch = Batch::begin(tx).await?;
    let applied = batch.apply(index, entry_bytes).await?;
    batch.finish().await?;
    Ok(applied)
}
