//! Moves a restore on from the state that is named. Who moves it late, or twice, moves
//! nothing. Nothing is done that its job did not do and that was not looked at (I-12).

use holdfast_types::restoring::{HandedOver, RestoreCheck, RestoreState};
use holdfast_types::{Failure, JobState, RestoreId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ReplicatedCommand;
use crate::column::{Count, Json, Moment, Text};
use crate::context::{ApplyContext, Stop};
use crate::entity::{jobs, restores};
use crate::restores::{advance, at, job_of, write};
use crate::{Refusal, row, schema};

/// Checks that are kept of one restore.
const CHECKS_MAX: usize = 101;
/// The most characters of a text that is kept.
const TEXT_CHARS_MAX: usize = 1000;

/// Since the level at which restores are rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveRestore {
    /// The restore.
    pub restore: RestoreId,
    /// Where it is left.
    pub from: RestoreState,
    /// What happened.
    pub to: RestoreMove,
}

/// Where it goes, with what is known then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreMove {
    /// Its agent has begun.
    Running,
    /// Its agent is done.
    Validating,
    /// It is what was promised.
    HandingOver {
        /// What was looked at.
        checks: Vec<RestoreCheck>,
        /// What is missing of what was asked for, by what its server replayed; since the
        /// level of restore checks. What was predicted, where it is not said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loss_millis: Option<u64>,
    },
    /// A step of handing it over was made; it stays where it is.
    Stepped(HandedOver),
    /// It is there.
    Done,
    /// It came to nothing.
    Failed {
        /// Why.
        failure: Failure,
        /// What was looked at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<RestoreCheck>,
    },
    /// Somebody ended it.
    Cancelled,
    /// Nobody consented in time.
    Expired,
    /// Somebody refused to consent.
    Rejected,
}

impl RestoreMove {
    /// The state it leads to, unless it leads to none.
    pub const fn state(&self) -> Option<RestoreState> {
        Some(match self {
            Self::Running => RestoreState::Running,
            Self::Validating => RestoreState::Validating,
            Self::HandingOver { .. } => RestoreState::HandingOver,
            Self::Stepped(_) => return None,
            Self::Done => RestoreState::Done,
            Self::Failed { .. } => RestoreState::Failed,
            Self::Cancelled => RestoreState::Cancelled,
            Self::Expired => RestoreState::Expired,
            Self::Rejected => RestoreState::Rejected,
        })
    }
}

impl ReplicatedCommand for MoveRestore {
    type Outcome = RestoreState;
    const NAME: &'static str = "move_restore";

    fn target(&self) -> String {
        format!("restores/{}", self.restore)
    }

    fn level(&self) -> u32 {
        match &self.to {
            RestoreMove::HandingOver {
                loss_millis: Some(_),
                ..
            } => schema::RESTORE_CHECKS,
            _ => schema::RESTORES,
        }
    }

    fn audit_detail(&self) -> Value {
        json!({"from": self.from, "to": self.to})
    }

    async fn apply(self, cx: &mut ApplyContext<'_>) -> Result<RestoreState, Stop> {
        let (id, from) = (self.restore, self.from);
        let row = at(cx, id, from).await?;
        let Some(to) = self.to.state() else {
            return step(cx, row, self.to).await;
        };
        if !from.may_become(to) {
            return Err(Refusal::RestoreState {
                restore: id,
                state: from,
            }
            .into());
        }
        let job = row::read::<jobs::Entity>(cx.tx(), Text(job_of(id))).await?;
        let row = changed(cx, row, self.to, job.as_ref())?;
        advance(cx, row, to).await?;
        Ok(to)
    }
}

/// Notes a step of handing over. Each is made once.
async fn step(
    cx: &mut ApplyContext<'_>,
    mut row: restores::Model,
    step: RestoreMove,
) -> Result<RestoreState, Stop> {
    let RestoreMove::Stepped(mut step) = step else {
        return Err(Refusal::invalid("to", "it leads nowhere").into());
    };
    let state = row.state.0;
    if state != RestoreState::HandingOver {
        let restore = row.id.0;
        return Err(Refusal::RestoreState { restore, state }.into());
    }
    let wanted = row.restore_order.0.steps();
    let next = wanted.get(row.handed_over.0.len());
    if next != Some(&step.step) {
        let message = format!("the next step is {}", next.map_or("none", String::as_str));
        return Err(Refusal::invalid("to.stepped.step", message).into());
    }
    cut(&mut step.detail);
    row.handed_over.0.push(step);
    write(cx, row).await?;
    Ok(state)
}

/// The row with what is known now, if that is so.
fn changed(
    cx: &ApplyContext<'_>,
    mut row: restores::Model,
    to: RestoreMove,
    job: Option<&jobs::Model>,
) -> Result<restores::Model, Stop> {
    let ended = job.map(|job| job.state.0);
    let succeeded = ended == Some(JobState::Succeeded);
    let unsound = |message: &str| Stop::Refused(Refusal::invalid("to", message));
    match to {
        RestoreMove::Validating => {
            let Some(job) = job.filter(|_| succeeded) else {
                return Err(unsound("its job has not succeeded"));
            };
            row.restored_at = Some(job.finished_at.unwrap_or(Moment(cx.now())));
            row.result.clone_from(&job.result);
        }
        RestoreMove::HandingOver {
            mut checks,
            loss_millis,
        } => {
            // I-12: a check that failed is no success, and none is none.
            if checks.is_empty() || !checks.iter().all(|check| check.passed) || !succeeded {
                return Err(unsound(
                    "not everything that was looked at is as it has to be",
                ));
            }
            bound(&mut checks);
            row.checks = Json(checks);
            // Only of a target that anything can be missing of.
            let predicted = row.restore_order.0.predicted_loss_millis();
            row.loss_ms = predicted.map(|predicted| Count(loss_millis.unwrap_or(predicted)));
            row.rto_ms = row.restored_at.zip(row.begun_at).map(|(end, begin)| {
                let took = end.0.duration_since(begin.0).as_millis();
                Count(u64::try_from(took).unwrap_or(0))
            });
        }
        RestoreMove::Done => {
            let wanted = row.restore_order.0.steps();
            let made = &row.handed_over.0;
            let all = made.len() == wanted.len() && made.iter().all(|step| step.failure.is_none());
            if !all {
                return Err(unsound("it is not handed over"));
            }
        }
        RestoreMove::Failed {
            failure,
            mut checks,
        } => {
            if !checks.is_empty() {
                bound(&mut checks);
                row.checks = Json(checks);
            }
            row.failure = Some(Json(failure));
        }
        RestoreMove::Running
        | RestoreMove::Cancelled
        | RestoreMove::Expired
        | RestoreMove::Rejected
        | RestoreMove::Stepped(_) => {}
    }
    Ok(row)
}

fn bound(checks: &mut Vec<RestoreCheck>) {
    checks.truncate(CHECKS_MAX);
    for check in checks {
        cut(&mut check.seen);
    }
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
    }
}
