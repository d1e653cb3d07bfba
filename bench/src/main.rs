//! `holdfast-bench`: one subcommand for each row, and a fleet to look at.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use holdfast_bench::process::raise_open_files;
use holdfast_bench::report::Desk;
use holdfast_bench::rows::{Stage, agents, backups, catalog, commands, failover, jobs, wal_push};
use holdfast_bench::show;

#[derive(Debug, Parser)]
#[command(about = "Benchmarks of Holdfast beside their peers")]
struct Cli {
    #[command(subcommand)]
    row: Row,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Where results go
    #[arg(long, global = true, default_value = "bench/results")]
    results: PathBuf,
    /// Where data goes while it runs; the system's temporary folder if not given
    #[arg(long, global = true)]
    scratch: Option<PathBuf>,
    /// The commit that was built
    #[arg(long, global = true, default_value = "unknown")]
    commit: String,
    /// When this is
    #[arg(long, global = true, default_value = "unknown")]
    date: String,
}

#[derive(Debug, Subcommand)]
enum Row {
    /// Committed commands per second, beside etcd
    Commands(commands::Options),
    /// Thousands of agents connected to three nodes
    Agents(agents::Options),
    /// Thousands of jobs due at the same moment
    Jobs(jobs::Options),
    /// The leader killed, to the first write that is accepted
    Failover(failover::Options),
    /// A simulated fleet to look at, until it is interrupted
    Fleet(show::Options),
    /// A catalog of a million backups
    Catalog(catalog::Options),
    /// Full and incremental backups and restores, beside pgBackRest
    Backups(backups::Options),
    /// Segments that are ready, archived beside pgBackRest
    WalPush(wal_push::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    raise_open_files()?;
    let desk = Desk {
        results: cli.common.results,
        commit: cli.common.commit,
        date: cli.common.date,
    };
    let below = cli.common.scratch.as_ref();
    if let Row::Catalog(options) = &cli.row {
        let (machine, measured) = catalog::measure(below, options).await?;
        return desk.write("catalog", &machine, &measured);
    }
    if let Row::WalPush(options) = &cli.row {
        let (machine, measured) = wal_push::measure(options).await?;
        return desk.write("wal-push", &machine, &measured);
    }
    if let Row::Backups(options) = &cli.row {
        let (machine, rows) = backups::measure(options).await?;
        for (name, measured) in &rows {
            desk.write(name, &machine, measured)?;
        }
        return Ok(());
    }
    let mut stage = Stage::found(below).await?;
    if let Row::Fleet(options) = &cli.row {
        return show::run(&stage, options).await;
    }
    let machine = stage.machine.clone();
    let (name, measured) = match &cli.row {
        Row::Commands(options) => ("commands", commands::measure(&mut stage, options).await?),
        Row::Agents(options) => ("agents", agents::measure(&mut stage, options).await?),
        Row::Jobs(options) => (options.name(), jobs::measure(&mut stage, options).await?),
        Row::Failover(options) => ("failover", failover::measure(&mut stage, options).await?),
        Row::Backups(_) | Row::Catalog(_) | Row::Fleet(_) | Row::WalPush(_) => {
            unreachable!("handled above")
        }
    };
    desk.write(name, &machine, &measured)
}
