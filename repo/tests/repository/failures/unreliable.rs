//! Every driver behind a store that errs, is slow, cuts answers short and lies about
//! what it has done: whatever succeeds is true when it is looked at through the clean
//! store, and whatever fails says why and leaves nothing that counts.
//!
//! A story is told by a seed, which a failure prints.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Read;
use std::sync::Arc;

use futures_util::TryStreamExt;
use holdfast_repo::testkit::unreliable::{Fault, Misdeeds, Unreliable};
use holdfast_repo::*;
use holdfast_types::{BackupId, Coverage, Timeline, WalSegment};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::support::{
    File, Place, Random, backup_id, check_restored, cluster, commit_facts, facts, lineage_id,
    options, range, segment, wal_bytes, write_backup,
};

on_all_stores! {
    whatever_a_store_does_nothing_false_is_told
}

/// Of a thousand requests.
const SPOILED: u32 = 30;
/// How often whoever calls tries again.
const PATIENCE: usize = 500;

const SMALL: WriteOptions = WriteOptions {
    codec: Codec::None,
    pack_bytes: 200_000,
    uploads: 2,
};

async fn whatever_a_store_does_nothing_false_is_told(place: Place) {
    for seed in 1..=2 {
        let elsewhere = Driver::of(another(&place));
        let this = Driver::of(another(&place));
        Story::new(this, elsewhere, seed).await.tell().await;
    }
}

// Pitfall 33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_nothing_false_is_told_either() {
    let mut counts: BTreeMap<Fault, u64> = BTreeMap::new();
    for seed in 1..=40 {
        let story = Story::new(Driver::memory(), Driver::memory(), seed).await;
        for (fault, count) in story.tell().await {
            *counts.entry(fault).or_default() += count;
        }
    }
    for fault in [
        Fault::Err,
        Fault::LoseAnswer,
        Fault::Delay,
        Fault::Truncate,
        Fault::BreakOff,
        Fault::SayExists,
        Fault::Forget,
        Fault::Half,
    ] {
        assert!(counts.contains_key(&fault), "{fault:?} was never tried");
    }
}

/// Many seeds on every driver; `HOLDFAST_UNRELIABLE_SEED` is the first of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make soak"]
async fn soak_stores_that_cannot_be_relied_on() {
    let first = std::env::var("HOLDFAST_UNRELIABLE_SEED").ok();
    let first = first.map_or_else(|| fastrand::u32(..).into(), |text| text.parse().unwrap());
    for seed in first..first + 40 {
        Story::new(Driver::memory(), Driver::memory(), seed)
            .await
            .tell()
            .await;
        for place in [Place::file, Place::s3, Place::azure, Place::gcs] {
            if seed % 4 == 0 {
                let (this, elsewhere) = (Driver::of(place()), Driver::of(place()));
                Story::new(this, elsewhere, seed).await.tell().await;
            }
        }
    }
}

/// Another place on the same kind of store.
fn another(place: &Place) -> Place {
    match place.url.to_string().split_once("://").unwrap().0 {
        "file" => Place::file(),
        "s3" => Place::s3(),
        "az" => Place::azure(),
        _ => Place::gcs(),
    }
}

/// A store that can be relied on, and the way to look at it.
struct Driver {
    place: Place,
    memory: Option<Arc<InMemory>>,
}

impl Driver {
    const fn of(place: Place) -> Self {
        Self {
            place,
            memory: None,
        }
    }

    /// Nothing is sent to the server that its URL names.
    fn memory() -> Self {
        let place = Place {
            url: "s3://memory/some/prefix".parse().unwrap(),
            options: options(),
            directory: None,
        };
        Self {
            place,
            memory: Some(Arc::default()),
        }
    }

    fn clean(&self) -> Store {
        let store = self.place.store();
        match self.memory.clone() {
            Some(memory) => store.wrap(|_| memory),
            None => store,
        }
    }

    fn spoiled(
        &self,
        change: impl FnOnce(Arc<dyn ObjectStore>) -> Unreliable,
    ) -> (Store, Misdeeds) {
        let mut misdeeds = Misdeeds::default();
        let store = self.clean().wrap(|inner| {
            let unreliable = change(inner);
            misdeeds = unreliable.misdeeds();
            Arc::new(unreliable)
        });
        (store, misdeeds)
    }

    async fn names(&self) -> Vec<String> {
        let Some(memory) = &self.memory else {
            return self.place.raw_list().await;
        };
        let listed = memory.list(None).map_ok(|meta| meta.location.to_string());
        listed.try_collect().await.unwrap()
    }
}

/// What whoever calls does: again, until it is done.
async fn until_done<T, F: Future<Output = Result<T>>>(what: &str, attempt: impl Fn() -> F) -> T {
    for _ in 0..PATIENCE {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert_clear(what, &error),
        }
    }
    panic!("{what}: it is never done");
}

/// It names what a store of this kind can cause, and nothing that would make somebody
/// give up a backup or look for damage.
#[track_caller]
fn assert_clear(what: &str, error: &Error) {
    let transient = [
        "repository_unreachable",
        "write_not_stored",
        "delete_not_done",
    ];
    let clear = transient.contains(&error.code()) && error.is_transient();
    assert!(clear && !error.hint().is_empty(), "{what}: {error:?}");
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Random(seed).fill(&mut bytes);
    bytes
}

/// Of which the first is another in every backup.
fn files(run: u64) -> Vec<File> {
    vec![
        File::new("changing", noise(run, 250_000)),
        File::new("large", noise(1_000, 500_000)),
    ]
}

/// Two repositories behind such stores, and the same two as they are.
struct Story {
    from: Driver,
    to: Driver,
    key: RepositoryKey,
    seed: u64,
    misdeeds: [Misdeeds; 2],
    lineage: LineageRepository,
    copy: Repository,
    next_id: std::cell::Cell<u128>,
}

impl Story {
    async fn new(from: Driver, to: Driver, seed: u64) -> Self {
        println!("seed {seed} on {}", from.place.url);
        let key = RepositoryKey::generate();
        for driver in [&from, &to] {
            Repository::init(driver.clean(), &key).await.unwrap();
        }
        let (store, of_from) = from.spoiled(|inner| Unreliable::over(inner, seed, SPOILED));
        let opened = until_done("open", || Repository::open(store.clone(), &key, None)).await;
        // Half of an object that is copied is found to differ, for good: tests/copies.
        let (store, of_to) = to
            .spoiled(|inner| Unreliable::over(inner, seed ^ 0xC0B1, SPOILED).without(Fault::Half));
        let copy = until_done("open the copy", || {
            Repository::open(store.clone(), &key, None)
        });
        let copy = copy.await;
        let name = cluster();
        let lineage = until_making(|| async {
            opened
                .create_or_open_lineage(&name, lineage_id(), facts())
                .await
        });
        Self {
            lineage: lineage.await,
            misdeeds: [of_from, of_to],
            next_id: std::cell::Cell::new(1),
            from,
            to,
            key,
            seed,
            copy,
        }
    }

    /// Through a client that has seen nothing, and a store that can be relied on.
    async fn seen(&self, driver: &Driver) -> LineageRepository {
        let repository = Repository::open(driver.clean(), &self.key, None).await;
        let repository = repository.unwrap();
        repository.lineage(&cluster(), lineage_id()).await.unwrap()
    }

    async fn tell(self) -> BTreeMap<Fault, u64> {
        let mut next = segment(1, "0/100000");
        while next != segment(1, "0/500000") {
            self.store(next).await;
            next = next.next();
        }
        let full = self.take(1, None, BackupKind::Full).await;
        let incremental = self.take(2, Some(&full), BackupKind::Incremental).await;
        let dump = self.take(3, None, BackupKind::Logical).await;
        self.copied(&incremental).await;
        self.expire(full.id).await;
        self.expire_wal().await;
        for (backup, run) in [(&incremental, 2), (&dump, 3)] {
            until_done("restore", || async {
                check_restored(&self.lineage, backup, &files(run)).await
            })
            .await;
        }
        let listed = self.seen(&self.from).await.list_backups().await.unwrap();
        let listed: BTreeSet<BackupId> = listed.available.iter().map(|one| one.id).collect();
        assert_eq!(listed, [incremental.id, dump.id].into());
        for driver in [&self.from, &self.to] {
            assert_eq!(
                self.verified(self.seen(driver).await.repository()).await,
                []
            );
        }
        // Seen through such a store, it is as whole.
        assert_eq!(self.verified(self.lineage.repository()).await, []);
        self.slices().await;
        let mut counts = self.misdeeds[0].counts();
        for (fault, count) in self.misdeeds[1].counts() {
            *counts.entry(fault).or_default() += count;
        }
        counts
    }

    /// I-07: a segment that is acknowledged is there.
    async fn store(&self, segment: WalSegment) {
        let wal = self.lineage.wal(Codec::DEFAULT);
        until_done("put a segment", || {
            wal.put_segment(segment, wal_bytes(segment))
        })
        .await;
        let clean = self.seen(&self.from).await.wal(Codec::DEFAULT);
        let whole = Fetched::Full(wal_bytes(segment));
        assert_eq!(clean.fetch_segment(segment).await.unwrap(), whole);
        let fetched = until_done("fetch", || wal.fetch_segment(segment)).await;
        assert_eq!(fetched, whole, "what is there is never told absent");
    }

    /// Attempts at a run until one has committed (I-03, I-05).
    async fn take(&self, run: u64, parent: Option<&Backup>, kind: BackupKind) -> Backup {
        for _ in 0..PATIENCE {
            let id = self.next_id.replace(self.next_id.get() + 1);
            let told = match self.attempt(backup_id(id), run, parent, kind).await {
                Ok(backup) => Some(backup.id),
                Err(Error::Superseded { winner, .. }) => Some(winner),
                Err(error) => {
                    assert_clear("back up", &error);
                    None
                }
            };
            let clean = self.seen(&self.from).await;
            let of_run = |one: &Backup| one.run.to_string() == format!("run-{run}");
            let listed = clean.list_backups().await.unwrap().available;
            let mut listed = listed.into_iter().filter(of_run);
            let there = listed.next();
            assert!(listed.next().is_none(), "one backup of a run");
            if let Some(there) = &there {
                // Whatever was answered: what is listed restores.
                check_restored(&clean, there, &files(run)).await.unwrap();
            }
            if let Some(told) = told {
                let there = there.expect("what is acknowledged is listed");
                assert_eq!(there.id, told);
                return there;
            }
        }
        panic!("run {run} is never backed up");
    }

    async fn attempt(
        &self,
        id: BackupId,
        run: u64,
        parent: Option<&Backup>,
        kind: BackupKind,
    ) -> Result<Backup> {
        let facts = CommitFacts {
            kind,
            parent: parent.map(|parent| parent.id),
            ..commit_facts(&format!("run-{run}"), "0/300028", "0/400100")
        };
        let finished = match parent {
            None => write_backup(&self.lineage, id, &files(run), SMALL).await?,
            Some(parent) => over(&self.lineage, id, run, parent).await?,
        };
        finished.commit(facts).await
    }

    async fn copied(&self, backup: &Backup) {
        let copy = async || {
            let copy = LineageCopy::begin(&self.lineage, &self.copy, Arc::default()).await?;
            copy.copy_backup(backup).await?;
            copy.copy_needed_wal().await
        };
        until_making(copy).await;
        let clean = self.seen(&self.to).await;
        let listed = clean.list_backups().await.unwrap().available;
        assert_eq!(listed, std::slice::from_ref(backup));
        check_restored(&clean, backup, &files(2)).await.unwrap();
        let wal = clean.wal(Codec::DEFAULT).list(Timeline::FIRST).await;
        let needed = range("0/300000", "0/500000");
        assert_eq!(wal.unwrap().coverage().ranges(), [needed]);
    }

    /// I-06: it is told to be gone when it is, and nothing kept misses any of it.
    async fn expire(&self, id: BackupId) {
        let dead: BTreeSet<BackupId> = [id].into();
        let clean = self.seen(&self.from).await;
        for round in 0.. {
            assert!(round < PATIENCE, "it is never deleted");
            match sweep(&self.lineage, &dead).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => assert_clear("delete", &error),
            }
            // As long as it is listed, it restores.
            let listed = clean.list_backups().await.unwrap().available;
            if let Some(there) = listed.iter().find(|one| one.id == id) {
                check_restored(&clean, there, &files(1)).await.unwrap();
            }
        }
        let id = id.to_string();
        let left = self.from.names().await.into_iter();
        let left: Vec<String> = left.filter(|name| name.contains(&id)).collect();
        let shared = |name: &String| name.contains("/packs/");
        assert!(!left.is_empty() && left.iter().all(shared), "{left:?}");
    }

    async fn expire_wal(&self) {
        let gone: Coverage = [range("0/100000", "0/300000")].into_iter().collect();
        let wal = self.lineage.wal(Codec::DEFAULT);
        let sweep = async || {
            let needed = self.lineage.stock(&BTreeSet::new()).await?.needed_wal();
            let of = Timeline::FIRST;
            let batches = wal.expired_batches(of, &gone, &needed).await?;
            if !batches.is_empty() {
                wal.mark_expired(of, &gone).await?;
            }
            for batch in batches {
                self.lineage.delete_batch(&batch).await?;
            }
            wal.expired_batches(of, &gone, &needed).await
        };
        while !until_done("delete WAL", &sweep).await.is_empty() {}
        let names = self.from.names().await;
        let first = segment(1, "0/100000").to_string();
        assert!(!names.iter().any(|name| name.ends_with(&first)));
    }

    /// What is damaged, by the deep form; a store that does not answer ends it.
    async fn verified(&self, repository: &Repository) -> Vec<Finding> {
        let options = VerifyOptions {
            deep: true,
            ..VerifyOptions::default()
        };
        let verify = async || repository.verify(&options, &Arc::default()).await;
        until_done("verify", verify).await.findings
    }

    /// A slice is not asked for again: one that was forgotten is found when more
    /// comes behind it, and its segment puts it right.
    async fn slices(&self) {
        let wal = self.lineage.wal(Codec::DEFAULT);
        let next = segment(1, "0/500000");
        let mut forgotten = false;
        for (from, to) in [("0/500000", "0/500100"), ("0/500100", "0/500200")] {
            let range = range(from, to);
            let at = usize::try_from(range.from_lsn.bytes_since(next.start())).unwrap();
            let bytes = wal_bytes(next).slice(at..at + 0x100);
            until_done("put a slice", || {
                wal.put_slice(Timeline::FIRST, range, bytes.clone())
            })
            .await;
            let name = format!("{:016X}-{:016X}", range.from_lsn.get(), range.to_lsn.get());
            let names = self.from.names().await;
            let there = names.iter().any(|one| one.ends_with(&name));
            assert!(there || self.misdeeds[0].lied_about(&name), "{name}");
            forgotten |= !there && from == "0/500000";
        }
        let later = self.from.names().await;
        let later = later.iter().any(|name| name.ends_with("-0000000000500200"));
        let found = self
            .verified(self.seen(&self.from).await.repository())
            .await;
        assert_eq!(!found.is_empty(), forgotten && later, "{found:?}");
        self.store(next).await;
        let found = self
            .verified(self.seen(&self.from).await.repository())
            .await;
        assert_eq!(found, [], "seed {}", self.seed);
    }
}

/// [`until_done`] where a lineage is made: one whose document was forgotten is told
/// missing at once, and made again.
async fn until_making<T, F: Future<Output = Result<T>>>(attempt: impl Fn() -> F) -> T {
    for _ in 0..PATIENCE {
        match attempt().await {
            Ok(done) => return done,
            Err(Error::Missing { object }) if object.ends_with("/lineage.json") => {}
            Err(Error::UnknownLineage { .. }) => {}
            Err(error) => assert_clear("make a lineage", &error),
        }
    }
    panic!("it is never made");
}

/// One round of what the leader does; whether all of it is seen to be gone.
async fn sweep(lineage: &LineageRepository, dead: &BTreeSet<BackupId>) -> Result<bool> {
    lineage.prove_there().await?;
    let stock = lineage.stock(dead).await?;
    for backup in stock.backups().filter(|backup| dead.contains(&backup.id)) {
        lineage.delete_mark(backup).await?;
    }
    let stock = lineage.stock(dead).await?;
    for remains in stock.remains(dead) {
        for batch in lineage.batches(&remains, &stock).await? {
            lineage.delete_batch(&batch).await?;
        }
    }
    let mut left = Vec::new();
    for id in dead {
        left.extend(lineage.left_of(*id, &stock).await?);
    }
    lineage.prove_there().await?;
    Ok(left.is_empty())
}

/// Writes an incremental.
async fn over(
    lineage: &LineageRepository,
    id: BackupId,
    run: u64,
    parent: &Backup,
) -> Result<FinishedBackup> {
    let spool = tempfile::tempfile().unwrap();
    let parent = lineage.open_parent(parent.clone(), spool).await?;
    let writer = lineage.begin_incremental(id, parent.clone(), SMALL).await?;
    let inner = writer.clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut worker = inner.worker();
        for file in files(run) {
            let path = EntryPath::new(&file.path).unwrap();
            let before = parent.file(&path)?.expect("the parent has it");
            let mut left = file.islands[0].1.as_slice();
            let read = |buffer: &mut [u8]| left.read(buffer);
            let extent = worker.write_extent_over(before.extents.first(), read)?;
            let extents = vec![extent];
            inner.add(&Entry::File(FileEntry { extents, ..before }))?;
        }
        worker.finish()
    });
    written.await.unwrap()?;
    writer.finish().await
}
