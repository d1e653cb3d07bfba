//! `wal-fetch`: what PostgreSQL is told.

use std::path::{Path, PathBuf};

use clap::Parser;
use holdfast_agent::socket::{self, Handler};
use holdfast_agent::wal::{
    FetchAnswer, FetchArgs, FetchConfig, FetchExit, FetchHandler, FetchQuestion, fetch_command,
};
use holdfast_pg::testkit::{TestCluster, major};
use holdfast_types::{Lineage, Timeline, WalSegment};
use tokio_util::sync::CancellationToken;

use crate::support::{Place, cluster, system_identifier, write};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: FetchArgs,
}

async fn fetch(words: &[&str]) -> FetchExit {
    let words = ["wal-fetch"].iter().chain(words);
    let command = Command::try_parse_from(words).unwrap();
    fetch_command(command.args).await
}

struct Fetching {
    place: Place,
    server: TestCluster,
    destination: PathBuf,
}

impl Fetching {
    /// A repository with a full segment, and slices of the next one.
    async fn new() -> Self {
        let server = TestCluster::builder(&major(15))
            .setting("wal_keep_size", "1GB")
            .start();
        let place = Place::new();
        let mut receiving = place.start(&server);
        receiving.caught_up(&server).await;
        server.psql("SELECT pg_switch_wal()");
        write(&server, 1);
        receiving.caught_up(&server).await;
        receiving.duty.stop().await;
        let destination = place.directory().join("RECOVERYXLOG");
        Self {
            place,
            server,
            destination,
        }
    }

    async fn direct(&self, name: &str, url: &str, patience: &str) -> FetchExit {
        let key_file = self.place.key_file().display().to_string();
        let destination = self.destination.display().to_string();
        let mut words = vec![name, &destination, "--retry-for", patience, "--direct"];
        words.extend([
            "--cluster",
            "orders",
            "--repo",
            url,
            "--key-file",
            &key_file,
        ]);
        fetch(&words).await
    }

    fn url(&self) -> String {
        self.place.access().url
    }
}

// Pitfall 17
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn direct_finds_proves_absence_and_never_guesses() {
    let fetching = Fetching::new().await;
    let url = fetching.url();
    let wal = fetching.place.wal(&fetching.server).await;
    let listed = wal.list(Timeline::FIRST).await.unwrap();
    let size = holdfast_types::SegmentSize::DEFAULT;
    let full = WalSegment::containing(Timeline::FIRST, listed.segments.ranges()[0].from_lsn, size);
    assert_eq!(
        fetching.direct(&full.to_string(), &url, "0s").await,
        FetchExit::Found
    );
    let fetched = std::fs::read(&fetching.destination).unwrap();
    let on_server = fetching
        .server
        .data_dir()
        .join("pg_wal")
        .join(full.to_string());
    assert!(fetched == std::fs::read(on_server).unwrap());

    // The current segment: what is stored, then zeros.
    let end = listed.end().unwrap();
    let current = WalSegment::containing(Timeline::FIRST, end, size);
    assert_eq!(
        fetching.direct(&current.to_string(), &url, "0s").await,
        FetchExit::Found
    );
    let fetched = std::fs::read(&fetching.destination).unwrap();
    let on_server = fetching
        .server
        .data_dir()
        .join("pg_wal")
        .join(current.to_string());
    let on_server = std::fs::read(on_server).unwrap();
    let known = usize::try_from(end.bytes_since(current.start())).unwrap();
    assert!(known > 0 && fetched[..known] == on_server[..known]);
    assert_eq!(fetched.len() as u64, size.bytes());
    assert!(fetched[known..].iter().all(|byte| *byte == 0));

    std::fs::remove_file(&fetching.destination).unwrap();
    let after = current.next().to_string();
    assert_eq!(fetching.direct(&after, &url, "0s").await, FetchExit::Absent);
    assert_eq!(
        fetching.direct("00000002.history", &url, "0s").await,
        FetchExit::Absent
    );
    assert_eq!(
        fetching.direct("nonsense", &url, "0s").await,
        FetchExit::Failed
    );
    // A repository that is not there says nothing about WAL.
    let nowhere = format!("file://{}/nowhere", fetching.place.directory().display());
    assert_eq!(
        fetching.direct(&after, &nowhere, "500ms").await,
        FetchExit::Failed
    );
    // Nor does one whose volume went away while its directory stayed.
    fetching.place.break_it();
    assert_eq!(fetching.direct(&after, &url, "0s").await, FetchExit::Failed);
    assert!(!fetching.destination.exists(), "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restored_directory_needs_nothing_else() {
    let fetching = Fetching::new().await;
    let system_identifier = system_identifier(&fetching.server);
    let lineage = Lineage {
        system_identifier,
        incarnation: 1,
    };
    let config = FetchConfig::new(&fetching.place.access(), cluster(), lineage);
    let path = fetching.place.directory().join("wal-fetch.toml");
    config.write(&path).unwrap();
    let (path, destination) = (
        path.display().to_string(),
        fetching.destination.display().to_string(),
    );
    let by_config = async |name: &str| {
        fetch(&[name, &destination, "--retry-for", "0s", "--config", &path]).await
    };
    let listed = fetching
        .place
        .wal(&fetching.server)
        .await
        .list(Timeline::FIRST)
        .await
        .unwrap();
    let size = holdfast_types::SegmentSize::DEFAULT;
    let first = WalSegment::containing(Timeline::FIRST, listed.segments.ranges()[0].from_lsn, size);
    assert_eq!(by_config(&first.to_string()).await, FetchExit::Found);
    assert_eq!(
        by_config("000000010000000100000000").await,
        FetchExit::Absent
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_agent_answers_for_its_clusters() {
    let fetching = Fetching::new().await;
    let mut receiving = fetching.place.start(&fetching.server);
    receiving.caught_up(&fetching.server).await;
    let host = receiving.host.clone();
    let data = host.data_dir().display().to_string();
    let destination = fetching.destination.display().to_string();
    let through_agent = async |name: &str, cluster: &str, patience: &str| {
        let words = [
            name,
            &destination,
            "--retry-for",
            patience,
            "--cluster",
            cluster,
        ];
        fetch(&[words.as_slice(), &["--data", &data]].concat()).await
    };
    let absent = "000000010000000100000000";
    // Nobody listens yet: that proves nothing.
    assert_eq!(
        through_agent(absent, "orders", "0s").await,
        FetchExit::Failed
    );

    // Without a name, the directory that the command runs in decides.
    let question = |directory: &Path| FetchQuestion {
        name: absent.to_owned(),
        cluster: None,
        directory: Some(directory.to_owned()),
    };
    let handler = FetchHandler::new(host.clone());
    let data_directory = std::fs::canonicalize(fetching.server.data_dir()).unwrap();
    let reply = handler.answer(question(&data_directory)).await.unwrap();
    assert_eq!(reply.answer, FetchAnswer::Absent);
    let elsewhere = handler.answer(question(Path::new("/elsewhere"))).await;
    assert_eq!(elsewhere.unwrap_err().code, "cluster_not_on_agent");

    let stop = CancellationToken::new();
    let handler = FetchHandler::new(host.clone());
    let serving = tokio::spawn(socket::serve(host.clone(), handler, stop.clone()));
    let listed = fetching
        .place
        .wal(&fetching.server)
        .await
        .list(Timeline::FIRST)
        .await
        .unwrap();
    let size = holdfast_types::SegmentSize::DEFAULT;
    let first = WalSegment::containing(Timeline::FIRST, listed.segments.ranges()[0].from_lsn, size);
    assert_eq!(
        through_agent(&first.to_string(), "orders", "30s").await,
        FetchExit::Found
    );
    assert_eq!(std::fs::metadata(&destination).unwrap().len(), size.bytes());
    assert_eq!(
        through_agent(absent, "orders", "30s").await,
        FetchExit::Absent
    );
    assert_eq!(
        through_agent(absent, "payments", "0s").await,
        FetchExit::Failed
    );
    fetching.place.break_it();
    assert_eq!(
        through_agent(absent, "orders", "0s").await,
        FetchExit::Failed
    );
    fetching.place.repair_it();
    stop.cancel();
    serving.await.unwrap().unwrap();
    receiving.duty.stop().await;
}
