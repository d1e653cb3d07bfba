//! Agents that are paused, killed or stuck: one holder in the catalog, and no
//! job that runs for ever in nobody's hands (I-04, I-14).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holdfast_pg::testkit::major;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use rustix::process::Signal;
use serde_json::Value;

/// A fleet whose jobs are taken back as soon as that is allowed.
fn impatient() -> Fleet {
    let settings = [("HOLDFAST_JOBS__AGENT_GONE_AFTER", "15s")];
    Fleet::start_with(&major(15), Store::directory, &settings)
}

fn show(fleet: &Fleet, job: &str) -> Value {
    fleet.cli.json(["job", "show", job])
}

#[test]
fn the_late_result_of_a_paused_agent_is_refused_and_kept() {
    let mut fleet = impatient();
    fleet.postgres.pgbench(&["-i", "-q", "-s", "30"]);
    let job = fleet.cli.json(["backup", "run", "orders"])["job"].clone();
    let job = job.as_str().expect("a job").to_owned();
    until("the backup to copy", LONG, || {
        let shown = show(&fleet, &job);
        (shown["phase"] == "copy").then_some(())
    });
    // Its process stands still; its connections do not break.
    fleet.agent.process().signal(Signal::STOP);
    let taken = until("the job to be taken back", LONG, || {
        let shown = show(&fleet, &job);
        (shown["state"] == "queued").then_some(shown)
    });
    assert_eq!(taken["attempts"][0]["outcome"], "interrupted", "{taken}");
    fleet.agent.process().signal(Signal::CONT);

    // Whatever becomes of it then, the first attempt is nobody's.
    let shown = until("the late result", 2 * LONG, || {
        let shown = show(&fleet, &job);
        let late = shown["lateResults"].as_array()?;
        (late.len() == 1).then_some(shown)
    });
    let late = &shown["lateResults"][0];
    assert_eq!(
        (&late["attempt"], &late["agent"]),
        (&1.into(), &"db1".into()),
        "{late}"
    );
    assert!(late["refused"]["code"].is_string(), "{late}");
    let ended = until("the job to end", 2 * LONG, || {
        let shown = show(&fleet, &job);
        let state = shown["state"].as_str()?.to_owned();
        ["succeeded", "superseded", "failed", "cancelled"]
            .contains(&state.as_str())
            .then_some(shown)
    });
    assert!(
        ["succeeded", "superseded"].contains(&ended["state"].as_str().expect("a state")),
        "{ended}"
    );
    assert_one_backup(&fleet);
}

/// One backup counts, whichever attempt took it, and none is in the making.
fn assert_one_backup(fleet: &Fleet) {
    let backups = fleet.cli.json(["backup", "list", "orders"]);
    let items = backups["items"].as_array().expect("a list");
    let available = items.iter().filter(|backup| backup["state"] == "available");
    assert_eq!(available.count(), 1, "{backups}");
    assert!(
        items.iter().all(|backup| backup["state"] != "running"),
        "{backups}"
    );
}

#[test]
fn a_backup_that_gets_no_further_is_taken_back_and_tried_again() {
    let fleet = Fleet::start(&major(15), Store::directory);
    // PostgreSQL's checkpoint never comes: the agent waits, alive and stuck.
    let query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let checkpointer = fleet.postgres.psql(query);
    let checkpointer: i32 = checkpointer.parse().expect("a process id");
    let checkpointer = rustix::process::Pid::from_raw(checkpointer).expect("a process id");
    let signal = |signal| {
        rustix::process::kill_process(checkpointer, signal).expect("a signal to PostgreSQL");
    };
    let yaml = fleet.cluster_yaml();
    let schedule = &crate::outage::schedules()[0].name;
    signal(Signal::STOP);
    fleet.cli.apply(&format!(
        "{yaml}  schedules:\n    - {{name: {schedule}, kind: full, every: 1m, \
         retry: {{idleTimeout: 1m}}}}\n"
    ));
    let taken = until("the job to be taken back", 2 * LONG, || {
        let jobs = fleet.cli.json(["job", "list"]);
        let jobs = jobs["items"].as_array()?.clone();
        let first = jobs.iter().rfind(|job| !job["run"].is_null())?;
        let shown = show(&fleet, first["id"].as_str()?);
        let failed = &shown["attempts"][0]["error"]["code"];
        (failed == "no_progress").then_some(shown)
    });
    signal(Signal::CONT);
    let id = taken["id"].as_str().expect("an id").to_owned();
    let ended = until("the job to end", 2 * LONG, || {
        let shown = show(&fleet, &id);
        let over = ["succeeded", "failed", "cancelled", "superseded"];
        over.contains(&shown["state"].as_str()?).then_some(shown)
    });
    // The attempt that was taken back may have committed once it was freed:
    // then the other finds its mark.
    let state = ended["state"].as_str().expect("a state");
    assert!(["succeeded", "superseded"].contains(&state), "{ended}");
    let attempts = ended["attempts"].as_array().map(Vec::len);
    assert_eq!(attempts, Some(2), "{ended}");
    let backups = fleet.cli.json(["backup", "list", "orders"]);
    let items = backups["items"].as_array().expect("a list");
    let available = |backup: &&Value| backup["state"] == "available" && backup["job"] == *id;
    assert_eq!(items.iter().filter(available).count(), 1, "{backups}");
}

/// The largest file below a directory.
fn largest(dir: &Path) -> (u64, PathBuf) {
    let entries = fs::read_dir(dir).expect("a directory");
    let sizes = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => largest(&path),
            false => (fs::metadata(&path).expect("a file").len(), path),
        }
    });
    sizes.max().unwrap_or_default()
}

/// I-12: it has failed, is not begun again, and leaves nothing that starts.
#[test]
fn a_restore_whose_repository_hangs_has_failed_and_is_not_begun_again() {
    let settings = [("HOLDFAST_JOBS__RESTORE_IDLE_TIMEOUT", "10s")];
    let fleet = Fleet::start_with(&major(15), Store::directory, &settings);
    fleet.postgres.pgbench(&["-i", "-q", "-s", "10"]);
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    ledger.advance(10);
    let entries = ledger.stop();
    fleet.backup();
    fleet.wait_frontier(jiff::Timestamp::now());

    // Who opens it waits for ever, as on a file system whose server is gone.
    let (_, pack) = largest(fleet.store.folder());
    let aside = fleet.scratch.path().join("pack");
    fs::rename(&pack, &aside).expect("the pack is taken away");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pack, fifo, 0o666.into(), 0).expect("a FIFO");
    let dir = fleet.restore_dir("hung").display().to_string();
    let run = [
        "restore", "run", "orders", "--at", "latest", "--agent", "db1", "--dir", &dir, "--start",
    ];
    let job = fleet.cli.json(run)["job"]
        .as_str()
        .expect("a job")
        .to_owned();
    let over = until("the restore to fail", LONG, || {
        let shown = show(&fleet, &job);
        (shown["state"] == "failed").then_some(shown)
    });
    assert_eq!(over["error"]["code"], "no_progress", "{over}");
    assert_eq!(over["attempts"].as_array().map(Vec::len), Some(1), "{over}");
    assert!(!Path::new(&dir).join("global/pg_control").exists());

    // The repository answers again; what it gives is nobody's by now.
    let hung = until("somebody to read the pack", LONG, || {
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(nonblock).open(&pack).ok()
    });
    fs::rename(&aside, &pack).expect("the pack is back");
    drop::<File>(hung);
    let late = until("what came of it to be told", LONG, || {
        let shown = show(&fleet, &job);
        (shown["lateResults"].as_array()?.len() == 1).then_some(shown)
    });
    assert_eq!(late["state"], "failed", "{late}");
    assert!(!Path::new(&dir).join("global/pg_control").exists());
    let refused = fleet.cli.refused(4, run);
    assert_eq!(refused["code"], "dir_not_empty", "{refused}");
    let restored = fleet.restore("latest", "again");
    let expected: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    assert_eq!(rows(&restored.connection()), expected);
}
