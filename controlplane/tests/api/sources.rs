//! From which server a backup is taken, how it begins, and whether it carries
//! its own WAL: decided from what agents report, and told to the agent.

use holdfast_proto::{Assignment, BackupWork, JobEvent, JobOutcome, Work};
use holdfast_types::Failure;
use holdfast_types::resource::{Checkpoint, Source};
use serde_json::{Value, json};

use crate::agent::{Agent, Session};
use crate::jobs::{committed, finished, job_is, protected};
use crate::node::{Node, cluster, eventually, policy, repository};

const BACKUPS: &str = "/api/v1/clusters/orders/backups";
/// That of the commits.
const SYSTEM: u64 = 7_301_234_567_890_123_456;

fn work(assignment: &Assignment) -> &BackupWork {
    match &assignment.work {
        Work::Backup(work) => work,
        other => panic!("{other:?} is no backup"),
    }
}

/// A node with a cluster of two instances, and their agents.
async fn pair() -> (Node, Session, Session) {
    let node = Node::start().await;
    let (one, other) = (
        Agent::enrol(&node, "db1").await,
        Agent::enrol(&node, "db2").await,
    );
    let mut pair = cluster("db1");
    let second = json!({"agent": "db2", "connection": "host=/run/postgresql user=holdfast"});
    let instances = pair["spec"]["instances"].as_array_mut().unwrap();
    instances.push(second);
    node.apply(json!([repository(), policy(), pair]))
        .await
        .expect(200);
    let one = one.session(&node, &[]).await.unwrap().keep_alive();
    let other = other.session(&node, &[]).await.unwrap().keep_alive();
    (node, one, other)
}

/// Asks for a backup, once the node has the level for it and sees who is what.
async fn ask(node: &Node, body: Value) -> String {
    let started = eventually("the backup to be taken on", async || {
        let answer = node.post(BACKUPS, body.clone()).await;
        if answer.status != 202 {
            eprintln!("{body}: {}", answer.body);
        }
        (answer.status == 202).then_some(answer)
    });
    let started = started.await.expect(202);
    started["job"].as_str().unwrap().to_owned()
}

/// Takes the backup that was asked for.
async fn take(node: &Node, session: &mut Session, id: &str) -> Assignment {
    let assignment = session.job().await;
    assert_eq!(session.report(&assignment, JobEvent::Started).await, "");
    let done = finished(committed(&assignment, 100, 200));
    assert_eq!(session.report(&assignment, done).await, "");
    job_is(node, id, "succeeded").await;
    assignment
}

#[tokio::test]
async fn a_backup_goes_to_the_server_that_it_is_to_be_taken_from() {
    let (mut node, mut primary, mut standby) = pair().await;
    primary.observe_as("primary", "orders", SYSTEM).await;
    // Nobody is seen as a standby.
    eventually("the level of sources", async || {
        let answer = node
            .post(BACKUPS, json!({"kind": "full", "from": "standby"}))
            .await;
        (answer.body["code"] != "level_too_low").then(|| answer.refused(409, "no_standby"))
    })
    .await;
    standby.observe_as("standby", "orders", SYSTEM).await;
    let id = ask(
        &node,
        json!({"kind": "full", "from": "standby", "checkpoint": "spread"}),
    )
    .await;
    let assignment = take(&node, &mut standby, &id).await;
    let given = work(&assignment);
    assert_eq!(given.from, Some(Source::Standby));
    assert_eq!(given.checkpoint, Some(Checkpoint::Spread));
    assert!(!given.own_wal);
    let id = ask(&node, json!({"kind": "full"})).await;
    let assignment = take(&node, &mut primary, &id).await;
    assert_eq!(
        (work(&assignment).from, work(&assignment).checkpoint),
        (None, None)
    );
    let id = ask(&node, json!({"kind": "full", "from": "preferStandby"})).await;
    take(&node, &mut standby, &id).await;
    // The roles change: so does who takes it.
    primary.observe_as("standby", "orders", SYSTEM).await;
    standby.observe_as("primary", "orders", SYSTEM).await;
    let id = ask(&node, json!({"kind": "full", "from": "standby"})).await;
    take(&node, &mut primary, &id).await;
    node.stop().await;
}

#[tokio::test]
async fn without_a_standby_the_primary_is_preferred_to_nothing() {
    let (mut node, mut primary, _standby) = pair().await;
    primary.observe_as("primary", "orders", SYSTEM).await;
    let id = ask(&node, json!({"kind": "full", "from": "preferStandby"})).await;
    take(&node, &mut primary, &id).await;
    node.stop().await;
}

/// What fails because a standby was promoted is tried where the standby is
/// then.
#[tokio::test]
async fn a_retry_goes_to_who_is_a_standby_then() {
    let (mut node, mut one, mut other) = pair().await;
    one.observe_as("primary", "orders", SYSTEM).await;
    other.observe_as("standby", "orders", SYSTEM).await;
    let id = ask(&node, json!({"kind": "full", "from": "standby"})).await;
    let assignment = other.job().await;
    assert_eq!(other.report(&assignment, JobEvent::Started).await, "");
    one.observe_as("standby", "orders", SYSTEM).await;
    other.observe_as("primary", "orders", SYSTEM).await;
    let promoted = Failure::transient("promoted_during_backup", "it was promoted", "wait");
    let failed = finished(JobOutcome::Failed(promoted));
    assert_eq!(other.report(&assignment, failed).await, "");
    let again = take(&node, &mut one, &id).await;
    assert!(again.generation > assignment.generation, "I-04");
    node.stop().await;
}

/// I-08: without a control plane, a schedule is followed by the agent that
/// would have been given its runs.
#[tokio::test]
async fn standing_orders_go_to_who_would_take_the_backups() {
    let (mut node, mut primary, mut standby) = pair().await;
    primary.observe_as("primary", "orders", SYSTEM).await;
    standby.observe_as("standby", "orders", SYSTEM).await;
    let mut gold = policy();
    gold["spec"]["schedules"] = json!([
        {"name": "here", "kind": "full", "every": "300d"},
        {"name": "there", "kind": "full", "every": "300d", "from": "standby"},
    ]);
    eventually("the level of sources", async || {
        let answer = node.apply(json!([gold])).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let named = |session: &'static str| {
        move |set: &holdfast_proto::Assignments| {
            let schedules = set.orders.iter().flat_map(|orders| &orders.schedules);
            let names: Vec<_> = schedules.map(|one| one.schedule.name.to_string()).collect();
            names == [session]
        }
    };
    primary.assigned(named("here")).await;
    standby.assigned(named("there")).await;
    node.stop().await;
}

#[tokio::test]
async fn without_wal_being_received_backups_carry_their_own() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let mut gold = policy();
    gold["spec"]["wal"] = json!({"mode": "none"});
    gold["spec"]["objectives"] = json!({"rpo": "1d"});
    gold["spec"]["limits"] = json!({"bandwidth": "3MiB/s"});
    gold["spec"]["schedules"] = json!([{"name": "often", "kind": "full", "every": "300d"}]);
    eventually("the level of sources", async || {
        let answer = node.apply(json!([gold])).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let id = ask(&node, json!({"kind": "full"})).await;
    let assignment = take(&node, &mut session, &id).await;
    assert!(work(&assignment).own_wal);
    assert_eq!(work(&assignment).repository.bandwidth, Some(3 << 20));
    let limited = |orders: &holdfast_proto::StandingOrders| {
        orders.repository.bandwidth == Some(3 << 20) && !orders.schedules.is_empty()
    };
    session.assigned(|set| set.orders.iter().any(limited)).await;
    let exposure = node
        .get("/api/v1/exposure?cluster=orders")
        .await
        .expect(200);
    let exposure = exposure["items"][0].clone();
    let path = format!("/api/v1/backups/{}", work(&assignment).backup);
    let taken = node.get(&path).await.expect(200);
    assert_eq!(exposure["status"], "COMPLIANT", "{exposure}");
    for field in ["frontier", "windowEnd"] {
        assert_eq!(exposure[field], taken["finishedAt"], "{field}: {exposure}");
    }
    node.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_where_it_stands() {
    let (mut node, _agent) = protected().await;
    let refused = async |body: Value| {
        let answer = eventually("the level of sources", async || {
            let answer = node.post(BACKUPS, body.clone()).await;
            (answer.body["code"] != "level_too_low").then_some(answer)
        });
        answer.await
    };
    let dump = refused(json!({"kind": "logical", "from": "standby"})).await;
    assert_eq!(dump.refused(422, "not_supported_yet")["field"], "from");
    let dump = refused(json!({"kind": "logical", "checkpoint": "fast"})).await;
    assert_eq!(dump.refused(422, "invalid")["field"], "checkpoint");
    for body in [
        json!({"kind": "full", "from": "anywhere"}),
        json!({"kind": "full", "checkpoint": "now"}),
    ] {
        assert_eq!(node.post(BACKUPS, body).await.status, 422);
    }
    node.stop().await;
}
