//! Reports that were made: of what, as known when, and the hash of what came out.

use holdfast_types::{Name, ReportId};
use sea_orm::entity::prelude::*;

use crate::column::{Bytes, Count, Json, Moment, Text};
use crate::{Digest, Principal};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<ReportId>,
    pub fleet: Text<Name>,
    pub period_from: Moment,
    pub period_to: Moment,
    pub as_known_at: Moment,
    /// Those that were in the fleet: where they are now changes no report.
    pub clusters: Json<Vec<Name>>,
    pub made_by: Option<Text<Principal>>,
    pub made_at: Moment,
    /// SHA-256 of the body, once it was made.
    pub body_hash: Option<Bytes<Digest>>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
