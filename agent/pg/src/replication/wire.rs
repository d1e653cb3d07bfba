//! Messages of the frontend/backend protocol, framed by ourselves because
//! postgres-protocol's parser does not know CopyBothResponse.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::Target;
use crate::socket::Duplex;
use crate::{Error, ServerMessage};

/// Longer than anything a WAL sender says (128 KiB of WAL, a history file):
/// what is longer is not PostgreSQL.
const LONGEST_MESSAGE: usize = 64 << 20;
const READ_CHUNK: usize = 256 << 10;

/// One message of the server.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) body: Bytes,
}

/// One row of an answer: its columns as text, `None` for NULL.
pub(crate) type Row = Vec<Option<Bytes>>;

/// A socket with buffers.
pub(crate) struct Wire {
    stream: Box<dyn Duplex>,
    incoming: BytesMut,
    pub(crate) outgoing: BytesMut,
    pub(crate) target: Target,
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Duplex>, target: Target) -> Self {
        let incoming = BytesMut::with_capacity(READ_CHUNK);
        Self {
            stream,
            incoming,
            outgoing: BytesMut::new(),
            target,
        }
    }

    /// The next message that is not a notice. Cancelling loses nothing.
    pub(crate) async fn read(&mut self) -> Result<Message, Error> {
        loop {
            match self.take()? {
                Some(message) if message.tag == b'N' => {
                    let notice = ServerMessage::parse(&message.body);
                    tracing::debug!(server = %self.target.server, %notice, "PostgreSQL notice");
                }
                Some(message) => return Ok(message),
                None => self.fill().await?,
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Error> {
        self.incoming.reserve(READ_CHUNK);
        match self.stream.read_buf(&mut self.incoming).await {
            Ok(0) => Err(self.disconnected(None)),
            Ok(_) => Ok(()),
            Err(source) => Err(self.disconnected(Some(source))),
        }
    }

    /// A whole message, if one has arrived.
    fn take(&mut self) -> Result<Option<Message>, Error> {
        let Some(header) = self.incoming.first_chunk::<5>() else {
            return Ok(None);
        };
        let [tag, length @ ..] = *header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if !(4..=LONGEST_MESSAGE).contains(&length) {
            return Err(self.broken(format!("a message of {length} bytes")));
        }
        if self.incoming.len() < length + 1 {
            return Ok(None);
        }
        let mut body = self.incoming.split_to(length + 1).freeze();
        body.advance(5);
        Ok(Some(Message { tag, body }))
    }

    /// Sends what has been put into `outgoing`.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let sent = async {
            self.stream.write_all_buf(&mut self.outgoing).await?;
            self.stream.flush().await
        };
        let sent = sent.await;
        sent.map_err(|source| self.disconnected(Some(source)))
    }

    pub(crate) fn disconnected(&self, source: Option<io::Error>) -> Error {
        Error::Disconnected {
            target: Box::new(self.target.clone()),
            source,
        }
    }

    pub(crate) fn broken(&self, reason: impl Into<String>) -> Error {
        Error::Protocol {
            target: Box::new(self.target.clone()),
            reason: reason.into(),
        }
    }
}

/// Reads the columns of a DataRow; `None` when its lengths do not add up.
pub(crate) fn parse_row(mut body: Bytes) -> Option<Row> {
    let columns = body.try_get_u16().ok()?;
    let mut row = Vec::with_capacity(usize::from(columns));
    for _ in 0..columns {
        let length = body.try_get_i32().ok()?;
        let Ok(length) = usize::try_from(length) else {
            row.push(None); // -1 is NULL
            continue;
        };
        if body.remaining() < length {
            return None;
        }
        row.push(Some(body.split_to(length)));
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn wire(stream: tokio::io::DuplexStream) -> Wire {
        let target = Target {
            server: "test".to_owned(),
            user: String::new(),
            database: String::new(),
            local: true,
        };
        Wire::new(Box::new(stream), target)
    }

    #[test]
    fn rows_know_null_from_empty() {
        let body = Bytes::from_static(b"\0\x03\0\0\0\x01x\xff\xff\xff\xff\0\0\0\0");
        let row = parse_row(body).unwrap();
        assert_eq!(
            row,
            [Some(Bytes::from_static(b"x")), None, Some(Bytes::new())]
        );
        assert_eq!(parse_row(Bytes::from_static(b"\0\x01\0\0\0\x05x")), None);
    }

    #[tokio::test]
    async fn messages_are_cut_by_their_length_and_notices_passed_over() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut wire = wire(ours);
        let bytes = b"N\0\0\0\x05\0Z\0\0\0\x05ID\0\0\0";
        theirs.write_all(bytes).await.unwrap();
        let message = wire.read().await.unwrap();
        assert_eq!((message.tag, message.body.as_ref()), (b'Z', b"I".as_ref()));
        drop(theirs);
        assert_eq!(wire.read().await.unwrap_err().code(), "pg_disconnected");
    }

    #[tokio::test]
    async fn an_absurd_length_is_refused_before_memory_is_taken() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"d\xff\xff\xff\xff").await.unwrap();
        assert_eq!(
            wire(ours).read().await.unwrap_err().code(),
            "pg_protocol_error"
        );
    }

    proptest! {
        #[test]
        fn rows_never_panic(body: Vec<u8>) {
            parse_row(Bytes::from(body));
        }
    }
}
