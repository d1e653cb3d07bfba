//! What the tests of the repository share: places on both kinds of store, and
//! backups of made-up files.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::allow_attributes,
    missing_docs,
    clippy::cast_possible_truncation,
    reason = "each test file uses part of it"
)]

pub mod azure;
pub mod gcs;
pub mod unruly;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use holdfast_repo::*;
use holdfast_types::{
    BackupId, Lineage, Lsn, LsnRange, Name, Secret, SegmentSize, Timeline, WalSegment,
};
use jiff::Timestamp;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use uuid::Uuid;

/// Runs each test on a directory, on an S3 server, on an Azure server, and with what
/// stands for Google's.
macro_rules! on_all_stores {
    ($($name:ident)*) => {
        mod on_file {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Place::file()).await;
            }
        )*}
        mod on_s3 {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Place::s3()).await;
            }
        )*}
        mod on_azure {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Place::azure()).await;
            }
        )*}
        mod on_gcs {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Place::gcs()).await;
            }
        )*}
    };
}

/// A place for a repository, which goes away with it.
pub struct Place {
    pub url: RepositoryUrl,
    pub options: StoreOptions,
    pub directory: Option<tempfile::TempDir>,
}

impl Place {
    pub fn file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("file://{}/repository", directory.path().display());
        Self {
            url: url.parse().unwrap(),
            options: options(),
            directory: Some(directory),
        }
    }

    pub fn s3() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let endpoint = moto();
        let bucket = format!(
            "bucket-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let mut stream = TcpStream::connect(endpoint).unwrap();
        write!(stream, "PUT /{bucket} HTTP/1.1\r\nHost: {endpoint}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let url = format!("s3://{bucket}/some/prefix").parse().unwrap();
        let options = StoreOptions {
            endpoint: Some(format!("http://{endpoint}")),
            ..options()
        };
        Self {
            url,
            options,
            directory: None,
        }
    }

    pub fn azure() -> Self {
        let container = testkit::azurite::container();
        Self {
            url: format!("az://{container}/some/prefix").parse().unwrap(),
            options: azure::options(),
            directory: None,
        }
    }

    pub fn gcs() -> Self {
        Self {
            url: format!("gs://{}/some/prefix", gcs::bucket())
                .parse()
                .unwrap(),
            options: gcs::options(),
            directory: None,
        }
    }

    pub fn store(&self) -> Store {
        open_store(&self.url, &self.options).unwrap()
    }

    /// The store below, to do what Holdfast does not do.
    fn raw(&self) -> (Arc<dyn ObjectStore>, String) {
        let text = self.url.to_string();
        let (scheme, rest) = text.split_once("://").unwrap();
        if scheme == "file" {
            let root = rest.strip_prefix('/').unwrap().to_owned();
            return (Arc::new(LocalFileSystem::new()), root);
        }
        let (bucket, prefix) = rest.split_once('/').unwrap();
        match scheme {
            "az" => return (azure::raw(bucket), prefix.to_owned()),
            "gs" => return (gcs::raw(bucket), prefix.to_owned()),
            _ => {}
        }
        let store = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_endpoint(self.options.endpoint.clone().unwrap())
            .with_allow_http(true)
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .build()
            .unwrap();
        (Arc::new(store), prefix.to_owned())
    }

    pub async fn raw_read(&self, name: &str) -> Vec<u8> {
        let (store, prefix) = self.raw();
        store
            .get(&Path::from(format!("{prefix}/{name}")))
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .to_vec()
    }

    pub async fn raw_write(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let (store, prefix) = self.raw();
        store
            .put(&Path::from(format!("{prefix}/{name}")), bytes.into().into())
            .await
            .unwrap();
    }

    pub async fn raw_delete(&self, name: &str) {
        let (store, prefix) = self.raw();
        store
            .delete(&Path::from(format!("{prefix}/{name}")))
            .await
            .unwrap();
    }

    /// The names of all objects, sorted.
    pub async fn raw_list(&self) -> Vec<String> {
        use futures_util::TryStreamExt;
        let (store, prefix) = self.raw();
        let listed: Vec<_> = store
            .list(Some(&Path::from(prefix.clone())))
            .try_collect()
            .await
            .unwrap();
        let relative = |path: &Path| path.as_ref()[prefix.len() + 1..].to_owned();
        let mut names: Vec<String> = listed.iter().map(|meta| relative(&meta.location)).collect();
        names.sort();
        names
    }

    /// Flips one bit in the middle of an object.
    pub async fn raw_damage(&self, name: &str) {
        let mut bytes = self.raw_read(name).await;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        self.raw_write(name, bytes).await;
    }
}

pub fn options() -> StoreOptions {
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    StoreOptions {
        region: Some("us-east-1".into()),
        credentials: credentials
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into(),
        retry_for: Duration::from_secs(20),
        ..StoreOptions::default()
    }
}

/// A real S3 server, one per test process, which ends with it.
pub fn moto() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| {
        let default = "/opt/holdfast-dev/venv/bin/moto_server";
        let program = std::env::var_os("HOLDFAST_TEST_MOTO")
            .map_or_else(|| PathBuf::from(default), PathBuf::from);
        assert!(
            program.exists(),
            "{} is missing: see CONTRIBUTING.md",
            program.display()
        );
        let (found, endpoint) = std::sync::mpsc::channel();
        // The server gets the death of its parent thread as a signal, so that
        // thread lives as long as the process.
        std::thread::spawn(move || {
            let mut server = Command::new("setpriv")
                .args(["--pdeathsig", "KILL"])
                .arg(program)
                .args(["-H", "127.0.0.1", "-p", "0"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            drop(server.stdout.take());
            for line in BufReader::new(server.stderr.take().unwrap())
                .lines()
                .map_while(Result::ok)
            {
                if let Some((_, address)) = line.split_once("Running on http://") {
                    let address = address.split(['/', ' ', '\u{1b}']).next().unwrap();
                    found.send(address.to_owned()).unwrap();
                }
            }
            server.wait().unwrap();
        });
        endpoint
            .recv_timeout(Duration::from_secs(60))
            .expect("moto_server starts")
    })
}

pub fn lineage_id() -> Lineage {
    Lineage {
        system_identifier: 7_301_234_567_890_123_456,
        incarnation: 1,
    }
}

pub fn facts() -> LineageFacts {
    LineageFacts {
        postgres_version: 150_020,
        segment_size: SegmentSize::new(1 << 20).unwrap(),
        block_size: 8192,
    }
}

pub fn cluster() -> Name {
    "orders".parse().unwrap()
}

pub fn backup_id(number: u128) -> BackupId {
    BackupId::from_uuid(Uuid::from_u128(number))
}

pub fn lsn(text: &str) -> Lsn {
    text.parse().unwrap()
}

pub fn range(from: &str, to: &str) -> LsnRange {
    LsnRange::new(lsn(from), lsn(to)).unwrap()
}

pub fn segment(timeline: u32, at: &str) -> WalSegment {
    WalSegment::containing(
        Timeline::new(timeline).unwrap(),
        lsn(at),
        facts().segment_size,
    )
}

/// A repository with one lineage.
pub struct Fixture {
    pub place: Place,
    pub key: RepositoryKey,
    pub repository: Repository,
    pub lineage: LineageRepository,
}

impl Fixture {
    pub async fn new(place: Place) -> Self {
        let key = RepositoryKey::generate();
        let repository = Repository::init(place.store(), &key).await.unwrap();
        let lineage = repository
            .create_or_open_lineage(&cluster(), lineage_id(), facts())
            .await
            .unwrap();
        Self {
            place,
            key,
            repository,
            lineage,
        }
    }

    pub fn wal(&self) -> WalRepository {
        self.lineage.wal(Codec::DEFAULT)
    }

    /// Full segments of made-up WAL on timeline 1.
    pub async fn put_wal(&self, from: &str, to: &str) {
        let mut next = segment(1, from);
        while next.start() < lsn(to) {
            self.wal().put_segment(next, wal_bytes(next)).await.unwrap();
            next = next.next();
        }
    }

    /// Through a fresh client, which knows nothing yet.
    pub async fn reopen(&self) -> LineageRepository {
        let repository =
            Repository::open(self.place.store(), &self.key, Some(self.repository.id()))
                .await
                .unwrap();
        repository.lineage(&cluster(), lineage_id()).await.unwrap()
    }

    /// The name of an object of the lineage.
    pub fn name(&self, below: &str) -> String {
        format!("clusters/orders/{}/{below}", lineage_id())
    }
}

/// What a segment holds in these tests: bytes that depend on its place.
pub fn wal_bytes(segment: WalSegment) -> Bytes {
    let mut random = Random(segment.start().get() ^ u64::from(segment.timeline().get()));
    let mut bytes = vec![0; segment.size().bytes() as usize];
    random.fill(&mut bytes[..300_000]);
    bytes.into()
}

pub fn commit_facts(run: &str, start: &str, stop: &str) -> CommitFacts {
    let second: i64 = 1_785_000_000 + i64::try_from(lsn(start).get() >> 20).unwrap();
    CommitFacts {
        run: run.parse().unwrap(),
        kind: BackupKind::Full,
        parent: None,
        postgres_version: 150_020,
        timeline: Timeline::FIRST,
        start_lsn: lsn(start),
        stop_lsn: lsn(stop),
        started_at: Timestamp::from_second(second).unwrap(),
        finished_at: Timestamp::from_second(second + 1).unwrap(),
        facts: BTreeMap::new(),
    }
}

/// Small, fast and repeatable.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

/// A file that need not be in memory: zeros with islands of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub size: u64,
    pub islands: Vec<(u64, Vec<u8>)>,
}

impl File {
    pub fn new(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            path: path.to_owned(),
            size: bytes.len() as u64,
            islands: vec![(0, bytes)],
        }
    }

    /// The bytes at `offset`.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let length = usize::try_from(self.size.saturating_sub(offset))
            .unwrap()
            .min(buffer.len());
        buffer[..length].fill(0);
        for (start, bytes) in &self.islands {
            let end = start + bytes.len() as u64;
            let (from, to) = (offset.max(*start), (offset + length as u64).min(end));
            if from < to {
                buffer[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&bytes[(from - start) as usize..(to - start) as usize]);
            }
        }
        length
    }

    pub fn write(&self, worker: &mut PackWorker) -> Result<Entry> {
        let mut extents = Vec::new();
        let mut offset = 0;
        while offset < self.size {
            let end = (offset + EXTENT_BYTES).min(self.size);
            let extent = worker.write_extent(|buffer| {
                let most = usize::try_from(end - offset).unwrap().min(buffer.len());
                // Short reads are normal.
                let read = self.read_at(offset, &mut buffer[..most.min(50_000)]);
                offset += read as u64;
                Ok(read)
            })?;
            assert_eq!(
                extent.plain_bytes(),
                end - (end - 1) / EXTENT_BYTES * EXTENT_BYTES
            );
            extents.push(extent);
        }
        Ok(Entry::File(FileEntry {
            path: EntryPath::new(&self.path).unwrap(),
            size: self.size,
            mode: 0o600,
            mtime_ns: 1,
            ctime_ns: 2,
            inode: 3,
            extents,
            bad_blocks: Vec::new(),
        }))
    }
}

/// Writes files with two threads and finishes the manifest.
pub async fn write_backup(
    lineage: &LineageRepository,
    id: BackupId,
    files: &[File],
    options: WriteOptions,
) -> Result<FinishedBackup> {
    fill(lineage.begin_backup(id, options).await?, files).await
}

/// The same, for an attempt that has begun.
pub async fn fill(writer: BackupWriter, files: &[File]) -> Result<FinishedBackup> {
    let mut threads = Vec::new();
    for half in 0..2 {
        let (writer, files) = (writer.clone(), files.to_vec());
        threads.push(tokio::task::spawn_blocking(move || {
            let mut worker = writer.worker();
            for file in files.iter().skip(half).step_by(2) {
                writer.add(&file.write(&mut worker)?)?;
            }
            worker.finish()
        }));
    }
    for thread in threads {
        thread.await.unwrap()?;
    }
    writer.finish().await
}

/// Reads a backup whole and compares it with `files`.
pub async fn check_restored(
    lineage: &LineageRepository,
    backup: &Backup,
    files: &[File],
) -> Result<()> {
    let reader = lineage.open_backup(backup.clone()).await?;
    let mut wanted: BTreeMap<String, File> = files
        .iter()
        .map(|file| (file.path.clone(), file.clone()))
        .collect();
    let mut entries = reader.entries();
    while let Some(entry) = entries.next().await? {
        let Entry::File(entry) = entry else { continue };
        let file = wanted
            .remove(&entry.path.to_string())
            .expect("an entry of ours");
        assert_eq!(entry.size, file.size);
        let mut reader = reader.extent_reader();
        let check = tokio::task::spawn_blocking(move || {
            let mut crc = 0;
            let mut expected = vec![0; CHUNK_BYTES];
            let mut at = 0;
            for extent in &entry.extents {
                let begin = at;
                reader.read_extent(extent, |offset, piece| {
                    assert_eq!(begin + offset, at);
                    let length = match piece {
                        Piece::Data(bytes) => bytes.len(),
                        Piece::Hole(length) => usize::try_from(length).unwrap(),
                    };
                    expected.resize(length.max(expected.len()), 0);
                    assert_eq!(file.read_at(at, &mut expected[..length]), length);
                    match piece {
                        Piece::Data(bytes) => assert!(bytes == &expected[..length]),
                        Piece::Hole(_) => assert!(expected[..length].iter().all(|byte| *byte == 0)),
                    }
                    crc = crc32c::crc32c_append(crc, &expected[..length]);
                    at += length as u64;
                    Ok(())
                })?;
            }
            assert_eq!(at, file.size);
            assert_eq!(crc, entry.crc32c());
            Ok(())
        });
        check.await.unwrap()?;
    }
    assert!(wanted.is_empty(), "{wanted:?} not restored");
    Ok(())
}

/// Small packs of what no codec makes smaller, so that tests see several.
pub const SMALL: WriteOptions = WriteOptions {
    codec: Codec::None,
    pack_bytes: 200_000,
    uploads: 2,
};

pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Random(seed).fill(&mut bytes);
    bytes
}

/// Two files of which the first is another in every backup.
pub fn changing_files(number: u64) -> Vec<File> {
    vec![
        File::new("changing", noise(number, 300_000)),
        File::new("large", noise(1_000, 900_000)),
    ]
}
