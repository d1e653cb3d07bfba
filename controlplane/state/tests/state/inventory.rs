//! Servers that agents find, and those that somebody said need no protection.

use holdfast_state::command::{
    HeedInstance, IgnoreInstance, RaiseLevel, RecordDiscovered, RevokeAgent,
};
use holdfast_state::{query, schema};
use holdfast_types::{DISCOVERED_MAX, DiscoveredInstance};
use jiff::SignedDuration;

use crate::fixture::{agent_id, bootstrap, enroll, join_token, name};
use crate::harness::TestState;

pub(crate) fn found(directory: &str, running: bool) -> DiscoveredInstance {
    DiscoveredInstance {
        data_directory: directory.to_owned(),
        running,
        version: Some("15".to_owned()),
        system_identifier: Some("7".to_owned()),
        port: running.then_some(5432),
        socket_directory: running.then(|| "/run/postgresql".to_owned()),
    }
}

pub(crate) fn discovered(instances: Vec<DiscoveredInstance>) -> RecordDiscovered {
    RecordDiscovered {
        agent: agent_id(1),
        instances,
    }
}

fn ignore(directory: &str, reason: &str) -> IgnoreInstance {
    IgnoreInstance {
        agent: name("db1"),
        data_directory: directory.to_owned(),
        reason: reason.to_owned(),
    }
}

fn heed(directory: &str) -> HeedInstance {
    HeedInstance {
        agent: name("db1"),
        data_directory: directory.to_owned(),
    }
}

async fn with_agent() -> TestState {
    let mut state = TestState::new().await;
    state.accept(bootstrap()).await;
    let level = schema::INVENTORY;
    state.accept(RaiseLevel { level }).await;
    let token = join_token(1, &state);
    state.accept(token).await;
    state.accept(enroll(1, 1, "db1")).await;
    state
}

#[tokio::test]
async fn what_is_found_is_known_since_it_was_found_first() {
    let mut state = with_agent().await;
    let begun = state.now;
    state.accept(discovered(vec![found("/a", true)])).await;
    state.pass(SignedDuration::from_mins(5));
    let news = vec![found("/b", true), found("/a", false)];
    state.accept(discovered(news)).await;
    assert!(state.woke("agents/db1"));
    let all = query::discovered(&state.conn).await.unwrap();
    let known: Vec<_> = all
        .iter()
        .map(|one| (one.instance.clone(), one.first_seen))
        .collect();
    let later = state.now;
    assert_eq!(
        known,
        [(found("/a", false), begun), (found("/b", true), later)]
    );
    state.accept(discovered(Vec::new())).await;
    assert_eq!(query::discovered(&state.conn).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_ignored_says_why_and_by_whom() {
    let mut state = with_agent().await;
    assert_eq!(
        state.refuse(ignore("/a", "a lab")).await.code(),
        "not_found"
    );
    state.accept(discovered(vec![found("/a", true)])).await;
    for reason in ["", "  ", &"x".repeat(501)] {
        assert_eq!(state.refuse(ignore("/a", reason)).await.code(), "invalid");
    }
    assert_eq!(state.refuse(heed("/a")).await.code(), "not_found");
    state.accept(ignore("/a", " a lab ")).await;
    let all = query::discovered(&state.conn).await.unwrap();
    let ignored = all[0].ignored.clone().unwrap();
    assert_eq!((ignored.reason.as_str(), ignored.at), ("a lab", state.now));
    // It stays so while the server comes and goes.
    state.accept(discovered(Vec::new())).await;
    state.accept(discovered(vec![found("/a", false)])).await;
    let all = query::discovered(&state.conn).await.unwrap();
    assert!(all[0].ignored.is_some());
    state.accept(heed("/a")).await;
    let all = query::discovered(&state.conn).await.unwrap();
    assert_eq!(all[0].ignored, None);
}

#[tokio::test]
async fn what_no_host_is_like_is_refused_and_a_revoked_agent_finds_nothing() {
    let mut state = with_agent().await;
    let many = (0..=DISCOVERED_MAX).map(|number| found(&format!("/{number}"), true));
    let many = discovered(many.collect());
    assert_eq!(state.refuse(many).await.code(), "invalid");
    let relative = discovered(vec![found("a", true)]);
    assert_eq!(state.refuse(relative).await.code(), "invalid");
    state.accept(discovered(vec![found("/a", true)])).await;
    state.accept(RevokeAgent { name: name("db1") }).await;
    assert_eq!(query::discovered(&state.conn).await.unwrap(), []);
    let late = discovered(vec![found("/a", true)]);
    assert_eq!(state.refuse(late).await.code(), "agent_revoked");
}
