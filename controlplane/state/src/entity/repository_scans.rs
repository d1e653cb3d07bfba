//! When each repository was last compared with the catalog.

use holdfast_types::{Failure, Name};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repository_scans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    pub requested_at: Option<Moment>,
    pub scanned_at: Option<Moment>,
    pub backups: Count,
    pub adopted: Count,
    pub tried_at: Option<Moment>,
    pub failure: Option<Json<Failure>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
