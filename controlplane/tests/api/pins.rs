//! What an incremental may build on is pinned before an agent is told (I-06),
//! shown by a simulated agent.

use holdfast_proto::{Assignment, BackupWork, JobEvent, JobOutcome, Work};
use holdfast_types::{BackupKind, Failure, JobPhase};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::agent::Session;
use crate::jobs::{backup, committed, finished, job_is, protected};
use crate::node::{Node, eventually, policy};

fn work(assignment: &Assignment) -> &BackupWork {
    match &assignment.work {
        Work::Backup(work) => work,
        other => panic!("{other:?} is no backup"),
    }
}

async fn incremental(node: &Node) -> String {
    let path = "/api/v1/clusters/orders/backups";
    // A new group is brought to its level one by one.
    let started = eventually("incrementals", async || {
        let answer = node.post(path, json!({"kind": "incremental"})).await;
        (answer.status != 409).then_some(answer)
    });
    let started = started.await.expect(202);
    started["job"].as_str().unwrap().to_owned()
}

/// The next job that is not this one.
async fn job_after(session: &mut Session, before: &Assignment) -> Assignment {
    let other = |assignment: &Assignment| {
        let key = (assignment.id, assignment.generation);
        matches!(assignment.work, Work::Backup(_)) && key != (before.id, before.generation)
    };
    let set = session.assigned(|set| set.assignments.iter().any(other));
    set.await.assignments.into_iter().find(other).unwrap()
}

async fn pinned_until(node: &Node, assignment: &Assignment) -> Value {
    let path = format!("/api/v1/backups/{}", work(assignment).backup);
    let shown = node.get(&path).await.expect(200);
    shown.get("pinnedUntil").cloned().unwrap_or_default()
}

#[tokio::test]
async fn an_agent_is_told_to_build_on_nothing_but_what_is_pinned() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    // Nothing is there: it is told so by being told nothing.
    incremental(&node).await;
    let first = session.job().await;
    assert_eq!(work(&first).kind, BackupKind::Incremental);
    assert_eq!(work(&first).parent, None);
    let mut full = committed(&first, 100, 200);
    if let JobOutcome::Succeeded(success) = &mut full {
        success.backup.as_mut().unwrap().kind = BackupKind::Full;
    }
    assert_eq!(session.report(&first, finished(full)).await, "");
    assert_eq!(pinned_until(&node, &first).await, Value::Null);

    let job = incremental(&node).await;
    let second = job_after(&mut session, &first).await;
    let parent = work(&second).parent.expect("there is one now");
    assert_eq!(parent.backup, work(&first).backup);
    assert_eq!(parent.job, work(&first).job);
    let left = parent.until.duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_hours(7 * 24 - 1), "{left}");
    // It is in the state, and shown.
    let shown = pinned_until(&node, &first).await;
    let shown: Timestamp = shown.as_str().unwrap().parse().unwrap();
    assert!(shown.duration_since(parent.until).abs() < SignedDuration::from_millis(1));

    // What it built on turned out to be damaged: the next attempt does without.
    assert_eq!(session.report(&second, JobEvent::Started).await, "");
    assert_eq!(
        session
            .report(&second, JobEvent::Phase(JobPhase::Copy))
            .await,
        ""
    );
    let damage = Failure::transient("parent_damaged", "a pack is damaged", "look");
    let ended = finished(JobOutcome::Interrupted(damage));
    assert_eq!(session.report(&second, ended).await, "");
    let third = job_after(&mut session, &second).await;
    assert_eq!(work(&third).job, work(&second).job);
    assert_eq!(work(&third).parent, None);
    let done = finished(committed(&third, 200, 300));
    assert_eq!(session.report(&third, done).await, "");
    job_is(&node, &job, "succeeded").await;
    // A full one that was asked for has none either.
    backup(&node).await;
    let fourth = job_after(&mut session, &third).await;
    assert_eq!(
        (work(&fourth).kind, work(&fourth).parent),
        (BackupKind::Full, None)
    );
    node.stop().await;
}

/// The standing orders of a cluster have a pin of their own, on its newest
/// backup.
#[tokio::test]
async fn standing_orders_carry_a_pinned_parent() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    backup(&node).await;
    let full = session.job().await;
    let done = finished(committed(&full, 100, 200));
    assert_eq!(session.report(&full, done).await, "");
    let mut policy = policy();
    // Due in a year: nothing but the orders comes of it.
    policy["spec"]["schedules"] = json!([
        {"name": "seldom", "kind": "incremental", "every": "366d"},
    ]);
    eventually("the level of schedules of incrementals", async || {
        let answer = node.apply(json!([policy])).await;
        (answer.status == 200).then_some(())
    })
    .await;
    eventually("the standing pin", async || {
        pinned_until(&node, &full).await.is_string().then_some(())
    })
    .await;
    drop(session);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let set = session.assigned(|set| !set.orders.is_empty()).await;
    let parent = set.orders[0].parent.expect("it is pinned");
    assert_eq!(parent.backup, work(&full).backup);
    node.stop().await;
}
