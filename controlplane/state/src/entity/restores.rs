//! Restores, from their plan to their end.

use holdfast_types::restoring::{
    CopyTried, HandedOver, RestoreCheck, RestoreOrder, RestoreState, RestoreStep,
};
use holdfast_types::{ApprovalId, Failure, Name, RestoreId};
use sea_orm::entity::prelude::*;
use serde_json::Value;

use crate::column::{Bytes, Count, Json, Moment, Text};
use crate::{Digest, Principal};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "restores")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<RestoreId>,
    pub state: Text<RestoreState>,
    pub cluster: Text<Name>,
    pub fleet: Option<Text<Name>>,
    pub agent: Text<Name>,
    pub dir: String,
    /// The repository it is read from, or was last.
    pub repository: Text<Name>,
    pub plan_hash: Bytes<Digest>,
    /// What is executed. Never changed.
    pub restore_order: Json<RestoreOrder>,
    pub history: Json<Vec<RestoreStep>>,
    /// Copies that could not be read.
    pub tried: Json<Vec<CopyTried>>,
    pub checks: Json<Vec<RestoreCheck>>,
    pub handed_over: Json<Vec<HandedOver>>,
    pub approval: Option<Text<ApprovalId>>,
    pub requested_by: Option<Text<Principal>>,
    pub created_at: Moment,
    /// When somebody began it.
    pub begun_at: Option<Moment>,
    /// When its agent was done.
    pub restored_at: Option<Moment>,
    pub finished_at: Option<Moment>,
    pub loss_ms: Option<Count>,
    pub rto_ms: Option<Count>,
    pub result: Option<Json<Value>>,
    pub failure: Option<Json<Failure>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
