//! The schedules of a policy, as people write them.
//!
//! Reading one checks its shape alone: documents also come out of the log and
//! the database, where a node with newer rules must not refuse what an older
//! one accepted (I-02). What a schedule means is checked once, when a person
//! applies it, and again by whoever plans with it (`crate::schedule`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::InvalidDocument;
use crate::backup::as_word;
use crate::schedule::Timing;
use crate::{BackupKind, DumpFormat, DumpOptions, Name, Span};

/// More schedules than anyone can oversee, and few enough to plan in no time.
const SCHEDULES_MAX: usize = 32;

/// A recurring intent to take a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Schedule {
    /// Unique in its policy; part of the identity of its runs (I-03).
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "weekly-full"))]
    pub name: Name,
    /// What to take.
    pub kind: BackupKind,
    /// When: minute, hour, day of month, month, day of week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = "0 2 * * 0"))]
    pub cron: Option<String>,
    /// The IANA zone of `cron` and `blackouts`; `UTC` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = "Europe/Vienna"))]
    pub timezone: Option<String>,
    /// How often, in place of `cron`: whole seconds, from 1m to 366d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub every: Option<Span>,
    /// The latest start after the due time; without it there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "4h"))]
    pub window: Option<Span>,
    /// Spreads starts over this long after the due time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "10m"))]
    pub jitter: Option<Span>,
    /// From which server; the primary when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Source>,
    /// How PostgreSQL begins the backup; `fast` when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// What becomes of due times that nobody could serve; `latest` when it is
    /// not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUp>,
    /// With `catchUp: all`, how many at most; 10 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 100))]
    pub catch_up_max: Option<u32>,
    /// Times of day at which nothing starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blackouts: Vec<Blackout>,
    /// What a due time does while an earlier run is not over; `skip` when it
    /// is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// Higher goes first where jobs wait; 0 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// How failures are met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Of a dump: names of databases, or `*` alone, which is all of them; `*`
    /// when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(example = json!(["*"])))]
    pub databases: Option<Vec<String>>,
    /// Of a dump: how a database is written down; `custom` when it is not
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<DumpFormat>,
    /// Of a dump: how many processes write one database; 1 when it is not
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 64))]
    pub jobs: Option<u32>,
    /// Of a dump: whether roles and tablespaces are in it; `true` when it is
    /// not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub globals: Option<bool>,
    /// Of a dump: whether it holds definitions only; `false` when it is not
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_only: Option<bool>,
}

/// From which server a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BackupSource))]
pub enum Source {
    /// The primary.
    Primary,
    /// A standby.
    Standby,
    /// A standby where there is one, the primary otherwise.
    PreferStandby,
}

as_word!(Source {
    Primary = "primary",
    Standby = "standby",
    PreferStandby = "preferStandby",
});

/// How PostgreSQL begins a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Checkpoint {
    /// With an immediate checkpoint.
    Fast,
    /// Spread over half of `checkpoint_timeout`, so that the database's own
    /// writes hardly notice.
    Spread,
}

as_word!(Checkpoint { Fast = "fast", Spread = "spread" });

/// What becomes of due times that passed while nobody could serve them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum CatchUp {
    /// They are skipped.
    Skip,
    /// The latest runs for all of them.
    Latest,
    /// The latest `catchUpMax` run.
    All,
}

/// What a due time does while an earlier run of its schedule is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = OverlapPolicy))]
pub enum Overlap {
    /// It is skipped.
    Skip,
    /// It waits; further ones are coalesced into the one that waits.
    QueueOne,
    /// The earlier run is cancelled.
    CancelRunning,
}

/// A time of day at which nothing starts, in the schedule's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Blackout {
    /// Its first minute, `HH:MM`.
    #[cfg_attr(feature = "schema", schema(example = "08:00"))]
    pub from: String,
    /// The first minute after it; before `from` when it crosses midnight.
    #[cfg_attr(feature = "schema", schema(example = "18:00"))]
    pub to: String,
}

/// How failures of a run are met.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = RetryPolicy))]
pub struct Retry {
    /// How many further attempts; 3 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(maximum = 20))]
    pub max: Option<u32>,
    /// An attempt without progress for this long has failed; 15m when it is
    /// not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "15m"))]
    pub idle_timeout: Option<Span>,
}

impl Schedule {
    /// A schedule that says nothing but how often.
    pub fn every(name: Name, kind: BackupKind, every: Span) -> Self {
        Self {
            name,
            kind,
            cron: None,
            timezone: None,
            every: Some(every),
            window: None,
            jitter: None,
            from: None,
            checkpoint: None,
            catch_up: None,
            catch_up_max: None,
            blackouts: Vec::new(),
            overlap: None,
            priority: None,
            retry: None,
            databases: None,
            format: None,
            jobs: None,
            globals: None,
            schema_only: None,
        }
    }

    /// What becomes of due times that nobody could serve.
    pub fn catch_up(&self) -> CatchUp {
        self.catch_up.unwrap_or(CatchUp::Latest)
    }

    /// How many due times are made up for at most with `catchUp: all`.
    pub fn catch_up_max(&self) -> u32 {
        self.catch_up_max.unwrap_or(10)
    }

    /// What a due time does while an earlier run is not over.
    pub fn overlap(&self) -> Overlap {
        self.overlap.unwrap_or(Overlap::Skip)
    }

    /// Higher goes first.
    pub fn priority(&self) -> i32 {
        self.priority.unwrap_or(0)
    }

    /// How many further attempts a failed run gets.
    pub fn retry_max(&self) -> u32 {
        self.retry.as_ref().and_then(|retry| retry.max).unwrap_or(3)
    }

    /// After how long without progress an attempt has failed.
    pub fn idle_timeout(&self) -> Span {
        let given = self.retry.as_ref().and_then(|retry| retry.idle_timeout);
        given.unwrap_or(Span::from_secs(15 * 60))
    }

    /// What its dumps hold; `None` when it takes something else.
    pub fn dump(&self) -> Option<DumpOptions> {
        if self.kind != BackupKind::Logical {
            return None;
        }
        let usual = DumpOptions::default();
        Some(DumpOptions {
            databases: self.databases.clone().unwrap_or(usual.databases),
            format: self.format.unwrap_or(usual.format),
            jobs: self.jobs.unwrap_or(usual.jobs),
            globals: self.globals.unwrap_or(usual.globals),
            schema_only: self.schema_only.unwrap_or(usual.schema_only),
        })
    }

    /// Whether it says what only later releases understand.
    pub fn chooses_source(&self) -> bool {
        self.from.is_some_and(|from| from != Source::Primary)
            || self.checkpoint == Some(Checkpoint::Spread)
    }

    fn refuse_what_is_not_built(&self, path: &str) -> Result<(), InvalidDocument> {
        let elsewhere = self.from.is_some_and(|from| from != Source::Primary);
        if elsewhere && self.kind == BackupKind::Logical {
            return Err(InvalidDocument::not_yet(format!("{path}.from")));
        }
        Ok(())
    }

    /// What is for dumps only is refused elsewhere, and the other way round:
    /// it would be ignored in silence.
    fn check_dump(&self, path: &str) -> Result<(), InvalidDocument> {
        if let Some(dump) = self.dump() {
            if self.checkpoint.is_some() {
                let message = "a dump begins without a checkpoint; leave it out";
                return Err(InvalidDocument::new(format!("{path}.checkpoint"), message));
            }
            return dump.check().map_err(|error| {
                InvalidDocument::new(format!("{path}.{}", error.field), error.message)
            });
        }
        let for_dumps = [
            ("databases", self.databases.is_some()),
            ("format", self.format.is_some()),
            ("jobs", self.jobs.is_some()),
            ("globals", self.globals.is_some()),
            ("schemaOnly", self.schema_only.is_some()),
        ];
        match for_dumps.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((field, _)) => {
                let message = "it is for schedules of kind logical";
                Err(InvalidDocument::new(format!("{path}.{field}"), message))
            }
        }
    }

    fn check(&self, path: &str) -> Result<(), InvalidDocument> {
        self.refuse_what_is_not_built(path)?;
        self.check_dump(path)?;
        Timing::of(self)
            .map_err(|error| InvalidDocument::new(format!("{path}.{}", error.field), error.message))
            .map(drop)?;
        if let Some(max) = self.catch_up_max {
            let field = format!("{path}.catchUpMax");
            if self.catch_up() != CatchUp::All {
                let message = "only catchUp: all makes up for more than one due time";
                return Err(InvalidDocument::new(field, message));
            }
            if !(1..=100).contains(&max) {
                let message = "1 to 100 due times can be made up for";
                return Err(InvalidDocument::new(field, message));
            }
        }
        if self.retry_max() > 20 {
            let message = "at most 20 further attempts";
            return Err(InvalidDocument::new(format!("{path}.retry.max"), message));
        }
        let idle = self.idle_timeout();
        if idle < Span::from_secs(60) || idle > Span::from_secs(86_400) {
            let message = "an attempt is given up after 1m to 1d without progress";
            let field = format!("{path}.retry.idleTimeout");
            return Err(InvalidDocument::new(field, message));
        }
        Ok(())
    }
}

/// Checks the schedules of a policy.
pub(super) fn check(schedules: &[Schedule]) -> Result<(), InvalidDocument> {
    if schedules.len() > SCHEDULES_MAX {
        let message = format!("a policy has at most {SCHEDULES_MAX} schedules");
        return Err(InvalidDocument::new("spec.schedules", message));
    }
    let mut names = BTreeSet::new();
    for (index, schedule) in schedules.iter().enumerate() {
        let path = format!("spec.schedules[{index}]");
        if !names.insert(&schedule.name) {
            let message = format!(
                "this policy has another schedule called {}; its runs could not be told apart",
                schedule.name
            );
            return Err(InvalidDocument::new(format!("{path}.name"), message));
        }
        schedule.check(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
