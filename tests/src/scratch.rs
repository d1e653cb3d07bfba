//! A folder that PostgreSQL's user can reach too.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A temporary folder. Servers do not run as root, so when tests do, what lies
/// in it is handed to the user `postgres` where a server must write.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
}

impl Scratch {
    /// A new, empty folder.
    ///
    /// # Panics
    /// When none can be made.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("holdfast-").tempdir();
        let folder = folder.expect("a temporary folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        Self { folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new folder in it that belongs to whoever runs PostgreSQL.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn server_folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).expect("a folder");
        if let Some((uid, gid)) = server_user() {
            chown(&path, Some(uid), Some(gid)).expect("hand it to postgres");
        }
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// The user and group that PostgreSQL runs as, when that is not us.
///
/// # Panics
/// When we are root and there is no user `postgres`.
pub fn server_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line
        .expect("the user postgres: run deploy/dev/install")
        .split(':')
        .skip(2);
    let mut next = || fields.next().and_then(|field| field.parse().ok());
    Some((next().expect("its uid"), next().expect("its gid")))
}
