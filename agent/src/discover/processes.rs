//! Servers that run, by their processes (`/proc`, see proc(5)).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The names of PostgreSQL's server program.
const PROGRAMS: [&str; 2] = ["postgres", "postmaster"];

/// The data directories of the servers that run. Every process of a server works
/// in it (`ChangeToDataDir`); where the agent may not see that, the command line,
/// which everybody may read, often names it.
pub(super) fn data_directories(proc: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(proc) else {
        return BTreeSet::new();
    };
    let processes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let is_process = name.as_bytes().iter().all(u8::is_ascii_digit);
        is_process.then(|| entry.path())
    });
    processes
        .filter(|process| is_server(process))
        .filter_map(|process| {
            let directory = fs::read_link(process.join("cwd")).ok();
            directory.or_else(|| named(&process))
        })
        .collect()
}

fn is_server(process: &Path) -> bool {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    PROGRAMS.contains(&name.trim_end())
}

/// What `-D` names on a process' command line.
fn named(process: &Path) -> Option<PathBuf> {
    let line = fs::read(process.join("cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0);
    while let Some(word) = words.next() {
        let path = match word.strip_prefix(b"-D") {
            Some(b"") => words.next()?,
            Some(path) => path,
            None => continue,
        };
        let path = Path::new(OsStr::from_bytes(path));
        return path.is_absolute().then(|| path.to_owned());
    }
    None
}
