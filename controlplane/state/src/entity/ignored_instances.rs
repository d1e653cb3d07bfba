//! PostgreSQL servers that need no protection, as somebody said.

use holdfast_types::AgentId;
use sea_orm::entity::prelude::*;

use crate::column::{Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "ignored_instances")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent: Text<AgentId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub data_directory: String,
    pub reason: String,
    pub ignored_by: String,
    pub ignored_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
