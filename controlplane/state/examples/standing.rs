//! How long it takes to read what decides about every cluster now, and to judge them.
//!
//! `cargo run -p holdfast-state --example standing -- 10000 2 35` prints one line of
//! JSON: so many clusters with so many repositories and so many backups in each, judged
//! when nothing is known of them yet, again when nothing has changed, and again when
//! WAL of every hundredth has gone on.

#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::time::{Duration, Instant};

use holdfast_compliance::{Backup, Claim, Fact, Heard, Place, Promise, Stretch};
use holdfast_state::{FactsInForce, schema};
use holdfast_types::resource::WalMode;
use holdfast_types::{BackupId, BackupKind, Compliance, Lineage, Lsn, Name, RpoScope, Span};
use jiff::Timestamp;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement, TransactionTrait,
    Value,
};
use uuid::Uuid;

const DAY: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).expect("within time")
}

fn micros(second: i64) -> Value {
    at(second).as_microsecond().into()
}

fn repository(number: u32) -> Name {
    format!("r{number}").parse().expect("a name")
}

fn lineage() -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation: 1,
    }
}

fn promise(repositories: u32) -> Fact {
    let place = |number| Place {
        repository: repository(number),
        region: Some(format!("region-{number}")),
        within: None,
        locked: false,
        key_escrowed: false,
    };
    Fact::Promised(Box::new(Promise {
        policy: "gold".parse().expect("a name"),
        rpo: Some(Span::from_secs(60)),
        scope: RpoScope::Any,
        window: Some(Span::from_secs(14 * 86_400)),
        rto: None,
        drill_every: None,
        wal: WalMode::Streaming,
        flush_every: Span::from_secs(5),
        places: (0..repositories).map(place).collect(),
        delete_approvals: 0,
    }))
}

/// A backup a day, two hours into it.
fn backup(repository: Name, number: u32, day: i64) -> Fact {
    let second = day * DAY + 7_200;
    let id = u128::from(number) << 64 | u128::from(day.unsigned_abs());
    Fact::BackupAvailable {
        repository,
        backup: Backup {
            id: BackupId::from_uuid(Uuid::from_u128(id)),
            kind: BackupKind::Full,
            lineage: lineage(),
            start_lsn: Lsn::new((second - 600).unsigned_abs() * 1000),
            stop_lsn: Lsn::new(second.unsigned_abs() * 1000),
            consistent_at: at(second),
        },
    }
}

/// Claims every five seconds from the beginning of a day to a second of it.
fn stretch(day: i64, until: i64) -> Stretch {
    let claim = |second: i64| Claim {
        at: at(second),
        time: at(second - 1),
        lineage: lineage(),
        lsn: Lsn::new((second.unsigned_abs() + 1) * 1000),
    };
    let mut stretch = Stretch::begin(claim(day * DAY));
    for second in (5..=3_600).step_by(5) {
        stretch.extend(claim(day * DAY + second), Duration::from_secs(15));
    }
    stretch.last = claim(day * DAY + until);
    stretch
}

struct Fleet {
    conn: DatabaseConnection,
    clusters: Vec<Name>,
    repositories: u32,
    days: i64,
    folder: tempfile::TempDir,
}

async fn execute(conn: &impl ConnectionTrait, sql: &str, values: Vec<Value>) {
    let backend = conn.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, values);
    conn.execute_raw(statement).await.expect("a row");
}

/// Says that the last entry was of this moment.
async fn set_time(conn: &impl ConnectionTrait, second: i64) {
    let head = serde_json::json!({"index": 1, "time": at(second), "audit_rows": 0,
        "audit_hash": "00".repeat(32)});
    let sql = "INSERT INTO meta VALUES ('head', ?) \
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    execute(conn, sql, vec![head.to_string().into_bytes().into()]).await;
}

/// Seconds by the clock and of processors.
struct Took {
    read: (f64, f64),
    judged: (f64, f64),
    compliant: usize,
}

/// What this process has used of processors, on Linux: a machine may be busy.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|text| text.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

impl Fleet {
    async fn made(count: usize, repositories: u32, days: i64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/state.db?mode=rwc", folder.path().display());
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        let conn = Database::connect(options).await.expect("a database");
        let tx = conn.begin().await.expect("a transaction");
        schema::create(&tx).await.expect("its tables");
        for level in 2..=schema::COMPLIANCE {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/migration");
            if let Ok(sql) = std::fs::read_to_string(format!("{folder}/m{level:04}.sql")) {
                tx.execute_unprepared(&sql).await.expect("its tables");
            }
        }
        let level = schema::COMPLIANCE.to_string().into_bytes();
        execute(
            &tx,
            "UPDATE meta SET value = ? WHERE key = 'schema'",
            vec![level.into()],
        )
        .await;
        tx.commit().await.expect("it is kept");
        let names = (0..count).map(|number| format!("c{number:05}").parse().expect("a name"));
        let fleet = Self {
            conn,
            clusters: names.collect(),
            repositories,
            days,
            folder,
        };
        fleet.fill().await;
        fleet
    }

    async fn fill(&self) {
        let tx = self.conn.begin().await.expect("a transaction");
        let promise = serde_json::to_string(&promise(self.repositories)).expect("JSON");
        let stretch = serde_json::to_string(&stretch(self.days - 1, DAY / 2)).expect("JSON");
        let hold = "INSERT INTO compliance_in_force VALUES (?, ?, ?, ?, ?)";
        for cluster in &self.clusters {
            let cluster: Value = cluster.as_str().into();
            let begin = micros(0);
            let values = vec![
                cluster.clone(),
                "promise".into(),
                begin.clone(),
                begin,
                promise.as_str().into(),
            ];
            execute(&tx, hold, values).await;
            for number in 0..self.repositories {
                let place = repository(number);
                for day in 0..self.days {
                    let fact = backup(place.clone(), number, day);
                    let fact = serde_json::to_string(&fact).expect("JSON");
                    let known = micros(day * DAY + 7_201);
                    let subject = format!("backup/{place}/{day:04}");
                    let values = vec![
                        cluster.clone(),
                        subject.into(),
                        known.clone(),
                        known,
                        fact.into(),
                    ];
                    execute(&tx, hold, values).await;
                }
                let (first, last) = ((self.days - 1) * DAY, (self.days - 1) * DAY + DAY / 2);
                let values = vec![
                    cluster.clone(),
                    place.as_str().into(),
                    micros(first),
                    micros(last),
                    stretch.as_str().into(),
                ];
                let sql = "INSERT INTO compliance_stretches VALUES (?1, ?2, ?3, ?4, ?3, ?4, 0, ?5)";
                execute(&tx, sql, values).await;
            }
        }
        set_time(&tx, self.now()).await;
        tx.commit().await.expect("it is kept");
    }

    fn now(&self) -> i64 {
        (self.days - 1) * DAY + DAY / 2 + 2
    }

    /// WAL of every hundredth goes on.
    async fn goes_on(&self) {
        let tx = self.conn.begin().await.expect("a transaction");
        let now = self.now() + 5;
        for cluster in self.clusters.iter().step_by(100) {
            let sql = "UPDATE compliance_stretches SET last_at = ?, known_to = ? \
                       WHERE cluster = ? AND closed = 0";
            execute(
                &tx,
                sql,
                vec![micros(now), micros(now), cluster.as_str().into()],
            )
            .await;
        }
        set_time(&tx, now).await;
        tx.commit().await.expect("it is kept");
    }

    /// Reads and judges every cluster.
    async fn judge(&self, kept: &mut FactsInForce) -> Took {
        let began = cpu_seconds();
        let wall = Instant::now();
        let found = kept
            .of(&self.conn, &self.clusters)
            .await
            .expect("they are read");
        let read = (wall.elapsed().as_secs_f64(), cpu_seconds() - began);
        let began = cpu_seconds();
        let wall = Instant::now();
        let now = at(self.now() + 1);
        let verdicts = found
            .values()
            .filter_map(|one| one.verdict(Heard::default(), now));
        let compliant = verdicts.filter(|one| one.status == Some(Compliance::Compliant));
        let compliant = compliant.count();
        Took {
            read,
            judged: (wall.elapsed().as_secs_f64(), cpu_seconds() - began),
            compliant,
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| match arguments.next() {
        Some(text) => text.parse().expect("a number"),
        None => default,
    };
    let (count, repositories, days) = (number(10_000), number(2), number(35));
    let count = usize::try_from(count).expect("not so many");
    let fleet = Fleet::made(count, repositories, days.into()).await;
    let mut kept = FactsInForce::default();
    let first = fleet.judge(&mut kept).await;
    let again = fleet.judge(&mut kept).await;
    fleet.goes_on().await;
    let changed = fleet.judge(&mut kept).await;
    let told = |name: &str, took: &Took| {
        assert_eq!(took.compliant, count, "all are compliant");
        let (read, judged) = (took.read, took.judged);
        format!(
            "\"{name}\": {{\"readSeconds\": {:.3}, \"judgeSeconds\": {:.3}, \
             \"cpuSeconds\": {:.2}}}",
            read.0,
            judged.0,
            read.1 + judged.1
        )
    };
    println!(
        "{{\"clusters\": {count}, \"repositories\": {repositories}, \"backups\": {days}, \
         {}, {}, {}}}",
        told("first", &first),
        told("again", &again),
        told("changed", &changed),
    );
    drop(fleet.folder);
}
