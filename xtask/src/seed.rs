//! A control plane of thousands of clusters, for looking at the console with.
//!
//! Clusters, policies and agents are declared as people declare them. Backups and WAL
//! are written straight into the state of the node, which is down then: so many by
//! command would take hours. The control plane is founded at the level before
//! compliance, and raised afterwards, so that it makes the facts of what it finds
//! itself. No agent runs: verdicts are those of a fleet whose agents are away.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use holdfast_tests::agent::try_enroll;
use holdfast_tests::cli::Cli;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use holdfast_tests::until::until;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

/// How the control plane is made.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// An empty folder, where its data directory `control-plane` comes to lie
    #[arg(long)]
    folder: PathBuf,
    /// How many
    #[arg(long, default_value_t = 10_000)]
    clusters: usize,
}

/// Holds the control plane back until facts can be made of what it has.
const BEFORE: (&str, &str) = ("HOLDFAST_NODE__FEATURE_LEVEL_MAX", "22");
/// Documents of one apply.
const DOCUMENTS: usize = 500;
/// Agents that share the clusters.
const AGENTS: usize = 20;
/// RPOs of the policies; clusters of another tier have none.
const TIERS: [(&str, &str); 4] = [
    ("platinum", "1m"),
    ("gold", "1h"),
    ("silver", "1d"),
    ("bronze", "30d"),
];
/// What databases are for, and so how clusters are called.
const SERVICES: [&str; 10] = [
    "orders", "billing", "search", "profile", "ledger", "catalog", "events", "stock", "mail",
    "quotes",
];
const LONG: Duration = Duration::from_secs(120);

/// Makes it, and leaves its data directory.
pub(crate) fn run(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.folder).context("the folder")?;
    let began = Instant::now();
    let mut node = ControlPlane::bootstrap_with(&options.folder, Addresses::any(), &[BEFORE]);
    let cli = node.cli();
    enrol(&node, &cli, &options.folder)?;
    apply(&cli, &frame());
    let clusters: Vec<Value> = (0..options.clusters).map(cluster).collect();
    for some in clusters.chunks(DOCUMENTS) {
        apply(&cli, some);
    }
    said(began, &format!("{} clusters declared", options.clusters));
    ensure!(node.process().stop().success(), "the node ended badly");
    let filled = fill(&node.data().join("raft"), options.clusters)?;
    said(began, &format!("{filled} backups written"));
    node.upgrade(BEFORE.0);
    node.wait_ready();
    // Ports are others now.
    let cli = node.cli();
    until("the newest level", LONG, || {
        let level = cli.json(["status"])["featureLevel"].clone();
        (level["current"] == level["newest"]).then_some(())
    });
    ensure!(node.process().stop().success(), "the node ended badly");
    said(began, "and judged");
    println!("holdfastd run --data {}", node.data().display());
    println!("login admin, password {}", node.admin_password());
    Ok(())
}

fn said(began: Instant, what: &str) {
    eprintln!("{:6.1} s  {what}", began.elapsed().as_secs_f64());
}

fn agent_name(number: usize) -> String {
    format!("host-{:02}", number % AGENTS)
}

/// A cluster names an agent that exists; none of them will connect.
fn enrol(node: &ControlPlane, cli: &Cli, folder: &Path) -> Result<()> {
    for number in 0..AGENTS {
        let token = cli.json(["agent", "token", "create"])["token"].clone();
        let token = token.as_str().context("a join token")?;
        let name = agent_name(number);
        let enrolled = try_enroll(&node.grpc(), token, &name, &folder.join(&name));
        let said = String::from_utf8_lossy(&enrolled.stderr).into_owned();
        ensure!(enrolled.status.success(), "{name}: {said}");
    }
    Ok(())
}

fn apply(cli: &Cli, documents: &[Value]) {
    // JSON is YAML.
    let documents: Vec<String> = documents.iter().map(Value::to_string).collect();
    cli.apply(&documents.join("\n---\n"));
}

fn document(kind: &str, metadata: &Value, spec: &Value) -> Value {
    json!({"apiVersion": "holdfast/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

/// Repositories, fleets and policies.
fn frame() -> Vec<Value> {
    let mut documents = Vec::new();
    for (tier, rpo) in TIERS {
        // Nobody opens it: only agents would.
        let url = format!("file:///nonexistent/{tier}");
        documents.push(document(
            "Repository",
            &json!({"name": tier}),
            &json!({"url": url}),
        ));
        let spec = json!({
            "selector": {"tier": tier},
            "objectives": {"rpo": rpo},
            "repository": tier,
        });
        documents.push(document("Policy", &json!({"name": tier}), &spec));
    }
    for service in SERVICES {
        documents.push(document("Fleet", &json!({"name": service}), &json!({})));
    }
    documents
}

/// Four tiers that policies select, and one that none does.
fn tier(number: usize) -> &'static str {
    let tier = number % 25;
    TIERS
        .get(tier % TIERS.len())
        .filter(|_| tier != 24)
        .map_or("none", |(tier, _)| tier)
}

fn cluster_name(number: usize) -> String {
    format!("{}-{number:05}", SERVICES[number % SERVICES.len()])
}

fn cluster(number: usize) -> Value {
    let metadata = json!({
        "name": cluster_name(number),
        "fleet": SERVICES[number % SERVICES.len()],
        "labels": {"tier": tier(number), "team": format!("team-{}", number % 40)},
    });
    let instance = json!({
        "agent": agent_name(number),
        "connection": format!("host=/run/postgresql/{number} port=5432 user=holdfast"),
    });
    document("Cluster", &metadata, &json!({"instances": [instance]}))
}

/// Five daily backups of every cluster with a policy, and WAL from the first of them
/// on; how many backups. How far behind the WAL is differs, by up to two hours for
/// most, and by days for one of thirty.
fn fill(raft: &Path, clusters: usize) -> Result<usize> {
    const DAY: i64 = 24 * 3600 * 1_000_000;
    const MINUTE: i64 = 60 * 1_000_000;
    let current = std::fs::read_to_string(raft.join("CURRENT")).context("CURRENT")?;
    let mut state = Connection::open(raft.join(current.trim_end()))?;
    let transaction = state.transaction()?;
    let now = jiff::Timestamp::now().as_microsecond();
    let mut filled = 0;
    for number in (0..clusters).filter(|number| tier(*number) != "none") {
        let name = cluster_name(number);
        let repository = tier(number);
        let number = i64::try_from(number)?;
        let lineage = format!("{}-1", 7_300_000_000_000_000_000 + number);
        let behind = match number % 30 {
            29 => DAY + (number % 7) * DAY,
            _ => (number * 37 % 120) * MINUTE,
        };
        let begin = |day: i64| now - behind - day * DAY - (number % 600) * MINUTE;
        let lsn = |at: i64| 16_777_216 + (at - begin(5)) / 1_000;
        for day in 0..5 {
            let id = number * 5 + day + 1;
            let (started, finished) = (begin(day), begin(day) + 4 * MINUTE);
            transaction.execute(
                "INSERT INTO backups VALUES (printf('bkp_%032x', ?1), printf('job_%032x', ?1), 1,
                 ?2, ?3, 'full', NULL, 'available', ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, 150018,
                 NULL, 1)",
                params![
                    id,
                    name,
                    repository,
                    lineage,
                    lsn(started),
                    lsn(finished),
                    started,
                    finished,
                    (number % 900 + 1) << 28,
                    (number % 900 + 1) << 26
                ],
            )?;
            filled += 1;
        }
        let place = params![name, repository, lineage, lsn(begin(5)), lsn(now - behind)];
        transaction.execute(
            "INSERT INTO wal_ranges VALUES (?1, ?2, ?3, 1, ?4, ?5)",
            place,
        )?;
        let reached = now - behind;
        let place = params![name, repository, lineage, lsn(reached), reached];
        transaction.execute(
            "INSERT INTO frontiers VALUES (?1, ?2, ?3, 1, ?4, ?5, ?5)",
            place,
        )?;
    }
    transaction.execute(
        "INSERT INTO backup_repositories
         SELECT id, repository, kind, state, started_at, finished_at FROM backups",
        [],
    )?;
    transaction.commit()?;
    // As the node would have it at its start.
    state.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
    Ok(filled)
}
