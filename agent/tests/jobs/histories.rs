//! Random histories: tables and databases come, change and go, the server crashes
//! and is replaced by its standby, and backups of every kind are taken in between.
//! Whatever happened, a restore to a moment shows what was there in that moment.
//!
//! A moment is a named restore point; what was there is a digest of every row of
//! every table of every database, and the ledger.

use std::collections::BTreeMap;

use fastrand::Rng;
use holdfast_agent::job::backup;
use holdfast_pg::binaries::Programs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, TestCluster};
use holdfast_proto::JobSuccess;
use holdfast_types::{BackupKind, CommittedBackup, JobPhase, Lsn, RestoreRequest, Timeline};

use crate::fixture::{Fixture, context, succeeded};
use crate::incremental::{committed, pinned};
use crate::ledger::{Ledger, assert_rows};
use crate::tail::caught_up;

/// What is in a database: each table with the number and the digest of its rows.
type Contents = BTreeMap<String, Vec<String>>;

/// Something that can be restored to.
#[derive(Debug)]
struct Moment {
    name: String,
    /// The end of the record of its restore point.
    lsn: Lsn,
    last_row: i64,
    contents: Contents,
}

struct History {
    seed: u64,
    rng: Rng,
    fixture: Fixture,
    ledger: Ledger,
    timeline: Timeline,
    /// Servers that were replaced; their folders hold the repository.
    former: Vec<TestCluster>,
    /// Databases, with their tables.
    databases: BTreeMap<String, Vec<String>>,
    made: u32,
    newest: Option<CommittedBackup>,
    moments: Vec<Moment>,
    told: Vec<String>,
}

// Pitfall 24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_history_on_15() {
    history(&testkit::major(15), seed(), 24, 4).await;
}

// Pitfall 24
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_history_on_18() {
    history(&testkit::major(18), seed(), 24, 4).await;
}

/// `HOLDFAST_HISTORIES` says how many for each PostgreSQL.
#[ignore = "minutes for each: make soak"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_random_histories() {
    let count = std::env::var("HOLDFAST_HISTORIES").ok();
    let count: u64 = count.map_or(5, |text| text.parse().expect("a number"));
    let first = seed();
    for programs in testkit::all_majors() {
        for seed in first..first + count {
            history(&programs, seed, 60, 8).await;
        }
    }
}

/// `HOLDFAST_HISTORY_SEED` has one again.
fn seed() -> u64 {
    match std::env::var("HOLDFAST_HISTORY_SEED") {
        Ok(text) => text.parse().expect("HOLDFAST_HISTORY_SEED is a number"),
        Err(_) => fastrand::u64(..1_000_000),
    }
}

async fn history(programs: &Programs, seed: u64, steps: usize, restores: usize) {
    eprintln!("PostgreSQL {}, seed {seed}", programs.major());
    let mut history = History::begin(programs, seed).await;
    history.back_up(BackupKind::Full).await;
    for _ in 0..steps {
        history.step().await;
        history.remember().await;
    }
    // With a commit behind it, the last restore point is on disk.
    history.ledger.write().await;
    history.archive().await;
    history.check(restores).await;
}

impl History {
    async fn begin(programs: &Programs, seed: u64) -> Self {
        let fixture = Fixture::new(programs).await;
        let space = fixture.directory("space");
        fixture.cluster.psql(&format!(
            "CREATE TABLESPACE space LOCATION '{}'",
            space.display()
        ));
        let session = Session::connect(&fixture.cluster.local()).await.unwrap();
        let ledger = Ledger::new(session).await;
        Self {
            seed,
            rng: Rng::with_seed(seed),
            fixture,
            ledger,
            timeline: Timeline::FIRST,
            former: Vec::new(),
            databases: BTreeMap::from([("postgres".to_owned(), Vec::new())]),
            made: 0,
            newest: None,
            moments: Vec::new(),
            told: Vec::new(),
        }
    }

    fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    async fn step(&mut self) {
        match self.rng.u32(..20) {
            0..=2 => self.create_table(),
            3..=5 => {
                self.change("INSERT INTO {t} SELECT n, md5(n::text) FROM generate_series(1, {n}) n")
            }
            6 => self.change("UPDATE {t} SET body = body || '+' WHERE id % 3 = 0"),
            // Shrinks the file at its end, and the next insert makes it grow again.
            7 => self.change("DELETE FROM {t} WHERE id > {n} / 10\nVACUUM (TRUNCATE) {t}"),
            8 => self.change("TRUNCATE {t}"),
            9 => self.change("CREATE INDEX ON {t} (id)\nVACUUM FULL {t}"),
            10 => self.change("ALTER TABLE {t} SET TABLESPACE space"),
            11 => self.change("ALTER TABLE {t} SET TABLESPACE pg_default"),
            12 => self.drop_table(),
            13 => self.create_database(),
            14 => self.drop_database(),
            15 => self.crash().await,
            16 => self.fail_over().await,
            17 => self.back_up(BackupKind::Full).await,
            _ => self.back_up(BackupKind::Incremental).await,
        }
    }

    fn any_database(&mut self) -> String {
        let names: Vec<&String> = self.databases.keys().collect();
        (*names[self.rng.usize(..names.len())]).clone()
    }

    fn create_table(&mut self) {
        self.made += 1;
        let (database, table) = (self.any_database(), format!("t{}", self.made));
        let rows = self.rng.u32(0..5000);
        self.fixture.cluster.psql_in(
            &database,
            &format!(
                "CREATE TABLE {table} (id int, body text)\n\
                 INSERT INTO {table} SELECT n, md5(n::text) FROM generate_series(1, {rows}) n"
            ),
        );
        self.tell(format!("{database}: {table} with {rows} rows"));
        self.databases.entry(database).or_default().push(table);
    }

    /// Does something to a table, if there is one.
    fn change(&mut self, what: &str) {
        let database = self.any_database();
        let Some(table) = self.rng.choice(self.databases[&database].clone()) else {
            return self.create_table();
        };
        let rows = self.rng.u32(1..8000).to_string();
        let sql = what.replace("{t}", &table).replace("{n}", &rows);
        self.fixture.cluster.psql_in(&database, &sql);
        if self.rng.u32(..4) == 0 {
            self.fixture.cluster.psql("CHECKPOINT");
        }
        self.tell(format!("{database}: {}", sql.replace('\n', "; ")));
    }

    fn drop_table(&mut self) {
        let database = self.any_database();
        let tables = self.databases.get_mut(&database).unwrap();
        if tables.is_empty() {
            return self.create_table();
        }
        let table = tables.swap_remove(self.rng.usize(..tables.len()));
        self.fixture
            .cluster
            .psql_in(&database, &format!("DROP TABLE {table}"));
        self.tell(format!("{database}: {table} dropped"));
    }

    fn create_database(&mut self) {
        self.made += 1;
        let name = format!("d{}", self.made);
        self.fixture
            .cluster
            .psql(&format!("CREATE DATABASE {name}"));
        self.tell(format!("database {name}"));
        self.databases.insert(name, Vec::new());
    }

    fn drop_database(&mut self) {
        let droppable = self.databases.keys().filter(|name| *name != "postgres");
        let Some(name) = self.rng.choice(droppable.cloned().collect::<Vec<_>>()) else {
            return self.create_database();
        };
        self.databases.remove(&name);
        self.fixture.cluster.psql(&format!("DROP DATABASE {name}"));
        self.tell(format!("database {name} dropped"));
    }

    async fn crash(&mut self) {
        self.fixture.cluster.stop("immediate");
        self.fixture.cluster.start_again();
        self.reconnect().await;
        self.tell("crashed".to_owned());
    }

    /// A standby takes over, on the next timeline; the primary is gone.
    async fn fail_over(&mut self) {
        // Its tablespace cannot lie where the primary's is.
        let sql = "SELECT count(*) FROM pg_class WHERE reltablespace <> 0 AND relkind = 'r' \
                   AND NOT relisshared";
        let databases: Vec<String> = self.databases.keys().cloned().collect();
        let used = |database: &String| self.fixture.cluster.psql_in(database, sql) != "0";
        if databases.iter().any(used) {
            return self.crash().await;
        }
        self.fixture.cluster.psql("DROP TABLESPACE space");
        let standby = self.fixture.cluster.standby(None);
        caught_up(&self.fixture, &standby).await;
        self.archive().await;
        self.fixture.cluster.stop("fast");
        // What a clean stop writes, the standby has too.
        standby.promote();
        let slot = holdfast_pg::SlotName::for_cluster(&crate::fixture::name());
        standby.psql(&format!(
            "SELECT pg_create_physical_replication_slot('{slot}', true)"
        ));
        let former = std::mem::replace(&mut self.fixture.cluster, standby);
        self.former.push(former);
        let next = self.fixture.cluster.psql(
            "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int",
        );
        self.timeline = Timeline::new(next.parse().unwrap()).unwrap();
        self.reconnect().await;
        let place = self.fixture.directory("space");
        self.fixture.cluster.psql(&format!(
            "CREATE TABLESPACE space LOCATION '{}'",
            place.display()
        ));
        self.tell(format!("promoted, timeline {}", self.timeline));
        // Replay would make the tablespace where this server has it.
        self.back_up(BackupKind::Incremental).await;
    }

    async fn reconnect(&mut self) {
        let local = self.fixture.cluster.local();
        self.fixture.session = Session::connect(&local).await.unwrap();
        let session = Session::connect(&local).await.unwrap();
        self.ledger.move_to(session);
    }

    /// A backup; what happens while it runs is in it or in its WAL.
    async fn back_up(&mut self, kind: BackupKind) {
        let mut work = self.fixture.backup_work();
        work.kind = kind;
        if kind == BackupKind::Incremental {
            work.parent = self.newest.as_ref().map(pinned);
        }
        let cx = context();
        let run = backup::run(work, cx.clone(), &self.fixture.host);
        let busy = async {
            let mut changes = cx.subscribe();
            while cx.state().phase != Some(JobPhase::Wal) {
                changes.changed().await.unwrap();
            }
            let (cluster, session) = (&self.fixture.cluster, &self.fixture.session);
            self.fixture
                .archive_of(cluster, session, self.timeline)
                .await;
            std::future::pending::<()>().await;
        };
        let success: JobSuccess = tokio::select! {
            outcome = run => succeeded(outcome),
            () = busy => unreachable!("it never ends"),
        };
        let backup = committed(&success);
        self.tell(format!(
            "{} {}: {} of {} bytes stored",
            success.result["kind"], backup.id, backup.added_bytes, backup.database_bytes
        ));
        self.newest = Some(backup);
    }

    async fn archive(&self) {
        let (cluster, session) = (&self.fixture.cluster, &self.fixture.session);
        self.fixture
            .archive_of(cluster, session, self.timeline)
            .await;
    }

    /// Notes what is there now.
    async fn remember(&mut self) {
        let noted = self.ledger.write().await;
        let name = format!("moment {}", self.moments.len());
        let contents = self
            .databases
            .keys()
            .map(|database| {
                let of = |sql: &str| self.fixture.cluster.psql_in(database, sql);
                (database.clone(), contents(&of))
            })
            .collect();
        // With a transaction of its own, so that it is on disk when it is made: a
        // crash that comes next would take it away.
        let point =
            format!("SELECT pg_create_restore_point('{name}')::text, pg_current_xact_id()::text");
        let lsn = self.fixture.lsn(&point).await;
        self.moments.push(Moment {
            name,
            lsn,
            last_row: noted.id,
            contents,
        });
    }

    /// Restores to the last moment and to others at random.
    async fn check(&mut self, restores: usize) {
        let last = self.moments.len() - 1;
        let mut chosen = vec![last];
        while chosen.len() < restores {
            chosen.push(self.rng.usize(..last));
        }
        for (turn, index) in chosen.into_iter().enumerate() {
            let moment = &self.moments[index];
            let by_name = self.rng.bool();
            let at = if by_name {
                format!("name:{}", moment.name)
            } else {
                format!("lsn:{}", moment.lsn)
            };
            let story = self.told.join("\n  ");
            eprintln!("seed {}: restoring to {at}", self.seed);
            let to = self.fixture.cluster.root().join(format!("space-{turn}"));
            let request = RestoreRequest {
                start: true,
                // The first record from that position on is not part of it.
                exclusive: !by_name,
                tablespace_map: [("space".to_owned(), to.display().to_string())].into(),
                ..self.fixture.request(&at)
            };
            let plan = self.fixture.plan(&request).await;
            let plan = plan.unwrap_or_else(|refused| panic!("{at}: {refused}\n  {story}"));
            let copy = self.fixture.restore_as(&request, plan).await;
            assert_rows(&copy.connect().await, moment.last_row).await;
            for (database, wanted) in &moment.contents {
                let found = contents(&|sql| copy.psql_in(database, sql));
                assert_eq!(
                    &found, wanted,
                    "seed {}, {at}, {database}\n  {story}",
                    self.seed
                );
            }
            copy.check_everything();
        }
    }
}

/// Each table, where it lies, and the digest of its rows.
fn contents(ask: &dyn Fn(&str) -> String) -> Vec<String> {
    let tables = ask(
        "SELECT c.relname || ' ' || coalesce(t.spcname, '-') FROM pg_class c \
         LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace \
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace \
         AND c.relname <> 'ledger' ORDER BY 1",
    );
    let digest = |line: &str| {
        let table = line.split(' ').next().unwrap_or_default();
        let rows = ask(&format!(
            "SELECT count(*) || ' ' || coalesce(md5(string_agg(id || body, ',' ORDER BY id, body)), '') \
             FROM {table}"
        ));
        format!("{line} {rows}")
    };
    tables.lines().map(digest).collect()
}
