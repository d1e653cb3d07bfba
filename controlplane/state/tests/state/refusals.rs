//! Every refusal has a code, a message and a hint that a person can use.

use std::collections::BTreeSet;

use holdfast_state::{ApprovalState, Noun, Refusal};
use holdfast_types::access::Permission;
use holdfast_types::{AlarmId, BackupState, Generation, JobState, Revision};
use uuid::Uuid;

use crate::approvals::approval_id;
use crate::fixture::{backup_id, job_id, name, range};

/// One of each.
pub(crate) fn examples() -> Vec<Refusal> {
    let text = |text: &str| text.to_owned();
    let what = Noun::Cluster;
    let mut refusals = vec![
        Refusal::AlreadyBootstrapped,
        Refusal::NotFound {
            what,
            name: text("orders"),
        },
        Refusal::AlreadyExists {
            what,
            name: text("orders"),
        },
        Refusal::StaleRevision {
            what,
            name: text("orders"),
            current: Some(Revision(7)),
        },
        Refusal::StaleGeneration {
            current: Generation(3),
        },
        Refusal::DanglingReference {
            document: text("Policy/gold"),
            field: text("spec.repository"),
            what: Noun::Repository,
            name: text("eu"),
        },
        Refusal::Immutable {
            document: text("Repository/eu"),
            field: text("spec.url"),
            because: text("the repository holds backups or WAL"),
        },
        Refusal::Invalid {
            field: text("refresh"),
            message: text("it is in use"),
        },
        Refusal::PolicyClash {
            policies: [name("gold"), name("all")],
            cluster: name("orders"),
            priority: 0,
        },
        Refusal::InUse {
            what,
            name: text("orders"),
            by: vec![text("jobs/1")],
        },
    ];
    refusals.extend(about_access());
    refusals.extend(about_work());
    refusals
}

fn about_access() -> Vec<Refusal> {
    let text = |text: &str| text.to_owned();
    vec![
        Refusal::LastUser,
        Refusal::TokenUnknown,
        Refusal::TokenExpired,
        Refusal::TokenUsed,
        Refusal::RegionMismatch {
            token: text("eu"),
            agent: text("us"),
        },
        Refusal::AgentNameTaken { name: name("db1") },
        Refusal::AgentRevoked { name: name("db1") },
        Refusal::SessionUnknown,
    ]
}

fn about_work() -> Vec<Refusal> {
    let repository = |number: &str| format!("rep_{number:0>32}").parse().unwrap();
    vec![
        Refusal::JobFinal {
            job: job_id(1),
            state: JobState::Failed,
        },
        Refusal::JobState {
            job: job_id(1),
            state: JobState::Leased,
        },
        Refusal::WrongAgent {
            expected: name("db2"),
        },
        Refusal::ClusterRetired {
            cluster: name("orders"),
        },
        Refusal::WalMissing {
            cluster: name("orders"),
            repository: name("eu"),
            gaps: vec![range(0x0300_0000, 0x0400_0000)],
        },
        Refusal::RepositoryMismatch {
            repository: name("eu"),
            expected: repository("1"),
            found: repository("2"),
        },
        Refusal::IdempotencyMismatch,
    ]
}

/// Those that came with feature level 2.
pub(crate) fn examples_of_level_2() -> Vec<Refusal> {
    vec![
        Refusal::LevelTooLow {
            needed: 2,
            current: 1,
        },
        Refusal::LastNode,
    ]
}

/// Those that came with feature level 15.
pub(crate) fn examples_of_level_13() -> Vec<Refusal> {
    let backup = backup_id(7);
    let until: jiff::Timestamp = "2026-02-03T10:41:07.25Z".parse().unwrap();
    vec![
        Refusal::BackupHeld {
            backup,
            reason: "case 4711".to_owned(),
            until: Some(until),
        },
        Refusal::BackupPinned { backup, until },
        Refusal::LastBackup {
            backup,
            kind: "physical backup".to_owned(),
            cluster: name("orders"),
            repository: name("eu"),
        },
        Refusal::BackupState {
            backup,
            state: BackupState::Running,
        },
        Refusal::BackupCondemned { backup },
        Refusal::WalNeeded {
            range: range(16, 32),
            backup,
        },
        Refusal::ExpirySuspended { until },
        Refusal::PlanStale {
            what: "a policy or a cluster".to_owned(),
        },
    ]
}

/// Those that came with roles.
pub(crate) fn examples_of_access() -> Vec<Refusal> {
    let approval = approval_id(7);
    vec![
        Refusal::ApprovalNeeded {
            needed: 2,
            because: "approvals.delete: 2".to_owned(),
        },
        Refusal::ApprovalNotNeeded,
        Refusal::ApprovalState {
            approval,
            state: ApprovalState::Rejected,
        },
        Refusal::SelfApproval { approval },
        Refusal::VotedAlready { approval },
        Refusal::NotAPerson,
        Refusal::VoterTooNew { user: name("zoe") },
        Refusal::RequesterGone { approval },
        Refusal::Forbidden {
            permission: Permission::ApprovalsVote,
        },
        Refusal::LastAdministrator,
    ]
}

pub(crate) fn examples_of_restores() -> Vec<Refusal> {
    vec![Refusal::RestoreState {
        restore: crate::restores::restore_id(7),
        state: holdfast_types::restoring::RestoreState::HandingOver,
    }]
}

/// Those that came with notices.
pub(crate) fn examples_of_notices() -> Vec<Refusal> {
    let alarm = AlarmId::from_uuid(Uuid::from_u128(7));
    vec![Refusal::AlarmClosed { alarm }]
}

#[test]
fn codes_are_unique_and_words_are_there() {
    let mut codes = BTreeSet::new();
    let all = examples().into_iter().chain(examples_of_level_2());
    let all = all.chain(examples_of_level_13());
    let all = all.chain(examples_of_access());
    let all = all.chain(examples_of_restores());
    for refusal in all.chain(examples_of_notices()) {
        assert!(codes.insert(refusal.code()), "{} twice", refusal.code());
        assert!(!refusal.hint().is_empty() && !refusal.to_string().is_empty());
        // The code that is answered is the one that is stored.
        let json = serde_json::to_value(&refusal).unwrap();
        assert_eq!(json["code"], refusal.code());
    }
}
