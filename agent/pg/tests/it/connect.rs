//! Getting in, and being told exactly why not.

use std::time::Duration;

use holdfast_pg::replication::Client;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{TestCluster, all_majors, major};
use holdfast_pg::{ConnectionInfo, Error};
use holdfast_types::{Secret, SegmentSize};

fn info(cluster: &TestCluster, user: &str, password: Option<&str>) -> ConnectionInfo {
    ConnectionInfo::parse(&cluster.tcp_conninfo(user), password.map(Secret::new)).unwrap()
}

/// The same refusal by the replication protocol and by SQL.
async fn both(info: &ConnectionInfo) -> [Error; 2] {
    [
        Client::connect(info).await.err().unwrap(),
        Session::connect(info).await.err().unwrap(),
    ]
}

#[tokio::test]
async fn identifies_the_system_over_tcp_and_sockets() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .initdb("--wal-segsize=4")
            .start();
        let facts = Session::connect(&cluster.local())
            .await
            .unwrap()
            .facts()
            .await
            .unwrap();
        for info in [cluster.tcp(), cluster.local()] {
            let mut client = Client::connect(&info).await.unwrap();
            let identity = client
                .require_system(facts.system_identifier)
                .await
                .unwrap();
            assert_eq!(identity.timeline.get(), 1);
            let size = SegmentSize::new(4 << 20).unwrap();
            assert_eq!(client.segment_size().await.unwrap(), size);
            assert_eq!(
                client.server_version_num().unwrap() / 10_000,
                programs.major()
            );
            assert!(!client.in_recovery());
            assert_eq!(client.show("wal_level").await.unwrap(), "replica");
            let other = client.require_system(1).await.unwrap_err();
            assert_eq!(other.code(), "foreign_system_identifier");
            // An answer that is a refusal leaves the session usable.
            let refused = client.show("no such setting").await.unwrap_err();
            assert_eq!(refused.code(), "pg_server_error");
            client.identify_system().await.unwrap();
            client.close().await;
        }
    }
}

#[tokio::test]
async fn every_refusal_has_its_own_code_and_hint() {
    for programs in [major(15), major(18)] {
        let cluster = TestCluster::builder(&programs)
            .hba("host all,replication blocked 127.0.0.1/32 reject")
            .hba("host all,replication hashed 127.0.0.1/32 md5")
            .setting("password_encryption", "md5")
            .start();
        cluster.psql("CREATE ROLE hashed LOGIN REPLICATION PASSWORD 'hashed-secret'");
        cluster.psql("CREATE ROLE blocked LOGIN REPLICATION PASSWORD 'x'");
        cluster.psql("CREATE ROLE weak LOGIN PASSWORD 'weak-secret'");
        // md5 still lets in, wrong passwords do not, and none is shown (I-10).
        let md5 = info(&cluster, "hashed", Some("hashed-secret"));
        Client::connect(&md5)
            .await
            .unwrap()
            .identify_system()
            .await
            .unwrap();
        for wrong in [Some("not the secret"), None] {
            for user in ["postgres", "hashed"] {
                for error in both(&info(&cluster, user, wrong)).await {
                    assert_eq!(error.code(), "pg_wrong_password", "{error:?}");
                    assert!(!error.is_transient());
                    assert!(!format!("{error:?} {}", error.hint()).contains("not the secret"));
                }
            }
        }
        let [replication, sql] = both(&info(&cluster, "blocked", Some("x"))).await;
        assert_eq!(replication.code(), "pg_hba_refused");
        let line = "host replication \"blocked\" 127.0.0.1/32 scram-sha-256";
        assert!(replication.hint().ends_with(line), "{}", replication.hint());
        let line = "host \"postgres\" \"blocked\" 127.0.0.1/32 scram-sha-256";
        assert!(sql.hint().ends_with(line), "{}", sql.hint());

        let local = cluster.socket_conninfo();
        let weak = ConnectionInfo::parse(&local.replace("user=postgres", "user=weak"), None);
        let error = Client::connect(&weak.unwrap()).await.err().unwrap();
        assert_eq!(error.code(), "pg_not_permitted");
        assert!(
            error.hint().contains("ALTER ROLE \"weak\" REPLICATION"),
            "{}",
            error.hint()
        );

        let nobody = ConnectionInfo::parse(&local.replace("user=postgres", "user=nobody"), None);
        for error in both(&nobody.unwrap()).await {
            assert_eq!(error.code(), "pg_role_refused");
        }
        let elsewhere = ConnectionInfo::parse(&format!("{local} dbname=nowhere"), None).unwrap();
        let error = Session::connect(&elsewhere).await.err().unwrap();
        assert_eq!(error.code(), "pg_no_such_database");
        let required = ConnectionInfo::parse(
            &(cluster.tcp_conninfo("postgres") + " sslmode=require"),
            None,
        );
        for error in both(&required.unwrap()).await {
            assert_eq!(error.code(), "pg_tls_failed");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_not_ready_is_worth_another_try() {
    let mut cluster = TestCluster::builder(&major(15)).start();
    let standby = {
        let mut standby = cluster.standby(None);
        standby.stop("fast");
        standby.append("postgresql.conf", "hot_standby = off\n");
        standby.start();
        standby
    };
    for error in both(&standby.local()).await {
        assert_eq!(error.code(), "pg_not_accepting_connections", "{error}");
        assert!(error.is_transient());
    }
    cluster.stop("fast");
    for info in [cluster.local(), cluster.tcp()] {
        for error in both(&info).await {
            assert_eq!(error.code(), "pg_unreachable");
            assert!(error.is_transient());
        }
    }
    cluster.start();
    cluster.psql("SELECT 1");
}

#[tokio::test]
async fn a_silent_address_does_not_hold_us_up() {
    // Listens and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!("host=127.0.0.1 port={port} user=u connect_timeout=1");
    let info = ConnectionInfo::parse(&text, None).unwrap();
    assert_eq!(info.connect_timeout(), Duration::from_secs(1));
    for error in both(&info).await {
        assert_eq!(error.code(), "pg_timed_out");
    }
}
