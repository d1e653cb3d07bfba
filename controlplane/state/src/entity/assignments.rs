//! Who does what, under which generation (I-04).

use holdfast_types::{AgentId, AssignmentId, JobId, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Text};
use crate::entity::word::{AssignmentKind, AssignmentState};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "assignments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Text<AssignmentKind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub id: Text<AssignmentId>,
    pub job: Option<Text<JobId>>,
    pub cluster: Text<Name>,
    pub repository: Text<Name>,
    pub agent: Text<AgentId>,
    pub generation: Count,
    pub state: Text<AssignmentState>,
    pub since: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
