//! Requests for the consent of others, with the commands that they hold.

use holdfast_types::{ApprovalId, Name, UserId};
use sea_orm::entity::prelude::*;
use serde_json::Value;

use super::word::ApprovalState;
use crate::column::{Bytes, Count, Json, Moment, Text};
use crate::{Digest, Principal};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "approvals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<ApprovalId>,
    pub state: Text<ApprovalState>,
    /// The name of the command that is held.
    pub action: String,
    /// What it acts on.
    pub subject: String,
    /// The clusters that it is about; none means that it is about more than
    /// clusters.
    pub clusters: Option<Json<Vec<Name>>>,
    /// Why it needs consent.
    pub because: Json<Vec<String>>,
    /// The command, as the log would hold it.
    pub command: Json<Value>,
    /// Of what was asked for: the same is not asked for twice.
    pub digest: Bytes<Digest>,
    pub needed: Count,
    pub requested_by: Text<Principal>,
    pub user: Text<UserId>,
    pub reason: Option<String>,
    pub created_at: Moment,
    pub expires_at: Moment,
    pub decided_at: Option<Moment>,
    /// What executing it gave, or why it could not be.
    pub outcome: Option<Json<Value>>,
    /// The revision at which it was asked for: what is newer nobody consented to.
    pub asked_revision: Count,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
