//! Commands: the changes that can be made to the replicated state, one file
//! each.
//!
//! A variant is added and never changed: its old bytes stay in old logs. A new
//! one is proposed only once every node knows it.

use std::future::Future;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{ApplyContext, Stop};
use crate::{EntryError, Reply, StateError, schema};

/// One change of the replicated state.
pub trait ReplicatedCommand: Into<Command> + Send + 'static {
    /// What an accepted command answers.
    type Outcome: Serialize + DeserializeOwned + Send + 'static;

    /// Its name in the audit log and on the wire.
    const NAME: &'static str;

    /// What it acts on, such as `clusters/orders`.
    fn target(&self) -> String;

    /// The feature level that every node must have reached: one that knows
    /// this command, and every field that it sets, exists since then.
    fn level(&self) -> u32 {
        schema::VERSION
    }

    /// What else the audit log should say; never a secret (I-10).
    fn audit_detail(&self) -> Value {
        Value::Null
    }

    /// Makes the change. Reads and checks first, writes last.
    fn apply(
        self,
        cx: &mut ApplyContext<'_>,
    ) -> impl Future<Output = Result<Self::Outcome, Stop>> + Send;
}

macro_rules! commands {
    ($($module:ident::$name:ident,)*) => {
        $(mod $module;)*
        $(pub use $module::$name;)*

        /// Any command, as the log holds it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Command {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name(Box<$name>),)*
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(Box::new(command))
            }
        })*

        impl Command {
            /// The names of all commands.
            pub const NAMES: &[&'static str] = &[$($name::NAME),*];

            /// Its name.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::NAME,)* }
            }

            /// The feature level it needs.
            pub fn level(&self) -> u32 {
                match self { $(Self::$name(command) => command.level(),)* }
            }

            /// What it acts on.
            pub fn target(&self) -> String {
                match self { $(Self::$name(command) => command.target(),)* }
            }

            /// What the audit log says of it.
            pub fn audit_detail(&self) -> Value {
                match self { $(Self::$name(command) => command.audit_detail(),)* }
            }

            /// Its future has a type of its own, for one command runs another.
            pub(crate) fn apply<'a>(
                self,
                cx: &'a mut ApplyContext<'_>,
            ) -> std::pin::Pin<Box<dyn Future<Output = Result<Reply, StateError>> + Send + 'a>> {
                match self { $(Self::$name(command) => Box::pin(run(*command, cx)),)* }
            }
        }
    };
}

commands! {
    bootstrap::Bootstrap,
    create_user::CreateUser,
    set_password::SetPassword,
    delete_user::DeleteUser,
    open_session::OpenSession,
    rotate_session::RotateSession,
    close_session::CloseSession,
    record_login_failure::RecordLoginFailure,
    create_api_token::CreateApiToken,
    revoke_api_token::RevokeApiToken,
    create_join_token::CreateJoinToken,
    enroll_agent::EnrollAgent,
    revoke_agent::RevokeAgent,
    record_instances::RecordInstances,
    apply_documents::ApplyDocuments,
    delete_resource::DeleteResource,
    record_repository::RecordRepository,
    set_secret::SetSecret,
    delete_secret::DeleteSecret,
    export_repository_key::ExportRepositoryKey,
    create_job::CreateJob,
    lease_job::LeaseJob,
    start_job::StartJob,
    advance_job::AdvanceJob,
    record_backup_started::RecordBackupStarted,
    finish_job::FinishJob,
    requeue_job::RequeueJob,
    request_cancel::RequestCancel,
    record_backup::RecordBackup,
    place_duty::PlaceDuty,
    withdraw_duty::WithdrawDuty,
    record_wal::RecordWal,
    prune_expired::PruneExpired,
    raise_level::RaiseLevel,
    create_node_token::CreateNodeToken,
    admit_node::AdmitNode,
    remove_node::RemoveNode,
    record_node::RecordNode,
    transfer_leadership::TransferLeadership,
    renew_agent::RenewAgent,
    record_runs::RecordRuns,
    miss_runs::MissRuns,
    record_offline_runs::RecordOfflineRuns,
    record_late_result::RecordLateResult,
    set_state_snapshots::SetStateSnapshots,
    request_state_snapshot::RequestStateSnapshot,
    record_state_snapshot::RecordStateSnapshot,
    condemn_state_snapshots::CondemnStateSnapshots,
    forget_state_snapshots::ForgetStateSnapshots,
    restore_state::RestoreState,
    request_scans::RequestScans,
    record_scan::RecordScan,
    lose_backup::LoseBackup,
    rebuild_catalog::RebuildCatalog,
    record_found_wal::RecordFoundWal,
    lease_jobs::LeaseJobs,
    move_node::MoveNode,
    pin_backups::PinBackups,
    hold_backup::HoldBackup,
    release_backup::ReleaseBackup,
    condemn_backups::CondemnBackups,
    condemn_orphans::CondemnOrphans,
    condemn_wal::CondemnWal,
    begin_deletion::BeginDeletion,
    end_deletion::EndDeletion,
    record_copy::RecordCopy,
    request_approval::RequestApproval,
    vote_approval::VoteApproval,
    cancel_approval::CancelApproval,
    record_discovered::RecordDiscovered,
    ignore_instance::IgnoreInstance,
    heed_instance::HeedInstance,
    record_signs::RecordSigns,
    grant_exemption::GrantExemption,
    end_exemption::EndExemption,
    plan_restore::PlanRestore,
    begin_restore::BeginRestore,
    move_restore::MoveRestore,
    try_next_copy::TryNextCopy,
    cancel_restore::CancelRestore,
    settle_alarms::SettleAlarms,
    acknowledge_alarm::AcknowledgeAlarm,
    silence_alarms::SilenceAlarms,
    end_silence::EndSilence,
    record_notices::RecordNotices,
    record_deliveries::RecordDeliveries,
    create_report_key::CreateReportKey,
    record_report::RecordReport,
    seal_report::SealReport,
}

mod approval_rights;
mod consent;
mod document_check;
mod document_effects;
mod finish_drill;
mod role_bindings;

pub use admit_node::Admitted;
pub use apply_documents::{
    AppliedDocument, Change, DocumentChange, Expected, Rehearsal, RehearsedDocument,
};
pub use begin_deletion::{Deletable, DeletableWal};
pub use begin_restore::RestoreBegun;
pub use condemn_backups::{Basis, Condemn, CondemnedBy, Verdict};
pub use consent::Consent;
pub use delete_resource::Deleted;
pub use enroll_agent::{Certificate, Enrolled};
pub use finish_job::{BackupCommit, JobOutcome};
pub use lease_job::Lease;
pub use lease_jobs::Leased;
pub use move_restore::RestoreMove;
pub use pin_backups::{Pin, Pinned};
pub use place_duty::PlacedDuty;
pub use prune_expired::Pruned;
pub use rebuild_catalog::RebuiltFrom;
pub use record_copy::CopiedBy;
pub use record_deliveries::{DeliveryAttempt, DeliveryOutcome};
pub use record_found_wal::{FoundWal, FoundWalOutcome};
pub use record_notices::NewNotice;
pub use record_offline_runs::{OfflineAttempt, OfflineDeed, OfflineRecorded};
pub use record_report::RecordedReport;
pub use record_runs::{DueRun, Mark, Recorded, RunDecision, RunJob, ScheduleDecision};
pub use record_scan::{Finding, ScanOutcome};
pub use record_signs::{Sign, SignWhat};
pub use record_state_snapshot::StateSnapshotOutcome;
pub use record_wal::{FrontierCheckpoint, TimelineWal, WalGap};
pub use request_approval::Asked;
pub(crate) use restore_state::group;
pub use rotate_session::Rotation;
pub use set_secret::SecretSet;
pub use settle_alarms::{NewAlarm, RepeatedAlarm, Settled};
pub use vote_approval::Voted;

async fn apply_at<C: ReplicatedCommand>(
    needed: u32,
    command: C,
    cx: &mut ApplyContext<'_>,
) -> Result<C::Outcome, Stop> {
    if needed > schema::VERSION {
        cx.needs_level(needed).await?;
    }
    command.apply(cx).await
}

async fn run<C: ReplicatedCommand>(
    command: C,
    cx: &mut ApplyContext<'_>,
) -> Result<Reply, StateError> {
    let needed = command.level();
    let verdict = match apply_at(needed, command, cx).await {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Refused(refusal)) => {
            // What a refused command had in mind wakes nobody.
            cx.effects.clear();
            cx.audit = None;
            cx.executed = None;
            Err(refusal)
        }
        Err(Stop::Failed(error)) => return Err(error),
    };
    let unencodable = |error| StateError::Entry {
        index: cx.index(),
        source: EntryError::Json(error),
    };
    Reply::of(verdict).map_err(unencodable)
}
