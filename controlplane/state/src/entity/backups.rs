//! Backups.

use holdfast_types::{BackupId, BackupKind, BackupState, Failure, JobId, Lineage, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Position, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<BackupId>,
    pub job: Text<JobId>,
    pub attempt: Count,
    pub cluster: Text<Name>,
    pub repository: Text<Name>,
    pub kind: Text<BackupKind>,
    pub parent: Option<Text<BackupId>>,
    pub state: Text<BackupState>,
    pub lineage: Option<Text<Lineage>>,
    pub timeline: Option<Count>,
    pub start_lsn: Option<Position>,
    pub stop_lsn: Option<Position>,
    pub started_at: Moment,
    pub finished_at: Option<Moment>,
    pub database_bytes: Option<Count>,
    pub added_bytes: Option<Count>,
    pub server_version: Option<Count>,
    pub failure: Option<Json<Failure>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
