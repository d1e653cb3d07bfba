//! Moves restores on, from whatever state they are found in.
//!
//! Nothing of a restore lives in a leader: what this one leaves undone the next one finds
//! and does. Each move names the state that it leaves, so two leaders move it once. A
//! step of handing over may be made twice when a leader dies between making and noting
//! it: declaring a cluster and queueing a backup are known by their names, and whoever is
//! told by a webhook is told with a key.

mod judge;

use std::time::Duration;

use holdfast_consensus::{ProposeContext, StateView};
use holdfast_state::command::{
    ApplyDocuments, CreateJob, DocumentChange, Expected, MoveRestore, RestoreMove,
};
use holdfast_state::query::{self, RestoreView};
use holdfast_state::{ApprovalState, Cause, Refusal, schema};
use holdfast_types::resource::Kind;
use holdfast_types::restoring::{HandedOver, RestoreState, STEP_BACKUP, STEP_HOOK, STEP_REGISTER};
use holdfast_types::{BackupKind, Failure, JobState, RequestId};
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use crate::app::App;
use crate::app::error::{AppError, Result};
use crate::app::job::{JobSpec, WorkSpec, own_job};
use crate::app::restore::register::document_of;
use crate::webhook;
use judge::{hooked, judged, result_of};

/// Restores looked at in one activation.
const MOST: u64 = 1_000;
/// A webhook that nobody takes is given up after so long.
const TOLD_WITHIN: Duration = Duration::from_secs(15 * 60);

pub(super) struct Restores;

impl Task for Restores {
    const NAME: &'static str = "restores";
    const PERIOD: Duration = Duration::from_secs(2);

    async fn activate(&self, app: &App) -> Result<u64> {
        let view = app.node.read().await?;
        let mut moved = 0;
        for restore in query::restores_under_way(view.connection(), MOST).await? {
            // One that cannot be moved holds no other up.
            match advance(app, &view, &restore).await {
                Ok(true) => moved += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(restore = %restore.id, "a restore was not moved on: {error}");
                }
            }
        }
        Ok(moved)
    }
}

/// Makes the next move, if there is one to make now.
async fn advance(app: &App, view: &StateView, restore: &RestoreView) -> Result<bool> {
    let next = match restore.state {
        RestoreState::AwaitingApproval => after_approval(view, restore).await?,
        RestoreState::Placing | RestoreState::Running => after_job(view, restore).await?,
        RestoreState::Validating => {
            let level = schema::version(view.connection()).await?;
            Some(judged(restore, level >= schema::RESTORE_CHECKS))
        }
        RestoreState::HandingOver => hand_over(app, view, restore).await?,
        RestoreState::Planned
        | RestoreState::Done
        | RestoreState::Failed
        | RestoreState::Cancelled
        | RestoreState::Expired
        | RestoreState::Rejected => None,
    };
    let Some(to) = next else { return Ok(false) };
    let command = MoveRestore {
        restore: restore.id,
        from: restore.state,
        to,
    };
    match app.node.propose(app.own_context(), command).await? {
        Ok(_) => Ok(true),
        // Somebody else has moved it.
        Err(Refusal::RestoreState { .. }) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}

async fn after_approval(view: &StateView, restore: &RestoreView) -> Result<Option<RestoreMove>> {
    let Some(approval) = restore.approval else {
        return Ok(Some(failed(Failure::permanent(
            "approval_state",
            "it waits for a consent that nobody was asked for",
            "plan it again",
        ))));
    };
    let found = query::approval(view.connection(), approval, Timestamp::now()).await?;
    let Some(found) = found else {
        return Ok(Some(RestoreMove::Expired));
    };
    Ok(match found.state {
        // Executing it moves the restore in the same entry.
        ApprovalState::Pending | ApprovalState::Executed => None,
        ApprovalState::Rejected => Some(RestoreMove::Rejected),
        ApprovalState::Expired => Some(RestoreMove::Expired),
        ApprovalState::Cancelled => Some(RestoreMove::Cancelled),
        ApprovalState::Failed => {
            let told = |field: &str, otherwise: &str| {
                let outcome = found.outcome.as_ref();
                let text = outcome.and_then(|outcome| outcome[field].as_str());
                text.unwrap_or(otherwise).to_owned()
            };
            Some(failed(Failure::permanent(
                told("code", "approval_state"),
                told(
                    "message",
                    "what was consented to could not be done any more",
                ),
                told("hint", "plan it again"),
            )))
        }
    })
}

async fn after_job(view: &StateView, restore: &RestoreView) -> Result<Option<RestoreMove>> {
    let job = query::job(view.connection(), restore.job()).await?;
    let Some(job) = job else {
        return Ok(Some(failed(Failure::permanent(
            "internal",
            "its job is gone",
            "plan it again, and report this",
        ))));
    };
    Ok(match job.state {
        JobState::Queued => None,
        JobState::Leased | JobState::Running | JobState::Committing => {
            (restore.state == RestoreState::Placing).then_some(RestoreMove::Running)
        }
        JobState::Succeeded => Some(RestoreMove::Validating),
        JobState::Cancelled => Some(RestoreMove::Cancelled),
        JobState::Failed | JobState::Superseded => {
            let unknown = || Failure::permanent("internal", "its job failed", "look at its log");
            Some(failed(job.failure.unwrap_or_else(unknown)))
        }
    })
}

fn failed(failure: Failure) -> RestoreMove {
    RestoreMove::Failed {
        failure,
        checks: Vec::new(),
    }
}

/// Makes the next step of handing it over.
async fn hand_over(
    app: &App,
    view: &StateView,
    restore: &RestoreView,
) -> Result<Option<RestoreMove>> {
    if let Some(failure) = restore
        .handed_over
        .iter()
        .find_map(|step| step.failure.clone())
    {
        return Ok(Some(failed(Failure {
            message: format!(
                "it is restored, and was not handed over: {}",
                failure.message
            ),
            ..failure
        })));
    }
    let steps = restore.order.steps();
    let Some(step) = steps.get(restore.handed_over.len()) else {
        return Ok(Some(RestoreMove::Done));
    };
    if let Some((STEP_HOOK, name)) = step.split_once(' ') {
        // Its agent ran it before it said that it is done.
        return Ok(Some(stepped(step, hooked(restore, name))));
    }
    let made = match step.as_str() {
        STEP_REGISTER => register(app, view, restore).await,
        STEP_BACKUP => first_backup(app, view, restore).await,
        _ => match tell(app, view, restore).await {
            Told::Taken(detail) => Ok(detail),
            Told::Later(why) => {
                tracing::info!(restore = %restore.id, "a webhook was not taken yet: {why}");
                return Ok(None);
            }
            Told::Never(failure) => return Ok(Some(stepped(step, Err(failure)))),
        },
    };
    match made {
        Ok(detail) => Ok(Some(stepped(step, Ok(detail)))),
        // It may pass by itself: the next activation tries again.
        Err(error) if error.retryable() => Err(error),
        Err(error) => Ok(Some(stepped(step, Err(error.to_failure())))),
    }
}

fn stepped(step: &str, made: std::result::Result<String, Failure>) -> RestoreMove {
    let (detail, failure) = match made {
        Ok(detail) => (detail, None),
        Err(failure) => (failure.message.clone(), Some(failure)),
    };
    RestoreMove::Stepped(HandedOver {
        step: step.to_owned(),
        detail,
        failure,
    })
}

/// In the name of who asked for the restore, whose rights were asked for this too.
fn context_of(app: &App, restore: &RestoreView) -> ProposeContext {
    match restore.requested_by.clone() {
        Some(principal) => ProposeContext::caused_by(Cause {
            principal,
            request: RequestId::from_uuid(Uuid::now_v7()),
            remote: None,
        }),
        None => app.own_context(),
    }
}

async fn register(app: &App, view: &StateView, restore: &RestoreView) -> Result<String> {
    let conn = view.connection();
    let register = restore.order.hand_over.register.as_ref();
    let register = register.ok_or_else(|| AppError::failed("nothing to register"))?;
    let source = query::resource(conn, Kind::Cluster, &restore.cluster).await?;
    let source = source.ok_or_else(|| AppError::not_found("cluster", &restore.cluster))?;
    let result = result_of(restore).ok_or_else(|| AppError::failed("a restore without result"))?;
    let agent = &restore.order.request.agent;
    let document = document_of(&source, register, agent, &result)?;
    let told = format!("the cluster \"{}\" is declared", register.name);
    let known = query::resource(conn, Kind::Cluster, &register.name).await?;
    if known.is_some_and(|known| known.document == document) {
        // A leader before this one did, and did not come to say so.
        return Ok(told);
    }
    let command = ApplyDocuments {
        documents: vec![DocumentChange {
            document,
            expected: Expected::Absent,
        }],
        repository_keys: std::collections::BTreeMap::new(),
    };
    app.propose_as(context_of(app, restore), command).await?;
    Ok(told)
}

async fn first_backup(app: &App, view: &StateView, restore: &RestoreView) -> Result<String> {
    let register = restore.order.hand_over.register.as_ref();
    let register = register.ok_or_else(|| AppError::failed("nothing is registered"))?;
    let policy = app.policy_of(view, &register.name).await?;
    let job = own_job(&format!("first backup of {}", restore.id));
    let spec = JobSpec {
        traceparent: None,
        run: None,
        because: Some("restored".to_owned()),
        work: WorkSpec::Backup {
            kind: BackupKind::Full,
            dump: None,
            from: None,
            checkpoint: None,
        },
    };
    let command = CreateJob {
        job,
        kind: spec.kind(),
        cluster: register.name.clone(),
        repository: policy.repository,
        agent: None,
        spec: serde_json::to_value(&spec).map_err(AppError::internal)?,
        attempts_max: app.config.jobs.attempts,
    };
    match app.node.propose(context_of(app, restore), command).await? {
        Ok(_) | Err(Refusal::AlreadyExists { .. }) => Ok(format!("{job} takes it")),
        Err(refusal) => Err(refusal.into()),
    }
}

enum Told {
    Taken(String),
    Later(String),
    Never(Failure),
}

/// Tells the next of those that want to know. At least once: each has its key.
async fn tell(app: &App, view: &StateView, restore: &RestoreView) -> Told {
    let over = &restore.order.hand_over;
    let before = restore.order.steps().len() - over.webhooks.len();
    let place = restore.handed_over.len().saturating_sub(before);
    let Some(webhook) = over.webhooks.get(place) else {
        return Told::Later("there is none".to_owned());
    };
    let message = webhook::Message {
        key: format!("{}.{}", restore.id, place + 1),
        body: webhook::restored(restore),
    };
    let why = match webhook::send(app, view, webhook, &message).await {
        Ok(status) => return Told::Taken(format!("{} answered {status}", webhook.url)),
        Err(why) => why,
    };
    let since = restore.restored_at.unwrap_or(restore.created_at);
    let waited = Timestamp::now().duration_since(since).unsigned_abs();
    if waited < TOLD_WITHIN {
        return Told::Later(why);
    }
    let message = format!("{} did not take it: {why}", webhook.url);
    let hint = "tell it yourself: `holdfast restore show` has the connection details";
    Told::Never(Failure::permanent("webhook_failed", message, hint))
}
