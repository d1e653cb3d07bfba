//! Which document names what.

use holdfast_types::Name;
use holdfast_types::resource::Kind;
use sea_orm::entity::prelude::*;

use crate::column::Text;
use crate::entity::word::ReferenceKind;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "resource_references")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Text<Kind>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: Text<Name>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub target_kind: Text<ReferenceKind>,
    pub target: Text<Name>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
