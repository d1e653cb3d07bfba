//! Restores as rows: what is executed is what was planned, each state is left once, and
//! nothing is done that was not looked at (I-04, I-12, I-14).

mod checked;
mod consent;
mod random;

use holdfast_state::command::{
    BeginRestore, CancelRestore, FinishJob, JobOutcome, Lease, MoveRestore, PlanRestore,
    RaiseLevel, RequeueJob, RestoreBegun, RestoreMove, StartJob, TryNextCopy,
};
use holdfast_state::query::{self, PageRequest, RestoreFilter, RestoreView};
use holdfast_state::{Command, Digest, Principal, Refusal, schema};
use holdfast_types::restoring::{
    HandOver, HandedOver, RegisterAs, RestoreCheck, RestoreOrder, RestoreState, RestoreWebhook,
};
use holdfast_types::{Failure, Generation, JobState, RestoreId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::approvals::approval_id;
use crate::fixture::{apply, job_id, lease, lineage, name, repository};
use crate::harness::TestState;
use checked::{looked_at, measured};
use consent::{asked, guarded, vote};
pub(crate) use random::{opening, random};

pub(crate) fn restore_id(number: u128) -> RestoreId {
    RestoreId::from_uuid(Uuid::from_u128(number))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The order of a restore of `orders` from `eu` and then `us`.
pub(crate) fn order() -> RestoreOrder {
    let copy = |name: &str| {
        json!({"repository": name, "region": "a", "frontier": "2026-02-03T02:41:00Z",
               "reason": "it is a copy"})
    };
    serde_json::from_value(json!({
        "request": {"cluster": "orders", "at": "latest", "agent": "db1", "dir": "/srv/copy",
                    "start": true},
        "plan": {
            "cluster": "orders", "at": "latest", "lineage": lineage(),
            "backup": "bkp_00000000000000000000000000000007",
            "backupFinishedAt": "2026-02-03T02:00:00Z", "timeline": 1,
            "wal": {"fromLsn": "0/64", "toLsn": "0/C8", "lastRecordLsn": "0/C0", "segments": 1},
            "recoversTo": "2026-02-03T02:41:00Z", "lastCommitAt": null, "stopBefore": null,
            "serverVersion": 150_018, "databaseBytes": 1, "fetchBytes": 1, "estimatedSeconds": 3,
            "problems": [], "warnings": [],
        },
        "plannedAt": "2026-02-03T02:41:07Z",
        "copies": [copy("eu"), copy("us")],
        "handOver": {},
    }))
    .unwrap()
}

fn handed_over() -> RestoreOrder {
    RestoreOrder {
        hand_over: HandOver {
            register: Some(RegisterAs {
                name: name("orders-b"),
                fleet: Some(name("payments")),
                labels: None,
            }),
            webhooks: vec![RestoreWebhook {
                url: "https://deploy.example.com/restored".to_owned(),
                secret: Some(name("hook")),
            }],
        },
        ..order()
    }
}

fn over() -> RestoreOrder {
    let mut order = order();
    order.request.delta = true;
    order
}

fn planning(number: u128, order: RestoreOrder) -> PlanRestore {
    PlanRestore {
        restore: restore_id(number),
        order,
    }
}

fn spec() -> Value {
    json!({"restore": {"what": "was planned"}})
}

fn beginning(number: u128, plan_hash: Digest) -> BeginRestore {
    BeginRestore {
        restore: restore_id(number),
        plan_hash,
        spec: spec(),
        approval: approval_id(number),
        approval_until: at("2026-02-05T00:00:00Z"),
        reason: Some("case 4711".to_owned()),
    }
}

fn moving(number: u128, from: RestoreState, to: RestoreMove) -> MoveRestore {
    MoveRestore {
        restore: restore_id(number),
        from,
        to,
    }
}

fn failure() -> Failure {
    Failure::transient("repository_unreachable", "it is gone", "look")
}

fn trying(number: u128, generation: u64, repository: &str) -> TryNextCopy {
    TryNextCopy {
        job: job_id(number),
        generation: Generation(generation),
        reason: failure(),
        repository: name(repository),
        spec: json!({"restore": {"what": "goes on"}}),
        log: vec!["a line".to_owned()],
    }
}

fn checks(passed: bool) -> Vec<RestoreCheck> {
    vec![RestoreCheck {
        name: "reached".to_owned(),
        passed,
        seen: "0/C8".to_owned(),
    }]
}

fn step(step: &str) -> RestoreMove {
    RestoreMove::Stepped(HandedOver {
        step: step.to_owned(),
        detail: "it is".to_owned(),
        failure: None,
    })
}

/// An example of each command, for its golden bytes.
pub(crate) fn examples() -> Vec<(u32, Command)> {
    let failed = RestoreMove::Failed {
        failure: failure(),
        checks: checks(false),
    };
    let validating = RestoreState::Validating;
    let passed = RestoreMove::HandingOver {
        checks: checks(true),
        loss_millis: None,
    };
    let placing = RestoreState::Placing;
    let handing_over = RestoreState::HandingOver;
    let cancel = CancelRestore {
        restore: restore_id(7),
    };
    vec![
        (1, planning(7, handed_over()).into()),
        (2, planning(7, looked_at()).into()),
        (1, beginning(7, Digest::of(b"a plan")).into()),
        (1, moving(7, placing, RestoreMove::Running).into()),
        (2, moving(7, validating, passed).into()),
        (3, moving(7, validating, failed).into()),
        (4, moving(7, handing_over, step("webhook 1")).into()),
        (5, moving(7, validating, measured()).into()),
        (1, trying(7, 3, "us").into()),
        (1, cancel.into()),
    ]
}

async fn ready() -> TestState {
    let mut state = TestState::protecting().await;
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
    state.accept(apply([repository("us")])).await;
    state
}

async fn begun(state: &mut TestState, number: u128, order: RestoreOrder) {
    let hash = state.accept(planning(number, order)).await;
    let begun = state.accept(beginning(number, hash)).await;
    let placing = RestoreBegun {
        state: RestoreState::Placing,
        asked: None,
    };
    assert_eq!(begun, placing);
}

async fn leased(state: &mut TestState, number: u128, order: RestoreOrder) -> Lease {
    begun(state, number, order).await;
    let lease = state.accept(lease(number, 1, number)).await;
    let start = StartJob {
        job: job_id(number),
        generation: lease.generation,
    };
    state.accept(start).await;
    lease
}

fn finishing(number: u128, lease: Lease, outcome: JobOutcome) -> FinishJob {
    FinishJob {
        job: job_id(number),
        generation: lease.generation,
        outcome,
        log: Vec::new(),
    }
}

fn succeeded() -> JobOutcome {
    JobOutcome::Succeeded {
        result: json!({"dir": "/srv/copy", "port": 5433}),
        backup: None,
    }
}

async fn shown(state: &TestState, number: u128) -> RestoreView {
    let found = query::restore(&state.conn, restore_id(number)).await;
    found.unwrap().unwrap()
}

async fn job_state(state: &TestState, number: u128) -> Option<JobState> {
    let found = query::job(&state.conn, job_id(number)).await.unwrap();
    found.map(|job| job.state)
}

#[tokio::test]
async fn what_was_planned_is_begun_once_and_moved_on_to_its_end() {
    let mut state = ready().await;
    let hash = state.accept(planning(1, order())).await;
    assert_eq!(job_state(&state, 1).await, None, "a plan touches nothing");
    let found = query::planned_restore(&state.conn, hash).await.unwrap();
    assert_eq!(found.unwrap().order, order());
    let other = Digest::of(b"another plan");
    let refused = state.refuse(beginning(1, other)).await;
    assert!(matches!(refused, Refusal::PlanStale { .. }), "{refused}");
    state.accept(beginning(1, hash)).await;
    assert!(state.woke("activate dispatch") || !state.effects.is_empty());
    assert_eq!(job_state(&state, 1).await, Some(JobState::Queued));
    let refused = state.refuse(beginning(1, hash)).await;
    assert!(matches!(refused, Refusal::RestoreState { .. }), "{refused}");
    assert_eq!(
        query::planned_restore(&state.conn, hash).await.unwrap(),
        None
    );

    let running = moving(1, RestoreState::Placing, RestoreMove::Running);
    let lease = state.accept(lease(1, 1, 1)).await;
    state.accept(running.clone()).await;
    // Whoever moves it late moves nothing.
    let refused = state.refuse(running).await;
    assert!(matches!(refused, Refusal::RestoreState { .. }), "{refused}");
    state.pass(SignedDuration::from_secs(5));
    state.accept(finishing(1, lease, succeeded())).await;
    let validating = moving(1, RestoreState::Running, RestoreMove::Validating);
    state.accept(validating).await;
    let passed = RestoreMove::HandingOver {
        checks: checks(true),
        loss_millis: None,
    };
    state
        .accept(moving(1, RestoreState::Validating, passed))
        .await;
    state
        .accept(moving(1, RestoreState::HandingOver, RestoreMove::Done))
        .await;
    let done = shown(&state, 1).await;
    assert_eq!(done.state, RestoreState::Done);
    assert_eq!(done.result, Some(json!({"dir": "/srv/copy", "port": 5433})));
    // Planned 7 s after the last commit that is in it.
    assert_eq!(done.loss_millis, Some(7_000));
    assert_eq!(done.rto_millis, Some(5_000));
    assert_eq!(done.requested_by, Some(Principal::user("admin")));
    // A report of the time in which it ended tells of it, and not of its job besides.
    let clusters = [name("orders"), name("other")];
    let finished = done.finished_at.unwrap();
    let whole = (Timestamp::MIN, Timestamp::MAX);
    let ended = query::restores_ended(&state.conn, &clusters, whole).await;
    assert_eq!(ended.unwrap(), std::slice::from_ref(&done));
    let bare = query::bare_restores_ended(&state.conn, &clusters, whole).await;
    assert_eq!(bare.unwrap(), []);
    let before = query::restores_ended(&state.conn, &clusters, (Timestamp::MIN, finished)).await;
    assert_eq!(before.unwrap(), []);
    let states: Vec<RestoreState> = done.history.iter().map(|step| step.state).collect();
    let all = [
        RestoreState::Planned,
        RestoreState::Placing,
        RestoreState::Running,
        RestoreState::Validating,
        RestoreState::HandingOver,
        RestoreState::Done,
    ];
    assert_eq!(states, all);
}

/// I-12: neither a job that did not succeed nor a check that failed leads to success.
#[tokio::test]
async fn nothing_is_called_done_that_is_not() {
    let mut state = ready().await;
    let lease = leased(&mut state, 1, order()).await;
    let from = RestoreState::Placing;
    let refused = state.refuse(moving(1, from, RestoreMove::Validating)).await;
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    let refused = state.refuse(moving(1, from, RestoreMove::Done)).await;
    assert!(matches!(refused, Refusal::RestoreState { .. }), "{refused}");
    state.accept(finishing(1, lease, succeeded())).await;
    state.accept(moving(1, from, RestoreMove::Validating)).await;
    for checks in [checks(false), Vec::new()] {
        let passed = RestoreMove::HandingOver {
            checks,
            loss_millis: None,
        };
        let refused = state
            .refuse(moving(1, RestoreState::Validating, passed))
            .await;
        assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    }
    let failed = RestoreMove::Failed {
        failure: failure(),
        checks: checks(false),
    };
    state
        .accept(moving(1, RestoreState::Validating, failed))
        .await;
    let failed = shown(&state, 1).await;
    assert_eq!(failed.state, RestoreState::Failed);
    assert_eq!(failed.checks, checks(false));
    assert_eq!((failed.loss_millis, failed.rto_millis), (None, None));
    let again = moving(1, RestoreState::Failed, RestoreMove::Done);
    let refused = state.refuse(again).await;
    assert!(matches!(refused, Refusal::RestoreState { .. }), "{refused}");
}

#[tokio::test]
async fn it_is_handed_over_step_by_step_and_each_step_once() {
    let mut state = ready().await;
    let lease = leased(&mut state, 1, handed_over()).await;
    state.accept(finishing(1, lease, succeeded())).await;
    let from = RestoreState::Placing;
    state.accept(moving(1, from, RestoreMove::Validating)).await;
    let passed = RestoreMove::HandingOver {
        checks: checks(true),
        loss_millis: None,
    };
    state
        .accept(moving(1, RestoreState::Validating, passed))
        .await;
    let from = RestoreState::HandingOver;
    for wrong in ["backup", "webhook 1", "anything"] {
        let refused = state.refuse(moving(1, from, step(wrong))).await;
        assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    }
    let refused = state.refuse(moving(1, from, RestoreMove::Done)).await;
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    for right in ["register", "backup", "webhook 1"] {
        state.accept(moving(1, from, step(right))).await;
        let refused = state.refuse(moving(1, from, step(right))).await;
        assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    }
    state.accept(moving(1, from, RestoreMove::Done)).await;
    assert_eq!(shown(&state, 1).await.handed_over.len(), 3);
}

#[tokio::test]
async fn the_world_that_has_changed_begins_nothing() {
    let mut state = ready().await;
    let hash = state.accept(planning(1, order())).await;
    let revoke = holdfast_state::command::RevokeAgent { name: name("db1") };
    state.accept(revoke).await;
    let refused = state.refuse(beginning(1, hash)).await;
    assert!(matches!(refused, Refusal::AgentRevoked { .. }), "{refused}");
    let mut spoken_against = order();
    spoken_against.plan.problems.push(failure());
    let refused = state.refuse(planning(2, spoken_against)).await;
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    let mut nowhere = order();
    nowhere.copies.clear();
    let refused = state.refuse(planning(2, nowhere)).await;
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    // A plan that nobody begins is kept for a day.
    state.pass(SignedDuration::from_hours(24));
    state.accept(planning(2, order())).await;
    assert_eq!(
        query::restore(&state.conn, restore_id(1)).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_is_followed_by_the_next_and_none_is_read_twice() {
    let mut state = ready().await;
    let first = leased(&mut state, 1, order()).await;
    let generation = first.generation.0;
    for wrong in ["eu", "mars"] {
        let refused = state.refuse(trying(1, generation, wrong)).await;
        assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    }
    let now = state.accept(trying(1, generation, "us")).await;
    assert_eq!(now, JobState::Queued);
    let job = query::job(&state.conn, job_id(1)).await.unwrap().unwrap();
    assert_eq!(job.repository, name("us"));
    assert_eq!(job.spec, json!({"restore": {"what": "goes on"}}));
    let restore = shown(&state, 1).await;
    assert_eq!((restore.repository, restore.tried.len()), (name("us"), 1));
    assert_eq!(restore.tried[0].repository, name("eu"));
    assert_eq!(restore.order, order(), "what was planned stays");
    // I-04: nothing of the attempt that ended counts any more.
    let late = finishing(1, first, succeeded());
    let refused = state.refuse(late).await;
    assert!(
        matches!(refused, Refusal::StaleGeneration { .. }),
        "{refused}"
    );
    let next = state.accept(lease(1, 1, 9)).await;
    let refused = state.refuse(trying(1, next.generation.0, "us")).await;
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused}");
    // An agent that is lost is not tried again.
    let lost = RequeueJob {
        job: job_id(1),
        generation: next.generation,
        reason: Failure::transient("agent_lost", "it is gone", "look"),
        not_before: None,
        log: Vec::new(),
    };
    assert_eq!(state.accept(lost).await, JobState::Failed);
}

async fn begun_by_ada(state: &mut TestState, number: u128) {
    assert_eq!(asked(state, number, order()).await.asked, None);
}

#[tokio::test]
async fn lists_show_what_was_begun_newest_first() {
    let mut state = ready().await;
    begun(&mut state, 1, order()).await;
    state.pass(SignedDuration::from_secs(1));
    begun(&mut state, 2, order()).await;
    state.accept(planning(3, order())).await;
    let page = PageRequest::longest();
    let list = |filter: RestoreFilter| {
        let (conn, page) = (state.conn.clone(), page.clone());
        async move {
            let found = query::restores(&conn, &filter, &page).await.unwrap();
            let ids = found.items.into_iter().map(|one| one.id);
            ids.collect::<Vec<RestoreId>>()
        }
    };
    assert_eq!(
        list(RestoreFilter::default()).await,
        [restore_id(2), restore_id(1)]
    );
    let planned = RestoreFilter {
        state: Some(RestoreState::Planned),
        ..RestoreFilter::default()
    };
    assert_eq!(list(planned).await, [restore_id(3)]);
    let other = RestoreFilter {
        cluster: Some(name("shop")),
        ..RestoreFilter::default()
    };
    assert_eq!(list(other).await, []);
    let waiting = query::restores_under_way(&state.conn, 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
}

/// I-02: nothing of a restore comes from anywhere but its entries.
#[tokio::test]
async fn equal_logs_give_equal_restores() {
    let mut dumps = Vec::new();
    for _ in 0..2 {
        let mut state = guarded(json!({"restoreOver": 1})).await;
        asked(&mut state, 1, over()).await;
        let bob = Principal::user("bob");
        state.by(bob, vote(1, true)).await.unwrap();
        let first = state.accept(lease(1, 1, 1)).await;
        state.accept(trying(1, first.generation.0, "us")).await;
        let next = state.accept(lease(1, 1, 2)).await;
        state.accept(finishing(1, next, succeeded())).await;
        let placing = RestoreState::Placing;
        state
            .accept(moving(1, placing, RestoreMove::Validating))
            .await;
        let passed = RestoreMove::HandingOver {
            checks: checks(true),
            loss_millis: None,
        };
        state
            .accept(moving(1, RestoreState::Validating, passed))
            .await;
        let from = RestoreState::HandingOver;
        state.accept(moving(1, from, RestoreMove::Done)).await;
        asked(&mut state, 2, over()).await;
        dumps.push(state.dump().await);
    }
    assert_eq!(dumps[0], dumps[1]);
    assert_eq!(crate::harness::table(&dumps[0], "restores").len(), 2);
}
