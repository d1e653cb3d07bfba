//! PostgreSQL servers that agents found on their hosts.

use holdfast_types::{AgentId, DiscoveredInstance};
use sea_orm::entity::prelude::*;

use crate::column::{Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "discovered_instances")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent: Text<AgentId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub data_directory: String,
    pub instance: Json<DiscoveredInstance>,
    pub first_seen: Moment,
    pub recorded_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
