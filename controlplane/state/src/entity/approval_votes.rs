//! What people said to requests for approval.

use holdfast_types::{ApprovalId, UserId};
use sea_orm::entity::prelude::*;

use super::word::Vote;
use crate::Principal;
use crate::column::{Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "approval_votes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub approval: Text<ApprovalId>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user: Text<UserId>,
    pub principal: Text<Principal>,
    pub vote: Text<Vote>,
    pub note: Option<String>,
    pub at: Moment,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
