//! Which policy keeps an objective, and why.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backup::as_word;
use crate::resource::{Labels, Policy};
use crate::{ByteSize, Name, Span};

/// What shall be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// How much may be lost.
    pub rpo: Span,
    /// How long a restore may take.
    pub rto: Option<Span>,
    /// How large the database is.
    pub size: ByteSize,
    /// Where backups shall be.
    pub repository: Name,
    /// Of which clusters.
    pub selector: Labels,
    /// How fast things are.
    pub rates: Rates,
}

/// How fast things are, as measured, or as is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Bytes a second of a backup.
    pub backup: ByteSize,
    /// Bytes a second of a restore, and of replaying WAL.
    pub restore: ByteSize,
    /// Bytes a second of a dump.
    pub dump: ByteSize,
    /// Bytes a second of restoring a dump, indexes included.
    pub load: ByteSize,
    /// Bytes of WAL a day.
    pub wal_per_day: ByteSize,
}

impl Rates {
    /// What is usual on a host with a few cores, for a database of this size.
    pub const fn usual(size: ByteSize) -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            backup: ByteSize::new(200 * MIB),
            restore: ByteSize::new(200 * MIB),
            dump: ByteSize::new(60 * MIB),
            load: ByteSize::new(20 * MIB),
            wal_per_day: ByteSize::new(size.get() / 10),
        }
    }
}

/// A way to protect a cluster, the least demanding first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = ProtectionMethod))]
pub enum Method {
    /// Dumps alone.
    Dumps,
    /// Base backups without WAL between them.
    BaseBackups,
    /// Base backups, and WAL by `archive_command`.
    ArchivedWal,
    /// Base backups, and WAL as it is written.
    StreamedWal,
}

as_word!(Method {
    Dumps = "dumps",
    BaseBackups = "baseBackups",
    ArchivedWal = "archivedWal",
    StreamedWal = "streamedWal",
});

/// A method, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = WeighedMethod))]
pub struct Weighed {
    /// The method.
    pub method: Method,
    /// Whether it keeps what is asked for.
    pub suffices: bool,
    /// Why.
    pub reason: String,
}

/// A policy that was made for an objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The method it uses; `None` when none keeps what is asked for, and the
    /// policy comes as near as can be.
    pub method: Option<Method>,
    /// Every method.
    pub weighed: Vec<Weighed>,
    /// The policy.
    pub policy: Policy,
    /// Why the policy is as it is, part by part.
    pub reasons: Vec<String>,
}

/// Below that, a database is better dumped than copied.
const DUMP_MOST: u64 = 50 << 30;
/// The shortest interval of backups that anybody wants.
const BACKUPS_LEAST: Duration = Duration::from_secs(3600);
/// `archive_timeout` below that fills repositories with nothing.
const ARCHIVE_LEAST: Duration = Duration::from_secs(60);
/// Storing WAL more often than that costs more than it gives.
const FLUSH_LEAST: Duration = Duration::from_millis(100);
const FLUSH_USUAL: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);

/// Makes a policy for an objective: the least demanding method that keeps it.
pub fn suggest(ask: &Ask) -> Suggestion {
    let weighed = vec![dumps(ask), base_backups(ask), archived(ask), streamed(ask)];
    let sufficing = |method| {
        let found = weighed.iter().find(|one| one.method == method);
        found.is_some_and(|one| one.suffices)
    };
    // Where WAL is needed at all, streaming needs no change of the server's
    // settings and loses less.
    let order = [
        Method::Dumps,
        Method::BaseBackups,
        Method::StreamedWal,
        Method::ArchivedWal,
    ];
    let method = order.into_iter().find(|method| sufficing(*method));
    let (spec, reasons) = write(ask, method.unwrap_or(Method::StreamedWal));
    let policy = serde_json::from_value(spec).expect("what is written here is a policy");
    Suggestion {
        method,
        weighed,
        policy,
        reasons,
    }
}

/// How long it takes to move so many bytes, rounded up.
fn takes(bytes: u64, per_second: ByteSize) -> Duration {
    Duration::from_secs(bytes.div_ceil(per_second.get().max(1)))
}

fn shown(length: Duration) -> Span {
    Span::from_millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

/// A backup is as old as its interval and what the next one takes.
fn longest_interval(rpo: Span, backup: Duration) -> Option<Duration> {
    let left = rpo.get().checked_sub(backup)?;
    // Room for one that starts late.
    let left = left - left / 10;
    let steps = [24u32, 12, 8, 6, 4, 3, 2, 1].map(|hours| BACKUPS_LEAST * hours);
    steps.into_iter().find(|step| *step <= left)
}

fn verdict(method: Method, problem: Option<String>, fine: String) -> Weighed {
    Weighed {
        method,
        suffices: problem.is_none(),
        reason: problem.unwrap_or(fine),
    }
}

fn too_slow(ask: &Ask, restore: Duration) -> Option<String> {
    let rto = ask.rto.filter(|rto| restore > rto.get())?;
    let takes = shown(restore);
    Some(format!("a restore takes about {takes}, longer than {rto}"))
}

fn dumps(ask: &Ask) -> Weighed {
    let size = ask.size.get();
    let (dump, load) = (takes(size, ask.rates.dump), takes(size, ask.rates.load));
    let interval = longest_interval(ask.rpo, dump);
    let problem = match interval {
        _ if size > DUMP_MOST => Some(format!("a dump of {} loads the server for long", ask.size)),
        None => Some(format!(
            "a dump takes about {}, and dumps every hour lose more than {}",
            shown(dump),
            ask.rpo
        )),
        Some(_) => too_slow(ask, load),
    };
    let every = shown(interval.unwrap_or_default());
    let load = shown(load);
    let fine = format!(
        "a dump every {every} loses less than {}; loading one takes about {load}",
        ask.rpo
    );
    verdict(Method::Dumps, problem, fine)
}

fn base_backups(ask: &Ask) -> Weighed {
    let size = ask.size.get();
    let backup = takes(size, ask.rates.backup);
    let interval = longest_interval(ask.rpo, backup);
    let problem = match interval {
        None => Some(format!(
            "a backup takes about {}, and backups every hour lose more than {}",
            shown(backup),
            ask.rpo
        )),
        Some(_) => too_slow(ask, takes(size, ask.rates.restore)),
    };
    let every = shown(interval.unwrap_or_default());
    let fine = format!(
        "a backup every {every} loses less than {}, without any WAL",
        ask.rpo
    );
    verdict(Method::BaseBackups, problem, fine)
}

/// With WAL, a restore also replays what came since the last backup.
fn restore_with_wal(ask: &Ask) -> Duration {
    let wal = ask.rates.wal_per_day.get();
    takes(ask.size.get().saturating_add(wal), ask.rates.restore)
}

fn archived(ask: &Ask) -> Weighed {
    let half = ask.rpo.get() / 2;
    let problem = if half < ARCHIVE_LEAST {
        Some(format!(
            "a segment would have to be archived every {}, filled or not",
            shown(half)
        ))
    } else {
        too_slow(ask, restore_with_wal(ask))
    };
    let timeout = shown(Duration::from_secs(half.as_secs()));
    let fine = format!(
        "with archive_timeout at {timeout} no more than {} is lost",
        ask.rpo
    );
    verdict(Method::ArchivedWal, problem, fine)
}

fn streamed(ask: &Ask) -> Weighed {
    let flush = flush_every(ask.rpo);
    let problem = if ask.rpo.get() < flush * 4 {
        Some(format!(
            "{} takes a receiver that PostgreSQL waits for (wal.synchronous)",
            ask.rpo
        ))
    } else {
        too_slow(ask, restore_with_wal(ask))
    };
    let fine = format!(
        "WAL that is stored every {} loses less than {}",
        shown(flush),
        ask.rpo
    );
    verdict(Method::StreamedWal, problem, fine)
}

/// A quarter of the RPO: one flush may be late, and the next one too.
fn flush_every(rpo: Span) -> Duration {
    let quarter = Duration::from_millis(rpo.millis() / 4);
    quarter.clamp(FLUSH_LEAST, FLUSH_USUAL)
}

fn write(ask: &Ask, method: Method) -> (Value, Vec<String>) {
    let mut reasons = Vec::new();
    let mut spec = json!({
        "selector": ask.selector,
        "repository": ask.repository,
        "objectives": {"rpo": ask.rpo},
    });
    match method {
        Method::Dumps => {
            let interval = longest_interval(ask.rpo, takes(ask.size.get(), ask.rates.dump));
            let every = shown(interval.unwrap_or(BACKUPS_LEAST));
            spec["wal"] = json!({"mode": "none"});
            spec["schedules"] =
                json!([{"name": "dump", "kind": "logical", "every": every, "jitter": "10m"}]);
            reasons.push(format!(
                "dumps every {every}, so that the newest is never older than {}",
                ask.rpo
            ));
        }
        Method::BaseBackups => {
            let interval = longest_interval(ask.rpo, takes(ask.size.get(), ask.rates.backup));
            let every = shown(interval.unwrap_or(BACKUPS_LEAST));
            spec["wal"] = json!({"mode": "none"});
            spec["schedules"] =
                json!([{"name": "backup", "kind": "incremental", "every": every, "jitter": "10m"}]);
            reasons.push(format!("backups every {every}, each with its own WAL; incremental, so that unchanged data is stored once"));
        }
        Method::ArchivedWal | Method::StreamedWal => {
            write_wal(ask, method, &mut spec, &mut reasons)
        }
    }
    spec["retention"] = json!({"keep": {"last": 2, "daily": 7, "weekly": 4}});
    reasons.push("kept: the last 2 backups, one of each of 7 days and of 4 weeks".to_owned());
    (spec, reasons)
}

fn write_wal(ask: &Ask, method: Method, spec: &mut Value, reasons: &mut Vec<String>) {
    spec["objectives"]["window"] = json!("14d");
    reasons.push(
        "any point of the last 14d can be restored, for mistakes are noticed late".to_owned(),
    );
    if method == Method::ArchivedWal {
        spec["wal"] = json!({"mode": "archive"});
        let timeout = shown(Duration::from_secs(ask.rpo.get().as_secs() / 2));
        reasons.push(format!(
            "archive_timeout is to be {timeout} on every instance"
        ));
    } else {
        let flush = shown(flush_every(ask.rpo));
        spec["wal"] = json!({"mode": "streaming", "flushEvery": flush});
        reasons.push(format!(
            "WAL is stored every {flush}, a quarter of the RPO or 5s"
        ));
    }
    let every = backup_interval(ask);
    let daily =
        json!({"name": "incremental", "kind": "incremental", "every": every, "jitter": "10m"});
    let weekly = json!({"name": "full", "kind": "full", "cron": "0 2 * * 0", "jitter": "1h"});
    spec["schedules"] = json!([weekly, daily]);
    match ask.rto {
        Some(rto) => reasons.push(format!(
            "incrementals every {every}: a restore and the WAL since then take less than {rto}"
        )),
        None => reasons.push(format!("incrementals every {every}: less WAL to replay")),
    }
}

/// So often that what is left of the RTO after fetching the data is enough to
/// replay the WAL since.
fn backup_interval(ask: &Ask) -> Span {
    let fetch = takes(ask.size.get(), ask.rates.restore);
    let left = ask.rto.map(|rto| rto.get().saturating_sub(fetch));
    let steps = [24u32, 12, 6, 3].map(|hours| BACKUPS_LEAST * hours);
    let fits = |step: &Duration| {
        let wal = u128::from(ask.rates.wal_per_day.get()) * step.as_millis() / DAY.as_millis();
        let wal = u64::try_from(wal).unwrap_or(u64::MAX);
        left.is_none_or(|left| takes(wal, ask.rates.restore) <= left)
    };
    shown(steps.into_iter().find(fits).unwrap_or(BACKUPS_LEAST))
}

#[cfg(test)]
mod tests;
