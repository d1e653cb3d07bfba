//! Restores: planned by their agent, done as planned.

use holdfast_proto::v1::{self, agent_message, control_message};
use holdfast_proto::{JobEvent, JobOutcome, JobSuccess, PlanAnswer, PlanRequest, Work};
use holdfast_types::{Failure, RestorePlan};
use serde_json::json;

use crate::agent::Session;
use crate::jobs::{finished, job_is, lineage, protected};
use crate::node::eventually;

pub fn plan(problems: &[Failure]) -> RestorePlan {
    serde_json::from_value(json!({
        "cluster": "orders", "at": "latest", "lineage": lineage(),
        "backup": "bkp_00000000000000000000000000000001",
        "backupFinishedAt": "2026-02-03T02:41:07Z", "timeline": 1,
        "wal": {"fromLsn": "0/64", "toLsn": "0/C8", "lastRecordLsn": "0/C0", "segments": 1},
        "recoversTo": "2026-02-03T02:41:07Z", "lastCommitAt": null, "stopBefore": null,
        "serverVersion": 150_018, "databaseBytes": 1, "fetchBytes": 1, "estimatedSeconds": 1,
        "problems": problems, "warnings": [],
    }))
    .unwrap()
}

pub async fn answer_plan(
    session: &mut Session,
    answer: Result<RestorePlan, Failure>,
) -> PlanRequest {
    loop {
        if let control_message::Message::Plan(request) = session.next().await.unwrap() {
            let request = PlanRequest::try_from(request).unwrap();
            let answer = answer.map(Box::new);
            let answer = PlanAnswer {
                request_id: request.request_id,
                answer,
            };
            session
                .send(agent_message::Message::Plan(v1::PlanAnswer::from(&answer)))
                .await;
            return request;
        }
    }
}

#[tokio::test]
async fn a_restore_is_planned_by_its_agent_and_done_as_planned() {
    let (mut node, agent) = protected().await;
    let request = json!({"cluster": "orders", "at": "latest", "agent": "db1", "dir": "/srv/copy"});
    node.post("/api/v1/restores/plan", request.clone())
        .await
        .refused(503, "agent_offline");
    let mut nobody = request.clone();
    nobody["agent"] = json!("db9");
    node.post("/api/v1/restores/plan", nobody)
        .await
        .refused(404, "not_found");
    let mut relative = request.clone();
    relative["dir"] = json!("copy");
    node.post("/api/v1/restores/plan", relative)
        .await
        .refused(422, "invalid");
    let mut session = agent.session(&node, &[]).await.unwrap();
    let (asked, planned) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        node.post("/api/v1/restores/plan", request.clone()),
    );
    assert_eq!(asked.request.dir, "/srv/copy");
    assert_eq!(planned.expect(200)["wal"]["toLsn"], "0/C8");
    let full = Failure::permanent("dir_not_empty", "it is not empty", "choose another");
    let (_, planned) = tokio::join!(
        answer_plan(&mut session, Ok(plan(std::slice::from_ref(&full)))),
        node.post("/api/v1/restores/plan", request.clone()),
    );
    assert_eq!(planned.expect(200)["problems"][0]["code"], "dir_not_empty");
    let (_, refused) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[full]))),
        node.post("/api/v1/restores", request.clone()),
    );
    refused.refused(422, "dir_not_empty");
    let early = Failure::permanent("target_before_first_backup", "too early", "choose later");
    let (_, refused) = tokio::join!(
        answer_plan(&mut session, Err(early)),
        node.post("/api/v1/restores", request.clone()),
    );
    refused.refused(422, "target_before_first_backup");
    assert_eq!(
        node.get("/api/v1/jobs").await.expect(200)["items"],
        json!([])
    );
    let (_, started) = tokio::join!(
        answer_plan(&mut session, Ok(plan(&[]))),
        node.post("/api/v1/restores", request),
    );
    let id = started.expect(202)["job"].as_str().unwrap().to_owned();
    let assignment = session.job().await;
    let Work::Restore(work) = &assignment.work else {
        panic!("{assignment:?}")
    };
    assert_eq!(work.plan, plan(&[]));
    session.report(&assignment, JobEvent::Started).await;
    let success = JobSuccess {
        result: json!({"dir": "/srv/copy"}),
        backup: None,
        wal: None,
        repository: None,
    };
    session
        .report(&assignment, finished(JobOutcome::Succeeded(success)))
        .await;
    let done = job_is(&node, &id, "succeeded").await;
    assert_eq!(done["result"]["dir"], "/srv/copy");
    node.stop().await;
}

/// What a delta may write over is decided where the directory is; that it is asked
/// for gets there.
#[tokio::test]
async fn a_delta_is_asked_for_as_such() {
    let (mut node, agent) = protected().await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let mut request =
        json!({"cluster": "orders", "at": "latest", "agent": "db1", "dir": "/srv/copy"});
    request["force"] = json!(true);
    let refused = node.post("/api/v1/restores/plan", request.clone()).await;
    refused.refused(422, "invalid");
    request["delta"] = json!(true);
    eventually("the level of deltas", async || {
        let refused = node.post(
            "/api/v1/restores/plan",
            json!({"cluster": "orders",
            "at": "latest", "agent": "db9", "dir": "/srv/copy", "delta": true}),
        );
        (refused.await.body["code"] != "level_too_low").then_some(())
    })
    .await;
    let mut answer = plan(&[]);
    answer.reuse_bytes = Some(7);
    let (asked, planned) = tokio::join!(
        answer_plan(&mut session, Ok(answer)),
        node.post("/api/v1/restores/plan", request),
    );
    assert!(asked.request.delta && asked.request.force);
    assert_eq!(planned.expect(200)["reuseBytes"], 7);
    node.stop().await;
}
