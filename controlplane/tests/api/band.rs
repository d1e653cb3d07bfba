//! The coverage band, what a point in it means, and what a backup carries, with a
//! simulated agent.

use holdfast_types::Lsn;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::authz::{Person, everything};
use crate::compliance::{claim, promised};
use crate::expiry::with_backups;
use crate::jobs::duty;
use crate::node::{Node, cluster, eventually};

const BAND: &str = "/api/v1/clusters/orders/coverage";
const POINT: &str = "/api/v1/clusters/orders/recoverability";

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

async fn at(node: &Node, point: &str) -> Value {
    let path = format!("{POINT}?at={point}");
    node.get(&path).await.expect(200)
}

/// The only stretch there is, once it reaches so far.
async fn stretch_to(node: &Node, lsn: u64) -> Value {
    let lsn = Lsn::new(lsn).to_string();
    eventually("the stretch", async || {
        let band = node.get(BAND).await.expect(200);
        let stretches = band["repositories"][0]["stretches"].as_array()?;
        let found = stretches.first().filter(|one| one["toLsn"] == lsn.as_str());
        found.cloned()
    })
    .await
}

#[tokio::test]
async fn the_band_goes_from_a_backup_to_what_is_claimed() {
    let (mut node, agent) = promised("1h").await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let duty = duty(&mut session).await;
    let claimed = claim(&session, &duty, 300).await;
    let stretch = stretch_to(&node, 300).await;
    let band = node.get(BAND).await.expect(200);
    let place = &band["repositories"][0];
    assert_eq!(place["repository"], "eu", "{band}");
    assert_eq!(place["role"], "original");
    assert_eq!(place["holes"], json!([]));
    assert_eq!(place["resolutionSeconds"], Value::Null);
    assert_eq!(place["frontierLsn"], Lsn::new(300).to_string());
    let backup = &band["backups"][0];
    assert_eq!(stretch["backup"], backup["id"]);
    assert_eq!(stretch["from"], backup["finishedAt"]);
    assert_eq!(stretch["fromLsn"], backup["stopLsn"]);
    // To the microsecond, as columns keep times.
    let late = time(&stretch["to"]).duration_since(claimed).abs();
    assert!(late < SignedDuration::from_millis(1), "{stretch}");
    assert_eq!(
        (&stretch["timeline"], &stretch["stretches"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(place["timelines"][0]["fromLsn"], Lsn::new(100).to_string());
    assert_eq!(band["drills"], json!([]));
    assert!(band["violations"].is_array(), "{band}");
    // Before there was anything, there is nothing, and a name that is none is refused.
    let before = format!("{BAND}?to=2026-01-01T00:00:00Z");
    let nothing = node.get(&before).await.expect(200);
    assert_eq!(nothing["repositories"][0]["stretches"], json!([]));
    assert_eq!(nothing["backups"], json!([]));
    node.get(&format!("{BAND}?repository=nowhere"))
        .await
        .refused(404, "not_found");
    node.get(&format!(
        "{BAND}?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z"
    ))
    .await
    .refused(422, "invalid");
    let kim = Person::with(&node, "kim", &[("viewer", everything())]).await;
    let seen = kim.get(BAND).await.expect(200);
    assert_eq!(
        seen["repositories"],
        node.get(BAND).await.expect(200)["repositories"]
    );
    node.stop().await;
}

#[tokio::test]
async fn a_point_says_what_restoring_there_means() {
    let (mut node, agent) = promised("1h").await;
    let mut session = agent.session(&node, &[]).await.unwrap();
    let duty = duty(&mut session).await;
    let claimed = claim(&session, &duty, 300).await;
    let stretch = stretch_to(&node, 300).await;
    let latest = at(&node, "latest").await;
    assert_eq!(latest["possible"], true, "{latest}");
    assert_eq!(latest["backup"], stretch["backup"]);
    assert_eq!(latest["repository"], "eu");
    assert_eq!(
        (&latest["replayBytes"], &latest["databaseBytes"]),
        (&json!(200), &json!(1000))
    );
    assert_eq!(latest["recoversTo"], stretch["to"]);
    assert_eq!(latest["lossFromFrontierSeconds"], 0.0);
    assert!(latest["lossFromNowSeconds"].as_f64().unwrap() >= 0.0);
    // Nothing was restored yet, and nothing is made up.
    assert_eq!(latest["predictedSeconds"], Value::Null);
    assert_eq!(latest["predictedBecause"], "no_restore_measured");
    assert_eq!(latest["proof"]["because"], "no_drill");
    assert_eq!(latest["nearestBefore"], Value::Null);

    let from = at(&node, stretch["from"].as_str().unwrap()).await;
    assert_eq!(
        (&from["possible"], &from["lsn"]),
        (&json!(true), &stretch["fromLsn"])
    );
    assert_eq!(from["replayBytes"], 100);
    let early = at(&node, "2026-01-01T00:00:00Z").await;
    assert_eq!(
        (&early["possible"], &early["code"]),
        (&json!(false), &json!("target_before_first_backup"))
    );
    assert_eq!(early["nearestAfter"]["time"], stretch["from"]);
    assert_eq!(early["nearestBefore"], Value::Null);
    assert_eq!(early["backup"], Value::Null);
    let late = at(
        &node,
        &(claimed + SignedDuration::from_hours(1)).to_string(),
    )
    .await;
    assert_eq!(late["code"], "target_after_frontier", "{late}");
    assert_eq!(late["nearestBefore"]["time"], stretch["to"]);
    assert_eq!(late["repositories"][0]["possible"], false);
    let position = at(&node, "lsn:0/FA").await;
    assert_eq!(
        (&position["possible"], &position["lsn"]),
        (&json!(true), &json!("0/FA"))
    );
    node.get(&format!("{POINT}?at=xid:7"))
        .await
        .refused(422, "invalid");
    node.get("/api/v1/clusters/nobody/recoverability")
        .await
        .refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn what_a_backup_carries_is_shown_before_it_is_deleted() {
    // Each carries its own WAL, and none leads to the next.
    let (mut node, taken) = with_backups(2).await;
    let band = node.get(BAND).await.expect(200);
    let place = &band["repositories"][0];
    assert_eq!(place["stretches"].as_array().unwrap().len(), 2, "{band}");
    assert_eq!(place["holes"].as_array().unwrap().len(), 1);
    assert_eq!(place["holes"][0]["fromLsn"], Lsn::new(1100).to_string());
    assert_eq!(place["holes"][0]["toLsn"], Lsn::new(2000).to_string());
    let first = format!("/api/v1/backups/{}", taken[0]);
    let asked = format!("{first}/dependents");
    let told = node.get(&asked).await.expect(200);
    assert_eq!(told["dependents"], json!([]), "{told}");
    assert_eq!(told["newestLeft"], taken[1].as_str());
    assert_eq!(told["lost"].as_array().unwrap().len(), 1);
    assert_eq!(told["lost"][0]["repository"], "eu");
    assert_eq!(told["lost"][0]["from"], band["backups"][0]["finishedAt"]);
    assert_eq!(told["refused"], Value::Null);
    // What it says of a refusal is what deleting says.
    let hold = format!("{first}/hold");
    eventually("the level of holds", async || {
        let answer = node.put(&hold, json!({"reason": "case 4711"})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let told = node.get(&asked).await.expect(200);
    assert_eq!(told["refused"]["code"], "backup_held", "{told}");
    node.delete(&first).await.refused(409, "backup_held");
    node.delete(&hold).await.expect(200);
    node.delete(&first).await.expect(202);
    let told = node.get(&asked).await.expect(200);
    assert_eq!(told["refused"]["code"], "backup_condemned");
    assert_eq!(told["lost"], json!([]), "it is lost already");
    let last = format!("/api/v1/backups/{}", taken[1]);
    let told = node.get(&format!("{last}/dependents")).await.expect(200);
    assert_eq!(told["refused"]["code"], "last_backup", "{told}");
    assert_eq!(told["newestLeft"], Value::Null);
    node.delete(&last).await.refused(409, "last_backup");
    let nobody = "/api/v1/backups/bkp_000000000000000000000000000000ff/dependents";
    node.get(nobody).await.refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn clusters_are_listed_with_how_many_there_are_of_each_state() {
    let (mut node, _agent) = promised("1h").await;
    let mut other = cluster("db1");
    other["spec"]["instances"][0]["connection"] = json!("host=/run/other user=holdfast");
    other["metadata"] = json!({"name": "shop", "labels": {"tier": "none"}});
    node.apply(json!([other])).await.expect(200);
    let list = async |query: &str| {
        let path = format!("/api/v1/cluster-overview{query}");
        node.get(&path).await.expect(200)
    };
    let names = |list: &Value| {
        let rows = list["items"].as_array().unwrap().iter();
        let names = rows.map(|row| row["cluster"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // Nothing of the shop could be restored: it is first.
    let all = list("").await;
    assert_eq!(names(&all), ["shop", "orders"], "{all}");
    assert_eq!(
        (&all["total"], &all["nextCursor"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(all["counts"]["UNPROTECTED"], 1);
    assert_eq!(all["proofs"], json!({"no_drill": 2}));
    let row = &all["items"][1];
    assert_eq!(
        (&row["policy"], &row["fleet"]),
        (&json!("gold"), &json!("default"))
    );
    assert_eq!(row["lastBackup"]["kind"], "full");
    assert_eq!(row["windowStart"], row["lastBackup"]["finishedAt"]);
    assert_eq!(row["proof"]["because"], "no_drill");
    assert_eq!(row["instances"][0]["agent"], "db1");
    assert!(row["agentOnline"].is_boolean(), "{row}");
    assert_eq!(all["items"][0]["lastBackup"], Value::Null);
    // A page and the next.
    let first = list("?sort=name&limit=1").await;
    assert_eq!(names(&first), ["orders"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = list(&format!("?sort=name&limit=1&cursor={cursor}")).await;
    assert_eq!(names(&second), ["shop"]);
    assert_eq!(second["nextCursor"], Value::Null);
    // Against what may be lost.
    assert_eq!(names(&list("?sort=rpo").await), ["shop", "orders"]);
    // Filters; a state that is not asked for is counted.
    let unprotected = list("?status=UNPROTECTED").await;
    assert_eq!(names(&unprotected), ["shop"]);
    assert_eq!(unprotected["total"], 1);
    let counted = unprotected["counts"].as_object().unwrap().values();
    assert_eq!(counted.filter_map(Value::as_u64).sum::<u64>(), 2);
    assert_eq!(names(&list("?text=RDE").await), ["orders"]);
    assert_eq!(names(&list("?policy=gold").await), ["orders"]);
    assert_eq!(names(&list("?label=tier%3Dnone").await), ["shop"]);
    assert_eq!(names(&list("?fleet=elsewhere").await), [""; 0]);
    for wrong in ["?status=WELL", "?sort=age", "?label=tier"] {
        let path = format!("/api/v1/cluster-overview{wrong}");
        node.get(&path).await.refused(422, "invalid");
    }
    let scope = json!({"selector": {"tier": "silver"}});
    let kim = Person::with(&node, "kim", &[("viewer", scope)]).await;
    let seen = kim.get("/api/v1/cluster-overview").await.expect(200);
    assert_eq!((&seen["total"], &seen["items"]), (&json!(0), &json!([])));
    node.stop().await;
}
