//! Phases of attempts.

use holdfast_types::{JobId, JobPhase};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_phases")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job: Text<JobId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attempt: Count,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: Count,
    pub phase: Text<JobPhase>,
    pub started_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
