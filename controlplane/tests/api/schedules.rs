//! Schedules: due times become runs, runs become jobs, and none is doubled or
//! forgotten (I-03).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::node::{Node, cluster, config, eventually, policy, repository};

fn scheduled(schedules: Value) -> Value {
    let mut policy = policy();
    policy["spec"]["schedules"] = schedules;
    policy
}

/// A schedule whose next due time is a few seconds away: a line of minutes
/// would have a test wait for one.
fn every_minute(cluster: &str) -> (Value, Timestamp) {
    let due = |name: &str| {
        let schedule = json!({"name": name, "kind": "full", "every": "1m", "overlap": "queueOne",
                              "catchUp": "all", "priority": 2});
        let read = serde_json::from_value(schedule.clone()).unwrap();
        let cluster = cluster.parse().unwrap();
        let timetable = holdfast_types::schedule::Timetable::new(&cluster, &read).unwrap();
        let soon = Timestamp::now() + SignedDuration::from_secs(2);
        (timetable.next_due(soon).unwrap().at, schedule)
    };
    // The grid of `every` is shifted by the name: some name is due soon.
    let names = (0..200).map(|number| format!("often-{number}"));
    let (at, schedule) = names
        .map(|name| due(&name))
        .min_by_key(|(at, _)| *at)
        .unwrap();
    (schedule, at)
}

async fn runs(node: &Node) -> Vec<Value> {
    let list = node.get("/api/v1/runs?limit=1000").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn jobs(node: &Node) -> Vec<Value> {
    let list = node.get("/api/v1/jobs").await.expect(200);
    list["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_due_time_makes_one_job_and_downtime_is_accounted_for() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let (schedule, due) = every_minute("orders");
    let documents = json!([repository(), scheduled(json!([schedule])), cluster("db1")]);
    node.apply(documents).await.expect(200);

    let preview = node.get("/api/v1/clusters/orders/schedule?n=3").await;
    let preview = preview.expect(200);
    let first: Timestamp = preview["items"][0]["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(preview["items"].as_array().unwrap().len(), 3);
    assert_eq!(first, due);
    node.get("/api/v1/clusters/mars/schedule")
        .await
        .refused(404, "not_found");
    node.get("/api/v1/clusters/orders/schedule?n=0")
        .await
        .refused(422, "invalid");

    // Nothing of before the schedule came about is made up for.
    let node_ref = &node;
    let run = eventually("the run", || async { runs(node_ref).await.pop() }).await;
    assert_eq!(
        run["due"].as_str().unwrap().parse::<Timestamp>().unwrap(),
        due
    );
    assert_eq!(
        (&run["state"], &run["late"]),
        (&json!("due"), &json!(false))
    );
    assert_eq!(run["cluster"], "orders");
    let queued = jobs(&node).await;
    assert_eq!(queued.len(), 1);
    assert_eq!(queued[0]["id"], run["job"]);
    assert_eq!(queued[0]["run"], run["id"]);
    let waits = queued[0]["waitingFor"].as_str().unwrap();
    assert_eq!(waits, "the agent \"db1\" is offline");

    // A node that starts again takes up where it was: no second job.
    node.restart().await;
    let again = runs(&node).await;
    assert_eq!(again.last().unwrap(), &run);
    let expected = again.iter().filter(|run| !run["job"].is_null()).count();
    assert_eq!(jobs(&node).await.len(), expected);

    let mut session = agent.session(&node, &[]).await.unwrap();
    session.observe("orders", 7).await;
    session.job().await;
    let node_ref = &node;
    let ran = eventually("the run has run", || async {
        let last = runs(node_ref).await.pop()?;
        (last["state"] == "ran").then_some(last)
    });
    assert_eq!(ran.await["id"], run["id"]);
    let found = node
        .get("/api/v1/runs?cluster=orders&state=ran&limit=1")
        .await
        .expect(200);
    assert_eq!(found["items"][0]["id"], run["id"]);
    drop(session);
    node.stop().await;
}

const FLEET: usize = 60;

/// How often each due time of a fleet after `after` and not after `until`
/// should be on record: once.
fn expected(schedule: &Value, after: Timestamp, until: Timestamp) -> Vec<String> {
    let schedule = serde_json::from_value(schedule.clone()).unwrap();
    let mut ids = Vec::new();
    for number in 0..FLEET {
        let cluster = format!("c{number}").parse().unwrap();
        let timetable = holdfast_types::schedule::Timetable::new(&cluster, &schedule).unwrap();
        let due = timetable.due_between(after, until);
        ids.extend(due.map(|due| timetable.run(due.at).to_string()));
    }
    ids.sort();
    ids
}

#[tokio::test]
async fn every_due_time_of_a_fleet_is_on_record_once_whatever_happens_to_the_node() {
    let mut node = Node::start().await;
    let _agent = Agent::enrol(&node, "db1").await;
    // Each cluster is due once a minute, all together once a second.
    let schedule = json!({"name": "often", "kind": "full", "every": "1m"});
    let mut documents = vec![repository(), scheduled(json!([schedule]))];
    for number in 0..FLEET {
        let mut cluster = cluster("db1");
        cluster["metadata"]["name"] = json!(format!("c{number}"));
        documents.push(cluster);
    }
    node.apply(Value::Array(documents)).await.expect(200);
    let begun = Timestamp::now();
    for down in [1, 3] {
        let before = runs(&node).await.len();
        let node_ref = &node;
        eventually("a run", || async {
            (runs(node_ref).await.len() > before).then_some(())
        })
        .await;
        // What is tested is that time passes while nobody is there.
        node.stop().await;
        tokio::time::sleep(std::time::Duration::from_secs(down)).await;
        node.start_again(config(node.data.path())).await;
    }
    let until = Timestamp::now();
    let wanted = expected(&schedule, begun, until);
    assert!(wanted.len() > 2, "{wanted:?}");
    let node_ref = &node;
    let wanted_ref = &wanted;
    let found = eventually("every due time", || async {
        let runs = runs(node_ref).await;
        let has = |id: &String| runs.iter().any(|run| run["id"] == **id);
        wanted_ref.iter().all(has).then_some(runs)
    })
    .await;
    let mut ids: Vec<&str> = found
        .iter()
        .map(|run| run["id"].as_str().unwrap())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "a due time is on record twice");
    // All ran or wait: a second or three are no downtime to be made up for.
    let list = node.get("/api/v1/jobs?limit=1000").await.expect(200);
    let jobs = list["items"].as_array().unwrap();
    let with_job = |runs: &[Value]| runs.iter().filter(|run| !run["job"].is_null()).count();
    assert!(jobs.len() >= with_job(&found));
    for run in &found {
        assert_eq!(run["state"], "due", "{run}");
        let own = jobs.iter().filter(|job| job["id"] == run["job"]);
        assert_eq!(own.count(), 1, "{run}");
    }
    node.stop().await;
}

fn at_db1(name: &str) -> Value {
    let mut cluster = cluster("db1");
    cluster["metadata"]["name"] = json!(name);
    cluster
}

async fn start(node: &Node, cluster: &str) -> String {
    let path = format!("/api/v1/clusters/{cluster}/backups");
    let started = node.post(&path, json!({"kind": "full"})).await.expect(202);
    started["job"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_waits_for_each_limit_and_says_which() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    node.apply(json!([
        repository(),
        policy(),
        at_db1("orders"),
        at_db1("shop")
    ]))
    .await
    .expect(200);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let first = start(&node, "orders").await;
    session.job().await;
    let second = start(&node, "shop").await;
    let node_ref = &node;
    let waits_for = async |what: &str| {
        let id = &second;
        eventually(what, || async move {
            let job = node_ref
                .get(&format!("/api/v1/jobs/{id}"))
                .await
                .expect(200);
            let waits = job["waitingFor"].as_str()?.to_owned();
            waits.contains(what).then_some(waits)
        })
        .await
    };
    let why = waits_for("without limits.jobsPerHost").await;
    assert!(why.contains(&first), "{why}");
    let limit = async |limits: Value| {
        let mut limited = policy();
        limited["spec"]["limits"] = limits;
        node_ref.apply(json!([limited])).await.expect(200);
    };
    for (limits, what) in [
        (json!({"jobsPerHost": 1}), "limits.jobsPerHost: 1"),
        (
            json!({"jobsPerHost": 2, "jobsPerFleet": 1}),
            "the fleet \"default\"",
        ),
        (
            json!({"jobsPerHost": 2, "jobsPerRepository": 1}),
            "the repository \"eu\"",
        ),
    ] {
        limit(limits).await;
        waits_for(what).await;
    }
    limit(json!({"jobsPerHost": 2})).await;
    let both = |set: &holdfast_proto::Assignments| {
        let jobs = set.assignments.iter();
        let backups = jobs.filter(|one| matches!(one.work, holdfast_proto::Work::Backup(_)));
        backups.count() == 2
    };
    session.assigned(both).await;
    node.stop().await;
}
