//! Reports over REST: the same bytes again whatever comes later, what is not the
//! caller's is not there, and signatures that fit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use holdfast_proto::Assignment;
use holdfast_report::{Report, Whose, verify};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::HeaderMap;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::agent::Session;
use crate::authz::{Person, everything};
use crate::compliance::{claim, promised};
use crate::jobs::duty;
use crate::node::{Node, answer, eventually, repository};

fn ca(node: &Node) -> Vec<u8> {
    let pem = node.ca();
    CertificateDer::from_pem_slice(pem.as_bytes())
        .unwrap()
        .to_vec()
}

async fn made(node: &Node, body: &Value) -> (HeaderMap, Vec<u8>) {
    let request = node.request(Method::POST, "/api/v1/reports/compliance");
    let answer = request.json(body).send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap().to_vec();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    (headers, bytes)
}

fn report(file: &[u8]) -> Report {
    let file: Value = serde_json::from_slice(file).unwrap();
    serde_json::from_value(file["report"].clone()).unwrap()
}

/// What is known of `orders`, with the violation that began then.
fn tells(said: &Report, started: Timestamp) {
    assert_eq!(said.clusters.len(), 1);
    let orders = &said.clusters[0];
    assert_eq!(orders.cluster.as_str(), "orders");
    assert!(
        orders
            .violations
            .iter()
            .any(|one| one.started_at == started),
        "{started} is none of {:?}",
        orders.violations
    );
    assert!(
        said.totals
            .kept
            .compliance_percent
            .is_some_and(|kept| !kept.is_whole())
    );
    assert_eq!(said.totals.without_violation, 0);
    assert_eq!(orders.backups[0].available, 1);
    assert_eq!(orders.controls.len(), 12);
    let curve = orders.curve.as_ref().unwrap();
    let highest = curve.highest.iter().flatten().max().copied();
    assert_eq!(highest, orders.exposure.map(|one| one.highest));
}

async fn change(node: &Node, session: &Session, duty: &Assignment) {
    // Claims go on, another cluster comes into the fleet, the promise changes.
    claim(session, duty, 400).await;
    let billing = json!({"apiVersion": "holdfast/v1", "kind": "Cluster",
        "metadata": {"name": "billing", "labels": {"tier": "gold"}},
        "spec": {"instances": [{"agent": "db1", "connection": "host=/run/postgresql port=5433"}]}});
    node.apply(json!([billing])).await.expect(200);
    let mut policy = crate::node::policy();
    policy["spec"]["objectives"] = json!({"rpo": "20m"});
    node.apply(json!([policy])).await.expect(200);
}

#[tokio::test]
async fn a_report_has_the_same_bytes_whatever_comes_later() {
    let (mut node, agent) = promised("2s").await;
    let from = Timestamp::now() - SignedDuration::from_hours(1);
    let mut session = agent.session(&node, &[]).await.unwrap();
    let duty = duty(&mut session).await;
    let first = claim(&session, &duty, 300).await;
    let violation = async |open: bool| {
        let path = format!("/api/v1/violations?cluster=orders&open={open}");
        let list = node.get(&path).await.expect(200);
        let found = list["items"].as_array()?.last()?.clone();
        let started: Timestamp = found["startedAt"].as_str()?.parse().ok()?;
        (started > first).then_some(started)
    };
    eventually("a violation", async || violation(true).await).await;
    claim(&session, &duty, 320).await;
    let started = eventually("its end", async || violation(false).await).await;
    let (wanted, seen) = (json!({"fleet": "default", "from": from}), Timestamp::now());
    // As known once the second of its end is over.
    let known = eventually("a report that knows of it", async || {
        let (headers, _) = made(&node, &wanted).await;
        let known = headers["holdfast-as-known-at"].to_str().unwrap().to_owned();
        (known.parse::<Timestamp>().unwrap() > seen).then_some(known)
    })
    .await;
    let wanted = |format: &str| {
        json!({"fleet": "default", "from": from, "to": known, "asKnownAt": known,
            "format": format})
    };
    let mut first = Vec::new();
    for (format, kind) in [
        ("json", "application/json"),
        ("csv", "text/csv; charset=utf-8"),
        ("pdf", "application/pdf"),
    ] {
        let (headers, file) = made(&node, &wanted(format)).await;
        assert_eq!(headers["content-type"], kind);
        let disposition = headers["content-disposition"].to_str().unwrap();
        assert!(disposition.starts_with("attachment; filename=\"compliance-default-"));
        assert!(
            disposition.ends_with(&format!(".{format}\"")),
            "{disposition}"
        );
        let verified = verify(&file, Some(&ca(&node)), Timestamp::now()).unwrap();
        assert_eq!(verified.format.word(), format);
        assert!(matches!(verified.whose, Whose::Known { .. }));
        first.push((format, file));
    }
    tells(&report(&first[0].1), started);

    change(&node, &session, &duty).await;
    for (format, file) in &first {
        let (_, again) = made(&node, &wanted(format)).await;
        assert!(
            again == *file,
            "{format}: {}",
            String::from_utf8_lossy(&again)
        );
    }
    // Not asked as of then, it is of a later second, once that is over.
    let (now, then) = (
        json!({"fleet": "default", "from": from}),
        report(&first[0].1),
    );
    eventually("a report of a later second", async || {
        let (_, now) = made(&node, &now).await;
        (report(&now).as_known_at > then.as_known_at).then_some(())
    })
    .await;
    node.stop().await;
}

#[tokio::test]
async fn who_made_which_report_is_on_record_with_its_hash() {
    let (mut node, _agent) = promised("1h").await;
    let wanted = json!({"fleet": "default", "from": "2026-01-01T00:00:00Z", "format": "csv"});
    let (headers, file) = made(&node, &wanted).await;
    let id = headers["holdfast-report"].to_str().unwrap();
    let list = node.get("/api/v1/reports?fleet=default").await.expect(200);
    let listed = &list["items"][0];
    assert_eq!(
        (&listed["id"], &listed["madeBy"]),
        (&json!(id), &json!("user:admin"))
    );
    let hash = headers["holdfast-body-sha256"].to_str().unwrap();
    assert_eq!(listed["bodySha256"], hash);
    assert!(String::from_utf8_lossy(&file).contains(hash));
    let audit = format!("/api/v1/audit?target=reports/{id}");
    let audit = node.get(&audit).await.expect(200);
    let acts: Vec<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(acts, ["seal_report", "record_report"]);
    assert_eq!(audit["items"][0]["detail"]["bodySha256"], hash);
    assert_eq!(audit["items"][0]["principal"], "user:admin");

    let keys = node.get("/api/v1/report-keys").await.expect(200);
    let key = &keys["items"][0];
    let certificate = key["certificate"].as_str().unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let text = String::from_utf8_lossy(&file);
    assert!(text.contains(&STANDARD.encode(&certificate)));
    assert_eq!(
        key["caCertificate"].as_str().unwrap().trim(),
        node.ca().trim()
    );
    // Whoever leads next, or starts again, signs with the same key.
    node.restart().await;
    node.log_in().await;
    made(&node, &wanted).await;
    let again = node.get("/api/v1/report-keys").await.expect(200);
    assert_eq!(again, keys);
    node.stop().await;
}

#[tokio::test]
async fn another_fleets_reports_and_clusters_are_not_there() {
    let (mut node, _agent) = promised("1h").await;
    let fleet = json!({"apiVersion": "holdfast/v1", "kind": "Fleet",
        "metadata": {"name": "payments"}, "spec": {}});
    node.apply(json!([repository(), fleet])).await.expect(200);
    let of = |fleet: &str| json!({"fleet": fleet, "from": "2026-01-01T00:00:00Z"});
    let (_, empty) = made(&node, &of("payments")).await;
    assert_eq!(report(&empty).clusters, []);
    made(&node, &of("default")).await;

    let eve = Person::with(&node, "eve", &[("viewer", json!({"fleet": "payments"}))]).await;
    let create = "/api/v1/reports/compliance";
    eve.post(create, of("default"))
        .await
        .refused(404, "not_found");
    eve.post(create, of("nowhere"))
        .await
        .refused(404, "not_found");
    eve.get("/api/v1/reports?fleet=default")
        .await
        .refused(404, "not_found");
    let request = eve.request(Method::POST, create).json(&of("payments"));
    assert_eq!(answer(request).await.status, 200);
    let list = eve.get("/api/v1/reports").await.expect(200);
    let fleets = list["items"].as_array().unwrap().iter();
    let fleets: Vec<&str> = fleets.map(|one| one["fleet"].as_str().unwrap()).collect();
    assert_eq!(fleets, ["payments", "payments"]);
    let ada = Person::with(&node, "ada", &[("viewer", everything())]).await;
    let list = ada.get("/api/v1/reports").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    // A selector is not a whole fleet.
    let sam = json!({"selector": {"tier": "gold"}});
    let sam = Person::with(&node, "sam", &[("viewer", sam)]).await;
    sam.post(create, of("default"))
        .await
        .refused(404, "not_found");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_report_is_refused() {
    let (mut node, _agent) = promised("1h").await;
    let create = "/api/v1/reports/compliance";
    for (more, field) in [
        (
            json!({"from": "2027-01-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}),
            None,
        ),
        (
            json!({"from": "2026-01-01T00:00:00Z", "asKnownAt": "2100-01-01T00:00:00Z"}),
            Some("asKnownAt"),
        ),
        (
            json!({"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}),
            Some("from"),
        ),
        (
            json!({"from": "2026-02-01T00:00:00Z", "format": "docx"}),
            Some("format"),
        ),
    ] {
        let mut body = json!({"fleet": "default"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let problem = node.post(create, body).await.refused(422, "invalid");
        if let Some(field) = field {
            assert_eq!(problem["field"], field, "{problem}");
        }
    }
    node.stop().await;
}
