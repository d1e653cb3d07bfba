//! The disk itself: what it keeps, what it drops, and that a writer who forgets
//! an `fsync` is caught.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use holdfast_faults::disk::{Disk, Keep, Names, Trouble};
use holdfast_faults::privilege;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::TempDir;

fn disk(names: Names) -> Option<(TempDir, Disk)> {
    if !privilege::ready() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("disk");
    let disk = Disk::mount(&at, &folder.path().join("images"), names).unwrap();
    Some((folder, disk))
}

fn sync_dir(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}

fn written(path: &Path, text: &str, sync: bool) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    if sync {
        file.sync_all().unwrap();
    }
}

#[test]
fn a_cut_keeps_what_was_synced_and_drops_the_rest() {
    let Some((_folder, mut disk)) = disk(Names::Strict) else {
        return;
    };
    let at = disk.path().to_owned();
    written(&at.join("safe"), "first", true);
    sync_dir(&at);
    let file = File::options().write(true).open(at.join("safe")).unwrap();
    file.write_all_at(b"FIRST and more", 0).unwrap();
    written(&at.join("unnamed"), "synced, but its name is not", true);
    written(&at.join("empty"), "named, but not synced", false);
    assert_eq!(fs::read(at.join("safe")).unwrap(), b"FIRST and more");
    drop(file);
    fs::create_dir(at.join("folder")).unwrap();
    written(&at.join("folder/inner"), "lost with its folder", true);
    sync_dir(&at.join("folder"));
    // Make one more name last, and the others with it: they are of one directory.
    fs::remove_file(at.join("unnamed")).unwrap();
    fs::remove_dir_all(at.join("folder")).unwrap();
    sync_dir(&at);
    written(&at.join("unnamed"), "synced, but its name is not", true);
    fs::create_dir(at.join("folder")).unwrap();
    written(&at.join("folder/inner"), "lost with its folder", true);

    let cut = disk.power_cut(&mut Keep::Nothing).unwrap();
    assert!(cut.writes_lost >= 2 && cut.names_lost >= 2, "{cut:?}");
    assert_eq!(fs::read(at.join("safe")).unwrap(), b"first");
    assert_eq!(fs::read(at.join("empty")).unwrap(), b"");
    assert!(!at.join("unnamed").exists());
    assert!(!at.join("folder").exists());
}

#[test]
fn a_rename_lasts_with_its_directory_only() {
    let Some((_folder, mut disk)) = disk(Names::Strict) else {
        return;
    };
    let at = disk.path().to_owned();
    written(&at.join("current"), "old", true);
    sync_dir(&at);
    let replace = |text| {
        written(&at.join("new"), text, true);
        fs::rename(at.join("new"), at.join("current")).unwrap();
    };
    replace("newer");
    assert_eq!(fs::read(at.join("current")).unwrap(), b"newer");
    disk.power_cut(&mut Keep::Nothing).unwrap();
    assert_eq!(fs::read(at.join("current")).unwrap(), b"old");
    assert!(!at.join("new").exists());
    replace("newest");
    sync_dir(&at);
    disk.power_cut(&mut Keep::Nothing).unwrap();
    assert_eq!(fs::read(at.join("current")).unwrap(), b"newest");
    fs::remove_file(at.join("current")).unwrap();
    disk.power_cut(&mut Keep::Nothing).unwrap();
    assert_eq!(
        fs::read(at.join("current")).unwrap(),
        b"newest",
        "the removal was not synced"
    );
}

#[test]
fn with_one_journal_any_sync_makes_names_last() {
    let Some((_folder, mut disk)) = disk(Names::Journal) else {
        return;
    };
    let at = disk.path().to_owned();
    written(&at.join("a"), "a", false);
    written(&at.join("b"), "b", true);
    disk.power_cut(&mut Keep::Nothing).unwrap();
    assert_eq!(fs::read(at.join("a")).unwrap(), b"");
    assert_eq!(fs::read(at.join("b")).unwrap(), b"b");
}

#[test]
fn some_of_what_was_not_synced_may_be_there_and_the_last_write_torn() {
    let Some((_folder, mut disk)) = disk(Names::Strict) else {
        return;
    };
    let path = disk.path().join("file");
    let mut rng = Rng::with_seed(7);
    let (mut torn, mut lengths) = (0, std::collections::BTreeSet::new());
    for _ in 0..40 {
        written(&path, "", true);
        sync_dir(disk.path());
        let file = File::options().write(true).open(&path).unwrap();
        for block in 0..4 {
            file.write_all_at(&[1; 4096], block * 4096).unwrap();
        }
        drop(file);
        torn += disk.power_cut(&mut Keep::Some(rng.fork())).unwrap().torn;
        let length = fs::metadata(&path).unwrap().len();
        assert_eq!(length % 512, 0, "a sector is written wholly or not at all");
        lengths.insert(length);
    }
    assert!(torn > 0 && lengths.len() > 4, "{torn} {lengths:?}");
    assert!(
        lengths.iter().any(|length| length % 4096 != 0),
        "{lengths:?}"
    );
}

#[test]
fn it_can_be_full_slow_and_fail_to_sync() {
    let Some((_folder, mut disk)) = disk(Names::Strict) else {
        return;
    };
    let path = disk.path().join("file");
    written(&path, "there", true);
    sync_dir(disk.path());
    disk.trouble(Trouble {
        room: Some(8),
        ..Trouble::default()
    });
    let file = File::options().write(true).open(&path).unwrap();
    // The space of what is there is there.
    file.write_all_at(b"THERE", 0).unwrap();
    file.write_all_at(&[0; 8], 5).unwrap();
    let full = file.write_all_at(&[0], 13).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(
        File::create(disk.path().join("another"))
            .unwrap_err()
            .kind(),
        ErrorKind::StorageFull
    );
    disk.trouble(Trouble {
        slow_sync: Duration::from_millis(300),
        ..Trouble::default()
    });
    let started = Instant::now();
    file.sync_all().unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));

    // As Linux does it: the next sync succeeds, and what was lost stays lost.
    disk.trouble(Trouble {
        failing_sync: true,
        ..Trouble::default()
    });
    file.write_all_at(b"LOST!", 0).unwrap();
    file.sync_all().unwrap_err();
    disk.trouble(Trouble::default());
    file.sync_all().unwrap();
    assert_eq!(&fs::read(&path).unwrap()[..5], b"LOST!");
    drop(file);
    disk.power_cut(&mut Keep::Nothing).unwrap();
    assert_eq!(&fs::read(&path).unwrap()[..5], b"THERE");
}

/// A program that acknowledges rows one after the other, with SQLite's
/// `synchronous` as given; then the power is cut. The rows that are there.
fn rows_after_a_cut(disk: &mut Disk, synchronous: &str, acknowledged: u32) -> Vec<u32> {
    let path = disk.path().join(format!("{synchronous}.db"));
    let open = || {
        let connection = Connection::open(&path).unwrap();
        // Without shared memory: a process that serves a disk must not map it.
        connection
            .pragma_update(None, "locking_mode", "EXCLUSIVE")
            .unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "synchronous", synchronous)
            .unwrap();
        // An end like that of a killed program: nothing is written back.
        let sudden = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        connection.set_db_config(sudden, true).unwrap();
        connection
    };
    let connection = open();
    connection
        .execute_batch("CREATE TABLE row (id INTEGER PRIMARY KEY)")
        .unwrap();
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let _: i64 = connection
        .query_row(checkpoint, [], |row| row.get(0))
        .unwrap();
    for id in 0..acknowledged {
        connection
            .execute("INSERT INTO row VALUES (?1)", [id])
            .unwrap();
    }
    connection.close().unwrap();
    disk.power_cut(&mut Keep::Nothing).unwrap();
    let connection = open();
    let mut statement = connection
        .prepare("SELECT id FROM row ORDER BY id")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_writer_that_acknowledges_before_it_syncs_is_caught() {
    let Some((_folder, mut disk)) = disk(Names::Strict) else {
        return;
    };
    let kept: Vec<u32> = (0..20).collect();
    assert_eq!(rows_after_a_cut(&mut disk, "FULL", 20), kept);
    let lost = rows_after_a_cut(&mut disk, "NORMAL", 20);
    assert!(
        lost.len() < 20,
        "an unsynced commit survived the cut: {lost:?}"
    );
}
