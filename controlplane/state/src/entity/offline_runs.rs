//! Runs whose record an agent made on its own (I-08).

use holdfast_types::Name;
use holdfast_types::schedule::{RunId, RunReason, RunState};
use sea_orm::entity::prelude::*;

use crate::column::{Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "offline_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub run: Text<RunId>,
    pub agent: Text<Name>,
    pub state_before: Option<Text<RunState>>,
    pub reason_before: Option<Json<RunReason>>,
    pub at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
