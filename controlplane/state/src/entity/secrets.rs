//! Sealed secrets.

use holdfast_types::Name;
use sea_orm::entity::prelude::*;

use crate::Sealed;
use crate::column::{Bytes, Count, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "secrets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: Text<Name>,
    pub sealed: Bytes<Sealed>,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
