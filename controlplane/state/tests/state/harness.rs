//! A database in memory that entries are applied to.

use std::collections::BTreeSet;

use holdfast_state::apply::{Applied, Batch, apply_entry};
use holdfast_state::command::{
    AppliedDocument, ApplyDocuments, Change, Consent, Rehearsal, RehearsedDocument,
};
use holdfast_state::{
    Cause, Command, Effect, Entry, IdempotencyKey, Principal, Refusal, ReplicatedCommand, Reply,
    dump, schema,
};
use holdfast_types::resource::Kind;
use holdfast_types::{Name, RequestId, Revision};
use jiff::{SignedDuration, Timestamp};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, TransactionTrait};
use uuid::Uuid;

/// A fresh database with its tables.
pub(crate) async fn database() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let conn = Database::connect(options).await.unwrap();
    let tx = conn.begin().await.unwrap();
    schema::create(&tx).await.unwrap();
    tx.commit().await.unwrap();
    conn
}

pub(crate) async fn dump_of(conn: &DatabaseConnection) -> String {
    let mut text = Vec::new();
    dump::ordered_dump(conn, &mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// The tables that a refused command may touch.
const BOOKKEEPING: [&str; 3] = ["audit", "idempotency", "meta"];

/// A dump without the tables that record that something was asked.
pub(crate) fn without_bookkeeping(dump: &str) -> String {
    let mut keep = true;
    let mut text = String::new();
    for line in dump.lines() {
        if !line.starts_with(' ') {
            keep = !BOOKKEEPING.contains(&line);
        }
        if keep {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The rows of one table in a dump.
pub(crate) fn table<'a>(dump: &'a str, name: &str) -> Vec<&'a str> {
    dump.lines()
        .skip_while(|line| *line != name)
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        .collect()
}

/// The state under test.
pub(crate) struct TestState {
    pub(crate) conn: DatabaseConnection,
    pub(crate) now: Timestamp,
    pub(crate) index: u64,
    /// The effects of the last entry.
    pub(crate) effects: BTreeSet<String>,
}

impl TestState {
    pub(crate) async fn new() -> Self {
        Self {
            conn: database().await,
            now: "2026-02-03T02:41:07Z".parse().unwrap(),
            index: 0,
            effects: BTreeSet::new(),
        }
    }

    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(crate) fn entry(&self, command: impl ReplicatedCommand) -> Entry {
        let request = RequestId::from_uuid(Uuid::from_u128(u128::from(self.index)));
        Entry {
            cause: Some(Cause {
                principal: Principal::user("admin"),
                request,
                remote: Some("192.0.2.7".to_owned()),
            }),
            ..Entry::new(self.now, command)
        }
    }

    /// Applies an entry; a refusal must leave nothing behind and wake nobody.
    /// Documents are rehearsed first, which must change nothing and tell what
    /// applying then answers.
    pub(crate) async fn apply_entry(&mut self, entry: &Entry) -> Reply {
        self.index += 1;
        let before = dump_of(&self.conn).await;
        let rehearsed = match &entry.command {
            // A repeat is answered without looking at the state.
            Command::ApplyDocuments(command) if entry.idempotency.is_none() => {
                let rehearsed = command.clone().rehearse(&self.conn).await.unwrap();
                assert_eq!(dump_of(&self.conn).await, before, "a rehearsal wrote");
                Some(rehearsed)
            }
            _ => None,
        };
        let tx = self.conn.begin().await.unwrap();
        let Applied { reply, effects } =
            apply_entry(&tx, self.index, &entry.encode()).await.unwrap();
        tx.commit().await.unwrap();
        if reply.refusal().unwrap().is_some() {
            let after = dump_of(&self.conn).await;
            assert_eq!(without_bookkeeping(&after), without_bookkeeping(&before));
            assert!(effects.is_empty(), "a refusal woke {effects:?}");
        }
        if let Some(rehearsed) = rehearsed {
            let applied = reply.outcome::<ApplyDocuments>().unwrap();
            assert_eq!(told(rehearsed), done(applied, self.index));
        }
        self.effects = effects.iter().map(effect).collect();
        reply
    }

    pub(crate) async fn apply<C: ReplicatedCommand>(
        &mut self,
        command: C,
    ) -> Result<C::Outcome, Refusal> {
        let entry = self.entry(command);
        let reply = self.apply_entry(&entry).await;
        reply.outcome::<C>().unwrap()
    }

    /// Applies a command that must be accepted.
    pub(crate) async fn accept<C: ReplicatedCommand>(&mut self, command: C) -> C::Outcome {
        self.apply(command).await.unwrap()
    }

    /// Applies a command that must be refused.
    pub(crate) async fn refuse<C: ReplicatedCommand>(&mut self, command: C) -> Refusal
    where
        C::Outcome: std::fmt::Debug,
    {
        self.apply(command).await.unwrap_err()
    }

    pub(crate) async fn dump(&self) -> String {
        dump_of(&self.conn).await
    }

    pub(crate) fn woke(&self, effect: &str) -> bool {
        self.effects.contains(effect)
    }
}

/// A document, what was done to it, and its revision unless that is new.
type Verdict = Result<Vec<(Kind, Name, Change, Option<Revision>)>, Refusal>;

fn told(rehearsed: Result<Rehearsal, Refusal>) -> Verdict {
    let kept = |one: &RehearsedDocument| match one.change {
        Change::Unchanged => one.revision,
        Change::Created | Change::Configured => {
            assert_eq!(one.revision.is_none(), one.change == Change::Created);
            None
        }
    };
    let tell = |one: RehearsedDocument| (one.kind, one.name.clone(), one.change, kept(&one));
    let Rehearsal { documents, consent } = rehearsed?;
    match consent {
        None => Ok(documents.into_iter().map(tell).collect()),
        // Proposed alone it is refused; the rehearsal says what it would wait for.
        Some(Consent { needed, because }) => Err(Refusal::ApprovalNeeded {
            needed,
            because: because.join("; "),
        }),
    }
}

fn done(applied: Result<Vec<AppliedDocument>, Refusal>, index: u64) -> Verdict {
    let kept = |revision| (revision != Revision(index)).then_some(revision);
    let tell = |one: AppliedDocument| (one.kind, one.name, one.change, kept(one.revision));
    applied.map(|all| all.into_iter().map(tell).collect())
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Activate(task) => format!("task {task:?}"),
        Effect::AgentChanged(agent) => agent.to_string(),
        Effect::Changed { plural, key, .. } => format!("{plural}/{key}"),
    }
}

/// An entry that makes the same request as another of its key.
pub(crate) fn keyed(entry: Entry, key: &str, fingerprint: &[u8]) -> Entry {
    let principal = entry.cause.as_ref().unwrap().principal.clone();
    Entry {
        idempotency: Some(IdempotencyKey {
            key: key.to_owned(),
            principal,
            fingerprint: holdfast_state::Digest::of(fingerprint),
        }),
        ..entry
    }
}

/// Applies encoded entries in batches of these sizes, the last one repeating.
pub(crate) async fn apply_batched(
    conn: &DatabaseConnection,
    entries: &[Vec<u8>],
    sizes: &[usize],
) -> Vec<Vec<u8>> {
    let mut replies = Vec::new();
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(1));
    let mut rest = entries;
    while !rest.is_empty() {
        let size = sizes.next().unwrap().clamp(1, rest.len());
        let (batch, later) = rest.split_at(size);
        let tx = conn.begin().await.unwrap();
        let mut applying = Batch::begin(&tx).await.unwrap();
        for bytes in batch {
            let index = replies.len() as u64 + 1;
            let applied = applying.apply(index, bytes).await.unwrap();
            replies.push(applied.reply.as_bytes().to_vec());
        }
        applying.finish().await.unwrap();
        tx.commit().await.unwrap();
        rest = later;
    }
    replies
}
