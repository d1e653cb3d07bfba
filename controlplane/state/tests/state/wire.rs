//! The bytes of log entries and replies. Files in `wire/` are added, never
//! edited: logs out there hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use holdfast_state::command::CreateUser;
use holdfast_state::{
    Cause, Command, Digest, Entry, IdempotencyKey, Principal, Refusal, Reply, ReplyError, schema,
};
use holdfast_types::{RequestId, Revision};
use uuid::Uuid;

use crate::example::examples;
use crate::refusals;

fn golden(name: &str, number: u32) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("wire");
    folder.join(format!("{name}.{number}.json"))
}

/// The JSON of a golden file. A missing one is written when this variable is
/// set, so that nobody types bytes by hand; one that exists never is.
#[expect(
    clippy::disallowed_methods,
    reason = "a test may look at its environment"
)]
fn stored(name: &str, number: u32, now: &[u8]) -> Vec<u8> {
    let path = golden(name, number);
    if !path.exists() {
        let asked = std::env::var_os("HOLDFAST_WRITE_GOLDEN").is_some();
        assert!(
            asked,
            "{} is missing: run with HOLDFAST_WRITE_GOLDEN=1",
            path.display()
        );
        fs::write(&path, [now, b"\n"].concat()).unwrap();
    }
    let mut json = fs::read(&path).unwrap();
    assert_eq!(json.pop(), Some(b'\n'));
    json
}

/// An entry with every field set.
fn entry(command: Command) -> Entry {
    let principal = Principal::user("admin");
    Entry {
        at: "2026-02-03T02:41:07.123456Z".parse().unwrap(),
        cause: Some(Cause {
            principal: principal.clone(),
            request: RequestId::from_uuid(Uuid::from_u128(0xabc)),
            remote: Some("192.0.2.7".to_owned()),
        }),
        idempotency: Some(IdempotencyKey {
            key: "once".to_owned(),
            principal,
            fingerprint: Digest::of(b"the request"),
        }),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        command,
    }
}

#[test]
fn every_command_has_golden_bytes_that_still_read_and_write_alike() {
    let mut seen = BTreeSet::new();
    for (number, command) in examples() {
        let name = command.name();
        if number == 1 {
            assert!(seen.insert(name), "{name} has two first examples");
        }
        let entry = entry(command);
        let bytes = entry.encode();
        let json = stored(name, number, &bytes[1..]);
        let golden = [&[1], json.as_slice()].concat();
        let read = Entry::decode(&golden).unwrap();
        assert_eq!(read, entry, "{name}.{number}");
        assert_eq!(bytes, golden, "{name}.{number}");
    }
    let all: BTreeSet<&str> = Command::NAMES.iter().copied().collect();
    assert_eq!(seen, all, "a command without golden bytes");
}

#[test]
fn the_name_of_a_command_is_its_name_on_the_wire() {
    for (_, command) in examples() {
        let json = serde_json::to_value(&command).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, [command.name()]);
    }
}

#[test]
fn an_unknown_field_is_an_error_and_not_ignored() {
    // A newer node's field would silently change what the command means.
    for (_, command) in examples() {
        let mut json = serde_json::to_value(entry(command.clone())).unwrap();
        let payload = &mut json["command"][command.name()];
        payload["from_the_future"] = true.into();
        let read: Result<Entry, _> = serde_json::from_value(json);
        assert!(read.is_err(), "{}", command.name());
    }
}

#[test]
fn refusals_have_golden_bytes() {
    let lists = [
        refusals::examples(),
        refusals::examples_of_level_2(),
        refusals::examples_of_level_13(),
        refusals::examples_of_access(),
        refusals::examples_of_restores(),
        refusals::examples_of_notices(),
    ];
    for (number, refusals) in (1..).zip(lists) {
        let now = serde_json::to_vec(&refusals).unwrap();
        let json = stored("refusals", number, &now);
        let read: Vec<Refusal> = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, refusals);
        assert_eq!(now, json);
    }
}

#[test]
fn replies_have_golden_bytes() {
    let accepted = Reply::from_bytes(b"\x01{\"accepted\":7}".to_vec());
    let outcome = accepted.outcome::<CreateUser>().unwrap();
    assert_eq!(outcome, Ok(Revision(7)));
    assert_eq!(accepted.refusal().unwrap(), None);
    let refused = Reply::from_bytes(b"\x01{\"refused\":{\"code\":\"last_user\"}}".to_vec());
    let outcome = refused.outcome::<CreateUser>().unwrap();
    assert_eq!(outcome, Err(Refusal::LastUser));
    assert_eq!(refused.refusal().unwrap(), Some(Refusal::LastUser));
    let newer = Reply::from_bytes(b"\x02{}".to_vec());
    assert!(matches!(newer.refusal(), Err(ReplyError::Version(Some(2)))));
}

/// The commands that came after the first release, and since when. A command
/// at a lower level enters a log that an older node cannot read, and stops it;
/// one that is moved to a higher level is refused where it was not.
const LATER: &[(&str, u32)] = &[
    ("acknowledge_alarm", schema::NOTICES),
    ("admit_node", 2),
    ("begin_deletion", 15),
    ("begin_restore", schema::RESTORES),
    ("cancel_approval", schema::ACCESS),
    ("cancel_restore", schema::RESTORES),
    ("condemn_backups", 15),
    ("condemn_orphans", 15),
    ("condemn_state_snapshots", 5),
    ("condemn_wal", 15),
    ("create_node_token", 2),
    ("create_report_key", schema::REPORTS),
    ("end_deletion", 15),
    ("end_exemption", schema::COMPLIANCE),
    ("end_silence", schema::NOTICES),
    ("forget_state_snapshots", 5),
    ("grant_exemption", schema::COMPLIANCE),
    ("heed_instance", schema::INVENTORY),
    ("hold_backup", 15),
    ("ignore_instance", schema::INVENTORY),
    ("lease_jobs", 8),
    ("lose_backup", 5),
    ("miss_runs", 3),
    ("move_node", 9),
    ("move_restore", schema::RESTORES),
    ("pin_backups", 10),
    ("plan_restore", schema::RESTORES),
    ("rebuild_catalog", 7),
    ("record_copy", 17),
    ("record_deliveries", schema::NOTICES),
    ("record_discovered", schema::INVENTORY),
    ("record_found_wal", 7),
    ("record_late_result", 4),
    ("record_node", 2),
    ("record_notices", schema::NOTICES),
    ("record_offline_runs", 4),
    ("record_report", schema::REPORTS),
    ("record_runs", 3),
    ("record_scan", 5),
    ("record_signs", schema::COMPLIANCE),
    ("record_state_snapshot", 5),
    ("release_backup", 15),
    ("remove_node", 2),
    ("renew_agent", 2),
    ("request_approval", schema::ACCESS),
    ("request_scans", 5),
    ("request_state_snapshot", 5),
    ("restore_state", 5),
    ("seal_report", schema::REPORTS),
    ("set_state_snapshots", 5),
    ("settle_alarms", schema::NOTICES),
    ("silence_alarms", schema::NOTICES),
    ("transfer_leadership", 2),
    ("try_next_copy", schema::RESTORES),
    ("vote_approval", schema::ACCESS),
];

#[test]
fn every_command_that_came_later_says_since_which_level() {
    let mut first: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, command) in examples() {
        let level = first.entry(command.name()).or_insert(u32::MAX);
        *level = command.level().min(*level);
    }
    let later = first.into_iter().filter(|(_, level)| *level > 1);
    let later: Vec<(&str, u32)> = later.collect();
    assert_eq!(later, LATER);
    // Whoever adds one at the end of the list gives it a level.
    let place = |name: &str| Command::NAMES.iter().position(|known| *known == name);
    let after = &Command::NAMES[place("raise_level").unwrap() + 1..];
    let mut after = after.to_vec();
    after.sort_unstable();
    let told: Vec<&str> = LATER.iter().map(|(name, _)| *name).collect();
    assert_eq!(after, told);
}
