//! Holes that will not be filled by themselves.

use holdfast_types::{Lineage, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Position, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "wal_gaps")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub lineage: Text<Lineage>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub timeline: Count,
    #[sea_orm(primary_key, auto_increment = false)]
    pub from_lsn: Position,
    #[sea_orm(primary_key, auto_increment = false)]
    pub to_lsn: Position,
    pub reason: String,
    pub recorded_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
