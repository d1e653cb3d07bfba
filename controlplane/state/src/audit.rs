//! The audit log: who did what to what, when, and how it was answered (I-11).
//!
//! Each row carries the SHA-256 of the previous row's hash and its own
//! canonical JSON, so a row that was changed, removed or inserted afterwards
//! breaks the chain at its place.

use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::apply::Head;
use crate::column::{Bytes, Count, Json, Moment, Text};
use crate::entity::audit;
use crate::{Cause, Digest, Principal, StateError, canonical, row};

/// The outcome of an accepted command; a refused one has its code there.
pub const ACCEPTED: &str = "accepted";

/// Rows that are read at once while a chain is verified.
const VERIFY_PAGE: u64 = 1000;

pub(crate) struct Record<'a> {
    pub(crate) seq: u64,
    pub(crate) index: u64,
    pub(crate) at: Timestamp,
    pub(crate) cause: &'a Cause,
    pub(crate) action: &'a str,
    pub(crate) target: &'a str,
    pub(crate) detail: &'a Value,
    pub(crate) outcome: &'a str,
}

pub(crate) async fn append(
    tx: &DatabaseTransaction,
    record: &Record<'_>,
    previous: Digest,
) -> Result<Digest, StateError> {
    let mut row = audit::Model {
        seq: Count(record.seq),
        log_index: Count(record.index),
        at: Moment(record.at),
        principal: Text(record.cause.principal.clone()),
        request: Text(record.cause.request),
        remote: record.cause.remote.clone(),
        action: record.action.to_owned(),
        target: record.target.to_owned(),
        detail: Json(record.detail.clone()),
        outcome: record.outcome.to_owned(),
        previous: Bytes(previous),
        hash: Bytes(Digest::ZERO),
    };
    let hash = hash_of(&row);
    row.hash = Bytes(hash);
    row::insert(tx, &row).await?;
    Ok(hash)
}

fn hash_of(row: &audit::Model) -> Digest {
    let content = json!({
        "seq": row.seq.0,
        "index": row.log_index.0,
        "at": row.at.0,
        "principal": row.principal.0,
        "request": row.request.0,
        "remote": row.remote,
        "action": row.action,
        "target": row.target,
        "detail": row.detail.0,
        "outcome": row.outcome,
    });
    let mut bytes = row.previous.0.as_bytes().to_vec();
    bytes.extend_from_slice(canonical::to_string(&content).as_bytes());
    Digest::of(&bytes)
}

/// What verifying the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Rows that were checked and are sound.
    pub rows: u64,
    /// The hash of the last sound row: whoever noted it down can prove later
    /// that the log before it is the same.
    pub head: Digest,
    /// The first row that is not what was written, with what is wrong.
    pub broken: Option<Broken>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// The number of the row.
    pub seq: u64,
    /// What is wrong.
    pub problem: String,
}

/// Walks the whole chain.
pub async fn verify(conn: &impl ConnectionTrait) -> Result<Verification, StateError> {
    let (mut rows, mut head) = (0, Digest::ZERO);
    loop {
        let page = audit::Entity::find()
            .filter(audit::Column::Seq.gt(Count(rows)))
            .order_by_asc(audit::Column::Seq)
            .limit(VERIFY_PAGE)
            .all(conn)
            .await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            if let Some(problem) = problem(&row, rows + 1, head) {
                let broken = Some(Broken {
                    seq: rows + 1,
                    problem: problem.to_owned(),
                });
                return Ok(Verification { rows, head, broken });
            }
            rows += 1;
            head = row.hash.0;
        }
    }
    let end = Head::read(conn).await?;
    let cut = end.audit_rows != rows || end.audit_hash != head;
    let broken = cut.then(|| Broken {
        seq: rows + 1,
        problem: "rows at the end are missing".to_owned(),
    });
    Ok(Verification { rows, head, broken })
}

fn problem(row: &audit::Model, seq: u64, previous: Digest) -> Option<&'static str> {
    if row.seq.0 != seq {
        return Some("the row is missing");
    }
    if row.previous.0 != previous {
        return Some("the row does not continue the one before it");
    }
    (hash_of(row) != row.hash.0).then_some("the row was changed")
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    /// Its number, from 1 without a hole.
    pub seq: u64,
    /// The log entry it belongs to.
    pub index: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub principal: Principal,
    /// In which request.
    pub request: holdfast_types::RequestId,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// The command, such as `create_job`.
    pub action: String,
    /// To what, such as `clusters/orders`.
    pub target: String,
    /// What else the command said; never a secret (I-10).
    pub detail: Value,
    /// `accepted`, or the code of the refusal.
    pub outcome: String,
    /// The hash that chains it.
    pub hash: Digest,
}

impl From<audit::Model> for AuditView {
    fn from(row: audit::Model) -> Self {
        Self {
            seq: row.seq.0,
            index: row.log_index.0,
            at: row.at.0,
            principal: row.principal.0,
            request: row.request.0,
            remote: row.remote,
            action: row.action,
            target: row.target,
            detail: row.detail.0,
            outcome: row.outcome,
            hash: row.hash.0,
        }
    }
}
