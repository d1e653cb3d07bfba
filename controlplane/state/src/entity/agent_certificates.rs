//! Renewed certificates that their agents have not shown yet.

use holdfast_types::AgentId;
use sea_orm::entity::prelude::*;

use crate::Digest;
use crate::column::{Bytes, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "agent_certificates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub agent: Text<AgentId>,
    pub fingerprint: Bytes<Digest>,
    pub serial: String,
    pub expires_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
