//! Applying committed entries: the only way in which the state changes.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use holdfast_state::{Effect, apply};
use openraft::storage::{ApplyResponder, EntryResponder};
use sea_orm::DatabaseTransaction;

use super::{Machine, Notice, Roster, database};
use crate::fault::{Fault, FaultKind};
use crate::raft::{Answer, Entry, EntryPayload, LogId, StoredMembership, TypeConfig};

/// At most this many entries share a transaction, so that answers do not wait
/// for the end of a long catch-up.
const BATCH_MAX: usize = 512;

/// What a transaction did, for after its commit.
#[derive(Default)]
struct Batch {
    last: Option<LogId>,
    membership: Option<(StoredMembership, Roster)>,
    answers: Vec<(Option<ApplyResponder<TypeConfig>>, Answer)>,
    effects: Vec<Effect>,
}

impl Machine {
    pub(super) async fn apply_all(
        &self,
        entries: impl Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin,
    ) -> io::Result<()> {
        let mut batches = entries.ready_chunks(BATCH_MAX);
        while let Some(batch) = batches.next().await {
            let batch: Vec<EntryResponder<TypeConfig>> =
                batch.into_iter().collect::<io::Result<_>>()?;
            self.apply_batch(batch).await?;
        }
        Ok(())
    }

    async fn apply_batch(&self, entries: Vec<EntryResponder<TypeConfig>>) -> io::Result<()> {
        // Others may have committed what our own disk has not taken yet, and
        // may never take: the state must not be ahead of the log (I-01).
        if let (Some(log), Some((last, _))) = (&self.inner.log, entries.last()) {
            log.await_on_disk(last.log_id.index).await?;
        }
        let database = self.inner.database.load_full();
        let machine = self.clone();
        let filled = database
            .transaction(async move |transaction| machine.fill(transaction, entries).await)
            .await
            .map_err(|fault| self.inner.fault.report(fault))?;
        self.announce(filled?);
        Ok(())
    }

    /// Applies `entries` inside `transaction`. When one cannot be applied all
    /// of them are rolled back, and the node stops: an entry is never skipped
    /// (I-02).
    async fn fill(
        &self,
        transaction: &DatabaseTransaction,
        entries: Vec<EntryResponder<TypeConfig>>,
    ) -> Result<Batch, Fault> {
        let mut batch = Batch::default();
        let mut state = apply::Batch::begin(transaction)
            .await
            .map_err(|error| self.cannot_apply(None, error))?;
        for (entry, responder) in entries {
            let answer = self.apply_entry(&mut state, &entry, &mut batch).await?;
            batch.answers.push((responder, answer));
            batch.last = Some(entry.log_id);
        }
        let finished = state.finish().await;
        finished.map_err(|error| self.cannot_apply(batch.last, error))?;
        if let Some(last) = &batch.last {
            let membership = batch.membership.as_ref();
            let membership = membership.map(|(stored, roster)| (stored, roster));
            database::record_applied(transaction, last, membership)
                .await
                .map_err(|error| self.cannot_apply(batch.last, error))?;
        }
        Ok(batch)
    }

    async fn apply_entry(
        &self,
        state: &mut apply::Batch<'_>,
        entry: &Entry,
        batch: &mut Batch,
    ) -> Result<Answer, Fault> {
        match &entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Membership(membership) => {
                let id = Some(entry.log_id);
                let stored = StoredMembership::new(id, membership.clone());
                let mut roster = match batch.membership.take() {
                    Some((_, roster)) => roster,
                    None => Roster::clone(&self.roster()),
                };
                roster.follow(membership);
                batch.membership = Some((stored, roster));
            }
            EntryPayload::Normal(payload) => {
                let applied = state.apply(entry.log_id.index, &payload.0).await;
                let applied =
                    applied.map_err(|error| self.cannot_apply(Some(entry.log_id), error))?;
                batch.effects.extend(applied.effects);
                return Ok(Answer {
                    reply: Some(applied.reply.as_bytes().to_vec()),
                });
            }
        }
        Ok(Answer::default())
    }

    /// After the commit: answers, then effects.
    fn announce(&self, batch: Batch) {
        let Some(last) = batch.last else {
            return;
        };
        if let Some((_, roster)) = batch.membership {
            self.inner.roster.send_replace(Arc::new(roster));
        }
        self.inner.applied.send_replace(last.index + 1);
        for (responder, answer) in batch.answers {
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        // Nobody listening is fine.
        let _ = self.inner.notices.send(Notice::Applied {
            index: last.index,
            effects: Arc::from(batch.effects),
        });
    }

    fn cannot_apply(&self, at: Option<LogId>, error: holdfast_state::StateError) -> Fault {
        let what = at.map_or_else(
            || "a batch of the log cannot be applied".to_owned(),
            |at| format!("entry {} of the log cannot be applied", at.index),
        );
        let database = self.inner.database.load();
        let fault = Fault::new(FaultKind::ApplyFailed, &database.path, what).caused_by(error);
        self.inner.fault.report(fault)
    }
}
