//! Copies: the same objects in another repository, whatever interrupts, and
//! nothing counts before all of it is there.

mod fan_out;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_repo::*;
use holdfast_types::Timeline;

use crate::support::unruly::Unruly;
use crate::support::{
    Fixture, Place, SMALL, backup_id, changing_files as files, check_restored, cluster,
    commit_facts, facts, lineage_id, lsn, range, segment, wal_bytes, write_backup,
};

on_all_stores! {
    a_copy_is_the_same_objects_and_restores_alone
    a_copy_that_is_killed_anywhere_goes_on
}

async fn full(fixture: &Fixture, number: u64) -> Backup {
    let id = backup_id(number.into());
    let finished = write_backup(&fixture.lineage, id, &files(number), SMALL).await;
    let facts = commit_facts(&format!("run-{number}"), "0/300028", "0/400100");
    finished.unwrap().commit(facts).await.unwrap()
}

async fn incremental(fixture: &Fixture, number: u64, parent: &Backup) -> Backup {
    let spool = tempfile::tempfile().unwrap();
    let opened = fixture.lineage.open_parent(parent.clone(), spool).await;
    let opened = opened.unwrap();
    let id = backup_id(number.into());
    let writer = fixture
        .lineage
        .begin_incremental(id, opened.clone(), SMALL)
        .await
        .unwrap();
    let inner = writer.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut worker = inner.worker();
        for file in files(number) {
            let path = EntryPath::new(&file.path).unwrap();
            let before = opened.file(&path).unwrap().unwrap();
            let bytes = file.islands[0].1.clone();
            let mut left = bytes.as_slice();
            let read = |buffer: &mut [u8]| left.read(buffer);
            let extent = worker.write_extent_over(before.extents.first(), read)?;
            let extents = vec![extent];
            inner.add(&Entry::File(FileEntry { extents, ..before }))?;
        }
        worker.finish()
    });
    written.await.unwrap().unwrap();
    let facts = CommitFacts {
        kind: BackupKind::Incremental,
        parent: Some(parent.id),
        ..commit_facts(&format!("run-{number}"), "0/300028", "0/400100")
    };
    let finished = writer.finish().await.unwrap();
    finished.commit(facts).await.unwrap()
}

/// A full backup, an incremental that needs packs of it, and their WAL.
async fn original() -> (Fixture, Backup, Backup) {
    let fixture = Fixture::new(Place::file()).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let first = full(&fixture, 1).await;
    let second = incremental(&fixture, 2, &first).await;
    (fixture, first, second)
}

/// Another repository, with a key of its own.
struct Elsewhere {
    place: Place,
    key: RepositoryKey,
}

impl Elsewhere {
    async fn new(place: Place) -> Self {
        let key = RepositoryKey::generate();
        Repository::init(place.store(), &key).await.unwrap();
        Self { place, key }
    }

    async fn open(&self) -> Repository {
        let store = self.place.store();
        Repository::open(store, &self.key, None).await.unwrap()
    }

    /// Behind a store that misbehaves.
    async fn behind(&self, change: impl FnOnce(&mut Unruly)) -> Repository {
        let store = self.place.store().wrap(|inner| {
            let mut unruly = Unruly::over(inner);
            change(&mut unruly);
            Arc::new(unruly)
        });
        Repository::open(store, &self.key, None).await.unwrap()
    }

    async fn lineage(&self) -> LineageRepository {
        let repository = self.open().await;
        repository.lineage(&cluster(), lineage_id()).await.unwrap()
    }

    async fn backups(&self) -> Vec<Backup> {
        match self.open().await.lineage(&cluster(), lineage_id()).await {
            Ok(lineage) => lineage.list_backups().await.unwrap().available,
            Err(Error::UnknownLineage { .. }) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn begin(fixture: &Fixture, to: &Repository) -> Result<LineageCopy> {
    LineageCopy::begin(&fixture.reopen().await, to, Arc::default()).await
}

async fn copy(fixture: &Fixture, to: &Repository, backup: &Backup) -> Result<CopiedBackup> {
    begin(fixture, to).await?.copy_backup(backup).await
}

async fn objects(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in place.raw_list().await {
        if name.starts_with("clusters/") {
            let bytes = place.raw_read(&name).await;
            found.insert(name, bytes);
        }
    }
    found
}

async fn a_copy_is_the_same_objects_and_restores_alone(place: Place) {
    let (fixture, first, second) = original().await;
    let copy_place = Elsewhere::new(place).await;
    let to = copy_place.open().await;
    let wal = fixture.wal();
    let history = b"1\t0/480000\tno recovery target specified\n".as_slice();
    let next = Timeline::new(2).unwrap();
    wal.put_history(next, history.into()).await.unwrap();
    let partial = AsideFile::Partial(segment(1, "0/400000"));
    let bytes = wal_bytes(segment(1, "0/400000"));
    wal.put_aside(partial, bytes.clone()).await.unwrap();
    let slice = range("0/500000", "0/500100");
    wal.put_slice(Timeline::FIRST, slice, bytes.slice(..0x100))
        .await
        .unwrap();
    wal.mark_expired(
        Timeline::FIRST,
        &[range("0/100000", "0/200000")].into_iter().collect(),
    )
    .await
    .unwrap();

    let lineage = begin(&fixture, &to).await.unwrap();
    let copied = lineage.copy_backup(&second).await.unwrap();
    assert!(!copied.was_there);
    lineage.copy_wal(CopyScope::All).await.unwrap();
    // The incremental alone, with what it needs of the full one.
    check_restored(&copy_place.lineage().await, &second, &files(2))
        .await
        .unwrap();
    let there = copy_place.backups().await;
    assert_eq!(there, std::slice::from_ref(&second));
    assert!(!lineage.copy_backup(&first).await.unwrap().was_there);
    assert!(lineage.copy_backup(&first).await.unwrap().was_there);
    assert_eq!(copy_place.backups().await, [first, second]);
    assert_eq!(
        objects(&fixture.place).await,
        objects(&copy_place.place).await,
        "byte for byte, under the same names"
    );
    let progress = lineage.progress();
    assert_eq!(progress.bytes(), progress.total_bytes());

    // All of it opens with the key of the copy, the original being gone.
    drop(fixture);
    let report = copy_place
        .open()
        .await
        .verify(
            &VerifyOptions {
                deep: true,
                ..VerifyOptions::default()
            },
            &Arc::default(),
        )
        .await
        .unwrap();
    assert_eq!(report.findings, []);
    let wal = copy_place.lineage().await.wal(Codec::DEFAULT);
    let segment = segment(1, "0/400000");
    let fetched = wal.fetch_segment(segment).await.unwrap();
    assert_eq!(fetched, Fetched::Full(wal_bytes(segment)));
    assert_eq!(wal.fetch_history(next).await.unwrap().unwrap(), history);
    assert_eq!(wal.fetch_aside(partial).await.unwrap().unwrap(), bytes);
    assert!(wal.expired().await.unwrap().contains_key(&Timeline::FIRST));
}

async fn a_copy_that_is_killed_anywhere_goes_on(place: Place) {
    let (fixture, _, second) = original().await;
    let copy_place = Elsewhere::new(place).await;
    let mut killed = 0;
    // Each attempt comes one object further than the one before.
    loop {
        let to = copy_place
            .behind(|store| store.puts_left = AtomicUsize::new(1))
            .await;
        let progress = Arc::<CopyProgress>::default();
        let from = fixture.reopen().await;
        let attempt = async {
            let lineage = LineageCopy::begin(&from, &to, progress.clone()).await?;
            lineage.copy_backup(&second).await
        };
        match attempt.await {
            Ok(copied) => {
                assert!(!copied.was_there);
                assert_eq!(progress.copied_bytes(), 0, "only the mark was missing");
                assert_eq!(progress.bytes(), progress.total_bytes());
                break;
            }
            Err(error) => {
                assert_eq!(error.code(), "repository_failed", "{error}");
                assert!(error.is_transient());
                killed += 1;
                assert!(killed < 200, "it goes on");
                assert_eq!(copy_place.backups().await, [], "the mark is last (I-05)");
            }
        }
    }
    check_restored(&copy_place.lineage().await, &second, &files(2))
        .await
        .unwrap();
    let stored = copy_place.place.raw_list().await.len();
    assert!(
        killed + 2 >= stored,
        "killed before each of {stored} objects"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_loses_answers_is_the_same_copy() {
    let (fixture, _, second) = original().await;
    let copy_place = Elsewhere::new(Place::s3()).await;
    let losing = |store: &mut Unruly| store.lose_answers.store(30, Ordering::SeqCst);
    let to = copy_place.behind(losing).await;
    copy(&fixture, &to, &second).await.unwrap();
    check_restored(&copy_place.lineage().await, &second, &files(2))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_lies_gets_no_mark() {
    let (fixture, _, second) = original().await;
    for part in ["/packs/", "/manifests/", "/wal/", "keys/"] {
        let copy_place = Elsewhere::new(Place::file()).await;
        let to = copy_place.behind(|store| store.forget = part).await;
        let error = copy(&fixture, &to, &second).await.unwrap_err();
        assert_eq!(error.code(), "write_not_stored", "{part}: {error}");
        let marks = copy_place.place.raw_list().await;
        assert!(!marks.iter().any(|name| name.contains("/marks/")), "{part}");
    }
    for part in ["/packs/", "/manifests/"] {
        let copy_place = Elsewhere::new(Place::file()).await;
        let to = copy_place.behind(|store| store.truncate = part).await;
        let error = copy(&fixture, &to, &second).await.unwrap_err();
        assert_eq!(error.code(), "write_not_stored", "{part}: {error}");
        assert_eq!(copy_place.backups().await, []);
        // It is said again, and not taken for a copy.
        let again = copy(&fixture, &copy_place.open().await, &second).await;
        assert_eq!(again.unwrap_err().code(), "copy_differs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_of_the_original_is_not_copied() {
    let (fixture, _, second) = original().await;
    let names = fixture.place.raw_list().await;
    for part in ["/packs/", "/manifests/", "/wal/"] {
        let damaged = names.iter().rfind(|name| {
            name.contains(part) && (part != "/packs/" || name.contains(&second.id.to_string()))
        });
        let damaged = damaged.unwrap();
        let whole = fixture.place.raw_read(damaged).await;
        if part != "/wal/" {
            let half = &whole[..whole.len() / 2];
            fixture.place.raw_write(damaged, half).await;
            let copy_place = Elsewhere::new(Place::file()).await;
            let to = copy_place.open().await;
            let error = copy(&fixture, &to, &second).await.unwrap_err();
            assert_eq!(error.code(), "repository_damaged", "{part}");
            assert_eq!(copy_place.backups().await, []);
        }
        fixture.place.raw_delete(damaged).await;
        let copy_place = Elsewhere::new(Place::file()).await;
        let to = copy_place.open().await;
        let error = copy(&fixture, &to, &second).await.unwrap_err();
        let expected = match part {
            "/wal/" => "wal_incomplete",
            _ => "repository_object_missing",
        };
        assert_eq!(error.code(), expected, "{part}: {error}");
        assert_eq!(copy_place.backups().await, []);
        fixture.place.raw_write(damaged, whole).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_and_differs_is_an_incident() {
    let (fixture, first, _) = original().await;
    let copy_place = Elsewhere::new(Place::file()).await;
    let to = copy_place.open().await;
    copy(&fixture, &to, &first).await.unwrap();
    let mark = fixture.name("marks/run-1");
    copy_place.place.raw_damage(&mark).await;
    let changed = copy_place.place.raw_read(&mark).await;
    let error = copy(&fixture, &to, &first).await.unwrap_err();
    assert_eq!(error.code(), "copy_differs");
    assert!(!error.is_transient());
    assert_eq!(copy_place.place.raw_read(&mark).await, changed, "it stays");

    // A lineage of that name that was made there.
    let own = Elsewhere::new(Place::file()).await;
    let to = own.open().await;
    to.create_or_open_lineage(&cluster(), lineage_id(), facts())
        .await
        .unwrap();
    let before = own.place.raw_list().await;
    let error = begin(&fixture, &to).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "copy_differs");
    assert_eq!(own.place.raw_list().await, before, "nothing was written");

    let itself = fixture.repository.clone();
    let error = begin(&fixture, &itself).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "copy_onto_itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_meanwhile_does_not_come_back() {
    let (fixture, first, second) = original().await;
    let copy_place = Elsewhere::new(Place::file()).await;
    let to = copy_place.open().await;
    let running = begin(&fixture, &to).await.unwrap();
    fixture.lineage.delete_mark(&first).await.unwrap();
    let error = running.copy_backup(&first).await.unwrap_err();
    assert_eq!(error.code(), "backup_not_found");
    // Its packs are kept for the second, and are copied with that one.
    running.copy_backup(&second).await.unwrap();
    assert_eq!(copy_place.backups().await, [second]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wal_is_copied_up_to_the_end_and_holes_are_filled() {
    let (fixture, first, _) = original().await;
    let copy_place = Elsewhere::new(Place::file()).await;
    let to = copy_place.open().await;
    let running = begin(&fixture, &to).await.unwrap();
    assert_eq!(
        running.copy_needed_wal().await.unwrap(),
        WalCopied::default()
    );
    running.copy_backup(&first).await.unwrap();
    // A slice whose segment is whole is left out, one of the last segment is not.
    fixture.put_wal("0/500000", "0/700000").await;
    let put_slice = |from: &'static str, to: &'static str| {
        let wal = fixture.wal();
        let bytes = wal_bytes(segment(1, from));
        let range = range(from, to);
        async move {
            let bytes = bytes.slice(..usize::try_from(range.bytes()).unwrap());
            wal.put_slice(Timeline::FIRST, range, bytes).await.unwrap();
        }
    };
    put_slice("0/600000", "0/600100").await;
    put_slice("0/700000", "0/700200").await;
    let copied = running.copy_needed_wal().await.unwrap();
    assert_eq!((copied.copied, copied.there), (3, 2));
    let wal = copy_place.lineage().await.wal(Codec::DEFAULT);
    let held = wal.list(Timeline::FIRST).await.unwrap();
    assert_eq!(held.slices, [range("0/700000", "0/700200")]);
    assert_eq!(held.end(), Some(lsn("0/700200")));
    assert_eq!(held.coverage().ranges().len(), 1);

    // A hole is filled, and nothing else is put again.
    let gone = fixture.name("wal/00000001/000000010000000000000005");
    copy_place.place.raw_delete(&gone).await;
    let copied = running.copy_needed_wal().await.unwrap();
    assert_eq!((copied.copied, copied.there), (1, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wal_that_is_just_stored_goes_to_the_copy_as_it_is() {
    let fixture = Fixture::new(Place::file()).await;
    let copy_place = Elsewhere::new(Place::file()).await;
    let to = copy_place.open().await;
    let running = begin(&fixture, &to).await.unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let wal = fixture
        .wal()
        .with_tap(move |object| tell.send(object).unwrap());
    let segment = segment(1, "0/300000");
    wal.put_segment(segment, wal_bytes(segment)).await.unwrap();
    // Another receiver of the same WAL seals it anew; what is stored counts.
    let again = wal.put_segment(segment, wal_bytes(segment)).await.unwrap();
    assert_eq!(again, Put::Same);
    for object in told.try_iter().collect::<Vec<_>>() {
        assert_eq!(object.range(), Some(range("0/300000", "0/400000")));
        running.ship(&object).await.unwrap();
    }
    assert_eq!(
        objects(&fixture.place).await,
        objects(&copy_place.place).await
    );
}
