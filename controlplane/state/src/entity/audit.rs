//! The audit log (I-11).

use holdfast_types::RequestId;
use sea_orm::entity::prelude::*;
use serde_json::Value;

use crate::column::{Bytes, Count, Json, Moment, Text};
use crate::{Digest, Principal};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: Count,
    pub log_index: Count,
    pub at: Moment,
    pub principal: Text<Principal>,
    pub request: Text<RequestId>,
    pub remote: Option<String>,
    pub action: String,
    pub target: String,
    pub detail: Json<Value>,
    pub outcome: String,
    pub previous: Bytes<Digest>,
    pub hash: Bytes<Digest>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
