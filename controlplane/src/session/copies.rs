//! What is reported of copies: by the job that copied a backup, and by the duty that
//! ships WAL.

use holdfast_consensus::ProposeContext;
use holdfast_proto::{JobOutcome, WalReport};
use holdfast_state::command::{CopiedBy, RecordCopy};
use holdfast_state::query::{self, AgentView};
use holdfast_types::Name;

use super::identity;
use super::reports::{HeldJob, Verdict, checkpoint, context, propose, timelines};
use super::wal::WalKey;
use crate::app::App;
use crate::app::error::Result;

/// What a copy job has put into its repository is in the catalog before the job has
/// succeeded: whoever sees that finds it there.
pub(super) async fn record(
    app: &App,
    cx: &ProposeContext,
    held: &HeldJob,
    outcome: &JobOutcome,
) -> Result<Verdict> {
    let (Some((cluster, backup)), JobOutcome::Succeeded(success)) = (&held.copies, outcome) else {
        return Ok(Ok(()));
    };
    let Some(wal) = &success.wal else {
        return Ok(Ok(()));
    };
    let command = RecordCopy {
        by: CopiedBy::Job {
            job: held.job,
            generation: held.generation,
        },
        cluster: cluster.clone(),
        repository: held.repository.clone(),
        lineage: wal.lineage,
        backups: vec![*backup],
        timelines: timelines(wal),
        frontier: None,
        stretches: Vec::new(),
    };
    propose(app, cx.clone(), command).await
}

/// Takes in what is in a copy; nothing is told of it by the original's report.
pub(super) async fn take(
    app: &App,
    agent: &AgentView,
    (key, copy): (&WalKey, &Name),
    report: &WalReport,
) -> Result<()> {
    let Some(wal) = &report.wal else {
        return Ok(());
    };
    let (cx, view) = (context(agent, None), app.look_up());
    if let Err(refusal) = identity::settle(app, &view, &cx, copy, report.repository).await? {
        tracing::warn!(cluster = %key.0, repository = %copy, "a copy was not recorded: {refusal}");
        return Ok(());
    }
    let of = (key.0.clone(), copy.clone());
    let told = app.wal.stretches(&of);
    let kept = query::keeps_facts(view.connection()).await?;
    let command = RecordCopy {
        stretches: told.iter().filter(|_| kept).cloned().collect(),
        by: CopiedBy::Duty {
            assignment: report.assignment,
            generation: report.generation,
            repository: key.1.clone(),
        },
        cluster: key.0.clone(),
        repository: copy.clone(),
        lineage: wal.lineage,
        backups: Vec::new(),
        timelines: timelines(wal),
        frontier: checkpoint(report),
    };
    match app
        .node
        .propose(ProposeContext::internal(), command)
        .await?
    {
        Ok(_) => app.wal.recorded(&of, report, &told),
        Err(refusal) => {
            tracing::warn!(cluster = %key.0, repository = %copy, "a copy was not recorded: {refusal}");
        }
    }
    Ok(())
}
