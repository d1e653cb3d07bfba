//! Debian's layout: the configuration lies outside the data directory.

use std::fs;
use std::path::Path;

use holdfast_pg::testkit::{self, free_port, must_run};
use holdfast_types::RestoreRequest;

use crate::fixture::{Fixture, connect};
use crate::oracle::promoted;

/// Moves the server's configuration to `etc`, as `pg_createcluster` has it,
/// and starts it from there.
fn move_configuration(fixture: &Fixture, etc: &Path) {
    fixture.cluster.stop("fast");
    let data = fixture.cluster.data_dir();
    fs::create_dir_all(etc.join("conf.d")).unwrap();
    let mut main = fs::read_to_string(data.join("postgresql.conf")).unwrap();
    main.push_str(&format!(
        "data_directory = '{0}'\nhba_file = '{1}/pg_hba.conf'\nident_file = '{1}/pg_ident.conf'\n\
         external_pid_file = '{1}/server.pid'\nlog_directory = '{1}/log'\ninclude_dir = 'conf.d'\n",
        data.display(),
        etc.display()
    ));
    fs::write(etc.join("postgresql.conf"), main).unwrap();
    fs::write(
        etc.join("conf.d/mine.conf"),
        "work_mem = '7MB'\nmax_connections = 55\n",
    )
    .unwrap();
    for name in ["pg_hba.conf", "pg_ident.conf"] {
        fs::rename(data.join(name), etc.join(name)).unwrap();
    }
    fs::remove_file(data.join("postgresql.conf")).unwrap();
    let owner = fixture.cluster.run_as();
    for path in [etc.to_owned(), etc.join("conf.d")] {
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let mut start = fixture.cluster.program("pg_ctl");
    let options = format!(
        "-p {} -k {}",
        fixture.cluster.port(),
        fixture.cluster.socket_dir().display()
    );
    start
        .args(["start", "-w", "-D"])
        .arg(etc)
        .arg("-l")
        .arg(fixture.cluster.log_path());
    must_run(start.args(["-o", &options]));
}

// Pitfalls 29 and 30
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debians_layout_becomes_one_directory_that_starts() {
    let mut fixture = Fixture::new(&testkit::major(15)).await;
    let etc = fixture.cluster.root().join("etc");
    move_configuration(&fixture, &etc);
    fixture.session = connect(fixture.cluster.socket_dir(), fixture.cluster.port()).await;
    fixture
        .session
        .execute("CREATE TABLE t AS SELECT 1 AS i")
        .await
        .unwrap();
    fixture.archived_backup().await;
    fixture.archive().await;
    // The original's configuration is gone with its host.
    fs::remove_dir_all(&etc).unwrap();

    let copy = fixture.restore(&fixture.request("latest")).await;
    copy.verify_backup();
    let port = free_port();
    assert!(
        copy.start_plainly(port),
        "{}",
        fs::read_to_string(copy.log()).unwrap()
    );
    let session = connect(copy.dir().parent().unwrap(), port).await;
    promoted(&session).await;
    assert_eq!(setting(&session, "work_mem").await, "7MB");
    assert_eq!(setting(&session, "data_directory").await, copy.result.dir);
    assert_eq!(
        setting(&session, "hba_file").await,
        format!("{}/pg_hba.conf", copy.result.dir)
    );
    assert_eq!(setting(&session, "archive_mode").await, "off");
    assert_eq!(setting(&session, "listen_addresses").await, "localhost");
    drop(session);
    drop(copy);

    let mut request = RestoreRequest {
        start: true,
        ..fixture.request("latest")
    };
    // Less than the original had: it is raised again, or recovery would stop.
    request
        .set
        .insert("max_connections".to_owned(), "20".to_owned());
    let copy = fixture.restore(&request).await;
    let session = copy.connect().await;
    assert_eq!(setting(&session, "max_connections").await, "55");
    let hba = format!("{}/.holdfast/pg_hba.conf", copy.result.dir);
    assert_eq!(setting(&session, "hba_file").await, hba);
    assert_eq!(
        fs::read(hba).unwrap(),
        fs::read(copy.dir().join("pg_hba.conf")).unwrap()
    );
}

async fn setting(session: &holdfast_pg::sql::Session, name: &str) -> String {
    session
        .row("SELECT current_setting($1)", &[&name])
        .await
        .unwrap()
        .get(0)
}
