//! The control plane's own nodes.

use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Text};
use crate::entity::word::NodeState;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "nodes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    pub name: String,
    pub state: Text<NodeState>,
    pub since: Moment,
    pub joined_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
