//! What can go wrong between Holdfast and a PostgreSQL server.
//!
//! Every error names the server, says what happened, and by [`Error::hint`]
//! what a person does next. [`Error::code`] is stable: scripts, documents and
//! the console rely on it.

use std::io;

use holdfast_types::Lsn;

use crate::{ServerMessage, SlotName};

/// Who we were and where, when something went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `host:port`, or the path of the socket.
    pub server: String,
    /// The role we connect as.
    pub user: String,
    /// The database, or `replication`.
    pub database: String,
    /// Whether the connection is a Unix socket.
    pub local: bool,
}

/// What we were doing: the same SQLSTATE means different things.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Doing<'a> {
    Connecting,
    Asking,
    Streaming(Option<&'a SlotName>),
    UsingSlot(&'a SlotName),
}

/// A failure to reach, enter or use a PostgreSQL server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection string cannot be used. The text never shows its values.
    #[error("the connection string cannot be used: {0}")]
    InvalidConnection(String),
    /// No connection at all.
    #[error("cannot reach PostgreSQL at {}", target.server)]
    Unreachable {
        /// Where.
        target: Box<Target>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server took too long.
    #[error("PostgreSQL at {} did not answer within {seconds} s while {doing}", target.server)]
    TimedOut {
        /// Where.
        target: Box<Target>,
        /// What we were doing.
        doing: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// The connection broke after it had been made.
    #[error("the connection to PostgreSQL at {} broke", target.server)]
    Disconnected {
        /// Where.
        target: Box<Target>,
        /// Why, when the operating system said so.
        #[source]
        source: Option<io::Error>,
    },
    /// TLS was asked for and could not be had.
    #[error("no TLS with PostgreSQL at {}: {reason}", target.server)]
    Tls {
        /// Where.
        target: Box<Target>,
        /// Why.
        reason: String,
    },
    /// The password is wrong, or none was given.
    #[error("PostgreSQL at {} refused the password of role \"{}\"", target.server, target.user)]
    WrongPassword {
        /// Where and who.
        target: Box<Target>,
        /// The server's words, when it was the server that refused.
        message: Option<ServerMessage>,
    },
    /// The server wants a kind of authentication that we do not speak.
    #[error("PostgreSQL at {} asks role \"{}\" to authenticate by {method}", target.server, target.user)]
    UnsupportedAuthentication {
        /// Where and who.
        target: Box<Target>,
        /// What it asks for.
        method: String,
    },
    /// pg_hba.conf has no line for us, or one that rejects us.
    #[error("pg_hba.conf of PostgreSQL at {} refuses role \"{}\" for \"{}\": {message}", target.server, target.user, target.database)]
    HbaRefused {
        /// Where and who.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
    /// The role does not exist, may not log in, or is not who it says.
    #[error("PostgreSQL at {} refuses role \"{}\": {message}", target.server, target.user)]
    RoleRefused {
        /// Where and who.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
    /// The role lacks a right.
    #[error("role \"{}\" lacks a right on PostgreSQL at {}: {message}", target.user, target.server)]
    NotPermitted {
        /// Where and who.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
    /// The database of the connection string does not exist.
    #[error("PostgreSQL at {} has no database \"{}\"", target.server, target.database)]
    NoSuchDatabase {
        /// Where.
        target: Box<Target>,
    },
    /// Starting up, shutting down or in recovery: it takes no connections now.
    #[error("PostgreSQL at {} takes no connections now: {message}", target.server)]
    NotAccepting {
        /// Where.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
    /// The server is stopping, or ended our session on purpose.
    #[error("PostgreSQL at {} ended the session: {message}", target.server)]
    ShutDown {
        /// Where.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
    /// No free connection, WAL sender or slot.
    #[error("PostgreSQL at {} has no room: {message}", target.server)]
    Exhausted {
        /// Where.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
    /// Another receiver holds the slot.
    #[error("replication slot \"{slot}\" of PostgreSQL at {} is in use: {message}", target.server)]
    SlotInUse {
        /// Where.
        target: Box<Target>,
        /// Which.
        slot: SlotName,
        /// The server's words: they name the process.
        message: ServerMessage,
    },
    /// The slot does not exist.
    #[error("replication slot \"{slot}\" does not exist on PostgreSQL at {}", target.server)]
    SlotMissing {
        /// Where.
        target: Box<Target>,
        /// Which.
        slot: SlotName,
    },
    /// The slot exists already.
    #[error("replication slot \"{slot}\" exists already on PostgreSQL at {}", target.server)]
    SlotExists {
        /// Where.
        target: Box<Target>,
        /// Which.
        slot: SlotName,
    },
    /// PostgreSQL gave the slot up, usually over `max_slot_wal_keep_size`.
    #[error("replication slot \"{slot}\" of PostgreSQL at {} was invalidated: {message}", target.server)]
    SlotInvalidated {
        /// Where.
        target: Box<Target>,
        /// Which.
        slot: SlotName,
        /// The server's words.
        message: ServerMessage,
    },
    /// The WAL we need is gone from the server.
    #[error("PostgreSQL at {} no longer has the WAL we asked for: {message}", target.server)]
    WalRemoved {
        /// Where.
        target: Box<Target>,
        /// The server's words: they name the segment.
        message: ServerMessage,
    },
    /// Another database system answers at this address.
    #[error("PostgreSQL at {} has system identifier {found}, not {expected}", target.server)]
    OtherSystem {
        /// Where.
        target: Box<Target>,
        /// Whom we expected.
        expected: u64,
        /// Who answered.
        found: u64,
    },
    /// The stream does not continue where the last bytes ended.
    #[error("PostgreSQL at {} sent WAL from {got}, not from {expected}", target.server)]
    OutOfSequence {
        /// Where.
        target: Box<Target>,
        /// Where the last bytes ended.
        expected: Lsn,
        /// Where these begin.
        got: Lsn,
    },
    /// The server said something that the protocol does not allow.
    #[error("PostgreSQL at {} broke the protocol: {reason}", target.server)]
    Protocol {
        /// Where.
        target: Box<Target>,
        /// What was wrong.
        reason: String,
    },
    /// Any other refusal.
    #[error("PostgreSQL at {} answered: {message}", target.server)]
    Server {
        /// Where.
        target: Box<Target>,
        /// The server's words.
        message: ServerMessage,
    },
}

impl Error {
    /// Sorts what the server said.
    pub(crate) fn from_server(target: &Target, doing: Doing<'_>, message: ServerMessage) -> Self {
        let target = Box::new(target.clone());
        let slot = match doing {
            Doing::UsingSlot(slot) | Doing::Streaming(Some(slot)) => Some(slot.clone()),
            Doing::Connecting | Doing::Asking | Doing::Streaming(None) => None,
        };
        let streaming = matches!(doing, Doing::Streaming(_));
        match (message.sqlstate.as_str(), slot) {
            ("28P01", _) => Self::WrongPassword {
                target,
                message: Some(message),
            },
            // The file's name stays as it is in every language of the server.
            ("28000", _) if message.message.contains("pg_hba.conf") => {
                Self::HbaRefused { target, message }
            }
            ("28000", _) => Self::RoleRefused { target, message },
            ("42501", _) => Self::NotPermitted { target, message },
            ("3D000", _) => Self::NoSuchDatabase { target },
            ("57P03", _) => Self::NotAccepting { target, message },
            ("57P01" | "57P02", _) => Self::ShutDown { target, message },
            ("53300" | "53400", _) => Self::Exhausted { target, message },
            ("55006", Some(slot)) => Self::SlotInUse {
                target,
                slot,
                message,
            },
            ("42704", Some(slot)) => Self::SlotMissing { target, slot },
            ("42710", Some(slot)) => Self::SlotExists { target, slot },
            ("55000", Some(slot)) if message.message.contains("can no longer") => {
                Self::SlotInvalidated {
                    target,
                    slot,
                    message,
                }
            }
            ("58P01", _) if streaming => Self::WalRemoved { target, message },
            _ => Self::Server { target, message },
        }
    }

    /// A stable name of this kind of error, in snake case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidConnection(_) => "pg_connection_invalid",
            Self::Unreachable { .. } => "pg_unreachable",
            Self::TimedOut { .. } => "pg_timed_out",
            Self::Disconnected { .. } => "pg_disconnected",
            Self::Tls { .. } => "pg_tls_failed",
            Self::WrongPassword { .. } => "pg_wrong_password",
            Self::UnsupportedAuthentication { .. } => "pg_authentication_unsupported",
            Self::HbaRefused { .. } => "pg_hba_refused",
            Self::RoleRefused { .. } => "pg_role_refused",
            Self::NotPermitted { .. } => "pg_not_permitted",
            Self::NoSuchDatabase { .. } => "pg_no_such_database",
            Self::NotAccepting { .. } => "pg_not_accepting_connections",
            Self::ShutDown { .. } => "pg_shut_down",
            Self::Exhausted { .. } => "pg_exhausted",
            Self::SlotInUse { .. } => "pg_slot_in_use",
            Self::SlotMissing { .. } => "pg_slot_missing",
            Self::SlotExists { .. } => "pg_slot_exists",
            Self::SlotInvalidated { .. } => "pg_slot_invalidated",
            Self::WalRemoved { .. } => "pg_wal_removed",
            Self::OtherSystem { .. } => "foreign_system_identifier",
            Self::OutOfSequence { .. } => "pg_wal_out_of_sequence",
            Self::Protocol { .. } => "pg_protocol_error",
            Self::Server { .. } => "pg_server_error",
        }
    }

    /// Whether the same attempt may succeed later without anybody's help.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Disconnected { .. }
                | Self::NotAccepting { .. }
                | Self::ShutDown { .. }
                | Self::Exhausted { .. }
                | Self::SlotInUse { .. }
        )
    }
}
