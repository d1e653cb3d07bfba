//! Agents that are paused, killed or stuck: one holder in the catalog, and no
//! job that runs for ever in nobody's hands (I-04, I-14).

use holdfast_pg::testkit::major;
use holdfast_tests::agent::Agent;
use holdfast_tests::control_plane::{Addresses, ControlPlane};
use holdfast_tests::fleet::{Fleet, LONG, ROLE};
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use rustix::process::Signal;
use serde_json::Value;

/// A fleet whose jobs are taken back as soon as that is allowed.
fn impatient() -> Fleet {
    let programs = major(15);
    let scratch = Scratch::new();
    let store = Store::directory(&scratch);
    let postgres = holdfast_pg::testkit::TestCluster::builder(&programs)
        .initdb("--data-checksums")
        .start();
    postgres.psql(ROLE);
    let settings = [("HOLDFAST_JOBS__AGENT_GONE_AFTER", "15s")];
    let control_plane = ControlPlane::bootstrap_with(scratch.path(), Addresses::any(), &settings);
    let cli = control_plane.cli();
    let bin_dir = Some(programs.directory());
    let agent = Agent::enroll_with(&control_plane, &cli, scratch.path(), "db1", bin_dir);
    let fleet = Fleet {
        agent,
        cli,
        control_plane,
        postgres,
        store,
        scratch,
    };
    fleet.protect();
    fleet.wait_frontier(jiff::Timestamp::UNIX_EPOCH);
    fleet
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
