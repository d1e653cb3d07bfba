//! Every checkpoint of a frontier.

use holdfast_types::{Lineage, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Position, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "exposure_facts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub log_index: Count,
    pub lineage: Text<Lineage>,
    pub timeline: Count,
    pub lsn: Position,
    pub event_time: Moment,
    #[sea_orm(primary_key, auto_increment = false)]
    pub recorded_time: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
