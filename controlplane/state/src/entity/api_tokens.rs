//! API tokens.

use holdfast_types::{Name, TokenId, UserId};
use sea_orm::entity::prelude::*;

use crate::Digest;
use crate::column::{Bytes, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<TokenId>,
    pub name: Text<Name>,
    pub user: Text<UserId>,
    pub hash: Bytes<Digest>,
    pub created_at: Moment,
    pub expires_at: Option<Moment>,
    pub revoked_at: Option<Moment>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
