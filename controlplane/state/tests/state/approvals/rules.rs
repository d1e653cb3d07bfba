//! Rules: what needs consent, and that nobody gets around them.

use holdfast_state::command::{HoldBackup, ReleaseBackup};
use holdfast_state::{ApprovalState, Refusal, query};
use holdfast_types::resource::Kind;
use serde_json::json;

use super::{HOUR, ask, binding, delete, deleting, everything, guarded, person, ready, user, yes};
use crate::fixture::{apply, backup_id, cluster, document, name, policy, repository};

#[tokio::test]
async fn nobody_gets_around_a_rule_by_changing_it_first() {
    let mut state = ready().await;
    let needs = |refused: Result<_, Refusal>| match refused.unwrap_err() {
        Refusal::ApprovalNeeded { needed, .. } => needed,
        other => panic!("{other}"),
    };
    let silver = policy("silver", json!({"tier": "gold"}), 9, "eu");
    let moved = cluster("orders", "db1", json!({"tier": "tin"}));
    // The rule itself, the policy, a policy that wins over it, another label.
    for (documents, wanted) in [
        (
            vec![guarded(json!({"delete": 1, "shortenRetention": 1}))],
            2,
        ),
        (vec![policy("gold", json!({"tier": "gold"}), 0, "eu")], 2),
        (vec![silver.clone()], 2),
        (vec![moved], 2),
        (vec![guarded(json!({"delete": 2}))], 1),
    ] {
        assert_eq!(needs(state.by(user("ada"), apply(documents)).await), wanted);
    }
    let gone = state.by(user("ada"), delete(Kind::Policy, "gold")).await;
    assert_eq!(needs(gone.map(|_| Vec::new())), 2);
    let gone = state.by(user("ada"), delete(Kind::Cluster, "orders")).await;
    assert_eq!(needs(gone.map(|_| Vec::new())), 2);
    // More needs nobody, and what is not about the rule neither.
    state
        .by(
            user("ada"),
            apply([guarded(json!({"delete": 3, "shortenRetention": 1}))]),
        )
        .await
        .unwrap();
    state
        .by(user("ada"), apply([repository("us")]))
        .await
        .unwrap();
    let other = policy("other", json!({"tier": "tin"}), 0, "eu");
    state.by(user("ada"), apply([other])).await.unwrap();

    // A request of before needs what the rule says by now.
    ask(&mut state, 1, deleting(1)).await;
    state
        .by(
            user("bob"),
            apply([guarded(json!({"delete": 4, "shortenRetention": 1}))]),
        )
        .await
        .unwrap();
    for (person, expected) in [("bob", 4), ("eve", 4), ("kim", 4)] {
        let voted = state.by(user(person), yes(1)).await.unwrap();
        assert_eq!(
            (voted.state, voted.needed),
            (ApprovalState::Pending, expected)
        );
    }
    let voted = state.by(user("admin"), yes(1)).await.unwrap();
    assert_eq!(voted.state, ApprovalState::Executed);

    // The policy of a retired cluster still counts for what is kept of it.
    ask(&mut state, 2, delete(Kind::Cluster, "orders")).await;
    for person in ["bob", "eve", "kim", "admin"] {
        state.by(user(person), yes(2)).await.unwrap();
    }
    let retired = query::resource(&state.conn, Kind::Cluster, &name("orders"))
        .await
        .unwrap();
    assert!(retired.unwrap().retired_at.is_some());
    let refused = state.by(user("ada"), deleting(2)).await;
    assert_eq!(needs(refused.map(|_| Vec::new())), 4);
}

#[tokio::test]
async fn a_hold_is_not_ended_alone_nor_shortened() {
    let mut state = ready().await;
    let backup = backup_id(2);
    let hold = |until| HoldBackup {
        backup,
        reason: "case".to_owned(),
        until,
    };
    let late = state.now + HOUR * 10;
    // Holding needs nobody, and neither does releasing what nobody holds.
    state
        .by(user("ada"), ReleaseBackup { backup })
        .await
        .unwrap();
    state.by(user("ada"), hold(Some(late))).await.unwrap();
    state
        .by(user("ada"), hold(Some(late + HOUR)))
        .await
        .unwrap();
    let code = |refusal: Refusal| refusal.code();
    let shorter = state.by(user("ada"), hold(Some(late))).await.unwrap_err();
    assert_eq!(code(shorter), "approval_needed");
    let released = state
        .by(user("ada"), ReleaseBackup { backup })
        .await
        .unwrap_err();
    assert_eq!(code(released), "approval_needed");
    ask(&mut state, 1, ReleaseBackup { backup }).await;
    state.by(user("bob"), yes(1)).await.unwrap();
    state.by(user("kim"), yes(1)).await.unwrap();
    let holds = query::holds_of(&state.conn, &[backup]).await.unwrap();
    assert!(holds.is_empty());
}

/// Whoever may consent for one fleet is not chosen by moving a cluster there.
#[tokio::test]
async fn a_cluster_is_not_moved_to_where_others_consent() {
    let mut state = ready().await;
    let fleets =
        ["web", "spare"].map(|called| document("Fleet", json!({"name": called}), json!({})));
    state.accept(apply(fleets)).await;
    person(
        &mut state,
        (20, "zoe"),
        ("approver", json!({"fleet": "web"})),
    )
    .await;
    let of_team = ("approver", json!({"selector": {"team": "x"}}));
    person(&mut state, (21, "tom"), of_team).await;
    state.pass(HOUR);
    ask(&mut state, 1, deleting(1)).await;
    for stranger in ["zoe", "tom"] {
        let refused = state.by(user(stranger), yes(1)).await.unwrap_err();
        assert_eq!(refused.code(), "forbidden", "{stranger}");
    }
    let moved = |fleet: &str, labels| {
        let mut document = cluster("orders", "db1", labels);
        document.metadata.fleet = Some(name(fleet));
        apply([document])
    };
    let (gold, team) = (
        json!({"tier": "gold"}),
        json!({"tier": "gold", "team": "x"}),
    );
    for (fleet, labels) in [("web", gold.clone()), ("default", team)] {
        let refused = state.by(user("ada"), moved(fleet, labels)).await;
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, Refusal::ApprovalNeeded { needed: 2, .. }),
            "{refused}"
        );
    }
    // Where nobody else consents it goes freely, and those who consent are as many.
    state.by(user("ada"), moved("spare", gold)).await.unwrap();
    let refused = state.by(user("zoe"), yes(1)).await.unwrap_err();
    assert_eq!(refused.code(), "forbidden");
    // Without a rule it goes anywhere.
    let free = cluster("shop", "db2", json!({"tier": "tin"}));
    state.accept(apply([free.clone()])).await;
    let mut elsewhere = free;
    elsewhere.metadata.fleet = Some(name("web"));
    state.by(user("ada"), apply([elsewhere])).await.unwrap();
}

/// Two who may consent for parts of it do not make one who may for all.
#[tokio::test]
async fn what_is_about_everything_needs_who_may_consent_to_everything() {
    let mut state = ready().await;
    let fleet = ("approver", json!({"fleet": "default"}));
    person(&mut state, (20, "zoe"), fleet).await;
    state.pass(HOUR);
    ask(&mut state, 1, delete(Kind::Policy, "gold")).await;
    let refused = state.by(user("zoe"), yes(1)).await.unwrap_err();
    assert_eq!(refused.code(), "forbidden");
    ask(&mut state, 2, deleting(1)).await;
    state.by(user("zoe"), yes(2)).await.unwrap();
    // A binding is about everything, whatever comes with it.
    let mixed = [
        binding("more", "viewer", &["zoe"], everything()),
        cluster("orders", "db1", json!({"tier": "tin"})),
    ];
    ask(&mut state, 3, apply(mixed)).await;
    let refused = state.by(user("zoe"), yes(3)).await.unwrap_err();
    assert_eq!(refused.code(), "forbidden");
}
