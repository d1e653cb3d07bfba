//! Equal logs give equal databases (I-02), whatever the batches were, and what
//! random logs may never break.

mod steps;

use std::collections::BTreeMap;

use holdfast_state::audit::verify;
use holdfast_state::command::{RaiseLevel, RecordBackup, SetSecret};
use holdfast_state::query;
use holdfast_state::{Cause, Command, Entry, Principal, Reply};
use holdfast_types::RequestId;
use holdfast_types::alarm::NoticeKind;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;
use uuid::Uuid;

use crate::alarms;
use crate::fixture::{
    SECRET_WORD, apply, backup_job, bootstrap, cluster, committed, duty, enroll, hash,
    join_token_id, lease, name, repository, sealed,
};
use crate::harness::{apply_batched, database, dump_of, keyed, table};
use crate::must_hold::Known;
use crate::restores;
use crate::writer::{apply_by, dump_by, writer};

use steps::command;

/// One random step: which command, on what, and how it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    what: u8,
    one: u8,
    two: u8,
    passed_seconds: i16,
    caused: bool,
    key: Option<u8>,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0u8..40,
        0u8..3,
        0u8..4,
        -5i16..200,
        any::<bool>(),
        proptest::option::weighted(0.1, 0u8..3),
    );
    let step = step.prop_map(|(what, one, two, passed_seconds, caused, key)| Step {
        what,
        one,
        two,
        passed_seconds,
        caused,
        key,
    });
    proptest::collection::vec(step, 1..120)
}

/// A log: a bootstrap, then the steps. Assignments and agents have the number
/// of the step that made them, so later steps can only guess them.
fn log(steps: &[Step]) -> Vec<Entry> {
    let mut now: Timestamp = "2026-02-03T02:41:07Z".parse().unwrap();
    let mut entries = vec![Entry::new(now, bootstrap())];
    for (serial, step) in (2u128..).zip(steps) {
        now += SignedDuration::from_secs(i64::from(step.passed_seconds));
        let command = command(*step, serial, now);
        let cause = Cause {
            principal: Principal::user("admin"),
            request: RequestId::from_uuid(Uuid::from_u128(serial)),
            remote: None,
        };
        let mut entry = Entry {
            cause: Some(cause),
            ..Entry::new(now, bootstrap())
        };
        entry.command = command;
        if let Some(key) = step.key {
            entry = keyed(entry, &key.to_string(), &[step.what]);
        }
        if !step.caused {
            entry.cause = None;
        }
        entries.push(entry);
    }
    entries
}

/// The seed of a log in which jobs and backups come to something: what steps
/// alone reach too rarely.
fn opening() -> Vec<Command> {
    let token = holdfast_state::command::CreateJoinToken {
        token: join_token_id(50),
        hash: hash("join 50"),
        expires_at: "2027-01-01T00:00:00Z".parse().unwrap(),
        region: None,
    };
    let documents = [
        repository("eu"),
        cluster("orders", "db1", json!({"tier": "gold"})),
    ];
    vec![
        token.into(),
        enroll(50, 3, "db1").into(),
        RaiseLevel {
            level: holdfast_state::schema::NEWEST,
        }
        .into(),
        apply(documents).into(),
        SetSecret {
            name: name("signing"),
            sealed: sealed(),
        }
        .into(),
        apply([alarms::channel("dba")]).into(),
        alarms::open(1, "clusters/orders").into(),
        alarms::notice(1, 1, NoticeKind::Opened).into(),
        backup_job(1).into(),
        lease(1, 3, 60).into(),
        duty(3, 0).into(),
        // One that can be built on from the beginning.
        RecordBackup {
            commit: committed(59, 59, &[(90, 250)]),
        }
        .into(),
    ]
}

pub(crate) fn whole_log(steps: &[Step]) -> Vec<Vec<u8>> {
    let mut entries = log(steps);
    let opening = opening().into_iter().chain(restores::opening());
    let opening = opening.map(|command| {
        let mut entry = entries[0].clone();
        entry.command = command;
        entry
    });
    let opening: Vec<Entry> = opening.collect();
    entries.splice(1..1, opening);
    entries.iter().map(Entry::encode).collect()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn equal_logs_give_equal_databases(
        steps in steps(),
        sizes in proptest::collection::vec(1usize..20, 0..30),
    ) {
        let entries = whole_log(&steps);
        block_on(async {
            let (one, other) = (database().await, database().await);
            let replies = apply_batched(&one, &entries, &[]).await;
            let batched = apply_batched(&other, &entries, &sizes).await;
            prop_assert_eq!(&replies, &batched);
            let dump = dump_of(&one).await;
            prop_assert_eq!(&dump, &dump_of(&other).await);

            // Nodes apply by a connection of their own, and not by the pool.
            let node = writer();
            prop_assert_eq!(&replies, &apply_by(&node, &entries, &sizes));
            prop_assert_eq!(&dump, &dump_by(&node));

            let verified = verify(&one).await.unwrap();
            prop_assert_eq!(verified.broken, None);
            for row in table(&dump, "audit") {
                prop_assert!(!row.contains(SECRET_WORD), "{}", row);
                prop_assert!(!row.contains(&hex::encode_upper(SECRET_WORD)), "{}", row);
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn no_log_breaks_what_must_hold(steps in steps()) {
        let entries = whole_log(&steps);
        block_on(async {
            let conn = database().await;
            let mut known = Known::default();
            for (index, bytes) in (1..).zip(&entries) {
                let tx = sea_orm::TransactionTrait::begin(&conn).await.unwrap();
                holdfast_state::apply::apply_entry(&tx, index, bytes).await.unwrap();
                tx.commit().await.unwrap();
                known.check(&conn).await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}

/// How many logs are looked at.
const LOGS: u64 = 120;

/// The properties above say nothing if random logs are refused throughout.
#[test]
fn random_logs_reach_what_they_test() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut available, mut pinned) = (0, 0);
    for _ in 0..LOGS {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let entries = whole_log(&steps);
        block_on(async {
            let conn = database().await;
            let replies = apply_batched(&conn, &entries, &[entries.len()]).await;
            for (entry, reply) in entries.iter().zip(replies) {
                let refusal = Reply::from_bytes(reply).refusal().unwrap();
                if refusal.is_none() {
                    let name = Entry::decode(entry).unwrap().command.name();
                    *accepted.entry(name).or_default() += 1;
                }
            }
            let counts = query::counts(&conn).await.unwrap();
            available += counts.backups.get("available").copied().unwrap_or(0);
            pinned += table(&dump_of(&conn).await, "pins").len();
        });
    }
    assert!(available > LOGS, "no other backup became available");
    assert!(pinned > 0, "no backup was pinned");
    assert!(accepted.len() >= 20, "{accepted:?}");
    for name in [
        "finish_job",
        "requeue_job",
        "record_wal",
        "lease_job",
        "delete_resource",
        "record_runs",
        "record_offline_runs",
        "record_late_result",
        "pin_backups",
        "move_node",
        "condemn_backups",
        "condemn_wal",
        "begin_deletion",
        "settle_alarms",
        "record_notices",
        "record_deliveries",
        "silence_alarms",
        "move_restore",
        "try_next_copy",
        "cancel_restore",
    ] {
        assert!(accepted.contains_key(name), "{name} was never accepted");
    }
}
