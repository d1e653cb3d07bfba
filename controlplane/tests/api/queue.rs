//! The order of the queue, its limit in all, and runs that replace others.

use std::time::{Duration, Instant};

use holdfast_proto::v1::{self, agent_message, control_message};
use holdfast_proto::{Assignment, Assignments, JobEvent, JobOutcome, Work};
use holdfast_types::schedule::Timetable;
use holdfast_types::{Failure, JobId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::jobs::{finished, job_is};
use crate::node::{Node, cluster, config, eventually, policy, repository};

/// A cluster that only the policy of its own name selects.
fn tiered(name: &str, agent: &str) -> Value {
    let mut cluster = cluster(agent);
    cluster["metadata"] = json!({"name": name, "labels": {"tier": name}});
    cluster
}

fn selecting(name: &str, schedules: Value) -> Value {
    let mut policy = policy();
    policy["metadata"]["name"] = json!(name);
    policy["spec"]["selector"] = json!({"tier": name});
    policy["spec"]["schedules"] = schedules;
    policy
}

/// A schedule for a cluster that is due soon, and when: the grid of `every` is
/// shifted by the name, so some name is.
fn soon(cluster: &str, after: Timestamp, more: &Value) -> (Value, Timestamp) {
    let due = |number: u32| {
        let mut schedule =
            json!({"name": format!("often-{number}"), "kind": "full", "every": "1m"});
        for (field, value) in more.as_object().unwrap() {
            schedule[field] = value.clone();
        }
        let read = serde_json::from_value(schedule.clone()).unwrap();
        let timetable = Timetable::new(&cluster.parse().unwrap(), &read).unwrap();
        (timetable.next_due(after).unwrap().at, schedule)
    };
    let (at, schedule) = (0..200).map(due).min_by_key(|(at, _)| *at).unwrap();
    (schedule, at)
}

async fn start(node: &Node, cluster: &str) -> String {
    let path = format!("/api/v1/clusters/{cluster}/backups");
    let started = node.post(&path, json!({"kind": "full"})).await.expect(202);
    started["job"].as_str().unwrap().to_owned()
}

/// The id of the job of a run of this cluster, once it is queued.
async fn queued(node: &Node, cluster: &str) -> String {
    let path = format!("/api/v1/jobs?cluster={cluster}&state=queued");
    eventually("a queued job", || async {
        let jobs = node.get(&path).await.expect(200);
        Some(jobs["items"][0]["id"].as_str()?.to_owned())
    })
    .await
}

fn job_of(assignment: &Assignment) -> Option<JobId> {
    match &assignment.work {
        Work::Backup(work) => Some(work.job),
        Work::Restore(_)
        | Work::RestoreDump(_)
        | Work::Copy(_)
        | Work::Drill(_)
        | Work::ReceiveWal(_) => None,
    }
}

/// The next job that the agent is given, which is not this one.
async fn other_than(session: &mut Session, first: &Assignment) -> Assignment {
    let is_other = |one: &Assignment| job_of(one).is_some() && job_of(one) != job_of(first);
    let has = |set: &Assignments| set.assignments.iter().any(is_other);
    let set = session.assigned(has).await;
    set.assignments.into_iter().find(is_other).unwrap()
}

fn failed() -> JobEvent {
    let failure = Failure::permanent("checksum_mismatch", "a page is bad", "look at it");
    finished(JobOutcome::Failed(failure))
}

#[tokio::test]
async fn the_higher_priority_is_first_though_it_was_due_later() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    // One host takes one backup at a time.
    let (low, low_due) = soon(
        "low",
        Timestamp::now() + SignedDuration::from_secs(2),
        &json!({"priority": 1}),
    );
    let (high, _) = soon("high", low_due, &json!({"priority": 9}));
    node.apply(json!([
        repository(),
        selecting("first", json!([])),
        selecting("low", json!([low])),
        selecting("high", json!([high])),
        tiered("first", "db1"),
        tiered("low", "db1"),
        tiered("high", "db1"),
    ]))
    .await
    .expect(200);
    let mut session = agent.session(&node, &[]).await.unwrap();
    start(&node, "first").await;
    let first = session.job().await;
    let low = queued(&node, "low").await;
    let high = queued(&node, "high").await;
    assert_eq!(session.report(&first, failed()).await, "");
    let next = other_than(&mut session, &first).await;
    assert_eq!(job_of(&next).unwrap().to_string(), high);
    assert_eq!(session.report(&next, failed()).await, "");
    let last = other_than(&mut session, &next).await;
    assert_eq!(job_of(&last).unwrap().to_string(), low);
    node.stop().await;
}

#[tokio::test]
async fn no_more_jobs_run_in_all_than_the_setting_says() {
    let mut node = Node::start().await;
    let one = Agent::enrol(&node, "db1").await;
    let two = Agent::enrol(&node, "db2").await;
    node.stop().await;
    let mut tight = config(node.data.path());
    tight.jobs.max_running = 1;
    node.start_again(tight).await;
    node.apply(json!([
        repository(),
        selecting("one", json!([])),
        selecting("two", json!([])),
        tiered("one", "db1"),
        tiered("two", "db2"),
    ]))
    .await
    .expect(200);
    let mut first = one.session(&node, &[]).await.unwrap();
    let mut second = two.session(&node, &[]).await.unwrap();
    start(&node, "one").await;
    let running = first.job().await;
    let waiting = start(&node, "two").await;
    let path = format!("/api/v1/jobs/{waiting}");
    let why = eventually("what it waits for", || async {
        let job = node.get(&path).await.expect(200);
        Some(job["waitingFor"].as_str()?.to_owned())
    })
    .await;
    assert!(why.contains("jobs.maxRunning is 1"), "{why}");
    assert_eq!(first.report(&running, failed()).await, "");
    let given = second.job().await;
    assert_eq!(job_of(&given).unwrap().to_string(), waiting);
    node.stop().await;
}

#[tokio::test]
async fn a_run_that_replaces_another_has_it_cancelled_first() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    let now = Timestamp::now() + SignedDuration::from_secs(2);
    let (schedule, _) = soon("orders", now, &json!({"overlap": "cancelRunning"}));
    node.apply(json!([
        repository(),
        selecting("orders", json!([schedule])),
        tiered("orders", "db1"),
    ]))
    .await
    .expect(200);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let first = session.job().await;
    assert_eq!(session.report(&first, JobEvent::Started).await, "");
    let id = job_of(&first).unwrap().to_string();
    // The next due time is a minute later, and runs.
    let deadline = Instant::now() + Duration::from_secs(120);
    let cancelled = |set: &Assignments| {
        let mut all = set.assignments.iter();
        all.any(|one| job_of(one) == job_of(&first) && one.cancel_requested)
    };
    loop {
        assert!(Instant::now() < deadline, "nobody cancels the run");
        let quiet = Duration::from_secs(5);
        match tokio::time::timeout(quiet, session.next()).await {
            Ok(message) => {
                if let control_message::Message::Assignments(set) = message.unwrap()
                    && cancelled(&Assignments::try_from(set).unwrap())
                {
                    break;
                }
            }
            // An agent that says nothing is lost.
            Err(_) => {
                let heartbeat = v1::Heartbeat {
                    sent_at_us: Timestamp::now().as_microsecond(),
                    offline_unsettled: false,
                };
                let heartbeat = agent_message::Message::Heartbeat(heartbeat);
                session.send(heartbeat).await;
            }
        }
    }
    let shown = node.get(&format!("/api/v1/jobs/{id}")).await.expect(200);
    assert_eq!(shown["cancelRequested"], true, "{shown}");
    let over = finished(JobOutcome::Cancelled);
    assert_eq!(session.report(&first, over).await, "");
    job_is(&node, &id, "cancelled").await;
    let next = other_than(&mut session, &first).await;
    let path = format!("/api/v1/jobs/{}", job_of(&next).unwrap());
    let shown = node.get(&path).await.expect(200);
    assert_eq!(shown["cluster"], "orders");
    assert!(!shown["run"].is_null(), "{shown}");
    node.stop().await;
}
