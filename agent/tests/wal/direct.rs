//! `wal-push` and `wal-fetch` without an agent, run by PostgreSQL itself.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use holdfast_agent::wal::{FetchArgs, FetchExit, PushArgs, PushExit, fetch_command, push_command};
use holdfast_pg::testkit::{Builder, TestCluster, give_to_server_user, major, must_run};
use holdfast_repo::{
    AsideFile, Codec, Fetched, LineageRepository, Repository, RepositoryKey, StoreOptions,
    open_store,
};
use holdfast_types::{Lineage, LsnRange, Timeline, WalSegment};
use tempfile::TempDir;

use crate::pushing::{program, segment_of, size_of};
use crate::support::{cluster, eventually, system_identifier, write};

/// A repository that the servers' user may write, and its key.
struct Store {
    root: TempDir,
    key: RepositoryKey,
}

impl Store {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        give_to_server_user(root.path());
        let key = RepositoryKey::generate();
        let store = Self { root, key };
        fs::write(store.key_file(), store.key.to_text().expose()).unwrap();
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(store.key_file(), mode).unwrap();
        give_to_server_user(&store.key_file());
        Repository::init(
            open_store(&store.url().parse().unwrap(), &StoreOptions::default()).unwrap(),
            &store.key,
        )
        .await
        .unwrap();
        give_all(&store.path());
        store
    }

    fn path(&self) -> PathBuf {
        self.root.path().join("repository")
    }

    fn key_file(&self) -> PathBuf {
        self.root.path().join("key")
    }

    fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// How a command names it.
    fn words(&self) -> Vec<String> {
        [
            "--direct",
            "--cluster",
            "orders",
            "--repo",
            &self.url(),
            "--key-file",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([self.key_file().display().to_string()])
        .collect()
    }

    fn push_setting(&self) -> String {
        format!(
            "{} wal-push %p {}",
            program().display(),
            self.words().join(" ")
        )
    }

    fn fetch_setting(&self) -> String {
        let words = self.words().join(" ");
        format!(
            "{} wal-fetch %f %p --retry-for 10s {words}",
            program().display()
        )
    }

    fn server(&self) -> Builder {
        TestCluster::builder(&major(15))
            .initdb("--wal-segsize=1")
            .setting("archive_mode", "on")
            .setting("archive_command", &self.push_setting())
            .setting("wal_keep_size", "1GB")
            .setting("autovacuum", "off")
    }

    async fn lineage(&self, server: &TestCluster) -> LineageRepository {
        let store = open_store(&self.url().parse().unwrap(), &StoreOptions::default()).unwrap();
        let repository = Repository::open(store, &self.key, None).await.unwrap();
        let lineage = Lineage {
            system_identifier: system_identifier(server),
            incarnation: 1,
        };
        repository.lineage(&cluster(), lineage).await.unwrap()
    }
}

fn give_all(path: &Path) {
    give_to_server_user(path);
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            give_all(&entry.path());
        }
    }
}

#[derive(Parser)]
struct Push {
    #[command(flatten)]
    args: PushArgs,
}

#[derive(Parser)]
struct Fetch {
    #[command(flatten)]
    args: FetchArgs,
}

async fn push(store: &Store, path: &Path) -> PushExit {
    let path = path.display().to_string();
    let words = ["wal-push".to_owned(), path]
        .into_iter()
        .chain(store.words());
    push_command(Push::try_parse_from(words).unwrap().args).await
}

async fn fetch(store: &Store, name: &str, to: &Path, spool: &Path) -> FetchExit {
    let (to, spool) = (to.display().to_string(), spool.display().to_string());
    let words = [
        "wal-fetch",
        name,
        &to,
        "--retry-for",
        "0s",
        "--spool",
        &spool,
    ];
    let words = words.map(str::to_owned).into_iter().chain(store.words());
    fetch_command(Fetch::try_parse_from(words).unwrap().args).await
}

/// Waits until the archiver has stored `segment`.
async fn archived(server: &TestCluster, segment: WalSegment) {
    let name = segment.to_string();
    eventually(&format!("{name} to be archived"), async || {
        server.psql("SELECT last_archived_wal FROM pg_stat_archiver") >= name
    })
    .await;
}

fn switch(server: &TestCluster) -> WalSegment {
    let last = segment_of(server);
    server.psql("SELECT pg_switch_wal()");
    last
}

/// A data directory that is nobody's, with the identity of `server`.
fn borrowed(server: &TestCluster) -> TempDir {
    let data = tempfile::tempdir().unwrap();
    for directory in ["global", "pg_wal/archive_status"] {
        fs::create_dir_all(data.path().join(directory)).unwrap();
    }
    for file in ["PG_VERSION", "global/pg_control"] {
        fs::copy(server.data_dir().join(file), data.path().join(file)).unwrap();
    }
    data
}

/// Whole segments of a server, by name, lowest first.
fn some_segments(server: &TestCluster, count: usize) -> Vec<(WalSegment, Vec<u8>)> {
    let last = switch(server);
    let mut segments: Vec<_> = fs::read_dir(server.data_dir().join("pg_wal"))
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let segment = WalSegment::parse(entry.file_name().to_str()?, last.size()).ok()?;
            (segment.number() <= last.number()).then(|| (segment, fs::read(entry.path()).unwrap()))
        })
        .collect();
    segments.sort_by_key(|(segment, _)| segment.number());
    assert!(segments.len() >= count, "{} segments", segments.len());
    segments.split_off(segments.len() - count)
}

// Pitfall 15: identical bytes are fine, others are not; foreign systems are
// refused by the segment's header.
// Pitfall 16
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_bytes_are_stored_and_everything_else_is_refused() {
    let store = Store::new().await;
    let server = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .setting("wal_keep_size", "1GB")
        .start();
    write(&server, 3);
    let segments = some_segments(&server, 2);
    let data = borrowed(&server);
    let pg_wal = data.path().join("pg_wal");
    let put = |name: &str, bytes: &[u8]| {
        let path = pg_wal.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let (segment, bytes) = &segments[0];
    let name = segment.to_string();
    let path = put(&name, bytes);
    assert_eq!(push(&store, &path).await, PushExit::Durable);
    assert_eq!(push(&store, &path).await, PushExit::Durable, "again");
    let full = async || {
        let wal = store.lineage(&server).await.wal(Codec::DEFAULT);
        wal.fetch_segment(*segment).await.unwrap()
    };
    assert_eq!(full().await, Fetched::Full(bytes.clone().into()));
    // One bit, at the end.
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    let path = put(&name, &other);
    assert_eq!(push(&store, &path).await, PushExit::Refused);
    assert_eq!(
        full().await,
        Fetched::Full(bytes.clone().into()),
        "untouched"
    );

    let next = segment.next().to_string();
    let refused = async |bytes: &[u8], why: &str| {
        let path = put(&next, bytes);
        assert_eq!(push(&store, &path).await, PushExit::Refused, "{why}");
    };
    refused(&bytes[..bytes.len() / 2], "half of it (pitfall 16)").await;
    refused(bytes, "another segment's bytes").await;
    refused(&vec![0; bytes.len()], "nothing in it").await;
    let mut foreign = segments[1].1.clone();
    foreign[24..32].copy_from_slice(&7u64.to_le_bytes());
    refused(&foreign, "another system's").await;
    // What never existed, or is no file of PostgreSQL's archive.
    let missing = pg_wal.join(segment.next().next().to_string());
    assert_eq!(push(&store, &missing).await, PushExit::Failed);
    let odd = put("pg_control", b"x");
    assert_eq!(push(&store, &odd).await, PushExit::Refused);
    // Another server under the name of this cluster is another lineage.
    let stranger = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .start();
    write(&stranger, 1);
    let theirs = some_segments(&stranger, 1);
    let mixed = put(&next, &theirs[0].1);
    assert_eq!(push(&store, &mixed).await, PushExit::Refused);
    let listed = store
        .lineage(&server)
        .await
        .wal(Codec::DEFAULT)
        .list(Timeline::FIRST)
        .await;
    assert_eq!(listed.unwrap().coverage().ranges().len(), 1);
}

// Pitfall 16: whenever the command is killed, the repository holds a segment
// whole or not at all, and the next call finishes what was begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_push_that_is_killed_leaves_whole_segments_or_none() {
    let store = Store::new().await;
    let server = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .setting("wal_keep_size", "1GB")
        .start();
    write(&server, 9);
    let segments = some_segments(&server, 8);
    let data = borrowed(&server);
    let pg_wal = data.path().join("pg_wal");
    for (segment, bytes) in &segments {
        fs::write(pg_wal.join(segment.to_string()), bytes).unwrap();
        fs::write(pg_wal.join(format!("archive_status/{segment}.ready")), "").unwrap();
    }
    let command = |segment: &WalSegment| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-agent"));
        command.arg("wal-push").arg(format!("pg_wal/{segment}"));
        command.args(store.words()).current_dir(data.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    // How long a whole one takes, on this machine and today.
    let began = Instant::now();
    assert!(command(&segments[0].0).status().unwrap().success());
    let whole = began.elapsed().max(Duration::from_millis(5));
    for (turn, (segment, _)) in segments.iter().enumerate().skip(1) {
        let mut child = command(segment).spawn().unwrap();
        let after = whole * u32::try_from(turn).unwrap() / 8;
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        let wal = store.lineage(&server).await.wal(Codec::DEFAULT);
        for (segment, bytes) in &segments {
            match wal.fetch_segment(*segment).await {
                Ok(Fetched::Full(stored)) => assert!(stored == *bytes, "{segment}"),
                Ok(Fetched::Absent) | Err(holdfast_repo::Error::WalHole { .. }) => {}
                other => panic!("{segment}: {other:?}"),
            }
        }
    }
    for (segment, bytes) in &segments {
        assert!(command(segment).status().unwrap().success());
        let wal = store.lineage(&server).await.wal(Codec::DEFAULT);
        let stored = wal.fetch_segment(*segment).await.unwrap();
        assert!(stored == Fetched::Full(bytes.clone().into()), "{segment}");
    }
    // PostgreSQL alone says what is done.
    for (segment, _) in &segments {
        assert!(
            pg_wal
                .join(format!("archive_status/{segment}.ready"))
                .exists()
        );
    }
}

// What is ready is stored ahead, and the note of it serves the next call
// without the repository's help.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_ready_is_stored_ahead() {
    let store = Store::new().await;
    let server = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .setting("wal_keep_size", "1GB")
        .start();
    write(&server, 4);
    let segments = some_segments(&server, 3);
    let data = borrowed(&server);
    let pg_wal = data.path().join("pg_wal");
    for (segment, bytes) in &segments {
        fs::write(pg_wal.join(segment.to_string()), bytes).unwrap();
        fs::write(pg_wal.join(format!("archive_status/{segment}.ready")), "").unwrap();
    }
    let path = |index: usize| pg_wal.join(segments[index].0.to_string());
    assert_eq!(push(&store, &path(0)).await, PushExit::Durable);
    let wal = store.lineage(&server).await.wal(Codec::DEFAULT);
    for (segment, bytes) in &segments {
        let stored = wal.fetch_segment(*segment).await.unwrap();
        assert_eq!(stored, Fetched::Full(bytes.clone().into()));
    }
    let object = |index: usize| {
        let (segment, place) = (
            segments[index].0,
            format!("{}-1", system_identifier(&server)),
        );
        store
            .path()
            .join(format!("clusters/orders/{place}/wal/00000001/{segment}"))
    };
    // The note alone answers: it was written when the repository had confirmed.
    let aside = store.root.path().join("aside");
    fs::rename(object(1), &aside).unwrap();
    assert_eq!(push(&store, &path(1)).await, PushExit::Durable);
    assert!(!object(1).exists(), "it was not put again");
    // It serves once: asked again, the repository decides.
    assert_eq!(push(&store, &path(1)).await, PushExit::Durable);
    assert!(object(1).exists());
    // A file that was touched since is another: its bytes decide.
    let mut other = segments[2].1.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(path(2), other).unwrap();
    assert_eq!(push(&store, &path(2)).await, PushExit::Refused);
}

// Pitfall 20: what is fetched ahead lies in a directory of ours, is checked
// before it is used, and does not stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn segments_are_fetched_ahead_and_checked_before_they_are_used() {
    let store = Store::new().await;
    let server = store.server().start();
    write(&server, 14);
    let last = switch(&server);
    archived(&server, last).await;
    let wal = store.lineage(&server).await.wal(Codec::DEFAULT);
    let listed = wal.list(Timeline::FIRST).await.unwrap();
    let first = listed.segments.ranges()[0].from_lsn;
    let mut segment = WalSegment::containing(Timeline::FIRST, first, last.size());
    let place = tempfile::tempdir().unwrap();
    let (spool, to) = (
        place.path().join("spool"),
        place.path().join("RECOVERYXLOG"),
    );
    let kept = || -> Vec<PathBuf> {
        let below = fs::read_dir(spool.join("fetch"))
            .into_iter()
            .flatten()
            .flatten();
        let files = below.flat_map(|lineage| fs::read_dir(lineage.path()).unwrap().flatten());
        files.map(|entry| entry.path()).collect()
    };
    let mut turn = 0;
    while segment.number() <= last.number() {
        let fetched = fetch(&store, &segment.to_string(), &to, &spool).await;
        assert_eq!(fetched, FetchExit::Found, "{segment}");
        let path = server.data_dir().join("pg_wal").join(segment.to_string());
        assert!(
            fs::read(&to).unwrap() == fs::read(path).unwrap(),
            "{segment}"
        );
        let files = kept();
        assert!(files.len() <= 8, "{files:?}");
        if segment.number() < last.number() {
            let next = files
                .iter()
                .find(|path| path.ends_with(segment.next().to_string()));
            let next = next.expect("the next segment waits");
            turn += 1;
            match turn % 3 {
                0 => fs::write(next, b"torn").unwrap(),
                1 => {}
                // Of an earlier restore, under the same name.
                _ => {
                    let other = files.iter().find(|path| *path != next);
                    if let Some(other) = other {
                        fs::copy(other, next).unwrap();
                    }
                }
            }
        }
        segment = segment.next();
    }
    // The end of WAL leaves nothing behind.
    let absent = fetch(&store, &segment.to_string(), &to, &spool).await;
    assert_eq!(absent, FetchExit::Absent);
    assert_eq!(kept(), Vec::<PathBuf>::new());
}

/// A copy of the server that is fed by `wal-fetch` alone.
fn standby_of(server: &TestCluster, store: &Store) -> TestCluster {
    let mut standby = TestCluster::without_data(server.programs());
    let mut copy = standby.program("pg_basebackup");
    copy.arg("-D")
        .arg(standby.data_dir())
        .args(["-d", &server.socket_conninfo()]);
    copy.args(["--no-sync", "--checkpoint=fast", "-X", "none"]);
    let output = copy.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let restore = format!("restore_command = '{}'\n", store.fetch_setting());
    standby.append("postgresql.auto.conf", &restore);
    standby.append("standby.signal", "");
    standby.start();
    standby
}

// Pitfall 20: what was fetched ahead is in the way of pg_rewind on neither side, and who
// was rewound follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_primary_that_was_left_behind_is_rewound_and_follows() {
    let store = Store::new().await;
    let mut server = store.server().setting("wal_log_hints", "on").start();
    server.psql("CREATE TABLE ledger (n int)\nINSERT INTO ledger VALUES (1)");
    let standby = standby_of(&server, &store);
    write(&server, 6);
    server.psql("INSERT INTO ledger VALUES (2)");
    archived(&server, switch(&server)).await;
    let rows = |server: &TestCluster| {
        server.psql("SELECT string_agg(n::text, ',' ORDER BY n) FROM ledger")
    };
    eventually("the second row", async || rows(&standby) == "1,2").await;
    assert!(standby.data_dir().join(".holdfast/fetch").exists());
    standby.promote();
    // Before 16, pg_rewind believes the last checkpoint of which timeline it is.
    standby.psql("CHECKPOINT\nINSERT INTO ledger VALUES (3)");
    archived(&standby, switch(&standby)).await;
    server.psql("INSERT INTO ledger VALUES (4)");
    server.stop("fast");
    let mut rewind = server.program("pg_rewind");
    let from = format!("{} dbname=postgres", standby.socket_conninfo());
    rewind.arg("--target-pgdata").arg(server.data_dir());
    must_run(rewind.args(["--source-server", &from]));
    // It is consistent only with all that its source had written by then.
    standby.psql("INSERT INTO ledger VALUES (5)");
    archived(&standby, switch(&standby)).await;
    let restore = format!("restore_command = '{}'\n", store.fetch_setting());
    server.append("postgresql.auto.conf", &restore);
    server.append("standby.signal", "");
    server.start();
    let theirs = "1,2,3,5";
    eventually("the rows of the new primary", async || {
        rows(&server) == theirs
    })
    .await;
}

// A standby without a connection follows, is promoted, and archives on a new
// timeline; the primary that was left behind is refused (pitfalls 18 and 19).
// Pitfall 20
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_follows_is_promoted_and_archives_on() {
    let store = Store::new().await;
    let server = store.server().start();
    server.psql("CREATE TABLE ledger (n int)\nINSERT INTO ledger VALUES (1)");
    let standby = standby_of(&server, &store);
    server.psql("INSERT INTO ledger VALUES (2)");
    archived(&server, switch(&server)).await;
    let rows = |server: &TestCluster| {
        server.psql("SELECT string_agg(n::text, ',' ORDER BY n) FROM ledger")
    };
    eventually("the second row", async || rows(&standby) == "1,2").await;

    standby.promote();
    standby.psql("INSERT INTO ledger VALUES (3)");
    let on_two = switch(&standby);
    assert_eq!(on_two.timeline().get(), 2);
    archived(&standby, on_two).await;
    let wal = store.lineage(&server).await.wal(Codec::DEFAULT);
    let two = on_two.timeline();
    let history = wal.history(two).await.unwrap();
    let switched = history.switchpoint_of(Timeline::FIRST).unwrap();
    assert!(matches!(
        wal.fetch_segment(on_two).await.unwrap(),
        Fetched::Full(_)
    ));
    // What the first timeline holds ends where it was left.
    let one = wal.list(Timeline::FIRST).await.unwrap().coverage();
    let left = WalSegment::containing(Timeline::FIRST, switched, on_two.size());
    if switched > left.start() {
        assert!(
            wal.fetch_aside(AsideFile::Partial(left))
                .await
                .unwrap()
                .is_some()
        );
        let beginning = LsnRange::new(left.start(), switched).unwrap();
        assert!(one.covers(beginning), "{one:?} lacks {beginning:?}");
    }
    // The old primary does not know, and is refused.
    server.psql("INSERT INTO ledger VALUES (4)");
    let late = switch(&server);
    eventually("the refusal of the old primary", async || {
        server.psql("SELECT failed_count > 0 FROM pg_stat_archiver") == "t"
    })
    .await;
    let log = fs::read_to_string(server.log_path()).unwrap();
    assert!(log.contains("lineage_diverged"), "{log}");
    let after = wal.list(Timeline::FIRST).await.unwrap();
    assert!(
        after.end().unwrap() <= late.start().max(switched),
        "{after:?}"
    );

    // A copy of before ends on the new timeline, with what was committed there.
    let copy = standby_of(&standby, &store);
    eventually("the third row", async || rows(&copy) == "1,2,3").await;
    copy.promote();
    copy.psql("INSERT INTO ledger VALUES (5)");
    let on_three = switch(&copy);
    assert_eq!(on_three.timeline().get(), 3);
    archived(&copy, on_three).await;
    assert_eq!(size_of(&copy), on_three.size());
    let owner = fs::metadata(copy.data_dir()).unwrap().uid();
    let spool = copy.data_dir().join(".holdfast");
    assert!(fs::metadata(spool).is_ok_and(|it| it.uid() == owner));
}
