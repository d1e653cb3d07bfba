//! Files of a data directory: control file, pages, what a backup copies.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use holdfast_pg::control_file::{self, ClusterState, ControlFile};
use holdfast_pg::exclude::{Decision, Directory, relation_file};
use holdfast_pg::page::{self, PageState};
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{TestCluster, all_majors, major, must_run};

fn control_file(cluster: &TestCluster) -> ControlFile {
    let bytes = std::fs::read(cluster.data_dir().join(control_file::PATH)).unwrap();
    assert_eq!(bytes.len(), control_file::FILE_SIZE);
    ControlFile::parse(&bytes).unwrap()
}

/// Every value against pg_controldata.
fn compare(cluster: &TestCluster) -> ControlFile {
    let mut program = cluster.program("pg_controldata");
    let shown = must_run(program.env("TZ", "UTC").arg(cluster.data_dir()));
    let value = |key: &str| {
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("pg_controldata shows no {key}"))
            .trim()
            .to_owned()
    };
    let control = control_file(cluster);
    let on_off = |flag: bool| if flag { "on" } else { "off" }.to_owned();
    let required = control.required;
    let recovery_timeline = control
        .min_recovery_timeline
        .map_or(0, |timeline| timeline.get());
    for (key, ours) in [
        (
            "pg_control version number",
            control.control_version.to_string(),
        ),
        (
            "Catalog version number",
            control.catalog_version.to_string(),
        ),
        (
            "Database system identifier",
            control.system_identifier.to_string(),
        ),
        ("Database cluster state", control.state.to_string()),
        (
            "Latest checkpoint's TimeLineID",
            control.checkpoint_timeline.to_string(),
        ),
        (
            "Latest checkpoint's PrevTimeLineID",
            control.previous_timeline.to_string(),
        ),
        (
            "Min recovery ending loc's timeline",
            recovery_timeline.to_string(),
        ),
        (
            "End-of-backup record required",
            if control.backup_end_required {
                "yes"
            } else {
                "no"
            }
            .to_owned(),
        ),
        (
            "max_connections setting",
            required.max_connections.to_string(),
        ),
        (
            "max_worker_processes setting",
            required.max_worker_processes.to_string(),
        ),
        (
            "max_wal_senders setting",
            required.max_wal_senders.to_string(),
        ),
        (
            "max_prepared_xacts setting",
            required.max_prepared_transactions.to_string(),
        ),
        (
            "max_locks_per_xact setting",
            required.max_locks_per_transaction.to_string(),
        ),
        ("wal_log_hints setting", on_off(control.wal_log_hints)),
        (
            "track_commit_timestamp setting",
            on_off(control.track_commit_timestamp),
        ),
        ("Database block size", control.block_size.to_string()),
        (
            "Blocks per segment of large relation",
            control.blocks_per_segment.to_string(),
        ),
        ("WAL block size", control.wal_block_size.to_string()),
        (
            "Bytes per WAL segment",
            control.segment_size.bytes().to_string(),
        ),
        (
            "Data page checksum version",
            control.data_checksum_version.to_string(),
        ),
    ] {
        assert_eq!(value(key), ours, "{key}");
    }
    for (key, ours) in [
        ("Latest checkpoint location", control.checkpoint_lsn),
        ("Latest checkpoint's REDO location", control.redo_lsn),
        ("Minimum recovery ending location", control.min_recovery_lsn),
        ("Backup start location", control.backup_start_lsn),
        ("Backup end location", control.backup_end_lsn),
    ] {
        assert_eq!(value(key).parse(), Ok(ours), "{key}");
    }
    for (key, ours) in [
        ("pg_control last modified", control.modified_at),
        ("Time of latest checkpoint", control.checkpoint_at),
    ] {
        let utc = ours.to_zoned(jiff::tz::TimeZone::UTC);
        // strftime's %c in the C locale.
        assert_eq!(
            value(key),
            utc.strftime("%a %b %e %H:%M:%S %Y").to_string(),
            "{key}"
        );
    }
    control
}

#[test]
fn the_control_file_says_what_pg_controldata_says() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .initdb("--data-checksums")
            .initdb("--wal-segsize=2")
            .setting("max_connections", "37")
            .setting("max_worker_processes", "9")
            .setting("max_prepared_transactions", "3")
            .setting("max_locks_per_transaction", "65")
            .setting("wal_log_hints", "on")
            .setting("track_commit_timestamp", "on")
            .start();
        let running = compare(&cluster);
        assert_eq!(running.state, ClusterState::InProduction);
        assert!(running.has_data_checksums());
        let standby = cluster.standby(None);
        cluster.psql("CREATE TABLE t AS SELECT generate_series(1, 1000)\nCHECKPOINT");
        compare(&standby);
        standby.stop("fast");
        let stopped = compare(&standby);
        assert_eq!(stopped.state, ClusterState::ShutDownInRecovery);
        assert!(stopped.min_recovery_lsn.is_valid());
        cluster.stop("fast");
        let stopped = compare(&cluster);
        assert!(stopped.state.is_cleanly_stopped());
        // One flipped bit is noticed.
        let mut bytes = std::fs::read(cluster.data_dir().join(control_file::PATH)).unwrap();
        bytes[33] ^= 1;
        assert!(ControlFile::parse(&bytes).is_err());
    }
}

/// All files below `directory`, relative to it, tablespaces included.
fn walk(root: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        if std::fs::metadata(root.join(&path)).is_ok_and(|metadata| metadata.is_dir()) {
            walk(root, &path, found);
        } else {
            found.push(path);
        }
    }
}

/// Pages seen and pages that are bad.
fn verify_all(cluster: &TestCluster) -> (u64, Vec<(PathBuf, u32)>) {
    let control = control_file(cluster);
    let (mut files, mut scanned, mut bad) = (Vec::new(), 0, Vec::new());
    walk(&cluster.data_dir(), Path::new(""), &mut files);
    for path in files {
        let Some(file) = relation_file(&path) else {
            continue;
        };
        let bytes = std::fs::read(cluster.data_dir().join(&path)).unwrap();
        let first = file.first_block(control.blocks_per_segment).unwrap();
        for (block, page) in (first..).zip(bytes.chunks_exact(page::DEFAULT_PAGE_SIZE)) {
            scanned += 1;
            if let PageState::Bad { .. } = page::verify(page, block) {
                bad.push((path.clone(), block));
            }
        }
    }
    (scanned, bad)
}

fn pg_checksums(cluster: &TestCluster) -> (u64, u64) {
    let output = cluster
        .program("pg_checksums")
        .args(["--check", "-D"])
        .arg(cluster.data_dir())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let count = |key: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{shown}"))
            .trim()
            .parse()
            .unwrap()
    };
    (count("Blocks scanned: "), count("Bad checksums:  "))
}

#[test]
fn every_page_has_the_checksum_that_we_compute() {
    for programs in all_majors() {
        let mut builder = TestCluster::builder(&programs);
        // 18 has them unless told otherwise.
        if programs.major() < 18 {
            builder = builder.initdb("--data-checksums");
        }
        let cluster = builder.start();
        cluster.pgbench(&["-i", "-q", "-s", "2"]);
        cluster.pgbench(&["-n", "-t", "200"]);
        cluster.psql("CREATE INDEX ON pgbench_accounts USING gin ((ARRAY[abalance]))\nVACUUM");
        let path = cluster.psql("SELECT pg_relation_filepath('pgbench_accounts')");
        cluster.stop("fast");
        // A second segment, where pages count on from the first.
        let data = std::fs::read(cluster.data_dir().join(&path)).unwrap();
        let mut page = data[..page::DEFAULT_PAGE_SIZE].to_vec();
        let sum = page::checksum(&page, 131_072);
        page[8..10].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(cluster.data_dir().join(format!("{path}.1")), &page).unwrap();
        let make_ours = |path: &Path| {
            let user = cluster.run_as();
            std::os::unix::fs::chown(path, Some(user.uid()), Some(user.gid())).unwrap();
        };
        make_ours(&cluster.data_dir().join(format!("{path}.1")));

        let (scanned, bad) = verify_all(&cluster);
        assert_eq!(bad, [], "PostgreSQL {}", programs.version());
        assert_eq!((scanned, 0), pg_checksums(&cluster));
        assert!(scanned > 3000);
        let mut damaged = data;
        damaged[3 * page::DEFAULT_PAGE_SIZE + 5000] ^= 1;
        std::fs::write(cluster.data_dir().join(&path), damaged).unwrap();
        assert_eq!(verify_all(&cluster).1, [(PathBuf::from(path), 3)]);
        assert_eq!(pg_checksums(&cluster).1, 1);
    }
}

/// What our rules copy: files, and directories with a slash behind.
fn chosen(root: &Path, below: &Path, found: &mut BTreeSet<String>) {
    let names: Vec<OsString> = std::fs::read_dir(root.join(below))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let rules = Directory::new(below, &names);
    for name in &names {
        let path = below.join(name);
        let is_directory = std::fs::metadata(root.join(&path)).is_ok_and(|m| m.is_dir());
        let shown = path.to_str().unwrap();
        match rules.decide(name) {
            Decision::Skip => {}
            Decision::Empty => {
                found.insert(format!("{shown}/"));
            }
            Decision::Copy if is_directory => {
                found.insert(format!("{shown}/"));
                chosen(root, &path, found);
            }
            Decision::Copy | Decision::ControlFile => {
                found.insert(shown.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn we_copy_what_pg_basebackup_copies() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs).start();
        let space = cluster.root().join("space");
        must_run(cluster.program("initdb").arg("--version"));
        std::fs::create_dir(&space).unwrap();
        let user = cluster.run_as();
        std::os::unix::fs::chown(&space, Some(user.uid()), Some(user.gid())).unwrap();
        cluster.psql(&format!(
            "CREATE TABLESPACE space LOCATION '{}'",
            space.display()
        ));
        for table in ["plain", "roomy"] {
            let place = if table == "roomy" {
                "TABLESPACE space"
            } else {
                ""
            };
            cluster.psql(&format!(
                "CREATE UNLOGGED TABLE u_{table} {place} AS SELECT generate_series(1, 20000) i\n\
                 CREATE INDEX ON u_{table} (i) {place}\n\
                 CREATE TABLE l_{table} {place} AS SELECT generate_series(1, 20000) i\n\
                 VACUUM u_{table}\nVACUUM l_{table}\nCHECKPOINT"
            ));
        }
        // A temporary table needs a session that stays.
        let session = Session::connect(&cluster.local()).await.unwrap();
        session
            .execute("CREATE TEMP TABLE passing AS SELECT generate_series(1, 20000)")
            .await
            .unwrap();
        // What a crash, or a person, leaves behind.
        for stray in [
            "backup_manifest",
            "postgresql.auto.conf.tmp",
            "current_logfiles.tmp",
            "global/pg_internal.init.4711",
            "base/1/keep.me",
            "my_notes.txt",
        ] {
            cluster.append(stray, "x\n");
        }
        std::fs::create_dir_all(cluster.data_dir().join("base/pgsql_tmp")).unwrap();
        cluster.append("base/pgsql_tmp/pgsql_tmp1.0", "x\n");
        for directory in ["base/pgsql_tmp"] {
            let path = cluster.data_dir().join(directory);
            std::os::unix::fs::chown(path, Some(user.uid()), Some(user.gid())).unwrap();
        }

        let copy = cluster.root().join("copy");
        let mapping = format!(
            "{}={}",
            space.display(),
            cluster.root().join("space2").display()
        );
        must_run(
            cluster
                .program("pg_basebackup")
                .args([
                    "-d",
                    &cluster.socket_conninfo(),
                    "-X",
                    "none",
                    "--no-manifest",
                ])
                .args([
                    "--checkpoint=fast",
                    "--no-sync",
                    "--tablespace-mapping",
                    &mapping,
                    "-D",
                ])
                .arg(&copy),
        );
        let mut ours = BTreeSet::new();
        chosen(&cluster.data_dir(), Path::new(""), &mut ours);
        let mut theirs = BTreeSet::new();
        list(&copy, Path::new(""), &mut theirs);
        // Written by pg_basebackup itself, and the inside of pg_wal.
        theirs.retain(|path| {
            !(path == "backup_label" || path.starts_with("pg_wal/") && path != "pg_wal/")
        });
        assert!(
            ours.iter().any(|path| path.ends_with("_init")),
            "an unlogged table is there"
        );
        assert_eq!(
            ours.difference(&theirs).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "we copy too much of {}",
            programs.version()
        );
        assert_eq!(
            theirs.difference(&ours).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "we copy too little of {}",
            programs.version()
        );
        drop(session);
    }
}

fn list(root: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let path = below.join(entry.unwrap().file_name());
        let shown = path.to_str().unwrap();
        if std::fs::metadata(root.join(&path)).unwrap().is_dir() {
            found.insert(format!("{shown}/"));
            list(root, &path, found);
        } else {
            found.insert(shown.to_owned());
        }
    }
}

#[test]
fn checksums_are_fast() {
    let page = vec![7u8; page::DEFAULT_PAGE_SIZE];
    let started = std::time::Instant::now();
    let rounds = 20_000;
    let sum = (0..rounds).fold(0u32, |sum, block| {
        sum ^ u32::from(page::checksum(&page, block))
    });
    let seconds = started.elapsed().as_secs_f64();
    let rate = f64::from(rounds) * 8192.0 / seconds / 1e6;
    eprintln!("page checksums: {rate:.0} MB/s ({sum})");
    // Far below any disk would be a mistake in the code.
    assert!(rate > 200.0, "{rate} MB/s");
    assert!(major(15).major() == 15);
}
