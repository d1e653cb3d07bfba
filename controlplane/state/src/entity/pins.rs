//! Backups that are kept because an incremental may build on them (I-06).

use holdfast_types::BackupId;
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Text};
use crate::pins::PinHolder;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pins")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub holder: Text<PinHolder>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub backup: Text<BackupId>,
    pub until: Moment,
    pub pinned_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
