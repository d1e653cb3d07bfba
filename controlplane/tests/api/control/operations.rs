//! What operations take and answer.

use holdfast_proto::v1::{
    AuditListRequest, BackupParams, BackupStartRequest, ClusterListRequest, ClusterShowRequest,
    FleetDeleteRequest, FleetDocument, FleetPutRequest, FleetSpec, JobListRequest, JobShowRequest,
    Metadata, MetricsShowRequest, OpenapiShowRequest, PolicyDocument, PolicyPutRequest,
    PolicyShowRequest, PolicySpec, Schedule, StatusShowRequest, UserCreateRequest, UserParams,
};
use prost::Message;
use serde_json::{Value, json};
use tonic::{Code, Request};

use super::dynamic::{call_path, call_raw, methods};
use super::{apply, client, refused, request, structure, with_token};
use crate::agent::{Agent, connect};
use crate::node::{Node, cluster, policy, repository};

fn fleet(name: &str) -> FleetPutRequest {
    FleetPutRequest {
        name: name.to_owned(),
        body: Some(FleetDocument {
            api_version: "holdfast/v1".to_owned(),
            kind: "Fleet".to_owned(),
            metadata: Some(Metadata {
                name: name.to_owned(),
                ..Metadata::default()
            }),
            spec: Some(FleetSpec::default()),
        }),
        ..FleetPutRequest::default()
    }
}

#[tokio::test]
async fn documents_are_applied_and_listed_page_by_page() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let _agent = Agent::enrol(&node, "db1").await;
    let mut documents = vec![repository()];
    for index in 0..5 {
        let mut document = cluster("db1");
        document["metadata"]["name"] = json!(format!("orders-{index}"));
        if index == 4 {
            document["metadata"]["labels"] = json!({"tier": "tin & more"});
        }
        documents.push(document);
    }
    let applied = client
        .apply(request(&node, apply(&documents)))
        .await
        .unwrap();
    let results = applied.into_inner().results;
    assert_eq!(results.len(), 6);
    assert!(results.iter().all(|result| result.action == "created"));
    let again = client
        .apply(request(&node, apply(&documents)))
        .await
        .unwrap();
    let again = again.into_inner().results;
    assert!(again.iter().all(|result| result.action == "unchanged"));
    let mut names = Vec::new();
    let mut ask = ClusterListRequest {
        label: Some("tier=gold".to_owned()),
        limit: Some(3),
        ..ClusterListRequest::default()
    };
    loop {
        let page = client.cluster_list(request(&node, ask.clone())).await;
        let page = page.unwrap().into_inner();
        assert!(page.items.len() <= 3);
        let found = page
            .items
            .into_iter()
            .map(|item| item.metadata.unwrap().name);
        names.extend(found);
        match page.next_cursor {
            None => break,
            cursor => ask.cursor = cursor,
        }
    }
    assert_eq!(names, ["orders-0", "orders-1", "orders-2", "orders-3"]);
    // What a URL must hold encoded arrives as it was.
    ask.label = Some("tier=tin & more".to_owned());
    ask.cursor = None;
    let refused_or_found = client.cluster_list(request(&node, ask)).await;
    let found = refused_or_found.unwrap().into_inner().items;
    assert_eq!(found.len(), 1);
    // What it declares is a document, numbers and all.
    let shown = client
        .cluster_show(request(&node, named("orders-0")))
        .await
        .unwrap();
    let revision = shown.metadata().get("etag").unwrap().clone();
    let shown = shown.into_inner();
    let status = shown.status.unwrap();
    assert_eq!(revision, format!("\"{}\"", status.revision));
    assert_eq!(shown.spec, Some(structure(&cluster("db1")["spec"])));
    node.stop().await;
}

fn named(name: &str) -> ClusterShowRequest {
    ClusterShowRequest {
        name: name.to_owned(),
        ..ClusterShowRequest::default()
    }
}

#[tokio::test]
async fn typed_documents_say_what_rest_documents_say() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    node.apply(json!([repository()])).await.expect(200);
    let schedule = Schedule {
        name: "weekly".to_owned(),
        kind: "full".to_owned(),
        every: Some("1w".to_owned()),
        catch_up: Some("all".to_owned()),
        catch_up_max: Some(3),
        ..Schedule::default()
    };
    let put = PolicyPutRequest {
        name: "gold".to_owned(),
        body: Some(PolicyDocument {
            api_version: "holdfast/v1".to_owned(),
            kind: "Policy".to_owned(),
            metadata: Some(Metadata {
                name: "gold".to_owned(),
                ..Metadata::default()
            }),
            // An empty selector is all clusters, and not "not said".
            spec: Some(PolicySpec {
                repository: "eu".to_owned(),
                priority: Some(0),
                schedules: vec![schedule],
                ..PolicySpec::default()
            }),
        }),
        ..PolicyPutRequest::default()
    };
    let put = client.policy_put(request(&node, put)).await.unwrap();
    assert_eq!(put.metadata().get("holdfast-rest-status").unwrap(), "201");
    let shown = node.get("/api/v1/policies/gold").await.expect(200);
    let spec = json!({"selector": {}, "repository": "eu", "priority": 0, "schedules": [
        {"name": "weekly", "kind": "full", "every": "1w", "catchUp": "all", "catchUpMax": 3}]});
    assert_eq!(shown["spec"], spec);
    node.stop().await;
}

#[tokio::test]
async fn refusals_say_what_and_why_for_people_and_for_programs() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let missing = client.cluster_show(request(&node, named("orders"))).await;
    refused(missing, Code::NotFound, "not_found");
    // A name is one segment of the path, whatever is in it.
    let strange = client.cluster_show(request(&node, named("a/../b ä"))).await;
    refused(strange, Code::NotFound, "not_found");
    let unnamed = client.cluster_show(request(&node, named(""))).await;
    let unnamed = refused(unnamed, Code::InvalidArgument, "malformed_request");
    assert_eq!(unnamed.error_info().unwrap().metadata["field"], "name");
    let mut bad = policy();
    bad["spec"]["wal"]["flushEvery"] = json!("soon");
    let invalid = client
        .apply(request(&node, apply(&[repository(), bad])))
        .await;
    let details = refused(invalid, Code::InvalidArgument, "invalid_document");
    let violations = &details.bad_request().unwrap().field_violations;
    assert!(
        violations[0].field.ends_with("spec.wal.flushEvery"),
        "{violations:?}"
    );
    assert_eq!(
        details.error_info().unwrap().metadata["field"],
        violations[0].field
    );
    // A body that was forgotten is refused by its first field.
    let forgotten = BackupStartRequest {
        name: "orders".to_owned(),
        ..BackupStartRequest::default()
    };
    let forgotten = client.backup_start(request(&node, forgotten)).await;
    refused(forgotten, Code::InvalidArgument, "invalid");
    let unknown = client
        .job_list(request(
            &node,
            JobListRequest {
                state: Some("sleeping".to_owned()),
                ..JobListRequest::default()
            },
        ))
        .await;
    refused(unknown, Code::InvalidArgument, "malformed_request");
    let user = UserCreateRequest {
        body: Some(UserParams {
            name: "admin".to_owned(),
            password: "a long password".to_owned(),
        }),
        ..UserCreateRequest::default()
    };
    let taken = client.user_create(request(&node, user)).await;
    refused(taken, Code::AlreadyExists, "already_exists");
    let huge = vec![json!({"x": "x".repeat(3 << 20)})];
    let large = client.apply(request(&node, apply(&huge))).await;
    refused(large, Code::ResourceExhausted, "body_too_large");
    node.stop().await;
}

#[tokio::test]
async fn what_this_node_does_not_know_is_refused_and_not_left_out() {
    let mut node = Node::start().await;
    let channel = connect(&node, None).await.unwrap();
    let method = methods()
        .into_iter()
        .find(|method| method.name() == "Apply");
    let method = method.unwrap();
    // A field of tomorrow, in the request and inside its body.
    let mut outside = apply(&[repository()]).encode_to_vec();
    outside.extend([0xf8, 0x3f, 0x01]);
    let mut inner = apply(&[repository()]).body.unwrap().encode_to_vec();
    inner.extend([0xf8, 0x3f, 0x01]);
    let field = method.input().get_field_by_name("body").unwrap().number();
    let mut inside = Vec::new();
    prost::encoding::encode_key(
        field,
        prost::encoding::WireType::LengthDelimited,
        &mut inside,
    );
    prost::encoding::encode_varint(inner.len() as u64, &mut inside);
    inside.extend(inner);
    for bytes in [outside, inside] {
        let answer = call_raw(&channel, &method, request(&node, bytes)).await;
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains("1023"), "{status}");
    }
    for size in [9, 100_000] {
        let nonsense = request(&node, vec![0xff; size]);
        let nonsense = call_raw(&channel, &method, nonsense).await;
        refused(nonsense, Code::InvalidArgument, "malformed_request");
    }
    // What is large is not even read before it is known who sends it.
    let nonsense = Request::new(vec![0xff; 100_000]);
    let nonsense = call_raw(&channel, &method, nonsense).await;
    refused(nonsense, Code::Unauthenticated, "unauthenticated");
    let repositories = node.get("/api/v1/repositories").await.expect(200);
    assert_eq!(repositories["items"], json!([]));
    node.stop().await;
}

#[tokio::test]
async fn a_test_and_set_that_fails_is_aborted() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let create = FleetPutRequest {
        if_none_match: Some("*".to_owned()),
        ..fleet("payments")
    };
    let made = client
        .fleet_put(request(&node, create.clone()))
        .await
        .unwrap();
    let revision = made.into_inner().status.unwrap().revision;
    let again = client.fleet_put(request(&node, create)).await.unwrap_err();
    assert!(
        matches!(again.code(), Code::AlreadyExists | Code::Aborted),
        "{again}"
    );
    let delete = |revision: u64| FleetDeleteRequest {
        name: "payments".to_owned(),
        if_match: Some(format!("\"{revision}\"")),
    };
    let stale = client
        .fleet_delete(request(&node, delete(revision - 1)))
        .await;
    refused(stale, Code::Aborted, "stale_revision");
    let gone = client
        .fleet_delete(request(&node, delete(revision)))
        .await
        .unwrap();
    assert_eq!(gone.into_inner().action, "deleted");
    let broken = FleetDeleteRequest {
        if_match: Some("1\r\nx: y".to_owned()),
        ..delete(1)
    };
    let broken = client
        .fleet_delete(request(&node, broken))
        .await
        .unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    node.stop().await;
}

#[tokio::test]
async fn a_repeat_under_its_key_is_answered_and_not_done_again() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let _agent = Agent::enrol(&node, "db1").await;
    let mut billing = cluster("db1");
    billing["metadata"]["name"] = json!("billing");
    let documents = [repository(), policy(), cluster("db1"), billing];
    client
        .apply(request(&node, apply(&documents)))
        .await
        .unwrap();
    let start = |key: &str, kind: &str| BackupStartRequest {
        name: "orders".to_owned(),
        idempotency_key: Some(key.to_owned()),
        body: Some(BackupParams {
            kind: kind.to_owned(),
            ..BackupParams::default()
        }),
    };
    let first = client
        .backup_start(request(&node, start("k1", "full")))
        .await;
    let first = first.unwrap();
    assert_eq!(first.metadata().get("holdfast-rest-status").unwrap(), "202");
    let location = first.metadata().get("location").unwrap().clone();
    let first = first.into_inner().job;
    assert_eq!(location, format!("/api/v1/jobs/{first}"));
    let again = client
        .backup_start(request(&node, start("k1", "full")))
        .await;
    assert_eq!(again.unwrap().into_inner().job, first);
    // REST and gRPC are one: a repeat over the other is a repeat.
    let over_rest = node
        .request(reqwest::Method::POST, "/api/v1/clusters/orders/backups")
        .header("idempotency-key", "k1")
        .json(&json!({"kind": "full"}));
    let over_rest = crate::node::answer(over_rest).await.expect(202);
    assert_eq!(over_rest["job"], first);
    // The same key for another request is a mistake, not a repeat.
    let elsewhere = BackupStartRequest {
        name: "billing".to_owned(),
        ..start("k1", "full")
    };
    let elsewhere = client.backup_start(request(&node, elsewhere)).await;
    refused(elsewhere, Code::FailedPrecondition, "idempotency_mismatch");
    let show = JobShowRequest {
        id: first.clone(),
        ..JobShowRequest::default()
    };
    let job = client
        .job_show(request(&node, show))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((job.id, job.cluster), (first.clone(), "orders".to_owned()));
    let jobs = client
        .job_list(request(&node, JobListRequest::default()))
        .await;
    assert_eq!(jobs.unwrap().into_inner().items.len(), 1);
    // The audit log has it once, from the address that asked.
    let audit = AuditListRequest {
        action: Some("create_job".to_owned()),
        ..AuditListRequest::default()
    };
    let rows = client.audit_list(request(&node, audit)).await.unwrap();
    let mut rows = rows.into_inner().items;
    rows.retain(|row| row.outcome == "accepted");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].remote.as_deref(), Some("127.0.0.1"));
    node.stop().await;
}

#[tokio::test]
async fn a_stale_read_says_how_stale() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let stale = StatusShowRequest {
        consistency: Some("stale".to_owned()),
    };
    let answer = client.status_show(request(&node, stale)).await.unwrap();
    let number = |name: &str| {
        let text = answer.metadata().get(name).unwrap().to_str().unwrap();
        text.parse::<u64>().unwrap()
    };
    assert!(number("holdfast-applied-index") > 0);
    assert!(number("holdfast-applied-age-ms") < 60_000);
    let current = client
        .status_show(request(&node, StatusShowRequest::default()))
        .await
        .unwrap();
    assert!(current.metadata().get("holdfast-applied-index").is_none());
    let odd = StatusShowRequest {
        consistency: Some("perhaps".to_owned()),
    };
    let odd = client.status_show(request(&node, odd)).await;
    let details = refused(odd, Code::InvalidArgument, "malformed_request");
    assert_eq!(
        details.bad_request().unwrap().field_violations[0].field,
        "consistency"
    );
    node.stop().await;
}

#[tokio::test]
async fn documents_of_other_types_come_as_they_are() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let asked = request(&node, MetricsShowRequest::default());
    let metrics = client.metrics_show(asked).await.unwrap().into_inner();
    assert!(
        metrics
            .content_type
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(metrics.data).unwrap();
    assert!(text.contains("holdfast_raft_leader 1"), "{text}");
    let asked = request(&node, OpenapiShowRequest::default());
    let document = client.openapi_show(asked).await.unwrap().into_inner();
    assert_eq!(document.content_type, "application/json");
    let document: Value = serde_json::from_slice(&document.data).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    node.stop().await;
}

#[tokio::test]
async fn a_trace_goes_through_and_a_deadline_holds() {
    let mut node = Node::start().await;
    let mut client = client(&node).await;
    let mut asked = request(&node, StatusShowRequest::default());
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    asked
        .metadata_mut()
        .insert("traceparent", trace.parse().unwrap());
    client.status_show(asked).await.unwrap();
    let mut asked: Request<StatusShowRequest> = with_token(&node.token, Default::default());
    asked.set_timeout(std::time::Duration::from_nanos(1));
    let late = client.status_show(asked).await.unwrap_err();
    assert!(
        matches!(late.code(), Code::Cancelled | Code::DeadlineExceeded),
        "{late}"
    );
    // What nobody knows, no client of another release is served by guess.
    let channel = connect(&node, None).await.unwrap();
    let path = "/holdfast.v1.ControlService/TeaMake";
    let unknown = call_path(&channel, path, Request::new(Vec::new())).await;
    let unknown = unknown.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert!(unknown.message().contains("TeaMake"));
    let gold = PolicyShowRequest {
        name: "gold".to_owned(),
        ..PolicyShowRequest::default()
    };
    refused(
        client.policy_show(request(&node, gold)).await,
        Code::NotFound,
        "not_found",
    );
    node.stop().await;
}
