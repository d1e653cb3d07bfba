//! PostgreSQL's own programs: where they are and as whom they run.
//!
//! PostgreSQL refuses to run as root, and files it writes must belong to the
//! owner of the data directory. So a program that touches a data directory
//! runs as that owner: when we are root through `setpriv` with the owner's
//! supplementary groups (Debian's key file is readable by `ssl-cert` only).

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

pub use crate::run_as::RunAs;

/// Failures to find or run a program of PostgreSQL's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No programs of that major version anywhere.
    #[error("no programs of PostgreSQL {major} found; looked in {}", searched.join(", "))]
    NotFound {
        /// Which version.
        major: u32,
        /// Where we looked.
        searched: Vec<String>,
    },
    /// No client programs that can speak to a server of that major version.
    #[error(
        "no pg_dump, pg_dumpall and pg_restore of PostgreSQL {major} or later found ({}); looked in {}",
        if found.is_empty() { "none at all".to_owned() } else { format!("only {}", found.join(", ")) },
        searched.join(", ")
    )]
    ClientNotFound {
        /// The server's version.
        major: u32,
        /// The versions that are there.
        found: Vec<String>,
        /// Where we looked.
        searched: Vec<String>,
    },
    /// A program could not be run.
    #[error("cannot run {}", program.display())]
    Run {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A path cannot be looked at.
    #[error("cannot look at {}", path.display())]
    Look {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data directory belongs to root.
    #[error("{} belongs to root, and PostgreSQL refuses to run as root", path.display())]
    OwnedByRoot {
        /// Which.
        path: PathBuf,
    },
    /// The data directory belongs to somebody else and we are not root.
    #[error("{} belongs to user {owner}, and we run as user {ours}", path.display())]
    OwnedByOther {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        ours: u32,
    },
}

impl Error {
    /// A stable name of this kind of error, in snake case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "pg_programs_not_found",
            Self::ClientNotFound { .. } => "pg_client_not_found",
            Self::Run { .. } => "pg_program_failed",
            Self::Look { .. } => "pg_path_unreadable",
            Self::OwnedByRoot { .. } => "pg_directory_owned_by_root",
            Self::OwnedByOther { .. } => "pg_directory_owned_by_other",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { major, .. } => format!(
                "install PostgreSQL {major}, or name its directory in postgres.binDirs of agent.toml"
            ),
            Self::ClientNotFound { major, .. } => format!(
                "install the client programs of PostgreSQL {major} (Debian: postgresql-client-{major}), \
                 or name their directory in postgres.binDirs of agent.toml"
            ),
            Self::Run { .. } => "check that the program is whole and may be executed".to_owned(),
            Self::Look { .. } => "check the path and the agent's rights".to_owned(),
            Self::OwnedByRoot { path } => {
                format!(
                    "give it to PostgreSQL's user: chown postgres: {}",
                    path.display()
                )
            }
            Self::OwnedByOther { owner, .. } => {
                format!("run the agent as user {owner}, or as root")
            }
        }
    }
}

/// The programs of one PostgreSQL installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    directory: PathBuf,
    major: u32,
    version: String,
}

impl Programs {
    /// The programs of `major`: in `configured`, then where pg_config says,
    /// then in the distributions' usual places. It runs programs and waits
    /// for them, so asynchronous code calls it aside.
    pub fn find(major: u32, configured: &[PathBuf]) -> Result<Self, Error> {
        let places = places(configured);
        let found = places.iter().find_map(|place| {
            Self::in_directory(place)
                .ok()
                .filter(|programs| programs.major == major)
        });
        found.ok_or_else(|| Error::NotFound {
            major,
            searched: places
                .iter()
                .map(|place| place.display().to_string())
                .collect(),
        })
    }

    /// Every installation on this host, in the order of [`Self::find`].
    pub fn all(configured: &[PathBuf]) -> Vec<Self> {
        places(configured)
            .iter()
            .filter_map(|place| Self::in_directory(place).ok())
            .collect()
    }

    /// The programs in one directory, known by what `postgres` says of itself.
    pub fn in_directory(directory: &Path) -> Result<Self, Error> {
        let (major, version) = version_of(&directory.join("postgres"))?;
        Ok(Self {
            directory: directory.to_owned(),
            major,
            version,
        })
    }

    /// The major version.
    pub const fn major(&self) -> u32 {
        self.major
    }

    /// The full version, such as `15.20`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A command that runs `program` as `user`, with no input, from the root
    /// directory (ours may be closed to that user): use absolute paths.
    pub fn command(&self, program: &str, user: RunAs) -> tokio::process::Command {
        tokio::process::Command::from(self.blocking_command(program, user))
    }

    /// [`Self::command`] for code that may wait.
    pub fn blocking_command(&self, program: &str, user: RunAs) -> std::process::Command {
        user.command(&self.directory.join(program))
    }
}

/// The major and the full version that a program of PostgreSQL's says of itself.
pub(crate) fn version_of(program: &Path) -> Result<(u32, String), Error> {
    let failed = |source| Error::Run {
        program: program.to_owned(),
        source,
    };
    let output = std::process::Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    // "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text
        .split_once("(PostgreSQL) ")
        .map_or("", |(_, rest)| rest);
    let version = version
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let digits = version
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default();
    let major = digits.parse().map_err(|_| {
        failed(io::Error::new(
            io::ErrorKind::InvalidData,
            "it does not tell its version",
        ))
    })?;
    Ok((major, version))
}

/// Where programs may be, in the order of precedence.
pub(crate) fn places(configured: &[PathBuf]) -> Vec<PathBuf> {
    let mut places = configured.to_vec();
    let asked = std::process::Command::new("pg_config")
        .arg("--bindir")
        .output();
    if let Ok(output) = asked
        && output.status.success()
    {
        let directory = String::from_utf8_lossy(&output.stdout);
        places.push(PathBuf::from(directory.trim()));
    }
    // Debian's layout, then that of PostgreSQL's own packages for Red Hat.
    for (parent, prefix) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        let mut found: Vec<PathBuf> = std::fs::read_dir(parent)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let version = name.to_str().and_then(|name| name.strip_prefix(prefix));
                version.is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
            })
            .map(|entry| entry.path().join("bin"))
            .collect();
        found.sort();
        places.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}
