//! PostgreSQL's client programs that dump and restore: which of those on this
//! host fit a server, and how they are started.
//!
//! A pg_dump that is older than its server refuses to work, and one that is
//! newer works. So the equal major version is taken where it is, the next
//! newer one otherwise, and none is a failure that names what there is.

use std::path::{Path, PathBuf};

use crate::ConnectionInfo;
use crate::binaries::{self, Error};

/// The programs that a dump needs.
const PROGRAMS: [&str; 3] = ["pg_dump", "pg_dumpall", "pg_restore"];

/// One installation of the client programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPrograms {
    directory: PathBuf,
    major: u32,
    version: String,
}

impl ClientPrograms {
    /// Those that fit a server of `major`: in `configured`, then where
    /// pg_config says, then in the distributions' usual places. It runs
    /// programs and waits for them, so asynchronous code calls it aside.
    pub fn for_server(major: u32, configured: &[PathBuf]) -> Result<Self, Error> {
        let places = binaries::places(configured);
        let found: Vec<Self> = places
            .iter()
            .filter_map(|place| Self::in_directory(place).ok())
            .collect();
        choose(&found, major)
            .cloned()
            .ok_or_else(|| Error::ClientNotFound {
                major,
                found: found.into_iter().map(|one| one.version).collect(),
                searched: places
                    .iter()
                    .map(|place| place.display().to_string())
                    .collect(),
            })
    }

    /// The programs in one directory, known by what `pg_dump` says of itself.
    pub fn in_directory(directory: &Path) -> Result<Self, Error> {
        for program in PROGRAMS {
            let path = directory.join(program);
            let look = |source| Error::Look {
                path: path.clone(),
                source,
            };
            std::fs::metadata(&path).map_err(look)?;
        }
        let (major, version) = binaries::version_of(&directory.join("pg_dump"))?;
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

    /// A command that runs `program` as we run, because the server may know a
    /// local user by the system (`peer`), and that is who connected before. It
    /// never asks for a password; the server is named by the caller.
    pub fn command(&self, program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(self.directory.join(program));
        // PGDATABASE, PGOPTIONS, PGSERVICE …: nothing of our environment
        // decides which server a program talks to, or how.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(name);
            }
        }
        command.env_remove("LC_ALL").env("LC_MESSAGES", "C");
        command.env("PGAPPNAME", "holdfast");
        command.current_dir("/").stdin(std::process::Stdio::null());
        command
    }

    /// The same, connecting to the database of `info`. The password goes by the
    /// environment of the process, which only its own user and root can read,
    /// and never by the command line (I-10).
    pub fn connecting(&self, program: &str, info: &ConnectionInfo) -> tokio::process::Command {
        let mut command = self.command(program);
        command.arg("--no-password");
        command.arg(format!("--dbname={}", info.conninfo()));
        let seconds = info.connect_timeout().as_secs().max(2);
        command.env("PGCONNECT_TIMEOUT", seconds.to_string());
        if let Some(password) = info.password() {
            command.env("PGPASSWORD", password.expose());
        }
        command
    }
}

/// The equal version, else the next newer one; of equals the first.
fn choose(found: &[ClientPrograms], major: u32) -> Option<&ClientPrograms> {
    let fits = found.iter().filter(|one| one.major >= major);
    fits.min_by_key(|one| one.major)
}

#[cfg(test)]
mod tests {
    use holdfast_types::Secret;

    use super::*;

    fn client(major: u32, directory: &str) -> ClientPrograms {
        ClientPrograms {
            directory: directory.into(),
            major,
            version: format!("{major}.1"),
        }
    }

    #[test]
    fn the_equal_version_is_preferred_and_an_older_one_never_taken() {
        let all = [
            client(18, "a"),
            client(16, "b"),
            client(16, "c"),
            client(14, "d"),
        ];
        let chosen = |major| choose(&all, major).map(|one| one.directory.to_str().unwrap());
        assert_eq!(chosen(16), Some("b"));
        assert_eq!(chosen(15), Some("b"));
        assert_eq!(chosen(17), Some("a"));
        assert_eq!(chosen(14), Some("d"));
        assert_eq!(chosen(19), None);
    }

    #[test]
    fn no_password_is_on_a_command_line() {
        let secret = Some(Secret::new("hunter2"));
        let info = ConnectionInfo::parse("host=db1 user=u", secret).unwrap();
        let command = client(15, "/x").connecting("pg_dump", &info);
        let command = command.as_std();
        let line: Vec<_> = command
            .get_args()
            .map(|arg| arg.to_str().unwrap())
            .collect();
        assert!(!line.join(" ").contains("hunter2"), "{line:?}");
        let given = command.get_envs().find(|(name, _)| *name == "PGPASSWORD");
        assert!(given.is_some_and(|(_, value)| value.is_some()));
    }
}
