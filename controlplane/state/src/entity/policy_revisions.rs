//! What policies said at each of their revisions.

use holdfast_types::Name;
use holdfast_types::resource::Document;
use sea_orm::entity::prelude::*;

use crate::Principal;
use crate::column::{Count, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "policy_revisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub policy: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: Count,
    pub document: Option<Json<Document>>,
    pub changed_by: Option<Text<Principal>>,
    pub changed_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
