//! Snapshots of this state in repositories.

use holdfast_types::{Failure, Name, StateSnapshotId};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Text};
use crate::entity::word::StateSnapshotState;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "state_snapshots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<StateSnapshotId>,
    pub repository: Text<Name>,
    pub state: Text<StateSnapshotState>,
    pub requested_at: Moment,
    pub log_index: Option<Count>,
    pub taken_at: Option<Moment>,
    pub stored_bytes: Option<Count>,
    pub node: Option<String>,
    pub failure: Option<Json<Failure>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
