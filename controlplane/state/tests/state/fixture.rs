//! Commands that tests share, and states they start from.

use holdfast_state::command::{
    ApplyDocuments, BackupCommit, Bootstrap, Certificate, CreateJob, CreateJoinToken,
    DocumentChange, EnrollAgent, Expected, Lease, LeaseJob, PlaceDuty, PlacedDuty,
    RecordBackupStarted, SetSecret, TimelineWal,
};
use holdfast_state::{Digest, PasswordHash, Sealed};
use holdfast_types::resource::Document;
use holdfast_types::{
    AgentId, AssignmentId, BackupId, BackupKind, CommittedBackup, Generation, JobId, JobKind,
    JoinTokenId, Lineage, Lsn, LsnRange, Name, NodeTokenId, SessionId, Timeline, TokenId, UserId,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::TestState;

/// A word that only secrets hold.
pub(crate) const SECRET_WORD: &str = "hunter2-in-the-clear";

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

macro_rules! ids {
    ($($function:ident: $id:ident)*) => {$(
        pub(crate) fn $function(number: u128) -> $id {
            $id::from_uuid(Uuid::from_u128(number))
        }
    )*};
}

ids! {
    agent_id: AgentId
    assignment_id: AssignmentId
    backup_id: BackupId
    job_id: JobId
    join_token_id: JoinTokenId
    node_token_id: NodeTokenId
    session_id: SessionId
    token_id: TokenId
    user_id: UserId
}

pub(crate) fn sealed() -> Sealed {
    Sealed::new(SECRET_WORD.as_bytes().to_vec())
}

pub(crate) fn password() -> PasswordHash {
    PasswordHash::new(format!("$argon2id$v=19${SECRET_WORD}"))
}

pub(crate) fn hash(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub(crate) fn lineage() -> Lineage {
    "7301234567890123456-1".parse().unwrap()
}

pub(crate) fn timeline(number: u32) -> Timeline {
    Timeline::new(number).unwrap()
}

pub(crate) fn range(from: u64, to: u64) -> LsnRange {
    LsnRange::new(Lsn::new(from), Lsn::new(to)).unwrap()
}

pub(crate) fn wal(ranges: &[(u64, u64)]) -> TimelineWal {
    TimelineWal {
        timeline: timeline(1),
        ranges: ranges.iter().map(|(from, to)| range(*from, *to)).collect(),
        gaps: Vec::new(),
    }
}

pub(crate) fn bootstrap() -> Bootstrap {
    Bootstrap {
        ca_certificate: "-----BEGIN CERTIFICATE-----".to_owned(),
        ca_key: sealed(),
        signing_key_id: "k1".to_owned(),
        signing_key: sealed(),
        admin: user_id(1),
        admin_name: name("admin"),
        admin_password: password(),
        node: "n1".to_owned(),
    }
}

pub(crate) fn document(kind: &str, metadata: Value, spec: Value) -> Document {
    let value = json!({
        "apiVersion": "holdfast/v1", "kind": kind, "metadata": metadata, "spec": spec,
    });
    Document::from_value(value).unwrap()
}

pub(crate) fn repository(name: &str) -> Document {
    let spec = json!({"url": format!("file:///backups/{name}")});
    document("Repository", json!({"name": name}), spec)
}

pub(crate) fn cluster(name: &str, agent: &str, labels: Value) -> Document {
    let spec = json!({"instances": [{"agent": agent, "connection": "host=/run/postgresql"}]});
    document("Cluster", json!({"name": name, "labels": labels}), spec)
}

pub(crate) fn policy(name: &str, selector: Value, priority: i32, repository: &str) -> Document {
    let spec = json!({"selector": selector, "priority": priority, "repository": repository});
    document("Policy", json!({"name": name}), spec)
}

pub(crate) fn apply(documents: impl IntoIterator<Item = Document>) -> ApplyDocuments {
    let documents: Vec<Document> = documents.into_iter().collect();
    let names = documents
        .iter()
        .map(|document| document.metadata.name.clone());
    ApplyDocuments {
        repository_keys: names.map(|name| (name, sealed())).collect(),
        documents: documents
            .into_iter()
            .map(|document| DocumentChange {
                document,
                expected: Expected::Any,
            })
            .collect(),
    }
}

pub(crate) fn join_token(number: u128, state: &TestState) -> CreateJoinToken {
    CreateJoinToken {
        token: join_token_id(number),
        hash: hash(&format!("join {number}")),
        expires_at: state.now + SignedDuration::from_hours(1),
        region: None,
    }
}

pub(crate) fn enroll(token: u128, agent: u128, called: &str) -> EnrollAgent {
    EnrollAgent {
        token: join_token_id(token),
        hash: hash(&format!("join {token}")),
        agent: agent_id(agent),
        name: name(called),
        region: None,
        certificate: Certificate {
            serial: format!("{agent:02x}"),
            fingerprint: hash(&format!("certificate {agent}")),
            expires_at: "2027-02-03T00:00:00Z".parse().unwrap(),
        },
    }
}

pub(crate) fn backup_job(number: u128) -> CreateJob {
    CreateJob {
        job: job_id(number),
        kind: JobKind::Backup,
        cluster: name("orders"),
        repository: name("eu"),
        agent: None,
        spec: json!({"kind": "full"}),
        attempts_max: 2,
    }
}

pub(crate) fn lease(job: u128, agent: u128, assignment: u128) -> LeaseJob {
    LeaseJob {
        job: job_id(job),
        agent: agent_id(agent),
        assignment: assignment_id(assignment),
    }
}

pub(crate) fn duty(agent: u128, assignment: u128) -> PlaceDuty {
    PlaceDuty {
        assignment: assignment_id(assignment),
        cluster: name("orders"),
        repository: name("eu"),
        agent: agent_id(agent),
        instance: None,
    }
}

pub(crate) fn backup_started(job: u128, generation: u64, backup: u128) -> RecordBackupStarted {
    RecordBackupStarted {
        job: job_id(job),
        generation: Generation(generation),
        backup: backup_id(backup),
        kind: BackupKind::Full,
        parent: None,
        lineage: lineage(),
        timeline: timeline(1),
        start_lsn: Lsn::new(100),
        started_at: "2026-02-03T02:41:08Z".parse().unwrap(),
    }
}

/// A backup of `orders` in `eu` that needs the WAL from 100 to 200.
pub(crate) fn committed(job: u128, backup: u128, carried: &[(u64, u64)]) -> BackupCommit {
    BackupCommit {
        backup: CommittedBackup {
            id: backup_id(backup),
            job: job_id(job),
            cluster: name("orders"),
            repository: name("eu"),
            kind: BackupKind::Full,
            parent: None,
            lineage: lineage(),
            timeline: timeline(1),
            start_lsn: Lsn::new(100),
            stop_lsn: Lsn::new(200),
            started_at: "2026-02-03T02:41:08Z".parse().unwrap(),
            finished_at: "2026-02-03T02:41:20Z".parse().unwrap(),
            database_bytes: 5_000,
            added_bytes: 1_000,
            server_version: 150_020,
        },
        wal: vec![wal(carried)],
    }
}

impl TestState {
    /// A control plane with two agents, a repository, and a cluster on the
    /// first agent that a policy selects.
    pub(crate) async fn protecting() -> Self {
        let mut state = Self::new().await;
        state.accept(bootstrap()).await;
        for (number, called) in [(1, "db1"), (2, "db2")] {
            let token = join_token(number, &state);
            state.accept(token).await;
            state.accept(enroll(number, number, called)).await;
        }
        let secret = SetSecret {
            name: name("eu-s3"),
            sealed: sealed(),
        };
        state.accept(secret).await;
        let documents = [
            repository("eu"),
            cluster("orders", "db1", json!({"tier": "gold"})),
            policy("gold", json!({"tier": "gold"}), 0, "eu"),
        ];
        state.accept(apply(documents)).await;
        state
    }

    /// The same with job 1 in the hands of agent 1.
    pub(crate) async fn backing_up() -> (Self, Lease) {
        let mut state = Self::protecting().await;
        state.accept(backup_job(1)).await;
        let lease = state.accept(lease(1, 1, 1)).await;
        (state, lease)
    }

    /// The same with the WAL of `orders` in the hands of agent 1.
    pub(crate) async fn receiving() -> (Self, PlacedDuty) {
        let mut state = Self::protecting().await;
        let placed = state.accept(duty(1, 1)).await;
        (state, placed)
    }
}
