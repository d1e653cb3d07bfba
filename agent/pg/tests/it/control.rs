//! The control file against pg_controldata.

use holdfast_pg::control_file::{self, ClusterState, ControlFile};
use holdfast_pg::testkit::{TestCluster, all_majors, must_run};

pub(crate) fn control_file(cluster: &TestCluster) -> ControlFile {
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
    for (key, ours) in texts(&control) {
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

/// What pg_controldata should show of the cluster and its state.
fn texts(control: &ControlFile) -> Vec<(&'static str, String)> {
    let backup_end = if control.backup_end_required {
        "yes"
    } else {
        "no"
    };
    let recovery_timeline = control
        .min_recovery_timeline
        .map_or(0, |timeline| timeline.get());
    let mut texts = vec![
        (
            "Database system identifier",
            control.system_identifier.to_string(),
        ),
        ("Database cluster state", control.state.to_string()),
        ("End-of-backup record required", backup_end.to_owned()),
    ];
    for (key, flag) in [
        ("wal_log_hints setting", control.wal_log_hints),
        (
            "track_commit_timestamp setting",
            control.track_commit_timestamp,
        ),
    ] {
        texts.push((key, if flag { "on" } else { "off" }.to_owned()));
    }
    let required = control.required;
    for (key, number) in [
        ("pg_control version number", control.control_version),
        ("Catalog version number", control.catalog_version),
        (
            "Latest checkpoint's TimeLineID",
            control.checkpoint_timeline.get(),
        ),
        (
            "Latest checkpoint's PrevTimeLineID",
            control.previous_timeline.get(),
        ),
        ("Min recovery ending loc's timeline", recovery_timeline),
        ("max_connections setting", required.max_connections),
        (
            "max_worker_processes setting",
            required.max_worker_processes,
        ),
        ("max_wal_senders setting", required.max_wal_senders),
        (
            "max_prepared_xacts setting",
            required.max_prepared_transactions,
        ),
        (
            "max_locks_per_xact setting",
            required.max_locks_per_transaction,
        ),
        ("Database block size", control.block_size),
        (
            "Blocks per segment of large relation",
            control.blocks_per_segment,
        ),
        ("WAL block size", control.wal_block_size),
        (
            "Bytes per WAL segment",
            u32::try_from(control.segment_size.bytes()).unwrap(),
        ),
        ("Data page checksum version", control.data_checksum_version),
    ] {
        texts.push((key, number.to_string()));
    }
    texts
}

// Pitfall 2
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
        let without = control_file::without_checkpoint(&bytes).unwrap();
        let known = ControlFile::parse(&without).unwrap();
        assert_ne!(known.checkpoint_lsn, stopped.checkpoint_lsn);
        let checkpoint_lsn = stopped.checkpoint_lsn;
        let restored = ControlFile {
            checkpoint_lsn,
            ..known
        };
        assert_eq!(restored, stopped, "and nothing else is changed");
        bytes[33] ^= 1;
        assert!(ControlFile::parse(&bytes).is_err());
    }
}
