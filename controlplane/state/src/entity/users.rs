//! Users.

use holdfast_types::{Name, UserId};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<UserId>,
    pub name: Text<Name>,
    pub password: String,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
