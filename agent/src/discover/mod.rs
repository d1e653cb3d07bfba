//! Which PostgreSQL servers there are on this host, declared or not: nobody can
//! protect what nobody knows of.
//!
//! Servers that run are found by their processes, others where packages put
//! them. Only files are read, nothing is connected to and nothing changed. The
//! throw-away servers of drills, which live below the agent's own directory, are
//! none of them.

mod directory;
mod packaged;
mod processes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_types::{DISCOVERED_MAX, DiscoveredInstance};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the host is looked at.
const EVERY: Duration = Duration::from_secs(30);

/// Looks around until `stop` fires; the receiver has what was found last, and
/// `None` before the first look.
pub(crate) fn discover(
    data: PathBuf,
    stop: CancellationToken,
) -> watch::Receiver<Option<Vec<DiscoveredInstance>>> {
    let found = watch::Sender::new(None);
    let receiver = found.subscribe();
    tokio::spawn(async move {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let own = data.clone();
            let looked = tokio::task::spawn_blocking(move || look(Path::new("/"), &own));
            // A look that was cut off says nothing.
            let Ok(seen) = looked.await else { continue };
            found.send_if_modified(|found| {
                let news = found.as_ref() != Some(&seen);
                *found = Some(seen);
                news
            });
        }
    });
    receiver
}

/// What there is below `root`, but for what is below the agent's `own` directory.
fn look(root: &Path, own: &Path) -> Vec<DiscoveredInstance> {
    let mut found: BTreeMap<PathBuf, DiscoveredInstance> = BTreeMap::new();
    let running = processes::data_directories(&root.join("proc"));
    let resting = packaged::data_directories(root);
    let all = running.into_iter().map(|path| (path, true));
    let all = all.chain(resting.into_iter().map(|path| (path, false)));
    for (path, has_process) in all {
        // Not allowed to look: the path as it was said is better than none.
        let path = path.canonicalize().unwrap_or(path);
        if path.starts_with(own) || found.contains_key(&path) {
            continue;
        }
        if let Some(seen) = directory::describe(&path, has_process) {
            found.insert(path, seen);
        }
    }
    found.into_values().take(DISCOVERED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A data directory as far as one can see from outside.
    fn data_directory(at: &Path) {
        fs::create_dir_all(at.join("global")).unwrap();
        fs::write(at.join("PG_VERSION"), "15\n").unwrap();
        fs::write(at.join("global/pg_control"), 7u64.to_ne_bytes()).unwrap();
    }

    fn process(root: &Path, pid: u32, name: &str, arguments: &[&str], cwd: &Path) {
        let at = root.join(format!("proc/{pid}"));
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("comm"), format!("{name}\n")).unwrap();
        fs::write(at.join("cmdline"), arguments.join("\0")).unwrap();
        std::os::unix::fs::symlink(cwd, at.join("cwd")).unwrap();
    }

    #[test]
    fn servers_are_found_by_their_processes_and_where_packages_put_them() {
        let root = tempfile::tempdir().unwrap();
        let root = &root.path().canonicalize().unwrap();
        let (main, hand_made) = (root.join("var/lib/postgresql/15/main"), root.join("srv/pg"));
        let (own, drill) = (root.join("agent"), root.join("agent/drills/x/pgdata"));
        for at in [&main, &hand_made, &drill] {
            data_directory(at);
        }
        let pid_file = format!("77\n{}\n1\n5433\n/run/pg\n*\n", hand_made.display());
        fs::write(hand_made.join("postmaster.pid"), pid_file).unwrap();
        process(root, 77, "postgres", &["postgres"], &hand_made);
        process(
            root,
            78,
            "postgres",
            &["postgres: checkpointer"],
            &hand_made,
        );
        process(root, 79, "postgres", &["postgres"], &drill);
        process(root, 80, "bash", &["bash"], &main);
        let found = look(root, &own);
        let known =
            |found: &DiscoveredInstance| (found.data_directory.clone(), found.running, found.port);
        assert_eq!(
            found.iter().map(known).collect::<Vec<_>>(),
            [
                (hand_made.display().to_string(), true, Some(5433)),
                (main.display().to_string(), false, None),
            ]
        );
        assert!(found.iter().all(|one| one.version.as_deref() == Some("15")));
        assert!(
            found
                .iter()
                .all(|one| one.system_identifier.as_deref() == Some("7"))
        );
        assert_eq!(found[0].socket_directory.as_deref(), Some("/run/pg"));
    }

    #[test]
    fn what_may_not_be_looked_into_is_found_by_its_command_line() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let hidden = Path::new("/nowhere/that/is/readable");
        process(
            root,
            77,
            "postgres",
            &["/usr/bin/postgres", "-D", "/nowhere/that/is/readable"],
            Path::new("/nowhere"),
        );
        fs::remove_file(root.join("proc/77/cwd")).unwrap();
        let found = look(root, Path::new("/own"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].data_directory, hidden.display().to_string());
        assert!(found[0].running && found[0].version.is_none());
    }

    #[test]
    fn a_directory_without_a_database_is_none() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/lib/postgresql/15/main")).unwrap();
        assert_eq!(look(root.path(), Path::new("/own")), []);
    }
}
