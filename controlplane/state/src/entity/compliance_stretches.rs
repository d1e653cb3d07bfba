//! Claims of frontiers that followed each other quickly, kept as one. A closed row never
//! changes.

use holdfast_compliance::Stretch;
use holdfast_types::Name;
use sea_orm::entity::prelude::*;

use crate::column::{Flag, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "compliance_stretches")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub cluster: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub first_at: Moment,
    pub last_at: Moment,
    pub known_from: Moment,
    pub known_to: Moment,
    pub closed: Flag,
    pub stretch: Json<Stretch>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
