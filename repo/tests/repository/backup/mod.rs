//! Backups written, committed and read back, on both kinds of store.

mod over;

use crate::support::{
    File, Fixture, Place, Random, backup_id, check_restored, commit_facts, lsn, range, write_backup,
};
use holdfast_repo::*;
use holdfast_types::LsnRange;
use proptest::prelude::*;

on_all_stores! {
    a_backup_comes_back
    a_mark_needs_the_wal
    the_first_mark_of_a_run_wins
    an_attempt_without_a_mark_is_no_backup
    a_source_that_fails_ends_only_its_extent
    a_dropped_worker_is_noticed
    damage_is_noticed_when_reading
    every_kind_of_entry_comes_back
}

const KIB: usize = 1024;

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Random(length as u64).fill(&mut bytes);
    bytes
}

/// Files around every boundary of the format.
fn files() -> Vec<File> {
    let text = b"insert into orders values (1, 'abc');\n".repeat(4000);
    let mut files = vec![
        File::new("PG_VERSION", "15\n"),
        File::new("empty", ""),
        File::new("one", "x"),
        File::new("zeros", vec![0; 64 * KIB * 3]),
        File::new(
            "some-zeros",
            [vec![0; 64 * KIB], random(100), vec![0; 64 * KIB]].concat(),
        ),
        File::new("text", text),
    ];
    for chunks in [1, 2, 8, 9, 20] {
        for extra in [-1i64, 0, 1] {
            let length = usize::try_from(chunks * 64 * KIB as i64 + extra).unwrap();
            files.push(File::new(&format!("base/1/{length}"), random(length)));
        }
    }
    files
}

fn small_packs(codec: Codec) -> WriteOptions {
    WriteOptions {
        codec,
        pack_bytes: 300 << 10,
        uploads: 2,
    }
}

async fn a_backup_comes_back(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let codecs = [Codec::Zstd { level: 1 }, Codec::Lz4, Codec::None];
    for (number, codec) in (1..).zip(codecs) {
        let finished = write_backup(
            &fixture.lineage,
            backup_id(number),
            &files(),
            small_packs(codec),
        )
        .await
        .unwrap();
        let facts = commit_facts(&format!("run-{number}"), "0/300028", "0/400100");
        let committed = finished.commit(facts).await.unwrap();
        let lineage = fixture.reopen().await;
        let found = lineage.find_backup(backup_id(number)).await.unwrap();
        assert_eq!(found, committed);
        assert_eq!(found.entries, files().len() as u64);
        assert_eq!(
            found.database_bytes,
            files().iter().map(|file| file.size).sum::<u64>()
        );
        assert!(found.added_bytes > 0);
        check_restored(&lineage, &found, &files()).await.unwrap();
    }
    let backups = fixture.lineage.list_backups().await.unwrap();
    assert_eq!(backups.available.len(), 3);
    assert!(backups.unreadable.is_empty());
    let unknown = fixture.lineage.find_backup(backup_id(9)).await.unwrap_err();
    assert_eq!(unknown.code(), "backup_not_found");
}

// Pitfall 5
async fn a_mark_needs_the_wal(place: Place) {
    let fixture = Fixture::new(place).await;
    let options = WriteOptions::default();
    let finished = write_backup(&fixture.lineage, backup_id(1), &files()[..3], options)
        .await
        .unwrap();
    let facts = || commit_facts("run", "0/300028", "0/400100");
    // I-05
    let error = finished.commit(facts()).await.unwrap_err();
    assert!(
        matches!(&error, Error::WalIncomplete { gaps, .. } if *gaps == [range("0/300000", "0/400100")]),
        "{error}"
    );
    fixture.put_wal("0/300000", "0/400000").await;
    let error = finished.commit(facts()).await.unwrap_err();
    assert!(
        matches!(&error, Error::WalIncomplete { gaps, .. } if *gaps == [range("0/400000", "0/400100")]),
        "{error}"
    );
    assert!(
        fixture
            .lineage
            .list_backups()
            .await
            .unwrap()
            .available
            .is_empty()
    );
    // A slice up to the stop is enough.
    let slice = LsnRange::new(lsn("0/400000"), lsn("0/400100")).unwrap();
    let bytes = vec![1; usize::try_from(slice.bytes()).unwrap()].into();
    fixture
        .wal()
        .put_slice(facts().timeline, slice, bytes)
        .await
        .unwrap();
    finished.commit(facts()).await.unwrap();
    assert_eq!(
        fixture
            .lineage
            .list_backups()
            .await
            .unwrap()
            .available
            .len(),
        1
    );
}

async fn the_first_mark_of_a_run_wins(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let options = WriteOptions::default;
    let first = write_backup(&fixture.lineage, backup_id(1), &files()[..3], options())
        .await
        .unwrap();
    let second = write_backup(&fixture.lineage, backup_id(2), &files()[..3], options())
        .await
        .unwrap();
    let facts = commit_facts("gold.2026-11-22T02_00", "0/300028", "0/400100");
    let committed = first.commit(facts.clone()).await.unwrap();
    // I-03
    let error = second.commit(facts.clone()).await.unwrap_err();
    assert!(
        matches!(error, Error::Superseded { winner, .. } if winner == backup_id(1)),
        "{error}"
    );
    // Committing again after a lost answer changes nothing, whenever it ends.
    let mut later = facts.clone();
    later.finished_at += jiff::SignedDuration::from_secs(60);
    assert_eq!(first.commit(facts.clone()).await.unwrap(), committed);
    assert_eq!(first.commit(later).await.unwrap(), committed);
    let listed = fixture.lineage.list_backups().await.unwrap().available;
    assert_eq!(listed, std::slice::from_ref(&committed));
    assert_eq!(
        fixture.lineage.backup_of_run(&facts.run).await.unwrap(),
        Some(committed)
    );
    assert_eq!(
        fixture
            .lineage
            .backup_of_run(&"other".parse().unwrap())
            .await
            .unwrap(),
        None
    );
}

// Pitfall 25
async fn an_attempt_without_a_mark_is_no_backup(place: Place) {
    let fixture = Fixture::new(place).await;
    let options = small_packs(Codec::None);
    drop(
        write_backup(&fixture.lineage, backup_id(1), &files(), options.clone())
            .await
            .unwrap(),
    );
    assert!(
        fixture
            .place
            .raw_list()
            .await
            .iter()
            .any(|name| name.contains("/packs/"))
    );
    assert!(
        fixture
            .reopen()
            .await
            .list_backups()
            .await
            .unwrap()
            .available
            .is_empty()
    );
    let again = fixture.lineage.begin_backup(backup_id(1), options).await;
    assert_eq!(again.unwrap_err().code(), "backup_id_used");
    assert!(
        fixture
            .repository
            .verify(&VerifyOptions::default(), &<_>::default())
            .await
            .unwrap()
            .findings
            .is_empty()
    );
}

async fn a_source_that_fails_ends_only_its_extent(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let writer = fixture
        .lineage
        .begin_backup(backup_id(1), small_packs(Codec::None))
        .await
        .unwrap();
    let file = File::new("base/1/2", random(200 * KIB));
    let blocking = (writer.clone(), file.clone());
    let work = tokio::task::spawn_blocking(move || {
        let (writer, file) = blocking;
        let mut worker = writer.worker();
        let mut reads = 0;
        let failed = worker.write_extent(|buffer| {
            reads += 1;
            if reads > 3 {
                Err(std::io::Error::other("the disk is gone"))
            } else {
                Ok(buffer.len())
            }
        });
        let error = failed.unwrap_err();
        assert_eq!(error.code(), "local_io_failed");
        writer.add(&file.write(&mut worker).unwrap()).unwrap();
        worker.finish().unwrap();
    });
    work.await.unwrap();
    let finished = writer.finish().await.unwrap();
    let backup = finished
        .commit(commit_facts("run", "0/300028", "0/400100"))
        .await
        .unwrap();
    check_restored(&fixture.lineage, &backup, &[file])
        .await
        .unwrap();
}

async fn a_dropped_worker_is_noticed(place: Place) {
    let fixture = Fixture::new(place).await;
    let writer = fixture
        .lineage
        .begin_backup(backup_id(1), WriteOptions::default())
        .await
        .unwrap();
    let inner = writer.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut worker = inner.worker();
        inner
            .add(&File::new("a", "bytes").write(&mut worker).unwrap())
            .unwrap();
    });
    work.await.unwrap();
    assert_eq!(
        writer.finish().await.unwrap_err().code(),
        "backup_unfinished"
    );
}

// Pitfall 11
async fn damage_is_noticed_when_reading(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let finished = write_backup(
        &fixture.lineage,
        backup_id(1),
        &files(),
        small_packs(Codec::DEFAULT),
    )
    .await
    .unwrap();
    let backup = finished
        .commit(commit_facts("run", "0/300028", "0/400100"))
        .await
        .unwrap();
    let names = fixture.place.raw_list().await;
    let damageable = names.iter().filter(|name| {
        name.contains("/packs/") || name.contains("/manifests/") || name.contains("/keys/")
    });
    for name in damageable {
        let whole = fixture.place.raw_read(name).await;
        fixture.place.raw_damage(name).await;
        let error = check_restored(&fixture.reopen().await, &backup, &files())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "repository_damaged", "{name}: {error}");
        fixture
            .place
            .raw_write(name, &whole[..whole.len() / 2])
            .await;
        let error = check_restored(&fixture.reopen().await, &backup, &files())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "repository_damaged", "{name}: {error}");
        fixture.place.raw_delete(name).await;
        let error = check_restored(&fixture.reopen().await, &backup, &files())
            .await
            .unwrap_err();
        assert_eq!(error.code(), "repository_object_missing", "{name}: {error}");
        fixture.place.raw_write(name, whole).await;
    }
    let mark = fixture.name("marks/run");
    fixture.place.raw_damage(&mark).await;
    let backups = fixture.reopen().await.list_backups().await.unwrap();
    assert!(backups.available.is_empty());
    assert_eq!(backups.unreadable[0].object, mark);
}

// Pitfall 2
async fn every_kind_of_entry_comes_back(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let writer = fixture
        .lineage
        .begin_backup(backup_id(1), WriteOptions::default())
        .await
        .unwrap();
    let inner = writer.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut worker = inner.worker();
        let extent = worker
            .write_extent(&mut b"port = 5433\n".as_slice().chain_read())
            .unwrap();
        let path = |text: &str| EntryPath::new(text).unwrap();
        let entries = vec![
            Entry::Directory(DirectoryEntry {
                path: path("pg_wal"),
                mode: 0o700,
            }),
            Entry::Symlink(SymlinkEntry {
                path: path("link"),
                target: LinkTarget::new("../else where").unwrap(),
            }),
            Entry::Config(ConfigEntry {
                origin: path("/etc/postgresql/15/main/postgresql.conf"),
                size: 12,
                mode: 0o644,
                mtime_ns: -5,
                extents: vec![extent],
            }),
            Entry::Generated(GeneratedEntry {
                path: path("backup_label"),
                mode: 0o600,
                bytes: b"START\xff\n".to_vec(),
            }),
        ];
        entries.iter().for_each(|entry| inner.add(entry).unwrap());
        let misplaced = Entry::Directory(DirectoryEntry {
            path: path("/etc"),
            mode: 0o700,
        });
        assert_eq!(
            inner.add(&misplaced).unwrap_err().code(),
            "invalid_repository_data"
        );
        worker.finish().unwrap();
        entries
    });
    let written = work.await.unwrap();
    let facts = commit_facts("run", "0/300028", "0/400100");
    let backup = writer.finish().await.unwrap().commit(facts).await.unwrap();
    let reader = fixture.reopen().await.open_backup(backup).await.unwrap();
    let mut entries = reader.entries();
    for expected in written {
        assert_eq!(entries.next().await.unwrap(), Some(expected));
    }
    assert_eq!(entries.next().await.unwrap(), None);
}

/// A reader as the closure a worker wants.
trait ChainRead {
    fn chain_read(&mut self) -> impl FnMut(&mut [u8]) -> std::io::Result<usize>;
}

impl ChainRead for &[u8] {
    fn chain_read(&mut self) -> impl FnMut(&mut [u8]) -> std::io::Result<usize> {
        |buffer| std::io::Read::read(self, buffer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_many_extents_comes_back() {
    let fixture = Fixture::new(Place::file()).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let size = EXTENT_BYTES * 2 + 12_345;
    let islands = vec![
        (0, random(10_000)),
        (EXTENT_BYTES - 70_000, random(140_000)),
        (2 * EXTENT_BYTES - 1, b"ab".to_vec()),
        (size - 3, b"end".to_vec()),
    ];
    let file = File {
        path: "base/16384/16385".into(),
        size,
        islands,
    };
    let exact = File {
        path: "exact".into(),
        size: EXTENT_BYTES,
        islands: vec![(5, b"five".to_vec())],
    };
    let files = [file, exact];
    let finished = write_backup(
        &fixture.lineage,
        backup_id(1),
        &files,
        WriteOptions::default(),
    )
    .await
    .unwrap();
    let backup = finished
        .commit(commit_facts("run", "0/300028", "0/400100"))
        .await
        .unwrap();
    assert!(
        backup.added_bytes < 1 << 20,
        "zeros are not stored: {}",
        backup.added_bytes
    );
    check_restored(&fixture.reopen().await, &backup, &files)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_of_many_sections_comes_back_in_order() {
    let fixture = Fixture::new(Place::file()).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let writer = fixture
        .lineage
        .begin_backup(backup_id(1), WriteOptions::default())
        .await
        .unwrap();
    let inner = writer.clone();
    let path = |number: u32| {
        EntryPath::new(format!("base/16384/a-rather-long-directory-name-{number}")).unwrap()
    };
    let count = 100_000;
    let add = move || {
        for number in 0..count {
            inner
                .add(&Entry::Directory(DirectoryEntry {
                    path: path(number),
                    mode: number,
                }))
                .unwrap();
        }
    };
    tokio::task::spawn_blocking(add).await.unwrap();
    let finished = writer.finish().await.unwrap();
    let backup = finished
        .commit(commit_facts("run", "0/300028", "0/400100"))
        .await
        .unwrap();
    let sections = fixture.place.raw_list().await;
    assert!(
        sections
            .iter()
            .filter(|name| name.contains("/manifests/"))
            .count()
            > 1
    );
    let mut entries = fixture
        .reopen()
        .await
        .open_backup(backup)
        .await
        .unwrap()
        .entries();
    for number in 0..count {
        let entry = entries.next().await.unwrap().unwrap();
        assert_eq!(
            entry,
            Entry::Directory(DirectoryEntry {
                path: path(number),
                mode: number
            })
        );
    }
    assert!(entries.next().await.unwrap().is_none());
}

fn file_strategy() -> impl Strategy<Value = Vec<(usize, u64, u8)>> {
    // Length in units of 8 KiB and a bit, a seed, and how much of it is zeros.
    proptest::collection::vec((0usize..90, any::<u64>(), 0u8..4), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn random_files_round_trip(shapes in file_strategy(), codec in 0usize..3, pack_bytes in 20_000u32..2_000_000) {
        let codec = [Codec::None, Codec::Lz4, Codec::Zstd { level: 1 }][codec];
        let files: Vec<File> = shapes.iter().enumerate().map(|(index, (units, seed, zeros))| {
            let mut bytes = vec![0; units * 8192 + usize::try_from(seed % 3).unwrap()];
            let mut random = Random(*seed);
            for page in bytes.chunks_mut(8192) {
                match random.next() % 4 {
                    n if n < u64::from(*zeros) => {}
                    3 => random.fill(page),
                    _ => page.fill(u8::try_from(random.next() % 251).unwrap()),
                }
            }
            File::new(&format!("file-{index}"), bytes)
        }).collect();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new(Place::file()).await;
            fixture.put_wal("0/300000", "0/500000").await;
            let options = WriteOptions { codec, pack_bytes, uploads: 1 };
            let finished = write_backup(&fixture.lineage, backup_id(1), &files, options).await.unwrap();
            let backup = finished.commit(commit_facts("run", "0/300028", "0/400100")).await.unwrap();
            check_restored(&fixture.lineage, &backup, &files).await.unwrap();
        });
    }
}
