//! The snapshot that a database is dumped from.
//!
//! We take it and lend it to pg_dump, so that its time is known and not
//! guessed: every commit that was acknowledged by the moment before we asked is
//! in it. All processes of one dump see the same.

use holdfast_pg::ConnectionInfo;
use holdfast_pg::sql::Session;
use holdfast_types::Lsn;
use jiff::Timestamp;

use crate::host::Host;
use crate::job::backup::Stopped;

/// A snapshot, for as long as this lives.
pub(super) struct Snapshot {
    session: Session,
    /// What pg_dump is told.
    pub(super) id: String,
    /// Everything that was committed by then is in it.
    pub(super) at: Timestamp,
    /// Where the server's WAL was.
    pub(super) lsn: Lsn,
}

impl Snapshot {
    /// Takes one of the database of `info`.
    pub(super) async fn take(host: &Host, info: &ConnectionInfo) -> Result<Self, Stopped> {
        let session = Session::connect(info).await?;
        // Nothing of the server's settings may end what we hold.
        let mut settings = "SET statement_timeout = 0; SET lock_timeout = 0; \
                            SET idle_in_transaction_session_timeout = 0"
            .to_owned();
        if session.server_version_num() >= 170_000 {
            settings.push_str("; SET transaction_timeout = 0");
        }
        session.execute(&settings).await?;
        session
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        // The first query takes the snapshot: what was acknowledged before is in.
        // The catalog keeps microseconds, and the same time stands everywhere.
        let at = host.clock().now_or_local().as_microsecond();
        let at = Timestamp::from_microsecond(at).unwrap_or_default();
        let query = "SELECT pg_export_snapshot()::text, pg_current_wal_insert_lsn()::text";
        let row = session.row(query, &[]).await?;
        let id: String = row.try_get(0).unwrap_or_default();
        let lsn: String = row.try_get(1).unwrap_or_default();
        Ok(Self {
            session,
            id,
            at,
            lsn: lsn.parse().unwrap_or(Lsn::INVALID),
        })
    }

    /// What the rows and large objects took on disk when they were last
    /// vacuumed, indexes left out: about what a dump of them takes. The sizes
    /// of now would wait for every lock on a table.
    pub(super) async fn row_bytes(&self) -> Result<u64, Stopped> {
        let query = "SELECT (coalesce(sum(greatest(c.relpages, 0)::bigint), 0) \
                             * current_setting('block_size')::bigint)::bigint \
                       FROM pg_class c WHERE c.relkind IN ('r', 'm', 't') \
                        AND (c.oid = 'pg_largeobject'::regclass OR c.oid >= 16384)";
        let row = self.session.row(query, &[]).await?;
        let bytes: i64 = row.try_get(0).unwrap_or(0);
        Ok(u64::try_from(bytes).unwrap_or(0))
    }
}
