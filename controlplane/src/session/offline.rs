//! What agents did on their own becomes commands (I-08).

use holdfast_proto::{OfflineBegan, OfflineDecision, OfflineEvent, OfflineReport};
use holdfast_state::Refusal;
use holdfast_state::command::{
    DueRun, Mark, OfflineAttempt, OfflineDeed, OfflineRecorded, RecordOfflineRuns, RunDecision,
};
use holdfast_state::query::{self, AgentView};
use holdfast_types::resource::{Kind, Policy, Resource, Schedule};
use holdfast_types::schedule::{Attempt, RunId, Start};
use holdfast_types::{BackupKind, Name};
use jiff::Timestamp;
use serde_json::json;

use super::reports::{Verdict, context};
use crate::app::App;
use crate::app::error::{AppError, Result};
use crate::app::job::{JobSpec, WorkSpec};
use crate::plan::runs::{self, Work};

/// Takes in one report.
pub(super) async fn take(app: &App, agent: &AgentView, report: &OfflineReport) -> Result<Verdict> {
    let view = app.node.read().await?;
    let found = query::resource(view.connection(), Kind::Cluster, &report.cluster).await?;
    let here = found.is_some_and(|found| match found.document.resource {
        Resource::Cluster(cluster) => cluster
            .instances
            .iter()
            .any(|instance| instance.agent == agent.name),
        Resource::Repository(_)
        | Resource::Fleet(_)
        | Resource::Policy(_)
        | Resource::DrillPlan(_)
        | Resource::RoleBinding(_)
        | Resource::NotificationChannel(_) => false,
    });
    if !here {
        // It was moved or deleted meanwhile: no record of its runs is wanted. A
        // backup that was taken is known to the catalog all the same.
        let refusal = Refusal::invalid("cluster", "it has no instance at this agent any more");
        return Ok(Err(refusal));
    }
    let did = match &report.event {
        OfflineEvent::Decided(decided) => {
            OfflineDeed::Decided(decided.iter().map(decision).collect())
        }
        OfflineEvent::Began(began) => {
            let policy = query::effective_policy(view.connection(), &report.cluster).await?;
            let Some((_, policy)) = policy else {
                let refusal = Refusal::invalid("cluster", "no policy selects it any more");
                return Ok(Err(refusal));
            };
            OfflineDeed::Began(Box::new(attempt(agent, report, began, &policy)?))
        }
        OfflineEvent::Settled(settled) => OfflineDeed::Settled {
            from: settled.from,
            to: Mark {
                anchor: settled.anchor.clone(),
                until: settled.until,
            },
        },
    };
    let command = RecordOfflineRuns {
        agent: agent.id,
        cluster: report.cluster.clone(),
        schedule: report.schedule.clone(),
        did,
    };
    let recorded = app.node.propose(context(agent, None), command).await?;
    if recorded == Ok(OfflineRecorded::Late) {
        tracing::warn!(
            agent = %agent.name, cluster = %report.cluster, schedule = %report.schedule,
            "an agent began a run on its own that was in other hands: its result will be late"
        );
    }
    Ok(recorded.map(|_| ()))
}

fn decision(one: &OfflineDecision) -> DueRun {
    let decision = if one.count > 1 {
        RunDecision::Missed {
            last: one.last,
            count: one.count,
        }
    } else {
        RunDecision::Not {
            state: one.state,
            reason: one.reason,
        }
    };
    DueRun {
        due: one.due,
        decision,
    }
}

fn attempt(
    agent: &AgentView,
    report: &OfflineReport,
    began: &OfflineBegan,
    policy: &Policy,
) -> Result<OfflineAttempt> {
    let run = RunId::new(report.cluster.clone(), report.schedule.clone(), began.due);
    let named = |one: &&Schedule| one.name == report.schedule;
    let schedule = match policy.schedules.iter().find(named) {
        Some(schedule) => schedule.clone(),
        None => unknown(&report.schedule)?,
    };
    let spec = JobSpec {
        traceparent: None,
        run: Some(run.clone()),
        because: None,
        work: WorkSpec::Backup {
            kind: schedule.kind,
            dump: schedule.dump(),
            from: schedule.from,
            checkpoint: schedule.checkpoint,
        },
    };
    let spec = serde_json::to_value(&spec).map_err(AppError::internal)?;
    let work = Work {
        schedule: &schedule,
        repository: &policy.repository,
        spec: &|_: Timestamp| spec.clone(),
        drill: None,
    };
    let start = Start {
        not_before: began.due,
        latest: None,
        blackout_until: None,
    };
    let number = began.number;
    let attempt = Attempt::Offline {
        agent: agent.id,
        number,
    };
    Ok(OfflineAttempt {
        due: began.due,
        assignment: began.assignment,
        generation: attempt.generation(),
        backup: run.backup_id(attempt),
        began_at: began.began_at,
        job: runs::job(work, began.due, start, (began.late, false)),
    })
}

/// A schedule that is no more, with the defaults of one.
fn unknown(name: &Name) -> Result<Schedule> {
    let document = json!({"name": name, "kind": BackupKind::Full, "every": "24h"});
    serde_json::from_value(document).map_err(AppError::internal)
}
