//! Excuses from objectives, for a while.

use holdfast_types::{ExemptionId, Name};
use sea_orm::entity::prelude::*;

use crate::Principal;
use crate::column::{Count, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "exemptions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<ExemptionId>,
    pub cluster: Text<Name>,
    pub reason: String,
    pub requested_by: Text<Principal>,
    pub approved_by: Json<Vec<Principal>>,
    pub granted_at: Moment,
    pub until: Moment,
    pub ended_at: Option<Moment>,
    pub ended_by: Option<Text<Principal>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
