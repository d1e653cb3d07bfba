//! Declared resources: applied together, checked together, deleted only when
//! nothing depends on them.

use holdfast_state::command::{
    ApplyDocuments, Change, DeleteResource, Deleted, DocumentChange, Expected, FinishJob,
    JobOutcome, RaiseLevel, SetSecret,
};
use holdfast_state::query::{self, AuditFilter, PageRequest, ResourceFilter};
use holdfast_state::{Noun, Refusal, schema};
use holdfast_types::resource::{Document, Kind};
use holdfast_types::{JobState, Revision};
use serde_json::json;

use crate::fixture::{
    agent_id, apply, backup_job, cluster, committed, document, duty, job_id, name, policy,
    repository, sealed,
};
use crate::harness::TestState;

fn delete(kind: Kind, called: &str) -> DeleteResource {
    DeleteResource {
        kind,
        name: name(called),
        expected: None,
    }
}

fn expecting(document: Document, expected: Expected) -> ApplyDocuments {
    let mut command = apply([document.clone()]);
    command.documents = vec![DocumentChange { document, expected }];
    command
}

/// Makes job 1 succeed with a backup of `orders` in `eu`.
async fn take_backup(state: &mut TestState) {
    state.accept(backup_job(1)).await;
    let lease = state.accept(crate::fixture::lease(1, 1, 100)).await;
    let finish = FinishJob {
        job: job_id(1),
        generation: lease.generation,
        outcome: JobOutcome::Succeeded {
            result: json!({}),
            backup: Some(Box::new(committed(1, 1, &[(100, 200)]))),
        },
        log: Vec::new(),
    };
    assert_eq!(state.accept(finish).await, JobState::Succeeded);
}

#[tokio::test]
async fn documents_come_in_any_order_and_repeating_them_changes_nothing() {
    let mut state = TestState::protecting().await;
    let shop = json!({"name": "shop", "fleet": "web", "labels": {"tier": "tin"}});
    let instances = json!({"instances": [{"agent": "db2", "connection": "port=5433"}]});
    let documents = [
        policy("tin", json!({"tier": "tin"}), 0, "us"),
        document("Cluster", shop, instances),
        repository("us"),
        document("Fleet", json!({"name": "web"}), json!({})),
    ];
    let first = state.accept(apply(documents.clone())).await;
    assert!(first.iter().all(|one| one.change == Change::Created));
    assert!(
        state.woke(&agent_id(2).to_string()),
        "its agent has a new instance"
    );
    assert!(state.woke("task Duties") && state.woke("clusters/shop"));
    let before = state.dump().await;
    let second = state.accept(apply(documents)).await;
    assert!(second.iter().all(|one| one.change == Change::Unchanged));
    let same = |one: &holdfast_state::command::AppliedDocument| one.revision == first[0].revision;
    assert!(second.iter().all(same));
    assert!(state.effects.is_empty());
    assert_eq!(
        crate::harness::without_bookkeeping(&state.dump().await),
        crate::harness::without_bookkeeping(&before)
    );
    let shop = query::resource(&state.conn, Kind::Cluster, &name("shop")).await;
    assert_eq!(shop.unwrap().unwrap().fleet, Some(name("web")));
    let (called, _) = query::effective_policy(&state.conn, &name("shop"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(called, name("tin"));
}

#[tokio::test]
async fn each_changed_document_has_its_own_audit_row() {
    let mut state = TestState::protecting().await;
    let documents = [
        cluster("orders", "db1", json!({"tier": "gold"})),
        cluster("shop", "db1", json!({})),
    ];
    state.accept(apply(documents)).await;
    let rows = async |target: &str| {
        let filter = AuditFilter {
            target: Some(target.to_owned()),
            ..AuditFilter::default()
        };
        let rows = query::audit(&state.conn, &filter, &PageRequest::first(9)).await;
        rows.unwrap().items
    };
    assert_eq!(
        rows("clusters/orders").await.len(),
        1,
        "unchanged is no change"
    );
    let shop = rows("clusters/shop").await;
    assert_eq!(shop[0].detail["change"], "created");
    assert_eq!(shop[0].detail["document"]["kind"], "Cluster");
}

#[tokio::test]
async fn a_dangling_reference_names_its_field() {
    let mut state = TestState::protecting().await;
    let instance = |agent: &str, secret: &str| {
        let instance = json!({"agent": agent, "connection": "port=1", "passwordSecret": secret});
        json!({"instances": [instance]})
    };
    let shop = json!({"name": "shop"});
    let in_fleet = json!({"name": "shop", "fleet": "moon"});
    let s3 = |field: &str| json!({"url": "s3://b", field: {"secret": "nope"}});
    let cases = [
        (
            document("Cluster", in_fleet, instance("db1", "eu-s3")),
            "metadata.fleet",
            Noun::Fleet,
        ),
        (
            document("Cluster", shop.clone(), instance("db9", "eu-s3")),
            "spec.instances[0].agent",
            Noun::Agent,
        ),
        (
            document("Cluster", shop, instance("db1", "nope")),
            "spec.instances[0].passwordSecret",
            Noun::Secret,
        ),
        (
            policy("p", json!({"x": "y"}), 0, "mars"),
            "spec.repository",
            Noun::Repository,
        ),
        (
            document("Repository", json!({"name": "us"}), s3("credentials")),
            "spec.credentials.secret",
            Noun::Secret,
        ),
        (
            document("Repository", json!({"name": "us"}), s3("key")),
            "spec.key.secret",
            Noun::Secret,
        ),
    ];
    for (document, expected_field, expected) in cases {
        let refusal = state.refuse(apply([document])).await;
        assert_eq!(refusal.field(), Some(expected_field));
        assert!(
            matches!(&refusal, Refusal::DanglingReference { what, .. } if *what == expected),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn all_or_none() {
    let mut state = TestState::protecting().await;
    let documents = [repository("us"), policy("p", json!({"x": "y"}), 0, "mars")];
    assert_eq!(
        state.refuse(apply(documents)).await.code(),
        "dangling_reference"
    );
    let us = query::resource(&state.conn, Kind::Repository, &name("us")).await;
    assert_eq!(us.unwrap(), None);
    let twice = [repository("us"), repository("us")];
    assert_eq!(
        state.refuse(apply(twice)).await.field(),
        Some("metadata.name")
    );
    let mut keyless = apply([repository("us")]);
    keyless.repository_keys.clear();
    assert_eq!(state.refuse(keyless).await.field(), Some("spec.key"));
}

#[tokio::test]
async fn a_stale_caller_is_refused() {
    let mut state = TestState::protecting().await;
    let orders = |tier: &str| cluster("orders", "db1", json!({"tier": tier}));
    let current = query::resource(&state.conn, Kind::Cluster, &name("orders")).await;
    let current = current.unwrap().unwrap().revision;
    let stale = Refusal::StaleRevision {
        what: Noun::Cluster,
        name: "orders".to_owned(),
        current: Some(current),
    };
    for expected in [Expected::Absent, Expected::Revision(Revision(1))] {
        assert_eq!(
            state.refuse(expecting(orders("tin"), expected)).await,
            stale
        );
    }
    let missing = expecting(
        cluster("shop", "db1", json!({})),
        Expected::Revision(current),
    );
    assert_eq!(state.refuse(missing).await.code(), "stale_revision");
    let command = expecting(orders("tin"), Expected::Revision(current));
    let applied = state.accept(command).await;
    assert_eq!(applied[0].change, Change::Configured);
    let stale_delete = DeleteResource {
        expected: Some(current),
        ..delete(Kind::Cluster, "orders")
    };
    assert_eq!(state.refuse(stale_delete).await.code(), "stale_revision");
    let absent = expecting(cluster("shop", "db1", json!({})), Expected::Absent);
    assert_eq!(state.accept(absent).await[0].change, Change::Created);
}

#[tokio::test]
async fn two_policies_of_one_priority_never_select_one_cluster() {
    let mut state = TestState::protecting().await;
    let clash = Refusal::PolicyClash {
        policies: [name("all"), name("gold")],
        cluster: name("orders"),
        priority: 0,
    };
    let all = |priority| policy("all", json!({}), priority, "eu");
    assert_eq!(state.refuse(apply([all(0)])).await, clash);
    state.accept(apply([all(-1)])).await;
    // By labels, a cluster may walk into a clash as well.
    let red = policy("red", json!({"colour": "red"}), 0, "eu");
    state.accept(apply([red])).await;
    let both = json!({"colour": "red", "tier": "gold"});
    let refusal = state.refuse(apply([cluster("shop", "db1", both)])).await;
    assert_eq!(refusal.code(), "policy_clash");
    // One apply may move a policy out of the way.
    let both = json!({"colour": "red", "tier": "gold"});
    let moved = policy("red", json!({"colour": "red"}), 7, "eu");
    state
        .accept(apply([cluster("shop", "db1", both), moved]))
        .await;
    let (called, _) = query::effective_policy(&state.conn, &name("shop"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(called, name("red"));
}

#[tokio::test]
async fn what_is_used_is_not_deleted() {
    let mut state = TestState::protecting().await;
    let in_use = state.refuse(delete(Kind::Repository, "eu")).await;
    assert!(matches!(&in_use, Refusal::InUse { by, .. } if by == &["policies/gold"]));
    let web = document("Fleet", json!({"name": "web"}), json!({}));
    let shop = json!({"name": "shop", "fleet": "web"});
    let spec = json!({"instances": [{"agent": "db1", "connection": "port=1"}]});
    state
        .accept(apply([web, document("Cluster", shop, spec)]))
        .await;
    assert_eq!(
        state.refuse(delete(Kind::Fleet, "web")).await.code(),
        "in_use"
    );
    assert_eq!(
        state.refuse(delete(Kind::Fleet, "default")).await.code(),
        "immutable"
    );
    state.accept(delete(Kind::Cluster, "shop")).await;
    state.accept(delete(Kind::Fleet, "web")).await;
    assert_eq!(
        state.refuse(delete(Kind::Fleet, "web")).await.code(),
        "not_found"
    );

    state.accept(delete(Kind::Policy, "gold")).await;
    state.accept(backup_job(1)).await;
    let by_job = Refusal::InUse {
        what: Noun::Repository,
        name: "eu".to_owned(),
        by: vec![format!("jobs/{}", job_id(1))],
    };
    assert_eq!(state.refuse(delete(Kind::Repository, "eu")).await, by_job);
    assert_eq!(
        state.refuse(delete(Kind::Cluster, "orders")).await.code(),
        "in_use"
    );
}

#[tokio::test]
async fn a_repository_that_holds_data_stays_where_it_is() {
    let mut state = TestState::protecting().await;
    let moved = document(
        "Repository",
        json!({"name": "eu"}),
        json!({"url": "file:///other"}),
    );
    let spec = json!({"url": "file:///backups/eu", "key": {"secret": "eu-s3"}});
    let rekeyed = document("Repository", json!({"name": "eu"}), spec);
    // Empty, it may still be moved and given a key, and back again.
    for document in [moved.clone(), rekeyed.clone(), repository("eu")] {
        state.accept(apply([document])).await;
    }
    take_backup(&mut state).await;
    assert_eq!(state.refuse(apply([moved])).await.field(), Some("spec.url"));
    assert_eq!(
        state.refuse(apply([rekeyed])).await.field(),
        Some("spec.key")
    );
    state.accept(delete(Kind::Policy, "gold")).await;
    assert_eq!(
        state.refuse(delete(Kind::Repository, "eu")).await.code(),
        "in_use"
    );
    let spec = json!({"url": "file:///backups/eu", "region": "eu-1"});
    let relabelled = document("Repository", json!({"name": "eu"}), spec);
    state.accept(apply([relabelled])).await;
}

#[tokio::test]
async fn the_key_of_a_repository_that_holds_data_is_not_overwritten() {
    let mut state = TestState::protecting().await;
    let spec = json!({"url": "file:///backups/eu", "key": {"secret": "eu-s3"}});
    state
        .accept(apply([document("Repository", json!({"name": "eu"}), spec)]))
        .await;
    let set = SetSecret {
        name: name("eu-s3"),
        sealed: sealed(),
    };
    state.accept(set.clone()).await;
    take_backup(&mut state).await;
    assert_eq!(state.refuse(set).await.code(), "in_use");
}

#[tokio::test]
async fn a_cluster_with_backups_is_retired_and_can_come_back() {
    let mut state = TestState::protecting().await;
    let placed = state.accept(duty(1, 1)).await;
    take_backup(&mut state).await;
    assert_eq!(
        state.accept(delete(Kind::Cluster, "orders")).await,
        Deleted::Retired
    );
    assert!(
        state.woke(&agent_id(1).to_string()),
        "its slots are dropped (I-15)"
    );
    assert_eq!(
        state.accept(delete(Kind::Cluster, "orders")).await,
        Deleted::Retired
    );
    let duties = query::duties_of_cluster(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert!(!duties[0].active);
    assert_eq!(state.refuse(duty(1, 2)).await.code(), "cluster_retired");
    assert_eq!(state.refuse(backup_job(2)).await.code(), "cluster_retired");
    assert_eq!(
        query::effective_policy(&state.conn, &name("orders"))
            .await
            .unwrap(),
        None
    );
    let backups = query::available_backups(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert_eq!(backups.len(), 1);
    let at = query::cluster_names_at_agent(&state.conn, &name("db1")).await;
    assert_eq!(at.unwrap(), [], "a retired cluster is observed no more");
    let listed = async |retired| {
        let filter = ResourceFilter {
            retired,
            ..ResourceFilter::default()
        };
        let request = PageRequest::first(9);
        let page = query::resources(&state.conn, Kind::Cluster, &filter, &request);
        page.await.unwrap().items.len()
    };
    assert_eq!((listed(false).await, listed(true).await), (0, 1));

    let again = cluster("orders", "db1", json!({"tier": "gold"}));
    assert_eq!(
        state.accept(apply([again])).await[0].change,
        Change::Configured
    );
    let at = query::cluster_names_at_agent(&state.conn, &name("db1")).await;
    assert_eq!(at.unwrap(), [name("orders")]);
    let elsewhere = query::cluster_names_at_agent(&state.conn, &name("db2")).await;
    assert_eq!(elsewhere.unwrap(), []);
    let back = state.accept(duty(1, 3)).await;
    assert!(back.generation > placed.generation, "I-04");
}

#[tokio::test]
async fn a_cluster_without_backups_is_deleted_with_its_traces() {
    let mut state = TestState::protecting().await;
    assert_eq!(
        state.accept(delete(Kind::Cluster, "orders")).await,
        Deleted::Deleted
    );
    let gone = query::resource(&state.conn, Kind::Cluster, &name("orders")).await;
    assert_eq!(gone.unwrap(), None);
    assert_eq!(
        state.refuse(delete(Kind::Cluster, "orders")).await.code(),
        "not_found"
    );
    // What it named may go now.
    state.accept(delete(Kind::Policy, "gold")).await;
    state.accept(delete(Kind::Repository, "eu")).await;
    let key = query::repository_key(&state.conn, &name("eu"))
        .await
        .unwrap();
    assert_eq!(key, None);
}

#[tokio::test]
async fn a_duty_ends_with_its_repository() {
    let mut state = TestState::protecting().await;
    let placed = state.accept(duty(1, 1)).await;
    state.accept(delete(Kind::Policy, "gold")).await;
    state.accept(delete(Kind::Repository, "eu")).await;
    assert!(state.woke(&agent_id(1).to_string()));
    assert_eq!(query::active_duties(&state.conn).await.unwrap(), []);
    state.accept(apply([repository("eu")])).await;
    let again = state.accept(duty(1, 2)).await;
    assert!(again.generation > placed.generation, "I-04");
}

/// An older node would not know the field, and stop.
fn role_binding() -> Document {
    let spec = json!({"role": "viewer", "subjects": [{"user": "admin"}],
        "scope": {"selector": {}}});
    document("RoleBinding", json!({"name": "late"}), spec)
}

/// A cluster of one instance, with `more` in either.
fn late_cluster(more: serde_json::Value) -> Document {
    let mut instance = json!({"agent": "db1", "connection": "host=/run/postgresql"});
    let mut spec = json!({});
    for (name, value) in more.as_object().unwrap() {
        let place = if ["patroni", "dataDirectory"].contains(&name.as_str()) {
            &mut instance
        } else {
            &mut spec
        };
        place[name] = value.clone();
    }
    spec["instances"] = json!([instance]);
    document("Cluster", json!({"name": "late"}), spec)
}

#[tokio::test]
async fn fields_that_came_later_wait_for_their_level() {
    let policy = |more: serde_json::Value| {
        let mut spec = json!({"selector": {"tier": "late"}, "repository": "eu"});
        for (name, value) in more.as_object().unwrap() {
            spec[name] = value.clone();
        }
        document("Policy", json!({"name": "late"}), spec)
    };
    let repository = |url: &str| {
        let spec = json!({"url": url, "key": {"secret": "eu-s3"}});
        document("Repository", json!({"name": "late"}), spec)
    };
    let often = |kind: &str| {
        let schedule = json!({"name": "often", "kind": kind, "every": "1h"});
        policy(json!({"schedules": [schedule]}))
    };
    let chosen = |field: &str, value: &str| {
        let schedule = json!({"name": "often", "kind": "full", "every": "1h", field: value});
        policy(json!({"schedules": [schedule]}))
    };
    let carries = {
        let schedule = json!({"name": "often", "kind": "full", "every": "1h"});
        policy(json!({"schedules": [schedule], "wal": {"mode": "none"}}))
    };
    let relay = json!({"agent": "db2", "connections": {"db1": "host=192.0.2.1"}});
    let over = policy(json!({"approvals": {"restoreOver": 1}}));
    for (needed, what) in [
        (3, often("full")),
        (10, often("incremental")),
        (11, often("logical")),
        (11, policy(json!({"wal": {"mode": "none"}}))),
        (13, policy(json!({"wal": {"mode": "archive"}}))),
        (13, policy(json!({"wal": {"mode": "both"}}))),
        (3, policy(json!({"limits": {"jobsPerHost": 1}}))),
        (6, policy(json!({"wal": {"receiver": "relay"}}))),
        (6, late_cluster(json!({"relays": [relay]}))),
        (6, late_cluster(json!({"patroni": "http://127.0.0.1:8008"}))),
        (12, repository("gs://bucket/prefix")),
        (12, repository("az://container/prefix")),
        (14, chosen("from", "standby")),
        (14, chosen("from", "preferStandby")),
        (14, chosen("checkpoint", "spread")),
        (14, carries),
        (14, late_cluster(json!({"dataDirectory": "remote"}))),
        (15, policy(json!({"retention": {}}))),
        (15, policy(json!({"objectives": {"window": "14d"}}))),
        (16, policy(json!({"wal": {"maxRetained": "50GiB"}}))),
        (16, policy(json!({"wal": {"whenFull": "stall"}}))),
        (19, policy(json!({"objectives": {"rto": "30m"}}))),
        (schema::ACCESS, policy(json!({"approvals": {"delete": 1}}))),
        (schema::ACCESS, role_binding()),
        (schema::RESTORES, over),
    ] {
        let mut state = TestState::protecting().await;
        let below = needed - 1;
        if below > 1 {
            state.accept(RaiseLevel { level: below }).await;
        }
        // What was there before goes in at any level.
        let plain = policy(json!({"wal": {"flushEvery": "1s"}}));
        state.accept(apply([plain])).await;
        let refused = state.refuse(apply([what.clone()])).await;
        let current = below;
        assert_eq!(
            refused,
            Refusal::LevelTooLow { needed, current },
            "{what:?}"
        );
        state.accept(RaiseLevel { level: needed }).await;
        state.accept(apply([what])).await;
    }
}
