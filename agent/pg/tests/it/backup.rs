//! The held session of a base backup, the facts, and the rights they need.

use holdfast_pg::ConnectionInfo;
use holdfast_pg::sql::{BackupSession, BackupStart, Session, grants, lacking};
use holdfast_pg::testkit::{TestCluster, all_majors, major};
use holdfast_types::Secret;

const START: BackupStart<'_> = BackupStart {
    label: "holdfast test",
    fast: true,
};

/// A role with exactly the rights that `doctor` prints.
fn backup_role(cluster: &TestCluster) -> ConnectionInfo {
    let version = i32::try_from(cluster.programs().major() * 10_000).unwrap();
    let mut statements = grants(version, "holdfast").join("\n");
    statements.push_str("\nALTER ROLE holdfast PASSWORD 'role secret'");
    cluster.psql(&statements);
    let password = Some(Secret::new("role secret"));
    ConnectionInfo::parse(&cluster.tcp_conninfo("holdfast"), password).unwrap()
}

#[tokio::test]
async fn a_backup_role_can_do_all_and_a_plain_role_is_told_what_it_lacks() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs).start();
        cluster.psql("CREATE ROLE plain LOGIN PASSWORD 'plain secret'\nCREATE DATABASE closed\nREVOKE CONNECT ON DATABASE closed FROM PUBLIC");
        let password = Some(Secret::new("plain secret"));
        let plain = ConnectionInfo::parse(&cluster.tcp_conninfo("plain"), password).unwrap();
        let plain = Session::connect(&plain).await.unwrap();
        let missing = lacking(&plain).await.unwrap();
        assert_eq!(missing.len(), 6, "{missing:?}");
        assert_eq!(plain.facts().await.unwrap_err().code(), "pg_not_permitted");
        // The statements are exact: run, they leave nothing missing.
        for lack in &missing {
            cluster.psql(&lack.statement);
        }
        let again = ConnectionInfo::parse(
            &cluster.tcp_conninfo("plain"),
            Some(Secret::new("plain secret")),
        );
        let again = Session::connect(&again.unwrap()).await.unwrap();
        assert_eq!(lacking(&again).await.unwrap(), []);

        let role = backup_role(&cluster);
        let session = Session::connect(&role).await.unwrap();
        assert_eq!(lacking(&session).await.unwrap(), []);
        session.facts().await.unwrap();
        let backup = BackupSession::start(&role, START).await.unwrap();
        backup.stop().await.unwrap();
        session
            .row("SELECT pg_switch_wal(), pg_create_restore_point('x')", &[])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_facts_are_the_servers() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=2")
            .initdb("--data-checksums")
            .start();
        let standby = cluster.standby(Some("one_slot"));
        super::until("the standby to stream", || {
            cluster.psql("SELECT active FROM pg_replication_slots") == "t"
        });
        let facts = Session::connect(&cluster.local())
            .await
            .unwrap()
            .facts()
            .await
            .unwrap();
        let num: i32 = cluster.psql("SHOW server_version_num").parse().unwrap();
        assert_eq!(facts.server_version_num, num);
        assert_eq!(facts.data_directory, cluster.data_dir());
        assert_eq!(facts.hba_file, Some(cluster.data_dir().join("pg_hba.conf")));
        assert!(facts.data_checksums && facts.full_page_writes && !facts.in_recovery);
        assert_eq!(
            (facts.segment_size.bytes(), facts.block_size),
            (2 << 20, 8192)
        );
        assert!(facts.database_bytes > 10 << 20);
        assert_eq!(
            (facts.wal_level.as_str(), facts.max_wal_senders),
            ("replica", 10)
        );
        assert_eq!(facts.max_slot_wal_keep_bytes, None);
        assert_eq!(
            (facts.archiver.mode.as_str(), facts.archiver.archived),
            ("off", 0)
        );
        assert_eq!(facts.tablespaces, []);
        let slot = &facts.slots[0];
        assert_eq!(
            (slot.name.as_str(), slot.physical, slot.active),
            ("one_slot", true, true)
        );
        assert_eq!(slot.wal_status.as_deref(), Some("reserved"));

        let session = Session::connect(&standby.local()).await.unwrap();
        let facts = session.facts().await.unwrap();
        assert!(facts.in_recovery && facts.position.is_some());
        assert_eq!(session.insert_position().await.unwrap(), None);
        standby.promote();
        let facts = session.facts().await.unwrap();
        assert_eq!((facts.in_recovery, facts.timeline.get()), (false, 2));
        let clock = session.clock().await.unwrap();
        assert!(session.started_at().await.unwrap() < clock);
        let apart = clock.duration_since(jiff::Timestamp::now()).abs();
        assert!(apart.as_secs() < 5, "{apart:?}");
    }
}

// Pitfalls 1 and 2
#[tokio::test]
async fn a_backup_gives_its_label_byte_for_byte() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs).start();
        let backup = BackupSession::start(&cluster.local(), START).await.unwrap();
        let start = backup.start_lsn();
        backup.check().await.unwrap();
        assert!(!backup.in_recovery());
        cluster.psql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
        let stopped = backup.stop().await.unwrap();
        assert!(stopped.stop_lsn > start);
        assert_eq!(stopped.label.start_lsn, start);
        assert_eq!(stopped.label.start_timeline.get(), 1);
        assert_eq!(stopped.label.label, "holdfast test");
        let text = String::from_utf8(stopped.backup_label).unwrap();
        assert!(text.starts_with(&format!("START WAL LOCATION: {}", in_label(start, &text))));
        assert!(text.ends_with("START TIMELINE: 1\n"), "{text}");
        assert_eq!(stopped.tablespace_map, b"");
    }
}

fn in_label(lsn: holdfast_types::Lsn, text: &str) -> String {
    let wide = format!("{:X}/{:08X}", lsn.get() >> 32, lsn.get() & 0xFFFF_FFFF);
    if text.contains(&wide) {
        wide
    } else {
        lsn.to_string()
    }
}

// Pitfall 1
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_session_takes_postgresql_out_of_backup_mode() {
    let cluster = TestCluster::builder(&major(18)).start();
    let backup = BackupSession::start(&cluster.local(), START).await.unwrap();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast'";
    assert_eq!(cluster.psql(busy), "1");
    drop(backup);
    super::until("the session to end", || cluster.psql(busy) == "0");
    let log = std::fs::read_to_string(cluster.log_path()).unwrap();
    assert!(log.contains("aborting backup"), "{log}");
    let next = BackupSession::start(&cluster.local(), START).await.unwrap();
    next.stop().await.unwrap();
}

/// Pitfall 3: a spread checkpoint, and a copy of hours, outlast every limit that is set
/// for all sessions.
#[tokio::test]
async fn no_time_limit_ends_a_backup_that_waits() {
    let limits = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
    ];
    for programs in all_majors() {
        let builder = TestCluster::builder(&programs);
        let builder = limits
            .iter()
            .fold(builder, |builder, limit| builder.setting(limit, "10min"));
        let cluster = builder.start();
        assert_eq!(cluster.psql("SHOW idle_session_timeout"), "10min");
        let backup = BackupSession::start(&cluster.local(), START).await.unwrap();
        for limit in limits {
            let query = "SELECT current_setting($1)";
            let row = backup.session().row(query, &[&limit]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), "0", "{limit}");
        }
        backup.stop().await.unwrap();
    }
}

// Pitfall 1
#[tokio::test]
async fn a_backup_notices_that_its_session_died() {
    let cluster = TestCluster::builder(&major(15)).start();
    let backup = BackupSession::start(&cluster.local(), START).await.unwrap();
    cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast'");
    let error = backup.check().await.unwrap_err();
    assert!(
        ["pg_shut_down", "pg_disconnected"].contains(&error.code()),
        "{error}"
    );
    assert!(backup.stop().await.is_err());
}
