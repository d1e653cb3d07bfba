//! Deleting: what is dead goes, whatever interrupts it, and nothing that is kept
//! misses anything of it (I-06).

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use crate::support::{
    Fixture, Place, SMALL, backup_id, changing_files as files, check_restored, commit_facts, range,
    segment, write_backup,
};
use bytes::Bytes;
use holdfast_repo::*;
use holdfast_types::{BackupId, Coverage, Timeline};
use jiff::{SignedDuration, Timestamp};

on_all_stores! {
    what_a_kept_backup_needs_of_a_dead_one_stays
    an_interrupted_deletion_goes_on
    nothing_goes_while_a_mark_or_a_manifest_cannot_be_read
    what_an_attempt_left_is_named_once_it_is_old
    expired_wal_goes_and_is_not_taken_for_lost
    files_beside_wal_expire_with_it
    a_partial_segment_goes_after_the_wal_before_it
    what_a_kept_backup_needs_of_its_wal_is_missed
    the_mark_of_another_backup_of_the_run_stays
}

async fn full(fixture: &Fixture, number: u64) -> Backup {
    let id = backup_id(number.into());
    let finished = write_backup(&fixture.lineage, id, &files(number), SMALL).await;
    let facts = commit_facts(&format!("run-{number}"), "0/300028", "0/300100");
    finished.unwrap().commit(facts).await.unwrap()
}

async fn incremental(fixture: &Fixture, number: u64, parent: &Backup) -> Backup {
    let spool = tempfile::tempfile().unwrap();
    let opened = fixture
        .lineage
        .open_parent(parent.clone(), spool)
        .await
        .unwrap();
    let id = backup_id(number.into());
    let writer = fixture.lineage.begin_incremental(id, opened.clone(), SMALL);
    let writer = writer.await.unwrap();
    let inner = writer.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut worker = inner.worker();
        for file in files(number) {
            let path = EntryPath::new(&file.path).unwrap();
            let before = opened.file(&path).unwrap().unwrap();
            let bytes = file.islands[0].1.clone();
            let mut left = bytes.as_slice();
            let extent = worker
                .write_extent_over(before.extents.first(), |buffer: &mut [u8]| {
                    left.read(buffer)
                })
                .unwrap();
            let extents = vec![extent];
            inner
                .add(&Entry::File(FileEntry { extents, ..before }))
                .unwrap();
        }
        worker.finish().unwrap();
    });
    written.await.unwrap();
    let facts = CommitFacts {
        kind: BackupKind::Incremental,
        parent: Some(parent.id),
        ..commit_facts(&format!("run-{number}"), "0/300028", "0/300100")
    };
    writer.finish().await.unwrap().commit(facts).await.unwrap()
}

async fn fixture(place: Place) -> Fixture {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/400000").await;
    fixture
}

fn ids(numbers: &[u128]) -> BTreeSet<BackupId> {
    numbers.iter().map(|number| backup_id(*number)).collect()
}

/// Deletes as the leader does, through a fresh client, at most so many batches.
async fn sweep(fixture: &Fixture, dead: &BTreeSet<BackupId>, batches: usize) -> usize {
    let lineage = fixture.reopen().await;
    let stock = lineage.stock(dead).await.unwrap();
    for backup in stock.backups().filter(|backup| dead.contains(&backup.id)) {
        lineage.delete_mark(backup).await.unwrap();
    }
    let stock = lineage.stock(dead).await.unwrap();
    let mut done = 0;
    for remains in stock.remains(dead) {
        for batch in lineage.batches(&remains, &stock).await.unwrap() {
            if done < batches {
                lineage.delete_batch(&batch).await.unwrap();
                done += 1;
            }
        }
    }
    done
}

async fn findings(fixture: &Fixture, orphans_after: SignedDuration) -> Vec<Finding> {
    let repository = fixture.reopen().await.repository().clone();
    let options = VerifyOptions {
        deep: true,
        orphans_after: Some(orphans_after),
        ..VerifyOptions::default()
    };
    let report = repository.verify(&options, &Arc::default()).await.unwrap();
    report.findings
}

/// Nothing that is older than a second ago; clocks of stores count whole seconds.
const NOW: SignedDuration = SignedDuration::from_secs(-3600);

async fn left_of(fixture: &Fixture, number: u128) -> Vec<String> {
    let id = backup_id(number).to_string();
    let names = fixture.place.raw_list().await;
    names
        .into_iter()
        .filter(|name| name.contains(&id))
        .collect()
}

// Pitfalls 31 and 32
async fn what_a_kept_backup_needs_of_a_dead_one_stays(place: Place) {
    let fixture = fixture(place).await;
    let first = full(&fixture, 1).await;
    let second = incremental(&fixture, 2, &first).await;
    let third = full(&fixture, 3).await;
    let before = left_of(&fixture, 1).await.len();
    assert!(sweep(&fixture, &ids(&[1]), usize::MAX).await > 0);
    // Its mark, its manifest and the packs that nobody names are gone.
    let after = left_of(&fixture, 1).await;
    assert!(!after.is_empty() && after.len() < before, "{after:?}");
    assert!(
        after.iter().all(|name| name.contains("/packs/")),
        "{after:?}"
    );
    let lineage = fixture.reopen().await;
    let listed = lineage.list_backups().await.unwrap().available;
    let listed: Vec<BackupId> = listed.iter().map(|backup| backup.id).collect();
    assert_eq!(listed, [second.id, third.id]);
    check_restored(&lineage, &second, &files(2)).await.unwrap();
    assert_eq!(findings(&fixture, NOW).await, []);
    // Again there is nothing to do.
    assert_eq!(sweep(&fixture, &ids(&[1]), usize::MAX).await, 0);
    // With the last one that names them they go, and with them their keys.
    sweep(&fixture, &ids(&[1, 2]), usize::MAX).await;
    assert_eq!(left_of(&fixture, 1).await, [""; 0]);
    assert_eq!(left_of(&fixture, 2).await, [""; 0]);
    let keys = fixture.repository.keys().await.unwrap();
    let of_backups = keys
        .iter()
        .filter(|key| key.purpose == Some(KeyPurpose::Backup));
    assert_eq!(of_backups.count(), 1, "{keys:?}");
    check_restored(&fixture.reopen().await, &third, &files(3))
        .await
        .unwrap();
    assert_eq!(findings(&fixture, NOW).await, []);
}

async fn an_interrupted_deletion_goes_on(place: Place) {
    let fixture = fixture(place).await;
    full(&fixture, 1).await;
    let kept = full(&fixture, 2).await;
    // The mark is gone after the first, then a batch at a time.
    for _ in 0..4 {
        sweep(&fixture, &ids(&[1]), 1).await;
        let lineage = fixture.reopen().await;
        assert_eq!(lineage.list_backups().await.unwrap().available.len(), 1);
    }
    assert_eq!(left_of(&fixture, 1).await, [""; 0]);
    let keys = fixture.repository.keys().await.unwrap();
    let of_backups = keys
        .iter()
        .filter(|key| key.purpose == Some(KeyPurpose::Backup));
    assert_eq!(of_backups.count(), 1, "{keys:?}");
    check_restored(&fixture.reopen().await, &kept, &files(2))
        .await
        .unwrap();
}

async fn nothing_goes_while_a_mark_or_a_manifest_cannot_be_read(place: Place) {
    let fixture = fixture(place).await;
    let first = full(&fixture, 1).await;
    incremental(&fixture, 2, &first).await;
    let dead = ids(&[1]);
    let mark = fixture.name("marks/run-2");
    let whole = fixture.place.raw_read(&mark).await;
    fixture.place.raw_damage(&mark).await;
    let stock = fixture.reopen().await.stock(&dead).await;
    assert!(matches!(stock, Err(Error::Damaged { .. })), "{stock:?}");
    fixture.place.raw_delete(&mark).await;
    fixture.place.raw_write(&mark, whole).await;
    assert!(fixture.reopen().await.stock(&dead).await.is_ok());
    // The packs are named in the last section.
    let names = left_of(&fixture, 2).await;
    let mut sections = names.iter().filter(|name| name.contains("/manifests/"));
    fixture
        .place
        .raw_delete(sections.next_back().unwrap())
        .await;
    let stock = fixture.reopen().await.stock(&dead).await;
    assert!(matches!(stock, Err(Error::Missing { .. })), "{stock:?}");
    assert!(
        findings(&fixture, NOW)
            .await
            .iter()
            .all(|one| !one.problem.contains("orphan"))
    );
}

// Pitfall 32
async fn what_an_attempt_left_is_named_once_it_is_old(place: Place) {
    let fixture = fixture(place).await;
    full(&fixture, 1).await;
    let left = write_backup(&fixture.lineage, backup_id(2), &files(2), SMALL).await;
    drop(left.unwrap());
    let stock = fixture
        .reopen()
        .await
        .stock(&BTreeSet::new())
        .await
        .unwrap();
    // What stands for Google's store has one time for all.
    let (long, now) = (SignedDuration::from_hours(50 * 365 * 24), Timestamp::now());
    assert_eq!(stock.orphans(now - long), []);
    assert_eq!(stock.orphans(now - NOW), [backup_id(2)]);
    assert_eq!(findings(&fixture, long).await, []);
    let found = findings(&fixture, NOW).await;
    let objects: Vec<String> = found.iter().map(|one| one.object.clone()).collect();
    assert_eq!(objects, left_of(&fixture, 2).await);
    assert!(
        found
            .iter()
            .all(|one| one.lost.is_empty() && one.problem.contains("orphaned"))
    );
    sweep(&fixture, &ids(&[2]), usize::MAX).await;
    assert_eq!(left_of(&fixture, 2).await, [""; 0]);
    assert_eq!(findings(&fixture, NOW).await, []);
}

/// Expires WAL as the leader does.
async fn expire(fixture: &Fixture, from: &str, to: &str) {
    let lineage = fixture.reopen().await;
    let gone: Coverage = [range(from, to)].into_iter().collect();
    let wal = lineage.wal(Codec::DEFAULT);
    wal.mark_expired(Timeline::FIRST, &gone).await.unwrap();
    let needed = lineage.stock(&BTreeSet::new()).await.unwrap().needed_wal();
    for batch in wal
        .expired_batches(Timeline::FIRST, &gone, &needed)
        .await
        .unwrap()
    {
        lineage.delete_batch(&batch).await.unwrap();
    }
}

async fn held(fixture: &Fixture) -> Vec<String> {
    let wal = fixture.reopen().await.wal(Codec::DEFAULT);
    let listed = wal.list(Timeline::FIRST).await.unwrap();
    let coverage = listed.coverage();
    let text = |range: &holdfast_types::LsnRange| format!("{}-{}", range.from_lsn, range.to_lsn);
    coverage.ranges().iter().map(text).collect()
}

/// A backup that is kept outside of the window keeps its own WAL.
// Pitfall 31
async fn expired_wal_goes_and_is_not_taken_for_lost(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/100000", "0/900000").await;
    full(&fixture, 1).await;
    let id = backup_id(2);
    let finished = write_backup(&fixture.lineage, id, &files(2), SMALL)
        .await
        .unwrap();
    let facts = commit_facts("run-2", "0/700028", "0/700100");
    finished.commit(facts).await.unwrap();
    expire(&fixture, "0/100000", "0/300028").await;
    assert_eq!(held(&fixture).await, ["0/300000-0/900000"]);
    assert_eq!(findings(&fixture, NOW).await, []);
    // Whoever asks for too much does not get what a backup needs.
    expire(&fixture, "0/100000", "0/700028").await;
    assert_eq!(
        held(&fixture).await,
        ["0/300000-0/400000", "0/700000-0/900000"]
    );
    assert_eq!(findings(&fixture, NOW).await, []);
    let wal = fixture.reopen().await.wal(Codec::DEFAULT);
    let expired = wal.expired().await.unwrap();
    let markers: Vec<_> = expired[&Timeline::FIRST].ranges().to_vec();
    assert_eq!(markers, [range("0/100000", "0/700028")]);
    let names = fixture.place.raw_list().await;
    let markers = names.iter().filter(|name| name.contains("/expired/"));
    assert_eq!(
        markers.count(),
        1,
        "the longer one takes the place of the other"
    );
    // What is lost elsewhere is a finding as ever.
    let lost = fixture.name(&format!("wal/00000001/{}", segment(1, "0/800000")));
    fixture.place.raw_delete(&lost).await;
    fixture.put_wal("0/900000", "0/a00000").await;
    let found = findings(&fixture, NOW).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].problem, "WAL from 0/800000 to 0/900000 is missing");
}

/// What PostgreSQL archived beside its WAL goes with the WAL that it belongs to,
/// and not before anything that stays.
async fn files_beside_wal_expire_with_it(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/100000", "0/900000").await;
    full(&fixture, 1).await;
    let wal = fixture.lineage.wal(Codec::DEFAULT);
    let history = |at: &str| AsideFile::BackupHistory(segment(1, at), 0x28);
    let left = AsideFile::Partial(segment(1, "0/900000"));
    let whole = Bytes::from(vec![
        7;
        usize::try_from(segment(1, "0/900000").size().bytes())
            .unwrap()
    ]);
    for file in ["0/100000", "0/300000", "0/500000"].map(history) {
        wal.put_aside(file, "START WAL LOCATION".into())
            .await
            .unwrap();
    }
    wal.put_aside(left, whole).await.unwrap();
    // A slice of the segment in which the timeline was left.
    let slice = range("0/900000", "0/900100");
    let bytes = vec![7; usize::try_from(slice.bytes()).unwrap()];
    wal.put_slice(Timeline::FIRST, slice, bytes.into())
        .await
        .unwrap();
    let there = async || {
        let mut there = Vec::new();
        for file in ["0/100000", "0/300000", "0/500000"].map(history) {
            there.push(wal.fetch_aside(file).await.unwrap().is_some());
        }
        there.push(wal.fetch_aside(left).await.unwrap().is_some());
        there
    };
    assert_eq!(there().await, [true; 4]);
    expire(&fixture, "0/100000", "0/300028").await;
    assert_eq!(there().await, [false, true, true, true]);
    // Its segment has WAL that stays; a kept backup needs that of another.
    expire(&fixture, "0/100000", "0/900000").await;
    assert_eq!(there().await, [false, true, false, true]);
    expire(&fixture, "0/100000", "0/900100").await;
    assert_eq!(there().await, [false, true, false, false]);
    assert_eq!(held(&fixture).await, ["0/300000-0/400000"]);
    assert_eq!(findings(&fixture, NOW).await, []);
}

/// Where a timeline was left, its last segment may be stored as this file only.
async fn a_partial_segment_goes_after_the_wal_before_it(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/100000", "0/400000").await;
    let wal = fixture.lineage.wal(Codec::DEFAULT);
    let left = AsideFile::Partial(segment(1, "0/400000"));
    let whole = vec![7; usize::try_from(segment(1, "0/400000").size().bytes()).unwrap()];
    wal.put_aside(left, whole.into()).await.unwrap();
    expire(&fixture, "0/100000", "0/300000").await;
    assert!(wal.fetch_aside(left).await.unwrap().is_some());
    expire(&fixture, "0/100000", "0/400000").await;
    assert!(wal.fetch_aside(left).await.unwrap().is_none());
}

async fn what_a_kept_backup_needs_of_its_wal_is_missed(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/100000", "0/600000").await;
    full(&fixture, 1).await;
    expire(&fixture, "0/100000", "0/500000").await;
    assert_eq!(
        held(&fixture).await,
        ["0/300000-0/400000", "0/500000-0/600000"]
    );
    assert_eq!(findings(&fixture, NOW).await, []);
    let own = fixture.name(&format!("wal/00000001/{}", segment(1, "0/300000")));
    fixture.place.raw_delete(&own).await;
    let found = findings(&fixture, NOW).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].problem, "WAL from 0/300000 to 0/300100 is missing");
    // A marker that anybody could write hides nothing.
    let forged = fixture.name("expired/00000001/0000000000000000-0000000000900000");
    fixture.place.raw_write(&forged, "{\"format\":1}").await;
    assert_eq!(findings(&fixture, NOW).await.len(), 1);
}

// Pitfall 32
async fn the_mark_of_another_backup_of_the_run_stays(place: Place) {
    let fixture = fixture(place).await;
    let first = full(&fixture, 1).await;
    let lineage = fixture.reopen().await;
    lineage.delete_mark(&first).await.unwrap();
    lineage.delete_mark(&first).await.unwrap();
    let again = write_backup(&fixture.lineage, backup_id(2), &files(2), SMALL).await;
    let facts = commit_facts("run-1", "0/300028", "0/300100");
    let second = again.unwrap().commit(facts).await.unwrap();
    // A deletion that comes late.
    lineage.delete_mark(&first).await.unwrap();
    let listed = lineage.list_backups().await.unwrap().available;
    assert_eq!(listed, [second]);
}
