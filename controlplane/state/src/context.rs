//! What a command has in its hands while it is applied: the transaction, the
//! entry's time and index, and places for effects and audit details.

use std::sync::OnceLock;

use holdfast_types::resource::Kind;
use holdfast_types::{AgentId, Generation, JobId, Name, Revision};
use jiff::Timestamp;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, ModelTrait, QueryFilter,
    Statement, Value,
};

use crate::column::Text;
use crate::entity::{agents, jobs, resources};
use crate::lookup::Lookup;
use crate::{
    Command, Effect, Noun, Principal, Refusal, Reply, StateError, TaskName, audit, row, schema,
};

/// Why a command did not do what it says.
#[derive(Debug)]
pub enum Stop {
    /// A replicated answer: every node refuses alike, and nothing was written.
    Refused(Refusal),
    /// This node failed and must stop.
    Failed(StateError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StateError> for Stop {
    fn from(error: StateError) -> Self {
        Self::Failed(error)
    }
}

impl From<DbErr> for Stop {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

/// One line of the audit log that a command asks for.
#[derive(Debug)]
pub(crate) struct AuditItem {
    pub(crate) target: String,
    pub(crate) detail: serde_json::Value,
}

/// What was done besides, by a command that other people had consented to: rows of
/// the audit log of their own.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) action: &'static str,
    pub(crate) items: Vec<AuditItem>,
    pub(crate) outcome: &'static str,
}

/// The surroundings of one command.
///
/// A command reads and checks first and writes last: once it wrote, it must
/// not refuse, for a refusal leaves nothing behind but its audit row.
#[derive(Debug)]
pub struct ApplyContext<'a> {
    tx: &'a DatabaseTransaction,
    index: u64,
    now: Timestamp,
    principal: Option<Principal>,
    /// The feature level, once it was asked for: within an entry only
    /// `RaiseLevel` changes it, which does not ask here.
    level: OnceLock<u32>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) audit: Option<Vec<AuditItem>>,
    /// Whether what is applied was consented to as it is.
    approved: bool,
    /// Who consented to it.
    approvers: Vec<Principal>,
    /// How many facts this entry has written.
    facts: u64,
    pub(crate) executed: Option<Executed>,
}

impl<'a> ApplyContext<'a> {
    pub(crate) fn new(
        tx: &'a DatabaseTransaction,
        index: u64,
        now: Timestamp,
        principal: Option<Principal>,
    ) -> Self {
        let (effects, audit) = (Vec::new(), None);
        Self {
            tx,
            index,
            now,
            principal,
            level: OnceLock::new(),
            effects,
            audit,
            approved: false,
            approvers: Vec::new(),
            facts: 0,
            executed: None,
        }
    }

    /// Whether those whom the policies ask have consented to this command.
    pub(crate) fn is_approved(&self) -> bool {
        self.approved
    }

    /// Who consented to what is applied.
    pub(crate) fn approvers(&self) -> &[Principal] {
        &self.approvers
    }

    /// The number of the next fact of this entry.
    pub(crate) fn next_fact(&mut self) -> u64 {
        self.facts += 1;
        self.facts
    }

    /// Applies a command that was consented to, in the name of who asked for it.
    /// `consent` says in the audit log who that was and who agreed (I-11).
    pub(crate) async fn run_approved(
        &mut self,
        by: Principal,
        (approvers, consent): (Vec<Principal>, serde_json::Value),
        command: Command,
    ) -> Result<Reply, StateError> {
        let action = command.name();
        let described = AuditItem {
            target: command.target(),
            detail: command.audit_detail(),
        };
        let voter = self.principal.replace(by);
        let (effects, audit) = (std::mem::take(&mut self.effects), self.audit.take());
        (self.approved, self.approvers) = (true, approvers);
        let reply = command.apply(self).await;
        (self.approved, self.approvers) = (false, Vec::new());
        self.principal = voter;
        let mut items = self.audit.take().unwrap_or_else(|| vec![described]);
        self.audit = audit;
        self.effects.extend(effects);
        let reply = reply?;
        let refusal = reply.refusal();
        let refusal = refusal.map_err(|error| StateError::corrupt(error.to_string()))?;
        for item in &mut items {
            let detail = std::mem::take(&mut item.detail);
            item.detail = serde_json::json!({"detail": detail, "consent": consent});
        }
        self.executed = Some(Executed {
            action,
            items,
            outcome: refusal.as_ref().map_or(audit::ACCEPTED, Refusal::code),
        });
        Ok(reply)
    }

    pub(crate) fn tx(&self) -> &'a DatabaseTransaction {
        self.tx
    }

    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// The entry's time, never before that of an earlier entry.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Refuses what the group is not ready for: a node that does not know this
    /// command yet may still be among its members.
    pub(crate) async fn needs_level(&self, needed: u32) -> Result<(), Stop> {
        let current = self.level().await?;
        if current < needed {
            return Err(Refusal::LevelTooLow { needed, current }.into());
        }
        Ok(())
    }

    /// Whether the tables of this level are there.
    pub(crate) async fn has_level(&self, level: u32) -> Result<bool, StateError> {
        Ok(self.level().await? >= level)
    }

    async fn level(&self) -> Result<u32, StateError> {
        if let Some(known) = self.level.get() {
            return Ok(*known);
        }
        let read = schema::version(self.tx).await?;
        Ok(*self.level.get_or_init(|| read))
    }

    /// The revision of everything this command writes: the log index, equal on
    /// every node.
    pub(crate) fn revision(&self) -> Revision {
        Revision(self.index)
    }

    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn activate(&mut self, task: TaskName) {
        self.effect(Effect::Activate(task));
    }

    pub(crate) fn changed(&mut self, plural: &'static str, key: impl ToString) {
        let (key, revision) = (key.to_string(), self.revision());
        self.effect(Effect::Changed {
            plural,
            key,
            revision,
        });
    }

    /// Replaces the audit row that the command's own description would give.
    pub(crate) fn audit_instead(&mut self, items: Vec<AuditItem>) {
        self.audit = Some(items);
    }

    /// Writes a row, whether or not one of its key exists.
    pub(crate) async fn put<M: ModelTrait>(&self, row: M) -> Result<(), StateError> {
        Ok(row::put(self.tx, &row).await?)
    }

    /// Writes a row of a key that does not exist yet.
    pub(crate) async fn insert<M: ModelTrait>(&self, row: M) -> Result<(), StateError> {
        Ok(row::insert(self.tx, &row).await?)
    }

    /// Runs a statement with positional values.
    pub(crate) async fn execute(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, StateError> {
        let backend = self.tx.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.tx.execute_raw(statement).await?.rows_affected())
    }

    /// Whether a query finds a row.
    pub(crate) async fn exists(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<bool, StateError> {
        let backend = self.tx.get_database_backend();
        let sql = format!("SELECT 1 WHERE EXISTS ({sql})");
        let statement = Statement::from_sql_and_values(backend, sql, values);
        Ok(self.tx.query_one_raw(statement).await?.is_some())
    }

    pub(crate) async fn resource(
        &self,
        kind: Kind,
        name: &Name,
    ) -> Result<Option<resources::Model>, StateError> {
        let key = (Text(kind), Text(name.clone()));
        Ok(row::read::<resources::Entity>(self.tx, key).await?)
    }

    /// An agent that may act.
    pub(crate) async fn live_agent(&self, agent: AgentId) -> Result<agents::Model, Stop> {
        let found = row::read::<agents::Entity>(self.tx, Text(agent)).await?;
        Self::live(found, agent)
    }

    /// An agent that may act, by name.
    pub(crate) async fn live_agent_named(&self, name: &Name) -> Result<agents::Model, Stop> {
        let found = agents::Entity::find()
            .filter(agents::Column::Name.eq(name.as_str()))
            .only(self.tx)
            .await?;
        Self::live(found, name)
    }

    fn live(
        found: Option<agents::Model>,
        wanted: impl std::fmt::Display,
    ) -> Result<agents::Model, Stop> {
        let agent = found.ok_or_else(|| Refusal::not_found(Noun::Agent, wanted))?;
        if agent.revoked_at.is_some() {
            let name = agent.name.0;
            return Err(Refusal::AgentRevoked { name }.into());
        }
        Ok(agent)
    }

    /// A job that has not ended.
    pub(crate) async fn open_job(&self, job: JobId) -> Result<jobs::Model, Stop> {
        let found = row::read::<jobs::Entity>(self.tx, Text(job)).await?;
        let row = found.ok_or_else(|| Refusal::not_found(Noun::Job, job))?;
        let state = row.state.0;
        if state.is_terminal() {
            return Err(Refusal::JobFinal { job, state }.into());
        }
        Ok(row)
    }

    /// A job that is in the hands of the caller: it has not ended, and its
    /// generation is the caller's (I-04).
    pub(crate) async fn held_job(
        &self,
        job: JobId,
        generation: Generation,
    ) -> Result<jobs::Model, Stop> {
        let row = self.open_job(job).await?;
        let current = Generation(row.generation.0);
        if current != generation {
            return Err(Refusal::StaleGeneration { current }.into());
        }
        let state = row.state.0;
        if state == holdfast_types::JobState::Queued {
            return Err(Refusal::JobState { job, state }.into());
        }
        Ok(row)
    }

    /// Every agent's duties may read differently now: wake all that have any.
    pub(crate) async fn wake_working_agents(&mut self) -> Result<(), StateError> {
        use crate::entity::assignments::{Column, Entity};
        use crate::entity::word::AssignmentState;
        use sea_orm::{QueryOrder, QuerySelect};

        let agents: Vec<Text<AgentId>> = Entity::find()
            .select_only()
            .column(Column::Agent)
            .distinct()
            .filter(Column::State.eq(AssignmentState::Active.to_string()))
            .order_by_asc(Column::Agent)
            .into_tuple()
            .all(self.tx)
            .await?;
        for agent in agents {
            self.effect(Effect::AgentChanged(agent.0));
        }
        Ok(())
    }

    /// From where the WAL of a cluster is received may have changed: wakes the
    /// agents of all its instances, which keep slots.
    pub(crate) async fn wake_instances(&mut self, cluster: &Name) -> Result<(), StateError> {
        use crate::entity::resource_references::{Column, Entity};
        use crate::entity::word::ReferenceKind;
        use sea_orm::{QueryOrder, QuerySelect};

        let named: Vec<Text<Name>> = Entity::find()
            .select_only()
            .column(Column::Target)
            .distinct()
            .filter(Column::Kind.eq(Text(Kind::Cluster)))
            .filter(Column::Name.eq(cluster.as_str()))
            .filter(Column::TargetKind.eq(Text(ReferenceKind::Agent)))
            .order_by_asc(Column::Target)
            .into_tuple()
            .all(self.tx)
            .await?;
        for name in named {
            match self.live_agent_named(&name.0).await {
                Ok(agent) => self.effect(Effect::AgentChanged(agent.id.0)),
                // A document may name an agent that is gone.
                Err(Stop::Refused(_)) => {}
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
