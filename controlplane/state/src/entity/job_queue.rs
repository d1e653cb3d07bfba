//! What the queue must know of the jobs of runs while they are not over.

use holdfast_types::schedule::RunId;
use holdfast_types::{JobId, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Rank, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_queue")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job: Text<JobId>,
    pub run: Text<RunId>,
    pub cluster: Text<Name>,
    pub schedule: Text<Name>,
    pub due: Moment,
    pub priority: Rank,
    pub latest: Option<Moment>,
    pub idle_timeout_ms: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
