//! Backups that people keep from expiry.

use holdfast_types::BackupId;
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "holds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub backup: Text<BackupId>,
    pub reason: String,
    pub until: Option<Moment>,
    pub placed_by: String,
    pub placed_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
