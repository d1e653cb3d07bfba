//! Restores.

use std::path::Path;

use holdfast_agent::job::restore;
use holdfast_pg::binaries::RunAs;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use holdfast_proto::Work;
use holdfast_types::RestoreRequest;
use serde_json::json;

use super::child::dies_at;
use super::points;
use crate::fixture::{Fixture, failure};
use crate::ledger::{Ledger, assert_rows};

/// Before anything is written.
const UNTOUCHED: &str = "restore::prepare::done";
/// From here on the server accepts writes, and may be in use.
const PROMOTED: &[&str] = &[
    "restore::promote::promoted",
    "restore::promote::done",
    "restore::check::done",
    "restore::hooks::done",
];
/// The directory is not whole until its control file is in place.
const NOT_STARTABLE: &[&str] = &[
    "restore::copy::done",
    "restore::wal::done",
    "restore::config::done",
    "restore::verify::synced",
];

fn is_running(fixture: &Fixture, dir: &Path) -> bool {
    let Ok(user) = RunAs::owner_of(dir) else {
        return false;
    };
    let mut status = fixture.cluster.programs().blocking_command("pg_ctl", user);
    let status = status.args(["status", "-D"]).arg(dir).output().unwrap();
    status.status.success()
}

// I-12
// Pitfalls 4 and 27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_anywhere_is_whole_or_refused() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    fixture.archived_backup().await;
    let noted = ledger.write_many(20).await;
    fixture.archive().await;
    for point in points(&["restore::"]) {
        let checks = json!([{"sql": "select 1", "expect": "= 1"}]);
        let request = RestoreRequest {
            start: true,
            checks: serde_json::from_value(checks).unwrap(),
            hooks: vec!["true".parse().unwrap()],
            ..fixture.request("latest")
        };
        let dir = Path::new(&request.dir);
        let plan = fixture.plan(&request).await.unwrap();
        let work = fixture.restore_work(&request, plan.clone());
        dies_at(&fixture, point, Work::Restore(Box::new(work))).await;
        let control = dir.join("global/pg_control").exists();
        let too_early = point == UNTOUCHED || NOT_STARTABLE.contains(&point);
        assert_eq!(control, !too_early, "{point}: whether it can be started");
        // What the agent does when it starts again.
        restore::take_back(fixture.host.clone()).await;
        let runs = is_running(&fixture, dir);
        assert_eq!(runs, PROMOTED.contains(&point), "{point}: whether it runs");
        if point == UNTOUCHED {
            assert!(!dir.exists());
            let restored = fixture.restore_as(&request, plan).await;
            assert_rows(&restored.connect().await, noted[19].id).await;
            continue;
        }
        let before = super::child::objects(dir).len();
        let again = failure(fixture.execute(&request, plan).await);
        assert_eq!(again.code, "dir_not_empty", "{point}");
        assert!(
            runs || super::child::objects(dir).len() == before,
            "{point}"
        );
        if runs {
            finish(&fixture, dir, noted[19].id).await;
            continue;
        }
        // Whoever says so goes on where it was killed.
        let request = RestoreRequest {
            delta: true,
            ..request
        };
        let restored = fixture.restore(&request).await;
        assert_rows(&restored.connect().await, noted[19].id).await;
    }
    let notes = super::child::objects(&fixture.host.data_dir().join("unfinished"));
    assert!(notes.is_empty(), "{notes:?}");
}

/// It holds all rows; then it is stopped.
async fn finish(fixture: &Fixture, dir: &Path, last: i64) {
    let file = std::fs::read_to_string(dir.join("postmaster.pid")).unwrap();
    let port = file.lines().nth(3).unwrap().parse().unwrap();
    let session = crate::fixture::connect(&dir.join(".holdfast"), port).await;
    assert_rows(&session, last).await;
    drop(session);
    let user = RunAs::owner_of(dir).unwrap();
    let mut stop = fixture.cluster.programs().blocking_command("pg_ctl", user);
    stop.args(["stop", "-w", "-m", "immediate", "-D"]).arg(dir);
    testkit::must_run(&mut stop);
}
