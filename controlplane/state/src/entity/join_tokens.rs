//! One-time tokens with which agents enrol.

use holdfast_types::{AgentId, JoinTokenId};
use sea_orm::entity::prelude::*;

use crate::Digest;
use crate::column::{Bytes, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "join_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<JoinTokenId>,
    pub hash: Bytes<Digest>,
    pub region: Option<String>,
    pub created_at: Moment,
    pub expires_at: Moment,
    pub used_at: Option<Moment>,
    pub used_by: Option<Text<AgentId>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
