//! Why a use case did not do what was asked: one error, free of transport.
//!
//! What callers are told (code, message, hint, field) is apart from what only
//! the log is told (the source); the two never mix.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use holdfast_consensus::{ProposeError, ReadError};
use holdfast_state::{Refusal, StateError};
use holdfast_types::resource::InvalidDocument;
use holdfast_types::{ApprovalId, Failure};

use super::code::{Category, Code};
use crate::secure::{PkiError, SealError};

/// Shorthand.
pub type Result<T> = std::result::Result<T, AppError>;

/// A refusal or a fault.
#[derive(Debug)]
pub struct AppError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    category: Category,
    code: Cow<'static, str>,
    message: String,
    hint: String,
    field: Option<String>,
    retry_after: Option<Duration>,
    approval: Option<ApprovalId>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AppError {
    /// With a code of the control plane.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            category: code.category,
            code: Cow::Borrowed(code.name),
            message: message.into(),
            hint: code.hint.to_owned(),
            field: None,
            retry_after: None,
            approval: None,
            source: None,
        }))
    }

    /// Something does not exist.
    pub fn not_found(what: impl fmt::Display, name: impl fmt::Display) -> Self {
        Self::new(Code::NOT_FOUND, format!("there is no {what} \"{name}\""))
    }

    /// A field is not valid.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::INVALID, message).with_field(field)
    }

    /// Our fault; only the log is told why.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::INTERNAL, "the control plane failed to do this").with_source(source)
    }

    /// Our fault, from a library that says nothing more.
    pub fn failed(what: &'static str) -> Self {
        Self::internal(what)
    }

    /// What the leader refuses about its group, with its own code.
    pub fn refused_by_leader(code: String, message: String) -> Self {
        let mut error = Self::new(Code::NO_QUORUM_LEFT, message);
        if code != Code::NO_QUORUM_LEFT.name {
            error.0.hint = "list the nodes, and see the page of the code".to_owned();
        }
        error.0.code = Cow::Owned(code);
        error
    }

    /// What an agent refused.
    pub fn from_agent(failure: Failure) -> Self {
        let category = if failure.retryable {
            Category::Unavailable
        } else {
            Category::Invalid
        };
        let mut error = Self::new(Code::INVALID, failure.message);
        error.0.category = category;
        error.0.code = Cow::Owned(failure.code);
        error.0.hint = failure.hint;
        error
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Says what else to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Names the request for approval that waits.
    #[must_use]
    pub fn with_approval(mut self, approval: ApprovalId) -> Self {
        self.0.approval = Some(approval);
        self
    }

    /// The request for approval that waits.
    pub fn approval(&self) -> Option<ApprovalId> {
        self.0.approval
    }

    fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    fn with_category(mut self, category: Category) -> Self {
        self.0.category = category;
        self
    }

    /// Its stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Its kind.
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// What happened, for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do next.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// The field at fault.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// When to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same may succeed later without anybody's help.
    pub fn retryable(&self) -> bool {
        match self.0.category {
            Category::TooMany | Category::Unavailable | Category::Timeout => true,
            Category::Malformed
            | Category::Invalid
            | Category::Unauthenticated
            | Category::Forbidden
            | Category::NotFound
            | Category::MethodNotAllowed
            | Category::UnsupportedMediaType
            | Category::Conflict
            | Category::Stale
            | Category::TooLarge
            | Category::Internal => false,
        }
    }

    /// The same, as a job or an agent is told.
    pub fn to_failure(&self) -> Failure {
        let failure = Failure::permanent(self.code(), self.message(), self.hint());
        Failure {
            retryable: self.retryable(),
            ..failure
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.message, self.0.code)
    }
}

impl Error for AppError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Refusal> for AppError {
    fn from(refusal: Refusal) -> Self {
        let mut error = Self::new(Code::INVALID, refusal.to_string());
        error.0.category = category_of(&refusal);
        error.0.code = Cow::Borrowed(refusal.code());
        error.0.hint = refusal.hint().to_owned();
        error.0.field = refusal.field().map(str::to_owned);
        error
    }
}

fn category_of(refusal: &Refusal) -> Category {
    match refusal {
        Refusal::NotFound { .. } => Category::NotFound,
        Refusal::StaleRevision { .. } => Category::Stale,
        Refusal::DanglingReference { .. }
        | Refusal::Invalid { .. }
        | Refusal::RegionMismatch { .. } => Category::Invalid,
        Refusal::TokenUnknown
        | Refusal::TokenExpired
        | Refusal::TokenUsed
        | Refusal::SessionUnknown => Category::Unauthenticated,
        Refusal::AgentRevoked { .. }
        | Refusal::SelfApproval { .. }
        | Refusal::NotAPerson
        | Refusal::Forbidden { .. }
        | Refusal::VoterTooNew { .. } => Category::Forbidden,
        Refusal::AlreadyBootstrapped
        | Refusal::AlreadyExists { .. }
        | Refusal::StaleGeneration { .. }
        | Refusal::Immutable { .. }
        | Refusal::PolicyClash { .. }
        | Refusal::InUse { .. }
        | Refusal::LastUser
        | Refusal::AgentNameTaken { .. }
        | Refusal::JobFinal { .. }
        | Refusal::JobState { .. }
        | Refusal::WrongAgent { .. }
        | Refusal::ClusterRetired { .. }
        | Refusal::WalMissing { .. }
        | Refusal::RepositoryMismatch { .. }
        | Refusal::LevelTooLow { .. }
        | Refusal::LastNode
        | Refusal::BackupHeld { .. }
        | Refusal::BackupPinned { .. }
        | Refusal::LastBackup { .. }
        | Refusal::BackupState { .. }
        | Refusal::BackupCondemned { .. }
        | Refusal::WalNeeded { .. }
        | Refusal::ExpirySuspended { .. }
        | Refusal::PlanStale { .. }
        | Refusal::ApprovalNeeded { .. }
        | Refusal::ApprovalNotNeeded
        | Refusal::ApprovalState { .. }
        | Refusal::RestoreState { .. }
        | Refusal::VotedAlready { .. }
        | Refusal::RequesterGone { .. }
        | Refusal::LastAdministrator
        | Refusal::AlarmClosed { .. }
        | Refusal::IdempotencyMismatch => Category::Conflict,
    }
}

/// How soon to ask again when there is no leader or no quorum.
const MOMENT: Duration = Duration::from_secs(1);

impl From<ProposeError> for AppError {
    fn from(error: ProposeError) -> Self {
        let (code, hint) = (error.code(), error.hint());
        let unavailable = match &error {
            ProposeError::NotLeader { .. }
            | ProposeError::NoQuorum
            | ProposeError::Unknown(_)
            | ProposeError::LeaderTooOld { .. }
            | ProposeError::ShuttingDown => true,
            ProposeError::TooLarge { .. } | ProposeError::Storage(_) => false,
        };
        if unavailable {
            let mut app = Self::new(Code::NO_LEADER, error.to_string()).with_retry_after(MOMENT);
            app.0.code = Cow::Borrowed(code);
            app.0.hint = hint.to_owned();
            return app;
        }
        match error {
            ProposeError::TooLarge { .. } => {
                let mut app = Self::new(Code::BODY_TOO_LARGE, error.to_string());
                app.0.hint = hint.to_owned();
                app.with_category(Category::TooLarge)
            }
            other => Self::internal(other),
        }
    }
}

impl From<ReadError> for AppError {
    fn from(error: ReadError) -> Self {
        if let ReadError::Storage(_) = error {
            return Self::internal(error);
        }
        let (code, hint) = (error.code(), error.hint());
        let mut app = Self::new(Code::NO_LEADER, error.to_string()).with_retry_after(MOMENT);
        app.0.code = Cow::Borrowed(code);
        app.0.hint = hint.to_owned();
        app
    }
}

impl From<StateError> for AppError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::BadCursor => Self::new(Code::BAD_CURSOR, error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<SealError> for AppError {
    fn from(error: SealError) -> Self {
        Self::internal(error)
    }
}

impl From<PkiError> for AppError {
    fn from(error: PkiError) -> Self {
        match error {
            PkiError::BadRequest(_) => Self::new(Code::BAD_CERTIFICATE_REQUEST, error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<aws_lc_rs::error::Unspecified> for AppError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::failed("no randomness is to be had")
    }
}

impl From<InvalidDocument> for AppError {
    fn from(invalid: InvalidDocument) -> Self {
        let code = if invalid.code == Code::NOT_SUPPORTED_YET.name {
            Code::NOT_SUPPORTED_YET
        } else {
            Code::INVALID_DOCUMENT
        };
        Self::new(code, invalid.message).with_field(invalid.field)
    }
}
