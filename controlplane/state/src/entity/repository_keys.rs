//! Sealed keys made for repositories.

use holdfast_types::Name;
use sea_orm::entity::prelude::*;

use crate::Sealed;
use crate::column::{Bytes, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repository_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    pub sealed: Bytes<Sealed>,
    pub created_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
