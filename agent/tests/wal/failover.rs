//! Failovers that take WAL with them, slots on every instance, and gaps that are
//! filled from whoever still has the WAL.

use holdfast_agent::wal::Keeper;
use holdfast_pg::testkit::{TestCluster, major};
use holdfast_proto::WalWork;
use holdfast_types::resource::{MaxRetained, WhenFull};
use holdfast_types::{ByteSize, Lsn, LsnRange, SegmentSize, Timeline, WalSegment};

use crate::support::{
    Place, SLOT, cluster, compare_with_server, end, eventually, gaps, insert_position, kept_from,
    lose_wal, write,
};

fn two() -> Timeline {
    Timeline::new(2).unwrap()
}

/// Keeps the slot at `server`, as the agent on its host would.
fn keep(place: &Place, server: &TestCluster) -> Keeper {
    keep_with(place, place.work(server))
}

fn keep_with(place: &Place, work: WalWork) -> Keeper {
    let work = WalWork {
        instance_agent: Some("db2".parse().unwrap()),
        ..work
    };
    Keeper::start(work, place.host())
}

async fn has_slot(server: &TestCluster) {
    eventually("the slot", async || kept_from(server).is_some()).await;
}

fn replayed(server: &TestCluster) -> Lsn {
    server
        .psql("SELECT pg_last_wal_replay_lsn()")
        .parse()
        .unwrap()
}

async fn catch_up(standby: &TestCluster, primary: &TestCluster) {
    let position = insert_position(primary);
    eventually("the standby", async || replayed(standby) >= position).await;
}

// I-05, I-07: what the old primary took with it comes from the new one.
async fn a_stranded_tail_is_back_filled(number: u32) {
    let primary = TestCluster::builder(&major(number)).start();
    let standby = primary.standby(None);
    let place = Place::new();
    let mut receiving = place.start(&primary);
    receiving.caught_up(&primary).await;
    let keeper = keep(&place, &standby);
    has_slot(&standby).await;

    // The repository is away when the primary dies.
    place.break_it();
    let stored = insert_position(&primary);
    for _ in 0..5 {
        write(&primary, 3);
        primary.psql("SELECT pg_switch_wal()");
    }
    primary.psql("CREATE TABLE the_last_commit ()");
    catch_up(&standby, &primary).await;
    // Restartpoints remove what nobody keeps.
    primary.psql("CHECKPOINT");
    eventually("the checkpoint", async || {
        replayed(&standby) >= insert_position(&primary)
    })
    .await;
    standby.psql("CHECKPOINT\nCHECKPOINT");
    receiving.duty.stop().await;
    primary.stop("immediate");
    standby.promote();
    keeper.stop().await;
    place.repair_it();

    let mut receiving = place.start(&standby);
    write(&standby, 1);
    let report = receiving.caught_up(&standby).await;
    assert_eq!(gaps(&report), []);
    assert!(end(&report, two()).is_some(), "{report:?}");
    let wal = place.wal(&standby).await;
    let history = wal.history(two()).await.unwrap();
    let switch = history.switchpoint_of(Timeline::FIRST).unwrap();
    assert!(switch > stored);
    let old = place.coverage(&standby, Timeline::FIRST).await;
    assert_eq!(old.ranges().len(), 1, "{old:?}");
    assert!(
        old.covers(LsnRange::new(old.ranges()[0].from_lsn, switch).unwrap()),
        "to where it was left, {switch}: {old:?}"
    );
    assert!(compare_with_server(&wal, &standby).await > 0);
    receiving.duty.stop().await;
}

// Pitfall 18
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stranded_tail_is_back_filled_on_15() {
    a_stranded_tail_is_back_filled(15).await;
}

// Pitfall 18
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stranded_tail_is_back_filled_on_18() {
    a_stranded_tail_is_back_filled(18).await;
}

/// What nobody has is a recorded gap, also when it ends where a timeline does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tail_that_nobody_kept_is_a_recorded_gap() {
    let primary = TestCluster::builder(&major(15)).start();
    let standby = primary.standby(None);
    let place = Place::new();
    let mut receiving = place.start(&primary);
    receiving.caught_up(&primary).await;
    receiving.duty.stop().await;
    let stored = place.coverage(&primary, Timeline::FIRST).await;
    for _ in 0..5 {
        write(&primary, 3);
        primary.psql("SELECT pg_switch_wal()");
    }
    primary.psql("CHECKPOINT");
    catch_up(&standby, &primary).await;
    // No slot keeps anything here.
    standby.psql("CHECKPOINT\nCHECKPOINT");
    primary.stop("immediate");
    standby.promote();
    standby.psql("CHECKPOINT\nCHECKPOINT");

    let mut receiving = place.start(&standby);
    let report = receiving
        .until("the gap", |report| !gaps(report).is_empty())
        .await;
    let gap = gaps(&report).remove(0);
    assert_eq!(gap.range.from_lsn, stored.ranges()[0].to_lsn);
    receiving.caught_up(&standby).await;
    let old = place.coverage(&standby, Timeline::FIRST).await;
    let new = place.coverage(&standby, two()).await;
    let first = old.ranges().get(1).or(new.ranges().first()).unwrap();
    assert!(
        first.from_lsn <= gap.range.to_lsn,
        "it is named to where WAL begins again: {gap:?}, {old:?}, {new:?}"
    );
    receiving.duty.stop().await;
}

/// A slot at an instance that nobody receives from follows what is stored, and
/// is never ahead of it.
// I-07
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kept_slot_follows_the_repository() {
    let primary = TestCluster::builder(&major(18)).start();
    let standby = primary.standby(None);
    let place = Place::new();
    let keeper = keep(&place, &standby);
    has_slot(&standby).await;
    let mut receiving = place.start(&primary);
    receiving.caught_up(&primary).await;
    let begun = kept_from(&standby).unwrap();
    write(&primary, 40);
    primary.psql("SELECT pg_switch_wal()");
    receiving.caught_up(&primary).await;
    eventually("the slot to follow", async || {
        let kept = kept_from(&standby).unwrap();
        kept.bytes_since(begun) > 24 << 20
    })
    .await;

    place.break_it();
    let durable = place_end(&receiving.report.borrow());
    write(&primary, 40);
    catch_up(&standby, &primary).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let kept = kept_from(&standby).unwrap();
    assert!(
        kept <= durable,
        "{kept} is ahead of what is stored, {durable}"
    );
    place.repair_it();
    receiving.caught_up(&primary).await;
    eventually("the slot to follow again", async || {
        kept_from(&standby).unwrap() > durable
    })
    .await;
    receiving.duty.stop().await;
    keeper.drop_slot().await.unwrap();
    assert_eq!(kept_from(&standby), None, "nobody moves it any more"); // I-15
}

fn place_end(report: &holdfast_proto::WalReport) -> Lsn {
    end(report, Timeline::FIRST).unwrap()
}

// I-15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kept_slot_goes_at_its_bound_and_comes_back() {
    let primary = TestCluster::builder(&major(15)).start();
    let standby = primary.standby(None);
    let place = Place::new();
    let mut receiving = place.start(&primary);
    receiving.caught_up(&primary).await;
    let work = WalWork {
        max_retained: MaxRetained::Bytes(ByteSize::new(24 << 20)),
        ..place.work(&standby)
    };
    let keeper = keep_with(&place, work);
    has_slot(&standby).await;
    place.break_it();
    write(&primary, 40);
    eventually("the slot to go", async || kept_from(&standby).is_none()).await;
    catch_up(&standby, &primary).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(
        kept_from(&standby),
        None,
        "no slot while nothing can be stored"
    );
    place.repair_it();
    receiving.caught_up(&primary).await;
    // A new slot keeps WAL from the last restartpoint on.
    primary.psql("CHECKPOINT");
    catch_up(&standby, &primary).await;
    standby.psql("CHECKPOINT");
    has_slot(&standby).await;
    let end = place_end(&receiving.report.borrow());
    eventually("a slot within its bound", async || {
        kept_from(&standby).is_some_and(|kept| end.bytes_since(kept.min(end)) < 24 << 20)
    })
    .await;
    receiving.duty.stop().await;
    keeper.stop().await;
    assert!(kept_from(&standby).is_some(), "it stays for the next time");
}

/// A slot that would be over its bound from its first moment is not made, dropped
/// and made again: it waits for a restartpoint.
// I-15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_made_that_would_be_over_its_bound() {
    for number in [15, 18] {
        let primary = TestCluster::builder(&major(number))
            .setting("checkpoint_timeout", "1h")
            .setting("max_wal_size", "4GB")
            .setting("log_replication_commands", "on")
            .start();
        let standby = primary.standby(None);
        let place = Place::new();
        write(&primary, 40);
        catch_up(&standby, &primary).await;
        let work = WalWork {
            max_retained: MaxRetained::Bytes(ByteSize::new(24 << 20)),
            ..place.work(&standby)
        };
        let (host, instance) = (place.host(), work.instance.connection.clone());
        let keeper = Keeper::start(work, host.clone());
        let mut trouble = keeper.trouble();
        let waits = trouble.wait_for(Option::is_some).await.unwrap().clone();
        assert_eq!(waits.clone().unwrap().code, "wal_retention_waiting");
        // Whoever tells of the instance tells it too.
        assert_eq!(host.slots().of(&cluster(), &instance), waits);
        // It has looked, and looked again.
        let looks = told(&standby, "IDENTIFY_SYSTEM");
        eventually("three looks", async || {
            told(&standby, "IDENTIFY_SYSTEM") >= looks + 3
        })
        .await;
        assert_eq!(told(&standby, "CREATE_REPLICATION_SLOT"), 0);

        primary.psql("CHECKPOINT");
        catch_up(&standby, &primary).await;
        standby.psql("CHECKPOINT");
        trouble.wait_for(Option::is_none).await.unwrap();
        assert!(kept_from(&standby).is_some());
        assert_eq!(host.slots().of(&cluster(), &instance), None);
        keeper.stop().await;
        assert_eq!(told(&standby, "CREATE_REPLICATION_SLOT"), 1);
    }
}

/// Who said that the slot shall stay has it made all the same.
// I-15
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_that_is_to_stay_is_made_over_its_bound() {
    let primary = TestCluster::builder(&major(18))
        .setting("checkpoint_timeout", "1h")
        .setting("max_wal_size", "4GB")
        .start();
    let standby = primary.standby(None);
    let place = Place::new();
    write(&primary, 40);
    catch_up(&standby, &primary).await;
    let work = WalWork {
        max_retained: MaxRetained::Bytes(ByteSize::new(24 << 20)),
        when_full: WhenFull::Stall,
        ..place.work(&standby)
    };
    let keeper = keep_with(&place, work);
    let mut trouble = keeper.trouble();
    let stalled = trouble.wait_for(Option::is_some).await.unwrap().clone();
    assert_eq!(stalled.unwrap().code, "wal_retention_stalled");
    assert!(kept_from(&standby).is_some());
    keeper.stop().await;
}

/// How often the server was told a command of the replication protocol. It logs
/// the statement once more, by itself.
fn told(server: &TestCluster, command: &str) -> usize {
    let log = std::fs::read_to_string(server.log_path()).unwrap();
    log.matches(&format!("replication command: {command}"))
        .count()
}

/// The primary has lost it, a standby has it: the gap is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gap_is_filled_from_a_standby() {
    for number in [15, 18] {
        let primary = TestCluster::builder(&major(number)).start();
        let standby = primary.standby(None);
        let place = Place::new();
        let mut receiving = place.start(&primary);
        receiving.caught_up(&primary).await;
        receiving.duty.stop().await;
        let keeper = keep(&place, &standby);
        has_slot(&standby).await;
        primary.psql(&format!("SELECT pg_drop_replication_slot('{SLOT}')"));
        lose_wal(&primary);
        catch_up(&standby, &primary).await;
        keeper.stop().await;

        let mut receiving = place.start(&primary);
        receiving
            .until("the gap", |report| !gaps(report).is_empty())
            .await;
        receiving.caught_up(&primary).await;
        let coverage = place.coverage(&primary, Timeline::FIRST).await;
        assert_eq!(coverage.ranges().len(), 2, "the hole shows: {coverage:?}");

        let keeper = keep(&place, &standby);
        let report = receiving
            .until("the end of the gap", |report| gaps(report).is_empty())
            .await;
        let wal = report.wal.unwrap();
        assert_eq!(wal.timelines[0].coverage.ranges().len(), 1, "{wal:?}");
        let coverage = place.coverage(&primary, Timeline::FIRST).await;
        assert_eq!(coverage.ranges().len(), 1, "{coverage:?}");
        let stored = place.wal(&standby).await;
        assert!(compare_with_server(&stored, &standby).await > 3);
        receiving.duty.stop().await;
        keeper.stop().await;
    }
}

/// PostgreSQL serves no segment that is older than the last one it removed, and
/// the file may be there all the same.
// Pitfall 18
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gap_is_filled_from_the_files_of_pg_wal() {
    let server = TestCluster::builder(&major(15)).start();
    let place = Place::new();
    let mut receiving = place.start(&server);
    receiving.caught_up(&server).await;
    receiving.duty.stop().await;
    let stored = place.coverage(&server, Timeline::FIRST).await.ranges()[0];
    server.psql(&format!("SELECT pg_drop_replication_slot('{SLOT}')"));
    let pg_wal = server.data_dir().join("pg_wal");
    let aside = place.directory().join("aside");
    std::fs::create_dir(&aside).unwrap();
    let mut segments = Vec::new();
    for _ in 0..4 {
        let at = insert_position(&server);
        let segment = WalSegment::containing(Timeline::FIRST, at, SegmentSize::DEFAULT);
        write(&server, 1);
        server.psql("SELECT pg_switch_wal()");
        let name = segment.to_string();
        std::fs::copy(pg_wal.join(&name), aside.join(&name)).unwrap();
        segments.push(name);
    }
    lose_wal(&server);
    let mut receiving = place.start(&server);
    receiving
        .until("the gap", |report| !gaps(report).is_empty())
        .await;
    receiving.caught_up(&server).await;
    let gap = gaps(&receiving.report.borrow()).remove(0).range;
    assert_eq!(gap.from_lsn, stored.to_lsn);

    for name in &segments {
        std::fs::copy(aside.join(name), pg_wal.join(name)).unwrap();
    }
    receiving.duty.stop().await;
    let mut receiving = place.start(&server);
    let last = WalSegment::parse(segments.last().unwrap(), SegmentSize::DEFAULT).unwrap();
    let wanted = LsnRange::new(stored.from_lsn, last.end().min(gap.to_lsn)).unwrap();
    receiving
        .until("what the files have", |report| {
            let wal = report.wal.iter().flat_map(|wal| &wal.timelines);
            wal.clone().any(|one| one.coverage.covers(wanted))
        })
        .await;
    receiving.duty.stop().await;
}
