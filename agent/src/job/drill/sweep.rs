//! Taking a drill's directory away, with every process that is in it: by the drill when
//! it ends, and by the next process of the agent for one that died with its own.
//!
//! A server outlives the agent that was killed. Its process is found by where it is (a
//! server works in its data directory), and by nothing that it wrote, so that one is
//! found that had not come so far as to write anything.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::lair::DIRECTORY;

/// How long a server gets to end by itself: it takes its shared memory with it.
const GRACE: Duration = Duration::from_secs(10);
/// Processes that were killed are gone within this.
const KILLED: Duration = Duration::from_secs(5);
/// The end of a process that is not our child can only be looked for.
const LOOK: Duration = Duration::from_millis(20);
/// How often what is still written into is taken away anew.
const ATTEMPTS: u32 = 5;

/// Takes away what processes of the agent before this one left behind: now it is looked
/// for, aside it is removed, for WAL receiving must not wait for it (I-08).
pub fn sweep(data_dir: &Path) {
    let left = left_behind(data_dir);
    if left.is_empty() {
        return;
    }
    std::thread::spawn(move || {
        for path in left {
            match remove(&path) {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "what an unfinished drill left is removed")
                }
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "the files of a drill are left")
                }
            }
        }
    });
}

fn left_behind(data_dir: &Path) -> Vec<PathBuf> {
    let Ok(all) = data_dir.join(DIRECTORY).canonicalize() else {
        return Vec::new();
    };
    let entries = fs::read_dir(all).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

/// Ends every process in a drill's directory and removes that. Waits for it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    end_all(path);
    let mut left = ATTEMPTS;
    loop {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if left == 0 => return Err(error),
            // Something was written meanwhile, by what was about to end.
            Err(_) => left -= 1,
        }
        end_all(path);
        std::thread::sleep(LOOK);
    }
}

/// First the servers are asked to end at once, which end their own; then whoever is
/// left is killed.
fn end_all(path: &Path) {
    let there = processes_in(path);
    if there.is_empty() {
        return;
    }
    let ids: HashSet<Pid> = there.iter().map(|process| process.id).collect();
    for process in &there {
        if process.parent.is_none_or(|parent| !ids.contains(&parent)) {
            // Gone meanwhile: then there is nothing to end.
            let _ = kill_process(process.id, Signal::QUIT);
        }
    }
    if gone_within(path, GRACE) {
        return;
    }
    for process in processes_in(path) {
        let _ = kill_process(process.id, Signal::KILL);
    }
    if !gone_within(path, KILLED) {
        tracing::warn!(path = %path.display(), "processes of a drill cannot be ended");
    }
}

fn gone_within(path: &Path, span: Duration) -> bool {
    let until = Instant::now() + span;
    loop {
        if processes_in(path).is_empty() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

#[derive(Debug, Clone, Copy)]
struct Process {
    id: Pid,
    parent: Option<Pid>,
}

/// The processes whose working directory is this one or below it. Those of others
/// cannot be looked at, and are not ours.
fn processes_in(path: &Path) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let found = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let id = pid(name.to_str()?)?;
        let at = fs::read_link(format!("/proc/{}/cwd", id.as_raw_nonzero())).ok()?;
        at.starts_with(path).then(|| Process {
            id,
            parent: parent_of(id),
        })
    });
    found.collect()
}

fn parent_of(id: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{}/status", id.as_raw_nonzero())).ok()?;
    let mut lines = status.lines();
    pid(lines.find_map(|line| line.strip_prefix("PPid:"))?.trim())
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_in_it_ends_with_it_and_no_other_does() {
        let data = tempfile::tempdir().unwrap();
        let all = data.path().join(DIRECTORY);
        let (one, other) = (all.join("one/d"), all.join("other/d"));
        for place in [&one, &other] {
            fs::create_dir_all(place).unwrap();
        }
        let sleep = |place: &Path| {
            let mut command = Command::new("sleep");
            command.arg("600").current_dir(place).spawn().unwrap()
        };
        let (mut ours, mut theirs) = (sleep(&one), sleep(&other));
        // It would be a zombie until it is waited for, and has no directory then.
        let waited = std::thread::spawn(move || ours.wait().unwrap());
        remove(&all.join("one").canonicalize().unwrap()).unwrap();
        assert!(!waited.join().unwrap().success());
        assert!(!all.join("one").exists() && other.exists());
        assert!(theirs.try_wait().unwrap().is_none());
        theirs.kill().unwrap();
        theirs.wait().unwrap();
        let left = left_behind(data.path());
        assert_eq!(left, [all.join("other").canonicalize().unwrap()]);
    }

    #[test]
    fn what_is_not_there_is_removed_already() {
        let data = tempfile::tempdir().unwrap();
        remove(&data.path().join("gone")).unwrap();
        assert!(left_behind(data.path()).is_empty());
    }
}
