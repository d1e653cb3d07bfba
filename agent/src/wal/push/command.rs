//! The command itself: ask the agent, or store the file here, and say so only
//! when it is durable.
//!
//! PostgreSQL tries a command that fails again, three times and then every
//! minute, and keeps the file; so this one waits for one attempt and no more.
//! Ended by a signal, it dies of the signal: the shell then reports a code
//! above 125, and PostgreSQL ends its archiver as it should when it is being
//! shut down, instead of trying again (pitfall 16).

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use holdfast_types::{Failure, Name, Span};

use super::failure::{is_refusal, timed_out};
use super::{PushAnswer, PushName, PushQuestion, direct};
use crate::socket::{self, CallError};

/// What `wal-push` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct PushArgs {
    /// The file to store: %p of archive_command
    pub path: PathBuf,
    /// How long the repository may take
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub timeout: Span,
    /// The cluster, when the data directory does not tell
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<Name>,
    /// Store into the repository without asking an agent
    #[arg(long, requires = "repo", requires = "key_file")]
    pub direct: bool,
    /// URL of the repository
    #[arg(long, value_name = "URL", requires = "direct")]
    pub repo: Option<String>,
    /// File with the key of the repository
    #[arg(long, value_name = "FILE", requires = "direct")]
    pub key_file: Option<PathBuf>,
    /// With --direct: where it is noted what was stored ahead; `.holdfast` in
    /// the data directory when not given
    #[arg(long, value_name = "DIR", requires = "direct")]
    pub spool: Option<PathBuf>,
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
pub enum PushExit {
    /// The repository holds the file durably.
    Durable = 0,
    /// It does not, or nobody knows: PostgreSQL tries again.
    Failed = 1,
    /// It was refused: somebody must act.
    Refused = 4,
}

impl From<PushExit> for ExitCode {
    fn from(exit: PushExit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs `wal-push`. What goes wrong is told on stderr, which PostgreSQL logs.
pub async fn push_command(args: PushArgs) -> PushExit {
    let pushed = match tokio::time::timeout(args.timeout.get(), push(&args)).await {
        Ok(pushed) => pushed,
        Err(_) => Err(timed_out()),
    };
    match pushed {
        Ok(()) => PushExit::Durable,
        Err(failure) => {
            eprintln!("wal-push: {failure}");
            match is_refusal(&failure) {
                true => PushExit::Refused,
                false => PushExit::Failed,
            }
        }
    }
}

/// The file, and the data directory that it belongs to.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) name: PushName,
    pub(super) data_directory: PathBuf,
}

async fn push(args: &PushArgs) -> Result<(), Failure> {
    let here = env::current_dir().map_err(|error| bad_path(&args.path, &error.to_string()))?;
    let asked = asked(&here, &args.path)?;
    if let (Some(url), Some(key_file)) = (&args.repo, &args.key_file) {
        let to = direct::To {
            url: url.clone(),
            key_file: key_file.clone(),
            cluster: args.cluster.clone(),
            spool: args.spool.clone(),
        };
        return direct::push(&asked, &to).await;
    }
    let question = PushQuestion {
        push: asked.name.to_string(),
        cluster: args.cluster.clone(),
        directory: asked.data_directory,
    };
    let socket = args.data.join("agent.sock");
    let reply = socket::call::<_, PushAnswer>(&socket, &question).await;
    let reply = reply.map_err(|error: CallError| error.failure())?;
    match reply.answer {
        PushAnswer::Durable => Ok(()),
    }
}

/// What `path` means where the command runs. PostgreSQL says `pg_wal/NAME` and
/// runs its command in the data directory; `pg_wal` itself may be a link.
fn asked(here: &Path, path: &Path) -> Result<Asked, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name: PushName = name
        .unwrap_or_default()
        .parse()
        .map_err(|error| bad_path(path, &format!("{error}")))?;
    let absolute = here.join(path);
    let pg_wal = absolute
        .parent()
        .filter(|parent| parent.ends_with("pg_wal"));
    let data_directory = pg_wal
        .and_then(Path::parent)
        .ok_or_else(|| bad_path(path, "it does not lie in the pg_wal of a data directory"))?;
    let data_directory = data_directory
        .canonicalize()
        .map_err(|error| bad_path(path, &error.to_string()))?;
    Ok(Asked {
        name,
        data_directory,
    })
}

fn bad_path(path: &Path, why: &str) -> Failure {
    Failure::permanent(
        "wal_path_foreign",
        format!("{} cannot be archived: {why}", path.display()),
        "archive_command is `holdfast-agent wal-push %p`; PostgreSQL puts the path where %p is",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Pitfall 14
    #[test]
    fn the_path_says_which_data_directory() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("odd = [name] \\#");
        std::fs::create_dir_all(data.join("pg_wal")).unwrap();
        let here = data.canonicalize().unwrap();
        let segment = "000000010000000000000003";
        for path in [
            format!("pg_wal/{segment}"),
            format!("{}/pg_wal/{segment}", data.display()),
        ] {
            let asked = asked(&here, Path::new(&path)).unwrap();
            assert_eq!(
                (asked.name.to_string(), asked.data_directory),
                (segment.to_owned(), here.clone())
            );
        }
        for bad in [
            "pg_wal/x",
            segment,
            "base/1/000000010000000000000003",
            "pg_wal",
        ] {
            assert_eq!(
                asked(&here, Path::new(bad)).unwrap_err().code,
                "wal_path_foreign",
                "{bad}"
            );
        }
    }
}
