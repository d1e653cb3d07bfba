//! Backups, and what is left of attempts, that are to be deleted or were (I-06).

use holdfast_types::{BackupId, Lineage, Name};
use sea_orm::entity::prelude::*;

use super::word::{CondemnCause, Deletion};
use crate::column::{Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "condemned")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub backup: Text<BackupId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    pub cluster: Text<Name>,
    pub lineage: Text<Lineage>,
    pub cause: Text<CondemnCause>,
    pub reason: String,
    pub state: Text<Deletion>,
    pub condemned_at: Moment,
    pub delete_after: Moment,
    pub deleted_at: Option<Moment>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
