//! WAL over the wire is the server's WAL, byte for byte.

use std::time::Duration;

use holdfast_pg::SlotName;
use holdfast_pg::replication::{
    Client, StandbyStatus, Start, StartedStream, StreamOptions, WalEvent, WalStream,
};
use holdfast_pg::testkit::{TestCluster, all_majors, major};
use holdfast_pg::wal::{Detail, WalReader};
use holdfast_types::{Lsn, SegmentSize, Timeline, WalSegment};

fn segment_size() -> SegmentSize {
    SegmentSize::new(1 << 20).unwrap()
}

fn lsn(text: &str) -> Lsn {
    text.parse().unwrap()
}

fn timeline(number: u32) -> Timeline {
    Timeline::new(number).unwrap()
}

/// The server's own bytes from `from` to `to`.
fn on_disk(cluster: &TestCluster, timeline: Timeline, from: Lsn, to: Lsn) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut segment = WalSegment::containing(timeline, from, segment_size());
    while segment.start() < to {
        let file = cluster.data_dir().join("pg_wal").join(segment.to_string());
        bytes.extend(std::fs::read(file).unwrap());
        segment = segment.next();
    }
    let start = segment_size().start_of(from);
    let range = |at: Lsn| usize::try_from(at.bytes_since(start)).unwrap();
    bytes[range(from)..range(to)].to_vec()
}

async fn start(client: Client, slot: &SlotName, from: Lsn, on: Timeline) -> StartedStream {
    let start = Start {
        slot: Some(slot),
        from,
        timeline: on,
    };
    client
        .start_replication(start, StreamOptions::default())
        .await
        .unwrap()
}

fn streaming(started: StartedStream) -> WalStream {
    match started {
        StartedStream::Streaming(stream) => stream,
        StartedStream::Ended(_, end) => panic!("the timeline ended: {end:?}"),
    }
}

/// Receives until `to` is there, confirming everything.
async fn receive(stream: &mut WalStream, to: Lsn) -> Vec<u8> {
    let mut received = Vec::new();
    let all = async {
        while stream.position() < to {
            if let WalEvent::Data { bytes, .. } = stream.next().await.unwrap() {
                received.extend_from_slice(&bytes);
                confirm(stream).await;
            }
        }
    };
    super::soon("the WAL", all).await;
    received
}

async fn confirm(stream: &mut WalStream) {
    let position = stream.position();
    let status = StandbyStatus {
        write: position,
        flush: position,
        apply: Lsn::INVALID,
    };
    stream.send_status(status).await.unwrap();
}

async fn new_slot(cluster: &TestCluster, name: &str) -> (SlotName, Lsn) {
    let slot = SlotName::parse(name).unwrap();
    let mut client = Client::connect(&cluster.tcp()).await.unwrap();
    client.create_slot(&slot).await.unwrap();
    let position = client.read_slot(&slot).await.unwrap().unwrap();
    (slot, segment_size().start_of(position.restart_lsn.unwrap()))
}

#[tokio::test]
async fn streamed_bytes_are_those_of_pg_wal() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .start();
        let (slot, from) = new_slot(&cluster, "reader").await;
        let client = Client::connect(&cluster.tcp()).await.unwrap();
        let mut stream = streaming(start(client, &slot, from, Timeline::FIRST).await);
        cluster.pgbench(&["-i", "-q", "-s", "1"]);
        let until = lsn(&cluster.psql("SELECT pg_current_wal_flush_lsn()"));
        assert!(until.bytes_since(from) > 4 << 20, "several segments");
        let mut received = receive(&mut stream, until).await;
        // What was not confirmed comes again after a reconnect; what was does
        // not have to.
        let middle = stream.position();
        let (client, end) = stream.stop().await.unwrap();
        assert_eq!(end, None);
        cluster.psql("CREATE TABLE more AS SELECT generate_series(1, 20000)");
        let until = lsn(&cluster.psql("SELECT pg_current_wal_flush_lsn()"));
        let mut stream = streaming(start(client, &slot, middle, Timeline::FIRST).await);
        received.extend(receive(&mut stream, until).await);
        assert!(received == on_disk(&cluster, Timeline::FIRST, from, stream.position()));
        super::until("the confirmed position to move the slot", || {
            let moved = format!("SELECT restart_lsn >= '{until}' FROM pg_replication_slots");
            cluster.psql(&moved) == "t"
        });
    }
}

// Pitfall 19
#[tokio::test]
async fn nothing_is_confirmed_that_we_did_not_confirm() {
    let cluster = TestCluster::builder(&major(18))
        .initdb("--wal-segsize=1")
        .start();
    let (slot, from) = new_slot(&cluster, "careful").await;
    let before = cluster.psql("SELECT restart_lsn FROM pg_replication_slots");
    let options = StreamOptions {
        silence: Duration::from_secs(1),
    };
    let client = Client::connect(&cluster.tcp()).await.unwrap();
    let request = Start {
        slot: Some(&slot),
        from,
        timeline: Timeline::FIRST,
    };
    let mut stream = streaming(client.start_replication(request, options).await.unwrap());
    cluster.psql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
    // Two rounds of "are you there" with answers: our automatic replies carry
    // no position (I-07).
    let mut alive = 0;
    while alive < 2 {
        if let WalEvent::Keepalive { .. } = stream.next().await.unwrap() {
            alive += 1;
        }
    }
    assert_eq!(
        cluster.psql("SELECT restart_lsn FROM pg_replication_slots"),
        before
    );
}

// Pitfall 19
#[tokio::test]
async fn a_promotion_is_followed_from_the_servers_answer() {
    for programs in all_majors() {
        let primary = TestCluster::builder(&programs)
            .initdb("--wal-segsize=1")
            .start();
        let standby = primary.standby(Some("standby"));
        let (slot, from) = new_slot(&standby, "follower").await;
        let client = Client::connect(&standby.tcp()).await.unwrap();
        assert!(client.in_recovery());
        let mut stream = streaming(start(client, &slot, from, Timeline::FIRST).await);
        primary.psql("CREATE TABLE t AS SELECT generate_series(1, 30000)");
        let until = lsn(&primary.psql("SELECT pg_current_wal_flush_lsn()"));
        let mut old = receive(&mut stream, until).await;
        primary.stop("fast");
        standby.promote();
        let end = loop {
            match super::soon("the end of the timeline", stream.next())
                .await
                .unwrap()
            {
                WalEvent::Data { bytes, .. } => old.extend_from_slice(&bytes),
                WalEvent::Keepalive { .. } => confirm(&mut stream).await,
                WalEvent::TimelineEnded(end) => break end,
            }
        };
        assert_eq!(end.next, timeline(2));
        assert_eq!(stream.position(), end.switchpoint);
        assert!(old == on_disk(&standby, Timeline::FIRST, from, end.switchpoint));

        // Asked again at the very end, the server says so at once.
        let client = stream.into_client().expect("the timeline ended");
        assert!(!client.in_recovery(), "the server told of its promotion");
        let again = start(client, &slot, end.switchpoint, Timeline::FIRST).await;
        let StartedStream::Ended(mut client, same) = again else {
            panic!("timeline 1 goes on");
        };
        assert_eq!(same, end);
        let file = client.timeline_history(end.next).await.unwrap().unwrap();
        assert_eq!(file.name, "00000002.history");
        assert_eq!(
            file.history.switchpoint_of(Timeline::FIRST),
            Some(end.switchpoint)
        );
        let path = standby.data_dir().join("pg_wal").join(&file.name);
        assert_eq!(file.content, std::fs::read(path).unwrap());
        assert_eq!(
            client.timeline_history(Timeline::FIRST).await.unwrap(),
            None
        );

        standby.psql("CREATE TABLE u AS SELECT generate_series(1, 30000)");
        let until = lsn(&standby.psql("SELECT pg_current_wal_flush_lsn()"));
        let mut stream = streaming(start(client, &slot, end.switchpoint, end.next).await);
        let new = receive(&mut stream, until).await;
        assert!(new == on_disk(&standby, end.next, end.switchpoint, stream.position()));

        // The records run through the switch without a seam.
        let mut reader = WalReader::new(from, segment_size());
        reader.feed(&old);
        reader.feed(&new);
        let mut promoted = None;
        while let Some(record) = reader.next_record().unwrap() {
            if let Detail::EndOfRecovery {
                timeline,
                previous_timeline,
                ..
            } = record.detail
            {
                promoted = Some((record.start, timeline, previous_timeline));
            }
        }
        let first = promoted.expect("a promotion leaves a record");
        assert_eq!((first.1, first.2), (timeline(2), timeline(1)));
        assert!(first.0 >= end.switchpoint && first.0.bytes_since(end.switchpoint) <= 40);
    }
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let cluster = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .start();
    let (slot, from) = new_slot(&cluster, "leaver").await;
    let client = Client::connect(&cluster.tcp()).await.unwrap();
    let mut stream = streaming(start(client, &slot, from, Timeline::FIRST).await);
    let stopping = std::thread::spawn(move || {
        cluster.stop("fast");
        cluster
    });
    let mut received = Vec::new();
    let error = loop {
        match super::soon("the end", stream.next()).await {
            Ok(WalEvent::Data { bytes, .. }) => {
                received.extend_from_slice(&bytes);
                confirm(&mut stream).await;
            }
            Ok(_) => confirm(&mut stream).await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "pg_shut_down", "{error}");
    let cluster = stopping.join().unwrap();
    // Its last word, the shutdown checkpoint, was sent before.
    let mut reader = WalReader::new(from, segment_size());
    reader.feed(&received);
    let mut last = None;
    while let Some(record) = reader.next_record().unwrap() {
        last = Some(record);
    }
    let last = last.unwrap();
    assert!(matches!(
        last.detail,
        Detail::Checkpoint { shutdown: true, .. }
    ));
    let control = std::fs::read(cluster.data_dir().join("global/pg_control")).unwrap();
    let control = holdfast_pg::control_file::ControlFile::parse(&control).unwrap();
    assert_eq!(control.checkpoint_lsn, last.start);
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let cluster = TestCluster::builder(&major(15))
        .initdb("--wal-segsize=1")
        .start();
    let (slot, from) = new_slot(&cluster, "waiter").await;
    let client = Client::connect(&cluster.tcp()).await.unwrap();
    let options = StreamOptions {
        silence: Duration::from_millis(800),
    };
    let request = Start {
        slot: Some(&slot),
        from,
        timeline: Timeline::FIRST,
    };
    let mut stream = streaming(client.start_replication(request, options).await.unwrap());
    let pid: i32 = cluster
        .psql("SELECT pid FROM pg_stat_replication")
        .parse()
        .unwrap();
    let walsender = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(walsender, rustix::process::Signal::STOP).unwrap();
    let error = loop {
        if let Err(error) = stream.next().await {
            break error;
        }
    };
    rustix::process::kill_process(walsender, rustix::process::Signal::CONT).unwrap();
    assert_eq!((error.code(), error.is_transient()), ("pg_timed_out", true));
}
