//! What became of due times (I-03).

use holdfast_types::schedule::{RunId, RunReason, RunState};
use holdfast_types::{JobId, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Flag, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<RunId>,
    pub cluster: Text<Name>,
    pub schedule: Text<Name>,
    pub due: Moment,
    pub last: Moment,
    pub count: Count,
    pub state: Text<RunState>,
    pub late: Flag,
    pub reason: Option<Json<RunReason>>,
    pub job: Option<Text<JobId>>,
    pub decided_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
