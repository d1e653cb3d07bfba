//! Facts of compliance: each is written by the command that makes it true, once.

use holdfast_compliance::{Claim, Fact, History, Period, Stretch};
use holdfast_state::command::{
    Condemn, CondemnBackups, CondemnedBy, DeleteResource, FinishJob, FoundWal, JobOutcome,
    LoseBackup, PlacedDuty, PruneExpired, RaiseLevel, RecordBackup, RecordFoundWal, RecordSigns,
    RecordWal, Sign, SignWhat, TimelineWal,
};
use holdfast_state::query;
use holdfast_state::{Refusal, schema};
use holdfast_types::resource::{Document, Kind};
use holdfast_types::{ExemptionId, Failure, Lsn, Name, RpoScope};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{
    apply, assignment_id, backup_id, cluster, committed, document, job_id, lease, lineage, name,
    policy, range, timeline, wal,
};
use crate::harness::TestState;

pub(crate) fn exemption_id(number: u128) -> ExemptionId {
    ExemptionId::from_uuid(Uuid::from_u128(number))
}

fn claim(at: Timestamp, seconds_behind: i64, lsn: u64) -> Claim {
    Claim {
        at,
        time: at - SignedDuration::from_secs(seconds_behind),
        lineage: lineage(),
        lsn: Lsn::new(lsn),
    }
}

/// A stretch that ends at `now`, and one before it.
pub(crate) fn stretches(lsn: u64, now: Timestamp, some: bool) -> Vec<Stretch> {
    if !some {
        return Vec::new();
    }
    let ago = |seconds| now - SignedDuration::from_secs(seconds);
    let mut last = Stretch::begin(claim(ago(10), 1, lsn + 100));
    let tolerance = std::time::Duration::from_secs(15);
    assert!(last.extend(claim(now, 2, lsn + 110), tolerance) || now == ago(0));
    vec![Stretch::begin(claim(ago(60), 3, lsn)), last]
}

/// What a leader may notice of `orders`.
pub(crate) fn noticed(which: u64, at: Timestamp) -> RecordSigns {
    let what = match which % 4 {
        0 => SignWhat::AgentLost,
        1 => SignWhat::AgentBack,
        2 => SignWhat::TroubleBegan {
            repository: name("eu"),
            code: "repository_unreachable".to_owned(),
        },
        _ => SignWhat::TroubleEnded {
            repository: name("eu"),
        },
    };
    let cluster = name("orders");
    RecordSigns {
        signs: vec![Sign { cluster, at, what }],
    }
}

pub(crate) fn every_sign(at: Timestamp) -> RecordSigns {
    let signs = (0..4).flat_map(|which| noticed(which, at).signs);
    RecordSigns {
        signs: signs.collect(),
    }
}

async fn raise(state: &mut TestState) {
    let level = schema::NEWEST;
    state.accept(RaiseLevel { level }).await;
}

fn gold(more: Value) -> Document {
    let mut spec = json!({"selector": {"tier": "gold"}, "repository": "eu",
        "objectives": {"rpo": "30s"}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    document("Policy", json!({"name": "gold"}), spec)
}

/// `orders` with an RPO of 30 s, and its WAL in the hands of agent 1.
pub(crate) async fn receiving() -> (TestState, PlacedDuty) {
    let (mut state, placed) = TestState::receiving().await;
    raise(&mut state).await;
    state.accept(apply([gold(json!({}))])).await;
    (state, placed)
}

/// The codes of the facts that were added since so many.
pub(crate) async fn told(state: &TestState, since: usize) -> Vec<String> {
    let facts = query::facts(&state.conn, &name("orders")).await.unwrap();
    facts
        .into_iter()
        .skip(since)
        .map(|one| code(&one.fact))
        .collect()
}

pub(crate) async fn count(state: &TestState) -> usize {
    told(state, 0).await.len()
}

fn code(fact: &Fact) -> String {
    match fact {
        Fact::Promised(promise) => format!("promised {}", promise.policy),
        Fact::Unpromised => "unpromised".to_owned(),
        Fact::Retired => "retired".to_owned(),
        Fact::BackupAvailable { repository, .. } => format!("available in {repository}"),
        Fact::BackupGone { repository, .. } => format!("gone from {repository}"),
        Fact::HoleOpened { range, .. } => format!("hole {}-{}", range.from_lsn, range.to_lsn),
        Fact::HoleClosed { range, .. } => format!("filled {}-{}", range.from_lsn, range.to_lsn),
        Fact::TroubleBegan { code, .. } => format!("trouble {code}"),
        Fact::TroubleEnded { .. } => "no trouble".to_owned(),
        Fact::AgentLost => "agent lost".to_owned(),
        Fact::AgentBack => "agent back".to_owned(),
        Fact::Exempted(exemption) => format!("exempted by {}", exemption.approved_by),
        Fact::ExemptionEnded { .. } => "exemption ended".to_owned(),
        Fact::Drilled(drill) => format!("drilled {}", drill.passed),
    }
}

pub(crate) async fn history(state: &TestState) -> History {
    query::history(&state.conn, &name("orders")).await.unwrap()
}

pub(crate) fn received(
    placed: PlacedDuty,
    timelines: Vec<TimelineWal>,
    told: Vec<Stretch>,
) -> RecordWal {
    RecordWal {
        assignment: assignment_id(1),
        generation: placed.generation,
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines,
        frontier: None,
        stretches: told,
    }
}

async fn backed_up(state: &mut TestState) {
    let commit = committed(1, 1, &[(100, 200)]);
    state.accept(RecordBackup { commit }).await;
}

#[tokio::test]
async fn a_promise_is_a_fact_for_each_cluster_that_it_changes_for() {
    let mut state = TestState::protecting().await;
    raise(&mut state).await;
    // What was so when facts began.
    assert_eq!(told(&state, 0).await, ["promised gold"]);
    state.accept(apply([gold(json!({}))])).await;
    // What changes nothing for it is none.
    state.accept(apply([gold(json!({}))])).await;
    let other = policy("tin", json!({"tier": "tin"}), 0, "eu");
    state.accept(apply([other])).await;
    state
        .accept(apply([gold(json!({"retention": {"keep": {"last": 3}}}))]))
        .await;
    assert_eq!(told(&state, 1).await, ["promised gold"]);
    // Another place of the repository is another promise.
    let eu = document(
        "Repository",
        json!({"name": "eu"}),
        json!({"url": "file:///backups/eu", "region": "west"}),
    );
    state.accept(apply([eu])).await;
    state
        .accept(apply([cluster("orders", "db1", json!({"tier": "tin"}))]))
        .await;
    state
        .accept(apply([cluster("orders", "db1", json!({}))]))
        .await;
    let delete = |kind, named: &str| DeleteResource {
        kind,
        name: name(named),
        expected: None,
    };
    state.accept(delete(Kind::Policy, "gold")).await;
    state.accept(delete(Kind::Cluster, "orders")).await;
    let expected = ["promised gold", "promised tin", "unpromised", "retired"];
    assert_eq!(told(&state, 2).await, expected);
    let promise = query::promise(&state.conn, &name("orders")).await.unwrap();
    assert_eq!(promise, None);
    state
        .accept(apply([cluster("orders", "db1", json!({"tier": "tin"}))]))
        .await;
    assert_eq!(told(&state, 6).await, ["promised tin"]);
}

#[tokio::test]
async fn a_backup_is_a_fact_in_each_repository_and_so_is_its_end() {
    let (mut state, _) = receiving().await;
    let before = count(&state).await;
    backed_up(&mut state).await;
    // The same again is no news.
    backed_up(&mut state).await;
    let commit = committed(2, 2, &[(100, 200)]);
    state.accept(RecordBackup { commit }).await;
    let lost = LoseBackup {
        backup: backup_id(1),
        repository: name("eu"),
        reason: Failure::permanent("mark_missing", "it is gone", "look"),
    };
    state.accept(lost).await;
    let commit = committed(3, 3, &[(100, 200)]);
    state.accept(RecordBackup { commit }).await;
    let condemn = CondemnBackups {
        backups: vec![Condemn {
            backup: backup_id(2),
            reason: "by hand".to_owned(),
        }],
        by: CondemnedBy::Hand,
        grace_millis: 1000,
    };
    state.accept(condemn).await;
    let expected = [
        "available in eu",
        "available in eu",
        "gone from eu",
        "available in eu",
        "gone from eu",
    ];
    assert_eq!(told(&state, before).await, expected);
}

#[tokio::test]
async fn a_hole_is_a_fact_and_so_is_what_fills_it() {
    let (mut state, placed) = receiving().await;
    let before = count(&state).await;
    let mut gapped = wal(&[(100, 200), (300, 400)]);
    gapped.gaps = vec![holdfast_state::command::WalGap {
        range: range(200, 300),
        reason: "wal_recycled".to_owned(),
    }];
    state
        .accept(received(placed, vec![gapped.clone()], vec![]))
        .await;
    state.accept(received(placed, vec![gapped], vec![])).await;
    state
        .accept(received(placed, vec![wal(&[(200, 250)])], vec![]))
        .await;
    state
        .accept(received(placed, vec![wal(&[(250, 300)])], vec![]))
        .await;
    // What is lost is missing, and what is found again is not.
    let found = |found: &[(u64, u64)], lost: &[(u64, u64)]| RecordFoundWal {
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![FoundWal {
            timeline: timeline(1),
            found: wal(found).ranges,
            lost: wal(lost).ranges,
        }],
    };
    state.accept(found(&[], &[(150, 160)])).await;
    state.accept(found(&[(150, 160)], &[])).await;
    let expected = [
        "hole 0/C8-0/12C",
        "filled 0/C8-0/12C",
        "hole 0/FA-0/12C",
        "filled 0/FA-0/12C",
        "hole 0/96-0/A0",
        "filled 0/96-0/A0",
    ];
    assert_eq!(told(&state, before).await, expected);
}

#[tokio::test]
async fn a_drill_is_a_fact_when_it_has_ended() {
    let (mut state, _) = receiving().await;
    let before = count(&state).await;
    for (number, passed) in [(7u128, true), (8, false)] {
        state.accept(crate::drills::drill_job(number)).await;
        let lease = state.accept(lease(number, 1, number)).await;
        let finish = FinishJob {
            job: job_id(number),
            generation: lease.generation,
            outcome: JobOutcome::Succeeded {
                result: crate::drills::showed(passed),
                backup: None,
            },
            log: vec![],
        };
        state.accept(finish).await;
    }
    assert_eq!(
        told(&state, before).await,
        ["drilled true", "drilled false"]
    );
}

#[tokio::test]
async fn signs_are_facts_when_they_are_new() {
    let (mut state, _) = receiving().await;
    let before = count(&state).await;
    let ago = |state: &TestState, seconds| state.now - SignedDuration::from_secs(seconds);
    let since = ago(&state, 20);
    for which in [0, 0, 2, 2, 1, 3, 3, 1] {
        state.accept(noticed(which, since)).await;
    }
    let trouble = "trouble repository_unreachable";
    let expected = ["agent lost", trouble, "agent back", "no trouble"];
    assert_eq!(told(&state, before).await, expected);
    let facts = query::facts(&state.conn, &name("orders")).await.unwrap();
    let lost = &facts[before];
    assert_eq!((lost.at, lost.known), (since, state.now));
    // Nothing is known before it is so.
    let later = state.now + SignedDuration::from_secs(60);
    state.accept(noticed(0, later)).await;
    let facts = query::facts(&state.conn, &name("orders")).await.unwrap();
    assert_eq!(facts.last().unwrap().at, state.now);
}

#[tokio::test]
async fn stretches_go_on_until_another_begins_and_a_closed_one_never_changes() {
    let (mut state, placed) = receiving().await;
    let start = state.now;
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let tolerance = std::time::Duration::from_secs(15);
    let rows = async |state: &TestState| {
        let kept = query::stretches(&state.conn, &name("orders"))
            .await
            .unwrap();
        let ends = kept.into_iter().map(|one| {
            let second = |at: Timestamp| at.duration_since(start).as_secs();
            (second(one.stretch.first.at), second(one.stretch.last.at))
        });
        ends.collect::<Vec<_>>()
    };
    let mut open = Stretch::begin(claim(at(0), 1, 100));
    state
        .accept(received(
            placed,
            vec![wal(&[(100, 200)])],
            vec![open.clone()],
        ))
        .await;
    state.pass(SignedDuration::from_secs(10));
    assert!(open.extend(claim(at(10), 1, 110), tolerance));
    state
        .accept(received(placed, vec![], vec![open.clone()]))
        .await;
    assert_eq!(rows(&state).await, [(0, 10)]);
    // A report that was overtaken changes nothing.
    let early = Stretch::begin(claim(at(0), 1, 100));
    state.accept(received(placed, vec![], vec![early])).await;
    assert_eq!(rows(&state).await, [(0, 10)]);
    // Another promise closes it: who folds does not know yet, and goes on.
    state
        .accept(apply([gold(json!({"objectives": {"rpo": "20s"}}))]))
        .await;
    state.pass(SignedDuration::from_secs(10));
    assert!(open.extend(claim(at(20), 1, 120), tolerance));
    state
        .accept(received(placed, vec![], vec![open.clone()]))
        .await;
    assert_eq!(rows(&state).await, [(0, 10), (10, 20)]);
    state.pass(SignedDuration::from_secs(5));
    assert!(open.extend(claim(at(25), 1, 130), tolerance));
    let next = Stretch::begin(claim(at(90), 2, 140));
    state.pass(SignedDuration::from_secs(70));
    state
        .accept(received(placed, vec![], vec![open, next]))
        .await;
    assert_eq!(rows(&state).await, [(0, 10), (10, 25), (90, 90)]);
    let absurd = Stretch::begin(Claim {
        time: at(99),
        ..claim(at(98), 0, 150)
    });
    let refused = state.refuse(received(placed, vec![], vec![absurd])).await;
    assert_eq!(refused.field(), Some("stretches"));
}

#[tokio::test]
async fn a_violation_begins_with_frontier_and_rpo_and_ends_with_the_claim() {
    let (mut state, placed) = receiving().await;
    let start = state.now;
    let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
    let mut commit = committed(1, 1, &[(100, 200)]);
    commit.backup.finished_at = at(0);
    state.accept(RecordBackup { commit }).await;
    let first = Stretch::begin(claim(at(5), 1, 210));
    state.pass(SignedDuration::from_secs(5));
    state
        .accept(received(placed, vec![wal(&[(200, 210)])], vec![first]))
        .await;
    state.pass(SignedDuration::from_secs(95));
    let next = Stretch::begin(claim(at(100), 2, 300));
    state
        .accept(received(placed, vec![wal(&[(210, 300)])], vec![next]))
        .await;
    state.pass(SignedDuration::from_secs(10));
    let history = history(&state).await;
    let found = history.violations(Timestamp::MAX, state.now);
    assert_eq!(found.len(), 1);
    // The last claim said 4; the RPO is 30 s.
    assert_eq!(found[0].started_at, at(34));
    assert_eq!(found[0].ended_at, Some(at(100)));
    assert_eq!(found[0].cause.code(), "wal_behind");
    // As it was known before the claim came, it was not over.
    let before = history.violations(at(50), at(50));
    assert_eq!((before[0].started_at, before[0].ended_at), (at(34), None));
    let period = Period {
        from: at(10),
        until: at(110),
    };
    let result = history.period(period, Timestamp::MAX);
    assert_eq!(result.violated.as_secs(), 66);
    assert!((result.compliance().unwrap() - 0.34).abs() < 1e-9);
    let (cluster, repository) = (name("orders"), name("eu"));
    let times = (start, at(999));
    let checkpoints = query::exposure_facts(&state.conn, &cluster, &repository, times, 9);
    assert_eq!(checkpoints.await.unwrap(), []);
}

#[tokio::test]
async fn an_rpo_about_a_region_needs_two_that_are_known() {
    let (mut state, _) = receiving().await;
    let at = |named: &str, region: Option<&str>| {
        let mut spec = json!({"url": format!("file:///backups/{named}")});
        if let Some(region) = region {
            spec["region"] = json!(region);
        }
        document("Repository", json!({"name": named}), spec)
    };
    let scoped = || {
        gold(
            json!({"objectives": {"rpo": "30s", "rpoScope": "regionLoss"},
            "copies": [{"repository": "us"}]}),
        )
    };
    let refused = |refusal: Refusal| {
        assert_eq!(
            refusal.field(),
            Some("spec.objectives.rpoScope"),
            "{refusal}"
        );
        refusal.to_string()
    };
    let unknown = state.refuse(apply([at("us", None), scoped()])).await;
    assert!(refused(unknown).contains("needs two that are known"));
    let same = [at("us", Some("west")), at("eu", Some("west")), scoped()];
    assert!(refused(state.refuse(apply(same)).await).contains("\"west\" alone"));
    let apart = [at("us", Some("east")), at("eu", Some("west")), scoped()];
    state.accept(apply(apart)).await;
    let promise = query::promise(&state.conn, &name("orders")).await.unwrap();
    let (_, promise) = promise.unwrap();
    assert_eq!(promise.scope, RpoScope::RegionLoss);
    assert_eq!(promise.places[1].region.as_deref(), Some("east"));
    // And nobody takes one of them away.
    refused(state.refuse(apply([at("us", Some("west"))])).await);
}

#[tokio::test]
async fn facts_go_when_no_report_is_about_them_and_not_before() {
    let (mut state, placed) = receiving().await;
    backed_up(&mut state).await;
    state.accept(noticed(0, state.now)).await;
    state.accept(noticed(1, state.now)).await;
    let stretch = Stretch::begin(claim(state.now, 1, 210));
    let next = Stretch::begin(claim(state.now + SignedDuration::from_secs(60), 1, 220));
    state.pass(SignedDuration::from_secs(60));
    state
        .accept(received(placed, vec![], vec![stretch, next]))
        .await;
    let all = told(&state, 0).await;
    state.pass(SignedDuration::from_hours(399 * 24));
    state.accept(PruneExpired {}).await;
    assert_eq!(told(&state, 0).await, all);
    state.pass(SignedDuration::from_hours(2 * 24));
    state.accept(PruneExpired {}).await;
    // What is promised, and what is there, holds still.
    assert_eq!(told(&state, 0).await, ["promised gold", "available in eu"]);
    let kept = query::stretches(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert_eq!(kept.len(), 1, "what goes on stays");
}

/// What is known of before there were facts is where they begin.
#[tokio::test]
async fn facts_begin_with_what_is_there() {
    let (mut state, placed) = TestState::receiving().await;
    let level = schema::COMPLIANCE - 1;
    state.accept(RaiseLevel { level }).await;
    let commit = committed(1, 1, &[(100, 200)]);
    state.accept(RecordBackup { commit }).await;
    let gapped = received(placed, vec![wal(&[(100, 200), (300, 400)])], vec![]);
    let frontier = holdfast_state::command::FrontierCheckpoint {
        timeline: timeline(1),
        frontier: holdfast_types::Frontier {
            time: state.now,
            lsn: Lsn::new(150),
        },
    };
    let gapped = RecordWal {
        frontier: Some(frontier),
        ..gapped
    };
    state.accept(gapped).await;
    raise(&mut state).await;
    let expected = ["promised gold", "available in eu", "hole 0/C8-0/12C"];
    assert_eq!(told(&state, 0).await, expected);
    let kept = query::stretches(&state.conn, &name("orders"))
        .await
        .unwrap();
    assert_eq!(kept[0].stretch.first.lsn, Lsn::new(150));
    let named: Name = name("nobody");
    assert!(query::facts(&state.conn, &named).await.unwrap().is_empty());
}
