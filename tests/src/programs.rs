//! The programs under test, as cargo built them.

use std::env;
use std::path::PathBuf;

/// Which programs a node or an agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// Those under test.
    #[default]
    Current,
    /// Those of the previous wire format, which `deploy/dev/previous` built.
    Previous,
}

impl Release {
    /// The path of one of its programs.
    ///
    /// # Panics
    /// When it has not been built.
    pub fn program(self, name: &str) -> PathBuf {
        match self {
            Self::Current => program(name),
            Self::Previous => previous(name),
        }
    }
}

fn previous(name: &str) -> PathBuf {
    let me = env::current_exe().expect("a process has a program");
    let places = me.ancestors().skip(1).take(4);
    let found = places
        .map(|folder| folder.join("previous/bin").join(name))
        .find(|path| path.is_file());
    let found =
        found.unwrap_or_else(|| panic!("no previous {name}: run deploy/dev/previous first"));
    holdfast_pg::testkit::reachable(&found)
}

/// The path of one of our programs: they lie beside the test's own folder, or
/// where PostgreSQL's user can run them too.
///
/// # Panics
/// When it has not been built.
pub fn program(name: &str) -> PathBuf {
    let me = env::current_exe().expect("a process has a program");
    let folders = me.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    let found = found.unwrap_or_else(|| panic!("{name} is not built: run `make build` first"));
    holdfast_pg::testkit::reachable(&found)
}
