//! Keys that sign reports, with their certificates.

use sea_orm::entity::prelude::*;

use crate::Sealed;
use crate::column::{Bytes, Moment};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "report_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// PEM.
    pub certificate: String,
    pub sealed: Bytes<Sealed>,
    pub created_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
