use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::resource::Schedule;
use crate::schedule::NextRun;

fn timetable(spec: Value) -> Timetable {
    let schedule: Schedule = serde_json::from_value(spec).unwrap();
    Timetable::new(&"orders".parse().unwrap(), &schedule).unwrap()
}

fn spec(more: Value) -> Value {
    let mut spec = json!({"name": "full", "kind": "full"});
    let fields = spec.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    spec
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `day:hour` of each due time, and what becomes of it.
fn told(spec: Value, after: &str, now: &str) -> Vec<String> {
    let plan = timetable(spec).catch_up(at(after), at(now));
    assert_eq!(plan.missed, None);
    let short = |at: Timestamp| at.strftime("%d %H:%M").to_string();
    let told = |decision: &Decision| {
        let due = short(decision.due.at);
        match decision.outcome {
            Outcome::Run { start, late } => {
                let late = if late { " late" } else { "" };
                format!("{due} run from {}{late}", short(start.not_before))
            }
            Outcome::Missed { reason } => format!("{due} missed: {reason}"),
            Outcome::Skipped { reason } => format!("{due} skipped: {reason}"),
            Outcome::Coalesced { into } => format!("{due} into {}", short(into)),
        }
    };
    plan.decisions.iter().map(told).collect()
}

const DAILY: &str = "0 2 * * *";

#[test]
fn a_run_in_time_is_the_same_under_every_policy() {
    for policy in ["skip", "latest", "all"] {
        let daily = spec(json!({"cron": DAILY, "catchUp": policy}));
        let told = told(daily, "2026-01-05T01:59:59Z", "2026-01-05T02:04:00Z");
        assert_eq!(told, ["05 02:00 run from 05 02:00"]);
    }
    let daily = || spec(json!({"cron": DAILY}));
    let nothing = told(daily(), "2026-01-05T02:00:00Z", "2026-01-06T01:59:59Z");
    assert!(nothing.is_empty());
}

#[test]
fn days_of_silence() {
    let days = |more: Value| {
        let mut daily = spec(json!({"cron": DAILY}));
        let fields = daily.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        told(daily, "2026-01-05T02:00:00Z", "2026-01-08T03:00:00Z")
    };
    let late = "08 02:00 run from 08 02:00 late";
    assert_eq!(
        days(json!({})),
        ["06 02:00 into 08 02:00", "07 02:00 into 08 02:00", late]
    );
    let off = "skipped: nobody could start it when it was due, and the schedule says catchUp: skip";
    assert_eq!(
        days(json!({"catchUp": "skip"})),
        ["06", "07", "08"].map(|day| format!("{day} 02:00 {off}"))
    );
    assert_eq!(
        days(json!({"catchUp": "all", "catchUpMax": 2})),
        [
            "06 02:00 skipped: nobody could start it when it was due, and the schedule makes up for 2 at most",
            "07 02:00 run from 07 02:00 late",
            late,
        ]
    );
    assert_eq!(
        days(json!({"window": "4h"})),
        [
            "06 02:00 missed: nobody could start it before its window ended at 2026-01-06T06:00:00Z",
            "07 02:00 missed: nobody could start it before its window ended at 2026-01-07T06:00:00Z",
            late,
        ]
    );
    assert!(days(json!({"window": "30m"}))[2].contains("missed"));
}

#[test]
fn a_blackout_holds_a_run_up_as_long_as_its_window_allows() {
    let run = |window: &str| {
        let day = json!([{"from": "01:00", "to": "05:00"}]);
        let daily = spec(json!({"cron": DAILY, "window": window, "blackouts": day}));
        told(daily, "2026-01-05T01:00:00Z", "2026-01-05T02:00:00Z")
    };
    assert_eq!(run("4h"), ["05 02:00 run from 05 05:00"]);
    assert_eq!(run("3h"), ["05 02:00 run from 05 05:00"]);
    assert_eq!(
        run("2h"),
        [
            "05 02:00 missed: a blackout lasts until 2026-01-05T05:00:00Z, and its latest start was 2026-01-05T04:00:00Z"
        ]
    );
}

/// When the run that is due at 02:00 may start, for fifty clusters.
fn starts(more: Value) -> Vec<Timestamp> {
    let mut daily = spec(json!({"cron": DAILY, "jitter": "30m"}));
    let fields = daily.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let schedule: Schedule = serde_json::from_value(daily).unwrap();
    let start = |cluster| {
        let cluster = format!("cluster-{cluster}").parse().unwrap();
        let timetable = Timetable::new(&cluster, &schedule).unwrap();
        match timetable.placement(at("2026-01-05T02:00:00Z")) {
            Placement::Starts(start) => {
                assert_eq!(timetable.blackout_until(start.not_before), None);
                assert!(!start.is_over(start.not_before));
                start.not_before
            }
            Placement::Missed { reason } => panic!("{reason}"),
        }
    };
    let mut starts: Vec<Timestamp> = (0..50).map(start).collect();
    starts.sort();
    starts
}

#[test]
fn what_a_blackout_held_up_is_spread_again() {
    let night = json!([{"from": "01:00", "to": "05:00"}]);
    let mut starts = starts(json!({"window": "6h", "blackouts": night}));
    assert!(starts[0] >= at("2026-01-05T05:00:00Z"));
    assert!(starts[49] <= at("2026-01-05T05:30:00Z"));
    starts.dedup();
    assert!(starts.len() > 40, "{starts:?}");
}

#[test]
fn spreading_costs_no_run_its_start() {
    let end = at("2026-01-05T05:00:00Z");
    let night = json!([{"from": "01:00", "to": "05:00"}]);
    // The window ends ten minutes after the blackout.
    let tight = starts(json!({"window": "190m", "blackouts": night}));
    assert!(tight.iter().filter(|start| **start == end).count() > 20);
    assert!(tight[49] <= at("2026-01-05T05:10:00Z"));
    // The next blackout begins ten minutes after it.
    let two = json!([{"from": "01:00", "to": "05:00"}, {"from": "05:10", "to": "08:00"}]);
    let between = starts(json!({"blackouts": two}));
    assert!(between.iter().filter(|start| **start == end).count() > 20);
    assert!(between[49] < at("2026-01-05T05:10:00Z"));
}

#[test]
fn a_very_long_silence_is_counted_exactly() {
    let minutely = timetable(spec(
        json!({"cron": "* * * * *", "timezone": "Europe/Vienna"}),
    ));
    let (after, now) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let plan = minutely.catch_up(after, now);
    let missed = plan.missed.unwrap();
    // Neither the leap in March nor the repeated hour in October changes the
    // number of minutes in a year.
    assert_eq!(missed.count + plan.decisions.len() as u64, 365 * 24 * 60);
    assert_eq!(plan.decisions.len(), DUE_TIMES_MAX);
    assert_eq!(missed.from, at("2026-01-01T00:01:00Z"));
    let next = minutely.next_due(missed.to).unwrap().at;
    assert_eq!(next, plan.decisions[0].due.at);
    assert_eq!(plan.decisions[DUE_TIMES_MAX - 1].due.at, now);
}

#[test]
fn a_grid_is_as_wide_as_it_says_and_lies_as_its_cluster_does() {
    let schedule: Schedule = serde_json::from_value(spec(json!({"every": "24h"}))).unwrap();
    let first = |cluster: &str| {
        let timetable = Timetable::new(&cluster.parse().unwrap(), &schedule).unwrap();
        let due = timetable.next_runs(at("2026-03-27T00:00:00Z"), 5);
        for two in due.windows(2) {
            let apart = two[1].due.at.duration_since(two[0].due.at);
            assert_eq!(apart, SignedDuration::from_hours(24));
        }
        due[0].due.at
    };
    assert_eq!(first("orders"), first("orders"));
    assert_ne!(first("orders"), first("billing"));
}

#[test]
fn the_preview_shows_what_clock_and_blackouts_do() {
    let night = spec(json!({
        "cron": "30 2 * * *", "timezone": "Europe/Vienna", "window": "1h",
        "blackouts": [{"from": "02:00", "to": "02:45"}, {"from": "03:00", "to": "03:15"}],
    }));
    let timetable = timetable(night);
    let runs = timetable.next_runs(at("2026-03-28T00:00:00Z"), 2);
    let shown = serde_json::to_value(&runs).unwrap();
    assert_eq!(
        shown,
        json!([
            {"run": "orders.full.2026-03-28T01_30_00Z", "at": "2026-03-28T01:30:00Z",
             "placement": "starts", "notBefore": "2026-03-28T01:45:00Z",
             "latest": "2026-03-28T02:30:00Z", "blackoutUntil": "2026-03-28T01:45:00Z"},
            {"run": "orders.full.2026-03-29T01_00_00Z", "at": "2026-03-29T01:00:00Z",
             "movedFrom": "2026-03-29T02:30:00",
             "placement": "starts", "notBefore": "2026-03-29T01:15:00Z",
             "latest": "2026-03-29T02:00:00Z", "blackoutUntil": "2026-03-29T01:15:00Z"},
        ])
    );
    assert_eq!(serde_json::from_value::<Vec<NextRun>>(shown).unwrap(), runs);
    let now = at("2026-03-28T00:00:00Z");
    assert_eq!(
        timetable.next_runs(now, usize::MAX).len(),
        super::super::PREVIEW_MAX
    );
}

fn any_spec() -> impl Strategy<Value = Value> {
    let when = select(vec![
        json!({"cron": "30 2 * * *", "timezone": "Europe/Vienna"}),
        json!({"cron": "*/30 * * * *", "timezone": "Australia/Lord_Howe"}),
        json!({"cron": "0 */6 * * *"}),
        json!({"every": "1h"}),
        json!({"every": "7h"}),
    ]);
    let window = select(vec![
        json!({}),
        json!({"window": "30m"}),
        json!({"window": "9h"}),
    ]);
    let jitter = select(vec![
        json!({}),
        json!({"jitter": "10m"}),
        json!({"jitter": "1500ms"}),
    ]);
    let blackouts = select(vec![
        json!({}),
        json!({"blackouts": [{"from": "22:00", "to": "06:00"}]}),
        json!({"blackouts": [{"from": "08:00", "to": "18:00"}, {"from": "02:00", "to": "02:45"}]}),
    ]);
    let catch_up = select(vec![
        json!({"catchUp": "skip"}),
        json!({"catchUp": "latest"}),
        json!({"catchUp": "all", "catchUpMax": 3}),
    ]);
    (when, window, jitter, blackouts, catch_up).prop_map(|(a, b, c, d, e)| {
        let mut all = spec(a);
        for more in [b, c, d, e] {
            let fields = all.as_object_mut().unwrap();
            fields.extend(more.as_object().unwrap().clone());
        }
        all
    })
}

fn ran(decisions: &[Decision]) -> Vec<Timestamp> {
    let run = |decision: &&Decision| matches!(decision.outcome, Outcome::Run { .. });
    decisions.iter().filter(run).map(|d| d.due.at).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// I-03: every due time is decided on exactly once, however the time
    /// between is cut, and by whoever asks.
    #[test]
    fn every_due_time_is_accounted_for_once(
        spec in any_spec(),
        begin in 1_767_225_600..1_830_297_600_i64,
        mut cuts in prop::collection::vec(0..30 * 86_400_i64, 0..6),
    ) {
        let (leader, agent) = (timetable(spec.clone()), timetable(spec.clone()));
        let at = |second: i64| Timestamp::from_second(begin + second).unwrap();
        let end = 30 * 86_400;
        cuts.push(end);
        cuts.sort_unstable();
        let whole = leader.catch_up(at(0), at(end));
        prop_assert_eq!(&whole, &agent.catch_up(at(0), at(end)));

        let mut parts = Vec::new();
        let mut after = 0;
        for now in cuts {
            let plan = agent.catch_up(at(after), at(now));
            prop_assert_eq!(plan.missed, None);
            parts.extend(plan.decisions);
            after = now;
        }
        let due: Vec<_> = leader.due_between(at(0), at(end)).collect();
        prop_assert_eq!(whole.decisions.iter().map(|d| d.due).collect::<Vec<_>>(), due.clone());
        prop_assert_eq!(parts.iter().map(|d| d.due).collect::<Vec<_>>(), due);

        let runs = ran(&whole.decisions);
        for decision in &whole.decisions {
            match decision.outcome {
                Outcome::Coalesced { into } => {
                    prop_assert!(into > decision.due.at && runs.contains(&into));
                }
                Outcome::Run { start, .. } => {
                    prop_assert!(start.not_before >= decision.due.at);
                    prop_assert!(start.latest.is_none_or(|latest| latest >= start.not_before));
                    prop_assert!(!start.is_over(at(end)));
                    prop_assert_eq!(leader.blackout_until(start.not_before), None);
                }
                Outcome::Missed { .. } | Outcome::Skipped { .. } => {}
            }
        }
        if spec["catchUp"] != "skip" {
            let cut = ran(&parts);
            prop_assert!(runs.iter().all(|run| cut.contains(run)), "{:?} {:?}", runs, cut);
        }
    }

    /// When a run may start depends on nothing but the run.
    #[test]
    fn a_start_is_within_its_jitter_and_stable(
        spec in any_spec(),
        begin in 1_767_225_600..1_830_297_600_i64,
    ) {
        let timetable = timetable(spec.clone());
        let jitter: Span = spec.get("jitter").map_or(Span::default(), |text| {
            text.as_str().unwrap().parse().unwrap()
        });
        let now = Timestamp::from_second(begin).unwrap();
        for next in timetable.next_runs(now, 20) {
            prop_assert_eq!(next.placement, timetable.placement(next.due.at));
            prop_assert_eq!(&next.run, &timetable.run(next.due.at));
            if let Placement::Starts(start) = next.placement {
                let base = start.blackout_until.unwrap_or(next.due.at);
                let waits = start.not_before.duration_since(base).unsigned_abs();
                prop_assert!(start.not_before >= base && waits <= jitter.get());
            }
        }
    }
}
