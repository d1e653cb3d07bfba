//! A folder that PostgreSQL's user can reach too.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use holdfast_pg::testkit::give_to_server_user;
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
        give_to_server_user(&path);
        path
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
