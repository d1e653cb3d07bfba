//! What drills showed: rows that are written once.

use holdfast_types::drill::{DrillEvidence, DrillKind, DrillVerdict};
use holdfast_types::{BackupId, DrillId, Failure, JobId, Name, RestoreTarget};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Position, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "drills")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<DrillId>,
    pub job: Text<JobId>,
    pub cluster: Text<Name>,
    pub fleet: Option<Text<Name>>,
    pub schedule: Option<Text<Name>>,
    pub repository: Text<Name>,
    pub agent: Text<Name>,
    pub backup: Option<Text<BackupId>>,
    pub kind: Option<Text<DrillKind>>,
    pub target: Option<Text<RestoreTarget>>,
    pub target_at: Option<Moment>,
    pub reached_at: Option<Moment>,
    pub reached_lsn: Option<Position>,
    pub asked_at: Moment,
    pub started_at: Moment,
    pub finished_at: Moment,
    pub verdict: Text<DrillVerdict>,
    pub cause: Option<Json<Failure>>,
    pub rto_ms: Option<Count>,
    pub rpo_ms: Option<Count>,
    pub queue_ms: Count,
    pub evidence: Option<Json<DrillEvidence>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
