//! What alarms are raised for.
//!
//! Most are about what is not there (no agent, no WAL, no drill, no run): a thing that
//! does not happen reports no failure.

use serde::{Deserialize, Serialize};

use super::Severity;
use crate::backup::as_word;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $severity:ident, $live:literal,
       $title:literal, $advice:literal;)*) => {
        /// A rule of alarms.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub enum AlarmRule {
            $($(#[$doc])* $variant,)*
        }

        as_word!(AlarmRule { $($variant = $word),* });

        impl AlarmRule {
            /// Every rule, by its word.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// Whether it rests on what a leader learns only by and by: who is there,
            /// and what agents say. One that has just begun to lead neither opens nor
            /// closes by it (I-13).
            pub const fn rests_on_liveness(self) -> bool {
                match self { $(Self::$variant => $live),* }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// What to do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),* }
            }
        }
    };
}

rules! {
    /// The agent of a cluster is away.
    AgentAbsent = "agent_absent", Warning, true,
        "agent away",
        "see that the host is up and holdfast-agent runs there and reaches the control plane; it goes on by itself meanwhile and reports when it is back";
    /// An act waits for the consent of others.
    ApprovalWaiting = "approval_waiting", Info, false,
        "consent is waited for",
        "see `holdfast approval list`, and approve or reject";
    /// A certificate ends soon and nobody has renewed it.
    CertificateExpiring = "certificate_expiring", Warning, false,
        "certificate ends soon",
        "start the agent or look at the log of the node, for each renews its own; an agent whose certificate has ended must be enrolled again. The CA is renewed by nobody: plan a new control plane before it ends";
    /// A channel does not take notices.
    ChannelFailing = "channel_failing", Critical, false,
        "notices do not arrive",
        "see `holdfast channel deliveries NAME` for what the channel says, and try `holdfast channel test NAME`";
    /// A copy is further behind than its policy allows.
    CopyLag = "copy_lag", Warning, true,
        "copy too far behind",
        "see `holdfast exposure CLUSTER` and the copy's jobs; look whether the repository can be reached and has room";
    /// Nothing recent is known of a cluster's exposure.
    ExposureUnknown = "exposure_unknown", Warning, true,
        "exposure unknown",
        "see `holdfast exposure CLUSTER`: look at its agent and at PostgreSQL; until something is known it counts as exposed";
    /// More would be lost than the policy allows.
    ExposureViolated = "exposure_violated", Critical, true,
        "exposure above the RPO",
        "see `holdfast exposure CLUSTER` for the cause; a backup with `holdfast backup run CLUSTER` makes a new point to restore to";
    /// WAL is missing in a repository.
    Gap = "gap", Critical, true,
        "WAL is missing",
        "no time inside the gap can be restored; a full backup is ordered by itself where it cuts off the newest one, see `holdfast job list`";
    /// The last job of its kind on a cluster failed.
    JobFailed = "job_failed", Warning, false,
        "job failed",
        "see `holdfast job show ID` for why; the alarm ends with the next job of the kind that succeeds";
    /// Nothing proves that a restore would work.
    NoDrill = "no_drill", Warning, false,
        "restores are not proven",
        "see `holdfast drill list --cluster CLUSTER`, and rehearse with `holdfast drill run CLUSTER`";
    /// A run has been due for long and nobody has begun it.
    NoRun = "no_run", Warning, false,
        "run is not begun",
        "see `holdfast job list`: the job says what it waits for";
    /// A node of the control plane is away.
    NodeLost = "node_lost", Critical, true,
        "control-plane node away",
        "see `holdfast node list`; start holdfastd on its host, or replace it with `holdfast node add`";
    /// The last run of a schedule can no longer be made.
    RunMissed = "run_missed", Warning, false,
        "run missed",
        "see the runs of the schedule for the reason; `holdfast backup run CLUSTER` makes up for it now";
    /// The slot of an instance is in trouble.
    SlotTrouble = "slot_trouble", Warning, true,
        "slot in trouble",
        "see `holdfast exposure CLUSTER`: a failover to this instance could lose WAL, or its volume fills up";
    /// A cluster has no policy, or no backup after a day.
    Unprotected = "unprotected", Warning, false,
        "cluster unprotected",
        "apply a Policy that selects the cluster's labels, and see that its first backup succeeds";
    /// WAL does not arrive.
    WalTrouble = "wal_trouble", Warning, true,
        "WAL does not arrive",
        "see `holdfast exposure CLUSTER` for what the agent says, and run `holdfast-agent doctor` on its host";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order_and_read_back() {
        let words: Vec<&str> = AlarmRule::ALL.iter().map(|one| one.as_str()).collect();
        assert!(words.is_sorted(), "{words:?}");
        for rule in AlarmRule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(*rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
            assert!(!rule.title().is_empty() && !rule.advice().ends_with('.'));
        }
        assert!(Severity::Critical > Severity::Warning && Severity::Warning > Severity::Info);
    }
}
