//! What the caller can do about a refusal.

use super::Refusal;

impl Refusal {
    /// What the caller can do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::AlreadyBootstrapped => {
                "start holdfastd without --bootstrap, or choose an empty data directory"
            }
            Self::NotFound { .. } => "check the spelling, or list what exists",
            Self::AlreadyExists { .. } => "choose another name, or change the existing one",
            Self::StaleRevision { .. } => {
                "read it again and repeat the change on what is there now"
            }
            Self::StaleGeneration { .. } => {
                "the work is in other hands: stop it, and report nothing more for it"
            }
            Self::DanglingReference { .. } => {
                "create what is named, in the same apply if you like, or correct the name"
            }
            Self::Immutable { .. } => {
                "create a new repository for the new place and bind the policies to it"
            }
            Self::Invalid { .. } => "correct the value",
            Self::PolicyClash { .. } => "give one of the policies another priority or selector",
            Self::InUse { .. } => "remove what depends on it first",
            Self::LastUser => "create another user first",
            Self::TokenUnknown => {
                "make a new token with `holdfast agent token create` and copy it whole"
            }
            Self::TokenExpired | Self::TokenUsed => {
                "make a new token with `holdfast agent token create`: each enrols one agent"
            }
            Self::RegionMismatch { .. } => {
                "leave out --region, or make a token for the region of this host"
            }
            Self::AgentNameTaken { .. } => {
                "choose another name, or `holdfast agent revoke` the enrolled one first"
            }
            Self::AgentRevoked { .. } => "enrol it again with a new token",
            Self::SessionUnknown => "log in again",
            Self::JobFinal { .. } => "nothing is left to do: a job that has ended stays as it is",
            Self::WrongAgent { .. } => "give it to the agent it names",
            Self::ClusterRetired { .. } => "apply the cluster again to bring it back",
            Self::WalMissing { .. } => "store the missing WAL, then report the backup again",
            Self::RepositoryMismatch { .. } => {
                "check the URL and what is mounted there; a new repository needs an empty place"
            }
            Self::LevelTooLow { .. } => {
                "upgrade every node; the leader raises the level once all of them know it"
            }
            Self::LastNode => "add another node first; to end a control plane, stop its nodes",
            Self::BackupPinned { .. } => "wait until the pin ends: it is never taken back",
            Self::BackupState { .. } => "only an available backup can be held or deleted",
            Self::BackupCondemned { .. } => "take a new backup: what is condemned never comes back",
            Self::WalNeeded { .. } => "delete the backup that needs it first",
            Self::LastBackup { .. }
            | Self::ExpirySuspended { .. }
            | Self::PlanStale { .. }
            | Self::ApprovalNeeded { .. }
            | Self::ApprovalNotNeeded
            | Self::ApprovalState { .. }
            | Self::RestoreState { .. }
            | Self::JobState { .. }
            | Self::BackupHeld { .. }
            | Self::SelfApproval { .. }
            | Self::VotedAlready { .. }
            | Self::NotAPerson
            | Self::VoterTooNew { .. }
            | Self::RequesterGone { .. }
            | Self::Forbidden { .. }
            | Self::LastAdministrator
            | Self::AlarmClosed { .. } => self.hint_of_later(),
            Self::IdempotencyMismatch => "use a new Idempotency-Key for a new request",
        }
    }

    /// The same of what came with expiry, roles and approvals.
    const fn hint_of_later(&self) -> &'static str {
        match self {
            Self::LastBackup { .. } => {
                "take another one first; to give up the cluster, delete what holds its repository"
            }
            Self::ExpirySuspended { .. } => {
                "wait: by then every pin that may have been given is over"
            }
            Self::PlanStale { .. } => "plan again on what is there now",
            Self::ApprovalNeeded { .. } => {
                "ask for it with the CLI or over the API: it waits for their consent"
            }
            Self::ApprovalNotNeeded => "make the request again: it is done at once",
            Self::ApprovalState { .. } => {
                "look at it with `holdfast approval show`; ask again if it is still wanted"
            }
            Self::BackupHeld { .. } => {
                "end the hold with `holdfast backup release` if its reason is over"
            }
            Self::JobState { .. } => "look at the job with `holdfast job show`",
            Self::RestoreState { .. } => {
                "look at it with `holdfast restore show`; plan again if it is still wanted"
            }
            Self::SelfApproval { .. } => "somebody else has to consent",
            Self::VotedAlready { .. } => "wait for the others: each counts once",
            Self::NotAPerson => "log in with `holdfast login` and vote as yourself",
            Self::VoterTooNew { .. } => {
                "somebody has to consent who could log in before; or have it asked for again"
            }
            Self::RequesterGone { .. } => "reject it; somebody who may do it has to ask again",
            Self::Forbidden { .. } => {
                "an administrator gives a role with a RoleBinding; see `holdfast role list --mine`"
            }
            Self::LastAdministrator => {
                "make somebody else an administrator first, with `selector: {}` as the scope"
            }
            Self::AlarmClosed { .. } => {
                "nothing is left to take on: see what is open with `holdfast alarm list`"
            }
            _ => "",
        }
    }
}
