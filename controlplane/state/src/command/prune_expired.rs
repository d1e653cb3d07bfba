//! Forgets what has ended: sessions, join tokens, kept replies.

use jiff::SignedDuration;
use sea_orm::Value;
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use crate::apply::IDEMPOTENCY_KEPT;
use crate::column::Moment;
use crate::context::{ApplyContext, Stop};
use crate::{StateError, schema};

/// How long a used or expired join token is kept, so that a second use of it
/// is told what happened.
const JOIN_TOKENS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Since v0.1. What has ended is decided by the entry's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneExpired {}

/// How many rows were forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruned {
    /// Sessions.
    pub sessions: u64,
    /// Join tokens.
    pub join_tokens: u64,
    /// Replies kept under idempotency keys.
    pub replies: u64,
}

impl ReplicatedCommand for PruneExpired {
    type Outcome = Pruned;
    const NAME: &'static str = "prune_expired";

    fn target(&self) -> String {
        "control-plane".to_owned()
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<Pruned, Stop> {
        let refreshes = "DELETE FROM spent_refreshes WHERE session IN \
                         (SELECT id FROM sessions WHERE expires_at <= ?)";
        delete(cx, refreshes, SignedDuration::ZERO).await?;
        let sessions = "DELETE FROM sessions WHERE expires_at <= ?";
        let join_tokens = "DELETE FROM join_tokens WHERE expires_at <= ?";
        let replies = "DELETE FROM idempotency WHERE at <= ?";
        if schema::version(cx.tx()).await? >= 2 {
            let node_tokens = "DELETE FROM node_tokens WHERE expires_at <= ?";
            delete(cx, node_tokens, JOIN_TOKENS_KEPT).await?;
        }
        Ok(Pruned {
            sessions: delete(cx, sessions, SignedDuration::ZERO).await?,
            join_tokens: delete(cx, join_tokens, JOIN_TOKENS_KEPT).await?,
            replies: delete(cx, replies, IDEMPOTENCY_KEPT).await?,
        })
    }
}

async fn delete(
    cx: &ApplyContext<'_>,
    sql: &str,
    kept: SignedDuration,
) -> Result<u64, StateError> {
    // Saturates at the beginning of time, before which nothing has ended.
    let limit = cx.now().checked_sub(kept).unwrap_or(jiff::Timestamp::MIN);
    cx.execute(sql, [Value::from(Moment(limit))]).await
}
