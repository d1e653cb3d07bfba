//! Attempts of jobs.

use holdfast_types::{AgentId, Failure, JobId, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Text};
use crate::entity::word::AttemptOutcome;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job: Text<JobId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: Count,
    pub generation: Count,
    pub agent: Text<AgentId>,
    pub agent_name: Text<Name>,
    pub leased_at: Moment,
    pub started_at: Option<Moment>,
    pub finished_at: Option<Moment>,
    pub outcome: Option<Text<AttemptOutcome>>,
    pub failure: Option<Json<Failure>>,
    pub log: Json<Vec<String>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
