//! What agents saw of their PostgreSQL servers.

use holdfast_types::{AgentId, InstanceFacts, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "instances")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent: Text<AgentId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster: Text<Name>,
    pub facts: Json<InstanceFacts>,
    pub recorded_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
