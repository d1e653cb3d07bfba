//! Enrolled and revoked agents.

use holdfast_types::{AgentId, Name};
use sea_orm::entity::prelude::*;

use crate::Digest;
use crate::column::{Bytes, Count, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "agents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<AgentId>,
    pub name: Text<Name>,
    pub region: Option<String>,
    pub serial: String,
    pub fingerprint: Bytes<Digest>,
    pub certificate_expires_at: Moment,
    pub enrolled_at: Moment,
    pub revoked_at: Option<Moment>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
