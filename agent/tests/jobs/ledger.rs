//! The ledger: what was acknowledged, where and when.

use holdfast_pg::sql::Session;
use holdfast_types::Lsn;
use jiff::Timestamp;

/// A commit that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) id: i64,
    /// A position after its commit record and before the next one's.
    pub(crate) lsn: Lsn,
    /// A time after its commit and before the next one, on the server's clock.
    pub(crate) at: Timestamp,
}

/// Writes rows, one transaction each.
pub(crate) struct Ledger {
    session: Session,
    next: i64,
}

impl Ledger {
    pub(crate) async fn new(session: Session) -> Self {
        session
            .execute("CREATE TABLE ledger (id int8 PRIMARY KEY, filler text)")
            .await
            .unwrap();
        Self { session, next: 1 }
    }

    /// The same ledger on another server.
    pub(crate) fn go_on(self, session: Session) -> Self {
        Self {
            session,
            next: self.next,
        }
    }

    /// Goes on in another session, or on another server.
    pub(crate) fn move_to(&mut self, session: Session) {
        self.session = session;
    }

    pub(crate) async fn write(&mut self) -> Noted {
        let id = self.next;
        self.next += 1;
        let insert = "INSERT INTO ledger VALUES ($1, repeat('x', 500))";
        self.session.rows(insert, &[&id]).await.unwrap();
        let query = "SELECT pg_current_wal_insert_lsn()::text, \
                     (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
        let row = self.session.row(query, &[]).await.unwrap();
        let lsn = row.get::<_, String>(0).parse().unwrap();
        let at = Timestamp::from_microsecond(row.get(1)).unwrap();
        Noted { id, lsn, at }
    }

    pub(crate) async fn write_many(&mut self, count: usize) -> Vec<Noted> {
        let mut noted = Vec::new();
        for _ in 0..count {
            noted.push(self.write().await);
        }
        noted
    }
}

/// The rows of a copy must be exactly those up to `last`.
pub(crate) async fn assert_rows(session: &Session, last: i64) {
    let query = "SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0)::int8 FROM ledger";
    let row = session.row(query, &[]).await.unwrap();
    let found: (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(
        found,
        (last, last, last * (last + 1) / 2),
        "rows 1 to {last}, and no other"
    );
}
