//! The directory that a restore makes: what speaks against it, and making it.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use holdfast_pg::binaries::{self, RunAs};
use holdfast_types::{Failure, RestoreRequest};

use super::places::Places;
use super::{clear, occupied};

/// Our own directory in a restored one.
pub(super) const OURS: &str = ".holdfast";
/// The longest path of a Unix socket (`sockaddr_un`), its zero aside.
const SOCKET_PATH: usize = 107;
/// The name PostgreSQL gives a socket, with the longest port.
const SOCKET_NAME: &str = ".s.PGSQL.65535";
/// Beside the files: temporary files, WAL that is fetched while it replays.
const SLACK: u64 = 128 << 20;

/// What is to be in the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) bytes: u64,
    pub(super) places: &'a Places,
    pub(super) system_identifier: u64,
    /// PostgreSQL's release.
    pub(super) major: u32,
}

/// Everything that speaks against restoring into the directory of `request`,
/// which will hold what is wanted and fetch its WAL by `executable` from the
/// repository at `url`. Touches nothing.
pub(super) fn problems(
    request: &RestoreRequest,
    wanted: Wanted<'_>,
    (executable, url): (&Path, &str),
) -> Vec<Failure> {
    let (dir, places) = (Path::new(&request.dir), wanted.places);
    let mut problems = Vec::new();
    if let Err(failure) = check_path(dir).and_then(|()| check_place(dir, request.delta)) {
        problems.push(failure);
        return problems;
    }
    if request.delta {
        let asked = occupied::Asked {
            dir,
            force: request.force,
            system_identifier: wanted.system_identifier,
            major: wanted.major,
        };
        problems.extend(occupied::problems(asked, places));
    }
    match owner(dir) {
        Ok(owner) => problems.extend(check_fetch(owner, executable, url).err()),
        Err(error) => problems.push(of_programs(&error)),
    }
    for (what, place) in places.directories() {
        problems.extend(check_elsewhere(&what, place, request.delta).err());
    }
    problems.extend(check_spaces(dir, wanted.bytes, places, request.delta));
    if request.start {
        problems.extend(check_socket(dir).err());
        problems.extend(request.port.and_then(|port| check_port(port).err()));
    }
    problems
}

/// Refuses a directory that is not new, or too small for so many bytes (I-12).
pub(crate) fn check_new(dir: &Path, bytes: u64) -> Result<(), Failure> {
    check_path(dir)?;
    check_place(dir, false)?;
    check_space(dir, bytes)
}

fn check_path(dir: &Path) -> Result<(), Failure> {
    let plain = dir.components().all(|part| {
        matches!(
            part,
            std::path::Component::RootDir | std::path::Component::Normal(_)
        )
    });
    if dir.is_absolute() && plain && dir.parent().is_some() {
        return Ok(());
    }
    Err(Failure::permanent(
        "dir_not_absolute",
        format!("{} is not an absolute path without . and ..", dir.display()),
        "give the whole path of the new data directory",
    ))
}

/// Nothing is overwritten (I-12): the directory is not there, or is empty; what
/// is in the one of a delta is judged elsewhere.
fn check_place(dir: &Path, delta: bool) -> Result<(), Failure> {
    match fs::symlink_metadata(dir) {
        Ok(meta) if !meta.is_dir() => Err(Failure::permanent(
            "dir_not_a_directory",
            format!("{} is there and is not a directory", dir.display()),
            "give a directory that is empty or not there yet",
        )),
        Ok(_) => {
            let mut entries = fs::read_dir(dir).map_err(|error| unusable(dir, &error))?;
            match entries.next() {
                Some(_) if !delta => Err(Failure::permanent(
                    "dir_not_empty",
                    format!("{} is not empty", dir.display()),
                    "a restore never overwrites: give a directory that is empty or not there yet, \
                     or ask for a delta of one that Holdfast restored",
                )),
                _ => Ok(()),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => check_parent(dir),
        Err(error) => Err(unusable(dir, &error)),
    }
}

fn check_parent(dir: &Path) -> Result<(), Failure> {
    let parent = dir.parent().unwrap_or(Path::new("/"));
    if !parent.is_dir() {
        return Err(Failure::permanent(
            "dir_parent_missing",
            format!("{} is not a directory on this host", parent.display()),
            "make it, owned by PostgreSQL's user; check that it is this host you mean",
        ));
    }
    let writable = rustix::fs::access(parent, rustix::fs::Access::WRITE_OK);
    writable.map_err(|error| unusable(parent, &error.into()))
}

/// PostgreSQL fetches WAL as its own user, who may not be able to get to our
/// program or to the repository: recovery would wait for its first segment.
fn check_fetch(owner: RunAs, executable: &Path, url: &str) -> Result<(), Failure> {
    let (uid, program) = (owner.uid(), executable.display());
    as_owner(owner, "exec \"$0\" --version", executable).map_err(|why| {
        Failure::permanent(
            "own_program_unreachable",
            format!("user {uid} cannot run {program}, which PostgreSQL needs to fetch WAL: {why}"),
            "install the program where every user can run it, such as /usr/bin, and run it from \
             there",
        )
    })?;
    let Some(directory) = url.strip_prefix("file://") else {
        return Ok(());
    };
    let readable = as_owner(owner, "test -x \"$0\" && ls \"$0\"", Path::new(directory));
    readable.map_err(|why| {
        Failure::permanent(
            "repository_unreachable_for_postgres",
            format!(
                "user {uid} cannot read the repository in {directory}, and PostgreSQL fetches WAL \
                 from it as that user: {why}"
            ),
            "let that user read the directory and enter those above it, or keep the repository \
             where it can",
        )
    })
}

/// Has the shell do something with a path as that user, as PostgreSQL does it:
/// the program that changes the user can still open what that user cannot.
fn as_owner(owner: RunAs, script: &str, path: &Path) -> Result<(), String> {
    let mut asked = owner.command(Path::new("/bin/sh"));
    asked.args(["-c", script]).arg(path);
    match asked.stdout(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(if said.is_empty() {
                "permission denied".to_owned()
            } else {
                said
            })
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The directory of a tablespace or of `pg_wal`, which must be as new as the
/// data directory (I-12).
fn check_elsewhere(what: &str, place: &Path, delta: bool) -> Result<(), Failure> {
    check_path(place)?;
    check_place(place, delta).map_err(|failure| match failure.code.as_str() {
        "dir_not_empty" => Failure::permanent(
            "tablespace_not_empty",
            format!("{}, where {what} would go, is not empty", place.display()),
            "a restore never overwrites: give it another place with --tablespace-map OLD=NEW",
        ),
        _ => Failure {
            message: format!("{what}: {}", failure.message),
            ..failure
        },
    })
}

/// What goes to one volume must have room there together, with what a delta
/// frees or uses again.
fn check_spaces(dir: &Path, bytes: u64, places: &Places, delta: bool) -> Vec<Failure> {
    let elsewhere: u64 = places.tablespaces.iter().map(|place| place.bytes).sum();
    let mut needs = vec![(dir, bytes.saturating_sub(elsewhere))];
    needs.extend(
        places
            .tablespaces
            .iter()
            .map(|place| (place.at.as_path(), place.bytes)),
    );
    let mut volumes: Vec<(u64, &Path, u64)> = Vec::new();
    for (path, bytes) in needs {
        let there = if delta { clear::reclaimable(path) } else { 0 };
        let bytes = bytes.saturating_sub(there);
        let device = fs::metadata(existing(path)).map_or(0, |meta| meta.dev());
        match volumes.iter_mut().find(|(known, ..)| *known == device) {
            Some((_, _, sum)) => *sum = sum.saturating_add(bytes),
            None => volumes.push((device, path, bytes)),
        }
    }
    let checked = volumes.into_iter();
    checked
        .filter_map(|(_, path, bytes)| check_space(path, bytes).err())
        .collect()
}

fn check_space(dir: &Path, bytes: u64) -> Result<(), Failure> {
    let place = existing(dir);
    let volume = rustix::fs::statvfs(place).map_err(|error| unusable(place, &error.into()))?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let needed = bytes.saturating_add(SLACK);
    if free >= needed {
        return Ok(());
    }
    Err(Failure::permanent(
        "not_enough_space",
        format!(
            "the volume of {} has {} MiB free and the restore needs {} MiB",
            place.display(),
            free >> 20,
            needed >> 20
        ),
        "free space, or restore to another volume",
    ))
}

fn check_socket(dir: &Path) -> Result<(), Failure> {
    let socket = dir.join(OURS).join(SOCKET_NAME);
    if socket.as_os_str().len() <= SOCKET_PATH
        && CString::new(socket.as_os_str().as_bytes()).is_ok()
    {
        return Ok(());
    }
    Err(Failure::permanent(
        "dir_too_long",
        format!(
            "{} is too long for the path of a socket in it",
            dir.display()
        ),
        "give a directory of at most 80 characters, or restore without starting",
    ))
}

fn check_port(port: u16) -> Result<(), Failure> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(Failure::permanent(
            "port_in_use",
            format!("port {port} of this host is taken"),
            "give another port, or none for a free one",
        )),
        // What else may be wrong with it, PostgreSQL will say.
        _ => Ok(()),
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// To whom the new directory belongs: who owns it when it is there, else who
/// owns its parent. When we are root and that is root, PostgreSQL's usual
/// user, since PostgreSQL does not run as root.
pub(super) fn owner(dir: &Path) -> Result<RunAs, binaries::Error> {
    let of = if dir.is_dir() {
        RunAs::owner_of(dir)
    } else {
        RunAs::for_new(dir)
    };
    match of {
        Err(error @ binaries::Error::OwnedByRoot { .. }) => RunAs::postgres().ok_or(error),
        of => of,
    }
}

/// Makes the directory, or takes the empty one that is there.
pub(super) fn make(dir: &Path, (uid, gid): (u32, u32), mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Looked at again: it may have been filled since the plan.
            if fs::read_dir(dir)?.next().is_some() {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
        }
        made => made?,
    }
    give(dir, (uid, gid))?;
    fs::set_permissions(dir, Permissions::from_mode(allowed(mode)))
}

/// PostgreSQL starts on no other modes.
const fn allowed(mode: u32) -> u32 {
    if mode & 0o777 == 0o750 { 0o750 } else { 0o700 }
}

/// Makes the directory, or takes the one that is there, for a delta.
pub(super) fn take(dir: &Path, owner: (u32, u32), mode: u32) -> io::Result<()> {
    if !occupied::is_occupied(dir) {
        return make(dir, owner, mode);
    }
    give(dir, owner)?;
    fs::set_permissions(dir, Permissions::from_mode(allowed(mode)))
}

/// Gives a path to the owner of the new directory, when we are root.
pub(super) fn give(path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if (meta.uid(), meta.gid()) == (uid, gid) || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}

/// The directory, or the nearest above it that exists.
fn existing(dir: &Path) -> &Path {
    dir.ancestors()
        .find(|place| place.is_dir())
        .unwrap_or(Path::new("/"))
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::permanent(
        "dir_unusable",
        format!("{} cannot be used: {error}", path.display()),
        "check the path, its mount and the rights of the user the agent runs as",
    )
}

/// A failure to find or run PostgreSQL's programs.
pub(super) fn of_programs(error: &binaries::Error) -> Failure {
    let message = crate::failure::chain(error);
    let code = match error {
        binaries::Error::NotFound { .. } => "postgres_programs_missing",
        other => other.code(),
    };
    Failure::permanent(code, message, error.hint())
}

/// Where our own files in the directory are.
pub(super) fn ours(dir: &Path) -> PathBuf {
    dir.join(OURS)
}

#[cfg(test)]
mod tests {
    use super::super::places::Place;
    use super::*;

    fn request(dir: &Path) -> RestoreRequest {
        let json = serde_json::json!({
            "cluster": "orders", "at": "latest", "agent": "db1", "dir": dir, "start": true,
        });
        serde_json::from_value(json).unwrap()
    }

    const fn wanted(bytes: u64, places: &Places) -> Wanted<'_> {
        Wanted {
            bytes,
            places,
            system_identifier: 7,
            major: 18,
        }
    }

    fn codes(request: &RestoreRequest, bytes: u64) -> Vec<String> {
        let places = Places::default();
        problems(
            request,
            wanted(bytes, &places),
            (Path::new("/bin/true"), "s3://bucket"),
        )
        .into_iter()
        .map(|problem| problem.code)
        .collect()
    }

    // Pitfall 26
    #[test]
    fn every_reason_has_its_code_and_nothing_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let new = root.path().join("new");
        assert_eq!(codes(&request(&new), 1 << 60), ["not_enough_space"]);
        assert_eq!(
            codes(&request(Path::new("relative/dir")), 0),
            ["dir_not_absolute"]
        );
        assert_eq!(
            codes(&request(Path::new("/a/../b")), 0),
            ["dir_not_absolute"]
        );
        assert_eq!(
            codes(&request(&new.join("deeper")), 0),
            ["dir_parent_missing"]
        );
        assert_eq!(
            codes(&request(root.path()), 0).first().map(String::as_str),
            None
        );
        fs::write(root.path().join("file"), "x").unwrap();
        assert_eq!(codes(&request(root.path()), 0), ["dir_not_empty"]);
        assert_eq!(
            codes(&request(&root.path().join("file")), 0),
            ["dir_not_a_directory"]
        );
        let long = root.path().join("x".repeat(100));
        assert_eq!(codes(&request(&long), 0), ["dir_too_long"]);
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = Some(taken.local_addr().unwrap().port());
        assert_eq!(
            codes(
                &RestoreRequest {
                    port,
                    ..request(&new)
                },
                0
            ),
            ["port_in_use"]
        );
        assert!(!new.exists());
    }

    // Pitfalls 26 and 30
    #[test]
    fn what_postgres_cannot_reach_is_told_before_anything_is_written() {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("holdfast-agent");
        fs::copy("/bin/true", &program).unwrap();
        let request = request(&root.path().join("new"));
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o700)).unwrap();
        // When we are root, PostgreSQL's user is another, and cannot get in.
        let expected: &[&str] = if rustix::process::geteuid().is_root() {
            &["own_program_unreachable"]
        } else {
            &[]
        };
        let found = problems(
            &request,
            wanted(0, &Places::default()),
            (&program, "s3://bucket"),
        );
        let found: Vec<_> = found.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(found, expected);
        let url = format!("file://{}", root.path().display());
        let found = problems(
            &request,
            wanted(0, &Places::default()),
            (Path::new("/bin/true"), &url),
        );
        let found: Vec<_> = found.iter().map(|problem| problem.code.as_str()).collect();
        let expected: &[&str] = if rustix::process::geteuid().is_root() {
            &["repository_unreachable_for_postgres"]
        } else {
            &[]
        };
        assert_eq!(found, expected);
        fs::set_permissions(&program, Permissions::from_mode(0o644)).unwrap();
        let found = problems(
            &request,
            wanted(0, &Places::default()),
            (&program, "s3://bucket"),
        );
        assert_eq!(found[0].code, "own_program_unreachable");
        assert!(
            found[0].message.contains("holdfast-agent"),
            "{}",
            found[0].message
        );
    }

    /// I-12: a tablespace overwrites as little as a data directory does.
    #[test]
    fn a_tablespace_goes_to_an_empty_directory_or_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let (used, gone) = (root.path().join("used"), root.path().join("no/such"));
        fs::create_dir(&used).unwrap();
        fs::write(used.join("x"), "x").unwrap();
        let looked = |to: &Path, bytes| {
            let place = Place {
                oid: 16385,
                name: Some("fast".to_owned()),
                from: "/t/fast".into(),
                to: to.to_owned(),
                at: to.to_owned(),
                bytes,
            };
            let places = Places {
                tablespaces: vec![place],
                wal: None,
            };
            let request = request(&root.path().join("new"));
            let found = problems(
                &request,
                wanted(bytes, &places),
                (Path::new("/bin/true"), "s3://b"),
            );
            let codes = found.into_iter().map(|problem| problem.code);
            codes.collect::<Vec<_>>()
        };
        assert_eq!(looked(&used, 0), ["tablespace_not_empty"]);
        assert_eq!(looked(&used.join("x"), 0), ["dir_not_a_directory"]);
        assert_eq!(looked(&gone, 0), ["dir_parent_missing"]);
        assert_eq!(
            looked(&root.path().join("ts"), 1 << 60),
            ["not_enough_space"]
        );
        assert_eq!(looked(&root.path().join("ts"), 0), [""; 0]);
        assert!(!root.path().join("ts").exists());
    }
}
