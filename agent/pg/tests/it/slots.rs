//! Physical slots: made, read, held, lost.

use holdfast_pg::replication::{Client, Start, StartedStream, StreamOptions, WalStream};
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{TestCluster, all_majors};
use holdfast_pg::{ConnectionInfo, Error, SlotName};
use holdfast_types::{Lsn, Timeline};

async fn stream(
    info: &ConnectionInfo,
    slot: Option<&SlotName>,
    from: Lsn,
) -> Result<WalStream, Error> {
    let start = Start {
        slot,
        from,
        timeline: Timeline::FIRST,
    };
    let client = Client::connect(info).await?;
    match client
        .start_replication(start, StreamOptions::default())
        .await?
    {
        StartedStream::Streaming(stream) => Ok(stream),
        StartedStream::Ended(_, end) => panic!("the timeline ended: {end:?}"),
    }
}

#[tokio::test]
async fn a_slot_lives_its_life() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs).start();
        let slot = SlotName::for_cluster(&"orders-eu".parse().unwrap());
        let mut client = Client::connect(&cluster.tcp()).await.unwrap();
        assert_eq!(client.read_slot(&slot).await.unwrap(), None);
        assert_eq!(
            client.drop_slot(&slot).await.unwrap_err().code(),
            "pg_slot_missing"
        );
        client.create_slot(&slot).await.unwrap();
        assert_eq!(
            client.create_slot(&slot).await.unwrap_err().code(),
            "pg_slot_exists"
        );
        let position = client.read_slot(&slot).await.unwrap().unwrap();
        let from = position
            .restart_lsn
            .expect("the slot reserves WAL from its creation");

        let running = stream(&cluster.tcp(), Some(&slot), from).await.unwrap();
        let second = stream(&cluster.tcp(), Some(&slot), from).await;
        let error = second.err().unwrap();
        assert_eq!(
            (error.code(), error.is_transient()),
            ("pg_slot_in_use", true)
        );
        assert_eq!(
            client.drop_slot(&slot).await.unwrap_err().code(),
            "pg_slot_in_use"
        );
        let (running, end) = running.stop().await.unwrap();
        assert_eq!(end, None);
        running.close().await;

        // Nobody streams: SQL moves it, and never backwards.
        cluster.psql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
        let sql = Session::connect(&cluster.local()).await.unwrap();
        let now = sql.insert_position().await.unwrap().unwrap();
        super::until("the slot to be free", || {
            cluster.psql("SELECT count(*) FROM pg_replication_slots WHERE active") == "0"
        });
        sql.advance_slot(&slot, now).await.unwrap();
        let advanced = sql
            .read_slot(&slot)
            .await
            .unwrap()
            .unwrap()
            .restart_lsn
            .unwrap();
        assert!(advanced > from && advanced <= now);

        client.drop_slot(&slot).await.unwrap();
        let missing = stream(&cluster.tcp(), Some(&slot), from)
            .await
            .err()
            .unwrap();
        assert_eq!(missing.code(), "pg_slot_missing");
        let missing = sql.drop_slot(&slot).await.unwrap_err();
        assert_eq!(missing.code(), "pg_slot_missing");
    }
}

#[tokio::test]
async fn wal_that_is_gone_is_told_apart() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .setting("min_wal_size", "2MB")
            .setting("max_wal_size", "2MB")
            .setting("max_slot_wal_keep_size", "1MB")
            .start();
        let slot = SlotName::parse("keeper").unwrap();
        let mut client = Client::connect(&cluster.local()).await.unwrap();
        client.create_slot(&slot).await.unwrap();
        let first = client
            .read_slot(&slot)
            .await
            .unwrap()
            .unwrap()
            .restart_lsn
            .unwrap();
        for _ in 0..6 {
            cluster.psql("SELECT pg_logical_emit_message(true, 'x', repeat('x', 500000)), pg_switch_wal()\nCHECKPOINT");
        }
        let lost = || cluster.psql("SELECT wal_status FROM pg_replication_slots");
        super::until("the slot to be invalidated", || {
            cluster.psql("CHECKPOINT");
            lost() == "lost"
        });
        let plain = stream(&cluster.local(), None, first).await;
        let error = match plain {
            Err(error) => error,
            Ok(mut stream) => stream.next().await.unwrap_err(),
        };
        assert_eq!(error.code(), "pg_wal_removed", "{error}");
        assert!(!error.is_transient());
        let error = match stream(&cluster.local(), Some(&slot), first).await {
            Err(error) => error,
            Ok(mut stream) => stream.next().await.unwrap_err(),
        };
        let known = ["pg_wal_removed", "pg_slot_invalidated"];
        assert!(
            known.contains(&error.code()),
            "{}: {error}",
            programs.version()
        );
        let facts = Session::connect(&cluster.local())
            .await
            .unwrap()
            .facts()
            .await
            .unwrap();
        assert_eq!(facts.slots[0].wal_status.as_deref(), Some("lost"));
        assert_eq!(facts.max_slot_wal_keep_bytes, Some(1 << 20));
    }
}
