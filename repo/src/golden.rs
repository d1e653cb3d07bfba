//! The format, held against bytes that were written once and must be readable
//! for ever: `tests/golden/repository` is a whole small repository.
//!
//! It is made again with the same key, nonces and times, and must come out the
//! same. What zstd and lz4 make of the same input may change with their
//! versions, so compressed objects are compared after opening. To add an
//! object, run the tests with `HOLDFAST_BLESS=1`; never change one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use holdfast_types::{BackupId, Lineage, LsnRange, Name, Secret, SegmentSize, Timeline};
use jiff::Timestamp;
use uuid::Uuid;

use crate::entropy::Entropy;
use crate::envelope::{Header, Kind};
use crate::*;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

fn key() -> RepositoryKey {
    RepositoryKey::from_text(&Secret::new(KEY)).unwrap()
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/repository")
}

fn store(directory: &Path) -> Store {
    let url = format!("file://{}", directory.display()).parse().unwrap();
    open_store(&url, &StoreOptions::default()).unwrap()
}

fn cluster() -> Name {
    "orders".parse().unwrap()
}

const LINEAGE: Lineage = Lineage {
    system_identifier: 7_301_234_567_890_123_456,
    incarnation: 1,
};

fn backup_id() -> BackupId {
    BackupId::from_uuid(Uuid::from_u128(0x0199_F3C2_A7B4_7D1E_8F01_2345_6789_ABCD))
}

fn range(from: &str, to: &str) -> LsnRange {
    LsnRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap()
}

/// Every file below a directory, by relative name.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// The plain content of the backup's one file with a map: eight chunks of
/// zeros and a short one.
fn large() -> Vec<u8> {
    let mut bytes = vec![0; 8 * CHUNK_BYTES];
    bytes.extend_from_slice(b"0123456789");
    bytes
}

fn write_entries(writer: &BackupWriter) {
    let path = |text: &str| EntryPath::new(text).unwrap();
    let mut worker = writer.worker();
    let mut extent = |mut bytes: &[u8]| {
        let read = |buffer: &mut [u8]| std::io::Read::read(&mut bytes, buffer);
        worker.write_extent(read).unwrap()
    };
    let file = |name: &str, extents: Vec<Extent>| FileEntry {
        path: path(name),
        size: extents.iter().map(Extent::plain_bytes).sum(),
        mode: 0o600,
        mtime_ns: 1_785_000_000_123_456_789,
        ctime_ns: 1_785_000_001_123_456_789,
        inode: 42,
        extents,
        bad_blocks: Vec::new(),
    };
    let entries = [
        Entry::Directory(DirectoryEntry {
            path: path("base/16384"),
            mode: 0o700,
        }),
        Entry::File(file("PG_VERSION", vec![extent(b"15\n")])),
        Entry::File(file("base/16384/16385", vec![extent(&large())])),
        Entry::File(FileEntry {
            bad_blocks: vec![7],
            ..file("empty % \u{1}", Vec::new())
        }),
        Entry::Symlink(SymlinkEntry {
            path: path("link"),
            target: LinkTarget::new("../x").unwrap(),
        }),
        Entry::Config(ConfigEntry {
            origin: path("/etc/postgresql/15/main/postgresql.conf"),
            size: 12,
            mode: 0o644,
            mtime_ns: 0,
            extents: vec![extent(b"port = 5433\n")],
        }),
        Entry::Generated(GeneratedEntry {
            path: path("backup_label"),
            mode: 0o600,
            bytes: b"START WAL LOCATION: 0/300028\n".to_vec(),
        }),
    ];
    entries.iter().for_each(|entry| writer.add(entry).unwrap());
    worker.finish().unwrap();
}

/// Makes the repository anew.
async fn write(directory: &Path) {
    let repository = Repository::init_with(store(directory), &key(), Entropy::fixed())
        .await
        .unwrap();
    let facts = LineageFacts {
        postgres_version: 150_020,
        segment_size: SegmentSize::new(1 << 20).unwrap(),
        block_size: 8192,
    };
    let lineage = repository
        .create_or_open_lineage(&cluster(), LINEAGE, facts)
        .await
        .unwrap();
    let slices = [
        (Codec::None, range("0/300000", "0/300040")),
        (Codec::Zstd { level: 1 }, range("0/300040", "0/300200")),
        (Codec::Lz4, range("0/300200", "0/300400")),
    ];
    for (codec, slice) in slices {
        let bytes = vec![0x5A; usize::try_from(slice.bytes()).unwrap()];
        lineage
            .wal(codec)
            .put_slice(Timeline::FIRST, slice, Bytes::from(bytes))
            .await
            .unwrap();
    }
    let history = Bytes::from_static(b"1\t0/300400\tno recovery target specified\n");
    lineage
        .wal(Codec::None)
        .put_history(Timeline::new(2).unwrap(), history)
        .await
        .unwrap();
    let options = WriteOptions {
        codec: Codec::None,
        ..WriteOptions::default()
    };
    let writer = lineage.begin_backup(backup_id(), options).await.unwrap();
    let inner = writer.clone();
    tokio::task::spawn_blocking(move || write_entries(&inner))
        .await
        .unwrap();
    let time = |second| Timestamp::from_second(second).unwrap();
    let facts = CommitFacts {
        run: "weekly-full.2026-07-25T02_00_00Z".parse().unwrap(),
        kind: BackupKind::Full,
        parent: None,
        postgres_version: 150_020,
        timeline: Timeline::FIRST,
        start_lsn: "0/300028".parse().unwrap(),
        stop_lsn: "0/300100".parse().unwrap(),
        started_at: time(1_785_000_100),
        finished_at: time(1_785_000_160),
        facts: BTreeMap::from([("host".to_owned(), "db1".to_owned())]),
    };
    writer.finish().await.unwrap().commit(facts).await.unwrap();
}

/// What may differ between equal objects: everything behind the header of a
/// compressed one.
async fn comparable(lineage: &LineageRepository, name: &str, bytes: &[u8]) -> Vec<u8> {
    let kinds = [Kind::Slice, Kind::History, Kind::Section, Kind::Mark];
    for kind in kinds {
        if let Ok(header) = Header::decode(bytes, kind)
            && bytes[6] != 0
        {
            let below = lineage.below(name).unwrap();
            let object = Bytes::copy_from_slice(bytes);
            let (_, plain) = lineage.open_object(kind, below, object).await.unwrap();
            return [format!("{header:?}\n").as_bytes(), &plain].concat();
        }
    }
    bytes.to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path()).await;
    let made = files(directory.path());
    if std::env::var_os("HOLDFAST_BLESS").is_some() {
        for (name, bytes) in &made {
            let path = golden().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    let kept = files(&golden());
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept));
    let repository = Repository::open(store(directory.path()), &key(), None)
        .await
        .unwrap();
    let lineage = repository.lineage(&cluster(), LINEAGE).await.unwrap();
    for (name, bytes) in &made {
        let made = comparable(&lineage, name, bytes).await;
        let kept = comparable(&lineage, name, &kept[name]).await;
        assert!(
            made == kept,
            "{name}\n{}\n{}",
            made.escape_ascii(),
            kept.escape_ascii()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_can_be_read() {
    let repository = Repository::open(store(&golden()), &key(), None)
        .await
        .unwrap();
    let deep = VerifyOptions {
        deep: true,
        ..VerifyOptions::default()
    };
    let report = repository.verify(&deep, &<_>::default()).await.unwrap();
    assert_eq!(report.findings, []);
    let lineage = repository.lineage(&cluster(), LINEAGE).await.unwrap();
    let wal = lineage.wal(Codec::None);
    let segment = holdfast_types::WalSegment::containing(
        Timeline::FIRST,
        "0/300000".parse().unwrap(),
        lineage.facts().segment_size,
    );
    let Fetched::Assembled { bytes, valid_to } = wal.fetch_segment(segment).await.unwrap() else {
        panic!("slices");
    };
    assert_eq!(valid_to.to_string(), "0/300400");
    assert!(bytes[..0x400].iter().all(|byte| *byte == 0x5A));
    let backup = lineage.find_backup(backup_id()).await.unwrap();
    assert_eq!(backup.facts["host"], "db1");
    let reader = lineage.open_backup(backup).await.unwrap();
    let mut entries = reader.entries();
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await.unwrap() {
        found.push(entry);
    }
    let Entry::File(file) = found[2].clone() else {
        panic!("a file")
    };
    let mut extents = reader.extent_reader();
    let read = move || -> Result<Vec<u8>> {
        let mut content = vec![0; CHUNK_BYTES * 9];
        extents.read_extent(&file.extents[0], |offset, piece| {
            if let Piece::Data(bytes) = piece {
                let offset = usize::try_from(offset).unwrap();
                content[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Ok(())
        })?;
        content.truncate(usize::try_from(file.size).unwrap());
        Ok(content)
    };
    let content = tokio::task::spawn_blocking(read).await.unwrap().unwrap();
    assert!(content == large());
}
