//! The facts that still hold, by what they are about.

use holdfast_compliance::Fact;
use holdfast_types::Name;
use sea_orm::entity::prelude::*;

use crate::column::{Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "compliance_in_force")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    pub at: Moment,
    pub known: Moment,
    pub fact: Json<Fact>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
