//! Directories and servers that a backup is not taken of, beside those of `backup.rs`.

use std::path::Path;
use std::process::Command;

use holdfast_agent::job::backup;
use holdfast_pg::testkit::{self, TestCluster, must_run};
use holdfast_proto::{BackupWork, InstanceAccess};

use crate::fixture::{Fixture, context, failure};

/// Pitfall 4: what is copied must be the directory of the server that we speak to, as
/// it is now. A snapshot of its volume knows an older checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_not_the_servers_is_refused() {
    let fixture = Fixture::new(&testkit::major(15)).await;
    let other = TestCluster::builder(&testkit::major(15)).start();
    let refused = async |directory: &Path| {
        let instance = InstanceAccess {
            data_directory: Some(directory.display().to_string()),
            ..fixture.instance()
        };
        let work = BackupWork {
            instance,
            ..fixture.backup_work()
        };
        failure(backup::run(work, context(), &fixture.host).await).code
    };
    let code = refused(&other.data_dir()).await;
    assert_eq!(code, "data_directory_of_another_server");
    let snapshot = fixture.cluster.root().join("snapshot");
    let mut copy = Command::new("cp");
    must_run(
        copy.arg("-a")
            .arg(fixture.cluster.data_dir())
            .arg(&snapshot),
    );
    assert_eq!(refused(&snapshot).await, "control_file_too_old");
    fixture.assert_no_backup_mode().await;
    assert_eq!(fixture.backups().await, 0);
}

/// Pitfall 23: a server that does not write what a recovery needs has no backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_writes_too_little_wal_is_refused() {
    let fixture = Fixture::new(&testkit::major(18)).await;
    let minimal = TestCluster::builder(&testkit::major(18))
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", "0")
        .start();
    let instance = InstanceAccess {
        connection: minimal.socket_conninfo(),
        ..fixture.instance()
    };
    let work = BackupWork {
        instance,
        ..fixture.backup_work()
    };
    let refused = failure(backup::run(work, context(), &fixture.host).await);
    assert_eq!(refused.code, "wal_level_minimal", "{refused}");
    assert!(!refused.retryable && refused.hint.contains("wal_level"));
}
