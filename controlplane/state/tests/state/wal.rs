//! WAL receiving: one holder (I-04), ranges and not segments, gaps that stay,
//! frontiers that only move forward.

use holdfast_state::Refusal;
use holdfast_state::command::{FrontierCheckpoint, RecordWal, TimelineWal, WalGap, WithdrawDuty};
use holdfast_state::query::{self, Work};
use holdfast_types::{Frontier, Generation, Lsn, LsnRange};
use jiff::{SignedDuration, Timestamp};

use crate::fixture::{agent_id, assignment_id, duty, lineage, name, range, timeline, wal};
use crate::harness::{TestState, table};

fn record(assignment: u128, generation: Generation, ranges: &[(u64, u64)]) -> RecordWal {
    RecordWal {
        stretches: Vec::new(),
        assignment: assignment_id(assignment),
        generation,
        cluster: name("orders"),
        repository: name("eu"),
        lineage: lineage(),
        timelines: vec![wal(ranges)],
        frontier: None,
    }
}

fn with_frontier(command: RecordWal, time: Timestamp, lsn: u64) -> RecordWal {
    let lsn = Lsn::new(lsn);
    RecordWal {
        frontier: Some(FrontierCheckpoint {
            timeline: timeline(1),
            frontier: Frontier { time, lsn },
        }),
        ..command
    }
}

async fn ranges(state: &TestState) -> Vec<LsnRange> {
    let wal = query::wal_of_cluster(&state.conn, &name("orders"))
        .await
        .unwrap();
    wal.first()
        .map(|one| one.coverage.ranges().to_vec())
        .unwrap_or_default()
}

#[tokio::test]
async fn a_duty_has_one_holder_under_a_growing_generation() {
    let (mut state, first) = TestState::receiving().await;
    assert!(state.woke(&agent_id(1).to_string()));
    let again = state.accept(duty(1, 2)).await;
    assert_eq!(again, first, "it is where it should be");
    assert!(state.effects.is_empty());

    assert_eq!(state.refuse(duty(2, 1)).await.code(), "already_exists");
    let moved = state.accept(duty(2, 3)).await;
    assert!(moved.generation > first.generation);
    assert!(state.woke(&agent_id(1).to_string()) && state.woke(&agent_id(2).to_string()));
    let of = async |agent| {
        query::assignments_of_agent(&state.conn, agent_id(agent))
            .await
            .unwrap()
    };
    assert_eq!(of(1).await, []);
    assert!(matches!(of(2).await[0].work, Work::Wal));
    assert_eq!(query::active_duties(&state.conn).await.unwrap().len(), 1);

    let stale = state.refuse(record(1, first.generation, &[(0, 10)])).await;
    let current = moved.generation;
    assert_eq!(stale, Refusal::StaleGeneration { current });
    // The right generation under another assignment is a stranger's, too.
    let stranger = state.refuse(record(1, moved.generation, &[(0, 10)])).await;
    assert_eq!(stranger.code(), "stale_generation");
    state.accept(record(3, moved.generation, &[(1, 10)])).await;
}

#[tokio::test]
async fn a_withdrawn_duty_reports_nothing_more() {
    let (mut state, placed) = TestState::receiving().await;
    let withdraw = WithdrawDuty {
        cluster: name("orders"),
        repository: name("eu"),
    };
    assert!(state.accept(withdraw.clone()).await);
    assert!(state.woke(&agent_id(1).to_string()));
    assert!(!state.accept(withdraw).await);
    let refusal = state.refuse(record(1, placed.generation, &[(1, 9)])).await;
    assert_eq!(refusal.code(), "stale_generation");
    let back = state.accept(duty(1, 2)).await;
    assert!(back.generation.0 > placed.generation.0 + 1);
}

#[tokio::test]
async fn duties_name_what_exists() {
    let mut state = TestState::protecting().await;
    let mut duties = [duty(1, 1), duty(1, 1), duty(9, 1)];
    duties[0].cluster = name("mars");
    duties[1].repository = name("mars");
    for duty in duties {
        assert_eq!(state.refuse(duty).await.code(), "not_found");
    }
    let refusal = state.refuse(record(1, Generation(1), &[(1, 9)])).await;
    assert_eq!(refusal.code(), "not_found");
}

#[tokio::test]
async fn ranges_are_joined_and_never_a_row_per_segment() {
    let (mut state, placed) = TestState::receiving().await;
    let generation = placed.generation;
    for segment in 1..50u64 {
        let (from, to) = (segment * 16, (segment + 1) * 16);
        state.accept(record(1, generation, &[(from, to)])).await;
    }
    assert_eq!(ranges(&state).await, [range(16, 800)]);
    assert_eq!(table(&state.dump().await, "wal_ranges").len(), 1);
    state
        .accept(record(1, generation, &[(900, 950), (960, 970)]))
        .await;
    state.accept(record(1, generation, &[(20, 30)])).await;
    assert_eq!(
        ranges(&state).await,
        [range(16, 800), range(900, 950), range(960, 970)]
    );
    state.accept(record(1, generation, &[(1, 965)])).await;
    assert_eq!(ranges(&state).await, [range(1, 970)]);
}

#[tokio::test]
async fn a_gap_stays_on_record_and_says_whether_it_was_filled() {
    let (mut state, placed) = TestState::receiving().await;
    let gap = WalGap {
        range: range(100, 200),
        reason: "wal_recycled".to_owned(),
    };
    let mut command = record(1, placed.generation, &[(10, 100), (200, 300)]);
    command.timelines = vec![TimelineWal {
        gaps: vec![gap],
        ..command.timelines[0].clone()
    }];
    state.accept(command.clone()).await;
    let gaps = async |state: &TestState| {
        let wal = query::wal_of_cluster(&state.conn, &name("orders"))
            .await
            .unwrap();
        wal[0].gaps.clone()
    };
    let first = gaps(&state).await;
    assert_eq!((first[0].range, first[0].filled), (range(100, 200), false));
    state.pass(SignedDuration::from_secs(1));
    state.accept(command).await;
    assert_eq!(gaps(&state).await, first, "reported again, recorded once");
    state
        .accept(record(1, placed.generation, &[(100, 200)]))
        .await;
    assert!(gaps(&state).await[0].filled);
}

#[tokio::test]
async fn impossible_ranges_are_refused() {
    let (mut state, placed) = TestState::receiving().await;
    let mut command = record(1, placed.generation, &[(10, 20)]);
    for (from, to) in [(20, 20), (20, 10), (10, u64::MAX)] {
        let (from_lsn, to_lsn) = (Lsn::new(from), Lsn::new(to));
        command.timelines[0].ranges = vec![LsnRange { from_lsn, to_lsn }];
        assert_eq!(state.refuse(command.clone()).await.code(), "invalid");
    }
    let absurd = with_frontier(record(1, placed.generation, &[]), state.now, u64::MAX);
    assert_eq!(state.refuse(absurd).await.field(), Some("frontier.lsn"));
}

#[tokio::test]
async fn a_frontier_moves_forward_and_every_checkpoint_is_kept() {
    let (mut state, placed) = TestState::receiving().await;
    let generation = placed.generation;
    let start = state.now;
    let at = |seconds| start + SignedDuration::from_secs(seconds);
    state
        .accept(with_frontier(record(1, generation, &[(1, 10)]), at(5), 10))
        .await;
    assert!(state.woke("exposure/orders") && state.woke("task Exposure"));
    // A report that was long under way proves nothing new.
    state
        .accept(with_frontier(record(1, generation, &[]), at(3), 7))
        .await;
    assert!(state.effects.is_empty());
    state.pass(SignedDuration::from_secs(20));
    state
        .accept(with_frontier(
            record(1, generation, &[(10, 30)]),
            at(19),
            30,
        ))
        .await;

    let frontiers = query::frontiers_of(&state.conn, &name("orders"))
        .await
        .unwrap();
    let known = Frontier {
        time: at(19),
        lsn: Lsn::new(30),
    };
    assert_eq!(frontiers[0].frontier, known);
    assert_eq!(query::frontiers(&state.conn).await.unwrap(), frontiers);
    let facts = async |from, to| {
        let (cluster, repository) = (name("orders"), name("eu"));
        let facts = query::exposure_facts(&state.conn, &cluster, &repository, (from, to), 9);
        facts.await.unwrap()
    };
    let all = facts(start, at(100)).await;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].frontier.time, all[0].recorded_at), (at(5), at(0)));
    assert_eq!((all[1].frontier.time, all[1].recorded_at), (at(19), at(20)));
    assert_eq!(facts(at(1), at(20)).await, []);
}
