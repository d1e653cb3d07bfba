//! What is wrong, and who is to be told of it: facts and the time go in, alarms to open
//! and close and notices come out.
//!
//! [`observe`] says what is wrong now, most of it because something is *not* there;
//! [`settle`] compares that with the alarms that are open; [`tell`] decides which channel
//! hears of which.

mod absence;
mod certificate;
mod exposure;
mod settle;
mod tell;
mod work;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_state::query::{ChannelHealth, FailedJob, MissedRun, WaitingRun};
use holdfast_types::alarm::{AlarmDetail, AlarmRule};
use holdfast_types::drill::Proof;
use holdfast_types::{ApprovalId, Compliance, Failure, LsnRange, Name, Span};
use jiff::{SignedDuration, Timestamp};

pub(crate) use settle::{Settling, settle};
pub(crate) use tell::{Telling, is_silenced, tell};

/// Everything that alarms are raised for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The clusters that are looked after.
    pub(crate) clusters: Vec<ClusterFacts>,
    /// Agents that are enrolled.
    pub(crate) agents: Vec<AgentFacts>,
    /// The control plane's nodes.
    pub(crate) nodes: Vec<NodeFacts>,
    /// When the certificate of its CA ends.
    pub(crate) authority_ends_at: Option<Timestamp>,
    /// Schedules whose last run was missed.
    pub(crate) missed: Vec<MissedRun>,
    /// Runs that have been due for long and are not begun.
    pub(crate) waiting: Vec<WaitingRun>,
    /// Jobs that failed last.
    pub(crate) failed: Vec<FailedJob>,
    /// Requests that wait for consent.
    pub(crate) approvals: Vec<ApprovalFacts>,
    /// The channels there are, and how they are doing.
    pub(crate) channels: BTreeMap<Name, ChannelHealth>,
}

/// What is known of a cluster.
#[derive(Debug, Clone)]
pub(crate) struct ClusterFacts {
    pub(crate) name: Name,
    pub(crate) fleet: Name,
    /// When it was declared.
    pub(crate) created_at: Timestamp,
    /// Whether a policy selects it.
    pub(crate) has_policy: bool,
    pub(crate) verdict: Verdict,
    /// Holes in the WAL of each repository since its oldest backup.
    pub(crate) gaps: Vec<(String, Vec<LsnRange>)>,
    /// The copies that are further behind than they may be, and how far that is.
    pub(crate) late_copies: Vec<LateCopy>,
    /// Why WAL does not arrive in the policy's repository, and for how long.
    pub(crate) trouble: Option<(Duration, Failure)>,
    /// What is wrong with the slots of its instances, by agent.
    pub(crate) slots: Vec<(Name, String, String)>,
    /// Its agents.
    pub(crate) agents: Vec<AgentOfCluster>,
    /// For how long a drill counts, where drills are promised.
    pub(crate) drills: Option<Span>,
    /// What its drills prove.
    pub(crate) proof: Proof,
}

/// How exposed a cluster is, from wherever that is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    pub(crate) status: Option<Compliance>,
    pub(crate) cause: Option<String>,
    pub(crate) exposure_seconds: Option<f64>,
    pub(crate) rpo_seconds: Option<f64>,
    pub(crate) frontier: Option<Timestamp>,
}

/// A copy that is behind.
#[derive(Debug, Clone)]
pub(crate) struct LateCopy {
    pub(crate) repository: String,
    pub(crate) frontier: Option<Timestamp>,
    pub(crate) within_seconds: Option<u64>,
}

/// An agent that serves a cluster.
#[derive(Debug, Clone)]
pub(crate) struct AgentOfCluster {
    pub(crate) name: Name,
    /// Whether it is there.
    pub(crate) online: bool,
    /// When it spoke last, where somebody remembers.
    pub(crate) last_seen_at: Option<Timestamp>,
}

/// An agent that is enrolled.
#[derive(Debug, Clone)]
pub(crate) struct AgentFacts {
    pub(crate) name: Name,
    pub(crate) certificate_expires_at: Timestamp,
}

/// A node of the control plane.
#[derive(Debug, Clone)]
pub(crate) struct NodeFacts {
    pub(crate) name: String,
    pub(crate) reachable: bool,
    /// When its certificate ends, where it said so.
    pub(crate) certificate_ends_at: Option<Timestamp>,
}

/// A request for consent.
#[derive(Debug, Clone)]
pub(crate) struct ApprovalFacts {
    pub(crate) id: ApprovalId,
    pub(crate) action: String,
    pub(crate) subject: String,
    /// The cluster, when it is about one alone.
    pub(crate) cluster: Option<Name>,
    pub(crate) requested_by: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// How long things may take before they are something to tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A cluster without a backup, since it was declared.
    pub(crate) first_backup: Duration,
    /// A request that waits.
    pub(crate) approval: Duration,
    /// What is left of an agent's certificate.
    pub(crate) certificate: Duration,
    /// Of a node's.
    pub(crate) node_certificate: Duration,
    /// Of the CA's.
    pub(crate) authority: Duration,
    /// WAL that does not arrive.
    pub(crate) trouble: Duration,
    /// How often a channel may refuse a notice.
    pub(crate) attempts: u64,
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) rule: AlarmRule,
    pub(crate) subject: String,
    pub(crate) fleet: Option<Name>,
    pub(crate) cluster: Option<Name>,
    /// Another one means that it happened again.
    pub(crate) mark: String,
    pub(crate) detail: AlarmDetail,
    /// Whether it opens an alarm, or only keeps one open.
    pub(crate) opens: bool,
}

impl Observed {
    fn new(rule: AlarmRule, subject: impl Into<String>, detail: AlarmDetail) -> Self {
        Self {
            rule,
            subject: subject.into(),
            fleet: None,
            cluster: None,
            mark: String::new(),
            detail,
            opens: true,
        }
    }

    fn of(mut self, cluster: &ClusterFacts) -> Self {
        self.fleet = Some(cluster.fleet.clone());
        self.cluster = Some(cluster.name.clone());
        self
    }

    fn marked(mut self, mark: impl ToString) -> Self {
        self.mark = mark.to_string();
        self
    }
}

/// What is wrong at `now`.
pub(crate) fn observe(facts: &Facts, limits: Limits, now: Timestamp) -> Vec<Observed> {
    let mut all = Vec::new();
    for cluster in &facts.clusters {
        exposure::observe(cluster, limits, now, &mut all);
        absence::observe(cluster, now, &mut all);
    }
    absence::runs(facts, &mut all);
    absence::nodes(facts, &mut all);
    work::observe(facts, limits, now, &mut all);
    certificate::observe(facts, limits, now, &mut all);
    all
}

/// Whether `since` is at least so long ago.
fn older(since: Timestamp, now: Timestamp, than: Duration) -> bool {
    let age = now.duration_since(since);
    !age.is_negative() && age.unsigned_abs() >= than
}

/// A time as people read it.
fn shown(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// So much later; the end of time when it is after that.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
