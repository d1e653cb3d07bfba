//! Restores over what is there: what is the same stays, what differs is written,
//! nothing else is touched, and what is half done never starts (I-12).

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holdfast_agent::job::{JobContext, restore};
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, free_port};
use holdfast_proto::JobOutcome;
use holdfast_types::{JobPhase, RestoreRequest};
use tokio_util::sync::CancellationToken;

use crate::archives::command;
use crate::fixture::{Fixture, Restored, failure};
use crate::ledger::{Ledger, Noted, assert_rows};

/// A server with a tablespace, a backup of it, and commits behind that.
async fn story(major: u32) -> (Fixture, Vec<Noted>) {
    let fixture = Fixture::new(&testkit::major(major)).await;
    let place = fixture.directory("fast").display().to_string();
    for statement in [
        format!("CREATE TABLESPACE fast LOCATION '{place}'").as_str(),
        "CREATE TABLE one AS SELECT i, md5(i::text) AS t FROM generate_series(1, 60000) i",
        "CREATE TABLE two TABLESPACE fast AS TABLE one",
    ] {
        fixture.session.execute(statement).await.unwrap();
    }
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    fixture.archived_backup().await;
    let noted = ledger.write_many(20).await;
    fixture.archive().await;
    (fixture, noted)
}

/// The same directory again, over what is there.
fn over(request: &RestoreRequest) -> RestoreRequest {
    RestoreRequest {
        delta: true,
        ..request.clone()
    }
}

fn forced(request: &RestoreRequest) -> RestoreRequest {
    RestoreRequest {
        force: true,
        ..over(request)
    }
}

fn mapped(fixture: &Fixture, at: &str) -> (RestoreRequest, PathBuf) {
    let place = fixture.cluster.root().join("restored-fast");
    let request = RestoreRequest {
        start: true,
        tablespace_map: [("fast".to_owned(), place.display().to_string())].into(),
        ..fixture.request(at)
    };
    (request, place)
}

async fn codes(fixture: &Fixture, request: &RestoreRequest) -> Vec<String> {
    let problems = fixture.plan(request).await.unwrap().problems;
    problems.into_iter().map(|problem| problem.code).collect()
}

/// Restores, and says how many bytes were there already.
async fn restored(fixture: &Fixture, request: &RestoreRequest) -> (Restored, u64, u64) {
    let plan = fixture.plan(request).await.unwrap();
    assert_eq!(plan.problems, []);
    let cx = JobContext::new(CancellationToken::new());
    let work = fixture.restore_work(request, plan.clone());
    let outcome = restore::run(work, cx.clone(), &fixture.host).await;
    let copy = fixture.restored(plan, outcome);
    let log = cx.state().log;
    let said = log.iter().find(|line| line.contains("were there already"));
    let numbers = said.expect("it says so").split(' ');
    let numbers: Vec<u64> = numbers.filter_map(|word| word.parse().ok()).collect();
    (copy, numbers[0], numbers[1])
}

/// Every file below, with its inode and its bytes.
fn content(root: &Path) -> Vec<(PathBuf, u64, Vec<u8>)> {
    let mut files = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                pending.push(path);
            } else if meta.is_file() {
                files.push((path.clone(), meta.ino(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

// Pitfall 25
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_differs_is_written_on_15() {
    only_what_differs_is_written(15).await;
}

// Pitfall 25
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_differs_is_written_on_18() {
    only_what_differs_is_written(18).await;
}

async fn only_what_differs_is_written(major: u32) {
    let (fixture, noted) = story(major).await;
    let at = noted[9].at.to_string();
    let (request, place) = mapped(&fixture, &at);
    let copy = fixture.restore(&request).await;
    let session = copy.connect().await;
    assert_rows(&session, noted[9].id).await;
    // It lives a life of its own.
    for statement in [
        "UPDATE one SET t = t || '!' WHERE i % 20000 = 0",
        "CREATE TABLE three TABLESPACE fast AS TABLE one",
        "CREATE DATABASE other",
        "DROP TABLE two",
        "CHECKPOINT",
    ] {
        session.execute(statement).await.unwrap();
    }
    drop(session);
    let dir = copy.dir().to_owned();
    assert_eq!(codes(&fixture, &over(&request)).await, ["dir_in_use"]);
    copy.stop("fast");

    // What somebody else shares, and what a link leads to, is not written to.
    let outside = fixture.directory("outside");
    fs::write(outside.join("kept"), "x").unwrap();
    symlink(&outside, dir.join("base/link")).unwrap();
    let file = |sql: &str| fixture.cluster.psql(sql);
    let one = file("SELECT pg_relation_filepath('one')");
    fs::hard_link(dir.join(&one), outside.join("shared")).unwrap();
    let shared = fs::read(outside.join("shared")).unwrap();
    // A page that is damaged where nothing else differs.
    let index = file("SELECT pg_relation_filepath('pg_attribute_relid_attnam_index')");
    let damaged = fs::OpenOptions::new().write(true).open(dir.join(index));
    damaged.unwrap().write_all_at(&[0x55; 4000], 9000).unwrap();
    fs::write(dir.join("base/1/stray"), "x").unwrap();

    let again = over(&request);
    let planned = fixture.plan(&again).await.unwrap();
    let expected = planned.reuse_bytes.unwrap();
    assert!(
        expected > planned.database_bytes / 2 && expected <= planned.database_bytes,
        "{planned:?}"
    );
    let (copy, same, all) = restored(&fixture, &again).await;
    assert!(same > all / 2 && same < all, "{same} of {all}");
    assert_rows(&copy.connect().await, noted[9].id).await;
    assert_eq!(
        copy.psql_in(
            "postgres",
            "SELECT (SELECT count(*) FROM one) + (SELECT count(*) FROM two), \
             (SELECT count(*) FROM pg_database WHERE datname = 'other'), to_regclass('three') IS NULL"
        ),
        "120000|0|t"
    );
    copy.check_everything();
    assert!(dir.join("base/link").symlink_metadata().is_err());
    assert!(!dir.join("base/1/stray").exists());
    assert_eq!(fs::read(outside.join("shared")).unwrap(), shared);
    assert_eq!(fs::read(outside.join("kept")).unwrap(), b"x");
    assert!(place.exists());
}

// I-12
// Pitfall 26
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_named_is_left_alone() {
    let (fixture, noted) = story(18).await;
    let data = fixture.cluster.data_dir();
    let in_place = RestoreRequest {
        dir: data.display().to_string(),
        ..fixture.request(&noted[9].at.to_string())
    };
    let used = ["dir_in_use".to_owned()];
    assert_eq!(codes(&fixture, &forced(&in_place)).await, used);

    // A place of a server that runs, by way of a directory that names it too.
    let (request, place) = mapped(&fixture, &noted[9].at.to_string());
    let copy = fixture.restore(&request).await;
    copy.stop("fast");
    let fast = fixture.cluster.root().join("fast");
    let before = content(&fast);
    let back = RestoreRequest {
        tablespace_map: Default::default(),
        ..forced(&request)
    };
    symlink(&fast, copy.dir().join("pg_tblspc/1")).unwrap();
    assert_eq!(codes(&fixture, &back).await, used);
    assert_eq!(content(&fast), before);
    fs::remove_file(copy.dir().join("pg_tblspc/1")).unwrap();
    assert_eq!(
        codes(&fixture, &over(&back)).await,
        ["tablespace_not_empty"]
    );
    let without = RestoreRequest {
        force: true,
        delta: false,
        ..request.clone()
    };
    let refused = codes(&fixture, &without).await;
    assert!(
        refused.contains(&"force_without_delta".to_owned()),
        "{refused:?}"
    );

    // Whoever comes between the plan and the restore is noticed.
    let again = over(&request);
    let plan = fixture.plan(&again).await.unwrap();
    assert_eq!(plan.problems, []);
    fs::write(copy.dir().join("postmaster.pid"), "1\n").unwrap();
    let (dir, elsewhere) = (content(copy.dir()), content(&place));
    let refused = failure(fixture.execute(&again, plan).await);
    assert_eq!(refused.code, "dir_in_use");
    assert_eq!(content(copy.dir()), dir);
    assert_eq!(content(&place), elsewhere);
    fs::remove_file(copy.dir().join("postmaster.pid")).unwrap();

    // The original's own place, when it has stopped and may go.
    fixture.cluster.stop("fast");
    assert_eq!(
        codes(&fixture, &over(&in_place)).await,
        ["dir_not_restored", "tablespace_not_empty"]
    );
    let (copy, same, all) = restored(&fixture, &forced(&in_place)).await;
    assert!(same > all / 2, "{same} of {all}");
    copy.verify_backup();
    assert!(copy.start_plainly(free_port()));
    copy.stop("fast");
}

/// What fails before its first change leaves everything as it was: a directory that
/// would have started still does.
// I-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_at_once_changes_nothing() {
    let (fixture, noted) = story(18).await;
    let (request, place) = mapped(&fixture, &noted[9].at.to_string());
    let copy = fixture.restore(&request).await;
    copy.stop("fast");
    let plan = fixture.plan(&over(&request)).await.unwrap();
    assert_eq!(plan.problems, []);
    let manifests = fixture.wal_object("").await.join("../../manifests");
    fs::rename(&manifests, manifests.with_extension("away")).unwrap();
    let before = (content(copy.dir()), content(&place));
    let failed = failure(fixture.execute(&over(&request), plan).await);
    assert!(failed.message.ends_with("is as it was"), "{failed}");
    assert_eq!((content(copy.dir()), content(&place)), before);
    assert!(copy.start_plainly(free_port()));
    copy.stop("fast");
}

/// Cancelled in every phase: what is left does not start, and is gone on with.
///
/// Pitfall 9: what is empty in the backup becomes empty, and what was emptied is filled.
/// Pitfall 26: the directories, which may be where volumes are mounted, stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ends_in_the_middle_is_gone_on_with() {
    let (fixture, noted) = story(15).await;
    let (request, place) = mapped(&fixture, &noted[9].at.to_string());
    let copy = fixture.restore(&request).await;
    copy.stop("fast");
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let directories = (inode(copy.dir()), inode(&place));
    let emptied = fixture.cluster.psql("SELECT pg_relation_filepath('one')");
    fs::write(copy.dir().join(&emptied), "").unwrap();
    let empty = content(copy.dir()).into_iter();
    let mut empty = empty.filter(|(path, _, bytes)| bytes.is_empty() && in_base(path));
    let (empty, ..) = empty.find(|(path, ..)| !path.ends_with(&emptied)).unwrap();
    fs::write(&empty, [7; 9000]).unwrap();
    for phase in [JobPhase::Copy, JobPhase::Wal, JobPhase::Verify] {
        let plan = fixture.plan(&over(&request)).await.unwrap();
        assert_eq!(plan.problems, [], "{phase}");
        let cancel = CancellationToken::new();
        let cx = JobContext::new(cancel.clone());
        let work = fixture.restore_work(&over(&request), plan);
        let run = restore::run(work, cx.clone(), &fixture.host);
        let ending = async {
            let mut changes = cx.subscribe();
            while cx.state().phase != Some(phase) {
                changes.changed().await.unwrap();
            }
            cancel.cancel();
            std::future::pending::<()>().await;
        };
        let outcome = tokio::select! {
            outcome = run => outcome,
            () = ending => unreachable!("it never ends"),
        };
        assert!(matches!(outcome, JobOutcome::Cancelled), "{outcome:?}");
        assert!(!copy.dir().join("global/pg_control").exists(), "{phase}");
        assert!(!copy.start_plainly(free_port()), "{phase}");
    }
    let (copy, _, _) = restored(&fixture, &over(&request)).await;
    assert_rows(&copy.connect().await, noted[9].id).await;
    assert_eq!(fs::metadata(&empty).unwrap().len(), 0);
    assert_eq!(
        copy.psql_in("postgres", "SELECT count(*) FROM one"),
        "60000"
    );
    copy.check_everything();
    assert_eq!(directories, (inode(copy.dir()), inode(&place)));
}

fn in_base(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "base")
}

/// Killed, in a directory that had to be forced: no force is needed to go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_is_gone_on_with() {
    let (fixture, noted) = story(18).await;
    fixture.cluster.stop("fast");
    let data = fixture.cluster.data_dir();
    let at = noted[9].at.to_string();
    let refused = command(&fixture, &at, &data)
        .arg("--delta")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let control = data.join("global/pg_control");
    assert!(control.exists());
    let mut run = command(&fixture, &at, &data);
    let mut run = run.args(["--delta", "--force"]).spawn().unwrap();
    let began = Instant::now();
    let marker = data.join(".holdfast/restored.json");
    while control.exists() || !marker.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never began");
        std::thread::sleep(Duration::from_millis(1));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!control.exists());
    let again = command(&fixture, &at, &data)
        .arg("--delta")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success(), "{said}");
    assert!(control.exists());
    let mut verify = fixture.cluster.program("pg_verifybackup");
    testkit::must_run(verify.arg(&data));
    fixture.cluster.start_again();
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    crate::oracle::promoted(&session).await;
    assert_rows(&session, noted[9].id).await;
}
