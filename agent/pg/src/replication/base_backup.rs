//! `BASE_BACKUP`: the files of a server, over the replication protocol.
//!
//! The server enters backup mode, sends one tar archive for each tablespace and
//! one for the data directory, leaves backup mode, and says where the copy is
//! consistent. Up to 14 each archive is a copy of its own; from 15 on there is
//! one, whose messages say what they are.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Buf, Bytes};
use holdfast_types::{Lsn, Timeline};

use super::authenticate::Session;
use super::client::Client;
use super::wire::{Row, parse_row};
use crate::error::Doing;
use crate::{Error, ServerMessage};

/// With a spread checkpoint the first answer takes half of
/// `checkpoint_timeout`, which is a day at most.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(13 * 3600);
/// A server that sends nothing for so long has died or hangs.
const SILENCE: Duration = Duration::from_secs(600);
/// From here on one copy holds all archives.
const ONE_COPY: u32 = 150_000;
/// PostgreSQL's `data_corrupted`.
const CORRUPTED: &str = "XX001";

/// How a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseBackupRequest<'a> {
    /// For the server's log and the backup_label file.
    pub label: &'a str,
    /// Checkpoint at once rather than spread over `checkpoint_timeout`.
    pub fast: bool,
}

/// A tablespace whose archive is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedTablespace {
    /// The name of its link in `pg_tblspc`.
    pub oid: u32,
    /// Where it is; relative when it was made in place.
    pub location: PathBuf,
}

/// What a server says before the first archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseBackupStart {
    /// WAL from here on is part of the backup.
    pub start_lsn: Lsn,
    /// The timeline of that position.
    pub timeline: Timeline,
    /// Every tablespace outside of `base` and `global`.
    pub tablespaces: Vec<StreamedTablespace>,
}

/// Something that came through the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseBackupEvent {
    /// The archive of a tablespace begins; `None`: of the data directory.
    Archive(Option<u32>),
    /// Bytes of the archive.
    Data(Bytes),
    /// Everything was sent.
    End {
        /// WAL up to here makes the copy consistent.
        stop_lsn: Lsn,
        /// The timeline of that position.
        timeline: Timeline,
        /// The server found pages whose checksum is wrong, and sent them.
        corrupt: bool,
    },
}

/// A stream of archives. Dropping it ends the backup on the server.
pub struct BaseBackup {
    session: Session,
    one_copy: bool,
    /// Up to 14: whose archives come, in this order.
    order: VecDeque<Option<u32>>,
}

impl Client {
    /// Asks for a base backup, without WAL and without a manifest: both are
    /// made by whoever restores.
    pub async fn base_backup(
        mut self,
        request: BaseBackupRequest<'_>,
    ) -> Result<(BaseBackupStart, BaseBackup), Error> {
        let one_copy = self
            .server_version_num()
            .is_none_or(|version| version >= ONE_COPY);
        let command = command(request, one_copy);
        let session = self.session_mut();
        let answered = tokio::time::timeout(CHECKPOINT_TIMEOUT, async {
            session.send_query(&command).await?;
            let start = session.result_set().await?;
            let tablespaces = session.result_set().await?;
            Ok((start, tablespaces))
        });
        let (start, tablespaces) = match answered.await {
            Ok(answer) => answer?,
            Err(_) => {
                return Err(Error::TimedOut {
                    target: Box::new(session.wire.target.clone()),
                    doing: "making the checkpoint of a base backup",
                    seconds: CHECKPOINT_TIMEOUT.as_secs(),
                });
            }
        };
        let broken = |session: &Session| session.wire.broken("BASE_BACKUP answered something else");
        let (start_lsn, timeline) = position(&start).ok_or_else(|| broken(session))?;
        let listed: Option<Vec<_>> = tablespaces.iter().map(listed).collect();
        let listed = listed.ok_or_else(|| broken(session))?;
        let order = listed
            .iter()
            .map(|known| known.as_ref().map(|known| known.oid));
        let order = order.collect();
        let backup = BaseBackup {
            session: self.into_session(),
            one_copy,
            order,
        };
        let start = BaseBackupStart {
            start_lsn,
            timeline,
            tablespaces: listed.into_iter().flatten().collect(),
        };
        Ok((start, backup))
    }
}

fn command(request: BaseBackupRequest<'_>, one_copy: bool) -> String {
    // The grammar knows no backslashes; a quote is doubled.
    let label = request.label.replace('\'', "''");
    if one_copy {
        let checkpoint = if request.fast { "fast" } else { "spread" };
        return format!(
            "BASE_BACKUP (LABEL '{label}', CHECKPOINT '{checkpoint}', WAIT 0, TABLESPACE_MAP 1, \
             TARGET 'client')"
        );
    }
    let fast = if request.fast { " FAST" } else { "" };
    format!("BASE_BACKUP LABEL '{label}'{fast} NOWAIT TABLESPACE_MAP")
}

/// Position and timeline, the first row of both ends.
fn position(rows: &[Row]) -> Option<(Lsn, Timeline)> {
    let row = rows.first()?;
    let lsn = text(row, 0)?.parse().ok()?;
    let timeline = Timeline::new(text(row, 1)?.parse().ok()?)?;
    Some((lsn, timeline))
}

/// A row of the list of tablespaces: `Some(None)` is the data directory.
fn listed(row: &Row) -> Option<Option<StreamedTablespace>> {
    let Some(oid) = row.first()?.as_ref() else {
        return Some(None);
    };
    let oid = std::str::from_utf8(oid).ok()?.parse().ok()?;
    let location = row.get(1)?.as_ref()?;
    let location = PathBuf::from(OsStr::from_bytes(location));
    Some(Some(StreamedTablespace { oid, location }))
}

fn text(row: &Row, column: usize) -> Option<&str> {
    std::str::from_utf8(row.get(column)?.as_ref()?).ok()
}

impl BaseBackup {
    /// The next event. Nothing comes after [`BaseBackupEvent::End`].
    pub async fn next(&mut self) -> Result<BaseBackupEvent, Error> {
        match tokio::time::timeout(SILENCE, self.read()).await {
            Ok(event) => event,
            Err(_) => Err(Error::TimedOut {
                target: Box::new(self.session.wire.target.clone()),
                doing: "sending a base backup",
                seconds: SILENCE.as_secs(),
            }),
        }
    }

    async fn read(&mut self) -> Result<BaseBackupEvent, Error> {
        loop {
            let message = self.session.wire.read().await?;
            match message.tag {
                b'H' if self.one_copy => {}
                b'H' => {
                    let next = self.order.pop_front();
                    let next = next.ok_or_else(|| self.broken("more archives than announced"))?;
                    return Ok(BaseBackupEvent::Archive(next));
                }
                b'd' if !self.one_copy => return Ok(BaseBackupEvent::Data(message.body)),
                b'd' => {
                    if let Some(event) = self.part(message.body)? {
                        return Ok(event);
                    }
                }
                b'c' => {}
                b'S' => self.session.note_parameter(&message.body),
                // The end, after the last archive.
                b'T' => return self.end().await,
                b'E' => return Err(self.session.refusal(message.body, Doing::Asking).await),
                other => return Err(self.broken(format!("message {other} in a base backup"))),
            }
        }
    }

    /// A message from 15 on: its first byte says what it is.
    fn part(&self, mut body: Bytes) -> Result<Option<BaseBackupEvent>, Error> {
        let kind = body.try_get_u8();
        match kind.map_err(|_| self.broken("an empty message"))? {
            b'd' => Ok(Some(BaseBackupEvent::Data(body))),
            b'n' => {
                let name = body.split(|&byte| byte == 0).next().unwrap_or_default();
                let archive = archive(name);
                let archive = archive.ok_or_else(|| self.broken("an archive of another name"))?;
                Ok(Some(BaseBackupEvent::Archive(archive)))
            }
            // How far it is, which we did not ask for.
            b'p' => Ok(None),
            other => Err(self.broken(format!("part {other} in a base backup"))),
        }
    }

    /// Where it ends. The server says that it found damage only after that.
    async fn end(&mut self) -> Result<BaseBackupEvent, Error> {
        let (mut ended, mut corrupt) = (None, false);
        loop {
            let message = self.session.wire.read().await?;
            match message.tag {
                b'D' => ended = ended.or(parse_row(message.body).and_then(|row| position(&[row]))),
                b'E' if ended.is_some() => {
                    let said = ServerMessage::parse(&message.body);
                    if said.sqlstate != CORRUPTED {
                        return Err(Error::from_server(
                            &self.session.wire.target,
                            Doing::Asking,
                            said,
                        ));
                    }
                    corrupt = true;
                }
                b'E' => return Err(self.session.refusal(message.body, Doing::Asking).await),
                b'Z' => break,
                _ => {}
            }
        }
        let (stop_lsn, timeline) = ended.ok_or_else(|| self.broken("no end of a base backup"))?;
        Ok(BaseBackupEvent::End {
            stop_lsn,
            timeline,
            corrupt,
        })
    }

    fn broken(&self, reason: impl Into<String>) -> Error {
        self.session.wire.broken(reason)
    }
}

/// Whose archive a name is: `base.tar`, `16385.tar`.
fn archive(name: &[u8]) -> Option<Option<u32>> {
    let name = std::str::from_utf8(name).ok()?.strip_suffix(".tar")?;
    match name {
        "base" => Some(None),
        oid => Some(Some(oid.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_in_the_words_of_its_version() {
        let request = BaseBackupRequest {
            label: "it's",
            fast: true,
        };
        assert_eq!(
            command(request, true),
            "BASE_BACKUP (LABEL 'it''s', CHECKPOINT 'fast', WAIT 0, TABLESPACE_MAP 1, \
             TARGET 'client')"
        );
        assert_eq!(
            command(request, false),
            "BASE_BACKUP LABEL 'it''s' FAST NOWAIT TABLESPACE_MAP"
        );
    }

    #[test]
    fn an_archive_has_the_name_of_its_tablespace() {
        assert_eq!(archive(b"base.tar"), Some(None));
        assert_eq!(archive(b"16385.tar"), Some(Some(16385)));
        for bad in [&b"pg_wal.tar"[..], b"../base.tar", b"base", b"-1.tar"] {
            assert_eq!(archive(bad), None);
        }
    }
}
