//! Declared resources.

use holdfast_types::Name;
use holdfast_types::resource::{Document, Kind, Labels};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "resources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Text<Kind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: Text<Name>,
    pub fleet: Option<Text<Name>>,
    pub labels: Json<Labels>,
    pub document: Json<Document>,
    pub revision: Count,
    pub created_revision: Count,
    pub created_at: Moment,
    pub updated_at: Moment,
    pub retired_at: Option<Moment>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
