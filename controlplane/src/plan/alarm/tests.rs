use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_state::Principal;
use holdfast_state::command::NewAlarm;
use holdfast_state::query::{AlarmView, ChannelHealth, FailedJob, MissedRun, SilenceView, Told};
use holdfast_types::alarm::{AlarmDetail, AlarmRule, NoticeKind};
use holdfast_types::drill::prove;
use holdfast_types::resource::{Document, Labels, NotificationChannel, Resource};
use holdfast_types::{
    AlarmId, Compliance, Failure, JobId, JobKind, Lsn, LsnRange, Name, NoticeId, Revision,
    SilenceId, Span,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::settle::Settlement;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

const LIMITS: Limits = Limits {
    first_backup: Duration::from_secs(100),
    approval: Duration::from_secs(10),
    certificate: Duration::from_secs(1000),
    node_certificate: Duration::from_secs(500),
    authority: Duration::from_secs(9000),
    trouble: Duration::from_secs(15),
    attempts: 3,
};

/// A cluster of which nothing is wrong.
fn well(called: &str) -> ClusterFacts {
    ClusterFacts {
        name: name(called),
        fleet: name("payments"),
        created_at: at(-1000),
        has_policy: true,
        verdict: Verdict {
            status: Some(Compliance::Compliant),
            cause: None,
            exposure_seconds: Some(2.0),
            rpo_seconds: Some(30.0),
            frontier: Some(at(-2)),
        },
        gaps: Vec::new(),
        late_copies: Vec::new(),
        trouble: None,
        slots: Vec::new(),
        agents: vec![AgentOfCluster {
            name: name("db1"),
            online: true,
            last_seen_at: Some(at(-1)),
        }],
        drills: None,
        proof: prove(None, None, None, at(0)),
    }
}

fn seen(facts: &Facts) -> Vec<(AlarmRule, String)> {
    let observed = observe(facts, LIMITS, at(0));
    let opens = observed.into_iter().filter(|one| one.opens);
    opens.map(|one| (one.rule, one.subject)).collect()
}

fn of(change: impl FnOnce(&mut ClusterFacts)) -> Vec<(AlarmRule, String)> {
    let mut cluster = well("orders");
    change(&mut cluster);
    let clusters = vec![cluster];
    seen(&Facts {
        clusters,
        ..Facts::default()
    })
}

#[test]
fn what_is_not_there_is_noticed() {
    assert_eq!(of(|_| {}), []);
    let orders = || "clusters/orders".to_owned();
    let violated = of(|one| {
        one.verdict.status = Some(Compliance::Violated);
        one.verdict.exposure_seconds = Some(45.0);
    });
    assert_eq!(violated, [(AlarmRule::ExposureViolated, orders())]);
    let unknown = of(|one| one.verdict.status = Some(Compliance::Unknown));
    assert_eq!(unknown, [(AlarmRule::ExposureUnknown, orders())]);
    let policyless = of(|one| {
        one.has_policy = false;
        one.verdict.status = Some(Compliance::Unprotected);
    });
    assert_eq!(policyless, [(AlarmRule::Unprotected, orders())]);
    // A new cluster is given a while for its first backup.
    let bare = |age: i64| {
        of(|one| {
            one.created_at = at(-age);
            one.verdict.status = Some(Compliance::Unprotected);
        })
    };
    assert_eq!(bare(99), []);
    assert_eq!(bare(100), [(AlarmRule::Unprotected, orders())]);
    let away = of(|one| one.agents[0].online = false);
    assert_eq!(
        away,
        [(
            AlarmRule::AgentAbsent,
            "clusters/orders/agents/db1".to_owned()
        )]
    );
    // A week in which a drill counts, and none in it.
    let undrilled = |age: i64| {
        of(|one| {
            one.created_at = at(-age);
            one.drills = Some(Span::from_secs(700));
        })
    };
    assert_eq!(undrilled(699), []);
    assert_eq!(undrilled(700), [(AlarmRule::NoDrill, orders())]);
    let trouble = |length: u64| {
        of(|one| {
            let failure = Failure::transient("password_wrong", "the password is wrong", "set it");
            one.trouble = Some((Duration::from_secs(length), failure));
        })
    };
    assert_eq!(trouble(14), []);
    assert_eq!(trouble(15), [(AlarmRule::WalTrouble, orders())]);
    let in_repository = |name: &str| format!("clusters/orders/repositories/{name}");
    let gap = LsnRange::new(Lsn::new(16), Lsn::new(32)).unwrap();
    let gaps = of(|one| one.gaps = vec![("eu".to_owned(), vec![gap])]);
    assert_eq!(gaps, [(AlarmRule::Gap, in_repository("eu"))]);
    let late = of(|one| {
        one.late_copies = vec![LateCopy {
            repository: "us".to_owned(),
            frontier: None,
            within_seconds: Some(900),
        }];
    });
    assert_eq!(late, [(AlarmRule::CopyLag, in_repository("us"))]);
}

#[test]
fn a_violation_is_dated_by_what_it_is_and_not_by_who_looked() {
    let mut cluster = well("orders");
    cluster.verdict.status = Some(Compliance::Violated);
    cluster.verdict.frontier = Some(at(-45));
    let clusters = vec![cluster];
    let facts = Facts {
        clusters,
        ..Facts::default()
    };
    let observed = observe(&facts, LIMITS, at(0));
    assert_eq!(observed[0].detail.since, Some(at(-15)));
    // What was unknown is not known better because it is violated now.
    assert_eq!(observed[1].rule, AlarmRule::ExposureUnknown);
    assert!(!observed[1].opens);
}

/// One that is slow, one that is down, and one that lost something.
fn channels() -> BTreeMap<Name, ChannelHealth> {
    let health = |failed_attempts, gave_up| ChannelHealth {
        pending: 1,
        failed_attempts,
        gave_up,
        ..ChannelHealth::default()
    };
    let lost = Some(NoticeId::from_uuid(Uuid::from_u128(8)));
    [
        (name("slow"), health(2, None)),
        (name("down"), health(3, None)),
        (name("lost"), health(0, lost)),
    ]
    .into()
}

#[test]
fn jobs_runs_nodes_channels_and_certificates_are_looked_at() {
    let job = |kind| FailedJob {
        job: JobId::from_uuid(Uuid::from_u128(7)),
        kind,
        cluster: name("orders"),
        finished_at: at(-5),
        failure: Some(Failure::permanent(
            "disk_full",
            "the disk is full",
            "make room",
        )),
    };
    let mut facts = Facts {
        clusters: vec![well("orders")],
        failed: [JobKind::Backup, JobKind::Restore, JobKind::Drill]
            .map(job)
            .to_vec(),
        missed: vec![MissedRun {
            cluster: name("orders"),
            schedule: name("nightly"),
            due: at(-60),
            reason: None,
        }],
        nodes: [("node-2", true), ("node-3", false)]
            .map(|(name, reachable)| NodeFacts {
                name: name.to_owned(),
                reachable,
                certificate_ends_at: None,
            })
            .to_vec(),
        agents: vec![
            AgentFacts {
                name: name("db1"),
                certificate_expires_at: at(1001),
            },
            AgentFacts {
                name: name("db2"),
                certificate_expires_at: at(1000),
            },
        ],
        ..Facts::default()
    };
    facts.channels = channels();
    let subjects: Vec<String> = seen(&facts)
        .into_iter()
        .map(|(_, subject)| subject)
        .collect();
    assert_eq!(
        subjects,
        [
            "clusters/orders/schedules/nightly",
            "nodes/node-3",
            "clusters/orders/jobs/backup",
            "clusters/orders/jobs/drill",
            "notification-channels/down",
            "notification-channels/lost",
            "agents/db2",
        ]
    );
    // Where drills are promised, that nothing is proven says it.
    facts.clusters[0].drills = Some(Span::from_secs(9999));
    assert!(
        !seen(&facts)
            .iter()
            .any(|(_, subject)| subject.ends_with("jobs/drill"))
    );
    // What is of a cluster that is gone is nobody's.
    facts.clusters.clear();
    assert!(
        !seen(&facts)
            .iter()
            .any(|(_, subject)| subject.starts_with("clusters/"))
    );
}

/// An alarm as the state holds it.
fn opened(number: u128, rule: AlarmRule, subject: &str, second: i64) -> AlarmView {
    AlarmView {
        id: AlarmId::from_uuid(Uuid::from_u128(number)),
        rule,
        subject: subject.to_owned(),
        fleet: Some(name("payments")),
        cluster: subject.split('/').nth(1).and_then(|text| text.parse().ok()),
        severity: rule.severity(),
        mark: String::new(),
        detail: AlarmDetail::new("it is so"),
        count: 1,
        opened_at: at(second),
        seen_at: at(second),
        closed_at: None,
        acknowledged_at: None,
        acknowledged_by: None,
        note: None,
        told: BTreeMap::new(),
        revision: Revision(7),
    }
}

fn observed(rule: AlarmRule, subject: &str, mark: &str) -> Observed {
    Observed::new(rule, subject, AlarmDetail::new("it is so")).marked(mark)
}

fn by(second: i64, knows_liveness: bool) -> Settling {
    Settling {
        now: at(second),
        knows_liveness,
        settle: Duration::from_secs(15),
    }
}

fn settled(
    observed: Vec<Observed>,
    known: &[AlarmView],
    gone: &BTreeMap<AlarmId, Timestamp>,
    by: Settling,
) -> Settlement {
    let mut next = 100;
    settle(observed, known, gone, by, || {
        next += 1;
        AlarmId::from_uuid(Uuid::from_u128(next))
    })
}

#[test]
fn what_comes_and_goes_is_one_alarm() {
    let rule = AlarmRule::JobFailed;
    let none = BTreeMap::new();
    let first = settled(
        vec![observed(rule, "a", "1"), observed(rule, "a", "2")],
        &[],
        &none,
        by(0, true),
    );
    let subjects: Vec<&str> = first
        .open
        .iter()
        .map(|new: &NewAlarm| new.subject.as_str())
        .collect();
    assert_eq!(subjects, ["a"], "of a key one");

    let known = [opened(1, rule, "a", 0)];
    // Seen again as it was: there is nothing to write down.
    assert!(settled(vec![observed(rule, "a", "")], &known, &none, by(1, true)).is_empty());
    let again = settled(vec![observed(rule, "a", "2")], &known, &none, by(1, true));
    assert_eq!((again.repeat.len(), again.open.len()), (1, 0));

    let gone = settled(vec![], &known, &none, by(10, true));
    assert!(gone.is_empty());
    assert_eq!(gone.gone[&known[0].id], at(10));
    let not_yet = settled(vec![], &known, &gone.gone, by(24, true));
    assert!(not_yet.is_empty());
    let back = settled(
        vec![observed(rule, "a", "")],
        &known,
        &not_yet.gone,
        by(24, true),
    );
    assert!(
        back.gone.is_empty(),
        "it is counted from the next time that it is over"
    );
    let over = settled(vec![], &known, &not_yet.gone, by(25, true));
    assert_eq!(over.close, [known[0].id]);
}

/// I-13: who has just begun to lead has seen nobody, which proves nothing.
#[test]
fn a_new_leader_neither_opens_nor_closes_by_who_is_there() {
    let absent = AlarmRule::AgentAbsent;
    let none = BTreeMap::new();
    let fresh = settled(
        vec![
            observed(absent, "a", ""),
            observed(AlarmRule::JobFailed, "b", ""),
        ],
        &[],
        &none,
        by(0, false),
    );
    let rules: Vec<AlarmRule> = fresh.open.iter().map(|new| new.rule).collect();
    assert_eq!(rules, [AlarmRule::JobFailed]);
    let known = [opened(1, absent, "a", -500)];
    let blind = settled(
        vec![],
        &known,
        &[(known[0].id, at(-400))].into(),
        by(0, false),
    );
    assert!(blind.is_empty() && blind.gone.is_empty());
    let knows = settled(vec![], &known, &none, by(16, true));
    assert_eq!(
        knows.gone[&known[0].id],
        at(16),
        "counted from when it could be known"
    );
}

fn channel(spec: Value) -> NotificationChannel {
    let mut whole = json!({"type": "slack", "urlSecret": "slack"});
    whole
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    let document = json!({"apiVersion": "holdfast/v1", "kind": "NotificationChannel",
        "metadata": {"name": "a"}, "spec": whole});
    match Document::from_value(document).unwrap().resource {
        Resource::NotificationChannel(channel) => *channel,
        other => panic!("{other:?}"),
    }
}

/// What channels are told, as (channel, kind, alarms, remaining).
fn told(
    second: i64,
    alarms: &[AlarmView],
    channels: &[(&str, Value)],
    silences: &[SilenceView],
) -> Vec<(String, NoticeKind, usize, u64)> {
    let channels = channels
        .iter()
        .map(|(called, spec)| (name(called), channel(spec.clone())));
    let channels: BTreeMap<Name, NotificationChannel> = channels.collect();
    let gold: Labels = [("tier".to_owned(), "gold".to_owned())].into();
    let labels = [(name("orders"), gold), (name("shop"), Labels::new())].into();
    let by = Telling {
        now: at(second),
        group: Duration::from_secs(15),
        alarms,
        channels: &channels,
        silences,
        labels: &labels,
    };
    let mut next = 200;
    let notices = tell(&by, || {
        next += 1;
        NoticeId::from_uuid(Uuid::from_u128(next))
    });
    let told = notices.into_iter().map(|one| {
        (
            one.channel.to_string(),
            one.kind,
            one.alarms.len(),
            one.remaining,
        )
    });
    told.collect()
}

fn knows(alarm: &mut AlarmView, channel: &str) {
    let told = Told {
        thread: NoticeId::from_uuid(Uuid::from_u128(50)),
        acknowledged: false,
        resolved: false,
    };
    alarm.told.insert(name(channel), told);
}

#[test]
fn alarms_of_one_rule_in_one_fleet_are_told_together_after_a_while() {
    let rule = AlarmRule::AgentAbsent;
    let mut alarms = vec![
        opened(1, rule, "clusters/orders/agents/db1", 0),
        opened(2, rule, "clusters/shop/agents/db2", 14),
    ];
    alarms.push(AlarmView {
        fleet: Some(name("web")),
        ..opened(3, rule, "clusters/site/agents/db3", 0)
    });
    let everything = [("dba", json!({}))];
    assert_eq!(told(14, &alarms, &everything, &[]), []);
    let dba = |kind, count, remaining| ("dba".to_owned(), kind, count, remaining);
    use NoticeKind::{Acknowledged, Opened, Resolved};
    assert_eq!(
        told(15, &alarms, &everything, &[]),
        [dba(Opened, 2, 2), dba(Opened, 1, 1)]
    );

    let mut alarms = alarms[..2].to_vec();
    for alarm in &mut alarms {
        knows(alarm, "dba");
    }
    assert_eq!(told(99, &alarms, &everything, &[]), []);
    alarms[0].acknowledged_at = Some(at(99));
    assert_eq!(
        told(99, &alarms, &everything, &[]),
        [dba(Acknowledged, 1, 1)]
    );
    alarms[0].closed_at = Some(at(100));
    assert_eq!(told(114, &alarms, &everything, &[]), []);
    assert_eq!(told(115, &alarms, &everything, &[]), [dba(Resolved, 1, 1)]);
    alarms[1].closed_at = Some(at(110));
    assert_eq!(told(115, &alarms, &everything, &[]), [dba(Resolved, 2, 0)]);
    // What closed before anybody was told of it is told to nobody.
    let mut quick = opened(4, rule, "clusters/orders/agents/db1", 0);
    quick.closed_at = Some(at(5));
    assert_eq!(told(99, &[quick], &everything, &[]), []);
}

#[test]
fn a_channel_is_told_of_what_it_is_for() {
    let alarms = [
        opened(1, AlarmRule::Unprotected, "clusters/orders", 0),
        opened(2, AlarmRule::ExposureViolated, "clusters/shop", 0),
    ];
    let channels = [
        ("all", json!({})),
        ("bad", json!({"minimumSeverity": "critical"})),
        ("gold", json!({"selector": {"tier": "gold"}})),
        ("payments", json!({"fleets": ["payments"]})),
        ("web", json!({"fleets": ["web"]})),
    ];
    let heard = told(15, &alarms, &channels, &[]);
    let names: Vec<&str> = heard.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["all", "all", "bad", "gold", "payments", "payments"]);
    // What is of no fleet is told where everything is told; that a channel fails, on
    // every other one.
    let mut node = opened(3, AlarmRule::NodeLost, "nodes/node-2", 0);
    let mut failing = opened(4, AlarmRule::ChannelFailing, "notification-channels/all", 0);
    for alarm in [&mut node, &mut failing] {
        (alarm.fleet, alarm.cluster) = (None, None);
    }
    let names = |alarm: AlarmView| {
        let heard = told(15, &[alarm], &channels, &[]).into_iter();
        heard.map(|(name, ..)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(node), ["all", "bad"]);
    assert_eq!(names(failing), ["bad", "gold", "payments", "web"]);
}

#[test]
fn who_is_at_it_needs_no_escalation() {
    let mut alarms = [opened(1, AlarmRule::Unprotected, "clusters/orders", 0)];
    let channels = [("boss", json!({"after": "15m"}))];
    assert_eq!(told(899, &alarms, &channels, &[]), []);
    assert_eq!(told(900, &alarms, &channels, &[]).len(), 1);
    alarms[0].acknowledged_at = Some(at(800));
    assert_eq!(told(900, &alarms, &channels, &[]), []);
}

#[test]
fn a_silence_holds_back_what_is_open_and_not_what_is_over() {
    let silence = |rule, cluster: Option<&str>| SilenceView {
        id: SilenceId::from_uuid(Uuid::from_u128(1)),
        rule,
        fleet: Some(name("payments")),
        cluster: cluster.map(name),
        reason: "the host is moved".to_owned(),
        until: at(60),
        created_by: Principal::user("ada"),
        created_at: at(0),
    };
    let mut alarms = [opened(1, AlarmRule::Unprotected, "clusters/orders", 0)];
    let everything = [("dba", json!({}))];
    let heard = |alarms: &[AlarmView], second, silence: SilenceView| {
        told(second, alarms, &everything, &[silence]).len()
    };
    assert_eq!(heard(&alarms, 30, silence(None, None)), 0);
    assert_eq!(
        heard(
            &alarms,
            30,
            silence(Some(AlarmRule::Unprotected), Some("orders"))
        ),
        0
    );
    assert_eq!(heard(&alarms, 30, silence(Some(AlarmRule::NoRun), None)), 1);
    assert_eq!(heard(&alarms, 30, silence(None, Some("shop"))), 1);
    // It has an end.
    assert_eq!(heard(&alarms, 60, silence(None, None)), 1);
    knows(&mut alarms[0], "dba");
    alarms[0].closed_at = Some(at(10));
    assert_eq!(heard(&alarms, 30, silence(None, None)), 1);
}
