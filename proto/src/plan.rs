//! Asking an agent to plan a restore: only agents read backup bytes.

use holdfast_types::{Failure, RestorePlan, RestoreRequest};

use crate::access::non_empty;
use crate::invalid::{Invalid, from_json, some, to_json};
use crate::{ReportedFrontier, RepositoryAccess, v1};

/// A restore to be planned. Planning touches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// Pairs the answer with the request.
    pub request_id: u64,
    /// Where to read.
    pub repository: RepositoryAccess,
    /// What is asked for.
    pub request: RestoreRequest,
    /// The cluster's frontier as the control plane knows it.
    pub frontier: Option<ReportedFrontier>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// The plan, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanAnswer {
    /// The request it answers.
    pub request_id: u64,
    /// The answer.
    pub answer: Result<Box<RestorePlan>, Failure>,
}

impl From<&PlanRequest> for v1::PlanRequest {
    fn from(request: &PlanRequest) -> Self {
        Self {
            request_id: request.request_id,
            repository: Some((&request.repository).into()),
            request_json: to_json(&request.request),
            frontier: request.frontier.map(Into::into),
            traceparent: request.traceparent.clone().unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::PlanRequest> for PlanRequest {
    type Error = Invalid;

    fn try_from(request: v1::PlanRequest) -> Result<Self, Invalid> {
        Ok(Self {
            request_id: request.request_id,
            repository: some("repository", request.repository)?.try_into()?,
            request: from_json("request_json", &request.request_json)?,
            frontier: request.frontier.map(TryInto::try_into).transpose()?,
            traceparent: non_empty(request.traceparent),
        })
    }
}

impl From<&PlanAnswer> for v1::PlanAnswer {
    fn from(answer: &PlanAnswer) -> Self {
        use v1::plan_answer::Answer;
        let body = match &answer.answer {
            Ok(plan) => Answer::PlanJson(to_json(plan)),
            Err(failure) => Answer::FailedJson(to_json(failure)),
        };
        Self {
            request_id: answer.request_id,
            answer: Some(body),
        }
    }
}

impl TryFrom<v1::PlanAnswer> for PlanAnswer {
    type Error = Invalid;

    fn try_from(answer: v1::PlanAnswer) -> Result<Self, Invalid> {
        use v1::plan_answer::Answer;
        let body = match some("answer", answer.answer)? {
            Answer::PlanJson(json) => Ok(Box::new(from_json("plan_json", &json)?)),
            Answer::FailedJson(json) => Err(from_json("failed_json", &json)?),
        };
        Ok(Self {
            request_id: answer.request_id,
            answer: body,
        })
    }
}
