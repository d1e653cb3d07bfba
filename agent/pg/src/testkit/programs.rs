//! Which PostgreSQL the tests run on.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::Programs;

/// PostgreSQL `number`: from `HOLDFAST_TEST_PG<number>_BIN`, or for 15
/// Debian's place, for 18 the developers' place. `None` when it is not there.
fn find(number: u32) -> Option<Programs> {
    let set = std::env::var_os(format!("HOLDFAST_TEST_PG{number}_BIN")).map(PathBuf::from);
    let usual = format!("/opt/holdfast-dev/pg/{number}/bin");
    let debian = format!("/usr/lib/postgresql/{number}/bin");
    let places = set
        .into_iter()
        .chain([PathBuf::from(debian), PathBuf::from(usual)]);
    let mut found = places.filter_map(|place| Programs::in_directory(&place).ok());
    found.find(|programs| programs.major() == number)
}

/// PostgreSQL `number`, which the tests cannot do without (15 and 18).
pub fn major(number: u32) -> Programs {
    find(number).unwrap_or_else(|| {
        panic!("the tests need PostgreSQL {number}: set HOLDFAST_TEST_PG{number}_BIN")
    })
}

/// Every PostgreSQL to test on: 15 and 18 always, others where they are.
pub fn all_majors() -> Vec<Programs> {
    let others = [14, 16, 17].into_iter().filter_map(find);
    let mut all: Vec<Programs> = [major(15), major(18)].into_iter().chain(others).collect();
    all.sort_by_key(Programs::major);
    all
}

/// Runs a command that must succeed; its standard output.
pub fn must_run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {said}");
    String::from_utf8(output.stdout).expect("programs speak UTF-8 in tests")
}

/// Gives a path to the user that servers run as.
pub(super) fn give_to_server_user(path: &Path) {
    if rustix::process::geteuid().is_root() {
        let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
        let line = passwd.lines().find(|line| line.starts_with("postgres:"));
        let mut numbers = line.expect("there is a user postgres").split(':').skip(2);
        let mut number = || numbers.next().and_then(|n| n.parse().ok());
        let (uid, gid) = (number(), number());
        std::os::unix::fs::chown(path, uid, gid).expect("root may give files away");
    }
}
