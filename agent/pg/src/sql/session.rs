//! A connection for SQL, opened as the replication client's is.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row, SimpleQueryMessage};

use crate::error::{Doing, Target};
use crate::replication::SlotPosition;
use crate::socket::{self, Opened};
use crate::tls::AlreadyEncrypted;
use crate::{ConnectionInfo, Error, ServerMessage, SlotName};

/// One SQL connection. Dropping it closes it at once.
pub struct Session {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
    target: Target,
    version: i32,
}

impl Session {
    /// Connects and authenticates within the connection's timeout.
    pub async fn connect(info: &ConnectionInfo) -> Result<Self, Error> {
        let target = info.target(info.database());
        let limit = info.connect_timeout();
        match tokio::time::timeout(limit, Self::open(info, target.clone())).await {
            Ok(session) => session,
            Err(_) => Err(Error::TimedOut {
                target: Box::new(target),
                doing: "connecting",
                seconds: limit.as_secs(),
            }),
        }
    }

    async fn open(info: &ConnectionInfo, target: Target) -> Result<Self, Error> {
        let Opened {
            stream,
            encrypted,
            channel_binding,
        } = socket::open(info, &target).await?;
        let mut config = info.config().clone();
        config
            .dbname(info.database())
            .application_name(info.application_name());
        if let Some(password) = info.password() {
            config.password(password.expose());
        }
        let refused = |error: &tokio_postgres::Error| connect_error(&target, error);
        let (client, driver) = if encrypted {
            // The stream is encrypted already; "direct" keeps tokio-postgres
            // from negotiating a second time.
            config
                .ssl_mode(SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
            let tls = AlreadyEncrypted { channel_binding };
            let (client, connection) = config
                .connect_raw(stream, tls)
                .await
                .map_err(|error| refused(&error))?;
            (client, drive(connection))
        } else {
            config.ssl_mode(SslMode::Disable);
            let (client, connection) = config
                .connect_raw(stream, NoTls)
                .await
                .map_err(|error| refused(&error))?;
            (client, drive(connection))
        };
        let mut session = Self {
            client,
            driver,
            target,
            version: 0,
        };
        let row = session
            .row("SELECT current_setting('server_version_num')::int4", &[])
            .await?;
        session.version = session.get(&row, 0)?;
        Ok(session)
    }

    /// The server's version as PostgreSQL numbers it: 150020 is 15.20.
    pub const fn server_version_num(&self) -> i32 {
        self.version
    }

    /// The rows of a query.
    pub async fn rows(
        &self,
        query: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.client
            .query(query, parameters)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// The one row of a query.
    pub async fn row(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
        self.client
            .query_one(query, parameters)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// The first column of the first row that a query answers, as the server writes
    /// it, whatever its type; `None` for null, and where there is no row.
    pub async fn text(&self, query: &str) -> Result<Option<String>, Error> {
        let answer = self.client.simple_query(query).await;
        let answer = answer.map_err(|error| self.failed(&error))?;
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let first = row.filter(|row| !row.is_empty());
        Ok(first.and_then(|row| row.get(0)).map(str::to_owned))
    }

    /// Refuses what is not one statement, or is none that this server understands. Runs
    /// nothing.
    pub async fn check_single(&self, query: &str) -> Result<(), Error> {
        let prepared = self.client.prepare(query).await;
        prepared.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    /// Runs statements that answer nothing.
    pub async fn execute(&self, statements: &str) -> Result<(), Error> {
        self.client
            .batch_execute(statements)
            .await
            .map_err(|error| self.failed(&error))
    }

    /// The underlying client, for what this helper does not cover.
    pub const fn client(&self) -> &tokio_postgres::Client {
        &self.client
    }

    /// A column of a row, or the error that it is not what it must be.
    pub(crate) fn get<'a, T>(&self, row: &'a Row, column: usize) -> Result<T, Error>
    where
        T: tokio_postgres::types::FromSql<'a>,
    {
        row.try_get(column).map_err(|error| self.failed(&error))
    }

    pub(crate) fn broken(&self, reason: impl Into<String>) -> Error {
        Error::Protocol {
            target: Box::new(self.target.clone()),
            reason: reason.into(),
        }
    }

    fn failed(&self, error: &tokio_postgres::Error) -> Error {
        sort(&self.target, Doing::Asking, error)
    }

    fn slot_failed(&self, slot: &SlotName, error: &tokio_postgres::Error) -> Error {
        sort(&self.target, Doing::UsingSlot(slot), error)
    }

    /// Where a physical slot stands; `None` when there is no such slot.
    pub async fn read_slot(&self, slot: &SlotName) -> Result<Option<SlotPosition>, Error> {
        let query = "SELECT restart_lsn::text FROM pg_replication_slots \
                     WHERE slot_name = $1 AND slot_type = 'physical'";
        let rows = self.rows(query, &[&slot.as_str()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let restart_lsn: Option<&str> = self.get(row, 0)?;
        let restart_lsn = restart_lsn.and_then(|text| text.parse().ok());
        Ok(Some(SlotPosition {
            restart_lsn,
            timeline: None,
        }))
    }

    /// Moves a slot that nobody streams from, so that WAL it kept may go
    /// (I-07: only up to what is durable where the policy says).
    pub async fn advance_slot(
        &self,
        slot: &SlotName,
        to: holdfast_types::Lsn,
    ) -> Result<(), Error> {
        let query = "SELECT pg_replication_slot_advance($1::text::name, $2::text::pg_lsn)";
        let position = to.to_string();
        let done = self
            .client
            .query_one(query, &[&slot.as_str(), &position])
            .await;
        done.map(drop)
            .map_err(|error| self.slot_failed(slot, &error))
    }

    /// Drops a slot; fails at once when it is in use.
    pub async fn drop_slot(&self, slot: &SlotName) -> Result<(), Error> {
        let query = "SELECT pg_drop_replication_slot($1::text::name)";
        let done = self.client.query_one(query, &[&slot.as_str()]).await;
        done.map(drop)
            .map_err(|error| self.slot_failed(slot, &error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Closes the socket now: a backup that is under way must be aborted
        // by the server, not when the last handle happens to go.
        self.driver.abort();
    }
}

fn drive<F, E>(connection: F) -> JoinHandle<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: std::fmt::Display,
{
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "SQL connection ended");
        }
    })
}

fn sort(target: &Target, doing: Doing<'_>, error: &tokio_postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        return Error::from_server(target, doing, ServerMessage::from(refusal));
    }
    let target = Box::new(target.clone());
    if error.is_closed() {
        return Error::Disconnected {
            target,
            source: None,
        };
    }
    let cause = std::error::Error::source(error);
    if let Some(io) = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
        let source = Some(std::io::Error::new(io.kind(), io.to_string()));
        return Error::Disconnected { target, source };
    }
    let reason = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    Error::Protocol { target, reason }
}

fn connect_error(target: &Target, error: &tokio_postgres::Error) -> Error {
    let missing = std::error::Error::source(error)
        .is_some_and(|cause| cause.to_string().contains("password missing"));
    if missing {
        return Error::WrongPassword {
            target: Box::new(target.clone()),
            message: None,
        };
    }
    sort(target, Doing::Connecting, error)
}
