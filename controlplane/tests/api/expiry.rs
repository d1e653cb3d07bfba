//! What expires is shown before it does, held, and deleted by hand (I-06, I-11).

use holdfast_proto::JobOutcome;
use serde_json::{Value, json};

use crate::jobs::{backup, committed, finished, protected};
use crate::node::{Node, eventually, policy};

/// A cluster with so many backups that a simulated agent took.
pub async fn with_backups(count: u64) -> (Node, Vec<String>) {
    let (node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let mut taken = Vec::new();
    let mut last = None;
    for number in 1..=count {
        backup(&node).await;
        let is_new = |set: &holdfast_proto::Assignments| {
            let mut jobs = set.assignments.iter();
            jobs.any(|one| {
                matches!(one.work, holdfast_proto::Work::Backup(_)) && Some(one.id) != last
            })
        };
        let set = session.assigned(is_new).await;
        let mut jobs = set.assignments.into_iter();
        let job = jobs.find(|one| {
            matches!(one.work, holdfast_proto::Work::Backup(_)) && Some(one.id) != last
        });
        let job = job.unwrap();
        last = Some(job.id);
        let outcome = committed(&job, number * 1000, number * 1000 + 100);
        if let JobOutcome::Succeeded(success) = &outcome {
            let backup = success.backup.as_ref().unwrap();
            taken.push(backup.id.to_string());
        }
        assert_eq!(session.report(&job, finished(outcome)).await, "");
    }
    (node, taken)
}

async fn keep(node: &Node, retention: Value) {
    let mut policy = policy();
    policy["spec"]["retention"] = retention;
    eventually("the level of retention", async || {
        let answer = node.apply(json!([policy])).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

fn backups(expiry: &Value) -> Vec<(String, bool, String)> {
    let all = expiry["repositories"][0]["backups"]
        .as_array()
        .unwrap()
        .iter();
    all.map(|one| {
        let code = one["reasons"][0]["code"].as_str().unwrap();
        let id = one["id"].as_str().unwrap();
        (id.to_owned(), one["keep"] == true, code.to_owned())
    })
    .collect()
}

#[tokio::test]
async fn what_expires_is_shown_and_then_condemned() {
    let (mut node, taken) = with_backups(3).await;
    let path = "/api/v1/clusters/orders/expiry";
    let shown = node.get(path).await.expect(200);
    let because = shown["nothingBecause"].as_str().unwrap();
    assert!(because.contains("says no `retention`"), "{shown}");
    assert_eq!(shown["repositories"][0]["backups"], json!([]));
    let unknown = node.get("/api/v1/clusters/nobody/expiry").await;
    unknown.refused(404, "not_found");

    // Held, it stays whatever the policy says.
    let first = format!("/api/v1/backups/{}", taken[0]);
    let hold = format!("{first}/hold");
    // A new group is brought to its level first.
    let wrong = eventually("the level of holds", async || {
        let answer = node.put(&hold, json!({"reason": " "})).await;
        (answer.status != 409).then_some(answer)
    });
    wrong.await.refused(422, "invalid");
    let held = node
        .put(&hold, json!({"reason": "case 4711"}))
        .await
        .expect(200);
    assert_eq!(held["hold"]["reason"], "case 4711");
    assert_eq!(held["hold"]["by"], "user:admin");
    let refused = node.delete(&first).await;
    refused.refused(409, "backup_held");
    // By hand, with a reason and a time; once only, and not the last.
    let second = format!("/api/v1/backups/{}", taken[1]);
    let gone = node.delete(&second).await.expect(202);
    assert_eq!(gone["state"], "condemned", "{gone}");
    assert_eq!(gone["condemned"]["cause"], "hand");
    assert_eq!(gone["condemned"]["reason"], "deleted by user:admin");
    assert!(gone["condemned"]["deleteAfter"].is_string());
    node.delete(&second).await.refused(409, "backup_condemned");
    let late = node
        .put(&format!("{second}/hold"), json!({"reason": "too late"}))
        .await;
    late.refused(409, "backup_condemned");
    let nobody = "/api/v1/backups/bkp_000000000000000000000000000000ff";
    node.delete(nobody).await.refused(404, "not_found");

    // The leader plans once its group is at the level: nothing but what is held
    // would expire then.
    keep(&node, json!({"keep": {"last": 1}})).await;
    let shown = node.get(path).await.expect(200);
    assert_eq!(shown["nothingBecause"], Value::Null, "{shown}");
    assert_eq!(shown["policy"], "gold");
    let expected = [
        (taken[0].clone(), true, "held".to_owned()),
        (taken[2].clone(), true, "last".to_owned()),
    ];
    assert_eq!(backups(&shown), expected);
    let released = node.delete(&hold).await.expect(200);
    assert_eq!(released["hold"], Value::Null);
    // It expires now, if the leader has not condemned it meanwhile.
    let shown = node.get(path).await.expect(200);
    let first_now = backups(&shown).into_iter().find(|(id, ..)| *id == taken[0]);
    assert!(
        first_now.is_none_or(|(_, keep, code)| !keep && code == "expired"),
        "{shown}"
    );
    let gone = node.delete(&first).await;
    assert!(gone.status == 202 || gone.body["code"] == "backup_condemned");
    let third = format!("/api/v1/backups/{}", taken[2]);
    node.delete(&third).await.refused(409, "last_backup");
    let shown = node.get(path).await.expect(200);
    let expected = [(taken[2].clone(), true, "last".to_owned())];
    assert_eq!(backups(&shown), expected);
    let listed = node.get("/api/v1/backups?cluster=orders").await.expect(200);
    let condemned = listed["items"].as_array().unwrap().iter();
    let condemned = condemned.filter(|one| one["state"] == "condemned");
    assert_eq!(condemned.count(), 2, "{listed}");
    is_audited(&node).await;
    node.stop().await;
}

/// I-11
async fn is_audited(node: &Node) {
    let audit = node.get("/api/v1/audit?limit=1000").await.expect(200);
    let actions: Vec<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["action"].as_str())
        .collect();
    for action in ["hold_backup", "release_backup", "condemn_backups"] {
        assert!(actions.contains(&action), "{action} of {actions:?}");
    }
}

#[tokio::test]
async fn a_bad_retention_is_refused_with_its_path() {
    let (mut node, _agent) = protected().await;
    for (retention, field) in [
        (json!({"keep": {"last": 0}}), "spec.retention.keep.last"),
        (json!({"pitr": "1d"}), "spec.retention.pitr"),
        (json!({"timezone": "Mars"}), "spec.retention.timezone"),
    ] {
        let mut policy = policy();
        policy["spec"]["objectives"]["window"] = json!("2d");
        policy["spec"]["retention"] = retention;
        let answer = node.apply(json!([policy])).await;
        assert_eq!(answer.status, 422, "{field}");
        let said = answer.body["field"].as_str().unwrap_or_default().to_owned();
        assert!(said.ends_with(field), "{said}");
    }
    node.stop().await;
}
