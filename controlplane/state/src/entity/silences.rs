//! Times in which alarms are not told.

use holdfast_types::alarm::AlarmRule;
use holdfast_types::{Name, SilenceId};
use sea_orm::entity::prelude::*;

use crate::Principal;
use crate::column::{Count, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "silences")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<SilenceId>,
    pub rule: Option<Text<AlarmRule>>,
    pub fleet: Option<Text<Name>>,
    pub cluster: Option<Text<Name>>,
    pub reason: String,
    pub until: Moment,
    pub created_by: Text<Principal>,
    pub created_at: Moment,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
