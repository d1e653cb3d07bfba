//! Refresh tokens that were exchanged.

use holdfast_types::SessionId;
use sea_orm::entity::prelude::*;

use crate::Digest;
use crate::column::{Bytes, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "spent_refreshes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub refresh: Bytes<Digest>,
    pub session: Text<SessionId>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
