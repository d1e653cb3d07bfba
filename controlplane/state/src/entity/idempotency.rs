//! Replies kept under the caller's key (I-14).

use sea_orm::entity::prelude::*;

use crate::column::{Bytes, Moment, Text};
use crate::{Digest, Principal};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub principal: Text<Principal>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub fingerprint: Bytes<Digest>,
    pub reply: Vec<u8>,
    pub at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
