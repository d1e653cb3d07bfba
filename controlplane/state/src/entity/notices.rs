//! What each channel is told, and how far that is: the outbox.

use holdfast_types::alarm::{AlarmRule, DeliveryState, NoticeAlarm, NoticeKind};
use holdfast_types::{Name, NoticeId};
use sea_orm::entity::prelude::*;

use crate::column::{Count, Json, Moment, Text};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "notices")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Text<NoticeId>,
    pub channel: Text<Name>,
    pub kind: Text<NoticeKind>,
    pub rule: Text<AlarmRule>,
    pub fleet: Option<Text<Name>>,
    /// The first notice of what this one goes on about.
    pub thread: Text<NoticeId>,
    /// The alarms as they were: a repeat says the same.
    pub alarms: Json<Vec<NoticeAlarm>>,
    /// How many of the thread are still open, or not acknowledged.
    pub remaining: Count,
    pub created_at: Moment,
    pub state: Text<DeliveryState>,
    pub attempts: Count,
    pub next_at: Option<Moment>,
    /// What came of the last attempt that failed; never a secret (I-10).
    pub error: Option<String>,
    pub done_at: Option<Moment>,
    pub revision: Count,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
