//! The way of a restore from its plan to what is handed over.
//!
//! A restore is a row with a state. It is moved by commands that name the state they
//! leave, so that whoever moves it twice, or late, moves nothing. What is executed is
//! the order: the plan as it was shown, frozen by its hash.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backup::as_word;
use crate::resource::Labels;
use crate::{Failure, Name, RestorePlan, RestoreRequest, RestoreTarget};

/// Where a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum RestoreState {
    /// Its plan was shown; nobody has begun it.
    Planned,
    /// Other people must consent first.
    AwaitingApproval,
    /// Its job waits for its agent.
    Placing,
    /// Its agent restores.
    Running,
    /// It is looked at whether it is what was promised.
    Validating,
    /// It is handed over.
    HandingOver,
    /// It is there, was looked at, and was handed over.
    Done,
    /// It came to nothing, or could not be handed over.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// Nobody consented in time.
    Expired,
    /// Somebody refused to consent.
    Rejected,
}

as_word!(RestoreState {
    Planned = "planned",
    AwaitingApproval = "awaitingApproval",
    Placing = "placing",
    Running = "running",
    Validating = "validating",
    HandingOver = "handingOver",
    Done = "done",
    Failed = "failed",
    Cancelled = "cancelled",
    Expired = "expired",
    Rejected = "rejected",
});

impl RestoreState {
    /// Every state, in the order in which they come.
    pub const ALL: [Self; 11] = [
        Self::Planned,
        Self::AwaitingApproval,
        Self::Placing,
        Self::Running,
        Self::Validating,
        Self::HandingOver,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Rejected,
    ];

    /// Whether it stays so.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Failed | Self::Cancelled | Self::Expired | Self::Rejected
        )
    }

    /// Whether the leader has to move it on.
    pub const fn is_under_way(self) -> bool {
        !self.is_terminal() && !matches!(self, Self::Planned)
    }

    /// Whether a restore may go from here to there. Nothing skips the look at what was
    /// restored (I-12).
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Planned => matches!(
                next,
                Self::AwaitingApproval | Self::Placing | Self::Cancelled
            ),
            Self::AwaitingApproval => matches!(
                next,
                Self::Placing | Self::Failed | Self::Cancelled | Self::Expired | Self::Rejected
            ),
            Self::Placing => matches!(
                next,
                Self::Running | Self::Validating | Self::Failed | Self::Cancelled
            ),
            Self::Running => matches!(next, Self::Validating | Self::Failed | Self::Cancelled),
            Self::Validating => matches!(next, Self::HandingOver | Self::Failed),
            Self::HandingOver => matches!(next, Self::Done | Self::Failed),
            Self::Done | Self::Failed | Self::Cancelled | Self::Expired | Self::Rejected => false,
        }
    }
}

/// What is restored becomes a cluster of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RegisterAs {
    /// Its name: no cluster has it yet.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "orders-b"))]
    pub name: Name,
    /// Its fleet; the original's when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub fleet: Option<Name>,
    /// Its labels, by which a policy selects it; the original's when none are said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<std::collections::BTreeMap<String, String>>))]
    pub labels: Option<Labels>,
}

/// Who is told when a restore is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RestoreWebhook {
    /// Where the connection details are sent to, by POST as JSON.
    #[cfg_attr(
        feature = "schema",
        schema(example = "https://deploy.example.com/restored")
    )]
    pub url: String,
    /// The secret with which it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub secret: Option<Name>,
}

/// What is done with what was restored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandOver {
    /// It becomes a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<RegisterAs>,
    /// Who is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhooks: Vec<RestoreWebhook>,
}

impl HandOver {
    /// Its steps, in the order in which they are made.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if self.register.is_some() {
            steps.push(STEP_REGISTER.to_owned());
            steps.push(STEP_BACKUP.to_owned());
        }
        let webhooks = (1..=self.webhooks.len()).map(|number| format!("{STEP_WEBHOOK} {number}"));
        steps.extend(webhooks);
        steps
    }
}

/// A command was run by its agent; with its name.
pub const STEP_HOOK: &str = "hook";
/// What is restored is declared as a cluster.
pub const STEP_REGISTER: &str = "register";
/// The first backup of that cluster is queued.
pub const STEP_BACKUP: &str = "backup";
/// Somebody is told; with a number.
pub const STEP_WEBHOOK: &str = "webhook";

/// An agent that could have been taken, and why it was or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PlacedOn {
    /// The agent.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub agent: Name,
    /// Its region.
    pub region: Option<String>,
    /// Whether it was taken.
    pub chosen: bool,
    /// Why.
    pub reason: String,
}

/// A repository to restore from, and why it stands where it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CopyToRead {
    /// The repository.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub repository: Name,
    /// Its region.
    pub region: Option<String>,
    /// The latest commit that is known to be in it.
    pub frontier: Option<Timestamp>,
    /// Why it stands where it does.
    pub reason: String,
}

/// A copy that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CopyTried {
    /// The repository.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub repository: Name,
    /// When.
    pub at: Timestamp,
    /// What was wrong with it.
    pub failure: Failure,
}

/// What is executed: what was asked for and what was planned for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreOrder {
    /// What was asked for, with the agent that was chosen.
    pub request: RestoreRequest,
    /// The plan of that agent.
    pub plan: RestorePlan,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// The repositories to restore from: first the one that was planned with.
    pub copies: Vec<CopyToRead>,
    /// Copies that could not even be planned with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<CopyTried>,
    /// The agents that could have been taken, where a region was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement: Vec<PlacedOn>,
    /// What is done with it then.
    #[serde(default)]
    pub hand_over: HandOver,
}

impl RestoreOrder {
    /// What will be missing of what was asked for: of `latest`, all since the last commit
    /// that will be there; of a time, what lies before it and is not there. `None` of
    /// targets that are exact.
    pub fn predicted_loss_millis(&self) -> Option<u64> {
        let asked = self.asked_for()?;
        Some(missing(asked, self.plan.recovers_to))
    }

    /// The same of what was restored, by the last commit that its server replayed: it goes
    /// on past the plan while more comes in.
    pub fn achieved_loss_millis(&self, reached: Option<Timestamp>) -> Option<u64> {
        let asked = self.asked_for()?;
        let there = reached.map_or(self.plan.recovers_to, |at| at.max(self.plan.recovers_to));
        Some(missing(asked, there))
    }

    /// The time up to which everything was asked for.
    fn asked_for(&self) -> Option<Timestamp> {
        match &self.request.at {
            RestoreTarget::Latest => Some(self.planned_at),
            RestoreTarget::Time(time) => Some(*time),
            RestoreTarget::Immediate
            | RestoreTarget::Backup(_)
            | RestoreTarget::Lsn(_)
            | RestoreTarget::Xid(_)
            | RestoreTarget::Name(_) => None,
        }
    }

    /// The steps of handing it over: what its agent runs, and then what the control plane
    /// does.
    pub fn steps(&self) -> Vec<String> {
        let hooks = self.request.hooks.iter();
        let hooks = hooks.map(|name| format!("{STEP_HOOK} {name}"));
        hooks.chain(self.hand_over.steps()).collect()
    }

    /// How long it will take, where that was measured.
    pub fn predicted_rto_millis(&self) -> Option<u64> {
        self.plan
            .estimated_seconds
            .map(|seconds| seconds.saturating_mul(1_000))
    }

    /// What it is known by in the repository it is read from first.
    pub fn repository(&self) -> Option<&Name> {
        self.copies.first().map(|copy| &copy.repository)
    }
}

fn missing(asked: Timestamp, there: Timestamp) -> u64 {
    u64::try_from(asked.duration_since(there).as_millis()).unwrap_or(0)
}

/// Whether a failure is the repository's: then another copy may do.
pub fn is_of_repository(failure: &Failure) -> bool {
    is_code_of_repository(&failure.code)
}

/// The same by its code.
pub fn is_code_of_repository(code: &str) -> bool {
    matches!(
        code,
        "repository_unreachable"
            | "repository_damaged"
            | "repository_object_missing"
            | "repository_failed"
            | "repository_permission_denied"
            | "not_a_repository"
            | "bucket_not_found"
            | "other_repository"
            | "lineage_not_found"
            | "backup_not_found"
            | "parent_damaged"
            | "invalid_repository_data"
            | "wal_missing"
            | "wal_gap"
            | "no_backup"
    )
}

/// One thing that was looked at after a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RestoreCheck {
    /// What.
    pub name: String,
    /// Whether it is as it has to be.
    pub passed: bool,
    /// What was seen.
    pub seen: String,
}

/// One thing that was done to hand a restore over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HandedOver {
    /// What: `hook NAME`, `register`, `backup`, `webhook 1`.
    pub step: String,
    /// What came of it.
    pub detail: String,
    /// Why it could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A state that a restore came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RestoreStep {
    /// The state.
    pub state: RestoreState,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_that_was_not_looked_at() {
        use RestoreState::{Done, HandingOver, Validating};
        for from in RestoreState::ALL {
            assert_eq!(from.may_become(Done), from == HandingOver, "{from}");
            assert_eq!(from.may_become(HandingOver), from == Validating, "{from}");
            assert!(!from.may_become(from), "{from}");
            let leads_on = RestoreState::ALL.into_iter().any(|to| from.may_become(to));
            assert_eq!(leads_on, !from.is_terminal(), "{from}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_host_is_not_cured_by_another_copy() {
        let of = |code: &str| is_of_repository(&Failure::permanent(code, "x", "y"));
        assert!(of("repository_unreachable") && of("repository_damaged") && of("wal_missing"));
        assert!(
            !of("restore_io_failed") && !of("no_space") && !of("dir_in_use") && !of("no_progress")
        );
    }

    #[test]
    fn a_hand_over_has_its_steps_in_order() {
        let webhook = RestoreWebhook {
            url: "https://x.example".to_owned(),
            secret: None,
        };
        let over = HandOver {
            register: Some(RegisterAs {
                name: "b".parse().unwrap(),
                fleet: None,
                labels: None,
            }),
            webhooks: vec![webhook.clone(), webhook],
        };
        let steps = ["register", "backup", "webhook 1", "webhook 2"];
        assert_eq!(over.steps(), steps);
        assert!(HandOver::default().steps().is_empty());
        let order = RestoreOrder {
            hand_over: over,
            ..order("latest", &["warm", "dns"])
        };
        let with_hooks = [
            "hook warm",
            "hook dns",
            "register",
            "backup",
            "webhook 1",
            "webhook 2",
        ];
        assert_eq!(order.steps(), with_hooks);
    }

    fn order(at: &str, hooks: &[&str]) -> RestoreOrder {
        serde_json::from_value(serde_json::json!({
            "request": {"cluster": "orders", "at": at, "agent": "db1", "dir": "/srv/copy",
                        "start": true, "hooks": hooks},
            "plan": {
                "cluster": "orders", "at": at, "lineage": "7301234567890123456-1",
                "backup": "bkp_00000000000000000000000000000007",
                "backupFinishedAt": "2026-02-03T02:00:00Z", "timeline": 1,
                "wal": {"fromLsn": "0/64", "toLsn": "0/C8", "lastRecordLsn": "0/C0",
                        "segments": 1},
                "recoversTo": "2026-02-03T02:41:00Z", "lastCommitAt": null, "stopBefore": null,
                "serverVersion": 150_018, "databaseBytes": 1, "fetchBytes": 1,
                "estimatedSeconds": 3, "problems": [], "warnings": [],
            },
            "plannedAt": "2026-02-03T02:41:07Z",
            "copies": [],
        }))
        .unwrap()
    }

    #[test]
    fn what_came_in_after_the_plan_is_not_lost() {
        let lost = |at: &str, reached: Option<&str>| {
            let reached = reached.map(|time| time.parse().unwrap());
            order(at, &[]).achieved_loss_millis(reached)
        };
        assert_eq!(order("latest", &[]).predicted_loss_millis(), Some(7_000));
        assert_eq!(lost("latest", None), Some(7_000));
        // The last commit may be older than what is known to be there.
        assert_eq!(lost("latest", Some("2026-02-03T02:00:00Z")), Some(7_000));
        assert_eq!(lost("latest", Some("2026-02-03T02:41:05Z")), Some(2_000));
        assert_eq!(lost("latest", Some("2026-02-03T02:42:00Z")), Some(0));
        assert_eq!(lost("2026-02-03T02:41:00Z", None), Some(0));
        assert_eq!(lost("lsn:0/C8", Some("2026-02-03T02:41:05Z")), None);
    }
}
