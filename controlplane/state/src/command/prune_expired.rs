//! Forgets what has ended: sessions, join tokens, kept replies.

use jiff::SignedDuration;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Value};
use serde::{Deserialize, Serialize};

use super::ReplicatedCommand;
use super::plan_restore::PLANS_KEPT;
use crate::apply::IDEMPOTENCY_KEPT;
use crate::column::{Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::approvals;
use crate::entity::word::ApprovalState;
use crate::{StateError, facts, leases, schema};

/// How long a used or expired join token is kept, so that a second use of it
/// is told what happened.
const JOIN_TOKENS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How long what became of due times and late results are kept: reports are
/// about a year.
const HISTORY_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How long checkpoints of frontiers are kept that stretches have replaced.
const CHECKPOINTS_KEPT: SignedDuration = SignedDuration::from_hours(2 * 24);
/// How long it is known what a channel was told, and that somebody silenced something.
const NOTICES_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long an attempt is known by its assignment: longer than an agent keeps
/// a report that nobody answered.
const LEASES_KEPT: SignedDuration = SignedDuration::from_hours(100 * 24);

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
    /// Runs that are over.
    #[serde(default)]
    pub runs: u64,
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
        if schema::version(cx.tx()).await? >= schema::PINS {
            let pins = "DELETE FROM pins WHERE until <= ?";
            delete(cx, pins, SignedDuration::ZERO).await?;
        }
        let runs = prune_history(cx).await?;
        if facts::are_kept(cx).await? {
            prune_facts(cx).await?;
        }
        if cx.has_level(schema::ACCESS).await? {
            end_approvals(cx).await?;
        }
        if cx.has_level(schema::NOTICES).await? {
            let alarms = "DELETE FROM alarms WHERE closed_at <= ? AND owed = 0";
            delete(cx, alarms, HISTORY_KEPT).await?;
            let notices = "DELETE FROM notices WHERE done_at <= ?";
            delete(cx, notices, NOTICES_KEPT).await?;
            let silences = "DELETE FROM silences WHERE until <= ?";
            delete(cx, silences, NOTICES_KEPT).await?;
        }
        if cx.has_level(schema::RESTORE_CHECKS).await? {
            // Those that ended; what is under way has no end.
            let ended = "DELETE FROM restores WHERE finished_at <= ?";
            delete(cx, ended, HISTORY_KEPT).await?;
            let planned = "DELETE FROM restores WHERE state = 'planned' AND created_at <= ?";
            delete(cx, planned, PLANS_KEPT).await?;
        }
        Ok(Pruned {
            runs,
            sessions: delete(cx, sessions, SignedDuration::ZERO).await?,
            join_tokens: delete(cx, join_tokens, JOIN_TOKENS_KEPT).await?,
            replies: delete(cx, replies, IDEMPOTENCY_KEPT).await?,
        })
    }
}

/// Forgets runs that were due long ago, never one that is not over.
async fn prune_history(cx: &ApplyContext<'_>) -> Result<u64, StateError> {
    let level = schema::version(cx.tx()).await?;
    if level < leases::LEVEL {
        return Ok(0);
    }
    let runs = "DELETE FROM runs WHERE id IN (SELECT r.id FROM runs r WHERE r.last <= ? \
                AND r.state <> 'due' \
                AND NOT EXISTS (SELECT 1 FROM job_queue q WHERE q.run = r.id) \
                ORDER BY r.due, r.id LIMIT 10000)";
    let pruned = delete(cx, runs, HISTORY_KEPT).await?;
    let told = "DELETE FROM offline_runs WHERE at <= ? \
                AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = offline_runs.run)";
    delete(cx, told, SignedDuration::ZERO).await?;
    delete(cx, "DELETE FROM late_results WHERE at <= ?", HISTORY_KEPT).await?;
    let leases = "DELETE FROM leases WHERE at <= ? AND NOT EXISTS \
                  (SELECT 1 FROM assignments a WHERE a.id = leases.assignment)";
    delete(cx, leases, LEASES_KEPT).await?;
    Ok(pruned)
}

/// Forgets facts that no report is about any more, and what frontiers were kept as
/// before there were facts.
async fn prune_facts(cx: &ApplyContext<'_>) -> Result<(), StateError> {
    let limit = cx.now().checked_sub(HISTORY_KEPT);
    facts::prune(cx, limit.unwrap_or(jiff::Timestamp::MIN)).await?;
    let checkpoints = "DELETE FROM exposure_facts WHERE (cluster, repository, recorded_time, \
                       log_index) IN (SELECT cluster, repository, recorded_time, log_index \
                       FROM exposure_facts WHERE recorded_time <= ? \
                       ORDER BY cluster, repository, recorded_time, log_index LIMIT 20000)";
    delete(cx, checkpoints, CHECKPOINTS_KEPT).await?;
    let exemptions = "DELETE FROM exemptions WHERE COALESCE(ended_at, until) <= ?";
    delete(cx, exemptions, HISTORY_KEPT).await?;
    let excused = "DELETE FROM compliance_in_force WHERE subject LIKE 'exemption/%' AND NOT EXISTS \
                   (SELECT 1 FROM exemptions e WHERE 'exemption/' || e.id = subject)";
    cx.execute(excused, []).await?;
    Ok(())
}

/// Ends requests that nobody can consent to any more, and forgets those that were
/// decided long ago.
async fn end_approvals(cx: &mut ApplyContext<'_>) -> Result<(), StateError> {
    let late = approvals::Entity::find()
        .filter(approvals::Column::State.eq(Text(ApprovalState::Pending)))
        .filter(approvals::Column::ExpiresAt.lte(Moment(cx.now())))
        .order_by_asc(approvals::Column::Id)
        .all(cx.tx())
        .await?;
    for row in late {
        cx.changed("approvals", row.id.0);
        cx.put(approvals::Model {
            state: Text(ApprovalState::Expired),
            decided_at: Some(row.expires_at),
            revision: cx.revision().into(),
            ..row
        })
        .await?;
    }
    let votes = "DELETE FROM approval_votes WHERE approval IN (SELECT id FROM approvals \
                 WHERE decided_at <= ? AND state <> 'pending')";
    delete(cx, votes, HISTORY_KEPT).await?;
    let decided = "DELETE FROM approvals WHERE decided_at <= ? AND state <> 'pending'";
    delete(cx, decided, HISTORY_KEPT).await?;
    Ok(())
}

async fn delete(cx: &ApplyContext<'_>, sql: &str, kept: SignedDuration) -> Result<u64, StateError> {
    // Saturates at the beginning of time, before which nothing has ended.
    let limit = cx.now().checked_sub(kept).unwrap_or(jiff::Timestamp::MIN);
    cx.execute(sql, [Value::from(Moment(limit))]).await
}
