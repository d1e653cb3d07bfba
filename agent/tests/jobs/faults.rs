//! Bad days: holes, damage, and directories that are not free.

use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, free_port};
use holdfast_types::{RestoreRequest, Timeline, WalSegment};

use crate::fixture::{Fixture, failure};
use crate::ledger::{Ledger, assert_rows};
use crate::tail::code;

/// A backup and several segments of WAL after it.
async fn long_story(major: u32) -> (Fixture, Vec<crate::ledger::Noted>) {
    let fixture = Fixture::new(&testkit::major(major)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    fixture.archived_backup().await;
    let mut noted = Vec::new();
    for _ in 0..4 {
        noted.extend(ledger.write_many(50).await);
        fixture
            .session
            .execute("SELECT pg_switch_wal()")
            .await
            .unwrap();
    }
    noted.extend(ledger.write_many(5).await);
    fixture.archive().await;
    (fixture, noted)
}

fn segment_of(lsn: holdfast_types::Lsn) -> WalSegment {
    let size = holdfast_types::SegmentSize::new(1 << 20).unwrap();
    WalSegment::containing(Timeline::FIRST, lsn, size)
}

// Pitfall 17
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_is_named_and_nothing_goes_past_it() {
    for major in [15, 18] {
        let (fixture, noted) = long_story(major).await;
        // Planned and restored while everything was there.
        let copy = fixture.restore(&fixture.request("latest")).await;
        let before = fixture.plan(&fixture.request("latest")).await.unwrap();
        let missing = segment_of(noted[120].lsn);
        std::fs::remove_file(fixture.wal_object(&missing.to_string()).await).unwrap();

        for at in [
            "latest".to_owned(),
            noted[190].at.to_string(),
            format!("lsn:{}", noted[190].lsn),
        ] {
            let refused = fixture.plan(&fixture.request(&at)).await.unwrap_err();
            assert_eq!(refused.code, "wal_missing", "{at}: {refused}");
            assert!(
                refused.message.contains(&missing.start().to_string()),
                "{refused}"
            );
        }
        // A plan from before the loss is not executed.
        let request = fixture.request("latest");
        assert_eq!(
            failure(fixture.execute(&request, before).await).code,
            "wal_missing"
        );
        assert!(
            !std::path::Path::new(&request.dir).exists(),
            "nothing was written"
        );
        // Before the hole, everything is as it was.
        let request = RestoreRequest {
            start: true,
            ..fixture.request(&noted[60].at.to_string())
        };
        let earlier = fixture.restore(&request).await;
        assert_rows(&earlier.connect().await, noted[60].id).await;
        drop(earlier);

        // The copy that was restored before cannot get past it either: it ends
        // with an error instead of a promotion (I-12).
        copy.start_plainly(free_port());
        wait_until_stopped(&copy);
        let log = std::fs::read_to_string(copy.log()).unwrap();
        assert!(
            log.contains("recovery ended before configured recovery target"),
            "{log}"
        );
        assert!(!log.contains("selected new timeline"), "{log}");
    }
}

fn wait_until_stopped(copy: &crate::fixture::Restored) {
    for _ in 0..200 {
        if !copy.is_running() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!(
        "the server goes on: {}",
        std::fs::read_to_string(copy.log()).unwrap()
    );
}

// Pitfall 26
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_directory_stays_there() {
    let (fixture, _) = long_story(15).await;
    let request = fixture.request("latest");
    let plan = fixture.plan(&request).await.unwrap();
    assert_eq!(plan.problems, []);
    // Somebody uses the directory between the plan and the restore.
    std::fs::create_dir(&request.dir).unwrap();
    let precious = std::path::Path::new(&request.dir).join("precious");
    std::fs::write(&precious, "data").unwrap();
    assert_eq!(
        failure(fixture.execute(&request, plan).await).code,
        "dir_not_empty"
    );
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");
    assert_eq!(std::fs::read_dir(&request.dir).unwrap().count(), 1);
    let problems = fixture.plan(&request).await.unwrap().problems;
    assert_eq!(problems[0].code, "dir_not_empty");
    let missing = RestoreRequest {
        dir: "/nonexistent/place".to_owned(),
        ..request
    };
    assert_eq!(
        fixture.plan(&missing).await.unwrap().problems[0].code,
        "dir_parent_missing"
    );
}

// Pitfall 4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_leaves_a_directory_that_cannot_start() {
    let (fixture, _) = long_story(15).await;
    let packs = fixture.wal_object("").await.join("../../packs");
    let backup = std::fs::read_dir(packs)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for pack in std::fs::read_dir(backup).unwrap() {
        let path = pack.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    let plan = fixture.plan(&request).await.unwrap();
    let failed = failure(fixture.execute(&request, plan).await);
    assert_eq!(failed.code, "repository_damaged", "{failed}");
    assert!(
        failed.message.contains("left without global/pg_control"),
        "{failed}"
    );
    let dir = std::path::Path::new(&request.dir);
    assert!(!dir.join("global/pg_control").exists());
    assert!(!dir.join(".holdfast/wal-fetch.toml").exists());
}

/// Pitfall 2: the label is the one that PostgreSQL gave, and a copy that lost it does
/// not start. It would begin at a checkpoint from after the copy had begun.
// I-12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_without_its_label_does_not_start() {
    for major in [15, 18] {
        let fixture = Fixture::new(&testkit::major(major)).await;
        // What somebody left in the directory is no part of it.
        let stray = "START WAL LOCATION: 0/100028 (file 000000010000000000000001)\n";
        fixture.cluster.append("backup_label", stray);
        fixture.cluster.append("tablespace_map", "16999 /nowhere\n");
        let backup = fixture.archived_backup().await.backup.unwrap();
        fixture.archive().await;
        let copy = fixture.restore(&fixture.request("latest")).await;
        copy.verify_backup();
        let (path, kept) = (copy.dir().join("backup_label"), copy.dir().join("aside"));
        let label = std::fs::read_to_string(&path).unwrap();
        assert!(
            label.contains(&format!("LABEL: holdfast {}\n", backup.id)),
            "{label}"
        );
        assert!(!copy.dir().join("tablespace_map").exists());

        std::fs::rename(&path, &kept).unwrap();
        assert!(
            !copy.start_plainly(free_port()),
            "it starts without its label"
        );
        let log = std::fs::read_to_string(copy.log()).unwrap();
        assert!(log.contains("could not locate a valid checkpoint"), "{log}");
        std::fs::rename(&kept, &path).unwrap();
        assert!(copy.start_plainly(free_port()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_start_shows_its_log() {
    let (fixture, _) = long_story(15).await;
    let mut request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    request.set.insert(
        "shared_preload_libraries".to_owned(),
        "no_such_library".to_owned(),
    );
    let plan = fixture.plan(&request).await.unwrap();
    let failed = failure(fixture.execute(&request, plan).await);
    assert_eq!(failed.code, "postgres_did_not_start", "{failed}");
    assert!(failed.message.contains("no_such_library"), "{failed}");
    assert!(
        !std::path::Path::new(&request.dir)
            .join("global/pg_control")
            .exists()
    );

    request.set = [("no_such setting".to_owned(), "x".to_owned())].into();
    request.dir.push('x');
    let plan = fixture.plan(&request).await.unwrap();
    assert_eq!(plan.problems[0].code, "setting_reserved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_told_from_everything_else() {
    let (fixture, _) = long_story(15).await;
    let mut access = fixture.access.clone();
    access.key = holdfast_types::Secret::new("77".repeat(32));
    let question = holdfast_proto::PlanRequest {
        request_id: 1,
        repository: access,
        request: fixture.request("latest"),
        frontier: None,
        traceparent: None,
    };
    let outcome = holdfast_agent::job::restore::plan(question, &fixture.host).await;
    assert_eq!(code(outcome), "wrong_repository_key");
}

/// PostgreSQL does not run as root, so what root restores below a directory of
/// root's belongs to PostgreSQL's usual user.
// Pitfall 30
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_a_directory_of_roots_the_copy_belongs_to_postgres() {
    use std::os::unix::fs::MetadataExt;
    let (fixture, noted) = long_story(15).await;
    let parent = fixture.cluster.root().join("made-by-us");
    std::fs::create_dir(&parent).unwrap();
    let ours = std::fs::metadata(&parent).unwrap().uid();
    let dir = parent.join("copy");
    let request = RestoreRequest {
        start: true,
        dir: dir.to_str().unwrap().to_owned(),
        ..fixture.request("latest")
    };
    let copy = fixture.restore(&request).await;
    let owner = std::fs::metadata(&dir).unwrap().uid();
    assert_eq!(owner, fixture.cluster.run_as().uid());
    assert!(ours == owner || ours == 0);
    assert_rows(&copy.connect().await, noted.last().unwrap().id).await;
}
