//! The tail of WAL: an idle server, the middle of a segment, a switch. What is
//! stored is known exactly here, because the test stores it itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use holdfast_agent::host::{Host, HostConfig, PostgresConfig};
use holdfast_agent::job::restore;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{self, free_port};
use holdfast_proto::ReportedFrontier;
use holdfast_types::{Failure, Frontier, Lsn, RestoreRequest, TargetAction, Timeline};

use crate::fixture::{Fixture, connect, context};
use crate::ledger::{Ledger, assert_rows};
use crate::oracle::promoted;

pub(crate) async fn prepared(major: u32) -> (Fixture, Ledger) {
    let fixture = Fixture::new(&testkit::major(major)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    (fixture, Ledger::new(session).await)
}

pub(crate) async fn started(fixture: &Fixture, at: &str) -> crate::fixture::Restored {
    let request = RestoreRequest {
        start: true,
        ..fixture.request(at)
    };
    fixture.restore(&request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_tail_ends_with_the_backup() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        let last = ledger.write_many(3).await.pop().unwrap();
        let backup = fixture.archived_backup().await.backup.unwrap();
        // Nothing but the backup's own records, and the switch behind them.
        fixture.archive().await;
        for at in ["latest", "immediate", &format!("backup:{}", backup.id)] {
            let copy = started(&fixture, at).await;
            assert!(
                copy.plan.wal.to_lsn >= backup.stop_lsn,
                "{at}: {:?}",
                copy.plan
            );
            assert_eq!(copy.result.reached_lsn, copy.plan.wal.to_lsn, "{at}");
            assert_rows(&copy.connect().await, last.id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_in_the_middle_of_a_segment_is_the_end() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        fixture.archived_backup().await;
        // More than a segment, and then part of one.
        let noted = ledger.write_many(2500).await;
        let last = *noted.last().unwrap();
        let end = fixture.archive().await;
        let lost = ledger.write().await;

        let copy = started(&fixture, "latest").await;
        assert!(copy.plan.wal.segments > 1, "{:?}", copy.plan);
        assert!(copy.plan.wal.to_lsn <= end && copy.plan.wal.to_lsn >= last.lsn);
        assert_eq!(copy.result.reached_lsn, copy.plan.wal.to_lsn);
        assert_rows(&copy.connect().await, last.id).await;
        let committed = copy.result.reached_time.unwrap();
        assert!(committed <= last.at && committed > noted[noted.len() - 2].at);
        assert!(copy.result.last_xid.is_some());
        drop(copy);

        // Started by somebody else, it ends at the very same record.
        let copy = fixture.restore(&fixture.request("latest")).await;
        let port = free_port();
        assert!(copy.start_plainly(port));
        let session = connect(copy.dir().parent().unwrap(), port).await;
        promoted(&session).await;
        assert_rows(&session, last.id).await;
        drop(copy);

        // A position at the end is everything, behind it there is nothing.
        let plan = fixture
            .plan(&fixture.request(&format!("lsn:{}", last.lsn)))
            .await
            .unwrap();
        assert!(plan.wal.to_lsn >= last.lsn);
        let beyond = fixture
            .plan(&fixture.request(&format!("lsn:{}", lost.lsn)))
            .await;
        assert_eq!(code(beyond), "target_after_frontier");
        let beyond = fixture.plan(&fixture.request(&lost.at.to_string())).await;
        assert_eq!(code(beyond), "target_after_frontier");
    }
}

/// A host on which `pg_verifybackup` says that it was called, in `called`, and
/// waits for the file `go`.
fn host_that_waits(fixture: &Fixture, called: &Path, go: &Path) -> Host {
    let real = fixture.cluster.programs().directory();
    let bin_dir = fixture.cluster.root().join("programs-that-wait");
    std::fs::create_dir(&bin_dir).unwrap();
    for program in std::fs::read_dir(real).unwrap() {
        let program = program.unwrap();
        std::os::unix::fs::symlink(program.path(), bin_dir.join(program.file_name())).unwrap();
    }
    let name = "pg_verifybackup";
    std::fs::remove_file(bin_dir.join(name)).unwrap();
    let script = format!(
        "#!/bin/sh\ntouch '{}'\nuntil [ -e '{}' ]; do sleep 0.05; done\nexec '{}' \"$@\"\n",
        called.display(),
        go.display(),
        real.join(name).display()
    );
    std::fs::write(bin_dir.join(name), script).unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bin_dir.join(name), open).unwrap();
    let data = fixture.cluster.root().join("agent-that-waits");
    std::fs::create_dir(&data).unwrap();
    let config = HostConfig {
        postgres: PostgresConfig {
            bin_dirs: vec![bin_dir],
        },
        ..HostConfig::default()
    };
    Host::with_executable(data, config, fixture.host.executable().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wal_that_comes_during_a_restore_to_the_latest_is_replayed_too() {
    let (fixture, mut ledger) = prepared(15).await;
    fixture.archived_backup().await;
    ledger.write_many(10).await;
    fixture.archive().await;
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    let plan = fixture.plan(&request).await.unwrap();
    let planned = plan.wal.to_lsn;
    let [called, go] = ["called", "go"].map(|name| fixture.cluster.root().join(name));
    let host = host_that_waits(&fixture, &called, &go);
    let work = fixture.restore_work(&request, plan.clone());
    let restore = restore::run(work, context(), &host);
    // Several segments that nobody knew of when the restore began.
    let meanwhile = async {
        while !called.exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let last = ledger.write_many(4000).await.pop().unwrap();
        fixture.archive().await;
        std::fs::write(&go, "").unwrap();
        last
    };
    let both = async { tokio::join!(restore, meanwhile) };
    let (outcome, last) = tokio::time::timeout(Duration::from_secs(120), both)
        .await
        .unwrap();
    let copy = fixture.restored(plan, outcome);
    // All of it, however slowly it is fetched.
    assert!(copy.result.reached_lsn.get() > planned.get() + (1 << 20));
    assert!(copy.result.last_xid.is_some());
    assert_rows(&copy.connect().await, last.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_after_a_switch_counts_to_the_end_of_the_segment() {
    let (fixture, mut ledger) = prepared(15).await;
    fixture.archived_backup().await;
    let last = ledger.write_many(5).await.pop().unwrap();
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    // An idle server waits behind the header of the next page.
    let insert = fixture
        .lsn("SELECT pg_current_wal_insert_lsn()::text")
        .await;
    fixture.archive().await;
    let copy = started(&fixture, "latest").await;
    let boundary = Lsn::new(insert.get() - insert.get() % (1 << 20));
    assert_eq!(copy.plan.wal.to_lsn, boundary);
    assert_rows(&copy.connect().await, last.id).await;
    drop(copy);
    let plan = fixture
        .plan(&fixture.request(&format!("lsn:{insert}")))
        .await
        .unwrap();
    assert_eq!(plan.wal.to_lsn, boundary, "the header holds nothing");
}

/// PostgreSQL flushes whole pages: what a busy server says that it has written can end
/// in the middle of a record, and all of that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frontier_in_the_middle_of_a_record_is_met_by_its_beginning() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        fixture.archived_backup().await;
        let last = ledger.write_many(3).await.pop().unwrap();
        let size = fixture.lineage().await.facts().segment_size;
        let before = fixture.archive().await;
        // One record that begins in this segment and ends in the next.
        let left = size.bytes() - before.get() % size.bytes();
        let message = "SELECT pg_logical_emit_message(false, 'test', repeat('x', $1::int4))::text";
        let length = i32::try_from(left + 100_000).unwrap();
        fixture.session.row(message, &[&length]).await.unwrap();
        fixture.session.execute("CHECKPOINT").await.unwrap();
        let boundary = Lsn::new(before.get() + left);
        fixture
            .archive_until(&fixture.cluster, Timeline::FIRST, boundary)
            .await;

        let later = |seconds: i64| last.at + jiff::SignedDuration::from_secs(seconds);
        let frontier = |lsn| {
            let frontier = Frontier {
                time: later(60),
                lsn,
            };
            Some(ReportedFrontier {
                timeline: Timeline::FIRST,
                frontier,
            })
        };
        let latest = RestoreRequest {
            start: true,
            ..fixture.request("latest")
        };
        let plan = fixture.plan_at(&latest, frontier(boundary)).await.unwrap();
        assert!(plan.wal.to_lsn < boundary, "{:?}", plan.wal);
        assert_eq!(plan.recovers_to, later(60));
        let until = fixture.request(&later(59).to_string());
        let until = fixture.plan_at(&until, frontier(boundary)).await.unwrap();
        assert_eq!((until.wal, until.recovers_to), (plan.wal, later(60)));
        // What was claimed behind what is there is lost all the same (I-13).
        let lost = Lsn::new(boundary.get() + 8192);
        let refused = fixture.plan_at(&latest, frontier(lost)).await;
        assert_eq!(code(refused), "wal_missing");
        let copy = fixture.restore_as(&latest, plan).await;
        assert_rows(&copy.connect().await, last.id).await;
    }
}

// Pitfall 28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_and_times_have_two_sides() {
    let (fixture, mut ledger) = prepared(15).await;
    fixture.archived_backup().await;
    let noted = ledger.write_many(10).await;
    fixture.archive().await;
    let middle = noted[5];

    // The record after the position is the next insert: it has no commit yet.
    let position = format!("lsn:{}", middle.lsn);
    for exclusive in [false, true] {
        let request = RestoreRequest {
            exclusive,
            ..fixture.request(&position)
        };
        let plan = fixture.plan(&request).await.unwrap();
        assert_eq!(plan.wal.to_lsn > middle.lsn, !exclusive, "{plan:?}");
        let copy = fixture
            .restore(&RestoreRequest {
                start: true,
                ..request
            })
            .await;
        assert_rows(&copy.connect().await, middle.id).await;
    }
    // Exactly the time of a commit: with it, and without it.
    let plan = fixture
        .plan(&fixture.request(&middle.at.to_string()))
        .await
        .unwrap();
    let commit = plan.last_commit_at.unwrap();
    let with = fixture
        .plan(&fixture.request(&commit.to_string()))
        .await
        .unwrap();
    assert_eq!(with.wal.to_lsn, plan.wal.to_lsn);
    let request = RestoreRequest {
        exclusive: true,
        ..fixture.request(&commit.to_string())
    };
    let copy = fixture
        .restore(&RestoreRequest {
            start: true,
            ..request
        })
        .await;
    assert!(copy.plan.wal.to_lsn < plan.wal.to_lsn);
    assert_rows(&copy.connect().await, middle.id - 1).await;
}

// Pitfall 28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_cannot_be_are_refused_by_name() {
    let (fixture, mut ledger) = prepared(15).await;
    let before_backup = ledger.write().await;
    let backup = fixture.archived_backup().await.backup.unwrap();
    fixture.archive().await;
    let early = fixture
        .plan(&fixture.request(&before_backup.at.to_string()))
        .await;
    assert_eq!(code(early), "target_before_first_backup");
    let early = fixture
        .plan(&fixture.request(&format!("lsn:{}", before_backup.lsn)))
        .await;
    assert_eq!(code(early), "target_before_first_backup");
    let unknown = fixture
        .plan(&fixture.request("backup:bkp_00000000000000000000000000000007"))
        .await;
    assert_eq!(code(unknown), "backup_not_found");
    for at in ["xid:7", "name:before"] {
        assert_eq!(
            code(fixture.plan(&fixture.request(at)).await),
            "target_not_found"
        );
    }
    let request = RestoreRequest {
        exclusive: true,
        ..fixture.request("latest")
    };
    assert_eq!(code(fixture.plan(&request).await), "exclusive_without_edge");
    let elsewhere = RestoreRequest {
        cluster: "other".parse().unwrap(),
        ..fixture.request("latest")
    };
    assert_eq!(
        code(fixture.plan(&elsewhere).await),
        "cluster_not_in_repository"
    );
    assert_eq!(
        fixture
            .plan(&fixture.request("latest"))
            .await
            .unwrap()
            .backup,
        backup.id
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_to_pause_stays_in_recovery() {
    let (fixture, mut ledger) = prepared(15).await;
    fixture.archived_backup().await;
    let noted = ledger.write_many(4).await;
    fixture.archive().await;
    let request = RestoreRequest {
        start: true,
        action: TargetAction::Pause,
        ..fixture.request(&noted[1].at.to_string())
    };
    let copy = fixture.restore(&request).await;
    assert_eq!(copy.result.timeline, copy.plan.timeline);
    let session = copy.connect().await;
    assert_rows(&session, noted[1].id).await;
    let query = "SELECT pg_is_in_recovery(), pg_get_wal_replay_pause_state()";
    let row = session.row(query, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, String>(1), "paused");
}

/// A time after the last commit is a point like any other, once it is proved
/// that nothing is missing until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_frontier_reaches_further_than_the_last_commit() {
    let (fixture, mut ledger) = prepared(18).await;
    fixture.archived_backup().await;
    let last = ledger.write_many(3).await.pop().unwrap();
    fixture
        .session
        .execute("SELECT pg_switch_wal()")
        .await
        .unwrap();
    let insert = fixture
        .lsn("SELECT pg_current_wal_insert_lsn()::text")
        .await;
    fixture.archive().await;
    let later = |seconds: i64| last.at + jiff::SignedDuration::from_secs(seconds);
    let frontier = |lsn| {
        let frontier = Frontier {
            time: later(60),
            lsn,
        };
        Some(ReportedFrontier {
            timeline: Timeline::FIRST,
            frontier,
        })
    };
    let request = fixture.request(&later(59).to_string());
    assert_eq!(code(fixture.plan(&request).await), "target_after_frontier");
    let plan = fixture.plan_at(&request, frontier(insert)).await.unwrap();
    assert_eq!((plan.recovers_to, plan.stop_before), (later(60), None));
    let latest = fixture
        .plan_at(&fixture.request("latest"), frontier(insert))
        .await
        .unwrap();
    assert_eq!((latest.recovers_to, latest.wal), (later(60), plan.wal));
    let copy = fixture
        .restore_as(
            &RestoreRequest {
                start: true,
                ..request
            },
            plan,
        )
        .await;
    assert_rows(&copy.connect().await, last.id).await;

    let beyond = fixture.request(&later(61).to_string());
    let refused = fixture.plan_at(&beyond, frontier(insert)).await;
    assert_eq!(code(refused), "target_after_frontier");
    // More was proved than is there now.
    let lost = Lsn::new(insert.get() + 1000);
    let refused = fixture
        .plan_at(&fixture.request("latest"), frontier(lost))
        .await;
    assert_eq!(code(refused), "wal_missing");
}

// Pitfall 28
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_leads_over_a_promotion() {
    for major in [15, 18] {
        let (fixture, mut ledger) = prepared(major).await;
        fixture.archived_backup().await;
        let standby = fixture.cluster.standby(None);
        let first = ledger.write_many(800).await.pop().unwrap();
        caught_up(&fixture, &standby).await;
        fixture.archive().await;
        standby.promote();
        let session = Session::connect(&standby.local()).await.unwrap();
        let mut ledger = ledger.go_on(Session::connect(&standby.local()).await.unwrap());
        let noted = ledger.write_many(800).await;
        let two = Timeline::new(2).unwrap();
        fixture.archive_of(&standby, &session, two).await;
        let last = *noted.last().unwrap();

        let copy = started(&fixture, "latest").await;
        assert_eq!((copy.plan.timeline, copy.result.timeline.get()), (two, 3));
        assert_rows(&copy.connect().await, last.id).await;
        drop(copy);
        // On either side of the switch, on the way to the newest timeline.
        for target in [first, noted[400]] {
            let copy = started(&fixture, &target.at.to_string()).await;
            assert_eq!(copy.plan.timeline, two);
            assert_rows(&copy.connect().await, target.id).await;
        }
        let copy = fixture.restore(&fixture.request("latest")).await;
        let port = free_port();
        assert!(copy.start_plainly(port));
        let session = connect(copy.dir().parent().unwrap(), port).await;
        promoted(&session).await;
        assert_rows(&session, last.id).await;
    }
}

pub(crate) async fn caught_up(fixture: &Fixture, standby: &holdfast_pg::testkit::TestCluster) {
    let end = fixture.lsn("SELECT pg_current_wal_flush_lsn()::text").await;
    let session = Session::connect(&standby.local()).await.unwrap();
    loop {
        let row = session
            .row("SELECT pg_last_wal_replay_lsn()::text", &[])
            .await
            .unwrap();
        if row.get::<_, String>(0).parse::<Lsn>().unwrap() >= end {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[track_caller]
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> String {
    outcome.unwrap_err().code
}
