//! Backs up a directory into a new repository and reads it back, and says how
//! fast that was:
//!
//! ```text
//! cargo run -p holdfast-repo --example throughput -- DIRECTORY file:///new/repository [zstd:1|lz4|none] [THREADS]
//! ```
//!
//! It writes the WAL that the mark needs as one empty segment.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use holdfast_repo::{
    Backup, BackupKind, Codec, CommitFacts, EXTENT_BYTES, Entry, EntryPath, Extent, FileEntry,
    LineageFacts, LineageRepository, PackWorker, Piece, Repository, RepositoryKey, StoreOptions,
    WriteOptions, open_store,
};
use holdfast_types::{BackupId, Lineage, SegmentSize, Timeline, WalSegment};
use jiff::Timestamp;
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, url, rest @ ..] = arguments.as_slice() else {
        return Err("usage: throughput DIRECTORY URL [zstd:LEVEL|lz4|none] [THREADS]".into());
    };
    let codec = match rest.first().map_or("zstd:1", String::as_str) {
        "none" => Codec::None,
        "lz4" => Codec::Lz4,
        zstd => Codec::Zstd {
            level: zstd.strip_prefix("zstd:").ok_or("unknown codec")?.parse()?,
        },
    };
    let threads = rest.get(1).map_or(Ok(2), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut files = Vec::new();
    collect(Path::new(directory), &mut files)?;
    runtime.block_on(async {
        let store = open_store(&url.parse()?, &StoreOptions::default())?;
        let repository = Repository::init(store, &RepositoryKey::generate()).await?;
        let facts = LineageFacts {
            postgres_version: 150_000,
            segment_size: SegmentSize::DEFAULT,
            block_size: 8192,
        };
        let lineage = Lineage {
            system_identifier: 1,
            incarnation: 1,
        };
        let lineage = repository
            .create_or_open_lineage(&"bench".parse()?, lineage, facts)
            .await?;
        let backup = back_up(&lineage, files, codec, threads).await?;
        read_back(&lineage, backup, threads).await
    })
}

fn collect(directory: &Path, files: &mut Vec<(PathBuf, u64)>) -> Outcome<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_dir() {
            collect(&entry.path(), files)?;
        } else if meta.is_file() {
            files.push((entry.path(), meta.len()));
        }
    }
    Ok(())
}

fn write_file(worker: &mut PackWorker, path: &Path, size: u64) -> Outcome<Entry> {
    let mut source = File::open(path)?.take(size);
    let mut extents: Vec<Extent> = Vec::new();
    for _ in 0..size.div_ceil(EXTENT_BYTES) {
        extents.push(worker.write_extent(|buffer| source.read(buffer))?);
    }
    Ok(Entry::File(FileEntry {
        path: EntryPath::new(path.strip_prefix("/")?)?,
        size: extents.iter().map(Extent::plain_bytes).sum(),
        mode: 0o600,
        mtime_ns: 0,
        ctime_ns: 0,
        inode: 0,
        extents,
        bad_blocks: Vec::new(),
    }))
}

async fn back_up(
    lineage: &LineageRepository,
    files: Vec<(PathBuf, u64)>,
    codec: Codec,
    threads: usize,
) -> Outcome<Backup> {
    let segment =
        WalSegment::containing(Timeline::FIRST, "0/1000000".parse()?, SegmentSize::DEFAULT);
    lineage
        .wal(codec)
        .put_segment(segment, vec![0; 16 << 20].into())
        .await?;
    let started = Instant::now();
    let options = WriteOptions {
        codec,
        ..WriteOptions::default()
    };
    let writer = lineage
        .begin_backup(BackupId::from_uuid(Uuid::now_v7()), options)
        .await?;
    let files = Arc::new(files);
    let next = Arc::new(AtomicUsize::new(0));
    let mut work = Vec::new();
    for _ in 0..threads {
        let (writer, files, next) = (writer.clone(), Arc::clone(&files), Arc::clone(&next));
        work.push(tokio::task::spawn_blocking(move || -> Outcome<()> {
            let mut worker = writer.worker();
            while let Some((path, size)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                writer.add(&write_file(&mut worker, path, *size)?)?;
            }
            Ok(worker.finish()?)
        }));
    }
    for thread in work {
        thread.await??;
    }
    let facts = CommitFacts {
        run: "bench".parse()?,
        kind: BackupKind::Full,
        parent: None,
        postgres_version: 150_000,
        timeline: Timeline::FIRST,
        start_lsn: "0/1000028".parse()?,
        stop_lsn: "0/1000100".parse()?,
        started_at: Timestamp::now(),
        finished_at: Timestamp::now(),
        facts: std::collections::BTreeMap::new(),
    };
    let backup = writer.finish().await?.commit(facts).await?;
    report("backup", backup.database_bytes, started);
    println!("stored {:.1} MB", mb(backup.added_bytes));
    Ok(backup)
}

async fn read_back(lineage: &LineageRepository, backup: Backup, threads: usize) -> Outcome<()> {
    let started = Instant::now();
    let bytes = backup.database_bytes;
    let reader = lineage.open_backup(backup).await?;
    let mut extents = Vec::new();
    let mut entries = reader.entries();
    while let Some(entry) = entries.next().await? {
        extents.extend(entry.extents().iter().cloned());
    }
    let extents = Arc::new(Mutex::new(extents.into_iter()));
    let read = Arc::new(AtomicU64::new(0));
    let mut work = Vec::new();
    for _ in 0..threads {
        let (mut reader, extents, read) = (
            reader.extent_reader(),
            Arc::clone(&extents),
            Arc::clone(&read),
        );
        work.push(tokio::task::spawn_blocking(move || -> Outcome<()> {
            loop {
                let next = extents.lock().map_err(|_| "a thread panicked")?.next();
                let Some(extent) = next else { return Ok(()) };
                reader.read_extent(&extent, |_, piece| {
                    let length = match piece {
                        Piece::Data(bytes) => bytes.len() as u64,
                        Piece::Hole(length) => length,
                    };
                    read.fetch_add(length, Ordering::Relaxed);
                    Ok(())
                })?;
            }
        }));
    }
    for thread in work {
        thread.await??;
    }
    assert_eq!(read.load(Ordering::Relaxed), bytes, "everything was read");
    report("read back", bytes, started);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn report(what: &str, bytes: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{what}: {:.1} MB in {seconds:.2} s, {:.0} MB/s",
        mb(bytes),
        mb(bytes) / seconds
    );
}
