//! Results that come when their attempt is not its agent's any more: kept in
//! quarantine, and a backup that is in the repository is told to the catalog.

use holdfast_proto::{JobEvent, JobOutcome, JobReport};
use holdfast_state::command::{self as commands, RecordBackup, RecordLateResult};
use holdfast_state::query::{self, AgentView};
use holdfast_types::Failure;

use super::reports::{commit_of, context, propose, same_repository};
use crate::app::App;
use crate::app::error::Result;

/// The end of an attempt that was not its agent's any more: to quarantine with
/// it, where it is known whose it was.
pub(super) async fn take(app: &App, agent: &AgentView, report: &JobReport) -> Result<()> {
    let JobEvent::Finished { outcome, log } = &report.event else {
        return Ok(());
    };
    let view = app.node.read().await?;
    let lease = query::lease(view.connection(), report.assignment, report.generation).await?;
    let Some(lease) = lease.filter(|lease| lease.agent == agent.id) else {
        return rescue(app, agent, report).await;
    };
    if !lease.taken_back {
        // It ended by its agent's own word, and this is a repeat (I-14). Should
        // that word have been that it was interrupted, a backup that is there
        // all the same is told to the catalog.
        return rescue(app, agent, report).await;
    }
    let cx = context(agent, None);
    let claimed = match &**outcome {
        JobOutcome::Succeeded(success) => {
            let backup = commit_of(success).map(Box::new);
            let held = match &backup {
                Some(commit) => {
                    let repository = &commit.backup.repository;
                    same_repository(app, &cx, repository, outcome).await?
                }
                None => Ok(()),
            };
            match held {
                Ok(()) => commands::JobOutcome::Succeeded {
                    result: success.result.clone(),
                    backup,
                },
                Err(refusal) => commands::JobOutcome::Failed(Failure::permanent(
                    refusal.code(),
                    refusal.to_string(),
                    refusal.hint(),
                )),
            }
        }
        JobOutcome::Superseded(winner) => commands::JobOutcome::Superseded { winner: *winner },
        JobOutcome::Cancelled => commands::JobOutcome::Cancelled,
        JobOutcome::Failed(failure) | JobOutcome::Interrupted(failure) => {
            commands::JobOutcome::Failed(failure.clone())
        }
    };
    let command = RecordLateResult {
        agent: agent.id,
        assignment: report.assignment,
        generation: report.generation,
        outcome: claimed,
        log: log.clone(),
    };
    match app.node.propose(cx, command).await? {
        Ok(recorded) => tracing::warn!(
            agent = %agent.name, job = %lease.job, recorded,
            "a result came too late and is in quarantine"
        ),
        Err(refusal) => tracing::warn!(
            agent = %agent.name, job = %lease.job, "a late result was not kept: {refusal}"
        ),
    }
    Ok(())
}

/// Tells the catalog of a backup whose job could no longer report it: it was
/// taken back, or ended. The repository is the truth.
async fn rescue(app: &App, agent: &AgentView, report: &JobReport) -> Result<()> {
    let JobEvent::Finished { outcome, .. } = &report.event else {
        return Ok(());
    };
    let JobOutcome::Succeeded(success) = &**outcome else {
        return Ok(());
    };
    let Some(commit) = commit_of(success) else {
        return Ok(());
    };
    let cx = context(agent, None);
    let repository = commit.backup.repository.clone();
    let recorded = match same_repository(app, &cx, &repository, outcome).await? {
        Ok(()) => propose(app, cx, RecordBackup { commit }).await?,
        another => another,
    };
    if let Err(refusal) = recorded {
        tracing::warn!(agent = %agent.name, "a late backup was not recorded: {refusal}");
    }
    Ok(())
}
