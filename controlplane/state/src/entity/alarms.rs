//! Alarms, open and closed. Of a rule and a subject one is open at most.

use std::collections::BTreeMap;

use holdfast_types::alarm::{AlarmDetail, AlarmRule, Severity};
use holdfast_types::{AlarmId, Name};
use sea_orm::entity::prelude::*;

use crate::Principal;
use crate::alarms::Told;
use crate::column::{Count, Flag, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "alarms")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<AlarmId>,
    pub rule: Text<AlarmRule>,
    pub subject: String,
    pub fleet: Option<Text<Name>>,
    pub cluster: Option<Text<Name>>,
    pub severity: Text<Severity>,
    /// Tells whether it happened again: another one does.
    pub mark: String,
    pub detail: Json<AlarmDetail>,
    pub count: Count,
    pub opened_at: Moment,
    pub seen_at: Moment,
    pub closed_at: Option<Moment>,
    pub acknowledged_at: Option<Moment>,
    pub acknowledged_by: Option<Text<Principal>>,
    pub note: Option<String>,
    /// Which channels were told of it.
    pub told: Json<BTreeMap<Name, Told>>,
    /// Whether one of them has still to hear that it is over.
    pub owed: Flag,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
