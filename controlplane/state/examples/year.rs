//! How long it takes to read and judge what a report on a year of a fleet rests on.
//!
//! `cargo run -p holdfast-state --example year -- 500 2` prints one line of
//! JSON: so many clusters with so many repositories, each with a stretch and a backup a
//! day.

#![expect(clippy::disallowed_methods, reason = "it measures")]

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use holdfast_compliance::{Backup, Claim, Fact, Period, PeriodResult, Place, Promise, Stretch};
use holdfast_state::query::{self, PastText};
use holdfast_state::schema;
use holdfast_types::resource::WalMode;
use holdfast_types::{BackupId, BackupKind, Lineage, Lsn, Name, RpoScope, Span};
use jiff::{SignedDuration, Timestamp};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, Statement,
    TransactionTrait, Value,
};
use uuid::Uuid;

const DAY: i64 = 86_400;
const DAYS: i64 = 365;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).expect("within time")
}

fn micros(second: i64) -> Value {
    at(second).as_microsecond().into()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn lineage() -> Lineage {
    Lineage {
        system_identifier: 7,
        incarnation: 1,
    }
}

fn repository(number: u64) -> Name {
    name(&format!("r{number}"))
}

fn promise(repositories: u64) -> Fact {
    let place = |number| Place {
        repository: repository(number),
        region: Some(format!("region-{number}")),
        within: None,
        locked: false,
        key_escrowed: false,
    };
    Fact::Promised(Box::new(Promise {
        policy: name("gold"),
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

/// A day of claims every five seconds; the spread of an hour of them is that of all.
fn stretch(day: i64) -> Stretch {
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
    stretch.last = claim(day * DAY + DAY - 5);
    stretch
}

struct Writer {
    tx: DatabaseTransaction,
    facts: u64,
}

impl Writer {
    async fn execute(&self, sql: &str, values: Vec<Value>) {
        let backend = self.tx.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.tx.execute_raw(statement).await.expect("a row");
    }

    async fn fact(&mut self, cluster: &Name, second: i64, fact: &Fact) {
        self.facts += 1;
        let text = serde_json::to_string(fact).expect("a fact is JSON");
        let values = vec![
            cluster.as_str().into(),
            i64::try_from(self.facts).expect("few").into(),
            micros(second),
            micros(second),
            text.into(),
        ];
        let sql = "INSERT INTO compliance_facts VALUES (?1, ?2, 1, ?3, ?4, 'x', 1, ?5)";
        self.execute(sql, values).await;
    }

    async fn stretch(&self, cluster: &Name, repository: &Name, stretch: &str, day: i64) {
        let (first, last) = (micros(day * DAY), micros(day * DAY + DAY - 5));
        let values = vec![
            cluster.as_str().into(),
            repository.as_str().into(),
            first,
            last,
            stretch.into(),
        ];
        let sql = "INSERT INTO compliance_stretches VALUES (?1, ?2, ?3, ?4, ?3, ?4, 1, ?5)";
        self.execute(sql, values).await;
    }

    async fn cluster(&mut self, cluster: &Name, repositories: u64, stretches: &[String]) {
        self.fact(cluster, 0, &promise(repositories)).await;
        for day in 0..DAYS {
            for number in 0..repositories {
                let repository = repository(number);
                let stretch = &stretches[usize::try_from(day).expect("a day of a year")];
                self.stretch(cluster, &repository, stretch, day).await;
                let id = |day: i64| {
                    let number = u128::from(number) << 64 | u128::from(day.unsigned_abs());
                    BackupId::from_uuid(Uuid::from_u128(number))
                };
                let second = day * DAY + 7_200;
                let backup = Backup {
                    id: id(day),
                    kind: BackupKind::Full,
                    lineage: lineage(),
                    start_lsn: Lsn::new((second - 600).unsigned_abs() * 1000),
                    stop_lsn: Lsn::new(second.unsigned_abs() * 1000),
                    consistent_at: at(second),
                };
                let place = repository.clone();
                let repository = place.clone();
                let available = Fact::BackupAvailable { repository, backup };
                self.fact(cluster, second + 1, &available).await;
                if day >= 35 {
                    let (repository, backup) = (place, id(day - 35));
                    let gone = Fact::BackupGone { repository, backup };
                    self.fact(cluster, second + 2, &gone).await;
                }
            }
        }
    }
}

async fn filled(clusters: &[Name], repositories: u64) -> (tempfile::TempDir, DatabaseConnection) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/state.db?mode=rwc", folder.path().display());
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    let conn = Database::connect(options).await.expect("a database");
    let tx = conn.begin().await.expect("a transaction");
    schema::create(&tx).await.expect("its tables");
    for level in 2..=schema::COMPLIANCE {
        let file = format!(
            "{}/src/migration/m{level:04}.sql",
            env!("CARGO_MANIFEST_DIR")
        );
        if let Ok(sql) = std::fs::read_to_string(file) {
            tx.execute_unprepared(&sql).await.expect("its tables");
        }
    }
    let level = schema::COMPLIANCE.to_string();
    let level = level.as_bytes().to_vec();
    let mut writer = Writer { tx, facts: 0 };
    let sql = "UPDATE meta SET value = ? WHERE key = 'schema'";
    writer.execute(sql, vec![level.into()]).await;
    let stretches = (0..DAYS).map(|day| serde_json::to_string(&stretch(day)).expect("JSON"));
    let stretches: Vec<String> = stretches.collect();
    for cluster in clusters {
        writer.cluster(cluster, repositories, &stretches).await;
    }
    writer.tx.commit().await.expect("it is kept");
    (folder, conn)
}

/// How many clusters are read with one statement.
const AT_ONCE: usize = 8;

/// What a report says of these clusters, and how long that took.
fn tell(pasts: &[PastText], period: Period, known: Timestamp) -> (PeriodResult, Duration) {
    let began = Instant::now();
    let mut all = PeriodResult::default();
    for past in pasts {
        let history = past.read().expect("they are facts").history();
        let told = history.tell(period, Duration::from_secs(86_400), known);
        all.merge(told.numbers);
        assert_eq!(told.course.len(), 365);
        assert!(told.judged.is_some());
        assert_eq!(told.controls.len(), 12);
    }
    (all, began.elapsed())
}

/// What this process has used of processors, on Linux: a machine may be busy.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|text| text.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| match arguments.next() {
        Some(text) => text.parse().expect("a number"),
        None => default,
    };
    let (count, repositories): (u64, u64) = (number(500), number(2));
    let clusters = (0..count).map(|number| name(&format!("c{number:05}")));
    let clusters: Vec<Name> = clusters.collect();
    let (folder, conn) = filled(&clusters, repositories).await;
    let period = Period {
        from: at(0),
        until: at(DAYS * DAY),
    };
    let known = period.until + SignedDuration::from_hours(1);
    let (began, used) = (Instant::now(), cpu_seconds());
    let read = |some: &[Name]| {
        let (conn, some) = (conn.clone(), some.to_vec());
        async move {
            let pasts = query::pasts(&conn, &some).await.expect("their facts");
            let told = tokio::task::spawn_blocking(move || tell(&pasts, period, known));
            told.await.expect("it does not panic")
        }
    };
    // As a report does it.
    let told = stream::iter(clusters.chunks(AT_ONCE)).map(read).buffered(2);
    let parts: Vec<(PeriodResult, Duration)> = told.collect().await;
    let (mut all, mut telling) = (PeriodResult::default(), Duration::ZERO);
    for (part, took) in parts {
        all.merge(part);
        telling += took;
    }
    println!(
        "{{\"clusters\": {count}, \"repositories\": {repositories}, \"seconds\": {:.3}, \
         \"tellSeconds\": {:.3}, \"cpuSeconds\": {:.2}, \"compliance\": {:.6}}}",
        began.elapsed().as_secs_f64(),
        telling.as_secs_f64(),
        cpu_seconds() - used,
        all.compliance().unwrap_or_default(),
    );
    drop((conn, folder));
}
