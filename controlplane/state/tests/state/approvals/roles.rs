//! Roles: who has them, that somebody may always give them, and what is seen by them.

use holdfast_state::command::{CreateUser, DeleteUser, RaiseLevel};
use holdfast_state::query::{self, PageRequest};
use holdfast_state::{Refusal, schema};
use holdfast_types::access::{BuiltInRole, Permission, Visible};
use holdfast_types::resource::{Document, Kind};
use serde_json::{Value, json};

use super::{binding, delete, everything, ready, yes};
use crate::fixture::{apply, document, name, password, user_id};
use crate::harness::TestState;

#[tokio::test]
async fn below_the_level_nothing_needs_consent_and_users_of_then_are_administrators() {
    let mut state = TestState::protecting().await;
    let level = schema::ACCESS - 1;
    state.accept(RaiseLevel { level }).await;
    let rights = query::rights_of(&state.conn, &name("anybody"))
        .await
        .unwrap();
    assert!(rights.is_unlimited());
    let (user, ada, hash) = (user_id(2), name("ada"), password());
    state
        .accept(CreateUser {
            user,
            name: ada.clone(),
            password: hash,
        })
        .await;
    let current = level;
    let needed = schema::ACCESS;
    let refused = state.refuse(yes(1)).await;
    assert_eq!(refused, Refusal::LevelTooLow { needed, current });
    state.accept(RaiseLevel { level: needed }).await;
    for person in ["admin", "ada"] {
        let rights = query::rights_of(&state.conn, &name(person)).await.unwrap();
        assert!(rights.everywhere(Permission::AccessWrite), "{person}");
    }
    let later = CreateUser {
        user: user_id(3),
        name: name("bob"),
        password: password(),
    };
    state.accept(later).await;
    let rights = query::rights_of(&state.conn, &name("bob")).await.unwrap();
    assert!(!rights.somewhere(Permission::ClustersRead));
}

#[tokio::test]
async fn somebody_can_always_give_roles() {
    let mut state = ready().await;
    let everything = everything();
    let delete = |called| delete(Kind::RoleBinding, called);
    let create = CreateUser {
        user: user_id(20),
        name: name("zoe"),
        password: password(),
    };
    state.accept(create).await;
    let refused = state.refuse(delete("administrators")).await;
    assert_eq!(refused, Refusal::LastAdministrator);
    let fleet = json!({"fleet": "default"});
    for lesser in [
        binding("administrators", "viewer", &["admin"], everything.clone()),
        binding("administrators", "administrator", &["admin"], fleet.clone()),
    ] {
        assert_eq!(
            state.refuse(apply([lesser])).await,
            Refusal::LastAdministrator
        );
    }
    let nobody = binding("typo", "viewer", &["nobody"], everything.clone());
    assert_eq!(
        state.refuse(apply([nobody])).await.code(),
        "dangling_reference"
    );
    let missing = binding("typo", "viewer", &["ada"], json!({"fleet": "nope"}));
    assert_eq!(
        state.refuse(apply([missing])).await.code(),
        "dangling_reference"
    );
    state
        .accept(apply([
            binding("dba", "administrator", &["ada"], everything),
            binding("web", "operator", &["zoe"], fleet),
        ]))
        .await;
    state.accept(delete("administrators")).await;
    assert_eq!(
        state.refuse(delete("dba")).await,
        Refusal::LastAdministrator
    );
    // Whoever came under the name of a user that is gone would have its roles.
    let refused = state.refuse(DeleteUser { name: name("zoe") }).await;
    assert_eq!(refused.code(), "in_use");
    let rights = query::rights_of(&state.conn, &name("zoe")).await.unwrap();
    assert_eq!(rights.grants().len(), 1);
    assert_eq!(rights.grants()[0].0, BuiltInRole::Operator);
    let visible = rights.visible(Permission::BackupsRead);
    assert!(
        query::sees_cluster(&state.conn, &visible, &name("orders"))
            .await
            .unwrap()
    );
    assert!(
        !query::sees_cluster(&state.conn, &visible, &name("gone"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn lists_are_cut_to_what_is_seen() {
    let mut state = ready().await;
    let other = document(
        "Cluster",
        json!({"name": "shop", "labels": {"tier": "tin", "odd\"key": "v"}}),
        json!({"instances": [{"agent": "db2", "connection": "host=/run/postgresql"}]}),
    );
    state.accept(apply([other])).await;
    let page = PageRequest::longest();
    let everything = Visible::Everything;
    let scope = |spec: Value| {
        let Document { resource, .. } = binding("b", "viewer", &["ada"], spec);
        let holdfast_types::resource::Resource::RoleBinding(binding) = resource else {
            panic!("it is one")
        };
        Visible::Only(vec![binding.scope.scope().unwrap()])
    };
    for (visible, clusters, backups) in [
        (everything, 2, 3),
        (Visible::Only(Vec::new()), 0, 0),
        (scope(json!({"fleet": "default"})), 2, 3),
        (scope(json!({"fleet": "web"})), 0, 0),
        (scope(json!({"selector": {"tier": "gold"}})), 1, 3),
        (scope(json!({"selector": {"tier": "tin"}})), 1, 0),
        (
            scope(json!({"selector": {"tier": "tin", "odd\"key": "v"}})),
            1,
            0,
        ),
        (
            scope(json!({"selector": {"tier": "tin", "odd": "v"}})),
            0,
            0,
        ),
    ] {
        let filter = query::ResourceFilter {
            visible: visible.clone(),
            ..Default::default()
        };
        let found = query::resources(&state.conn, Kind::Cluster, &filter, &page)
            .await
            .unwrap();
        assert_eq!(found.items.len(), clusters, "{visible:?}");
        let filter = query::BackupFilter {
            visible: visible.clone(),
            ..Default::default()
        };
        let found = query::backups(&state.conn, &filter, &page).await.unwrap();
        assert_eq!(found.items.len(), backups, "{visible:?}");
        let filter = query::BackupFilter {
            repository: Some(name("eu")),
            ..filter
        };
        let found = query::backups(&state.conn, &filter, &page).await.unwrap();
        assert_eq!(found.items.len(), backups, "{visible:?}");
        list_all_else(&state, &visible).await;
        let counts = query::counts_seen(&state.conn, &visible).await.unwrap();
        let counted = counts.resources.get("clusters").copied().unwrap_or(0);
        assert_eq!(counted, clusters as u64);
        assert_eq!(
            counts.backups.get("available").copied().unwrap_or(0),
            backups as u64
        );
        let fleets = query::fleets_seen(&state.conn, &visible).await.unwrap();
        assert_eq!(fleets.contains(&name("default")), clusters > 0);
    }
}

/// Lists that hold nothing here: the conditions are SQL, which is to be read.
async fn list_all_else(state: &TestState, visible: &Visible) {
    let page = PageRequest::longest();
    let filter = query::JobFilter {
        visible: visible.clone(),
        ..Default::default()
    };
    query::jobs(&state.conn, &filter, &page).await.unwrap();
    let filter = query::RunFilter {
        visible: visible.clone(),
        ..Default::default()
    };
    query::runs(&state.conn, &filter, &page).await.unwrap();
    let filter = query::DrillFilter {
        visible: visible.clone(),
        ..Default::default()
    };
    query::drills(&state.conn, &filter, &page).await.unwrap();
    query::all_late_results(&state.conn, visible, &page)
        .await
        .unwrap();
}
