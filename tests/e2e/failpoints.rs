//! The leader killed at every failpoint of a deletion, and started again: what was
//! condemned goes, what is kept restores (I-04, I-06).

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;

use holdfast_pg::testkit::major;
use holdfast_repo::failpoint::POINTS;
use holdfast_tests::control_plane::ControlPlane;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use serde_json::json;

use crate::expiry::{KEEP_TWO, in_state, of_backup, verified};

/// In the environment of a node: where it dies, or nothing.
const FAILPOINTS: &str = "HOLDFAST_FAILPOINTS";
/// How often is planned what expires, besides once when a node begins to lead.
const EVERY: &str = "HOLDFAST_EXPIRY__EVERY";
const SOON: &[(&str, &str)] = &[(EVERY, "1s"), ("HOLDFAST_EXPIRY__GRACE", "1s")];

/// All of a verb's points are tried by `make soak`.
fn points() -> Vec<&'static str> {
    let points = POINTS.iter().copied();
    points
        .filter(|point| point.starts_with("expire::"))
        .collect()
}

#[test]
fn a_deletion_that_is_killed_is_ended_by_the_next_leader() {
    killed_at(&[
        "expire::marks::done",
        "expire::wal::marked",
        "expire::see::done",
    ]);
}

#[test]
#[ignore = "long: make soak"]
fn soak_a_deletion_that_is_killed_anywhere() {
    killed_at(&points());
}

fn killed_at(points: &[&'static str]) {
    let mut fleet = Fleet::start_with(&major(18), Store::directory, SOON);
    let yaml = format!("{}{KEEP_TWO}", fleet.cluster_yaml());
    fleet.cli.apply(&yaml);
    let mut taken: Vec<String> = (0..2).map(|_| take(&fleet)).collect();
    for point in points {
        let armed: &'static str = format!("{point}=kill").leak();
        let plane = &mut fleet.control_plane;
        // What is condemned now, WAL of the one before, must not meet the failpoint.
        plane.restart_with(&[(FAILPOINTS, ""), (EVERY, "1h")]);
        fleet.cli = fleet.control_plane.cli();
        // The third: the first of them is not kept any more.
        taken.push(take(&fleet));
        let gone = taken.remove(0);
        let plane = &mut fleet.control_plane;
        plane.begin_restart_with(&[(FAILPOINTS, armed), (EVERY, "1s")]);
        until_killed(plane, point);
        plane.restart_with(&[(FAILPOINTS, "")]);
        fleet.cli = fleet.control_plane.cli();
        until("it to be deleted", LONG, || {
            in_state(&fleet.cli, "deleted")
                .contains(&gone)
                .then_some(())
        });
        assert_eq!(of_backup(fleet.store.folder(), &gone), 0, "{point}");
        let kept: BTreeSet<String> = taken.iter().cloned().collect();
        assert_eq!(in_state(&fleet.cli, "available"), kept, "{point}");
        assert_eq!(verified(&fleet)["findings"], json!([]), "{point}");
    }
    fleet.postgres.psql("CREATE TABLE last AS SELECT 1 AS one");
    fleet.wait_frontier(jiff::Timestamp::now());
    let restored = fleet.restore("latest", "latest");
    assert_eq!(restored.psql("SELECT one FROM last"), "1");
    restored.check_pages();
}

/// A backup, with WAL of its own behind it.
fn take(fleet: &Fleet) -> String {
    let done = fleet.backup();
    fleet.postgres.psql("SELECT pg_switch_wal()");
    done["backup"].as_str().unwrap().to_owned()
}

fn until_killed(node: &mut ControlPlane, point: &str) {
    let what = format!("{point} to be reached");
    let status = until(&what, LONG, || node.process().ended());
    assert_eq!(status.signal(), Some(9), "{point}: {status}");
}
