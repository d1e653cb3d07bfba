//! Reports that are made: which is fixed by the entry that records one, and what signs.

use std::time::Duration;

use holdfast_compliance::{Period, Stretch};
use holdfast_state::command::{CreateReportKey, RaiseLevel, RecordReport, SealReport};
use holdfast_state::query::{self, Page, PageRequest, ReportFilter, ReportView};
use holdfast_state::{Digest, Noun, Refusal, Sealed, schema};
use holdfast_types::{Lsn, Name, ReportId};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::compliance::{history, received, receiving};
use crate::fixture::{apply, cluster, lineage, name};
use crate::harness::{TestState, table};

pub(crate) fn report_id(number: u128) -> ReportId {
    ReportId::from_uuid(Uuid::from_u128(number))
}

/// A report of the day before `now`.
pub(crate) fn wanted(number: u128, now: Timestamp, some: bool) -> RecordReport {
    RecordReport {
        report: report_id(number),
        fleet: name("default"),
        from: now - SignedDuration::from_hours(24),
        to: None,
        as_known_at: some.then(|| now - SignedDuration::from_secs(60)),
    }
}

fn key(id: &str) -> CreateReportKey {
    CreateReportKey {
        id: id.to_owned(),
        certificate: format!("certificate of {id}"),
        sealed: Sealed::new(id.as_bytes().to_vec()),
    }
}

fn claims(at: Timestamp, lsn: u64) -> Stretch {
    Stretch::begin(holdfast_compliance::Claim {
        at,
        time: at - SignedDuration::from_secs(1),
        lineage: lineage(),
        lsn: Lsn::new(lsn),
    })
}

fn clusters(names: &[&str]) -> Vec<Name> {
    names.iter().map(|one| name(one)).collect()
}

async fn listed(state: &TestState, fleets: Option<Vec<Name>>, most: u64) -> Page<ReportView> {
    let filter = ReportFilter { fleets };
    let page = PageRequest::first(most);
    query::reports(&state.conn, &filter, &page).await.unwrap()
}

#[tokio::test]
async fn the_first_key_signs_whoever_makes_another() {
    let (mut state, _) = receiving().await;
    assert_eq!(state.accept(key("one")).await, "one");
    assert_eq!(state.accept(key("two")).await, "one");
    let keys = query::report_keys(&state.conn).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].certificate, "certificate of one");
    assert_eq!(keys[0].sealed, Sealed::new(b"one".to_vec()));
}

#[tokio::test]
async fn what_comes_after_a_report_changes_nothing_of_what_it_is_about() {
    let (mut state, placed) = receiving().await;
    let start = state.now;
    state.pass(SignedDuration::from_secs(10));
    let mut told = claims(state.now, 100);
    state
        .accept(received(placed, vec![], vec![told.clone()]))
        .await;
    state.pass(SignedDuration::from_millis(2_500));
    let recorded = state.accept(wanted(1, state.now, false)).await;
    // The last second that was over.
    assert_eq!(recorded.as_known_at, start + SignedDuration::from_secs(12));
    assert_eq!(
        recorded.to,
        recorded.as_known_at - SignedDuration::from_secs(120)
    );
    assert_eq!(recorded.clusters, clusters(&["orders"]));
    let period = Period {
        from: start,
        until: recorded.as_known_at,
    };
    let before = history(&state).await.period(period, recorded.as_known_at);
    // The claims go on: what was one stretch would be told to be longer and higher.
    state.pass(SignedDuration::from_secs(9));
    let (now, last) = (state.now, claims(state.now, 200).first);
    assert!(told.extend(last, Duration::from_secs(30)), "{now}");
    state.accept(received(placed, vec![], vec![told])).await;
    let after = history(&state).await.period(period, recorded.as_known_at);
    assert_eq!(before, after);
    let stretches = query::stretches(&state.conn, &name("orders")).await;
    assert_eq!(stretches.unwrap().len(), 2);
}

#[tokio::test]
async fn a_report_is_of_what_was_known() {
    let (mut state, _) = receiving().await;
    let now = state.now;
    let later = |seconds| now + SignedDuration::from_secs(seconds);
    let field = async |state: &mut TestState, wanted: RecordReport| match state.refuse(wanted).await
    {
        Refusal::Invalid { field, .. } => field,
        refusal => panic!("{refusal:?}"),
    };
    let whole = wanted(1, now, true);
    // What is known at this moment may grow in the next entry.
    let as_known_at = Some(now);
    let one = RecordReport {
        as_known_at,
        ..whole.clone()
    };
    assert_eq!(field(&mut state, one).await, "asKnownAt");
    let to = Some(later(-10));
    let one = RecordReport {
        to,
        ..whole.clone()
    };
    assert_eq!(field(&mut state, one).await, "to");
    let from = later(-100);
    let one = RecordReport {
        from,
        ..whole.clone()
    };
    assert_eq!(field(&mut state, one).await, "from");
    let fleet = name("nowhere");
    let one = RecordReport { fleet, ..whole };
    let refusal = state.refuse(one).await;
    assert!(matches!(
        refusal,
        Refusal::NotFound {
            what: Noun::Fleet,
            ..
        }
    ));
}

#[tokio::test]
async fn the_clusters_of_a_fleet_are_those_of_its_first_report() {
    let (mut state, _) = receiving().await;
    let now = state.now;
    let first = state.accept(wanted(1, now, true)).await;
    state
        .accept(apply([cluster("billing", "db1", json!({}))]))
        .await;
    let again = state.accept(wanted(2, now, true)).await;
    assert_eq!(again.clusters, first.clusters);
    let other = state
        .accept(wanted(3, now + SignedDuration::from_secs(1), true))
        .await;
    assert_eq!(other.clusters, clusters(&["billing", "orders"]));
    // The same report again is the one that is there.
    let before = state.dump().await;
    assert_eq!(state.accept(wanted(1, now, true)).await, first);
    let after = state.dump().await;
    assert_eq!(table(&before, "reports"), table(&after, "reports"));
    let all = listed(&state, None, 2).await;
    assert!(all.items.len() == 2 && all.next_cursor.is_some());
    let elsewhere = Some(clusters(&["elsewhere"]));
    assert_eq!(listed(&state, elsewhere, 9).await.items, []);
}

#[tokio::test]
async fn the_hash_of_a_report_is_said_once() {
    let (mut state, _) = receiving().await;
    let recorded = state.accept(wanted(1, state.now, false)).await;
    let seal = |body: &[u8]| SealReport {
        report: recorded.report,
        format: "csv".to_owned(),
        body: Digest::of(body),
        document: Digest::of(b"document"),
    };
    state.accept(seal(b"one")).await;
    state.accept(seal(b"one")).await;
    assert!(matches!(
        state.refuse(seal(b"two")).await,
        Refusal::Invalid { .. }
    ));
    let found = query::report(&state.conn, recorded.report).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.body, Some(Digest::of(b"one")));
    assert_eq!(found.made_by.unwrap().to_string(), "user:admin");
    let unknown = SealReport {
        report: report_id(9),
        ..seal(b"one")
    };
    let refusal = state.refuse(unknown).await;
    assert!(matches!(
        refusal,
        Refusal::NotFound {
            what: Noun::Report,
            ..
        }
    ));
}

#[tokio::test]
async fn there_are_no_reports_below_their_level() {
    let mut state = TestState::protecting().await;
    let level = schema::REPORTS - 1;
    state.accept(RaiseLevel { level }).await;
    let refusal = state.refuse(wanted(1, state.now, false)).await;
    assert_eq!(
        refusal,
        Refusal::LevelTooLow {
            needed: schema::REPORTS,
            current: level
        }
    );
    assert_eq!(query::report_keys(&state.conn).await.unwrap(), []);
    assert_eq!(listed(&state, None, 9).await.items, []);
}
