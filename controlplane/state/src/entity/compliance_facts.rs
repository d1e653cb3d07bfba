//! Facts that verdicts are computed from: rows that are written once.

use holdfast_compliance::Fact;
use holdfast_types::Name;
use sea_orm::entity::prelude::*;

use crate::column::{Count, Flag, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "compliance_facts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub log_index: Count,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: Count,
    pub at: Moment,
    pub known: Moment,
    pub subject: String,
    pub ends: Flag,
    pub fact: Json<Fact>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
