//! Objectives, WAL mode and limits, bound to clusters by labels.

use serde::{Deserialize, Serialize};

use super::{
    Approvals, Drill, InvalidDocument, Labels, MaxRetained, NotYet, Retention, Schedule, Source,
    WhenFull,
};
use crate::access::ApprovalRule;
use crate::backup::as_word;
use crate::{BackupKind, ByteRate, Name, RpoScope, Span};

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = PolicySpec))]
pub struct Policy {
    /// The clusters it is for: those with all of these labels; `{}` is all.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, String>))]
    pub selector: Labels,
    /// Decides between two policies that select the same cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// What it promises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objectives: Option<Objectives>,
    /// The repository for backups and WAL.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub repository: Name,
    /// How data is compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// How WAL gets into the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal: Option<WalPolicy>,
    /// The repositories that its backups and WAL are copied to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<PolicyCopy>,
    /// When backups are taken by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// What is kept, and for how long; without it, nothing expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// When restores are rehearsed, and what is checked then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drills: Vec<Drill>,
    /// How much may happen at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How many other people must consent to dangerous acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
}

/// A repository that backups and WAL are copied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyCopy {
    /// The repository.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub repository: Name,
    /// How far it may lag behind; whether it does is shown with the exposure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "15m"))]
    pub within: Option<Span>,
}

/// What a policy promises.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Objectives {
    /// How much may be lost; without it there is no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "30s"))]
    pub rpo: Option<Span>,
    /// Of which loss the RPO is said; of the cluster alone when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_scope: Option<RpoScope>,
    /// How long a restore may take. Whether it can is shown by `policy preview`
    /// and with the policy in force, from restores that were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "30m"))]
    pub rto: Option<Span>,
    /// How far back any point in time shall be restorable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "14d"))]
    pub window: Option<Span>,
}

/// A compression algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Codec {
    /// Zstandard.
    Zstd,
    /// LZ4.
    Lz4,
    /// Stored as it is.
    None,
}

as_word!(Codec { Zstd = "zstd", Lz4 = "lz4", None = "none" });

/// How data is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Compression {
    /// The algorithm.
    pub codec: Codec,
    /// zstd's level, 1 to 19; 1 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<i32>,
}

impl Compression {
    /// What is used when a policy does not say: zstd at its fastest usual level
    /// (docs/performance.md compares it with level 3).
    pub const DEFAULT: Self = Self {
        codec: Codec::Zstd,
        level: Some(1),
    };

    /// zstd's level.
    pub fn level(self) -> i32 {
        self.level.unwrap_or(1)
    }
}

/// How WAL reaches a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum WalMode {
    /// The agent receives it over the replication protocol.
    #[default]
    Streaming,
    /// PostgreSQL's `archive_command` pushes it.
    Archive,
    /// Both at once.
    Both,
    /// Each backup carries its own.
    None,
}

as_word!(WalMode {
    Streaming = "streaming",
    Archive = "archive",
    Both = "both",
    None = "none",
});

impl WalMode {
    /// Whether an agent streams it.
    pub const fn streams(self) -> bool {
        matches!(self, Self::Streaming | Self::Both)
    }

    /// Whether PostgreSQL's archiver hands it over.
    pub const fn archives(self) -> bool {
        matches!(self, Self::Archive | Self::Both)
    }
}

/// Where WAL must be durable before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Durability {
    /// In the repository.
    Repository,
    /// In a spool on a relay agent.
    Spool,
}

/// Which agent receives a cluster's WAL while several could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum WalReceiver {
    /// The one on the primary's host; relays stand in for it.
    #[default]
    Primary,
    /// The first relay that works; the primary's agent stands in for them.
    Relay,
}

/// How WAL gets into the repository.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WalPolicy {
    /// How WAL reaches the repository; `streaming` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<WalMode>,
    /// How long received WAL may wait before it is stored; 5 s when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "5s"))]
    pub flush_every: Option<Span>,
    /// Where it must be durable; `repository` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// Which agent receives it; `primary` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<WalReceiver>,
    #[serde(default, skip_serializing_if = "NotYet::skip")]
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[doc(hidden)]
    pub synchronous: NotYet,
    #[serde(default, skip_serializing_if = "NotYet::skip")]
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[doc(hidden)]
    pub sync_lost: NotYet,
    /// How much WAL PostgreSQL may keep for the slot: a part of the volume or
    /// a size; `20%` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "20%"))]
    pub max_retained: Option<MaxRetained>,
    /// What happens then; `drop` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_full: Option<WhenFull>,
}

/// The least that `limits.bandwidth` may be: an object is sent as a whole.
const LEAST_BANDWIDTH: ByteRate = ByteRate::per_second(64 << 10);

/// How many jobs may run at once, and how fast; without a number there is no limit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Limits {
    /// How much the jobs on one host may send to one repository in a second,
    /// together; at least 64KiB/s. WAL and restores are never slowed down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "200MiB/s"))]
    pub bandwidth: Option<ByteRate>,
    /// On one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub jobs_per_host: Option<u32>,
    /// With one repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub jobs_per_repository: Option<u32>,
    /// In one fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1))]
    pub jobs_per_fleet: Option<u32>,
}

impl Limits {
    fn check(&self) -> Result<(), InvalidDocument> {
        if self.bandwidth.is_some_and(|rate| rate < LEAST_BANDWIDTH) {
            return Err(InvalidDocument::new(
                "spec.limits.bandwidth",
                format!("it is at least {LEAST_BANDWIDTH}; leave it out to have no limit"),
            ));
        }
        let limits = [
            ("jobsPerHost", self.jobs_per_host),
            ("jobsPerRepository", self.jobs_per_repository),
            ("jobsPerFleet", self.jobs_per_fleet),
        ];
        match limits.iter().find(|(_, limit)| *limit == Some(0)) {
            None => Ok(()),
            Some((name, _)) => Err(InvalidDocument::new(
                format!("spec.limits.{name}"),
                "a limit is at least 1; leave it out to have none",
            )),
        }
    }
}

impl Policy {
    /// A policy that says nothing but where backups go.
    pub fn into_repository(repository: Name) -> Self {
        Self {
            selector: Labels::new(),
            priority: None,
            objectives: None,
            repository,
            compression: None,
            wal: None,
            copies: Vec::new(),
            schedules: Vec::new(),
            retention: None,
            drills: Vec::new(),
            limits: None,
            approvals: None,
        }
    }

    /// Its priority, 0 when it is not said.
    pub fn priority(&self) -> i32 {
        self.priority.unwrap_or(0)
    }

    /// How many bytes a second its jobs may send from a host to a repository.
    pub fn bandwidth(&self) -> Option<u64> {
        let limits = self.limits.as_ref()?;
        limits.bandwidth.map(ByteRate::bytes_per_second)
    }

    /// Its RPO.
    pub fn rpo(&self) -> Option<Span> {
        self.objectives
            .as_ref()
            .and_then(|objectives| objectives.rpo)
    }

    /// Its RTO.
    pub fn rto(&self) -> Option<Span> {
        self.objectives
            .as_ref()
            .and_then(|objectives| objectives.rto)
    }

    /// How far back it promises that any point in time can be restored.
    pub fn window(&self) -> Option<Span> {
        self.objectives
            .as_ref()
            .and_then(|objectives| objectives.window)
    }

    /// How far back any point in time stays restorable: what its retention says,
    /// or else what it promises.
    pub fn pitr(&self) -> Option<Span> {
        let written = self.retention.as_ref().and_then(|kept| kept.pitr);
        written.or(self.window())
    }

    /// Of which loss its RPO is said.
    pub fn rpo_scope(&self) -> RpoScope {
        let given = self.objectives.as_ref().and_then(|said| said.rpo_scope);
        given.unwrap_or_default()
    }

    /// How long received WAL may wait before it is stored.
    pub fn flush_every(&self) -> Span {
        let given = self.wal.as_ref().and_then(|wal| wal.flush_every);
        given.unwrap_or(Span::from_secs(5))
    }

    /// Whether WAL is received; without it, what is protected is as old as the
    /// newest backup.
    pub fn receives_wal(&self) -> bool {
        self.wal_mode() != WalMode::None
    }

    /// How WAL reaches the repository.
    pub fn wal_mode(&self) -> WalMode {
        let given = self.wal.as_ref().and_then(|wal| wal.mode);
        given.unwrap_or_default()
    }

    /// Which agent receives WAL while several could.
    pub fn wal_receiver(&self) -> WalReceiver {
        let given = self.wal.as_ref().and_then(|wal| wal.receiver);
        given.unwrap_or_default()
    }

    /// How much WAL PostgreSQL may keep for its slots.
    pub fn max_retained(&self) -> MaxRetained {
        let given = self.wal.as_ref().and_then(|wal| wal.max_retained);
        given.unwrap_or_default()
    }

    /// What happens when PostgreSQL has kept as much as it may.
    pub fn when_full(&self) -> WhenFull {
        let given = self.wal.as_ref().and_then(|wal| wal.when_full);
        given.unwrap_or_default()
    }

    /// Whether it says anything of what PostgreSQL may keep.
    pub fn bounds_retained(&self) -> bool {
        let says = |wal: &WalPolicy| wal.max_retained.is_some() || wal.when_full.is_some();
        self.wal.as_ref().is_some_and(says)
    }

    /// How many others must consent to what this rule is about.
    pub fn approvals(&self, rule: ApprovalRule) -> u32 {
        let count = self.approvals.and_then(|rules| match rule {
            ApprovalRule::Delete => rules.delete,
            ApprovalRule::ShortenRetention => rules.shorten_retention,
            ApprovalRule::RestoreOver => rules.restore_over,
        });
        count.unwrap_or(0)
    }

    /// For how long a drill that passed proves something; `None` where no drills are
    /// ordered. Of several orders the one that comes most often counts.
    pub fn drills_fresh_for(&self) -> Option<Span> {
        self.drills.iter().filter_map(Drill::fresh_for).min()
    }

    /// How its data is compressed.
    pub fn compression(&self) -> Compression {
        self.compression.unwrap_or(Compression::DEFAULT)
    }

    pub(crate) fn check(&self) -> Result<(), InvalidDocument> {
        self.refuse_what_is_not_built()?;
        self.refuse_scope_without_copies()?;
        if let Some(Compression {
            codec,
            level: Some(level),
        }) = self.compression
        {
            let field = "spec.compression.level";
            if codec != Codec::Zstd {
                return Err(InvalidDocument::new(
                    field,
                    format!("{codec} has no levels"),
                ));
            }
            if !(1..=19).contains(&level) {
                return Err(InvalidDocument::new(field, "zstd has levels 1 to 19"));
            }
        }
        let flush = self.flush_every().get().as_millis();
        if !(100..=3_600_000).contains(&flush) {
            let message = "received WAL is stored every 100ms to 1h";
            return Err(InvalidDocument::new("spec.wal.flushEvery", message));
        }
        if self.rpo().is_some_and(|rpo| rpo.get().is_zero()) {
            let message = "an RPO is longer than no time";
            return Err(InvalidDocument::new("spec.objectives.rpo", message));
        }
        if self.rto().is_some_and(|rto| rto.get().is_zero()) {
            let message = "an RTO is longer than no time";
            return Err(InvalidDocument::new("spec.objectives.rto", message));
        }
        if self.window().is_some_and(|window| window.get().is_zero()) {
            let message = "a window is longer than no time";
            return Err(InvalidDocument::new("spec.objectives.window", message));
        }
        self.check_copies()?;
        self.check_retained()?;
        if let Some(retention) = &self.retention {
            retention.check(self.window())?;
        }
        if let Some(limits) = &self.limits {
            limits.check()?;
        }
        if let Some(approvals) = &self.approvals {
            approvals.check()?;
        }
        super::schedule::check(&self.schedules)?;
        super::drill::check(&self.drills, &self.schedules)
    }

    fn check_copies(&self) -> Result<(), InvalidDocument> {
        for (index, copy) in self.copies.iter().enumerate() {
            let field = format!("spec.copies[{index}].repository");
            if copy.repository == self.repository {
                let message = "a copy is in another repository than the original";
                return Err(InvalidDocument::new(field, message));
            }
            let before = &self.copies[..index];
            if before.iter().any(|one| one.repository == copy.repository) {
                let message = format!("the repository {} is named twice", copy.repository);
                return Err(InvalidDocument::new(field, message));
            }
            if copy.within.is_some_and(|within| within.get().is_zero()) {
                let field = format!("spec.copies[{index}].within");
                let message = "a copy takes longer than no time";
                return Err(InvalidDocument::new(field, message));
            }
        }
        Ok(())
    }

    /// A bound that nothing would keep is refused, not accepted in silence.
    fn check_retained(&self) -> Result<(), InvalidDocument> {
        if !self.bounds_retained() {
            return Ok(());
        }
        if !self.wal_mode().streams() {
            let given = self
                .wal
                .as_ref()
                .is_some_and(|wal| wal.max_retained.is_some());
            let field = if given { "maxRetained" } else { "whenFull" };
            return Err(InvalidDocument::new(
                format!("spec.wal.{field}"),
                "it bounds what a replication slot keeps, and without streaming there is none; \
                 what PostgreSQL's archiver has not handed over yet it keeps without a bound",
            ));
        }
        self.max_retained().check()
    }

    /// Whether it takes physical backups that carry their own WAL.
    pub fn carries_wal(&self) -> bool {
        let physical = |schedule: &Schedule| schedule.kind != BackupKind::Logical;
        !self.receives_wal() && self.schedules.iter().any(physical)
    }

    /// How far behind its primary a standby is, nobody can tell without WAL
    /// that is received from there: a backup of it would have no known age.
    fn refuse_standbys(&self) -> Result<(), InvalidDocument> {
        let elsewhere =
            |schedule: &Schedule| schedule.from.is_some_and(|from| from != Source::Primary);
        match self.schedules.iter().position(elsewhere) {
            None => Ok(()),
            Some(index) => {
                let field = format!("spec.schedules[{index}].from");
                Err(InvalidDocument::not_yet(field))
            }
        }
    }

    /// What is lost with the first place has to be in another.
    fn refuse_scope_without_copies(&self) -> Result<(), InvalidDocument> {
        let scope = self.rpo_scope();
        let field = "spec.objectives.rpoScope";
        if scope == RpoScope::Any {
            return Ok(());
        }
        if self.rpo().is_none() {
            let message = "it says what an RPO is about, and there is no `rpo`";
            return Err(InvalidDocument::new(field, message));
        }
        if self.copies.is_empty() {
            let message = match scope {
                RpoScope::RegionLoss => {
                    "an RPO about the loss of a region needs a copy in another one: name it in \
                     `copies`"
                }
                _ => "an RPO about two copies needs a second one: name it in `copies`",
            };
            return Err(InvalidDocument::new(field, message));
        }
        Ok(())
    }

    fn refuse_what_is_not_built(&self) -> Result<(), InvalidDocument> {
        let Some(wal) = &self.wal else { return Ok(()) };
        wal.synchronous.refuse("spec.wal.synchronous")?;
        wal.sync_lost.refuse("spec.wal.syncLost")?;
        match wal.mode {
            None | Some(WalMode::Streaming) => {}
            Some(WalMode::None) => self.refuse_standbys()?,
            Some(WalMode::Archive | WalMode::Both) => {
                if wal.receiver == Some(WalReceiver::Relay) {
                    return Err(InvalidDocument::new(
                        "spec.wal.receiver",
                        "archive_command hands WAL to the agent on the primary's own host: a \
                         relay can only stream it",
                    ));
                }
            }
        }
        if wal
            .durability
            .is_some_and(|durability| durability != Durability::Repository)
        {
            return Err(InvalidDocument::not_yet("spec.wal.durability"));
        }
        Ok(())
    }
}

/// Whether a selector selects something with these labels.
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}
