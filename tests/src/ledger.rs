//! The oracle of data tests: what was acknowledged, and when.
//!
//! One writer commits numbered rows, one after the other, and writes down for
//! each the log position before and after. Rows are ordered by position, not by
//! commit timestamp, which is not monotone. After a restore the rows must be
//! exactly those up to the target.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use holdfast_types::Lsn;
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};

/// After each commit: nobody else is to be starved.
const PAUSE: Duration = Duration::from_millis(2);

/// A commit that PostgreSQL acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The row: 1, 2, 3, …
    pub id: i64,
    /// The log's end before the transaction.
    pub before: Lsn,
    /// The log's end after its acknowledgement.
    pub after: Lsn,
    /// When the acknowledgement arrived.
    pub at: Timestamp,
}

/// A writer at work.
#[derive(Debug)]
pub struct Ledger {
    entries: Arc<Mutex<Vec<Entry>>>,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Starts to write into a new table `ledger` of the server.
    ///
    /// It goes on when the server is restarted under it: a commit that was not
    /// acknowledged is not written down, and its number is used again only when
    /// the row is not there.
    pub fn start(connection: &str) -> Self {
        Self::start_with(connection, PAUSE)
    }

    /// The same with another pause after each commit: for runs that last.
    pub fn start_with(connection: &str, pause: Duration) -> Self {
        let entries = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (kept, ends, connection) = (entries.clone(), stop.clone(), connection.to_owned());
        let writer = std::thread::spawn(move || write(&connection, pause, &kept, &ends));
        Self {
            entries,
            stop,
            writer: Some(writer),
        }
    }

    /// What has been acknowledged so far.
    ///
    /// # Panics
    /// When the writer panicked.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries
            .lock()
            .expect("the writer has not panicked")
            .clone()
    }

    /// Waits until this many more commits were acknowledged.
    pub fn advance(&self, commits: usize) {
        let goal = self.entries().len() + commits;
        crate::until::until("commits of the ledger", Duration::from_secs(60), || {
            (self.entries().len() >= goal).then_some(())
        });
    }

    /// Ends the writer and returns all that was acknowledged.
    ///
    /// # Panics
    /// When the writer panicked.
    pub fn stop(mut self) -> Vec<Entry> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(writer) = self.writer.take() {
            writer.join().expect("the writer has not panicked");
        }
        self.entries()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Checks that the rows of a restored server are exactly those that were
/// acknowledged up to `lsn`: all that ended by then, none that began after.
///
/// # Panics
/// When a row is missing or is there too much.
pub fn assert_rows_up_to(entries: &[Entry], lsn: Lsn, rows: &[i64]) {
    let expected: Vec<i64> = (1..).take(rows.len()).collect();
    assert_eq!(
        rows, expected,
        "the rows are not the first ones without a hole"
    );
    let last = rows.last().copied().unwrap_or(0);
    let lost = entries
        .iter()
        .find(|entry| entry.after <= lsn && entry.id > last);
    assert!(
        lost.is_none(),
        "a restore to {lsn} ends at row {last} and lost {lost:?}"
    );
    let extra = entries
        .iter()
        .find(|entry| entry.before >= lsn && entry.id <= last);
    assert!(
        extra.is_none(),
        "a restore to {lsn} has {extra:?}, which came later"
    );
}

/// The rows of the ledger on a server.
///
/// # Panics
/// When they cannot be read.
pub fn rows(connection: &str) -> Vec<i64> {
    runtime().block_on(async {
        let client = connect(connection)
            .await
            .expect("the restored server answers");
        let rows = client.query("SELECT id FROM ledger ORDER BY id", &[]).await;
        rows.expect("the table ledger")
            .iter()
            .map(|row| row.get(0))
            .collect()
    })
}

fn write(connection: &str, pause: Duration, entries: &Mutex<Vec<Entry>>, stop: &AtomicBool) {
    runtime().block_on(async {
        let mut next = 1;
        while !stop.load(Ordering::Relaxed) {
            let Ok(client) = connect(connection).await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if let Err(error) = write_rows(&client, pause, entries, stop, &mut next).await {
                // Seen when a test fails: a server that goes away is expected.
                eprintln!("the ledger's writer connects again: {error}");
            }
        }
    });
}

async fn write_rows(
    client: &Client,
    pause: Duration,
    entries: &Mutex<Vec<Entry>>,
    stop: &AtomicBool,
    next: &mut i64,
) -> Result<(), tokio_postgres::Error> {
    let create = "CREATE TABLE IF NOT EXISTS ledger (id bigint PRIMARY KEY, note text)";
    client.batch_execute(create).await?;
    // After a lost connection the last row may or may not be there.
    let row = client
        .query_one("SELECT coalesce(max(id), 0) FROM ledger", &[])
        .await?;
    *next = row.get::<_, i64>(0) + 1;
    while !stop.load(Ordering::Relaxed) {
        let before = position(client).await?;
        let insert = "INSERT INTO ledger SELECT $1::bigint, repeat(md5($1::bigint::text), 8)";
        client.execute(insert, &[next]).await?;
        let at = Timestamp::now();
        let after = position(client).await?;
        let entry = Entry {
            id: *next,
            before,
            after,
            at,
        };
        entries.lock().expect("nobody panicked").push(entry);
        *next += 1;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn position(client: &Client) -> Result<Lsn, tokio_postgres::Error> {
    let row = client
        .query_one("SELECT pg_current_wal_insert_lsn()::text", &[])
        .await?;
    Ok(row
        .get::<_, String>(0)
        .parse()
        .expect("PostgreSQL prints a position"))
}

async fn connect(connection: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, driver) = tokio_postgres::connect(connection, NoTls).await?;
    tokio::spawn(driver);
    Ok(client)
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}
