//! Logins.

use holdfast_types::{SessionId, UserId};
use sea_orm::entity::prelude::*;

use crate::Digest;
use crate::column::{Bytes, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<SessionId>,
    pub user: Text<UserId>,
    pub refresh: Bytes<Digest>,
    pub created_at: Moment,
    pub refreshed_at: Moment,
    pub expires_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
