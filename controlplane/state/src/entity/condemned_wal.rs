//! WAL that is to be deleted or was, as ranges that do not overlap (I-06).

use holdfast_types::{Lineage, Name};
use sea_orm::entity::prelude::*;

use super::word::Deletion;
use crate::column::{Count, Moment, Position, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "condemned_wal")]
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
    pub state: Text<Deletion>,
    pub condemned_at: Moment,
    pub delete_after: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
