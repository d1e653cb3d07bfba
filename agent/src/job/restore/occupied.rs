//! What speaks against a restore over what is there (`--delta`): the directory
//! must be one that Holdfast restored, or whoever asks says that it may go, and
//! nobody may be running there. What is not PostgreSQL's is never written over,
//! however it is asked for (I-12). Touches nothing.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use holdfast_pg::control_file::{self, ControlFile};
use holdfast_types::Failure;

use super::directory;
use super::marker::Marker;
use super::places::{Places, WAL};

/// What is asked for, and of which backup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) dir: &'a Path,
    /// Whoever asks knows that Holdfast did not restore it.
    pub(super) force: bool,
    pub(super) system_identifier: u64,
    /// PostgreSQL's, which names the directory in a tablespace.
    pub(super) major: u32,
}

/// Whether there is anything in a directory; what is not there has nothing.
pub(super) fn is_occupied(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Everything that speaks against it. Of directories that are empty or not there
/// yet, nothing here does.
pub(super) fn problems(asked: Asked<'_>, places: &Places) -> Vec<Failure> {
    let mut problems = Vec::new();
    if is_occupied(asked.dir) {
        problems.extend(check_directory(asked).err());
    }
    let marker = Marker::of(asked.dir);
    for (what, place) in places.directories() {
        if is_occupied(place) {
            let checked = check_place(asked, marker.as_ref(), (&what, place));
            problems.extend(checked.err());
        }
    }
    problems
}

fn check_directory(asked: Asked<'_>) -> Result<(), Failure> {
    let dir = asked.dir;
    let marker = Marker::of(dir);
    if marker.is_none() && !is_begun(dir) && !looks_like_postgres(dir) {
        return Err(Failure::permanent(
            "dir_not_postgres",
            format!(
                "{} is neither empty nor a data directory of PostgreSQL",
                dir.display()
            ),
            "nothing but a data directory is ever written over: check the path, or give a \
             directory that is empty or not there yet",
        ));
    }
    check_idle(dir)?;
    if asked.force {
        return Ok(());
    }
    if marker.is_none() && !is_begun(dir) {
        return Err(Failure::permanent(
            "dir_not_restored",
            format!(
                "{} is a data directory that Holdfast did not restore, or a copy of one",
                dir.display()
            ),
            "if everything in it may be replaced, say so with --force; else restore into another \
             directory",
        ));
    }
    let there = system_of(dir).or(marker.map(|marker| marker.system_identifier));
    match there {
        Some(there) if there != asked.system_identifier => Err(Failure::permanent(
            "dir_of_another_system",
            format!(
                "{} holds the system {there}, and the backup is of {}",
                dir.display(),
                asked.system_identifier
            ),
            "check the path and the cluster; if everything in it may be replaced, say so with \
             --force",
        )),
        _ => Ok(()),
    }
}

/// A restore that made its own directory there and nothing else yet.
fn is_begun(dir: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else {
        return false;
    };
    let mut names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let ours = |name: &OsStr| name == OsStr::new(directory::OURS);
    names.all(|name| name.is_ok_and(|name| ours(&name))) && is_directory(&directory::ours(dir))
}

fn looks_like_postgres(dir: &Path) -> bool {
    // A link would lead the first change elsewhere.
    let ours = directory::ours(dir);
    fs::symlink_metadata(dir.join("PG_VERSION")).is_ok_and(|meta| meta.is_file())
        && is_directory(&dir.join("global"))
        && (is_directory(&ours) || fs::symlink_metadata(&ours).is_err())
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

fn system_of(dir: &Path) -> Option<u64> {
    let bytes = fs::read(dir.join(control_file::PATH)).ok()?;
    Some(ControlFile::parse(&bytes).ok()?.system_identifier)
}

/// Refuses a directory in which a server runs, or may run: one that did not stop
/// cleanly leaves its `postmaster.pid`, and so does one on another host, or in a
/// container.
pub(super) fn check_idle(dir: &Path) -> Result<(), Failure> {
    let pid = dir.join("postmaster.pid");
    let why = match fs::symlink_metadata(&pid) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if !servers().iter().any(|server| is_same(server, dir)) {
                return Ok(());
            }
            format!("PostgreSQL runs in {}", dir.display())
        }
        _ => format!(
            "{} is there: PostgreSQL runs in it, or was not stopped cleanly",
            pid.display()
        ),
    };
    Err(Failure::permanent(
        "dir_in_use",
        why,
        "stop it with pg_ctl stop; if no server uses the directory, here or on any other host, \
         remove postmaster.pid",
    ))
}

/// A tablespace or `pg_wal` that is not empty must be this directory's own.
fn check_place(
    asked: Asked<'_>,
    marker: Option<&Marker>,
    (what, place): (&str, &Path),
) -> Result<(), Failure> {
    let linked = || links(asked.dir).iter().any(|link| is_same(link, place));
    let known = marker.is_some_and(|marker| marker.names(place));
    if !(known || asked.force && linked()) {
        return Err(not_ours(format!(
            "{}, where {what} would go, is not empty, and not known to belong to {}",
            place.display(),
            asked.dir.display()
        )));
    }
    if what != WAL && !is_tablespace(place, asked.major) {
        return Err(not_ours(format!(
            "{}, where {what} would go, holds more than a tablespace of PostgreSQL {}",
            place.display(),
            asked.major
        )));
    }
    let other = servers().into_iter().find(|server| {
        !is_same(server, asked.dir) && links(server).iter().any(|link| is_same(link, place))
    });
    match other {
        Some(server) => Err(Failure::permanent(
            "dir_in_use",
            format!(
                "{}, where {what} would go, is used by the server in {}",
                place.display(),
                fs::read_link(&server).unwrap_or(server).display()
            ),
            "give it another place with --tablespace-map OLD=NEW, or stop that server if it is \
             the one to be replaced",
        )),
        None => Ok(()),
    }
}

fn not_ours(why: String) -> Failure {
    Failure::permanent(
        "tablespace_not_empty",
        why,
        "a restore never overwrites what it was not told to: give it another place with \
         --tablespace-map OLD=NEW, or empty that directory",
    )
}

/// What lies there is the one directory that PostgreSQL keeps in a tablespace.
fn is_tablespace(place: &Path, major: u32) -> bool {
    let Ok(entries) = fs::read_dir(place) else {
        return false;
    };
    let begins = format!("PG_{major}_");
    let mut entries = entries.map(|entry| {
        let entry = entry?;
        let named = entry.file_name().to_string_lossy().starts_with(&begins);
        Ok::<_, std::io::Error>(named && entry.file_type()?.is_dir())
    });
    entries.all(|is| is.is_ok_and(|is| is))
}

/// The links in a data directory that lead to its parts elsewhere.
fn links(dir: &Path) -> Vec<PathBuf> {
    let tablespaces = fs::read_dir(dir.join("pg_tblspc"));
    let tablespaces = tablespaces.into_iter().flatten().flatten();
    let mut links: Vec<PathBuf> = tablespaces.map(|entry| entry.path()).collect();
    links.push(dir.join(WAL));
    links.retain(|link| fs::symlink_metadata(link).is_ok_and(|meta| meta.is_symlink()));
    links
}

/// The working directories of PostgreSQL's processes on this host, as `/proc`
/// names them: a server works in its data directory.
fn servers() -> Vec<PathBuf> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let processes = processes.flatten().map(|process| process.path());
    let postgres = processes.filter(|process| {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        matches!(name.trim_end(), "postgres" | "postmaster")
    });
    postgres.map(|process| process.join("cwd")).collect()
}

/// Whether two paths lead to one directory.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    use super::*;

    fn asked(dir: &Path, force: bool) -> Asked<'_> {
        Asked {
            dir,
            force,
            system_identifier: 7,
            major: 18,
        }
    }

    fn codes(dir: &Path, force: bool, places: &Places) -> Vec<String> {
        let found = problems(asked(dir, force), places);
        found.into_iter().map(|problem| problem.code).collect()
    }

    fn data_directory(root: &Path, name: &str) -> PathBuf {
        let dir = root.join(name);
        fs::create_dir_all(dir.join("global")).unwrap();
        fs::create_dir_all(dir.join("pg_tblspc")).unwrap();
        fs::write(dir.join("PG_VERSION"), "18\n").unwrap();
        dir
    }

    fn marked(dir: &Path, system_identifier: u64, places: &Places) {
        fs::create_dir_all(directory::ours(dir)).unwrap();
        let backup = "bkp_00000000000000000000000000000007".parse().unwrap();
        let marker = Marker::new(system_identifier, backup, dir, places).unwrap();
        let meta = fs::metadata(dir).unwrap();
        marker.write(dir, (meta.uid(), meta.gid())).unwrap();
    }

    // I-12
    // Pitfall 26
    #[test]
    fn nothing_but_a_data_directory_is_ever_written_over() {
        let root = tempfile::tempdir().unwrap();
        let none = Places::default();
        assert_eq!(codes(&root.path().join("new"), false, &none), [""; 0]);
        let photos = root.path().join("photos");
        fs::create_dir_all(photos.join("global")).unwrap();
        assert_eq!(codes(&photos, false, &none), ["dir_not_postgres"]);
        assert_eq!(codes(&photos, true, &none), ["dir_not_postgres"]);
        // Nor where the first change would go elsewhere.
        let dir = data_directory(root.path(), "data");
        for name in ["global", directory::OURS] {
            let _ = fs::remove_dir(dir.join(name));
            symlink(photos.join("global"), dir.join(name)).unwrap();
            assert_eq!(codes(&dir, true, &none), ["dir_not_postgres"], "{name}");
            fs::remove_file(dir.join(name)).unwrap();
            fs::create_dir(dir.join("global")).unwrap_or_default();
        }
    }

    // I-12
    // Pitfall 26
    #[test]
    fn what_holdfast_did_not_restore_must_be_forced() {
        let root = tempfile::tempdir().unwrap();
        let none = Places::default();
        let dir = data_directory(root.path(), "data");
        assert_eq!(codes(&dir, false, &none), ["dir_not_restored"]);
        assert_eq!(codes(&dir, true, &none), [""; 0]);
        marked(&dir, 7, &none);
        assert_eq!(codes(&dir, false, &none), [""; 0]);
        // A copy of it is somebody else's.
        let copy = data_directory(root.path(), "copy");
        fs::create_dir(directory::ours(&copy)).unwrap();
        let name = Path::new(directory::OURS).join(super::super::marker::NAME);
        fs::copy(dir.join(&name), copy.join(&name)).unwrap();
        assert_eq!(codes(&copy, false, &none), ["dir_not_restored"]);
        // Of another system.
        marked(&dir, 8, &none);
        assert_eq!(codes(&dir, false, &none), ["dir_of_another_system"]);
        assert_eq!(codes(&dir, true, &none), [""; 0]);
        // What a crash left before its first file.
        let begun = root.path().join("begun");
        fs::create_dir_all(directory::ours(&begun)).unwrap();
        assert_eq!(codes(&begun, false, &none), [""; 0]);
        // Where a server may run, nothing helps.
        fs::write(dir.join("postmaster.pid"), "1\n").unwrap();
        for force in [false, true] {
            assert_eq!(codes(&dir, force, &none), ["dir_in_use"]);
        }
    }

    /// A server that lost its file is one all the same, and so is one that has a
    /// tablespace in common with the directory.
    // I-12
    // Pitfall 26
    #[test]
    fn a_server_is_known_by_where_it_works() {
        let root = tempfile::tempdir().unwrap();
        let (dir, place) = (
            data_directory(root.path(), "data"),
            root.path().join("fast"),
        );
        let other = data_directory(root.path(), "other");
        fs::create_dir_all(place.join("PG_18_202506291")).unwrap();
        for one in [&dir, &other] {
            symlink(&place, one.join("pg_tblspc/1")).unwrap();
        }
        let program = root.path().join("postgres");
        fs::copy("/bin/sleep", &program).unwrap();
        let (none, places) = (Places::default(), Places::at(1, &place));
        for (works_in, with) in [(&dir, &none), (&other, &places)] {
            assert_eq!(codes(&dir, true, with), [""; 0]);
            let mut server = std::process::Command::new(&program);
            let mut server = server.arg("60").current_dir(works_in).spawn().unwrap();
            // It has its name a moment after it was started.
            let comm = format!("/proc/{}/comm", server.id());
            let deadline = Instant::now() + Duration::from_secs(20);
            while fs::read_to_string(&comm).unwrap().trim_end() != "postgres" {
                assert!(Instant::now() < deadline, "it never got its name");
                std::thread::yield_now();
            }
            assert_eq!(codes(&dir, true, with), ["dir_in_use"]);
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    // I-12
    #[test]
    fn a_tablespace_must_be_the_directorys_own() {
        let root = tempfile::tempdir().unwrap();
        let dir = data_directory(root.path(), "data");
        let place = root.path().join("fast");
        fs::create_dir_all(place.join("PG_18_202506291")).unwrap();
        let places = Places::at(16385, &place);
        assert_eq!(codes(&dir, true, &places), ["tablespace_not_empty"]);
        marked(&dir, 7, &Places::default());
        assert_eq!(codes(&dir, false, &places), ["tablespace_not_empty"]);
        marked(&dir, 7, &places);
        assert_eq!(codes(&dir, false, &places), [""; 0]);
        // By its link, when it is forced.
        fs::remove_dir_all(directory::ours(&dir)).unwrap();
        symlink(&place, dir.join("pg_tblspc/1")).unwrap();
        assert_eq!(codes(&dir, true, &places), [""; 0]);
        assert_eq!(
            codes(&dir, false, &places),
            ["dir_not_restored", "tablespace_not_empty"]
        );
        // Another release's, or anything else in it, is not ours to remove.
        fs::create_dir(place.join("PG_17_202406281")).unwrap();
        assert_eq!(codes(&dir, true, &places), ["tablespace_not_empty"]);
        fs::remove_dir(place.join("PG_17_202406281")).unwrap();
        fs::write(place.join("notes"), "x").unwrap();
        assert_eq!(codes(&dir, true, &places), ["tablespace_not_empty"]);
    }
}
