//! A small fleet: one node, one agent, one server, one repository.

use std::path::PathBuf;
use std::time::Duration;

use holdfast_pg::binaries::Programs;
use holdfast_pg::testkit::TestCluster;
use holdfast_types::Lsn;
use jiff::Timestamp;
use serde_json::Value;

use crate::agent::Agent;
use crate::cli::Cli;
use crate::control_plane::{Addresses, ControlPlane};
use crate::scratch::Scratch;
use crate::store::Store;
use crate::until::until;

/// A deadline that only a broken system misses.
pub const LONG: Duration = Duration::from_secs(90);

/// The cluster `orders`, protected on the agent `db1` into the repository
/// `main`, by a policy with an RPO of 30 s.
#[derive(Debug)]
pub struct Fleet {
    // In the order in which they must end.
    /// The agent `db1`.
    pub agent: Agent,
    /// The command line, logged in.
    pub cli: Cli,
    /// The node.
    pub control_plane: ControlPlane,
    /// The server.
    pub postgres: TestCluster,
    /// Where backups go.
    pub store: Store,
    /// The folder of it all.
    pub scratch: Scratch,
}

/// The role that Holdfast uses, on PostgreSQL 15 and later, as the README says.
pub const ROLE: &str = "\
    CREATE ROLE holdfast LOGIN REPLICATION PASSWORD 'backup'\n\
    GRANT pg_monitor TO holdfast\n\
    GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO holdfast\n\
    GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO holdfast";

impl Fleet {
    /// Starts everything and waits until WAL streams.
    pub fn start(programs: &Programs, store: impl FnOnce(&Scratch) -> Store) -> Self {
        Self::start_with(programs, store, &[])
    }

    /// The same with settings of the node, as environment variables.
    pub fn start_with(
        programs: &Programs,
        store: impl FnOnce(&Scratch) -> Store,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        let fleet = Self::prepare_with(programs, store, settings);
        fleet.protect();
        fleet.wait_frontier(Timestamp::UNIX_EPOCH);
        fleet
    }

    /// Starts everything; nothing is protected yet.
    pub fn prepare(programs: &Programs, store: impl FnOnce(&Scratch) -> Store) -> Self {
        Self::prepare_with(programs, store, &[])
    }

    fn prepare_with(
        programs: &Programs,
        store: impl FnOnce(&Scratch) -> Store,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        let scratch = Scratch::new();
        let store = store(&scratch);
        let postgres = TestCluster::builder(programs)
            .initdb("--data-checksums")
            .start();
        postgres.psql(ROLE);
        let control_plane =
            ControlPlane::bootstrap_with(scratch.path(), Addresses::any(), settings);
        let cli = control_plane.cli();
        let bin_dir = Some(programs.directory());
        let agent = Agent::enroll_with(&control_plane, &cli, scratch.path(), "db1", bin_dir);
        Self {
            agent,
            cli,
            control_plane,
            postgres,
            store,
            scratch,
        }
    }

    /// Applies repository, cluster and policy.
    pub fn protect(&self) {
        self.store.apply(&self.cli);
        self.cli.apply(&self.cluster_yaml());
    }

    /// The cluster and its policy.
    pub fn cluster_yaml(&self) -> String {
        format!(
            "apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: orders, labels: {{tier: gold}}}}
spec:
  instances:
    - {{agent: db1, connection: \"{} user=holdfast\"}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: gold}}
spec:
  selector: {{tier: gold}}
  objectives: {{rpo: 30s}}
  repository: main
  wal: {{flushEvery: 500ms}}
",
            self.postgres
                .socket_conninfo()
                .replace(" user=postgres", "")
        )
    }

    /// The exposure of `orders`.
    pub fn exposure(&self) -> Value {
        self.cli.json(["exposure", "orders"])["items"][0].clone()
    }

    /// Waits until every commit acknowledged by `time` is in the repository.
    pub fn wait_frontier(&self, time: Timestamp) {
        until("the frontier to advance", LONG, || {
            let exposure = self.exposure();
            let frontier = exposure["repositories"][0]["frontier"]
                .as_str()?
                .parse()
                .ok()?;
            (time < frontier).then_some(())
        });
    }

    /// Takes a full backup.
    ///
    /// # Panics
    /// When it does not succeed.
    pub fn backup(&self) -> Value {
        let done = self
            .cli
            .json(["backup", "run", "orders", "--wait", "--timeout", "2m"]);
        assert_eq!(done["state"], "succeeded", "{done}");
        done
    }

    /// Takes an incremental backup.
    ///
    /// # Panics
    /// When it does not succeed, or all was copied.
    pub fn incremental(&self) -> Value {
        let run = ["backup", "run", "orders", "--kind", "incremental"];
        let wait = ["--wait", "--timeout", "2m"];
        let done = self.cli.json(run.into_iter().chain(wait));
        assert_eq!(done["state"], "succeeded", "{done}");
        assert_eq!(done["result"]["kind"], "incremental", "{done}");
        done
    }

    /// A directory that a restore can make.
    pub fn restore_dir(&self, name: &str) -> PathBuf {
        self.scratch.server_folder("restored").join(name)
    }

    /// Restores to `at`, starts PostgreSQL there, and returns the result.
    ///
    /// # Panics
    /// When it does not succeed.
    pub fn restore(&self, at: &str, name: &str) -> Restored {
        let dir = self.restore_dir(name);
        let path = dir.display().to_string();
        let run = [
            "restore", "run", "orders", "--at", at, "--agent", "db1", "--dir", &path,
        ];
        let wait = ["--start", "--wait", "--timeout", "3m"];
        let done = self.cli.json(run.into_iter().chain(wait));
        assert_eq!(done["state"], "succeeded", "{done}");
        Restored {
            result: done["result"].clone(),
            dir,
            programs: self.postgres.programs().clone(),
        }
    }
}

/// A restored server; it ends when this is dropped.
#[derive(Debug)]
pub struct Restored {
    result: Value,
    dir: PathBuf,
    programs: Programs,
}

impl Restored {
    /// Takes charge of a server that was restored into `dir`.
    pub const fn adopt(result: Value, dir: PathBuf, programs: Programs) -> Self {
        Self {
            result,
            dir,
            programs,
        }
    }

    /// What the restore said.
    pub const fn result(&self) -> &Value {
        &self.result
    }

    /// The position it reached.
    ///
    /// # Panics
    /// When the result names none.
    pub fn reached(&self) -> Lsn {
        let text = self.result["reachedLsn"].as_str().expect("a position");
        text.parse().expect("a position")
    }

    /// A connection string, as the superuser.
    pub fn connection(&self) -> String {
        let socket = self.result["socketDir"].as_str().expect("a socket");
        format!(
            "host={socket} port={} user=postgres dbname=postgres",
            self.result["port"]
        )
    }

    /// Runs SQL as the superuser.
    pub fn psql(&self, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.connection(),
            "-c",
            sql,
        ]);
        holdfast_pg::testkit::must_run(&mut psql)
            .trim_end()
            .to_owned()
    }

    /// Runs `pg_amcheck`, then stops the server and runs `pg_checksums`.
    ///
    /// # Panics
    /// When either finds something.
    pub fn check_pages(&self) {
        self.psql("CREATE EXTENSION IF NOT EXISTS amcheck");
        let mut amcheck = self.program("pg_amcheck");
        let socket = self.result["socketDir"].as_str().expect("a socket");
        amcheck.args(["--heapallindexed", "--username=postgres", "--host", socket]);
        amcheck.args(["--port", &self.result["port"].to_string(), "postgres"]);
        holdfast_pg::testkit::must_run(&mut amcheck);
        self.stop();
        let mut checksums = self.program("pg_checksums");
        let said =
            holdfast_pg::testkit::must_run(checksums.arg("--check").arg("-D").arg(&self.dir));
        assert!(said.contains("Bad checksums:  0"), "{said}");
    }

    /// Stops the server.
    pub fn stop(&self) {
        if self.dir.join("postmaster.pid").exists() {
            let mut stop = self.program("pg_ctl");
            let stop = stop.args(["stop", "-w", "-m", "fast", "-D"]).arg(&self.dir);
            holdfast_pg::testkit::must_run(stop);
        }
    }

    fn program(&self, name: &str) -> std::process::Command {
        let run_as = holdfast_pg::binaries::RunAs::owner_of(&self.dir).expect("it has an owner");
        self.programs.blocking_command(name, run_as)
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        self.stop();
    }
}
