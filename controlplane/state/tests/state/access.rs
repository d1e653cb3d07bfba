//! Bootstrap, users, sessions, tokens, secrets.

use holdfast_state::command::{
    CloseSession, CreateApiToken, CreateUser, DeleteSecret, DeleteUser, ExportRepositoryKey,
    OpenSession, PruneExpired, RecordLoginFailure, RecordRepository, RevokeApiToken, RotateSession,
    Rotation, SetPassword, SetSecret,
};
use holdfast_state::query::{self, PageRequest, RepositoryKey};
use holdfast_state::{Noun, PasswordHash, Refusal};
use holdfast_types::resource::Kind;
use jiff::SignedDuration;
use serde_json::json;

use crate::fixture::{
    apply, bootstrap, document, hash, name, password, sealed, session_id, token_id, user_id,
};
use crate::harness::TestState;

fn not_found(what: Noun, name: &str) -> Refusal {
    let name = name.to_owned();
    Refusal::NotFound { what, name }
}

fn open(state: &TestState, number: u128, user: u128) -> OpenSession {
    OpenSession {
        session: session_id(number),
        user: user_id(user),
        refresh: hash(&format!("refresh {number}")),
        expires_at: state.now + SignedDuration::from_hours(8),
    }
}

fn rotate(state: &TestState, old: &str, new: &str) -> RotateSession {
    RotateSession {
        old: hash(old),
        new: hash(new),
        expires_at: state.now + SignedDuration::from_hours(8),
    }
}

#[tokio::test]
async fn only_an_empty_state_is_bootstrapped() {
    let mut state = TestState::new().await;
    assert_eq!(query::pki(&state.conn).await.unwrap(), None);
    state.accept(bootstrap()).await;
    assert_eq!(
        state.refuse(bootstrap()).await,
        Refusal::AlreadyBootstrapped
    );
    let pki = query::pki(&state.conn).await.unwrap().unwrap();
    assert_eq!((pki.founder.as_str(), pki.ca_key), ("n1", sealed()));
    let keys = query::signing_keys(&state.conn).await.unwrap();
    assert_eq!(keys[0].id, "k1");
    let fleet = query::resource(&state.conn, Kind::Fleet, &name("default")).await;
    assert!(fleet.unwrap().is_some());
}

#[tokio::test]
async fn users_have_unique_names_and_the_last_one_stays() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let delete = |user: &str| DeleteUser { name: name(user) };
    assert_eq!(state.refuse(delete("admin")).await, Refusal::LastUser);
    let ann = CreateUser {
        user: user_id(2),
        name: name("ann"),
        password: password(),
    };
    state.accept(ann.clone()).await;
    assert!(state.woke("users/ann"));
    let exists = Refusal::AlreadyExists {
        what: Noun::User,
        name: "ann".to_owned(),
    };
    assert_eq!(state.refuse(ann).await, exists);
    let users = query::users(&state.conn, &PageRequest::first(10))
        .await
        .unwrap();
    let names: Vec<&str> = users.items.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["admin", "ann"]);

    let session = open(&state, 1, 2);
    state.accept(session).await;
    let token = api_token("ci", "ann", 1);
    state.accept(token).await;
    state.accept(delete("ann")).await;
    assert_eq!(
        state.refuse(delete("ann")).await,
        not_found(Noun::User, "ann")
    );
    let session = query::session(&state.conn, session_id(1)).await.unwrap();
    assert_eq!(session, None);
    let token = query::api_token(&state.conn, token_id(1))
        .await
        .unwrap()
        .unwrap();
    assert!(
        !token.is_usable(state.now),
        "it acted for a user that is gone"
    );
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    for number in [1, 2] {
        let session = open(&state, number, 1);
        state.accept(session).await;
    }
    let set = SetPassword {
        name: name("admin"),
        password: PasswordHash::new("$argon2id$another"),
        keep_session: Some(session_id(1)),
    };
    state.accept(set.clone()).await;
    let admin = query::user_named(&state.conn, &name("admin"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(admin.password, set.password);
    let open = |number| query::session(&state.conn, session_id(number));
    assert!(open(1).await.unwrap().is_some());
    assert!(open(2).await.unwrap().is_none());
    let nobody = SetPassword {
        name: name("nobody"),
        ..set
    };
    assert_eq!(state.refuse(nobody).await, not_found(Noun::User, "nobody"));
}

#[tokio::test]
async fn a_refresh_token_works_once_and_a_stolen_one_ends_the_session() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let session = open(&state, 1, 1);
    state.accept(session.clone()).await;
    let exists = Refusal::AlreadyExists {
        what: Noun::Session,
        name: session_id(1).to_string(),
    };
    assert_eq!(state.refuse(session.clone()).await, exists);
    let same_token = OpenSession {
        session: session_id(2),
        ..session
    };
    assert_eq!(state.refuse(same_token).await.code(), "invalid");

    let next = rotate(&state, "refresh 1", "second");
    let rotated = state.accept(next).await;
    let expected = Rotation::Rotated {
        session: session_id(1),
        user: user_id(1),
        name: name("admin"),
    };
    assert_eq!(rotated, expected);
    let by_refresh = query::session_by_refresh(&state.conn, hash("second")).await;
    assert_eq!(by_refresh.unwrap().unwrap().id, session_id(1));

    // A new token that was there before would bring the old one back to life.
    let circle = rotate(&state, "second", "refresh 1");
    assert_eq!(state.refuse(circle).await.code(), "invalid");
    let reuse = rotate(&state, "refresh 1", "third");
    let closed = Rotation::Closed {
        session: session_id(1),
    };
    assert_eq!(state.accept(reuse).await, closed);
    let dead = rotate(&state, "second", "fourth");
    assert_eq!(state.refuse(dead).await, Refusal::SessionUnknown);
}

#[tokio::test]
async fn sessions_end_by_logout_and_by_time() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let nobody = open(&state, 9, 9);
    assert_eq!(
        state.refuse(nobody).await,
        not_found(Noun::User, &user_id(9).to_string())
    );
    for number in [1, 2] {
        let session = open(&state, number, 1);
        state.accept(session).await;
    }
    let close = CloseSession {
        session: session_id(1),
    };
    assert!(state.accept(close.clone()).await);
    assert!(!state.accept(close).await);
    state.pass(SignedDuration::from_hours(8));
    let late = rotate(&state, "refresh 2", "late");
    assert_eq!(state.refuse(late).await, Refusal::SessionUnknown);
    assert_eq!(state.accept(PruneExpired {}).await.sessions, 1);
}

fn api_token(called: &str, user: &str, number: u128) -> CreateApiToken {
    CreateApiToken {
        token: token_id(number),
        name: name(called),
        user: name(user),
        hash: hash(&format!("token {number}")),
        expires_at: None,
    }
}

#[tokio::test]
async fn api_tokens_are_found_by_hash_until_they_are_revoked() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    state.accept(api_token("ci", "admin", 1)).await;
    let found = query::api_token_by_hash(&state.conn, hash("token 1")).await;
    let found = found.unwrap().unwrap();
    assert!(found.is_usable(state.now));
    assert_eq!((found.name.as_str(), found.user), ("ci", user_id(1)));

    for again in [api_token("ci", "admin", 2), api_token("cd", "admin", 1)] {
        assert_eq!(state.refuse(again).await.code(), "already_exists");
    }
    let orphan = api_token("cd", "nobody", 2);
    assert_eq!(state.refuse(orphan).await, not_found(Noun::User, "nobody"));

    let revoke = |number| RevokeApiToken {
        token: token_id(number),
    };
    state.accept(revoke(1)).await;
    state.accept(revoke(1)).await;
    assert_eq!(state.refuse(revoke(7)).await.code(), "not_found");
    let found = query::api_token_by_hash(&state.conn, hash("token 1")).await;
    assert!(!found.unwrap().unwrap().is_usable(state.now));
    // Its name is free again.
    state.accept(api_token("ci", "admin", 3)).await;
    let named = query::api_token_named(&state.conn, &name("ci")).await;
    assert_eq!(named.unwrap().unwrap().id, token_id(3));
}

#[tokio::test]
async fn an_expired_api_token_is_not_usable() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let end = state.now + SignedDuration::from_secs(1);
    let mut token = api_token("ci", "admin", 1);
    token.expires_at = Some(end);
    state.accept(token).await;
    let token = query::api_token(&state.conn, token_id(1))
        .await
        .unwrap()
        .unwrap();
    assert!(token.is_usable(state.now));
    assert!(!token.is_usable(end));
}

#[tokio::test]
async fn a_login_failure_is_in_the_audit_log_alone() {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let failure = RecordLoginFailure {
        user: Some(name("admin")),
        reason: "wrong_password".to_owned(),
    };
    state.accept(failure).await;
    let filter = query::AuditFilter {
        target: Some("users/admin".to_owned()),
        ..query::AuditFilter::default()
    };
    let rows = query::audit(&state.conn, &filter, &PageRequest::first(10)).await;
    let rows = rows.unwrap().items;
    assert_eq!(rows[0].action, "record_login_failure");
    assert_eq!(rows[0].detail, json!({"reason": "wrong_password"}));
}

#[tokio::test]
async fn secrets_are_listed_by_name_and_kept_while_they_are_used() {
    let mut state = TestState::protecting().await;
    let set = |called: &str| SetSecret {
        name: name(called),
        sealed: sealed(),
    };
    assert!(!state.accept(set("eu-s3")).await.created);
    assert!(state.accept(set("spare")).await.created);
    let listed = query::secrets(&state.conn, &PageRequest::first(1))
        .await
        .unwrap();
    assert_eq!(listed.items[0].name, name("eu-s3"));
    assert!(listed.next_cursor.is_some());

    let spec = json!({"url": "s3://b/p", "credentials": {"secret": "eu-s3"}});
    let repository = document("Repository", json!({"name": "us"}), spec);
    state.accept(apply([repository])).await;
    let delete = |called: &str| DeleteSecret { name: name(called) };
    let in_use = Refusal::InUse {
        what: Noun::Secret,
        name: "eu-s3".to_owned(),
        by: vec!["repositories/us".to_owned()],
    };
    assert_eq!(state.refuse(delete("eu-s3")).await, in_use);
    state.accept(delete("spare")).await;
    assert_eq!(state.refuse(delete("spare")).await.code(), "not_found");
    let sealed = query::sealed_secret(&state.conn, &name("spare"))
        .await
        .unwrap();
    assert_eq!(sealed, None);
}

#[tokio::test]
async fn a_repository_has_a_key_and_an_identity() {
    let mut state = TestState::protecting().await;
    let made = query::repository_key(&state.conn, &name("eu"))
        .await
        .unwrap();
    assert_eq!(made, Some(RepositoryKey::Made(sealed())));
    let spec = json!({"url": "file:///b/us", "key": {"secret": "eu-s3"}});
    let own = document("Repository", json!({"name": "us"}), spec);
    state.accept(apply([own])).await;
    let own = query::repository_key(&state.conn, &name("us"))
        .await
        .unwrap();
    let expected = RepositoryKey::Secret {
        name: name("eu-s3"),
        sealed: sealed(),
    };
    assert_eq!(own, Some(expected));
    let export = |called: &str| ExportRepositoryKey {
        repository: name(called),
    };
    state.accept(export("eu")).await;
    assert_eq!(state.refuse(export("mars")).await.code(), "not_found");

    let found = |called: &str, identity: &str| RecordRepository {
        repository: name(called),
        identity: format!("rep_{identity:0>32}").parse().unwrap(),
    };
    state.accept(found("eu", "1")).await;
    state.accept(found("eu", "1")).await;
    let other = state.refuse(found("eu", "2")).await;
    assert_eq!(other.code(), "repository_mismatch");
    assert_eq!(state.refuse(found("mars", "1")).await.code(), "not_found");
    let known = query::repository_identity(&state.conn, &name("eu")).await;
    assert_eq!(known.unwrap(), Some(found("eu", "1").identity));
}
