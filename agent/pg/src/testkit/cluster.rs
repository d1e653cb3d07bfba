//! One throw-away server.

use std::path::{Path, PathBuf};
use std::process::Command;

use holdfast_types::Secret;
use tempfile::TempDir;

use super::port::free_port;
use super::programs::{give_to_server_user, must_run};
use crate::ConnectionInfo;
use crate::binaries::{Programs, RunAs};

/// The password of the superuser `postgres`.
const PASSWORD: &str = "secret of the tests";

/// How a server is made.
#[derive(Debug, Clone)]
pub struct Builder {
    programs: Programs,
    initdb: Vec<String>,
    settings: Vec<(String, String)>,
    hba: Vec<String>,
}

impl Builder {
    /// An option of initdb, such as `--data-checksums` or `--wal-segsize=1`.
    #[must_use]
    pub fn initdb(mut self, option: &str) -> Self {
        self.initdb.push(option.to_owned());
        self
    }

    /// A setting of postgresql.conf.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A line of pg_hba.conf above the usual ones.
    #[must_use]
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// initdb and start.
    pub fn start(self) -> TestCluster {
        let mut cluster = TestCluster::prepare(self.programs);
        let password = cluster.root.path().join("password");
        std::fs::write(&password, PASSWORD).expect("the directory is writable");
        must_run(
            cluster
                .program("initdb")
                .args(["--no-sync", "--username=postgres", "--auth=scram-sha-256"])
                .args(["--encoding=UTF8", "--no-locale"])
                .arg(format!("--pwfile={}", password.display()))
                .arg("-D")
                .arg(cluster.data_dir())
                .args(&self.initdb),
        );
        let mut conf = String::from(
            "listen_addresses = '127.0.0.1'\nfsync = off\nmax_wal_senders = 10\n\
             max_replication_slots = 10\nwal_level = replica\nlogging_collector = off\n\
             log_replication_commands = on\n",
        );
        for (name, value) in &self.settings {
            conf.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        cluster.append("postgresql.conf", &conf);
        let usual = "local all all trust\nlocal replication all trust\n\
                     host all all 127.0.0.1/32 scram-sha-256\n\
                     host replication all 127.0.0.1/32 scram-sha-256\n";
        let hba = self
            .hba
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
            + usual;
        std::fs::write(cluster.data_dir().join("pg_hba.conf"), hba).expect("it is writable");
        cluster.start();
        cluster
    }
}

/// A server that stops, and whose files go, when it is dropped.
#[derive(Debug)]
pub struct TestCluster {
    programs: Programs,
    root: TempDir,
    port: u16,
}

impl TestCluster {
    /// A server of that PostgreSQL.
    pub fn builder(programs: &Programs) -> Builder {
        let programs = programs.clone();
        Builder {
            programs,
            initdb: Vec::new(),
            settings: Vec::new(),
            hba: Vec::new(),
        }
    }

    fn prepare(programs: Programs) -> Self {
        let root = tempfile::Builder::new()
            .prefix("hf-pg-")
            .tempdir()
            .expect("a directory");
        give_to_server_user(root.path());
        Self {
            programs,
            root,
            port: 0,
        }
    }

    /// A standby of this server, streaming over `slot` if one is named.
    pub fn standby(&self, slot: Option<&str>) -> Self {
        let mut standby = Self::prepare(self.programs.clone());
        let mut copy = standby.program("pg_basebackup");
        copy.arg("-D")
            .arg(standby.data_dir())
            .args(["-d", &self.socket_conninfo()]);
        copy.args([
            "--no-sync",
            "--checkpoint=fast",
            "--write-recovery-conf",
            "-X",
            "stream",
        ]);
        if let Some(slot) = slot {
            copy.args(["--slot", slot, "--create-slot"]);
        }
        must_run(&mut copy);
        standby.start();
        standby
    }

    /// A server whose data directory somebody else makes, at
    /// [`Self::data_dir`]; then call [`Self::start`].
    pub fn without_data(programs: &Programs) -> Self {
        Self::prepare(programs.clone())
    }

    /// Starts the server; a port that is taken meanwhile is exchanged.
    pub fn start(&mut self) {
        let log = self.log_path();
        for _ in 0..5 {
            self.port = free_port();
            let options = format!("-p {} -k '{}'", self.port, self.root.path().display());
            let mut start = self.program("pg_ctl");
            start
                .args(["start", "-w", "-t", "60", "-D"])
                .arg(self.data_dir());
            start.arg("-l").arg(&log).args(["-o", &options]);
            let output = start.output().expect("pg_ctl can be run");
            if output.status.success() {
                return;
            }
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(
                said.contains("Address already in use"),
                "the server did not start: {said}"
            );
        }
        panic!("no free port");
    }

    /// Starts the server again where it was: clients find it on its old port.
    pub fn start_again(&self) {
        let options = format!("-p {} -k '{}'", self.port, self.root.path().display());
        let mut start = self.program("pg_ctl");
        start
            .args(["start", "-w", "-t", "60", "-D"])
            .arg(self.data_dir());
        must_run(start.arg("-l").arg(self.log_path()).args(["-o", &options]));
    }

    /// Stops it: `fast` or `immediate`.
    pub fn stop(&self, mode: &str) {
        let mut stop = self.program("pg_ctl");
        must_run(
            stop.args(["stop", "-w", "-m", mode, "-D"])
                .arg(self.data_dir()),
        );
    }

    /// Promotes a standby and waits for it.
    pub fn promote(&self) {
        let mut promote = self.program("pg_ctl");
        must_run(promote.args(["promote", "-w", "-D"]).arg(self.data_dir()));
    }

    /// Reads the configuration again.
    pub fn reload(&self) {
        let mut reload = self.program("pg_ctl");
        must_run(reload.args(["reload", "-D"]).arg(self.data_dir()));
    }

    /// Runs SQL as the superuser; the answer without padding, columns by `|`.
    pub fn psql(&self, sql: &str) -> String {
        self.psql_in("postgres", sql)
    }

    /// [`Self::psql`] in another database.
    pub fn psql_in(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d"]);
        psql.arg(format!("{} dbname={database}", self.socket_conninfo()));
        // Each line its own statement and transaction.
        for line in sql.lines().filter(|line| !line.trim().is_empty()) {
            psql.args(["-c", line]);
        }
        must_run(&mut psql).trim_end().to_owned()
    }

    /// Runs pgbench with these arguments against the database `postgres`.
    pub fn pgbench(&self, arguments: &[&str]) -> String {
        let mut pgbench = self.program("pgbench");
        pgbench.args([
            "-h",
            &self.root.path().display().to_string(),
            "-U",
            "postgres",
        ]);
        must_run(
            pgbench
                .args(["-p", &self.port.to_string()])
                .args(arguments)
                .arg("postgres"),
        )
    }

    /// A program of this PostgreSQL, as the user the server runs as.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.programs.blocking_command(name, self.run_as());
        // An unpacked PostgreSQL's walreceiver would find the system's older
        // libpq, which does not know the options its pg_basebackup writes.
        let libraries = self.programs.directory().with_file_name("lib");
        if libraries.join("libpq.so.5").exists() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// As whom the server runs.
    pub fn run_as(&self) -> RunAs {
        RunAs::owner_of(self.root.path()).expect("the directory has an owner")
    }

    /// The programs.
    pub const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A directory beside the data directory, owned like it, gone with it.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where the sockets are.
    pub fn socket_dir(&self) -> &Path {
        self.root.path()
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The server's log.
    pub fn log_path(&self) -> PathBuf {
        self.root.path().join("log")
    }

    /// A connection string over the socket, as the superuser.
    pub fn socket_conninfo(&self) -> String {
        format!(
            "host={} port={} user=postgres",
            self.root.path().display(),
            self.port
        )
    }

    /// A connection string over TCP for `user`.
    pub fn tcp_conninfo(&self, user: &str) -> String {
        format!("host=127.0.0.1 port={} user={user}", self.port)
    }

    /// The superuser over the socket, without a password.
    pub fn local(&self) -> ConnectionInfo {
        ConnectionInfo::parse(&self.socket_conninfo(), None).expect("it is well formed")
    }

    /// The superuser over TCP, with its password.
    pub fn tcp(&self) -> ConnectionInfo {
        let password = Some(Secret::new(PASSWORD));
        ConnectionInfo::parse(&self.tcp_conninfo("postgres"), password).expect("it is well formed")
    }

    /// Adds lines to a file of the data directory.
    pub fn append(&self, file: &str, lines: &str) {
        let path = self.data_dir().join(file);
        let mut content = std::fs::read_to_string(&path).unwrap_or_default();
        content.push_str(lines);
        std::fs::write(&path, content).expect("the file is writable");
        give_to_server_user(&path);
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        if self.data_dir().join("postmaster.pid").exists() {
            let mut stop = self.program("pg_ctl");
            // Nobody wants its data: at once.
            let stop = stop
                .args(["stop", "-w", "-m", "immediate", "-D"])
                .arg(self.data_dir());
            if let Err(error) = stop.output() {
                eprintln!("cannot stop {}: {error}", self.data_dir().display());
            }
        }
    }
}
