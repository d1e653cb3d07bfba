//! A policy for what somebody needs, with the reasons for each part of it.
//!
//! The least that suffices is suggested, in this order: dumps, base backups
//! without WAL, archived WAL, streamed WAL. What is assumed because nothing was
//! measured is said.

use serde::{Deserialize, Serialize};

use super::words::{about, rate, real, span};
use crate::backup::as_word;
use crate::resource::{
    Durability, Keep, Labels, Objectives, Policy, PolicyCopy, Retention, Schedule, WalMode,
    WalPolicy,
};
use crate::{BackupKind, ByteSize, Name, Span};

/// What restores and backups copy in a second where nobody measured it: what one
/// gigabit link carries.
const COPY: f64 = 100.0 * MIB;
/// What PostgreSQL replays of WAL in a second, where nobody measured it.
const REPLAY: f64 = 50.0 * MIB;
/// What `pg_restore` loads in a second, indexes included; what `pg_dump` writes is
/// taken for as slow.
const LOAD: f64 = 20.0 * MIB;
/// The part of a database's size that it writes as WAL in a day, where nobody
/// measured it.
const WRITTEN: f64 = 0.1;
const MIB: f64 = 1_048_576.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
/// Below this part of what is asked for there is room for a slow day, and no
/// cluster is AT_RISK in ordinary work.
const ROOM: f64 = 0.8;
/// How often backups are taken, the rarest first.
const PERIODS: [f64; 6] = [DAY, 12.0 * HOUR, 6.0 * HOUR, 4.0 * HOUR, 2.0 * HOUR, HOUR];
/// Backups without WAL are not taken more often than this: receiving WAL costs
/// the database less.
const LEAST_ALONE: f64 = 6.0 * HOUR;
/// The shortest `archive_timeout`, in seconds, that does not fill the repository
/// with segments that are nearly empty.
const LEAST_SWITCH: f64 = 60.0;
/// What storing a slice takes beside the time it waited.
const STORE: f64 = 1.0;

/// What somebody needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// How much may be lost.
    pub rpo: Span,
    /// How long a restore may take.
    pub rto: Span,
    /// How large the database is.
    pub size: ByteSize,
    /// How far back any point in time shall be restorable; `None` when only the
    /// newest state matters.
    pub window: Option<Span>,
    /// The clusters it is for.
    pub selector: Labels,
    /// Where backups go.
    pub repository: Name,
    /// Where they are copied to.
    pub copy: Option<Name>,
    /// What restores were measured to copy in a second.
    pub copy_bytes_per_second: Option<f64>,
    /// What restores were measured to replay in a second.
    pub replay_bytes_per_second: Option<f64>,
}

/// A way to protect a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ProtectionMeans))]
pub enum Means {
    /// Dumps alone.
    Dump,
    /// Base backups that carry their own WAL.
    BaseBackup,
    /// Base backups and WAL by PostgreSQL's archiver.
    ArchivedWal,
    /// Base backups and WAL by streaming.
    StreamedWal,
}

as_word!(Means {
    Dump = "dump",
    BaseBackup = "baseBackup",
    ArchivedWal = "archivedWal",
    StreamedWal = "streamedWal",
});

/// Whether a way to protect a cluster suffices, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ProtectionCandidate))]
pub struct Candidate {
    /// The way.
    pub means: Means,
    /// Whether it keeps everything that is asked for.
    pub suffices: bool,
    /// Why, or why not.
    pub because: String,
}

/// Why a field says what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FieldReason {
    /// Its path below `spec`.
    pub field: String,
    /// Why.
    pub because: String,
}

/// A policy with its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The policy.
    pub policy: Policy,
    /// The way it takes.
    pub means: Means,
    /// Whether it keeps everything that was asked for. If not, it is the nearest.
    pub feasible: bool,
    /// Every way, the least first.
    pub candidates: Vec<Candidate>,
    /// Why each field says what it says.
    pub reasons: Vec<FieldReason>,
    /// What was taken for true because nobody measured it.
    pub assumptions: Vec<String>,
}

/// What a way would come to.
struct Plan {
    means: Means,
    meets_rpo: bool,
    meets_rto: bool,
    meets_window: bool,
    /// How often backups are taken, in seconds.
    period: f64,
    because: String,
}

impl Plan {
    fn suffices(&self) -> bool {
        self.meets_rpo && self.meets_rto && self.meets_window
    }
}

/// Suggests a policy.
pub fn suggest(ask: &Ask) -> Suggestion {
    let plans = [dump(ask), base_backup(ask), archived(ask), streamed(ask)];
    let least = |fits: fn(&Plan) -> bool| plans.iter().find(|plan| fits(plan));
    // Where all cannot be had, what may be lost counts most: it cannot be made up.
    let chosen = least(Plan::suffices)
        .or_else(|| least(|plan| plan.meets_rpo && plan.meets_window))
        .unwrap_or(&plans[3]);
    let (policy, reasons) = write(ask, chosen);
    Suggestion {
        policy,
        means: chosen.means,
        feasible: chosen.suffices(),
        candidates: plans
            .iter()
            .map(|plan| Candidate {
                means: plan.means,
                suffices: plan.suffices(),
                because: plan.because.clone(),
            })
            .collect(),
        reasons,
        assumptions: assumptions(ask, chosen.means),
    }
}

fn copied_per_second(ask: &Ask) -> f64 {
    ask.copy_bytes_per_second.unwrap_or(COPY).max(1.0)
}

fn dump(ask: &Ask) -> Plan {
    let takes = real(ask.size.get()) / LOAD;
    alone(ask, Means::Dump, takes, "a dump is read back by pg_restore")
}

fn base_backup(ask: &Ask) -> Plan {
    let takes = real(ask.size.get()) / copied_per_second(ask);
    alone(
        ask,
        Means::BaseBackup,
        takes,
        "a base backup is copied back",
    )
}

/// Backups without WAL: what may be lost is as old as the newest one, until the
/// next is complete.
fn alone(ask: &Ask, means: Means, takes: f64, restored: &str) -> Plan {
    let rpo = ask.rpo.as_secs_f64();
    let fits = |period: &&f64| **period >= LEAST_ALONE && **period + takes <= rpo * ROOM;
    let period = PERIODS.iter().find(fits).copied();
    let (meets_rto, meets_window) = (takes <= ask.rto.as_secs_f64(), ask.window.is_none());
    let because = match (period, meets_window) {
        (None, _) => format!(
            "what may be lost is as old as the newest backup until the next one is complete, and \
             one every {} that takes {} does not keep {}",
            about(LEAST_ALONE),
            about(takes),
            ask.rpo
        ),
        (Some(_), false) => {
            "there are no points to restore to between two backups, and a window of points is \
             asked for"
                .to_owned()
        }
        (Some(period), true) if meets_rto => format!(
            "one every {} that takes {} keeps {}; {restored} in {}, sooner than {}",
            about(period),
            about(takes),
            ask.rpo,
            about(takes),
            ask.rto
        ),
        (Some(_), true) => format!("{restored} in {}, later than {}", about(takes), ask.rto),
    };
    Plan {
        means,
        meets_rpo: period.is_some(),
        meets_rto,
        meets_window,
        period: period.unwrap_or(LEAST_ALONE),
        because,
    }
}

fn archived(ask: &Ask) -> Plan {
    let rpo = ask.rpo.as_secs_f64();
    let meets_rpo = rpo >= LEAST_SWITCH * 3.0;
    let says = if meets_rpo {
        format!(
            "a segment is archived at least every {}, by archive_timeout",
            switch(ask)
        )
    } else {
        format!(
            "archived WAL is as old as the last segment, and to switch more often than every {} \
             for {} costs more than streaming",
            about(LEAST_SWITCH),
            ask.rpo
        )
    };
    with_wal(ask, Means::ArchivedWal, meets_rpo, &says)
}

fn streamed(ask: &Ask) -> Plan {
    let worst = flush(ask).as_secs_f64() + STORE;
    let meets_rpo = worst <= ask.rpo.as_secs_f64();
    let says = if meets_rpo {
        format!("received WAL is stored every {}", flush(ask))
    } else {
        format!(
            "received WAL is in the repository about a second after the commit, and {} is less: \
             only commits that wait for the repository would keep that (wal.synchronous is not \
             supported yet)",
            ask.rpo
        )
    };
    with_wal(ask, Means::StreamedWal, meets_rpo, &says)
}

/// Base backups and WAL: a restore copies the one and replays the other.
fn with_wal(ask: &Ask, means: Means, meets_rpo: bool, says: &str) -> Plan {
    let copy = real(ask.size.get()) / copied_per_second(ask);
    let replay = replay_part(ask);
    let rto = ask.rto.as_secs_f64();
    let fits = |period: &&f64| copy + replay * **period <= rto * ROOM;
    let roomy = PERIODS.iter().find(fits).copied();
    let shortest = PERIODS[PERIODS.len() - 1];
    let period = roomy.unwrap_or(if copy > rto { DAY } else { shortest });
    let restore = copy + replay * period;
    let meets_rto = restore <= rto;
    let restored = if meets_rto {
        format!(
            "with a base backup every {} a restore takes about {}, sooner than {}",
            about(period),
            about(restore),
            ask.rto
        )
    } else {
        format!(
            "a restore takes about {}, {} of it to copy the base backup, later than {}",
            about(restore),
            about(copy),
            ask.rto
        )
    };
    Plan {
        means,
        meets_rpo,
        meets_rto,
        meets_window: true,
        period,
        because: format!("{says}; {restored}"),
    }
}

/// How many seconds the replay of a second's WAL takes.
fn replay_part(ask: &Ask) -> f64 {
    let written = real(ask.size.get()) * WRITTEN / DAY;
    written / ask.replay_bytes_per_second.unwrap_or(REPLAY).max(1.0)
}

/// How long received WAL may wait: a quarter of the RPO, so that a slow store
/// does not break it, and not less often than by default.
fn flush(ask: &Ask) -> Span {
    let quarter = ask.rpo.millis() / 4;
    let whole = if quarter >= 1_000 {
        quarter / 1_000 * 1_000
    } else {
        quarter / 100 * 100
    };
    Span::from_millis(whole.clamp(100, 5_000))
}

/// `archive_timeout`: a third of the RPO.
fn switch(ask: &Ask) -> Span {
    let third = (ask.rpo.as_secs_f64() / 3.0).clamp(LEAST_SWITCH, HOUR);
    span((third / LEAST_SWITCH).floor() * LEAST_SWITCH)
}

fn write(ask: &Ask, plan: &Plan) -> (Policy, Vec<FieldReason>) {
    let mut reasons = Reasons::default();
    let wal = wal(ask, plan, &mut reasons);
    let schedule = schedule(plan, &mut reasons);
    let retention = retention(ask, plan, &mut reasons);
    let copies = copies(ask, &mut reasons);
    reasons.add("objectives", "what was asked for");
    let policy = Policy {
        selector: ask.selector.clone(),
        objectives: Some(Objectives {
            rpo: Some(ask.rpo),
            rto: Some(ask.rto),
            window: ask.window,
            ..Objectives::default()
        }),
        wal: Some(wal),
        schedules: vec![schedule],
        retention: Some(retention),
        copies,
        ..Policy::into_repository(ask.repository.clone())
    };
    (policy, reasons.0)
}

#[derive(Default)]
struct Reasons(Vec<FieldReason>);

impl Reasons {
    fn add(&mut self, field: &str, because: impl Into<String>) {
        self.0.push(FieldReason {
            field: field.to_owned(),
            because: because.into(),
        });
    }
}

fn wal(ask: &Ask, plan: &Plan, reasons: &mut Reasons) -> WalPolicy {
    let (mode, flush_every, because) = match plan.means {
        Means::Dump | Means::BaseBackup => (
            WalMode::None,
            None,
            "no WAL is needed: each backup is complete in itself".to_owned(),
        ),
        Means::ArchivedWal => (
            WalMode::Archive,
            None,
            format!(
                "the archiver hands over each segment; set archive_timeout = {} in PostgreSQL and \
                 archive_command as `holdfast-agent doctor` says",
                switch(ask)
            ),
        ),
        Means::StreamedWal => {
            let flush = flush(ask);
            let because = format!("stored every {flush}, which leaves room below {}", ask.rpo);
            (WalMode::Streaming, Some(flush), because)
        }
    };
    reasons.add("wal", because);
    let durability = (mode != WalMode::None).then_some(Durability::Repository);
    WalPolicy {
        mode: Some(mode),
        flush_every,
        durability,
        ..WalPolicy::default()
    }
}

fn schedule(plan: &Plan, reasons: &mut Reasons) -> Schedule {
    let (name, kind, because) = match plan.means {
        Means::Dump => (
            "dump",
            BackupKind::Logical,
            "restores into any later PostgreSQL",
        ),
        Means::BaseBackup | Means::ArchivedWal | Means::StreamedWal => (
            "incremental",
            BackupKind::Incremental,
            "the first is a full backup, each one restores in one pass, and there is no need for \
             further full ones",
        ),
    };
    let every = span(plan.period);
    let because = format!("every {every}, spread over the fleet by itself; {because}");
    reasons.add("schedules", because);
    Schedule::every(name.parse().expect("it is a name"), kind, every)
}

fn retention(ask: &Ask, plan: &Plan, reasons: &mut Reasons) -> Retention {
    let days = ask
        .window
        .map_or(7.0, |window| (window.as_secs_f64() / DAY).ceil());
    let days = u32::try_from(span(days).get().as_secs())
        .unwrap_or(u32::MAX)
        .min(3_660);
    let because = match (ask.window, plan.means) {
        (Some(window), _) => format!(
            "a backup of each day of the window of {window}, so that no restore into it replays \
             more than a day of WAL"
        ),
        (None, Means::Dump | Means::BaseBackup) => {
            "a week of backups: no window was asked for".to_owned()
        }
        (None, _) => "a week of backups, and any point since the oldest of them: no window was \
                      asked for"
            .to_owned(),
    };
    reasons.add("retention", because);
    Retention {
        keep: Some(Keep {
            daily: Some(days.max(1)),
            ..Keep::default()
        }),
        ..Retention::default()
    }
}

fn copies(ask: &Ask, reasons: &mut Reasons) -> Vec<PolicyCopy> {
    let Some(repository) = &ask.copy else {
        let because = "none was asked for: what takes the repository takes everything";
        reasons.add("copies", because);
        return Vec::new();
    };
    let within = ask.rpo.max(Span::from_secs(15 * 60));
    let because = format!("not further behind than {within}, without slowing the original down");
    reasons.add("copies", because);
    vec![PolicyCopy {
        repository: repository.clone(),
        within: Some(within),
    }]
}

fn assumptions(ask: &Ask, means: Means) -> Vec<String> {
    let mut said = Vec::new();
    if means == Means::Dump {
        said.push(format!("pg_dump and pg_restore move {}", rate(LOAD)));
    } else {
        match ask.copy_bytes_per_second {
            None => said.push(format!("backups and restores copy {}", rate(COPY))),
            Some(measured) => {
                said.push(format!("restores copy {}, as was measured", rate(measured)));
            }
        }
    }
    if matches!(means, Means::ArchivedWal | Means::StreamedWal) {
        let written = WRITTEN * 100.0;
        said.push(format!(
            "{written:.0} % of the size is written as WAL in a day"
        ));
        match ask.replay_bytes_per_second {
            None => said.push(format!("PostgreSQL replays {} of WAL", rate(REPLAY))),
            Some(measured) => {
                said.push(format!(
                    "PostgreSQL replays {} of WAL, as was measured",
                    rate(measured)
                ));
            }
        }
    }
    said
}

#[cfg(test)]
mod tests;
