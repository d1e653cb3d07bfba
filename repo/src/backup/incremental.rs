//! Chains of incrementals, against random changes: whatever was taken over,
//! every backup restores to its own bytes, and every account is right.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use holdfast_types::{BackupId, Lineage, Lsn, SegmentSize, Timeline, WalSegment};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use crate::chunk::{Content, PackId};
use crate::entropy::Entropy;
use crate::{
    Backup, BackupKind, CHUNK_BYTES, Codec, CommitFacts, DirectoryEntry, Entry, EntryPath, Error,
    FileEntry, FinishedBackup, LineageFacts, LineageRepository, Parent, Piece, Repository,
    RepositoryKey, StoreOptions, VerifyOptions, WriteOptions, open_store,
};

type Files = BTreeMap<String, Vec<u8>>;

const MIB: u64 = 1 << 20;

fn id(number: u128) -> BackupId {
    BackupId::from_uuid(Uuid::from_u128(number))
}

/// A lineage with one segment of WAL, in which every backup begins and ends.
async fn lineage(directory: &Path) -> LineageRepository {
    lineage_with(directory, Entropy::system()).await
}

async fn lineage_with(directory: &Path, entropy: Entropy) -> LineageRepository {
    let url = format!("file://{}", directory.display()).parse().unwrap();
    let store = open_store(&url, &StoreOptions::default()).unwrap();
    let key = RepositoryKey::generate();
    let repository = Repository::init_with(store, &key, entropy).await;
    let lineage = Lineage {
        system_identifier: 7,
        incarnation: 1,
    };
    let facts = LineageFacts {
        postgres_version: 150_020,
        segment_size: SegmentSize::new(MIB).unwrap(),
        block_size: 8192,
    };
    let cluster = "orders".parse().unwrap();
    let repository = repository.unwrap();
    let lineage = repository.create_or_open_lineage(&cluster, lineage, facts);
    let lineage = lineage.await.unwrap();
    let segment = WalSegment::containing(Timeline::FIRST, Lsn::new(MIB), facts.segment_size);
    let zeros = Bytes::from(vec![0; usize::try_from(MIB).unwrap()]);
    let wal = lineage.wal(Codec::DEFAULT);
    wal.put_segment(segment, zeros).await.unwrap();
    lineage
}

fn facts(number: u128, parent: Option<BackupId>) -> CommitFacts {
    let second = Timestamp::from_second(1_785_000_000).unwrap();
    let at = second + SignedDuration::from_secs(i64::try_from(number).unwrap() * 60);
    CommitFacts {
        run: format!("run-{number}").parse().unwrap(),
        kind: match parent {
            Some(_) => BackupKind::Incremental,
            None => BackupKind::Full,
        },
        parent,
        postgres_version: 150_020,
        timeline: Timeline::FIRST,
        start_lsn: Lsn::new(MIB + 40),
        stop_lsn: Lsn::new(MIB + 400),
        started_at: at,
        finished_at: at + SignedDuration::from_secs(1),
        facts: BTreeMap::new(),
    }
}

fn options() -> WriteOptions {
    WriteOptions {
        codec: Codec::None,
        pack_bytes: 300 << 10,
        uploads: 2,
    }
}

async fn open_parent(lineage: &LineageRepository, backup: &Backup) -> crate::Result<Parent> {
    let spool = tempfile::tempfile().unwrap();
    lineage.open_parent(backup.clone(), spool).await
}

/// Writes files; those in `kept` are taken over whole where that is allowed.
async fn write(
    lineage: &LineageRepository,
    number: u128,
    parent: Option<Parent>,
    (files, kept): (&Files, &BTreeSet<String>),
) -> crate::Result<FinishedBackup> {
    let writer = match &parent {
        Some(parent) => {
            let begun = lineage.begin_incremental(id(number), parent.clone(), options());
            begun.await?
        }
        None => lineage.begin_backup(id(number), options()).await?,
    };
    let (files, kept, inner) = (files.clone(), kept.clone(), writer.clone());
    let written = tokio::task::spawn_blocking(move || {
        let mut worker = inner.worker();
        let path = EntryPath::new("base").unwrap();
        inner.add(&Entry::Directory(DirectoryEntry { path, mode: 0o700 }))?;
        for (name, bytes) in files {
            let path = EntryPath::new(&name).unwrap();
            let before = match &parent {
                Some(parent) => parent.file(&path)?,
                None => None,
            };
            let same = |before: &FileEntry| {
                let parent = parent.as_ref().expect("it has an entry of it");
                kept.contains(&name) && parent.may_keep(&before.extents)
            };
            let extents = match before {
                Some(before) if same(&before) => before.extents,
                before => {
                    let before = before.unwrap_or_else(|| entry(&name, 0, vec![]));
                    let mut left = bytes.as_slice();
                    let read = |buffer: &mut [u8]| left.read(buffer);
                    let extent = worker.write_extent_over(before.extents.first(), read)?;
                    match extent.plain_bytes() {
                        0 => vec![],
                        _ => vec![extent],
                    }
                }
            };
            inner.add(&Entry::File(entry(&name, bytes.len() as u64, extents)))?;
        }
        worker.finish()
    });
    written.await.unwrap()?;
    writer.finish().await
}

fn entry(name: &str, size: u64, extents: Vec<crate::Extent>) -> FileEntry {
    FileEntry {
        path: EntryPath::new(name).unwrap(),
        size,
        mode: 0o600,
        mtime_ns: 1,
        ctime_ns: 2,
        inode: 3,
        extents,
        bad_blocks: Vec::new(),
    }
}

async fn take(
    lineage: &LineageRepository,
    number: u128,
    parent: Option<&Backup>,
    files: (&Files, &BTreeSet<String>),
) -> Backup {
    let opened = match parent {
        Some(parent) => Some(open_parent(lineage, parent).await.unwrap()),
        None => None,
    };
    let finished = write(lineage, number, opened, files).await.unwrap();
    let facts = facts(number, parent.map(|parent| parent.id));
    finished.commit(facts).await.unwrap()
}

/// Reads a backup whole.
async fn restore(lineage: &LineageRepository, backup: &Backup) -> Files {
    let reader = lineage.open_backup(backup.clone()).await.unwrap();
    let mut entries = reader.entries();
    let mut files = Files::new();
    while let Some(entry) = entries.next().await.unwrap() {
        let Entry::File(file) = entry else { continue };
        let mut extents = reader.extent_reader();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            for extent in &file.extents {
                let read = extents.read_extent(extent, |_, piece| {
                    match piece {
                        Piece::Data(data) => bytes.extend_from_slice(data),
                        Piece::Hole(length) => {
                            let length = usize::try_from(length).unwrap();
                            bytes.resize(bytes.len() + length, 0);
                        }
                    }
                    Ok(())
                });
                read.unwrap();
            }
            (file.path.to_string(), bytes)
        });
        let (path, bytes) = read.await.unwrap();
        files.insert(path, bytes);
    }
    files
}

/// What the entries of a backup need of each pack, counted by every reference.
async fn counted(lineage: &LineageRepository, backup: &Backup) -> BTreeMap<PackId, u64> {
    let reader = lineage.open_backup(backup.clone()).await.unwrap();
    let mut entries = reader.entries();
    let mut live: BTreeMap<PackId, u64> = BTreeMap::new();
    while let Some(entry) = entries.next().await.unwrap() {
        for extent in entry.extents() {
            let mut records = Vec::new();
            match &extent.content {
                Content::Chunks(chunks) => records.extend(chunks.iter().flatten().copied()),
                Content::Map(map) => {
                    let (mut maps, extent, of) =
                        (reader.extent_reader(), extent.clone(), map.clone());
                    let read = tokio::task::spawn_blocking(move || maps.read_map(&extent, &of));
                    let chunks = read.await.unwrap().unwrap();
                    records.extend(chunks.into_iter().flatten());
                    records.push(map.record);
                    let mut own: BTreeMap<PackId, u64> = BTreeMap::new();
                    for record in &records {
                        *own.entry(record.pack).or_default() += u64::from(record.stored);
                    }
                    let said: BTreeMap<PackId, u64> = map.live.iter().copied().collect();
                    assert_eq!(said, own, "what a map says it needs");
                }
            }
            for record in records {
                *live.entry(record.pack).or_default() += u64::from(record.stored);
            }
        }
    }
    live
}

async fn listed(lineage: &LineageRepository, backup: &Backup) -> BTreeMap<PackId, (u64, u64)> {
    let reader = lineage.open_backup(backup.clone()).await.unwrap();
    let packs = reader.packs();
    packs
        .map(|pack| (pack.pack, (pack.live, pack.bytes)))
        .collect()
}

/// One random change: which file, what is done to it, where.
#[derive(Debug, Clone, Copy)]
struct Deed {
    file: u8,
    what: u8,
    place: usize,
    seed: u8,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = (0u8..5, 0u8..8, 0usize..14 * CHUNK_BYTES, any::<u8>());
    let deed = deed.prop_map(|(file, what, place, seed)| Deed {
        file,
        what,
        place,
        seed,
    });
    proptest::collection::vec(deed, 0..6)
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new()
        .update(&seed.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn name(file: u8) -> String {
    format!("base/{file}")
}

fn first() -> Files {
    let lengths = [
        20,
        40_000,
        3 * CHUNK_BYTES,
        9 * CHUNK_BYTES + 1,
        13 * CHUNK_BYTES,
    ];
    let files = (0u8..).zip(lengths);
    files
        .map(|(file, length)| (name(file), noise(u64::from(file), length)))
        .collect()
}

/// Does it, and says whether the file is another now.
fn apply(files: &mut Files, deed: Deed) {
    let path = name(deed.file);
    let bytes = files.entry(path.clone()).or_default();
    let place = deed.place.min(bytes.len());
    let end = (place + 8192).min(bytes.len());
    match deed.what {
        0..=2 => bytes[place..end].copy_from_slice(&noise(deed.seed.into(), end - place)),
        3 => bytes.truncate(place),
        4 => bytes.extend(noise(deed.seed.into(), deed.place / 2)),
        5 => {
            let from = place / CHUNK_BYTES * CHUNK_BYTES;
            let to = (from + 2 * CHUNK_BYTES).min(bytes.len());
            bytes[from..to].fill(0);
        }
        6 => *bytes = noise(u64::from(deed.seed) + 1000, deed.place),
        _ => {
            files.remove(&path);
        }
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_backup_of_a_chain_restores_and_its_accounts_are_right(
        steps in proptest::collection::vec((deeds(), 0u8..8), 1..7),
    ) {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let lineage = lineage(&directory.path().join("repository")).await;
            let mut files = first();
            let nothing = BTreeSet::new();
            let mut chain = vec![(take(&lineage, 1, None, (&files, &nothing)).await, files.clone())];
            for (number, (deeds, base)) in (2..).zip(steps) {
                // Mostly the newest, sometimes an older one.
                let parent = chain.len() - 1 - usize::from(base == 0).min(chain.len() - 1);
                let (parent, before) = chain[parent].clone();
                for deed in deeds {
                    apply(&mut files, deed);
                }
                let same = files.iter().filter(|(name, bytes)| before.get(*name) == Some(bytes));
                let same = same.map(|(name, _)| name.clone()).collect();
                let backup = take(&lineage, number, Some(&parent), (&files, &same)).await;
                let (needed, parents) = (listed(&lineage, &backup).await, listed(&lineage, &parent).await);
                for pack in needed.keys().filter(|pack| pack.backup != backup.id) {
                    // The 30 % rule, by the parent's account.
                    let (live, bytes) = parents[pack];
                    prop_assert!(live * 100 >= bytes * 30, "{pack}: {live} of {bytes}");
                }
                chain.push((backup, files.clone()));
            }
            for (backup, files) in &chain {
                prop_assert_eq!(&restore(&lineage, backup).await, files);
                let live: BTreeMap<PackId, u64> = listed(&lineage, backup).await
                    .into_iter().map(|(pack, (live, _))| (pack, live)).collect();
                prop_assert_eq!(counted(&lineage, backup).await, live);
            }
            let options = VerifyOptions { deep: true, ..VerifyOptions::default() };
            let report = lineage.repository().verify(&options, &<_>::default()).await.unwrap();
            prop_assert!(report.findings.is_empty(), "{:?}", report.findings);
            Ok::<(), TestCaseError>(())
        })?;
    }
}

/// What is unchanged costs its manifest alone, whether it is read or not.
#[test]
fn an_incremental_without_changes_stores_no_pack() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let lineage = lineage(&directory.path().join("repository")).await;
        let (files, nothing) = (first(), BTreeSet::new());
        let full = take(&lineage, 1, None, (&files, &nothing)).await;
        let read = take(&lineage, 2, Some(&full), (&files, &nothing)).await;
        let all: BTreeSet<String> = files.keys().cloned().collect();
        let kept = take(&lineage, 3, Some(&read), (&files, &all)).await;
        assert!(full.added_bytes > 1_500_000, "{}", full.added_bytes);
        for backup in [read, kept] {
            assert!(backup.added_bytes < 20_000, "{}", backup.added_bytes);
            let packs = listed(&lineage, &backup).await;
            assert!(packs.keys().all(|pack| pack.backup == full.id), "{packs:?}");
            assert_eq!(backup.database_bytes, full.database_bytes);
            assert_eq!(restore(&lineage, &backup).await, files);
        }
    });
}

/// One page of nine chunks changes: its chunk and the map are stored.
#[test]
fn a_small_change_stores_its_chunk_and_its_map() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let lineage = lineage(&directory.path().join("repository")).await;
        let (mut files, nothing) = (first(), BTreeSet::new());
        let full = take(&lineage, 1, None, (&files, &nothing)).await;
        files.get_mut(&name(3)).unwrap()[5 * CHUNK_BYTES + 100] ^= 1;
        let backup = take(&lineage, 2, Some(&full), (&files, &nothing)).await;
        let most = CHUNK_BYTES as u64 + 20_000;
        assert!(backup.added_bytes < most, "{}", backup.added_bytes);
        assert_eq!(restore(&lineage, &backup).await, files);
    });
}

/// A pack of which one file of many is left is not carried on for ever: the
/// backup after the one that needs so little of it stores that again.
#[test]
fn what_is_left_of_a_sparse_pack_is_stored_again() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let lineage = lineage(&directory.path().join("repository")).await;
        let nothing = BTreeSet::new();
        let mut files: Files = (0u8..4)
            .map(|file| (name(file), noise(file.into(), CHUNK_BYTES)))
            .collect();
        let full = take(&lineage, 1, None, (&files, &nothing)).await;
        let of_full = |packs: BTreeMap<PackId, (u64, u64)>| {
            packs.keys().filter(|pack| pack.backup == id(1)).count()
        };
        files.retain(|path, _| *path == name(2));
        let all: BTreeSet<String> = files.keys().cloned().collect();
        // A quarter of it is still needed: this one refers to it, as its parent
        // needed all of it.
        let second = take(&lineage, 2, Some(&full), (&files, &all)).await;
        assert_eq!(of_full(listed(&lineage, &second).await), 1);
        let third = take(&lineage, 3, Some(&second), (&files, &all)).await;
        assert_eq!(of_full(listed(&lineage, &third).await), 0);
        let fourth = take(&lineage, 4, Some(&third), (&files, &all)).await;
        let packs = listed(&lineage, &fourth).await;
        assert!(packs.keys().all(|pack| pack.backup == id(3)), "{packs:?}");
        assert_eq!(restore(&lineage, &fourth).await, files);
    });
}

/// I-06: nothing comes to rest on what is not there.
// Pitfall 25
#[test]
fn a_parent_that_lost_something_is_none() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("repository");
        let lineage = lineage(&root).await;
        let (files, nothing) = (first(), BTreeSet::new());
        let full = take(&lineage, 1, None, (&files, &nothing)).await;
        let object = |below: &str| root.join(lineage.name(below));
        for below in [
            format!("packs/{}/0", full.id),
            format!("packs/{}/2", full.id),
            format!("manifests/{}/0", full.id),
        ] {
            let path = object(&below);
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
            let shorter = open_parent(&lineage, &full).await.unwrap_err();
            assert_eq!(shorter.code(), "parent_damaged", "{below}: {shorter}");
            assert!(shorter.is_transient(), "the next attempt is a full one");
            std::fs::remove_file(&path).unwrap();
            let gone = open_parent(&lineage, &full).await.unwrap_err();
            assert_eq!(gone.code(), "parent_damaged", "{below}: {gone}");
            std::fs::write(&path, whole).unwrap();
        }
        open_parent(&lineage, &full).await.unwrap();
    });
}

/// Damage inside a pack shows when its map is asked for.
// Pitfall 25
#[test]
fn a_map_that_cannot_be_read_ends_the_attempt() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("repository");
        let lineage = lineage(&root).await;
        let (files, nothing) = (first(), BTreeSet::new());
        let full = take(&lineage, 1, None, (&files, &nothing)).await;
        for pack in listed(&lineage, &full).await.keys() {
            let path = root.join(lineage.name(&pack.name()));
            let mut bytes = std::fs::read(&path).unwrap();
            for byte in &mut bytes[48..] {
                *byte ^= 1;
            }
            std::fs::write(&path, bytes).unwrap();
        }
        let parent = open_parent(&lineage, &full).await.unwrap();
        let failed = write(&lineage, 2, Some(parent), (&files, &nothing)).await;
        let error = failed.unwrap_err();
        assert!(
            matches!(error, Error::Parent { backup, .. } if backup == full.id),
            "{error}"
        );
    });
}

#[test]
fn a_mark_says_what_the_backup_was_begun_with() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let lineage = lineage(&directory.path().join("repository")).await;
        let (files, nothing) = (first(), BTreeSet::new());
        let full = take(&lineage, 1, None, (&files, &nothing)).await;
        let parent = open_parent(&lineage, &full).await.unwrap();
        let finished = write(&lineage, 2, Some(parent), (&files, &nothing)).await;
        let finished = finished.unwrap();
        for wrong in [None, Some(id(9))] {
            let refused = finished.commit(facts(2, wrong)).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_repository_data");
        }
        let committed = finished.commit(facts(2, Some(full.id))).await.unwrap();
        assert_eq!(committed.parent, Some(full.id));
        assert_eq!(committed.kind, BackupKind::Incremental);
    });
}

/// I-06: what is older than the longest pin and has no mark is deleted as what an
/// attempt left. So no attempt commits later than that, whatever its kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attempt_commits_later_than_the_longest_pin() {
    let directory = tempfile::tempdir().unwrap();
    let begun = 1_785_000_000;
    let clock = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(begun));
    let lineage = lineage_with(directory.path(), Entropy::at(clock.clone())).await;
    let kept = BTreeSet::new();
    let finished = write(&lineage, 1, None, (&first(), &kept)).await.unwrap();
    let pass = |seconds| clock.store(begun + seconds, std::sync::atomic::Ordering::Relaxed);
    pass(30 * 24 * 3600);
    let refused = finished.commit(facts(1, None)).await;
    assert!(matches!(refused, Err(Error::TooLate { .. })), "{refused:?}");
    assert!(lineage.list_backups().await.unwrap().available.is_empty());
    pass(30 * 24 * 3600 - 1);
    finished.commit(facts(1, None)).await.unwrap();
}
