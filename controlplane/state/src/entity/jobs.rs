//! Jobs.

use holdfast_types::{BackupId, Failure, JobId, JobKind, JobPhase, JobState, Name};
use sea_orm::entity::prelude::*;
use serde_json::Value;

use crate::Principal;
use crate::column::{Count, Flag, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<JobId>,
    pub kind: Text<JobKind>,
    pub state: Text<JobState>,
    pub cluster: Text<Name>,
    pub repository: Text<Name>,
    pub agent: Option<Text<Name>>,
    pub holder: Option<Text<Name>>,
    pub spec: Json<Value>,
    pub created_by: Option<Text<Principal>>,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub started_at: Option<Moment>,
    pub finished_at: Option<Moment>,
    pub not_before: Option<Moment>,
    pub attempts: Count,
    pub attempts_max: Count,
    pub generation: Count,
    pub phase: Option<Text<JobPhase>>,
    pub cancel_requested: Flag,
    pub backup: Option<Text<BackupId>>,
    pub result: Option<Json<Value>>,
    pub failure: Option<Json<Failure>>,
    pub superseded_by: Option<Text<BackupId>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
