//! WAL as it comes from the server.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use holdfast_types::Lsn;
use jiff::Timestamp;
use postgres_protocol::message::frontend;
use tokio::time::Instant;

use super::authenticate::Session;
use super::client::{Client, TimelineEnd, limit, timeline_end};
use super::wire::{Message, Row, parse_row};
use crate::error::Doing;
use crate::{ConnectionInfo, Error, ServerMessage, SlotName, time};

/// How a stream behaves when the other side is silent.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions {
    /// The longest silence. At half of it the server is asked for a sign of
    /// life; without one the stream fails with `pg_timed_out`.
    pub silence: Duration,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(30),
        }
    }
}

/// What we tell PostgreSQL about our progress. `flush` moves the slot, so it
/// must never run ahead of what is durable where the policy says (I-07).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandbyStatus {
    /// Received.
    pub write: Lsn,
    /// Durable; `Lsn::INVALID` says nothing.
    pub flush: Lsn,
    /// Replayed; what `synchronous_commit = remote_apply` waits for.
    pub apply: Lsn,
}

/// Something that came through the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalEvent {
    /// WAL, always continuing where the last ended.
    Data {
        /// The position of the first byte.
        start: Lsn,
        /// How far the server's WAL goes now.
        server_end: Lsn,
        /// The server's clock when it sent this.
        server_time: Timestamp,
        /// The WAL.
        bytes: Bytes,
    },
    /// A sign of life.
    Keepalive {
        /// How far the server's WAL goes now.
        server_end: Lsn,
        /// The server's clock.
        server_time: Timestamp,
        /// Whether it wants a status now, or it will give us up.
        reply_requested: bool,
    },
    /// The timeline ended here. [`WalStream::into_client`] goes on.
    TimelineEnded(TimelineEnd),
}

/// A running stream. Dropping it closes the connection.
pub struct WalStream {
    info: ConnectionInfo,
    session: Session,
    slot: Option<SlotName>,
    options: StreamOptions,
    expected: Lsn,
    status: StandbyStatus,
    heard: Instant,
    asked: bool,
    /// The rows after the server's CopyDone.
    ending: Option<Vec<Row>>,
    ended: bool,
}

impl WalStream {
    pub(super) fn new(
        info: ConnectionInfo,
        session: Session,
        slot: Option<SlotName>,
        from: Lsn,
        options: StreamOptions,
    ) -> Self {
        Self {
            info,
            session,
            slot,
            options,
            expected: from,
            status: StandbyStatus::default(),
            heard: Instant::now(),
            asked: false,
            ending: None,
            ended: false,
        }
    }

    /// The next event. Cancelling loses nothing, so it can wait beside a timer.
    pub async fn next(&mut self) -> Result<WalEvent, Error> {
        loop {
            self.flush().await?;
            let patience = self.options.silence / if self.asked { 1 } else { 2 };
            let deadline = self.heard + patience;
            match tokio::time::timeout_at(deadline, self.session.wire.read()).await {
                Ok(message) => {
                    let message = message?;
                    self.heard = Instant::now();
                    self.asked = false;
                    if let Some(event) = self.event(message)? {
                        return Ok(event);
                    }
                }
                Err(_) if self.asked => return Err(self.silent()),
                Err(_) => {
                    self.asked = true;
                    self.put_status(true)?;
                }
            }
        }
    }

    /// What a message means; `None` when more must follow. It waits for
    /// nothing, so that [`Self::next`] can be cancelled between messages.
    fn event(&mut self, message: Message) -> Result<Option<WalEvent>, Error> {
        match (message.tag, &mut self.ending) {
            (b'd', None) => self.copy_data(message.body).map(Some),
            // Nothing more on this timeline: the server waits for our
            // CopyDone, then names the next one in a row.
            (b'c', None) => {
                frontend::copy_done(&mut self.session.wire.outgoing);
                self.ending = Some(Vec::new());
                Ok(None)
            }
            (b'D', Some(rows)) => {
                let row = parse_row(message.body);
                rows.push(row.ok_or_else(|| self.session.wire.broken("a row that is cut off"))?);
                Ok(None)
            }
            (b'S', _) => {
                self.session.note_parameter(&message.body);
                Ok(None)
            }
            (b'T' | b'C', Some(_)) => Ok(None),
            (b'Z', Some(rows)) => {
                let end = timeline_end(rows);
                self.ended = true;
                let missing = || {
                    self.session
                        .wire
                        .broken("a timeline ended without a next one")
                };
                Ok(Some(WalEvent::TimelineEnded(end.ok_or_else(missing)?)))
            }
            (b'E', _) => {
                let doing = Doing::Streaming(self.slot.as_ref());
                let message = ServerMessage::parse(&message.body);
                Err(Error::from_server(
                    &self.session.wire.target,
                    doing,
                    message,
                ))
            }
            // A server that shuts down ends the command without CopyDone.
            (b'C', None) => Err(Error::ShutDown {
                target: Box::new(self.session.wire.target.clone()),
                message: ServerMessage {
                    sqlstate: "57P01".to_owned(),
                    message: "the WAL sender has sent everything and stops".to_owned(),
                    ..ServerMessage::default()
                },
            }),
            (tag, _) => Err(self
                .session
                .wire
                .broken(format!("message {tag} in the WAL stream"))),
        }
    }

    fn copy_data(&mut self, body: Bytes) -> Result<WalEvent, Error> {
        match parse_copy_data(body) {
            Some(WalEvent::Data { start, .. }) if start != self.expected => {
                Err(Error::OutOfSequence {
                    target: Box::new(self.session.wire.target.clone()),
                    expected: self.expected,
                    got: start,
                })
            }
            Some(event) => {
                if let WalEvent::Data { start, bytes, .. } = &event {
                    let end = u64::try_from(bytes.len())
                        .ok()
                        .and_then(|n| start.checked_add(n));
                    let end = end.ok_or_else(|| self.session.wire.broken("WAL without end"))?;
                    self.expected = end;
                }
                Ok(event)
            }
            None => Err(self
                .session
                .wire
                .broken("a stream message that cannot be read")),
        }
    }

    /// Where the next bytes begin.
    pub const fn position(&self) -> Lsn {
        self.expected
    }

    /// Tells PostgreSQL how far we are, and remembers it for later signs of
    /// life.
    pub async fn send_status(&mut self, status: StandbyStatus) -> Result<(), Error> {
        self.status = status;
        self.put_status(false)?;
        self.flush().await
    }

    fn put_status(&mut self, reply_requested: bool) -> Result<(), Error> {
        let mut body = Vec::with_capacity(34);
        body.put_u8(b'r');
        for position in [self.status.write, self.status.flush, self.status.apply] {
            body.put_u64(position.get());
        }
        body.put_i64(time::to_postgres(Timestamp::now()));
        body.put_u8(u8::from(reply_requested));
        let message = frontend::CopyData::new(Bytes::from(body))
            .map_err(|error| self.session.wire.broken(error.to_string()))?;
        message.write(&mut self.session.wire.outgoing);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        limit(
            self.options.silence,
            "taking our status",
            &mut self.session,
            async |session| session.wire.flush().await,
        )
        .await
    }

    /// Ends the stream cleanly. WAL still under way is dropped: it was never
    /// confirmed. The answer may be that the timeline ended at the same moment.
    pub async fn stop(mut self) -> Result<(Client, Option<TimelineEnd>), Error> {
        if self.ending.is_none() {
            frontend::copy_done(&mut self.session.wire.outgoing);
        }
        let mut rows = self.ending.take().unwrap_or_default();
        if !self.ended {
            let doing = Doing::Streaming(self.slot.as_ref());
            let silence = self.options.silence;
            rows.extend(
                limit(
                    silence,
                    "ending the stream",
                    &mut self.session,
                    async |session| {
                        session.wire.flush().await?;
                        let message = session.wire.read().await?;
                        session.rows_from(message.tag, message.body, doing).await
                    },
                )
                .await?,
            );
        }
        Ok((Client::resume(self.info, self.session), timeline_end(&rows)))
    }

    /// The session, after [`WalEvent::TimelineEnded`]; `None` while it streams.
    pub fn into_client(self) -> Option<Client> {
        self.ended.then(|| Client::resume(self.info, self.session))
    }

    fn silent(&self) -> Error {
        Error::TimedOut {
            target: Box::new(self.session.wire.target.clone()),
            doing: "streaming WAL",
            seconds: self.options.silence.as_secs(),
        }
    }
}

fn parse_copy_data(mut body: Bytes) -> Option<WalEvent> {
    let kind = body.try_get_u8().ok()?;
    match kind {
        b'w' => {
            let start = Lsn::new(body.try_get_u64().ok()?);
            let server_end = Lsn::new(body.try_get_u64().ok()?);
            let server_time = time::from_postgres(body.try_get_i64().ok()?)?;
            Some(WalEvent::Data {
                start,
                server_end,
                server_time,
                bytes: body,
            })
        }
        b'k' => {
            let server_end = Lsn::new(body.try_get_u64().ok()?);
            let server_time = time::from_postgres(body.try_get_i64().ok()?)?;
            let reply_requested = body.try_get_u8().ok()? != 0;
            Some(WalEvent::Keepalive {
                server_end,
                server_time,
                reply_requested,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            parse_copy_data(Bytes::from(body));
        }
    }
}
