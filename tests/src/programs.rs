//! The programs under test, as cargo built them.

use std::env;
use std::path::PathBuf;

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
