//! Results that came too late (I-14).

use holdfast_types::{AssignmentId, BackupId, Failure, JobId, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Flag, Json, Moment, Text};
use crate::entity::word::AttemptOutcome;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "late_results")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub assignment: Text<AssignmentId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub generation: Count,
    pub job: Text<JobId>,
    pub agent: Text<Name>,
    pub attempt: Count,
    pub outcome: Text<AttemptOutcome>,
    pub failure: Option<Json<Failure>>,
    pub backup: Option<Text<BackupId>>,
    pub backup_recorded: Flag,
    pub refused: Json<Failure>,
    pub log: Json<Vec<String>>,
    pub at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
