//! In what catalog and repositories differ.

use holdfast_types::Name;
use sea_orm::entity::prelude::*;

use crate::column::{Moment, Text};
use crate::entity::word::FindingKind;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "findings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Text<FindingKind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub cluster: Option<Text<Name>>,
    pub detail: String,
    pub first_seen: Moment,
    pub last_seen: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
