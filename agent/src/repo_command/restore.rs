//! `repo restore`: the very plan and the very jobs that an agent runs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use holdfast_proto::{JobOutcome, PlanRequest, RestoreWork};
use holdfast_types::{
    BackupId, Failure, JobId, Name, PlannedTablespace, RestorePlan, RestoreRequest, RestoreTarget,
    TargetAction, parse_tablespace_mapping,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::archive::Archive;
use super::open::{Place, of_failure};
use super::output::{print_json, print_text, size};
use crate::command_error::CommandError;
use crate::host::{Host, HostConfig, PostgresConfig};
use crate::job::restore::Layout;
use crate::job::{JobContext, restore};

/// What `repo restore` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    place: Place,
    /// The cluster to restore
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Name,
    /// Where to end: latest, an RFC 3339 time with offset, lsn:X, xid:N, name:S,
    /// immediate or backup:ID
    #[arg(long, value_name = "TARGET")]
    pub(super) at: RestoreTarget,
    /// End before the target itself
    #[arg(long)]
    exclusive: bool,
    /// The new data directory, or where the files of a dump go; it must be
    /// empty or not there yet, unless --delta is given
    #[arg(long, value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// Start PostgreSQL, wait until it reached the target, leave it running
    #[arg(long)]
    pub(super) start: bool,
    /// The port it is to listen on; a free one when it is not said
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// A setting for the restored server; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_setting)]
    settings: Vec<(String, String)>,
    /// What PostgreSQL does at the target; standby: it goes on replaying, from the
    /// repository or whom `--set primary_conninfo=…` names
    #[arg(long, value_name = "promote|pause|standby", default_value = "promote")]
    action: TargetAction,
    /// Where a tablespace goes, by where it was or by its name; `pg_wal=NEW`
    /// makes pg_wal a link; may be repeated
    #[arg(long = "tablespace-map", value_name = "OLD=NEW", value_parser = parse_tablespace_mapping)]
    tablespace_map: Vec<(String, String)>,
    /// plain: a directory that PostgreSQL starts in; tar: DIR/base.tar, which makes
    /// one where it is extracted, with DIR/OID.tar for each tablespace; of a dump,
    /// DIR/dump.tar
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: RestoreFormat,
    /// Write over what is in the directory: what is the same stays, what differs is
    /// written, what the backup does not have is removed
    #[arg(long)]
    pub(super) delta: bool,
    /// With --delta: also over a data directory that Holdfast did not restore, or
    /// one of another system
    #[arg(long, requires = "delta")]
    force: bool,
    /// Show the plan and do nothing
    #[arg(long)]
    pub(super) plan: bool,
    /// Directory that holds PostgreSQL's programs; may be repeated
    #[arg(long = "bin-dir", value_name = "DIR")]
    bin_dirs: Vec<PathBuf>,
}

/// What is made of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum RestoreFormat {
    /// A directory.
    #[default]
    Plain,
    /// An archive of it.
    Tar,
}

impl RestoreArgs {
    /// The archive that is asked for.
    fn archive(&self) -> Result<Option<Archive>, CommandError> {
        match self.format {
            RestoreFormat::Plain => Ok(None),
            RestoreFormat::Tar => Archive::new(&self.dir, (self.start, self.delta)).map(Some),
        }
    }

    /// Whether it is to be one file.
    pub(super) fn is_archive(&self) -> bool {
        self.format == RestoreFormat::Tar
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    fn request(&self) -> Result<RestoreRequest, CommandError> {
        let dir = self.dir.to_str().ok_or_else(|| {
            CommandError::usage(Failure::permanent(
                "dir_not_absolute",
                format!("{} is not text", self.dir.display()),
                "give a directory whose path is UTF-8",
            ))
        })?;
        Ok(RestoreRequest {
            cluster: self.cluster.clone(),
            at: self.at.clone(),
            exclusive: self.exclusive,
            agent: "offline".parse().expect("it is a name"),
            dir: dir.to_owned(),
            repository: None,
            start: self.start,
            port: self.port,
            set: self.settings.iter().cloned().collect::<BTreeMap<_, _>>(),
            action: self.action,
            tablespace_map: self.tablespace_map()?,
            delta: self.delta,
            force: self.force,
            // An agent makes them, for a control plane that keeps what they showed.
            checks: Vec::new(),
            hooks: Vec::new(),
        })
    }

    /// One place is said once: of two, neither may be taken for the other.
    fn tablespace_map(&self) -> Result<BTreeMap<String, String>, CommandError> {
        let mut map = BTreeMap::new();
        for (old, new) in &self.tablespace_map {
            if map.insert(old.clone(), new.clone()).is_some() {
                return Err(CommandError::usage(Failure::permanent(
                    "tablespace_map_invalid",
                    format!("--tablespace-map names {old} twice"),
                    "give each tablespace one place",
                )));
            }
        }
        Ok(map)
    }
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

/// This host, without an agent's configuration.
fn host(args: &RestoreArgs, scratch: &Scratch) -> Result<Host, CommandError> {
    let postgres = PostgresConfig {
        bin_dirs: args.bin_dirs.clone(),
    };
    let config = HostConfig {
        postgres,
        ..HostConfig::default()
    };
    Host::new(&scratch.0, config).map_err(|error| {
        CommandError::failed(Failure::permanent(
            "own_program_unknown",
            format!("the path of this program cannot be found: {error}"),
            "run it by its whole path",
        ))
    })
}

/// Plans and restores.
pub(super) async fn run(mut args: RestoreArgs) -> Result<ExitCode, CommandError> {
    let archive = args.archive()?;
    let scratch = Scratch::new().map_err(|error| no_scratch(&error))?;
    let host = host(&args, &scratch)?;
    if let Some(done) = super::dump::extract(&args).await? {
        return Ok(done);
    }
    if let Some(archive) = &archive {
        archive.staged().clone_into(&mut args.dir);
    }
    let request = args.request()?;
    let access = args.place.access()?;
    let question = PlanRequest {
        request_id: 0,
        repository: access.clone(),
        request: request.clone(),
        frontier: None,
        traceparent: None,
    };
    let layout = match &archive {
        Some(_) => Layout::Staged,
        None => Layout::InPlace,
    };
    let plan = restore::plan_in(layout, question, &host);
    let plan = plan.await.map_err(of_failure)?;
    let json = args.place.is_json();
    if let Some(archive) = &archive {
        archive.check(&plan)?;
    }
    if args.plan {
        return show(&plan, json);
    }
    if let Some(problem) = plan.problems.first() {
        return Err(CommandError::refused(problem.clone()));
    }
    for warning in &plan.warnings {
        eprintln!("warning: {warning}");
    }
    let job = JobId::from_uuid(Uuid::now_v7());
    let (backup, tablespaces) = (plan.backup, plan.tablespaces.clone());
    let work = RestoreWork {
        job,
        repository: access,
        request,
        plan,
    };
    match execute((layout, work), &host, json).await {
        JobOutcome::Succeeded(success) => {
            let result = packed(success.result, archive, tablespaces).await?;
            succeeded(json, (job, backup), &result)
        }
        JobOutcome::Failed(failure) | JobOutcome::Interrupted(failure) => {
            Err(CommandError::failed(failure))
        }
        JobOutcome::Cancelled | JobOutcome::Superseded(_) => {
            Err(CommandError::failed(Failure::permanent(
                "cancelled",
                "the restore was ended by a signal",
                format!(
                    "delete {} before the next attempt, or go on with --delta",
                    args.dir.display()
                ),
            )))
        }
    }
}

fn no_scratch(error: &io::Error) -> CommandError {
    CommandError::failed(Failure::permanent(
        "scratch_directory",
        format!("no directory for temporary files: {error}"),
        "set TMPDIR to a directory that can be written",
    ))
}

/// The result, of the archive when one is asked for.
async fn packed(
    mut result: Value,
    archive: Option<Archive>,
    tablespaces: Vec<PlannedTablespace>,
) -> Result<Value, CommandError> {
    if let Some(archive) = archive {
        let packed = tokio::task::spawn_blocking(move || archive.pack(&tablespaces));
        let packed = packed.await.unwrap_or_else(|error| Err(died(&error)))?;
        result["dir"] = json!(packed.base.parent());
        result["archive"] = json!(packed.base);
        let tablespaces = packed.tablespaces.iter();
        let tablespaces: Vec<Value> = tablespaces
            .map(|(one, file)| {
                json!({"oid": one.oid, "name": one.name, "archive": file, "to": one.to})
            })
            .collect();
        result["tablespaces"] = json!(tablespaces);
    }
    Ok(result)
}

fn succeeded(
    json: bool,
    (job, backup): (JobId, BackupId),
    result: &Value,
) -> Result<ExitCode, CommandError> {
    if json {
        print_json(&json!({
            "job": job, "state": "succeeded", "backup": backup, "result": result,
        }))?;
    } else {
        print_text(&told(result))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn died(error: &tokio::task::JoinError) -> CommandError {
    CommandError::failed(crate::job::backup::thread_died(error))
}

/// Runs the job, tells people how far it is, and ends it on a signal.
async fn execute((layout, work): (Layout, RestoreWork), host: &Host, json: bool) -> JobOutcome {
    let cancel = CancellationToken::new();
    let cx = JobContext::new(cancel.clone());
    let told = (!json).then(|| tokio::spawn(tell(cx.clone())));
    let signals = tokio::spawn(async move {
        if ended_by_signal().await.is_ok() {
            cancel.cancel();
        }
    });
    let outcome = restore::run_in(layout, work, cx, host).await;
    signals.abort();
    if let Some(told) = told {
        told.abort();
    }
    outcome
}

pub(super) async fn ended_by_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}

/// Prints the job's log as it grows.
async fn tell(cx: JobContext) {
    let mut changes = cx.subscribe();
    let mut printed = 0;
    loop {
        let state = cx.state();
        let new = usize::try_from(state.lines - printed)
            .unwrap_or(usize::MAX)
            .min(state.log.len());
        for line in state.log.iter().skip(state.log.len() - new) {
            eprintln!("{line}");
        }
        printed = state.lines;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn told(result: &Value) -> String {
    let field = |name: &str| match result.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let mut text = format!(
        "restored into {}\nreached {} (last commit {}), timeline {}",
        field("dir"),
        field("reachedLsn"),
        field("reachedTime"),
        field("timeline")
    );
    if let Some(archive) = result.get("archive").and_then(Value::as_str) {
        text.push_str(&format!(
            "\npacked into {archive}: extract it into an empty directory of mode 0700"
        ));
    }
    for one in result["tablespaces"].as_array().into_iter().flatten() {
        let field = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
        text.push_str(&format!(
            "\ntablespace {} packed into {}: extract it into {}",
            field("name"),
            field("archive"),
            field("to")
        ));
    }
    if result.get("port").is_some_and(|port| !port.is_null()) {
        text.push_str(&format!(
            "\nruns on port {}, socket in {}",
            field("port"),
            field("socketDir")
        ));
    }
    text
}

fn show(plan: &RestorePlan, json: bool) -> Result<ExitCode, CommandError> {
    if json {
        print_json(plan)?;
    } else {
        let seconds = plan.estimated_seconds;
        print_text(&format!(
            "backup {} of {}, lineage {}\nWAL {} to {}, {} segments, timeline {}\nrecovers to {}\n\
             directory {}, to fetch {}, time {}",
            plan.backup,
            plan.backup_finished_at,
            plan.lineage,
            plan.wal.from_lsn,
            plan.wal.to_lsn,
            plan.wal.segments,
            plan.timeline,
            plan.recovers_to,
            size(plan.database_bytes),
            size(plan.fetch_bytes),
            seconds.map_or("not known yet".to_owned(), |seconds| format!(
                "about {seconds} s"
            )),
        ))?;
        if let Some(bytes) = plan.reuse_bytes {
            print_text(&format!(
                "up to {} of it are there already, and what is the same is not fetched",
                size(bytes)
            ))?;
        }
        for tablespace in &plan.tablespaces {
            print_text(&format!(
                "tablespace {} from {} to {}, {}",
                tablespace.name.as_deref().unwrap_or("-"),
                tablespace.from,
                tablespace.to,
                size(tablespace.bytes)
            ))?;
        }
        if let Some(directory) = &plan.wal_directory {
            print_text(&format!("pg_wal is a link to {directory}"))?;
        }
        for warning in &plan.warnings {
            eprintln!("warning: {warning}");
        }
        for problem in &plan.problems {
            eprintln!(
                "problem: {} [{}]; {}",
                problem.message, problem.code, problem.hint
            );
        }
    }
    Ok(if plan.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(4)
    })
}

/// A host without an agent keeps no state: what is written goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let name = format!("holdfast-{}", Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        if let Err(error) = std::fs::remove_dir_all(path) {
            tracing::debug!(%error, path = %path.display(), "temporary files are left");
        }
    }
}
