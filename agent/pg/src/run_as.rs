//! As whom a program runs: the owner of a data directory.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::binaries::Error;

/// As whom a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    uid: u32,
    gid: u32,
    drops: bool,
    known: bool,
}

impl RunAs {
    /// The owner of an existing data directory.
    pub fn owner_of(directory: &Path) -> Result<Self, Error> {
        let look = |source| Error::Look {
            path: directory.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(directory).map_err(look)?;
        let (owner, ours) = (metadata.uid(), rustix::process::geteuid().as_raw());
        let path = || directory.to_owned();
        if owner == 0 {
            return Err(Error::OwnedByRoot { path: path() });
        }
        if owner != ours && ours != 0 {
            return Err(Error::OwnedByOther {
                path: path(),
                owner,
                ours,
            });
        }
        let drops = owner != ours;
        Ok(Self {
            uid: owner,
            gid: metadata.gid(),
            drops,
            known: drops && is_known(owner),
        })
    }

    /// For a data directory that is still to be made: the owner of the
    /// nearest directory above it that exists.
    pub fn for_new(directory: &Path) -> Result<Self, Error> {
        let mut above = directory.ancestors().skip(1);
        let existing = above.find(|place| !place.as_os_str().is_empty() && place.is_dir());
        Self::owner_of(existing.unwrap_or(Path::new("/")))
    }

    /// PostgreSQL's usual user, `postgres`, for those who are root and have no
    /// directory that says more. `None` when we are not root or there is no
    /// such user.
    pub fn postgres() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let output = Command::new("getent")
            .args(["passwd", "postgres"])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        // "postgres:x:112:120:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash"
        let line = String::from_utf8(output.stdout).ok()?;
        let mut fields = line.trim_end().split(':').skip(2);
        let uid = fields.next()?.parse().ok().filter(|uid| *uid != 0)?;
        Some(Self {
            uid,
            gid: fields.next()?.parse().ok()?,
            drops: true,
            known: true,
        })
    }

    /// The user's number, for files that are made on its behalf.
    pub const fn uid(self) -> u32 {
        self.uid
    }

    /// The group's number.
    pub const fn gid(self) -> u32 {
        self.gid
    }

    /// A command that runs `program` as this user.
    pub fn command(self, program: &Path) -> Command {
        let mut command = if self.drops {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={}", self.uid))
                .arg(format!("--regid={}", self.gid));
            // A number without a name, as in containers, has no groups.
            command.arg(if self.known {
                "--init-groups"
            } else {
                "--clear-groups"
            });
            command.arg("--").arg(program);
            for variable in ["HOME", "USER", "LOGNAME", "MAIL", "XDG_RUNTIME_DIR"] {
                command.env_remove(variable);
            }
            command
        } else {
            Command::new(program)
        };
        // PGDATA, PGOPTIONS, PGPASSFILE …: nothing of our environment decides
        // which server a program talks to.
        for (name, _) in std::env::vars_os() {
            if is_libpq_variable(&name) {
                command.env_remove(name);
            }
        }
        command.env_remove("LC_ALL").env("LC_MESSAGES", "C");
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

fn is_libpq_variable(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"PG")
}

/// Whether the system knows a name for that user; asked once per command
/// builder, through the name service and not only /etc/passwd.
fn is_known(uid: u32) -> bool {
    Command::new("getent")
        .args(["passwd", &uid.to_string()])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
