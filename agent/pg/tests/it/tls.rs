//! TLS to PostgreSQL, as `sslmode` says.

use holdfast_pg::replication::Client;
use holdfast_pg::sql::Session;
use holdfast_pg::testkit::{TestCluster, all_majors};
use holdfast_pg::{ConnectionInfo, Error};
use holdfast_types::Secret;

fn write(cluster: &TestCluster, file: &str, content: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    cluster.append(file, content);
    let path = cluster.data_dir().join(file);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn self_signed(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn connect(cluster: &TestCluster, extra: &str) -> Result<String, Error> {
    let text = format!("{} {extra}", cluster.tcp_conninfo("encrypted"));
    let info = ConnectionInfo::parse(&text, Some(Secret::new("tls secret"))).unwrap();
    Client::connect(&info).await?.identify_system().await?;
    let session = Session::connect(&info).await?;
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let encrypted: bool = session.row(query, &[]).await?.get(0);
    Ok(encrypted.to_string())
}

#[tokio::test]
async fn sslmode_means_what_libpq_means() {
    for programs in all_majors() {
        let cluster = TestCluster::builder(&programs)
            .hba("hostssl all,replication encrypted 127.0.0.1/32 scram-sha-256")
            .hba("host all,replication encrypted 127.0.0.1/32 reject")
            .start();
        cluster.psql("CREATE ROLE encrypted LOGIN REPLICATION PASSWORD 'tls secret'");
        let refused = connect(&cluster, "sslmode=prefer").await.unwrap_err();
        assert_eq!(refused.code(), "pg_hba_refused");

        let (certificate, key) = self_signed("127.0.0.1");
        write(&cluster, "server.crt", &certificate, 0o644);
        write(&cluster, "server.key", &key, 0o600);
        cluster.psql("ALTER SYSTEM SET ssl = on");
        cluster.reload();
        let root = cluster.root().join("root.crt");
        std::fs::write(&root, &certificate).unwrap();
        let stranger = cluster.root().join("stranger.crt");
        std::fs::write(&stranger, self_signed("127.0.0.1").0).unwrap();
        let show = || cluster.psql("SHOW ssl");
        super::until("ssl to be on", || show() == "on");

        for extra in [
            "".to_owned(),
            "sslmode=require".to_owned(),
            // SCRAM bound to this very TLS session.
            "sslmode=require channel_binding=require".to_owned(),
            format!("sslmode=verify-full sslrootcert={}", root.display()),
            format!("sslmode=verify-ca sslrootcert={}", root.display()),
        ] {
            assert_eq!(connect(&cluster, &extra).await.unwrap(), "true", "{extra}");
        }
        for extra in [
            format!("sslmode=verify-full sslrootcert={}", stranger.display()),
            format!("sslmode=require sslrootcert={}", stranger.display()),
            "sslmode=verify-full sslrootcert=/nowhere".to_owned(),
        ] {
            let error = connect(&cluster, &extra).await.unwrap_err();
            assert_eq!(error.code(), "pg_tls_failed", "{extra}: {error}");
        }
        let plain = connect(&cluster, "sslmode=disable").await.unwrap_err();
        assert_eq!(plain.code(), "pg_hba_refused");
    }
}
