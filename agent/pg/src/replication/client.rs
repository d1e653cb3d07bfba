//! The commands of the replication protocol.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use holdfast_types::{InvalidWal, Lsn, SegmentSize, Timeline, TimelineHistory};
use postgres_protocol::message::frontend;

use super::authenticate::{self, Session};
use super::stream::{StreamOptions, WalStream};
use super::wire::{Row, Wire, parse_row};
use crate::error::Doing;
use crate::{ConnectionInfo, Error, ServerMessage, SlotName, sql};

/// No command but START_REPLICATION takes long, yet creating a slot may wait
/// for a busy disk.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// PostgreSQL's answer to IDENTIFY_SYSTEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemIdentity {
    /// The system identifier of the cluster.
    pub system_identifier: u64,
    /// The timeline the server writes or replays.
    pub timeline: Timeline,
    /// How far it has flushed (a primary) or received (a standby).
    pub flushed: Lsn,
}

/// Where a physical slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotPosition {
    /// The oldest WAL it keeps; `None` when it reserves none or was invalidated.
    pub restart_lsn: Option<Lsn>,
    /// The timeline of that position; unknown before PostgreSQL 15.
    pub timeline: Option<Timeline>,
}

/// A timeline's history as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineHistoryFile {
    /// Its file name, such as `00000002.history`.
    pub name: String,
    /// The file, byte for byte.
    pub content: Bytes,
    /// What it says.
    pub history: TimelineHistory,
}

/// Where a timeline ended and which continues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineEnd {
    /// The timeline that continues.
    pub next: Timeline,
    /// The first position that belongs to it.
    pub switchpoint: Lsn,
}

/// What to stream.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The slot to stream from, so that PostgreSQL keeps what we have not yet
    /// confirmed.
    pub slot: Option<&'a SlotName>,
    /// The first byte wanted.
    pub from: Lsn,
    /// The timeline it is on.
    pub timeline: Timeline,
}

/// What START_REPLICATION led to.
pub enum StartedStream {
    /// WAL is coming.
    Streaming(WalStream),
    /// The timeline ends at the very position asked for: go on with the next.
    Ended(Client, TimelineEnd),
}

/// A session in walsender mode.
pub struct Client {
    info: ConnectionInfo,
    session: Session,
}

impl Client {
    /// Connects and authenticates within the connection's timeout.
    pub async fn connect(info: &ConnectionInfo) -> Result<Self, Error> {
        let limit = info.connect_timeout();
        let session = match tokio::time::timeout(limit, authenticate::open(info)).await {
            Ok(session) => session?,
            Err(_) => {
                return Err(Error::TimedOut {
                    target: Box::new(info.target("replication")),
                    doing: "connecting",
                    seconds: limit.as_secs(),
                });
            }
        };
        Ok(Self {
            info: info.clone(),
            session,
        })
    }

    pub(super) fn resume(info: ConnectionInfo, session: Session) -> Self {
        Self { info, session }
    }

    /// The server's version as PostgreSQL numbers it: 150020 is 15.20.
    pub fn server_version_num(&self) -> Option<u32> {
        // "15.20 (Debian 15.20-0+deb12u1)", "19beta1"
        let text = self.session.parameters.get("server_version")?;
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        let major: u32 = parts.next()?.parse().ok()?;
        let minor: u32 = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
        Some(major * 10_000 + minor)
    }

    /// Whether the server is a standby, as far as it has told us.
    pub fn in_recovery(&self) -> bool {
        self.session
            .parameters
            .get("in_hot_standby")
            .is_some_and(|value| value == "on")
    }

    /// Who answers. Check it at every connect: addresses move.
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, Error> {
        let rows = self.query("IDENTIFY_SYSTEM", Doing::Asking).await?;
        let row = rows.first().map(Vec::as_slice);
        let identity = row.and_then(|row| {
            Some(SystemIdentity {
                system_identifier: column(row, 0)?.parse().ok()?,
                timeline: Timeline::new(column(row, 1)?.parse().ok()?)?,
                flushed: column(row, 2)?.parse().ok()?,
            })
        });
        identity.ok_or_else(|| {
            self.wire()
                .broken("IDENTIFY_SYSTEM answered something else")
        })
    }

    /// [`Self::identify_system`], refusing any system but `expected`.
    pub async fn require_system(&mut self, expected: u64) -> Result<SystemIdentity, Error> {
        let identity = self.identify_system().await?;
        if identity.system_identifier == expected {
            return Ok(identity);
        }
        Err(Error::OtherSystem {
            target: Box::new(self.wire().target.clone()),
            expected,
            found: identity.system_identifier,
        })
    }

    /// The value of a setting, as SHOW prints it.
    pub async fn show(&mut self, setting: &str) -> Result<String, Error> {
        // The grammar takes an identifier; quoting keeps a name a name.
        let command = format!("SHOW \"{}\"", setting.replace('"', "\"\""));
        let rows = self.query(&command, Doing::Asking).await?;
        let value = rows
            .first()
            .and_then(|row| column(row, 0))
            .map(str::to_owned);
        value.ok_or_else(|| self.wire().broken("SHOW answered no value"))
    }

    /// The size of a WAL segment.
    pub async fn segment_size(&mut self) -> Result<SegmentSize, Error> {
        let shown = self.show("wal_segment_size").await?; // "16MB", "1GB"
        let digits = shown.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit: u64 = match &shown[digits.len()..] {
            "kB" => 1 << 10,
            "MB" => 1 << 20,
            "GB" => 1 << 30,
            _ => 1,
        };
        let bytes = digits.parse::<u64>().unwrap_or(0).saturating_mul(unit);
        SegmentSize::new(bytes).map_err(|error| self.wire().broken(error.to_string()))
    }

    /// Creates a physical slot that keeps WAL from now on.
    pub async fn create_slot(&mut self, slot: &SlotName) -> Result<(), Error> {
        let command = format!("CREATE_REPLICATION_SLOT {slot} PHYSICAL RESERVE_WAL");
        self.query(&command, Doing::UsingSlot(slot)).await.map(drop)
    }

    /// The same for a slot that goes with this session.
    pub async fn create_temporary_slot(&mut self, slot: &SlotName) -> Result<(), Error> {
        let command = format!("CREATE_REPLICATION_SLOT {slot} TEMPORARY PHYSICAL RESERVE_WAL");
        self.query(&command, Doing::UsingSlot(slot)).await.map(drop)
    }

    /// Where a slot stands; `None` when there is no such slot.
    pub async fn read_slot(&mut self, slot: &SlotName) -> Result<Option<SlotPosition>, Error> {
        if self
            .server_version_num()
            .is_some_and(|version| version < 150_000)
        {
            // 14 has no READ_REPLICATION_SLOT, and a physical walsender no SQL.
            return sql::Session::connect(&self.info)
                .await?
                .read_slot(slot)
                .await;
        }
        let command = format!("READ_REPLICATION_SLOT {slot}");
        let rows = self.query(&command, Doing::UsingSlot(slot)).await?;
        let Some(row) = rows.first().filter(|row| column(row, 0).is_some()) else {
            return Ok(None);
        };
        Ok(Some(SlotPosition {
            restart_lsn: column(row, 1).and_then(|text| text.parse().ok()),
            timeline: column(row, 2).and_then(|text| Timeline::new(text.parse().ok()?)),
        }))
    }

    /// Drops a slot; fails at once when it is in use.
    pub async fn drop_slot(&mut self, slot: &SlotName) -> Result<(), Error> {
        let command = format!("DROP_REPLICATION_SLOT {slot}");
        self.query(&command, Doing::UsingSlot(slot)).await.map(drop)
    }

    /// The history of `timeline`; the first one has none.
    pub async fn timeline_history(
        &mut self,
        timeline: Timeline,
    ) -> Result<Option<TimelineHistoryFile>, Error> {
        if timeline == Timeline::FIRST {
            return Ok(None);
        }
        let rows = self
            .query(&format!("TIMELINE_HISTORY {timeline}"), Doing::Asking)
            .await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let name = column(&row, 0).map(str::to_owned);
        let content = row.into_iter().nth(1).flatten();
        let (Some(name), Some(content)) = (name, content) else {
            return Err(self
                .wire()
                .broken("TIMELINE_HISTORY answered something else"));
        };
        let text = String::from_utf8_lossy(&content);
        let history = TimelineHistory::parse(timeline, &text)
            .map_err(|error: InvalidWal| self.wire().broken(error.to_string()))?;
        Ok(Some(TimelineHistoryFile {
            name,
            content,
            history,
        }))
    }

    /// Starts streaming. The answer may be that nothing is left on that
    /// timeline; it is taken from the server, never guessed.
    pub async fn start_replication(
        mut self,
        start: Start<'_>,
        options: StreamOptions,
    ) -> Result<StartedStream, Error> {
        // A walsender of 14 knows its timeline only after this command.
        self.identify_system().await?;
        let slot = start
            .slot
            .map(|slot| format!("SLOT {slot} "))
            .unwrap_or_default();
        let (from, timeline) = (start.from, start.timeline);
        let command = format!("START_REPLICATION {slot}PHYSICAL {from} TIMELINE {timeline}");
        let doing = Doing::Streaming(start.slot);
        let streaming = self.limited("starting to stream", async |session| {
            session.send_query(&command).await?;
            let message = session.wire.read().await?;
            match message.tag {
                b'W' => Ok(None),
                b'E' => Err(session.refusal(message.body, doing).await),
                _ => session
                    .rows_from(message.tag, message.body, doing)
                    .await
                    .map(Some),
            }
        });
        match streaming.await? {
            None => {
                let slot = start.slot.cloned();
                Ok(StartedStream::Streaming(WalStream::new(
                    self.info,
                    self.session,
                    slot,
                    start.from,
                    options,
                )))
            }
            Some(rows) => match timeline_end(&rows) {
                Some(end) => Ok(StartedStream::Ended(self, end)),
                None => Err(self
                    .wire()
                    .broken("START_REPLICATION answered something else")),
            },
        }
    }

    /// Ends the session politely.
    pub async fn close(mut self) {
        frontend::terminate(&mut self.session.wire.outgoing);
        // The server ends the session anyway when the socket closes.
        let _ = self.session.wire.flush().await;
    }

    pub(super) const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }

    fn wire(&self) -> &Wire {
        &self.session.wire
    }

    async fn query(&mut self, command: &str, doing: Doing<'_>) -> Result<Vec<Row>, Error> {
        self.limited("answering a command", async |session| {
            session.send_query(command).await?;
            let message = session.wire.read().await?;
            session.rows_from(message.tag, message.body, doing).await
        })
        .await
    }

    async fn limited<T>(
        &mut self,
        doing: &'static str,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        limit(COMMAND_TIMEOUT, doing, &mut self.session, work).await
    }
}

/// Runs `work` on the session, for at most `limit`.
pub(super) async fn limit<T>(
    limit: Duration,
    doing: &'static str,
    session: &mut Session,
    work: impl AsyncFnOnce(&mut Session) -> Result<T, Error>,
) -> Result<T, Error> {
    let target = Box::new(session.wire.target.clone());
    within(limit, work(session)).await.unwrap_or_else(|| {
        Err(Error::TimedOut {
            target,
            doing,
            seconds: limit.as_secs(),
        })
    })
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

impl Session {
    pub(super) async fn send_query(&mut self, command: &str) -> Result<(), Error> {
        frontend::query(command, &mut self.wire.outgoing)
            .map_err(|error| self.wire.broken(error.to_string()))?;
        self.wire.flush().await
    }

    /// Reads an answer to its end, starting with a message already read.
    pub(super) async fn rows_from(
        &mut self,
        mut tag: u8,
        mut body: Bytes,
        doing: Doing<'_>,
    ) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        loop {
            match tag {
                b'Z' => return Ok(rows),
                b'D' => {
                    let row = parse_row(body);
                    rows.push(row.ok_or_else(|| self.wire.broken("a row that does not add up"))?);
                }
                b'E' => return Err(self.refusal(body, doing).await),
                b'S' => self.note_parameter(&body),
                b'T' | b'C' | b'I' | b'c' | b'd' => {}
                other => return Err(self.wire.broken(format!("message {other} in an answer"))),
            }
            let next = self.wire.read().await?;
            (tag, body) = (next.tag, next.body);
        }
    }

    /// The rows of one of several results of a command.
    pub(super) async fn result_set(&mut self) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        loop {
            let message = self.wire.read().await?;
            match message.tag {
                b'T' => {}
                b'D' => {
                    let row = parse_row(message.body);
                    rows.push(row.ok_or_else(|| self.wire.broken("a row that does not add up"))?);
                }
                b'C' => return Ok(rows),
                b'S' => self.note_parameter(&message.body),
                b'E' => return Err(self.refusal(message.body, Doing::Asking).await),
                other => return Err(self.wire.broken(format!("message {other} in an answer"))),
            }
        }
    }

    /// The server's refusal, after the session is ready again or closed.
    pub(super) async fn refusal(&mut self, body: Bytes, doing: Doing<'_>) -> Error {
        let error = Error::from_server(&self.wire.target, doing, ServerMessage::parse(&body));
        // A FATAL error closes the connection, so reading on may fail.
        while let Ok(message) = self.wire.read().await {
            if message.tag == b'Z' {
                break;
            }
        }
        error
    }
}

/// The one row that ends a timeline: the next one and the switchpoint.
pub(super) fn timeline_end(rows: &[Row]) -> Option<TimelineEnd> {
    let row = rows.first()?;
    Some(TimelineEnd {
        next: Timeline::new(column(row, 0)?.parse().ok()?)?,
        switchpoint: column(row, 1)?.parse().ok()?,
    })
}

fn column(row: &[Option<Bytes>], index: usize) -> Option<&str> {
    std::str::from_utf8(row.get(index)?.as_ref()?).ok()
}
