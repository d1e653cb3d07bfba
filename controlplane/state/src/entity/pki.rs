//! The certificate authority: one row.

use sea_orm::entity::prelude::*;

use crate::Sealed;
use crate::column::{Bytes, Moment};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "pki")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    pub ca_certificate: String,
    pub ca_key: Bytes<Sealed>,
    pub founder: String,
    pub created_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
