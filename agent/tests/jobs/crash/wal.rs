//! WAL that is received, and WAL that PostgreSQL archives.

use holdfast_pg::sql::Session;
use holdfast_pg::testkit;
use holdfast_proto::Work;
use holdfast_repo::{Codec, Fetched};
use holdfast_types::{Lsn, RestoreRequest, Timeline, WalSegment};
use tokio::process::Command;

use super::child::{dies, dies_during};
use super::points;
use crate::fixture::{Fixture, succeeded};
use crate::ledger::{Ledger, assert_rows};

/// What is tried with `wal-push`.
pub(super) const PUTS: &str = "put::wal::";

/// Up to where the repository holds WAL without a gap.
async fn durable(fixture: &Fixture, from: Lsn) -> Lsn {
    let wal = fixture.lineage().await.wal(Codec::DEFAULT);
    let listed = wal.list_from(Timeline::FIRST, from).await.unwrap();
    listed.coverage().contiguous_end(from)
}

async fn confirmed(fixture: &Fixture) -> Lsn {
    let query = "SELECT restart_lsn::text FROM pg_replication_slots";
    fixture.lsn(query).await
}

// I-07
// Pitfall 19
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_killed_anywhere_has_confirmed_what_is_durable() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let session = Session::connect(&fixture.cluster.local()).await.unwrap();
    let mut ledger = Ledger::new(session).await;
    succeeded_backup(&fixture).await;
    let size = fixture.lineage().await.facts().segment_size;
    let from = size.start_of(confirmed(&fixture).await);
    let mut last = 0;
    for point in points(&["receive::"]) {
        let work = Work::ReceiveWal(Box::new(fixture.wal_work()));
        let mut steps = 0;
        // Slices first, and then the whole segment.
        let writing = async || {
            ledger.write().await;
            steps += 1;
            if steps % 4 == 0 {
                let switch = "SELECT pg_switch_wal()";
                fixture.session.execute(switch).await.unwrap();
            }
        };
        dies_during(&fixture, point, work, writing).await;
        until_unused(&fixture).await;
        let (confirmed, durable) = (confirmed(&fixture).await, durable(&fixture, from).await);
        assert!(confirmed <= durable, "{point}: {confirmed} > {durable}");
        last = ledger.write().await.id;
        let duty = fixture.receive_wal();
        let end = fixture.lsn("SELECT pg_current_wal_flush_lsn()::text").await;
        let mut report = duty.report();
        while self::durable(&fixture, from).await < end {
            report.changed().await.unwrap();
        }
        duty.stop().await;
    }
    let slots = fixture
        .cluster
        .psql("SELECT count(*) FROM pg_replication_slots");
    assert_eq!(slots, "1");
    super::backup::assert_whole(&fixture).await;
    let request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    let restored = fixture.restore(&request).await;
    assert_rows(&restored.connect().await, last).await;
}

async fn succeeded_backup(fixture: &Fixture) {
    let duty = fixture.receive_wal();
    let work = fixture.backup_work();
    let taken = holdfast_agent::job::backup::run(work, crate::fixture::context(), &fixture.host);
    succeeded(taken.await);
    duty.stop().await;
}

/// The server notices a moment later that its receiver is gone.
async fn until_unused(fixture: &Fixture) {
    let query = "SELECT count(*) FROM pg_replication_slots WHERE active";
    for _ in 0..200 {
        if fixture.cluster.psql(query) == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the slot is still in use");
}

// I-07
// Pitfall 15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_is_killed_anywhere_is_done_again() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let key = fixture.cluster.root().join("repo.key");
    std::fs::write(&key, format!("{}\n", fixture.access.key.expose())).unwrap();
    let lineage = fixture.lineage().await;
    let (wal, size) = (lineage.wal(Codec::DEFAULT), lineage.facts().segment_size);
    let push = |segment: WalSegment| {
        let mut push = Command::new(fixture.host.executable());
        push.current_dir(fixture.cluster.data_dir());
        push.arg("wal-push").arg(format!("pg_wal/{segment}"));
        push.args(["--direct", "--cluster", "orders"]);
        push.args(["--repo", &fixture.access.url])
            .arg("--key-file")
            .arg(&key);
        push.arg("--spool")
            .arg(fixture.cluster.root().join("spool"));
        push
    };
    let mut pushed = Vec::new();
    for point in points(&["push::", PUTS]) {
        let lsn = fixture
            .lsn("SELECT pg_current_wal_insert_lsn()::text")
            .await;
        let segment = WalSegment::containing(Timeline::FIRST, lsn, size);
        fixture
            .cluster
            .psql("CREATE TABLE IF NOT EXISTS t (i int)\nINSERT INTO t VALUES (1)");
        fixture.cluster.psql("SELECT pg_switch_wal()");
        let file = fixture.cluster.data_dir().join(format!("pg_wal/{segment}"));
        let bytes = std::fs::read(&file).unwrap();
        dies(push(segment), point).await;
        // Whatever is there after the death is whole.
        match wal.fetch_segment(segment).await.unwrap() {
            Fetched::Absent => {}
            Fetched::Full(found) => assert_eq!(found, bytes, "{point}"),
            other => panic!("{point}: {other:?}"),
        }
        let output = push(segment).output().await.unwrap();
        assert!(output.status.success(), "{point}: {output:?}");
        pushed.push((segment, bytes));
    }
    for (segment, bytes) in pushed {
        let fetched = wal.fetch_segment(segment).await.unwrap();
        assert_eq!(fetched, Fetched::Full(bytes.into()));
    }
}
