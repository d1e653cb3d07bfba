//! WAL in repositories, as ranges.

use holdfast_types::{Lineage, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Position, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "wal_ranges")]
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
    pub to_lsn: Position,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
