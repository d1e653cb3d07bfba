//! Sampling the server over SQL: the insert position that a frontier claims,
//! and the WAL that our slot keeps.
//!
//! It runs as long as the duty does, whatever becomes of the stream: a stream
//! that stands still is exactly when retention must be watched. No answer, a
//! standby or another server make no claim (I-13).

use std::path::PathBuf;
use std::time::Duration;

use holdfast_pg::wal::claimed_position;
use holdfast_pg::{ConnectionInfo, SlotName, sql};
use holdfast_types::resource::WhenFull;
use holdfast_types::{AssignmentId, Failure, Lsn, SegmentSize, Timeline};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Position;
use super::backoff::Backoff;
use super::frontier::Sampled;
use super::quiet::is_quiet;
use super::retention::{Exceeded, Retained, RetentionBound};
use super::status::{Part, Status};
use super::trouble::{self, Trouble};
use crate::host::Host;

/// How long the server may take to say where it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// A primary's insert position, for the receiver: what to wait for before it
/// flushes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hint {
    pub(super) position: Position,
    pub(super) at: Instant,
}

/// The sampler of one duty.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) id: AssignmentId,
    pub(super) host: Host,
    pub(super) info: ConnectionInfo,
    pub(super) slot: SlotName,
    pub(super) status: Status,
    pub(super) every: Duration,
    pub(super) bound: RetentionBound,
    /// The system it must be, when that is known before anything is stored.
    pub(super) system_identifier: Option<u64>,
    /// The data directory, when somebody said so.
    pub(super) directory: Option<PathBuf>,
    /// The size of its volume, when somebody else saw it.
    pub(super) volume_bytes: Option<u64>,
    pub(super) hints: watch::Sender<Option<Hint>>,
    pub(super) exceeded: watch::Sender<Option<Exceeded>>,
    /// Whether somebody streams from our slot: we, or another receiver.
    pub(super) slot_in_use: watch::Sender<bool>,
    /// Whether what an idle server writes stays in its `pg_wal`: nobody
    /// streams it.
    pub(super) reads_quiet_wal: bool,
}

/// What does not change while a session lasts.
struct Server {
    directory: Option<PathBuf>,
    segment: SegmentSize,
    bound_bytes: Option<u64>,
}

/// One look at the server.
struct Seen {
    system_identifier: u64,
    /// `None` on a standby.
    insert: Option<Position>,
    /// `None` without the slot.
    retained_bytes: Option<u64>,
    slot_in_use: bool,
}

const SAMPLE: &str = "\
SELECT s.system_identifier::text, \
       CASE WHEN r.standby THEN NULL ELSE pg_current_wal_insert_lsn()::text END, \
       CASE WHEN r.standby THEN NULL \
            ELSE substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END, \
       (SELECT greatest(pg_wal_lsn_diff(CASE WHEN r.standby \
                  THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) \
                  ELSE pg_current_wal_insert_lsn() END, restart_lsn), 0)::int8::text \
        FROM pg_replication_slots WHERE slot_name = $1), \
       (SELECT active::text FROM pg_replication_slots WHERE slot_name = $1) \
FROM pg_control_system() s, (SELECT pg_is_in_recovery() AS standby OFFSET 0) r";

impl Observer {
    /// Samples until it is dropped.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::patient();
        loop {
            let trouble = match self.watch(&mut backoff).await {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            };
            self.status.trouble(Part::Observer, trouble.failure());
            tokio::time::sleep(backoff.pause()).await;
        }
    }

    async fn watch(&self, backoff: &mut Backoff) -> Result<std::convert::Infallible, Trouble> {
        let session = sql::Session::connect(&self.info).await?;
        let server = within(self.server(&session)).await?;
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (asked, asked_at) = (self.host.clock().local_now(), Instant::now());
            let seen = within(self.sample(&session)).await?;
            self.require_system(seen.system_identifier)?;
            self.status.well(Part::Observer);
            backoff.reset();
            if let Some(insert) = seen.insert {
                let lsn = claimed_position(insert.lsn, server.segment);
                let mut position = Position { lsn, ..insert };
                if self.reads_quiet_wal {
                    position = self.proved_quiet(&server, position).await;
                }
                // Without a measured clock there is no time to claim.
                if let Some(time) = self.host.clock().correct(asked) {
                    self.status.sampled(Sampled { position, time });
                }
                self.hints.send_replace(Some(Hint {
                    position,
                    at: asked_at,
                }));
            }
            self.slot_in_use.send_replace(seen.slot_in_use);
            self.watch_retention(seen.retained_bytes, server.bound_bytes);
        }
    }

    /// The end of what is archived instead of `position`, when no transaction
    /// wrote anything in between.
    async fn proved_quiet(&self, server: &Server, position: Position) -> Position {
        let archived = self
            .status
            .durable_to()
            .filter(|at| at.timeline == position.timeline && at.lsn < position.lsn);
        let (Some(archived), Some(directory)) = (archived, server.directory.clone()) else {
            return position;
        };
        let size = server.segment;
        let looked =
            tokio::task::spawn_blocking(move || is_quiet(&directory, archived, position.lsn, size));
        match looked.await {
            Ok(true) => archived,
            Ok(false) | Err(_) => position,
        }
    }

    /// Tells of the bound each time that it is found passed: dropping the slot
    /// may have failed before. Where it stays, that is the alarm.
    fn watch_retention(&self, retained_bytes: Option<u64>, bound_bytes: Option<u64>) {
        let judged = self.bound.judge(retained_bytes, bound_bytes);
        if self.bound.when_full == WhenFull::Stall {
            match judged {
                Retained::Stall(exceeded) => {
                    self.status.trouble(Part::Retention, exceeded.stalled());
                }
                Retained::Within | Retained::Drop(_) => self.status.well(Part::Retention),
            }
        }
        let exceeded = match judged {
            Retained::Drop(exceeded) => Some(exceeded),
            Retained::Within | Retained::Stall(_) => None,
        };
        self.exceeded.send_if_modified(|known| {
            *known = exceeded;
            exceeded.is_some()
        });
    }

    fn require_system(&self, found: u64) -> Result<(), Trouble> {
        let known = self
            .status
            .lineage()
            .map(|lineage| lineage.system_identifier);
        match known.or(self.system_identifier) {
            Some(expected) if expected != found => Err(Trouble::Waiting(Failure::permanent(
                "foreign_system_identifier",
                format!("the server has system identifier {found}, not {expected}"),
                "the address leads to another database, or this one was created anew: correct \
                 the connection, or enrol it as a new lineage",
            ))),
            _ => Ok(()),
        }
    }

    async fn server(&self, session: &sql::Session) -> Result<Server, Trouble> {
        let query = "SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'";
        let row = session.row(query, &[]).await?;
        let bytes = row
            .try_get::<_, String>(0)
            .ok()
            .and_then(|text| text.parse().ok());
        let segment = bytes.and_then(|bytes| SegmentSize::new(bytes).ok());
        let segment = segment.ok_or_else(|| unreadable("wal_segment_size"))?;
        let directory = match &self.directory {
            Some(directory) => Some(directory.clone()),
            // Only roles with pg_monitor may ask; without it there is no bound.
            None => match session
                .row("SELECT current_setting('data_directory')", &[])
                .await
            {
                Ok(row) => row.try_get::<_, String>(0).ok().map(PathBuf::from),
                Err(error) => {
                    tracing::debug!(%error, "the data directory is not visible");
                    None
                }
            },
        };
        let seen = self.sample(session).await?;
        let bound_bytes = self.bound.bytes(
            directory.as_deref(),
            seen.system_identifier,
            self.volume_bytes,
        );
        // As the operating system names it: the path may hold links.
        let directory = directory.map(|path| std::fs::canonicalize(&path).unwrap_or(path));
        self.host.wal().update(self.id, |source| {
            source.data_directory.clone_from(&directory)
        });
        Ok(Server {
            directory,
            segment,
            bound_bytes,
        })
    }

    async fn sample(&self, session: &sql::Session) -> Result<Seen, Trouble> {
        let row = session.row(SAMPLE, &[&self.slot.as_str()]).await?;
        let text = |column: usize| row.try_get::<_, Option<String>>(column).ok().flatten();
        let system_identifier = text(0).and_then(|text| text.parse::<i64>().ok());
        let system_identifier = system_identifier
            .ok_or_else(|| unreadable("pg_control_system()"))?
            .cast_unsigned();
        let lsn = text(1).and_then(|text| text.parse::<Lsn>().ok());
        let timeline = text(2).and_then(|hex| u32::from_str_radix(&hex, 16).ok());
        let insert = lsn.zip(timeline.and_then(Timeline::new));
        Ok(Seen {
            system_identifier,
            insert: insert.map(|(lsn, timeline)| Position { timeline, lsn }),
            retained_bytes: text(3).and_then(|text| text.parse().ok()),
            slot_in_use: text(4).is_some_and(|active| active == "true"),
        })
    }
}

fn unreadable(what: &str) -> Trouble {
    Trouble::Waiting(Failure::transient(
        "pg_protocol_error",
        format!("PostgreSQL answered something unreadable for {what}"),
        "look at the server's log",
    ))
}

async fn within<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let words = (
        "PostgreSQL did not say its WAL position",
        "look at the server's log and load",
    );
    trouble::within(PATIENCE, words, work).await
}
