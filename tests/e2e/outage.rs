//! Nights without a control plane: scheduled backups go on, and nothing of it
//! is lost, doubled or forgotten (I-03, I-08).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_pg::testkit::major;
use holdfast_tests::agent::Agent;
use holdfast_tests::control_plane::Addresses;
use holdfast_tests::fleet::{Fleet, LONG};
use holdfast_tests::group::Group;
use holdfast_tests::ledger::{Ledger, rows};
use holdfast_tests::rest;
use holdfast_tests::scratch::Scratch;
use holdfast_tests::store::Store;
use holdfast_tests::until::until;
use holdfast_types::resource::Schedule;
use holdfast_types::schedule::Timetable;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How many schedules; each is due once a minute.
const SCHEDULES: i64 = 5;
/// What the agent logs when it begins a run on its own.
const BEGINS: &str = "a scheduled backup begins on its own";

/// Schedules of one minute whose due times are spread over it: the grid of
/// `every` is shifted by a hash of the names, so names are looked for.
pub(crate) fn schedules() -> Vec<Schedule> {
    let cluster = "orders".parse().expect("a name");
    let now = Timestamp::now();
    let wanted = (0..SCHEDULES).map(|slot| (3 + slot * 60 / SCHEDULES) % 60);
    let named = |name: String| -> Schedule {
        let document = json!({"name": name, "kind": "full", "every": "1m"});
        serde_json::from_value(document).expect("a schedule")
    };
    let second = |schedule: &Schedule| {
        let timetable = Timetable::new(&cluster, schedule).expect("a timetable");
        let due = timetable.next_due(now).expect("a due time");
        due.at.as_second().rem_euclid(60)
    };
    let pick = |wanted: i64| {
        let candidates = (0..2_000).map(|number| named(format!("often-{number}")));
        let mut fitting = candidates.filter(|one| second(one) == wanted);
        fitting.next().expect("some name fits")
    };
    wanted.map(pick).collect()
}

fn follow(fleet: &Fleet, schedules: &[Schedule]) {
    let yaml = fleet.cluster_yaml();
    let lines = schedules.iter().map(|one| {
        let name = &one.name;
        format!("    - {{name: {name}, kind: full, every: 1m}}\n")
    });
    let lines: String = lines.collect();
    fleet.store.apply(&fleet.cli);
    fleet.cli.apply(&format!("{yaml}  schedules:\n{lines}"));
}

fn runs(fleet: &Fleet) -> Vec<Value> {
    until("the runs", LONG, || {
        rest::items(&fleet.control_plane, "runs?limit=1000")
    })
}

fn jobs(fleet: &Fleet) -> BTreeMap<String, Value> {
    let items = until("the jobs", LONG, || {
        rest::items(&fleet.control_plane, "jobs?limit=1000")
    });
    let by_id = |job: Value| (job["id"].as_str().expect("an id").to_owned(), job);
    items.into_iter().map(by_id).collect()
}

/// The runs that should be on record, by their ids.
fn expected(schedules: &[Schedule], after: Timestamp, until: Timestamp) -> BTreeSet<String> {
    let cluster = "orders".parse().expect("a name");
    let mut all = BTreeSet::new();
    for schedule in schedules {
        let timetable = Timetable::new(&cluster, schedule).expect("a timetable");
        let due = timetable.due_between(after, until);
        all.extend(due.map(|due| timetable.run(due.at).to_string()));
    }
    all
}

fn due(run: &Value) -> Timestamp {
    run["due"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time")
}

/// Waits until the agent has begun so many runs on its own.
fn begun_alone(fleet: &Fleet, count: usize) {
    until("backups without a control plane", 2 * LONG, || {
        let log = fleet.agent.log();
        let lines = log.lines().filter(|line| line.contains(BEGINS));
        let run = |line: &str| {
            let from = line.find("orders.often-")?;
            line[from..].split_whitespace().next().map(str::to_owned)
        };
        let runs: BTreeSet<String> = lines.filter_map(run).collect();
        (runs.len() >= count).then_some(())
    });
}

/// Every due time of the time between has one record, which is final.
fn assert_each_is_on_record_once(
    fleet: &Fleet,
    schedules: &[Schedule],
    (after, now): (Timestamp, Timestamp),
) -> Vec<Value> {
    let wanted = expected(schedules, after, now);
    let found = until("every due time to be on record", 2 * LONG, || {
        let mut found = runs(fleet);
        found.retain(|run| after < due(run) && due(run) <= now);
        assert!(found.iter().all(|run| run["count"] == 1), "{found:?}");
        let settled = found.iter().all(|run| run["state"] != "due");
        (settled && found.len() >= wanted.len()).then_some(found)
    });
    let ids: Vec<&str> = found
        .iter()
        .map(|run| run["id"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), wanted.len(), "{ids:?}");
    let ids: BTreeSet<String> = ids.into_iter().map(str::to_owned).collect();
    assert_eq!(ids, wanted);
    found
}

#[test]
fn scheduled_backups_go_on_without_a_control_plane_and_are_on_record_after() {
    let mut fleet = Fleet::prepare(&major(15), Store::directory);
    fleet
        .agent
        .restart_with("control", "takeOverAfter = \"2s\"");
    let schedules = schedules();
    follow(&fleet, &schedules);
    let begins = Timestamp::now();
    fleet.wait_frontier(begins);
    let ledger = Ledger::start(&format!(
        "{} dbname=postgres",
        fleet.postgres.socket_conninfo()
    ));
    until("a scheduled backup", 2 * LONG, || {
        let ran = runs(&fleet).into_iter().any(|run| run["state"] == "ran");
        ran.then_some(())
    });

    fleet.control_plane.kill();
    begun_alone(&fleet, 1);
    // In the middle of its first backup alone, without warning.
    fleet.agent.kill();
    fleet.agent.restart();
    begun_alone(&fleet, 4);
    ledger.advance(10);
    let alone_until = Timestamp::now();
    fleet.control_plane.restart();

    let found = assert_each_is_on_record_once(&fleet, &schedules, (begins, alone_until));
    let alone: Vec<&Value> = found
        .iter()
        .filter(|run| run["offlineAgent"] == "db1")
        .collect();
    let ran: Vec<&&Value> = alone.iter().filter(|run| run["state"] == "ran").collect();
    assert!(ran.len() >= 3, "{alone:?}");
    assert_each_has_its_backup(&fleet, &found);

    // From here on the leader decides again, and there is still one record each.
    let again = Timestamp::now();
    until("the leader to decide again", 2 * LONG, || {
        let ran = runs(&fleet)
            .into_iter()
            .any(|run| due(&run) > again && run["state"] == "ran" && run["offlineAgent"].is_null());
        ran.then_some(())
    });
    let now = Timestamp::now() - SignedDuration::from_secs(3);
    assert_each_is_on_record_once(&fleet, &schedules, (begins, now));

    // Without further backups that switch segments while it is looked at.
    fleet.cli.apply(&fleet.cluster_yaml());
    until("the last backups to end", LONG, || {
        let open = ["queued", "leased", "running", "committing"];
        let mut states = jobs(&fleet).into_values().map(|job| job["state"].clone());
        let busy = states.any(|state| state.as_str().is_some_and(|state| open.contains(&state)));
        (!busy).then_some(())
    });
    let entries = ledger.stop();
    fleet.wait_frontier(Timestamp::now());
    let gaps = fleet.exposure()["repositories"][0]["gaps"].clone();
    assert_eq!(gaps, json!([]), "WAL was lost");
    let restored = fleet.restore("latest", "after");
    let last = entries.last().expect("commits").id;
    assert_eq!(
        rows(&restored.connection()),
        (1..=last).collect::<Vec<i64>>()
    );
}

/// What ran has a job that is over, and one backup that counts at most; what
/// succeeded has one.
fn assert_each_has_its_backup(fleet: &Fleet, found: &[Value]) {
    let jobs = until("every job to be over", 2 * LONG, || {
        let jobs = jobs(fleet);
        let over = found.iter().filter(|run| run["state"] == "ran").all(|run| {
            let job = &jobs[run["job"].as_str().expect("a job")];
            ["succeeded", "failed", "cancelled", "superseded"]
                .contains(&job["state"].as_str().expect("a state"))
        });
        over.then_some(jobs)
    });
    let backups = until("the backups", LONG, || {
        rest::items(&fleet.control_plane, "backups?limit=1000")
    });
    for run in found.iter().filter(|run| run["state"] == "ran") {
        let job = &jobs[run["job"].as_str().expect("a job")];
        // One that was just being given out when the control plane died was
        // taken alone: the attempt that was given finds its mark (I-03).
        let state = job["state"].as_str().expect("a state");
        assert!(["succeeded", "superseded"].contains(&state), "{run} {job}");
        let available = backups
            .iter()
            .filter(|backup| backup["state"] == "available");
        let ids: Vec<&Value> = available
            .filter(|backup| backup["job"] == job["id"])
            .map(|backup| &backup["id"])
            .collect();
        assert_eq!(ids.len(), 1, "{run} {job} {ids:?}");
        assert!(state == "superseded" || ids == [&job["backup"]], "{job}");
    }
    let running = backups.iter().filter(|backup| backup["state"] == "running");
    let of_found = running.filter(|backup| found.iter().any(|run| run["job"] == backup["job"]));
    assert_eq!(of_found.count(), 0);
}

#[test]
fn leaders_come_and_go_and_every_due_time_has_one_record() {
    let scratch = Scratch::new();
    let any = (0..3).map(|_| Addresses::any()).collect();
    let mut group = Group::found(scratch.path(), any);
    let cli = group.cli().clone();
    // Its server does not exist: what counts here are the records.
    let agent = Agent::enroll(group.node(0), &cli, scratch.path(), "db1");
    let schedules = schedules();
    let lines = schedules.iter().map(|one| {
        let name = &one.name;
        format!("    - {{name: {name}, kind: full, every: 1m}}\n")
    });
    let lines: String = lines.collect();
    cli.apply(&format!(
        "apiVersion: holdfast/v1
kind: Repository
metadata: {{name: main}}
spec: {{url: \"file://{}\"}}
---
apiVersion: holdfast/v1
kind: Cluster
metadata: {{name: orders}}
spec: {{instances: [{{agent: db1, connection: \"host=/nowhere user=holdfast\"}}]}}
---
apiVersion: holdfast/v1
kind: Policy
metadata: {{name: all}}
spec:
  selector: {{}}
  repository: main
  schedules:
{lines}",
        scratch.path().join("repository").display()
    ));
    let begins = Timestamp::now();
    let config = group.node(0).data().join("cli.toml");
    let runs = |group: &Group| {
        until("the runs", LONG, || {
            let mut nodes = group.nodes().iter();
            let found = nodes
                .find_map(|node| rest::get_as(&config, node.rest_address(), "runs?limit=1000"));
            found?["items"].as_array().cloned()
        })
    };
    // Each leader is gone when the next due time comes, and back after it.
    for changes in 1..=3 {
        let leader = group.leader();
        group.node_mut(leader).kill();
        let (known, now) = (runs(&group).len(), Timestamp::now());
        until("the next leader to decide", LONG, || {
            let after = runs(&group).into_iter().any(|run| due(&run) > now);
            after.then_some(())
        });
        assert!(runs(&group).len() > known, "after {changes} changes");
        group.node_mut(leader).restart();
    }
    let now = Timestamp::now() - SignedDuration::from_secs(3);
    let wanted = expected(&schedules, begins, now);
    let found = until("every due time to be on record", LONG, || {
        let mut found = runs(&group);
        found.retain(|run| begins < due(run) && due(run) <= now);
        (found.len() >= wanted.len()).then_some(found)
    });
    let ids: Vec<String> = found
        .iter()
        .map(|run| run["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), wanted.len(), "{ids:?}");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), wanted);
    drop(agent);
}
