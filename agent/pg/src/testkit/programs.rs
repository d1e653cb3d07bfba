//! Which PostgreSQL the tests run on.

use std::fs::Permissions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::{Programs, RunAs};

/// PostgreSQL `number`: from `HOLDFAST_TEST_PG<number>_BIN`, or Debian's place, or
/// the developers' place. `None` when it is not there.
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
///
/// `HOLDFAST_TEST_INSTEAD_OF_<number>` names another major version: the long
/// tests run everything on those too.
///
/// # Panics
/// When it is not there.
pub fn major(number: u32) -> Programs {
    let instead = std::env::var(format!("HOLDFAST_TEST_INSTEAD_OF_{number}")).ok();
    let number = instead.map_or(number, |text| {
        text.parse()
            .expect("HOLDFAST_TEST_INSTEAD_OF_… is a major version")
    });
    exactly(number)
}

fn exactly(number: u32) -> Programs {
    find(number).unwrap_or_else(|| {
        panic!("the tests need PostgreSQL {number}: set HOLDFAST_TEST_PG{number}_BIN")
    })
}

/// Every PostgreSQL to test on: 15 and 18; with `HOLDFAST_TEST_MAJORS=all` those
/// between and before too, each of which must be there.
///
/// # Panics
/// When one is not there.
pub fn all_majors() -> Vec<Programs> {
    let all = std::env::var_os("HOLDFAST_TEST_MAJORS").is_some_and(|which| which == "all");
    let majors: &[u32] = if all {
        &[14, 15, 16, 17, 18]
    } else {
        &[15, 18]
    };
    majors.iter().copied().map(exactly).collect()
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

/// As whom servers run when we are root: they refuse to run as root.
///
/// # Panics
/// When we are root and there is no user `postgres`.
pub fn server_user() -> Option<RunAs> {
    rustix::process::geteuid()
        .is_root()
        .then(|| RunAs::postgres().expect("the user postgres: run deploy/dev/install"))
}

/// Gives a path to the user that servers run as.
///
/// # Panics
/// When that is refused.
pub fn give_to_server_user(path: &Path) {
    if let Some(user) = server_user() {
        std::os::unix::fs::chown(path, Some(user.uid()), Some(user.gid()))
            .expect("root may give files away");
    }
}

/// One of our programs at a place where the servers' user can run it:
/// PostgreSQL runs it as `restore_command`, and root's own folders, where it
/// may have been built, are closed to others.
///
/// # Panics
/// When it cannot be linked or copied.
pub fn reachable(program: &Path) -> PathBuf {
    let open = |place: &Path| std::fs::metadata(place).is_ok_and(|it| it.mode() & 0o001 != 0);
    if server_user().is_none() || program.ancestors().all(open) {
        return program.to_owned();
    }
    let built = std::fs::metadata(program).expect("the program is built");
    // One folder for each checkout, so that nothing piles up.
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    let folder = std::env::temp_dir().join(format!("holdfast-built-{:x}", hasher.finish()));
    let name = program.file_name().expect("a program has a name");
    let place = folder.join(name);
    let of = |it: std::fs::Metadata| (it.len(), it.uid(), it.mtime(), it.mtime_nsec());
    if std::fs::metadata(&place).is_ok_and(|it| of(it) == of(built.clone())) {
        return place;
    }
    std::fs::create_dir_all(&folder).expect("a folder for the program");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("its mode");
    let unique = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let mine = folder.join(unique);
    if std::fs::hard_link(program, &mine).is_err() {
        std::fs::copy(program, &mine).expect("a copy of the program");
        let copy = std::fs::File::options().write(true).open(&mine);
        let modified = built.modified().expect("the system knows it");
        copy.and_then(|copy| copy.set_modified(modified))
            .expect("the time of the program");
    }
    std::fs::rename(&mine, &place).expect("its name");
    place
}
