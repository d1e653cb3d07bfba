//! The demo's story, step by step.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use holdfast_pg::binaries::{Programs, RunAs};
use holdfast_pg::testkit::{major, must_run};
use holdfast_tests::agent::Agent;
use holdfast_tests::cli::Cli;
use holdfast_tests::group::Group;
use holdfast_tests::ledger::{Entry, Ledger, rows};
use holdfast_tests::programs::program;
use holdfast_tests::until::until;
use jiff::Timestamp;

use super::LONG;
use super::place::Place;
use super::report::Report;
use super::servers::Running;

/// pgbench's scale: 15 MB each.
const SCALE: &str = "25";

const ROLE: &str = "\
    CREATE ROLE holdfast LOGIN REPLICATION;
    GRANT pg_monitor TO holdfast;
    GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO holdfast;
    GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO holdfast;";

/// What was there just before the accident.
struct Before {
    entries: Vec<Entry>,
    accounts: String,
    at: Timestamp,
}

/// Tells it. Everything that was started is in the result.
pub(crate) fn tell(place: &Place, report: &mut Report) -> Result<Running> {
    let mut group = found(place, report)?;
    let several = group.nodes().len() > 1;
    let cli = group.cli().clone();
    let servers = place.servers()?;
    let postgres = report.step(
        "postgres",
        "Start a PostgreSQL and fill it with pgbench",
        || fill(place, &servers),
    )?;
    let agent = report.step(
        "enroll",
        "Enrol an agent on its host with a one-time token",
        || Ok(Agent::enroll(group.node(0), &cli, place.path(), "demo")),
    )?;
    report.step(
        "stream-wal",
        "Apply a policy; the agent streams WAL",
        || protect(place, &cli, &postgres),
    )?;
    report.step("full-backup", "Take a full backup", || full(&cli))?;
    if several {
        let what = "Take another; kill the node that leads in the middle";
        report.step("leader-kill-backup", what, || {
            let backup = ["backup", "run", "demo"];
            with_leader_killed(&mut group, &cli, &backup)
        })?;
    }
    let entries = report.step(
        "load",
        "Go on working: pgbench and a ledger of commits",
        || load(&postgres),
    )?;
    let what = "Take an incremental backup: what changed, and nothing else";
    let before = report.step("incremental-backup", what, || {
        incremental(&cli, &postgres, entries)
    })?;
    let what = "Prove it: restore, check, throw away";
    report.step("drill", what, || drill(&cli))?;
    report.step("accident", "Somebody drops the wrong tables", || {
        accident(&postgres, &before)
    })?;
    let restored = report.step("restore", "Restore to just before it, elsewhere", || {
        restore(place, &cli, &servers, &before)
    })?;
    report.step(
        "check-rows",
        "Compare with what was acknowledged; amcheck, checksums",
        || check(&restored, &before),
    )?;
    report.step(
        "offline-restore",
        "Restore once more with no control plane at all",
        || restore_offline(place, &cli, &servers),
    )?;
    if several {
        let what = "Restore once more; kill the node that leads in the middle";
        report.step("leader-kill-restore", what, || {
            restore_with_leader_killed(&mut group, &cli, &servers)
        })?;
    }
    let what = "Who could lose how much right now?";
    report.step("exposure", what, || exposure(&cli))?;
    let what = "And what was it like? A signed report, verified as an auditor would";
    report.step("report", what, || audit(place, &cli, &group.node(0).ca()))?;
    let postgres = vec![postgres, restored];
    Ok(Running {
        group,
        agent,
        postgres,
    })
}

fn found(place: &Place, report: &mut Report) -> Result<Group> {
    let addresses = place.addresses();
    let what = match addresses.len() {
        1 => "Found a control plane of one node".to_owned(),
        nodes => format!("Found a control plane, and let nodes join: {nodes} in all"),
    };
    report.step("control-plane", &what, || {
        Ok(Group::found(place.path(), addresses))
    })
}

/// A PostgreSQL server of the demo.
#[derive(Debug)]
pub(crate) struct Postgres {
    name: &'static str,
    programs: Programs,
    data: PathBuf,
    socket: PathBuf,
    port: u16,
    left: bool,
}

impl Postgres {
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Lets it run on; its data directory.
    pub(crate) fn leave(mut self) -> PathBuf {
        self.left = true;
        self.data.clone()
    }

    fn program(&self, name: &str) -> Command {
        let parent = self.data.parent().unwrap_or(&self.data);
        let run_as = RunAs::owner_of(parent).expect("the folder has an owner");
        self.programs.blocking_command(name, run_as)
    }

    fn connection(&self, user: &str) -> String {
        let socket = self.socket.display();
        format!(
            "host={socket} port={} user={user} dbname=postgres",
            self.port
        )
    }

    fn sql(&self, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            &self.connection("postgres"),
            "-c",
            sql,
        ]);
        must_run(&mut psql).trim().to_owned()
    }

    fn bench(&self, arguments: &[&str]) {
        let mut pgbench = self.program("pgbench");
        pgbench.args([
            "-h",
            &self.socket.display().to_string(),
            "-p",
            &self.port.to_string(),
        ]);
        must_run(
            pgbench
                .args(["-U", "postgres"])
                .args(arguments)
                .arg("postgres"),
        );
    }

    fn stop(&self) {
        let mut stop = self.program("pg_ctl");
        must_run(
            stop.args(["stop", "-w", "-m", "fast", "-D"])
                .arg(&self.data),
        );
    }

    fn start(&self) {
        let log = self.data.with_extension("log");
        let options = format!("-p {} -k '{}'", self.port, self.socket.display());
        let mut start = self.program("pg_ctl");
        start
            .args(["start", "-w", "-D"])
            .arg(&self.data)
            .arg("-l")
            .arg(log);
        must_run(start.args(["-o", &options]));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if !self.left && self.data.join("postmaster.pid").exists() {
            self.stop();
        }
    }
}

fn fill(place: &Place, servers: &Path) -> Result<Postgres> {
    let postgres = Postgres {
        name: "original",
        programs: major(15),
        data: servers.join("original"),
        socket: servers.to_owned(),
        port: place.port(50),
        left: false,
    };
    let mut initdb = postgres.program("initdb");
    initdb.args([
        "--data-checksums",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
    ]);
    must_run(initdb.arg("-D").arg(&postgres.data));
    postgres.start();
    for statement in ROLE.lines() {
        postgres.sql(statement);
    }
    postgres.sql("CREATE EXTENSION amcheck");
    postgres.bench(&["-i", "-q", "-s", SCALE]);
    let size = postgres.sql("SELECT pg_size_pretty(pg_database_size('postgres'))");
    println!("  {size} of pgbench data on port {}", postgres.port);
    Ok(postgres)
}

fn protect(place: &Place, cli: &Cli, postgres: &Postgres) -> Result<()> {
    let yaml = format!(
        "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: local}}
spec: {{url: \"file://{}\"}}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: demo, labels: {{tier: gold}}}}
spec:
  instances:
    - {{agent: demo, connection: \"{}\"}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: gold}}
spec:
  selector: {{tier: gold}}
  objectives: {{rpo: 30s}}
  repository: local
  wal: {{mode: streaming, flushEvery: 1s}}
  drills:
    - cron: \"0 6 * * 1\"
      agent: demo
      checks:
        - {{sql: select count(*) from pgbench_accounts, expect: \"> 0\"}}
        - {{amcheck: true}}
        - {{checksums: true}}
",
        place.repository()?.display(),
        postgres.connection("holdfast"),
    );
    std::fs::write(place.path().join("policy.yaml"), &yaml).context("write policy.yaml")?;
    for line in cli.apply(&yaml).lines() {
        println!("  {line}");
    }
    until("WAL in the repository", LONG, || frontier(cli));
    Ok(())
}

/// The time up to which every commit is in the repository.
fn frontier(cli: &Cli) -> Option<Timestamp> {
    let exposure = cli.json(["exposure", "demo"]);
    exposure["items"][0]["repositories"][0]["frontier"]
        .as_str()?
        .parse()
        .ok()
}

fn load(postgres: &Postgres) -> Result<Vec<Entry>> {
    let ledger = Ledger::start(&postgres.connection("postgres"));
    postgres.bench(&["-c", "4", "-T", "10"]);
    let entries = ledger.stop();
    let transactions = postgres.sql("SELECT count(*) FROM pgbench_history");
    println!(
        "  {transactions} pgbench transactions, {} rows in the ledger",
        entries.len()
    );
    ensure!(!entries.is_empty(), "the ledger is empty");
    Ok(entries)
}

/// What is restored later comes from this backup.
fn incremental(cli: &Cli, postgres: &Postgres, entries: Vec<Entry>) -> Result<Before> {
    show(
        cli,
        &["backup", "run", "demo", "--kind", "incremental", "--wait"],
    )?;
    show(cli, &["backup", "list", "demo"])?;
    let newest = newest_backup(cli);
    ensure!(
        newest["kind"] == "incremental" && newest["parent"].is_string(),
        "the newest backup is {newest}"
    );
    let megabytes = |field: &str| newest[field].as_u64().unwrap_or_default() / 1_000_000;
    let (added, whole) = (megabytes("addedBytes"), megabytes("databaseBytes"));
    println!("  it added {added} MB to the repository, and restores all {whole} MB in one pass");
    Ok(Before {
        accounts: postgres.sql(ACCOUNTS),
        entries,
        at: Timestamp::now(),
    })
}

fn newest_backup(cli: &Cli) -> serde_json::Value {
    cli.json(["backup", "list", "demo"])["items"][0].clone()
}

const ACCOUNTS: &str = "SELECT count(*), sum(abalance), sum(hashint8(aid + abalance)) \
                        FROM pgbench_accounts";

fn full(cli: &Cli) -> Result<()> {
    show(cli, &["backup", "run", "demo", "--wait"])?;
    show(cli, &["backup", "list", "demo"])
}

fn drill(cli: &Cli) -> Result<()> {
    show(cli, &["drill", "run", "demo", "--agent", "demo", "--wait"])?;
    show(cli, &["drill", "list"])
}

fn exposure(cli: &Cli) -> Result<()> {
    show(cli, &["exposure"])?;
    show(cli, &["status"])
}

/// A report on the hour that is just over, in each format that there is.
fn audit(place: &Place, cli: &Cli, ca: &Path) -> Result<()> {
    show(cli, &["compliance", "show"])?;
    let to = Timestamp::from_second(Timestamp::now().as_second() - 2)?;
    let to = to.to_string();
    let ca = ca.display().to_string();
    for format in ["json", "csv", "pdf"] {
        let file = place.path().join(format!("compliance.{format}"));
        let out = file.display().to_string();
        let made = [
            &["report", "compliance", "--fleet", "default", "--from", "1h"][..],
            &["--to", &to, "-o", format, "--out", &out],
        ];
        show(cli, &made.concat())?;
        show(cli, &["report", "verify", &out, "--ca", &ca])?;
    }
    println!("  the reports are in {}", place.path().display());
    Ok(())
}

fn accident(postgres: &Postgres, before: &Before) -> Result<()> {
    postgres.sql("DROP TABLE pgbench_accounts, ledger");
    println!(
        "  pgbench_accounts and the ledger are gone; the last good moment is {}",
        before.at
    );
    Ok(())
}

fn restore(place: &Place, cli: &Cli, servers: &Path, before: &Before) -> Result<Postgres> {
    // The accident must be behind the frontier, or the moment is not proved yet.
    until("the frontier to pass the accident", LONG, || {
        frontier(cli).filter(|frontier| *frontier > before.at)
    });
    let data = servers.join("restored");
    let (at, port) = (before.at.to_string(), place.port(51).to_string());
    let dir = data.display().to_string();
    let target = ["demo", "--at", &at, "--agent", "demo", "--dir", &dir];
    let plan = [&["restore", "plan"], &target[..]].concat();
    show(cli, &plan)?;
    let (planned, newest) = (cli.json(plan), newest_backup(cli));
    ensure!(
        planned["backup"] == newest["id"],
        "the plan is {planned}, and the newest backup {newest}"
    );
    let run = [
        &["restore", "run"],
        &target[..],
        &["--start", "--port", &port, "--wait"],
    ]
    .concat();
    show(cli, &run)?;
    let socket = data.join(".holdfast");
    let port = place.port(51);
    Ok(Postgres {
        name: "restored",
        programs: major(15),
        data,
        socket,
        port,
        left: false,
    })
}

fn check(restored: &Postgres, before: &Before) -> Result<()> {
    let expected: Vec<i64> = before.entries.iter().map(|entry| entry.id).collect();
    let found = rows(&restored.connection("postgres"));
    ensure!(
        found == expected,
        "the ledger has {} rows, not {}",
        found.len(),
        expected.len()
    );
    let accounts = restored.sql(ACCOUNTS);
    ensure!(
        accounts == before.accounts,
        "accounts are {accounts}, not {}",
        before.accounts
    );
    println!(
        "  {} ledger rows and all accounts are as acknowledged",
        found.len()
    );
    let mut amcheck = restored.program("pg_amcheck");
    amcheck.args([
        "--heapallindexed",
        "-h",
        &restored.socket.display().to_string(),
    ]);
    must_run(amcheck.args([
        "-p",
        &restored.port.to_string(),
        "-U",
        "postgres",
        "postgres",
    ]));
    restored.stop();
    let mut checksums = restored.program("pg_checksums");
    let said = must_run(checksums.arg("--check").arg("-D").arg(&restored.data));
    ensure!(said.contains("Bad checksums:  0"), "pg_checksums: {said}");
    restored.start();
    println!("  pg_amcheck and pg_checksums found nothing");
    Ok(())
}

fn restore_offline(place: &Place, cli: &Cli, servers: &Path) -> Result<()> {
    let key = place.path().join("local.key");
    drop(std::fs::remove_file(&key));
    let key = key.display().to_string();
    show(
        cli,
        &["repository", "key", "export", "local", "--to-file", &key],
    )?;
    let dir = servers.join("offline");
    let url = format!("file://{}", place.repository()?.display());
    let mut command = Command::new(program("holdfast-agent"));
    command.args([
        "repo",
        "restore",
        "--repo",
        &url,
        "--key-file",
        &key,
        "--cluster",
        "demo",
    ]);
    command.args(["--at", "latest", "--dir"]).arg(&dir);
    must_run(&mut command);
    let programs = major(15);
    let run_as = RunAs::owner_of(servers).context("the servers' owner")?;
    let mut verify = programs.blocking_command("pg_verifybackup", run_as);
    // Its WAL comes from the repository when it starts, so it is not in there.
    must_run(
        verify
            .arg("--no-parse-wal")
            .arg("--ignore=.holdfast")
            .arg(&dir),
    );
    println!("  pg_verifybackup found nothing");
    std::fs::remove_dir_all(&dir).context("remove the offline restore")
}

/// Starts a job, kills the leader while the job copies, and waits for it.
fn with_leader_killed(group: &mut Group, cli: &Cli, start: &[&str]) -> Result<()> {
    println!("  $ holdfast {}", start.join(" "));
    let job = cli.json(start.iter().copied())["job"].clone();
    let job = job.as_str().context("a job")?.to_owned();
    until("the job to copy", LONG, || {
        let shown = cli.json(["job", "show", &job]);
        let over = ["succeeded", "failed"].contains(&shown["state"].as_str().unwrap_or_default());
        (over || shown["phase"] == "copy").then_some(())
    });
    let leader = group.leader();
    let killed = group.node(leader).rest();
    let at = std::time::Instant::now();
    group.node_mut(leader).kill();
    println!("  killed the leader, {killed}");
    let next = group.leader();
    println!(
        "  {} leads after {:.1} s",
        group.node(next).rest(),
        at.elapsed().as_secs_f64()
    );
    let done = until("the job to end", LONG, || {
        let shown = cli.json(["job", "show", &job]);
        let state = shown["state"].as_str().unwrap_or_default().to_owned();
        ["succeeded", "failed", "cancelled", "superseded"]
            .contains(&state.as_str())
            .then_some(shown)
    });
    ensure!(done["state"] == "succeeded", "the job ended as {done}");
    println!("  {job} succeeded");
    group.node_mut(leader).restart();
    Ok(())
}

fn restore_with_leader_killed(group: &mut Group, cli: &Cli, servers: &Path) -> Result<()> {
    let data = servers.join("again");
    let dir = data.display().to_string();
    let run = [
        "restore", "run", "demo", "--at", "latest", "--agent", "demo", "--dir", &dir, "--start",
    ];
    with_leader_killed(group, cli, &run)?;
    let run_as = RunAs::owner_of(&data).context("the restored directory's owner")?;
    let mut stop = major(15).blocking_command("pg_ctl", run_as);
    must_run(stop.args(["stop", "-w", "-m", "fast", "-D"]).arg(&data));
    std::fs::remove_dir_all(&data).context("remove the second restore")
}

/// Runs a command of the CLI and shows it with what it prints.
fn show(cli: &Cli, arguments: &[&str]) -> Result<()> {
    println!("  $ holdfast {}", arguments.join(" "));
    let ran = cli.run(arguments);
    for line in ran.stdout.lines() {
        println!("    {line}");
    }
    ensure!(
        ran.code == 0,
        "holdfast {} exits {}: {}",
        arguments.join(" "),
        ran.code,
        ran.stderr
    );
    Ok(())
}
