//! What each repository says it is.

use holdfast_types::{Name, RepositoryId};
use sea_orm::entity::prelude::*;

use crate::column::{Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "repository_identities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub repository: Text<Name>,
    pub identity: Text<RepositoryId>,
    pub recorded_at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
