//! WAL duties follow the primary, and end when no policy wants them.

use holdfast_proto::{Assignment, Assignments, Work};
use holdfast_types::Failure;
use serde_json::json;

use crate::agent::{Agent, Session};
use crate::node::{Node, cluster, eventually, policy, repository};

fn wal(set: &Assignments) -> Option<&Assignment> {
    let is_wal = |assignment: &&Assignment| matches!(assignment.work, Work::ReceiveWal(_));
    set.assignments.iter().find(is_wal)
}

async fn given(session: &mut Session) -> Assignment {
    let set = session.assigned(|set| wal(set).is_some()).await;
    wal(&set).cloned().unwrap()
}

async fn taken(session: &mut Session) {
    session.assigned(|set| wal(set).is_none()).await;
}

#[tokio::test]
async fn wal_is_received_where_the_primary_is_and_nowhere_else() {
    let mut node = Node::start().await;
    let (one, other) = (
        Agent::enrol(&node, "db1").await,
        Agent::enrol(&node, "db2").await,
    );
    let mut pair = cluster("db1");
    let second = json!({"agent": "db2", "connection": "host=/run/postgresql user=holdfast"});
    pair["spec"]["instances"]
        .as_array_mut()
        .unwrap()
        .push(second);
    node.apply(json!([repository(), policy(), pair]))
        .await
        .expect(200);
    let mut one = one.session(&node, &[]).await.unwrap();
    let mut other = other.session(&node, &[]).await.unwrap();
    let first = given(&mut one).await;
    // Both observe their own instance; neither sees what the other does.
    one.observe_as("standby", "orders", 7).await;
    other.observe_as("primary", "orders", 7).await;
    taken(&mut one).await;
    let moved = given(&mut other).await;
    assert!(moved.generation > first.generation); // I-04
    // The primary restarts: nobody is primary for a moment, and nothing moves.
    other.observe_as("standby", "orders", 7).await;
    one.observe_as("standby", "orders", 7).await;
    node.put("/api/v1/secrets/pw", json!({"value": "geheim"}))
        .await
        .expect(201);
    let mut changed = policy();
    changed["spec"]["wal"]["flushEvery"] = json!("2s");
    node.apply(json!([changed])).await.expect(200);
    let set = other.assigned(|set| {
        wal(set).is_some_and(|duty| {
        matches!(&duty.work, Work::ReceiveWal(work) if work.flush_every.to_string() == "2s")
    })
    });
    assert_eq!(wal(&set.await).unwrap().generation, moved.generation);
    node.delete("/api/v1/policies/gold").await.expect(200);
    taken(&mut other).await;
    node.stop().await;
}

#[tokio::test]
async fn a_password_reaches_the_agent_and_nobody_else() {
    let mut node = Node::start().await;
    let agent = Agent::enrol(&node, "db1").await;
    node.put("/api/v1/secrets/pw", json!({"value": "geheim-1"}))
        .await
        .expect(201);
    let mut with_password = cluster("db1");
    with_password["spec"]["instances"][0]["passwordSecret"] = json!("pw");
    node.apply(json!([repository(), policy(), with_password]))
        .await
        .expect(200);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let holds = |set: &Assignments, password: &str| {
        set.instances.iter().any(|observed| {
            let known = observed.instance.password.as_ref();
            known.is_some_and(|known| known.expose() == password)
        })
    };
    session.assigned(|set| holds(set, "geheim-1")).await;
    node.put("/api/v1/secrets/pw", json!({"value": "geheim-2"}))
        .await
        .expect(200);
    session.assigned(|set| holds(set, "geheim-2")).await;
    let shown = node.get("/api/v1/clusters/orders").await.expect(200);
    assert!(!shown.to_string().contains("geheim"), "{shown}");
    node.stop().await;
}

/// What an agent says of the slot that it keeps is shown while it is connected,
/// and never recorded.
#[tokio::test]
async fn what_is_wrong_with_a_standbys_slot_is_a_warning() {
    let mut node = Node::start().await;
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
    let mut one = one.session(&node, &[]).await.unwrap();
    let other_session = other.session(&node, &[]).await.unwrap();
    given(&mut one).await;
    one.observe_as("primary", "orders", 7).await;
    let warnings = async || {
        let exposure = node.get("/api/v1/exposure?cluster=orders").await;
        exposure.expect(200)["items"][0]["warnings"].clone()
    };
    let trouble = Failure::transient("wal_retention_waiting", "not made yet", "wait");
    other_session.observe_slot("orders", Some(&trouble)).await;
    let shown = eventually("the warning", async || {
        Some(warnings().await).filter(|shown| !shown.is_null())
    })
    .await;
    let expected = json!([{"agent": "db2", "code": "wal_retention_waiting",
                           "message": "not made yet", "hint": "wait"}]);
    assert_eq!(shown, expected);
    other_session.observe_slot("orders", None).await;
    eventually("its end", async || warnings().await.is_null().then_some(())).await;
    // Who is not connected says nothing.
    other_session.observe_slot("orders", Some(&trouble)).await;
    eventually("the warning", async || {
        (!warnings().await.is_null()).then_some(())
    })
    .await;
    drop(other_session);
    eventually("its end", async || warnings().await.is_null().then_some(())).await;
    let agents = async || node.get("/api/v1/agents").await.expect(200).to_string();
    assert!(
        agents().await.contains("slotTrouble"),
        "as it was last seen"
    );
    node.restart().await;
    let agents = node.get("/api/v1/agents").await.expect(200).to_string();
    assert!(
        agents.contains("db2") && !agents.contains("slotTrouble"),
        "{agents}"
    );
    node.stop().await;
}
