//! Bad days: each kind of failure has its own name, and nothing half-done counts.

mod answers;
mod unreliable;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support;
use crate::support::unruly::{Swap, Unruly};
use crate::support::{
    File, Fixture, Place, backup_id, commit_facts, options, segment, wal_bytes, write_backup,
};
use holdfast_repo::*;
use holdfast_types::Timeline;
use object_store::path::Path;

on_all_stores! {
    a_lost_answer_is_found_to_be_our_own
    a_write_that_never_succeeds_fails_the_backup
    a_store_that_overwrites_is_refused
    what_a_store_confirms_and_does_not_have_is_no_backup
    half_a_segment_is_never_acknowledged_nor_overwritten
    slices_deleted_while_we_look_are_no_absence
    slices_deleted_while_we_look_are_no_early_end
}

// Pitfall 33
async fn a_lost_answer_is_found_to_be_our_own(place: Place) {
    let key = RepositoryKey::generate();
    // Every first put of this many is answered with a timeout.
    let losing = |times: usize| {
        let store = place.store();
        store.wrap(|inner| {
            let unruly = Unruly::over(inner);
            unruly.lose_answers.store(times, Ordering::SeqCst);
            Arc::new(unruly)
        })
    };
    Repository::init(place.store(), &key).await.unwrap();
    let on_file = place.url.directory().is_some();
    let open = |times| {
        let store = losing(times);
        let key = &key;
        async move {
            let repository = Repository::open(store, key, None).await.unwrap();
            let cluster = support::cluster();
            let lineage = repository.create_or_open_lineage(
                &cluster,
                support::lineage_id(),
                support::facts(),
            );
            lineage.await
        }
    };
    // A file system does not lose answers, so there is no second try: the
    // caller repeats, and then finds what is there.
    let lineage = if on_file {
        assert_eq!(open(1).await.unwrap_err().code(), "repository_unreachable");
        open(0).await.unwrap()
    } else {
        open(1).await.unwrap()
    };
    let segment = segment(1, "0/300000");
    let wal = open(1).await.unwrap().wal(Codec::None);
    let put = || wal.put_segment(segment, wal_bytes(segment));
    let first = put().await;
    if on_file {
        assert_eq!(first.unwrap_err().code(), "repository_unreachable");
        assert_eq!(put().await.unwrap(), Put::Same);
    } else {
        assert_eq!(first.unwrap(), Put::Same);
    }
    let next = segment.next();
    wal.put_segment(next, wal_bytes(next)).await.unwrap();
    // The mark too: our own lost answer is not somebody else's backup.
    let finished = write_backup(
        &lineage,
        backup_id(1),
        &[File::new("a", "b")],
        WriteOptions::default(),
    )
    .await
    .unwrap();
    let facts = commit_facts("run", "0/300028", "0/400100");
    finished.commit(facts.clone()).await.unwrap();
    assert_eq!(finished.commit(facts).await.unwrap().id, backup_id(1));
    if !on_file {
        // Keys, packs and sections whose answers are lost are ours as well.
        let lossy = open(3).await.unwrap();
        let files = [File::new("a", vec![1; 100_000]), File::new("b", "c")];
        let finished = write_backup(&lossy, backup_id(2), &files, WriteOptions::default())
            .await
            .unwrap();
        let facts = commit_facts("run-2", "0/300028", "0/400100");
        let backup = finished.commit(facts).await.unwrap();
        support::check_restored(&lineage, &backup, &files)
            .await
            .unwrap();
    }
}

async fn a_write_that_never_succeeds_fails_the_backup(place: Place) {
    let fixture = Fixture::new(place).await;
    let store = fixture.place.store().wrap(|inner| {
        Arc::new(Unruly {
            refuse: "/packs/",
            ..Unruly::over(inner)
        })
    });
    let repository = Repository::open(store, &fixture.key, None).await.unwrap();
    let lineage = repository
        .lineage(&support::cluster(), support::lineage_id())
        .await
        .unwrap();
    let files: Vec<File> = (0..40)
        .map(|n| File::new(&format!("{n}"), vec![n + 1; 100_000]))
        .collect();
    let options = WriteOptions {
        codec: Codec::None,
        pack_bytes: 200_000,
        uploads: 1,
    };
    let error = write_backup(&lineage, backup_id(1), &files, options)
        .await
        .unwrap_err();
    // Whichever thread noticed it, the cause is named.
    assert_eq!(error.code(), "repository_full", "{error}");
    assert!(error.is_transient());
    assert!(
        fixture
            .lineage
            .list_backups()
            .await
            .unwrap()
            .available
            .is_empty()
    );
}

// Pitfall 33
async fn a_store_that_overwrites_is_refused(place: Place) {
    let store = place.store().wrap(|inner| {
        Arc::new(Unruly {
            overwrite: true,
            ..Unruly::over(inner)
        })
    });
    let error = Repository::init(store, &RepositoryKey::generate())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "store_not_write_once");
    assert!(!place.raw_list().await.contains(&"holdfast.json".to_owned()));
}

/// The fixture's lineage, behind a store that misbehaves.
async fn behind(fixture: &Fixture, change: impl FnOnce(&mut Unruly)) -> LineageRepository {
    let store = fixture.place.store().wrap(|inner| {
        let mut unruly = Unruly::over(inner);
        change(&mut unruly);
        Arc::new(unruly)
    });
    let repository = Repository::open(store, &fixture.key, None).await.unwrap();
    let cluster = support::cluster();
    let lineage = repository.lineage(&cluster, support::lineage_id());
    lineage.await.unwrap()
}

// I-05
// Pitfall 33
async fn what_a_store_confirms_and_does_not_have_is_no_backup(place: Place) {
    let fixture = Fixture::new(place).await;
    fixture.put_wal("0/300000", "0/500000").await;
    let files = [File::new("a", vec![1; 100_000]), File::new("b", "c")];
    let mut number = 0;
    let mut refused = async |change: fn(&mut Unruly)| {
        number += 1;
        let lineage = behind(&fixture, change).await;
        let written = write_backup(&lineage, backup_id(number), &files, WriteOptions::default());
        let facts = commit_facts(&format!("run-{number}"), "0/300028", "0/400100");
        let error = match written.await {
            Ok(finished) => finished.commit(facts).await.map(drop).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.code(), "write_not_stored", "{number}: {error}");
        assert!(error.is_transient());
        let listed = fixture.lineage.list_backups().await.unwrap();
        assert!(listed.available.is_empty(), "{number}");
    };
    refused(|store| store.forget = "/packs/").await;
    refused(|store| store.truncate = "/packs/").await;
    refused(|store| store.forget = "/manifests/").await;
    refused(|store| store.truncate = "/manifests/").await;
    refused(|store| store.forget = "/marks/").await;
    refused(|store| store.forget = "/keys/").await;
}

// I-07
// Pitfall 16
async fn half_a_segment_is_never_acknowledged_nor_overwritten(place: Place) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    let name = fixture.name(&format!("wal/00000001/{segment}"));
    let lying = behind(&fixture, |store| store.truncate = "/wal/").await;
    let lying = lying.wal(Codec::DEFAULT);
    let error = lying.put_segment(segment, wal_bytes(segment)).await;
    assert_eq!(error.unwrap_err().code(), "write_not_stored");
    let half = fixture.place.raw_read(&name).await;
    let error = fixture.wal().put_segment(segment, wal_bytes(segment)).await;
    assert_eq!(error.unwrap_err().code(), "repository_damaged");
    assert_eq!(fixture.place.raw_read(&name).await, half, "it stays");
    let error = fixture.wal().fetch_segment(segment).await.unwrap_err();
    assert_eq!(error.code(), "repository_damaged");
}

async fn slices_deleted_while_we_look_are_no_absence(place: Place) {
    segment_completed_while_we_look(place, 256..256).await;
}

/// Of the slices that are deleted, a listing may show the first and lack the last.
async fn slices_deleted_while_we_look_are_no_early_end(place: Place) {
    segment_completed_while_we_look(place, 256..512).await;
}

/// A segment with a slice of 256 bytes and one of `gone` is completed after it
/// was looked for, and then the last slice is deleted.
async fn segment_completed_while_we_look(place: Place, gone: std::ops::Range<usize>) {
    let fixture = Fixture::new(place).await;
    let segment = segment(1, "0/300000");
    // The full segment, kept aside, and a slice in its place.
    fixture
        .wal()
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap();
    let full = fixture.name(&format!("wal/00000001/{segment}"));
    let sealed = fixture.place.raw_read(&full).await;
    fixture.place.raw_delete(&full).await;
    let mut last = String::new();
    for part in [0..256, gone] {
        if part.is_empty() {
            continue;
        }
        let range = holdfast_types::LsnRange {
            from_lsn: segment.start().checked_add(part.start as u64).unwrap(),
            to_lsn: segment.start().checked_add(part.end as u64).unwrap(),
        };
        let (from, to) = (range.from_lsn.get(), range.to_lsn.get());
        last = fixture.name(&format!("wal/00000001/slices/{from:016X}-{to:016X}"));
        let bytes = wal_bytes(segment).slice(part);
        let wal = fixture.wal();
        wal.put_slice(Timeline::FIRST, range, bytes).await.unwrap();
    }

    let text = fixture.place.url.to_string();
    let prefix = text.split_once("://").unwrap().1.trim_start_matches('/');
    let prefix = if text.starts_with("file") {
        prefix
    } else {
        prefix.split_once('/').unwrap().1
    };
    let path = |name: &str| Path::from(format!("{prefix}/{name}"));
    let store = fixture.place.store().wrap(|inner| {
        let swap = Swap {
            put: (path(&full), sealed),
            delete: path(&last),
        };
        Arc::new(Unruly {
            swap: Some(swap),
            ..Unruly::over(inner)
        })
    });
    let repository = Repository::open(store, &fixture.key, None).await.unwrap();
    let lineage = repository
        .lineage(&support::cluster(), support::lineage_id())
        .await
        .unwrap();
    let fetched = lineage
        .wal(Codec::None)
        .fetch_segment(segment)
        .await
        .unwrap();
    assert_eq!(fetched, Fetched::Full(wal_bytes(segment)));
}

/// A small file system of its own, for as long as the test runs.
struct Mount(PathBuf);

impl Mount {
    fn new(size: &str) -> Option<(Self, tempfile::TempDir)> {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().to_path_buf();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={size},mode=0777"))
            .arg("tmpfs")
            .arg(&target);
        mount
            .output()
            .ok()?
            .status
            .success()
            .then(|| (Self(target), directory))
    }

    fn read_only(&self) {
        let mut mount = Command::new("mount");
        assert!(
            mount
                .args(["-o", "remount,ro"])
                .arg(&self.0)
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn place_at(directory: &FilePath) -> Place {
    Place {
        url: format!("file://{}/repository", directory.display())
            .parse()
            .unwrap(),
        options: options(),
        directory: None,
    }
}

/// Needs the right to mount; without it, `a_write_that_never_succeeds…` and the
/// permissions below stand for it.
// Pitfall 16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_is_told_and_holds_nothing_half_written() {
    let Some((mount, _directory)) = Mount::new("3m") else {
        return;
    };
    let fixture = Fixture::new(place_at(&mount.0)).await;
    let wal = fixture.lineage.wal(Codec::None);
    let mut next = segment(1, "0/300000");
    let error = loop {
        match wal.put_segment(next, wal_bytes(next)).await {
            Ok(_) => next = next.next(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "repository_full", "{error:?}");
    let held = wal.list(Timeline::FIRST).await.unwrap();
    assert_eq!(
        held.end(),
        Some(next.start()),
        "the segment that did not fit is not there"
    );
    assert_eq!(wal.fetch_segment(next).await.unwrap(), Fetched::Absent);
    assert!(
        !fixture
            .place
            .raw_list()
            .await
            .iter()
            .any(|name| name.contains(&next.to_string()))
    );

    mount.read_only();
    let error = wal.put_segment(next, wal_bytes(next)).await.unwrap_err();
    assert_eq!(error.code(), "repository_read_only", "{error:?}");
    let first = segment(1, "0/300000");
    assert_eq!(
        wal.fetch_segment(first).await.unwrap(),
        Fetched::Full(wal_bytes(first))
    );
}

#[tokio::test]
async fn an_unmounted_volume_is_not_founded_anew() {
    let fixture = Fixture::new(Place::file()).await;
    let root = fixture.place.url.directory().unwrap().to_path_buf();
    std::fs::rename(&root, root.with_extension("away")).unwrap();
    let segment = segment(1, "0/300000");
    let error = fixture
        .wal()
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not_a_repository", "{error:?}");
    assert!(!root.exists());
    let error = fixture.wal().fetch_segment(segment).await.unwrap_err();
    assert_eq!(error.code(), "not_a_repository");
    std::fs::rename(root.with_extension("away"), &root).unwrap();
    fixture
        .wal()
        .put_segment(segment, wal_bytes(segment))
        .await
        .unwrap();
}

#[test]
fn a_directory_without_rights_is_told() {
    // Rights do not bind root, so the test runs itself as somebody else.
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let child = std::env::var_os("HOLDFAST_TEST_WITHOUT_RIGHTS");
    if let Some(directory) = child {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = place_at(FilePath::new(&directory)).store();
        let error = runtime
            .block_on(Repository::init(store, &RepositoryKey::generate()))
            .unwrap_err();
        assert_eq!(error.code(), "repository_permission_denied", "{error:?}");
        return;
    }
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let test = std::env::current_exe().unwrap();
    let is_root = std::fs::metadata("/proc/self")
        .map(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
        .unwrap();
    let copied = directory.path().join("test");
    let mut command = if is_root {
        // Where the build is may be closed to others.
        std::fs::copy(&test, &copied).unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&copied);
        command
    } else {
        Command::new(test)
    };
    let output = command
        .args(["--exact", "failures::a_directory_without_rights_is_told"])
        .env("HOLDFAST_TEST_WITHOUT_RIGHTS", directory.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
}
