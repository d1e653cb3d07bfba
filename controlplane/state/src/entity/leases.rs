//! Attempts by what their reports name (I-04).

use holdfast_types::{AgentId, AssignmentId, BackupId, JobId, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Flag, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "leases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub assignment: Text<AssignmentId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub generation: Count,
    pub job: Text<JobId>,
    pub agent: Text<AgentId>,
    pub agent_name: Text<Name>,
    pub attempt: Count,
    pub backup: Option<Text<BackupId>>,
    pub taken_back: Flag,
    pub at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
