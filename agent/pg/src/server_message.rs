//! What PostgreSQL says when it refuses something.

use std::fmt;

use bytes::Bytes;
use tokio_postgres::error::DbError;

/// An error as the server reported it. The text may be in the language of the
/// server's `lc_messages`, so decisions rest on the SQLSTATE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerMessage {
    /// Five characters, such as `28P01`.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// PostgreSQL's detail line.
    pub detail: Option<String>,
    /// PostgreSQL's own hint.
    pub hint: Option<String>,
}

impl ServerMessage {
    /// Reads the body of an ErrorResponse: fields of a type byte and a
    /// zero-terminated string, ended by a zero byte.
    pub(crate) fn parse(body: &Bytes) -> Self {
        let mut message = Self::default();
        let mut rest: &[u8] = body;
        while let Some((&kind, after)) = rest.split_first() {
            let end = after
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(after.len());
            let text = || String::from_utf8_lossy(&after[..end]).into_owned();
            match kind {
                0 => break,
                b'C' => message.sqlstate = text(),
                b'M' => message.message = text(),
                b'D' => message.detail = Some(text()),
                b'H' => message.hint = Some(text()),
                _ => {}
            }
            rest = after.get(end + 1..).unwrap_or_default();
        }
        message
    }
}

impl From<&DbError> for ServerMessage {
    fn from(error: &DbError) -> Self {
        Self {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        write!(f, " [{}]", self.sqlstate)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_fields() {
        let body = Bytes::from_static(b"SFATAL\0C28P01\0Mno\0Dbecause\0\0");
        let message = ServerMessage::parse(&body);
        assert_eq!(message.to_string(), "no (because) [28P01]");
    }

    proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            ServerMessage::parse(&Bytes::from(body));
        }
    }
}
