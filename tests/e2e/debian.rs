//! A cluster as Debian lays it out: configuration outside the data directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_pg::testkit::server_user;
use holdfast_pg::testkit::{major, must_run};
use holdfast_tests::agent::Agent;
use holdfast_tests::control_plane::ControlPlane;
use holdfast_tests::fleet::{LONG, ROLE, Restored};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use jiff::Timestamp;

/// A cluster made by `pg_createcluster`; dropped with it.
struct DebianCluster {
    name: String,
    port: u16,
}

impl DebianCluster {
    fn create() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        let name = format!("holdfast{}", std::process::id());
        let mut create = Command::new("pg_createcluster");
        create.args(["15", &name, "--port", &port.to_string(), "--start"]);
        must_run(create.args(["--", "--data-checksums"]));
        Self { name, port }
    }

    fn connection(&self, user: &str) -> String {
        format!("host=/var/run/postgresql port={} user={user}", self.port)
    }

    fn psql(&self, sql: &str) -> String {
        let mut psql = Command::new("setpriv");
        psql.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "psql",
            "-XAtq",
        ]);
        psql.args([
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &format!("{} dbname=postgres", self.connection("postgres")),
        ]);
        for line in sql.lines() {
            psql.args(["-c", line]);
        }
        must_run(&mut psql).trim_end().to_owned()
    }
}

impl Drop for DebianCluster {
    fn drop(&mut self) {
        let mut command = Command::new("pg_dropcluster");
        drop(command.args(["--stop", "15", &self.name]).output());
    }
}

// Pitfall 30
#[test]
fn a_cluster_of_pg_createcluster_comes_back_with_its_configuration() {
    if server_user().is_none() {
        eprintln!("not root: pg_createcluster is Debian's tool for root, so this is not tested");
        return;
    }
    let scratch = Scratch::new();
    let cluster = DebianCluster::create();
    cluster.psql(ROLE);
    cluster.psql("ALTER SYSTEM SET work_mem = '5MB'");
    let conf = PathBuf::from(format!(
        "/etc/postgresql/15/{}/conf.d/ours.conf",
        cluster.name
    ));
    std::fs::write(&conf, "max_connections = 150\nautovacuum_naptime = 17\n").expect("conf.d");
    let mut restart = Command::new("pg_ctlcluster");
    must_run(restart.args(["15", &cluster.name, "restart"]));
    cluster.psql("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id");

    let node = ControlPlane::bootstrap(scratch.path());
    let cli = node.cli();
    // Debian lets a role in over the socket only under its own system name.
    let hba = PathBuf::from(format!("/etc/postgresql/15/{}/pg_hba.conf", cluster.name));
    let lines = std::fs::read_to_string(&hba).expect("pg_hba.conf");
    let ours = "local all holdfast trust\nlocal replication holdfast trust\n";
    std::fs::write(&hba, format!("{ours}{lines}")).expect("pg_hba.conf");
    cluster.psql("SELECT pg_reload_conf()");
    let _agent = Agent::enroll(&node, &cli, scratch.path(), "db1");
    Store::directory(&scratch).apply(&cli);
    cli.apply(&format!(
        "apiVersion: holdfast/v1\nkind: Cluster\nmetadata: {{name: orders}}\n\
         spec: {{instances: [{{agent: db1, connection: \"{}\"}}]}}\n---\n\
         apiVersion: holdfast/v1\nkind: Policy\nmetadata: {{name: all}}\n\
         spec: {{selector: {{}}, repository: main, wal: {{flushEvery: 500ms}}}}\n",
        cluster.connection("holdfast")
    ));
    let frontier = || {
        let exposure = cli.json(["exposure", "orders"]);
        exposure["items"][0]["repositories"][0]["frontier"]
            .as_str()?
            .parse::<Timestamp>()
            .ok()
    };
    until("WAL in the repository", LONG, frontier);
    let done = cli.json(["backup", "run", "orders", "--wait", "--timeout", "2m"]);
    assert_eq!(done["state"], "succeeded", "{done}");
    let good = Timestamp::now();
    cluster.psql("DROP TABLE orders");
    until("the frontier to pass the accident", LONG, || {
        frontier().filter(|at| *at > good)
    });

    let dir = scratch.server_folder("restored").join("main");
    let (at, path) = (good.to_string(), dir.display().to_string());
    let run = [
        "restore", "run", "orders", "--at", &at, "--agent", "db1", "--dir", &path,
    ];
    let done = cli.json(
        run.into_iter()
            .chain(["--start", "--wait", "--timeout", "2m"]),
    );
    assert_eq!(done["state"], "succeeded", "{done}");
    let restored = Restored::adopt(done["result"].clone(), dir.clone(), major(15));
    assert_eq!(restored.psql("SELECT count(*) FROM orders"), "1000");
    assert_eq!(restored.psql("SHOW work_mem"), "5MB");
    assert_eq!(restored.psql("SHOW autovacuum_naptime"), "17s");
    assert_eq!(restored.psql("SHOW max_connections"), "150");
    assert_eq!(restored.psql("SHOW data_directory"), path);
    // It uses nothing of the original's: neither files nor sockets.
    let config = restored.psql("SHOW config_file");
    assert!(Path::new(&config).starts_with(&dir), "{config}");
    restored.check_pages();
}
