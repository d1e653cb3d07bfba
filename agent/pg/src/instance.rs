//! Starting, stopping and promoting a server that we own, such as a restored
//! copy, by `pg_ctl`.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use crate::binaries::{self, Programs, RunAs};

/// Enough of a log to show why a server did not start.
const LOG_TAIL: u64 = 4096;

/// Failures to control a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// As whom to run it, or how.
    #[error(transparent)]
    Programs(#[from] binaries::Error),
    /// pg_ctl could not be run.
    #[error("cannot run pg_ctl for {}", directory.display())]
    Run {
        /// The data directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server did not do what it was told.
    #[error("pg_ctl {verb} failed for {}: {said}", directory.display())]
    Failed {
        /// What it was told.
        verb: &'static str,
        /// The data directory.
        directory: PathBuf,
        /// pg_ctl's own words.
        said: String,
        /// The end of the server's log, as far as it was written now.
        log_tail: String,
    },
    /// `postmaster.pid` cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// A stable name of this kind of error, in snake case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Programs(error) => error.code(),
            Self::Run { .. } => "pg_program_failed",
            Self::Failed { .. } => "pg_control_failed",
            Self::Unreadable { .. } => "pg_path_unreadable",
        }
    }

    /// What to do about it: what the server itself said.
    pub fn hint(&self) -> String {
        match self {
            Self::Programs(error) => error.hint(),
            Self::Failed { log_tail, .. } if !log_tail.is_empty() => {
                format!("the server's log ends with: {}", log_tail.trim_end())
            }
            Self::Failed { .. } => "look at the server's log".to_owned(),
            Self::Run { .. } | Self::Unreadable { .. } => {
                "check the path and the agent's rights".to_owned()
            }
        }
    }
}

/// How a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Ends sessions, writes a checkpoint.
    Fast,
    /// At once; the next start recovers.
    Immediate,
}

/// How a server starts.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// Where its log goes; made if absent, appended to if not.
    pub log: PathBuf,
    /// Settings that override its files.
    pub settings: Vec<(String, String)>,
    /// How long it may take until it takes connections. Recovery counts.
    pub timeout: Duration,
}

/// What `postmaster.pid` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostmasterFile {
    /// The process.
    pub pid: u32,
    /// The port.
    pub port: Option<u16>,
    /// The first directory with a socket.
    pub socket_directory: Option<PathBuf>,
    /// `starting`, `stopping`, `ready` or `standby`.
    pub status: String,
}

impl PostmasterFile {
    /// Reads the content of the file; `None` when it names no process.
    pub fn parse(content: &str) -> Option<Self> {
        let line = |number: usize| content.lines().nth(number).map(str::trim);
        // A standalone backend writes its process negated.
        let pid = line(0)?
            .trim_start_matches('-')
            .parse()
            .ok()
            .filter(|&pid| pid != 0)?;
        let socket = line(4).filter(|directory| !directory.is_empty());
        Some(Self {
            pid,
            port: line(3).and_then(|port| port.parse().ok()),
            socket_directory: socket.map(PathBuf::from),
            status: line(7).unwrap_or_default().to_owned(),
        })
    }
}

/// A data directory and the programs that run it.
#[derive(Debug, Clone)]
pub struct Instance {
    programs: Programs,
    directory: PathBuf,
}

impl Instance {
    /// The server of the data directory at `directory`, an absolute path.
    pub fn new(programs: Programs, directory: impl Into<PathBuf>) -> Self {
        Self {
            programs,
            directory: directory.into(),
        }
    }

    /// The data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process that runs it: `postmaster.pid` names one, and it lives.
    /// A crashed server leaves the file behind.
    pub fn running(&self) -> Result<Option<PostmasterFile>, Error> {
        let path = self.directory.join("postmaster.pid");
        let content = match std::fs::read_to_string(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        Ok(PostmasterFile::parse(&content).filter(|file| is_postgres(file.pid)))
    }

    /// Starts the server and waits until it takes connections. On failure the
    /// error carries the end of what the server wrote to its log.
    pub async fn start(&self, options: &StartOptions) -> Result<(), Error> {
        let logged_before = std::fs::metadata(&options.log).map_or(0, |log| log.len());
        let settings = options.settings.iter().map(|(name, value)| {
            // pg_ctl hands its -o to a shell.
            format!("-c {}", shell_quote(&format!("{name}={value}")))
        });
        let settings = settings.collect::<Vec<_>>().join(" ");
        let mut arguments: Vec<OsString> = vec!["-l".into(), options.log.clone().into()];
        if !settings.is_empty() {
            arguments.extend(["-o".into(), settings.into()]);
        }
        let outcome = self.pg_ctl("start", options.timeout, &arguments).await;
        outcome.map_err(|error| match error {
            Error::Failed {
                verb,
                directory,
                said,
                log_tail: _,
            } => {
                let log_tail = tail_of(&options.log, logged_before);
                Error::Failed {
                    verb,
                    directory,
                    said,
                    log_tail,
                }
            }
            other => other,
        })
    }

    /// Stops the server and waits for its end; fine when it does not run.
    pub async fn stop(&self, mode: StopMode, timeout: Duration) -> Result<(), Error> {
        if self.running()?.is_none() {
            return Ok(());
        }
        let mode = match mode {
            StopMode::Fast => "fast",
            StopMode::Immediate => "immediate",
        };
        self.pg_ctl("stop", timeout, &["-m".into(), mode.into()])
            .await
    }

    /// Promotes a standby and waits until it is a primary.
    pub async fn promote(&self, timeout: Duration) -> Result<(), Error> {
        self.pg_ctl("promote", timeout, &[]).await
    }

    /// Makes the server read its configuration again.
    pub async fn reload(&self) -> Result<(), Error> {
        self.pg_ctl("reload", Duration::from_secs(10), &[]).await
    }

    async fn pg_ctl(
        &self,
        verb: &'static str,
        timeout: Duration,
        arguments: &[OsString],
    ) -> Result<(), Error> {
        let user = RunAs::owner_of(&self.directory)?;
        let mut command = self.programs.command("pg_ctl", user);
        command.arg(verb).arg("-D").arg(&self.directory);
        if verb != "reload" {
            command
                .arg("-w")
                .arg("-t")
                .arg(timeout.as_secs().max(1).to_string());
        }
        command.args(arguments);
        let directory = || self.directory.clone();
        let output = command.output().await;
        let output = output.map_err(|source| Error::Run {
            directory: directory(),
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        let mut said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if said.is_empty() {
            said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        }
        Err(Error::Failed {
            verb,
            directory: directory(),
            said,
            log_tail: String::new(),
        })
    }
}

/// Whether that process lives and is a PostgreSQL: after a reboot its number
/// may belong to anybody.
fn is_postgres(pid: u32) -> bool {
    let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    // Forbidden means that it lives and is not ours.
    let lives = matches!(
        test_kill_process(process),
        Ok(()) | Err(rustix::io::Errno::PERM)
    );
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    lives
        && name.map_or(true, |name| {
            name.starts_with("postgres") || name.starts_with("postmaster")
        })
}

/// `text` as one word of a POSIX shell.
fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The end of a log, at most what was written after its first `from` bytes.
fn tail_of(log: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_TAIL))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    // Without a log there is still what pg_ctl said.
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_postmaster_pid() {
        let content = "4711\n/data\n1700000000\n5433\n/run/postgresql\nlocalhost\n 1 2\nready   \n";
        let file = PostmasterFile::parse(content).unwrap();
        assert_eq!(
            (file.pid, file.port, file.status.as_str()),
            (4711, Some(5433), "ready")
        );
        assert_eq!(
            file.socket_directory.as_deref(),
            Some(Path::new("/run/postgresql"))
        );
        assert_eq!(PostmasterFile::parse(""), None);
        assert_eq!(PostmasterFile::parse("0\n"), None);
    }

    #[test]
    fn a_live_process_that_is_not_postgresql_does_not_count() {
        assert!(!is_postgres(std::process::id()));
        assert!(!is_postgres(u32::MAX));
    }

    #[test]
    fn shell_words_stay_one_word() {
        assert_eq!(shell_quote("a'b $(c)"), r"'a'\''b $(c)'");
    }
}
