//! Facts against a real PostgreSQL.

use std::time::Duration;

use holdfast_agent::facts::{Seen, observe_every};
use holdfast_agent::host::{Host, HostConfig};
use holdfast_pg::testkit::{TestCluster, all_majors, major};
use holdfast_proto::{InstanceAccess, ObservedInstance};
use holdfast_types::{InstanceRole, Observation, ServerFacts};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::control::PATIENCE;

fn observed(connection: &str) -> ObservedInstance {
    let instance = InstanceAccess {
        connection: connection.to_owned(),
        password: None,
        data_directory: Some("auto".to_owned()),
        system_identifier: None,
    };
    ObservedInstance {
        cluster: "orders".parse().unwrap(),
        instance,
        patroni: None,
    }
}

async fn wait_for<T>(
    facts: &mut watch::Receiver<Vec<Seen>>,
    mut wanted: impl FnMut(&Observation) -> Option<T>,
) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let found = facts
                .borrow_and_update()
                .first()
                .and_then(|seen| wanted(&seen.facts.observation));
            match found {
                Some(found) => return found,
                None => facts.changed().await.unwrap(),
            }
        }
    });
    found.await.expect("it is seen")
}

fn reachable(observation: &Observation) -> Option<ServerFacts> {
    match observation {
        Observation::Reachable(facts) => Some((**facts).clone()),
        Observation::Unreachable(_) => None,
    }
}

fn unreachable(observation: &Observation) -> Option<String> {
    match observation {
        Observation::Reachable(_) => None,
        Observation::Unreachable(failure) => Some(failure.code.clone()),
    }
}

#[tokio::test]
async fn a_server_is_described_and_followed_over_a_restart() {
    for programs in all_majors() {
        let mut cluster = TestCluster::builder(&programs)
            .initdb("--data-checksums")
            .start();
        cluster.psql("SELECT pg_create_physical_replication_slot('other', true)");
        let directory = tempfile::tempdir().unwrap();
        let host = Host::with_executable(directory.path(), HostConfig::default(), "/agent");
        let instances = watch::Sender::new(vec![observed(&cluster.socket_conninfo())]);
        let stop = CancellationToken::new();
        let pace = Duration::from_millis(50);
        let mut facts = observe_every(pace, host.clone(), instances.subscribe(), stop.clone());
        let seen = wait_for(&mut facts, reachable).await;
        assert_eq!(seen.server_version / 10_000, programs.major());
        assert_eq!((seen.role, seen.timeline.get()), (InstanceRole::Primary, 1));
        assert_eq!(
            seen.data_directory,
            cluster.data_dir().display().to_string()
        );
        assert!(
            seen.checksums && seen.database_bytes > 1_000_000,
            "{seen:?}"
        );
        assert_eq!(
            (seen.slots[0].name.as_str(), seen.slots[0].active),
            ("other", false)
        );
        let disk = seen.disk.expect("the directory is on this host");
        assert!(
            disk.free_bytes > 0 && disk.free_bytes < disk.total_bytes,
            "{disk:?}"
        );
        let owner = std::fs::metadata(cluster.data_dir()).unwrap();
        assert!(
            host.peers()
                .is_allowed(std::os::unix::fs::MetadataExt::uid(&owner))
        );

        cluster.stop("fast");
        let code = wait_for(&mut facts, unreachable).await;
        assert_eq!(code, "pg_unreachable");
        cluster.start();
        instances.send_replace(vec![observed(&cluster.socket_conninfo())]);
        wait_for(&mut facts, reachable).await;
        stop.cancel();
    }
}

#[tokio::test]
async fn another_database_never_passes_for_the_enrolled_one() {
    let cluster = TestCluster::builder(&major(15)).start();
    let directory = tempfile::tempdir().unwrap();
    let host = Host::with_executable(directory.path(), HostConfig::default(), "/agent");
    let mut foreign = observed(&cluster.socket_conninfo());
    foreign.instance.system_identifier = Some(42);
    let instances = watch::Sender::new(vec![foreign]);
    let stop = CancellationToken::new();
    let mut facts = observe_every(
        Duration::from_millis(50),
        host,
        instances.subscribe(),
        stop.clone(),
    );
    let code = wait_for(&mut facts, unreachable).await;
    assert_eq!(code, "foreign_system_identifier");

    // What is not assigned any more is not shown any more.
    instances.send_replace(Vec::new());
    let empty = facts.wait_for(Vec::is_empty);
    tokio::time::timeout(PATIENCE, empty)
        .await
        .unwrap()
        .unwrap();
    stop.cancel();
}
