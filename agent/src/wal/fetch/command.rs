//! The command itself: ask, write, and never let PostgreSQL mistake a failure
//! for the end of WAL.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_types::{Failure, Name, Span, WalSegment};
use tokio::time::Instant;

use super::guard::{self, RestoredCopy};
use super::lookup::{End, Found, WalName, look_up_with};
use super::place::{Place, config_here};
use super::prefetch::Prefetch;
use super::{FetchAnswer, FetchConfig, FetchQuestion};
use crate::failure;
use crate::file::write_atomically;
use crate::socket::{self, CallError};
use crate::wal::backoff::Backoff;

/// The least that one look is given, even at the end of the patience.
const ONE_LOOK: Duration = Duration::from_secs(30);

/// How long this process may fetch ahead, once the file is in place.
const ALL_AHEAD: Duration = Duration::from_secs(20);

/// What `wal-fetch` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct FetchArgs {
    /// The file PostgreSQL wants: %f of restore_command
    pub name: String,
    /// Where it is to be put: %p of restore_command
    pub destination: PathBuf,
    /// How long anything but "absent" is tried again
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub retry_for: Span,
    /// The cluster, when the data directory does not tell
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<Name>,
    /// Read the repository without asking an agent
    #[arg(long, requires = "repo", requires = "key_file")]
    pub direct: bool,
    /// URL of the repository
    #[arg(
        long,
        value_name = "URL",
        requires = "direct",
        conflicts_with = "config"
    )]
    pub repo: Option<String>,
    /// File with the key of the repository
    #[arg(long, value_name = "FILE", requires = "direct")]
    pub key_file: Option<PathBuf>,
    /// Without an agent: where segments that follow are kept until they are
    /// asked for; `.holdfast` in the data directory when not given
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,
    /// Settings that a restore has written; nothing else is needed then
    #[arg(long, value_name = "FILE", conflicts_with = "direct")]
    pub config: Option<PathBuf>,
    /// The agent's directory, which holds its socket
    #[arg(
        long,
        value_name = "DIR",
        env = "HOLDFAST_DATA",
        default_value = "/var/lib/holdfast-agent"
    )]
    pub data: PathBuf,
}

/// How the command ends. The numbers are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchExit {
    /// The file is there.
    Found = 0,
    /// The repository does not have it: PostgreSQL's end of WAL.
    Absent = 1,
    /// Nothing is known: PostgreSQL must stop and not go on.
    Failed = 130,
}

impl From<FetchExit> for ExitCode {
    fn from(exit: FetchExit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs `wal-fetch`. What goes wrong is told on stderr, which PostgreSQL logs.
pub async fn fetch_command(args: FetchArgs) -> FetchExit {
    // A panic would end the process with 101, which PostgreSQL takes for the
    // end of WAL.
    let run = tokio::spawn(async move { run(&args).await });
    match run.await {
        Ok(Ok(exit)) => exit,
        Ok(Err(failure)) => {
            eprintln!("wal-fetch: {failure}");
            FetchExit::Failed
        }
        Err(error) => {
            eprintln!("wal-fetch: {error}");
            FetchExit::Failed
        }
    }
}

/// Where to ask.
enum Asked {
    Agent {
        socket: PathBuf,
        question: FetchQuestion,
    },
    Repository {
        place: Place,
        name: WalName,
        spool: Option<PathBuf>,
        /// A restored copy.
        copy: Option<RestoredCopy>,
    },
}

/// What the one who was asked says.
enum Looked {
    Found(Found),
    /// It is there, and this server must not have it.
    Refused(Failure),
}

async fn run(args: &FetchArgs) -> Result<FetchExit, Failure> {
    let asked = asked(args)?;
    let deadline = Instant::now() + args.retry_for.get();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut ahead = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let looked = tokio::time::timeout(left.max(ONE_LOOK), asked.look(&mut ahead)).await;
        let failure = match looked.unwrap_or_else(|_| Err(timed_out())) {
            Ok(Looked::Refused(failure)) => return Err(failure),
            Ok(Looked::Found(Found::Absent)) => return Ok(FetchExit::Absent),
            Ok(Looked::Found(Found::File(bytes))) => match put(&args.destination, bytes).await {
                Ok(()) => {
                    if let Some((prefetch, segment)) = ahead {
                        fetch_ahead(&prefetch, segment).await;
                    }
                    return Ok(FetchExit::Found);
                }
                Err(failure) => failure,
            },
            Err(failure) => failure,
        };
        let pause = backoff.pause();
        if Instant::now() + pause >= deadline {
            return Err(failure);
        }
        eprintln!("wal-fetch: {failure}; trying again");
        tokio::time::sleep(pause).await;
    }
}

fn asked(args: &FetchArgs) -> Result<Asked, Failure> {
    let name: WalName = args.name.parse().map_err(|error| {
        let hint = "PostgreSQL puts the name where restore_command has %f";
        Failure::permanent("wal_name_invalid", format!("{error}"), hint)
    })?;
    let spool = args.spool.clone().or_else(spool_here);
    let here = || args.cluster.is_none().then(config_here).flatten();
    let config = args
        .config
        .clone()
        .or_else(|| if args.direct { None } else { here() });
    if let Some(path) = config {
        // It lies in `.holdfast` of the directory that was restored.
        let config = FetchConfig::read(&path)?;
        let path = std::path::absolute(&path).unwrap_or(path);
        let data_dir = path.parent().and_then(Path::parent);
        let copy = data_dir.map(|data_dir| RestoredCopy {
            data_dir: data_dir.to_owned(),
            replay_to: config.replay_to,
        });
        return Ok(Asked::Repository {
            place: Place::Config(config),
            name,
            spool,
            copy,
        });
    }
    if let (Some(url), Some(key_file)) = (&args.repo, &args.key_file) {
        let (url, key_file) = (url.clone(), key_file.clone());
        let place = Place::Named {
            url,
            key_file,
            cluster: args.cluster.clone(),
        };
        return Ok(Asked::Repository {
            place,
            name,
            spool,
            copy: None,
        });
    }
    let question = FetchQuestion {
        name: args.name.clone(),
        cluster: args.cluster.clone(),
        directory: env::current_dir().ok(),
    };
    Ok(Asked::Agent {
        socket: args.data.join("agent.sock"),
        question,
    })
}

/// What to fetch once the file is in place, and behind which segment.
type Ahead = (Arc<Prefetch>, WalSegment);

/// Without an agent nobody fetches ahead but this process, before it ends: a
/// few at once, so that the calls that follow end at once.
async fn fetch_ahead(prefetch: &Arc<Prefetch>, segment: WalSegment) {
    if !prefetch.has_next(segment) {
        // What is not there in time, the next call fetches.
        let _ = tokio::time::timeout(ALL_AHEAD, prefetch.fill(segment)).await;
    }
}

/// `.holdfast` in the data directory that PostgreSQL runs its command in.
fn spool_here() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let is_data_directory = here.join("PG_VERSION").exists() && here.join("pg_wal").exists();
    is_data_directory.then(|| here.join(".holdfast"))
}

impl Asked {
    async fn look(&self, ahead: &mut Option<Ahead>) -> Result<Looked, Failure> {
        match self {
            Self::Repository {
                place,
                name,
                spool,
                copy,
            } => {
                let lineage = place.open().await?;
                let prefetch = spool.as_ref().map(|spool| Prefetch::new(spool, &lineage));
                let end = match place {
                    Place::Config(_) => End::Planned,
                    Place::Named { .. } => End::Unknown,
                };
                let found = look_up_with(&lineage, name, prefetch.as_deref(), end).await;
                let found = found.map_err(|error| failure::of_repository(&error))?;
                if let (Found::File(bytes), Some(copy)) = (&found, copy) {
                    let refused = guard::check(&lineage, name, bytes, copy).await;
                    let refused = refused.map_err(|error| failure::of_repository(&error))?;
                    if let Some(failure) = refused {
                        return Ok(Looked::Refused(failure));
                    }
                }
                *ahead = prefetch.zip(name.segment(&lineage));
                Ok(Looked::Found(found))
            }
            Self::Agent { socket, question } => {
                let reply = socket::call::<_, FetchAnswer>(socket, question).await;
                let reply = reply.map_err(|error: CallError| error.failure())?;
                Ok(Looked::Found(match reply.answer {
                    FetchAnswer::Found => Found::File(reply.body),
                    FetchAnswer::Absent => Found::Absent,
                }))
            }
        }
    }
}

/// Whole and durable, or not there: PostgreSQL may crash right after.
async fn put(destination: &Path, bytes: Bytes) -> Result<(), Failure> {
    let path = destination.to_path_buf();
    let written = tokio::task::spawn_blocking(move || write_atomically(&path, &bytes, 0o600)).await;
    let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    written.map_err(|error| {
        Failure::transient(
            "wal_not_written",
            format!("{} cannot be written: {error}", destination.display()),
            "check the volume's space and the directory's owner",
        )
    })
}

fn timed_out() -> Failure {
    Failure::transient(
        "wal_fetch_timed_out",
        "there was no answer in time",
        "check the repository and the network; nothing is known about the file",
    )
}
