//! Where backups are.

use holdfast_types::{BackupId, BackupKind, BackupState, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backup_repositories")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub backup: Text<BackupId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    pub kind: Text<BackupKind>,
    pub state: Text<BackupState>,
    pub started_at: Moment,
    pub recorded_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
