//! Alarms, silences and channels: shown, taken on, held back and tried.

mod channel;
mod facts;

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_state::command::{AcknowledgeAlarm, EndSilence, SilenceAlarms};
use holdfast_state::query::{self, AlarmFilter, Page, PageRequest};
use holdfast_state::schema;
use holdfast_types::access::{Permission, Place, Visible};
use holdfast_types::alarm::{AlarmDetail, AlarmRule, Severity};
use holdfast_types::resource::Labels;
use holdfast_types::{AlarmId, Name, NoticeId, SilenceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::access::forbidden;
use super::backup::refuse_below;
use super::caller::Caller;
use super::error::{AppError, Result};
use crate::plan::alarm::is_silenced;

pub use channel::{ChannelTest, DeliveryView};

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Alarm)]
pub struct AlarmView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AlarmId,
    /// `open` or `closed`.
    pub state: &'static str,
    /// What it was raised for.
    pub rule: AlarmRule,
    /// The same in a few words.
    pub title: &'static str,
    /// What it is about, such as `clusters/orders`.
    pub subject: String,
    /// The fleet that it belongs to; null when it belongs to none.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// The cluster that it is about.
    #[schema(value_type = Option<String>)]
    pub cluster: Option<Name>,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as when it happened last.
    #[serde(flatten)]
    pub detail: AlarmDetail,
    /// What to do about it.
    pub advice: &'static str,
    /// How often it happened while it was open.
    pub count: u64,
    /// When it was noticed.
    pub opened_at: Timestamp,
    /// When it happened last.
    pub last_seen_at: Timestamp,
    /// When it was over.
    pub closed_at: Option<Timestamp>,
    /// When somebody took it on.
    pub acknowledged_at: Option<Timestamp>,
    /// Who: `user:ada`.
    pub acknowledged_by: Option<String>,
    /// What there was to say to it.
    pub note: Option<String>,
    /// Until when nobody is told of it; null when no silence fits.
    pub silenced_until: Option<Timestamp>,
    /// The channels that were told of it, with the first notice of the thread in which
    /// that was.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub told: BTreeMap<Name, NoticeId>,
}

/// A time in which alarms are not told.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Silence)]
pub struct SilenceView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SilenceId,
    /// Only of this rule; null is any.
    pub rule: Option<AlarmRule>,
    /// Only of this fleet; null is any.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// Only of this cluster; null is any.
    #[schema(value_type = Option<String>)]
    pub cluster: Option<Name>,
    /// Why.
    pub reason: String,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who said so: `user:ada`.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl From<query::SilenceView> for SilenceView {
    fn from(found: query::SilenceView) -> Self {
        Self {
            id: found.id,
            rule: found.rule,
            fleet: found.fleet,
            cluster: found.cluster,
            reason: found.reason,
            until: found.until,
            created_by: found.created_by.to_string(),
            created_at: found.created_at,
        }
    }
}

/// Alarms of which nobody is to be told for a while. What is not said does not narrow
/// it.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SilenceRequest)]
pub struct WantedSilence {
    /// Only of this rule.
    #[serde(default)]
    pub rule: Option<AlarmRule>,
    /// Only of this fleet.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// Only of this cluster.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub cluster: Option<Name>,
    /// When it ends by itself, within 31 days.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

fn show(found: query::AlarmView, silences: &[query::SilenceView], now: Timestamp) -> AlarmView {
    let is_open = found.closed_at.is_none();
    let silence = is_silenced(&found, silences, now).filter(|_| is_open);
    AlarmView {
        id: found.id,
        state: if is_open { "open" } else { "closed" },
        rule: found.rule,
        title: found.rule.title(),
        subject: found.subject,
        fleet: found.fleet,
        cluster: found.cluster,
        severity: found.severity,
        detail: found.detail,
        advice: found.rule.advice(),
        count: found.count,
        opened_at: found.opened_at,
        last_seen_at: found.seen_at,
        closed_at: found.closed_at,
        acknowledged_at: found.acknowledged_at,
        acknowledged_by: found.acknowledged_by.map(|by| by.to_string()),
        note: found.note,
        silenced_until: silence.map(|silence| silence.until),
        told: found
            .told
            .into_iter()
            .map(|(channel, told)| (channel, told.thread))
            .collect(),
    }
}

impl App {
    /// One page of alarms, newest first.
    pub async fn alarms(
        &self,
        by: &Caller,
        filter: &AlarmFilter,
        page: &PageRequest,
    ) -> Result<Page<AlarmView>> {
        let view = self.read(by).await?;
        let filter = AlarmFilter {
            visible: self.visible(&view, by, Permission::AlarmsRead).await?,
            ..filter.clone()
        };
        let now = Timestamp::now();
        let silences = query::silences(view.connection(), now).await?;
        let found = query::alarms(view.connection(), &filter, page).await?;
        Ok(found.map(|alarm| show(alarm, &silences, now)))
    }

    /// One alarm.
    pub async fn alarm(&self, by: &Caller, id: AlarmId) -> Result<AlarmView> {
        let view = self.read(by).await?;
        let found = self
            .alarm_seen(&view, by, id, Permission::AlarmsRead)
            .await?;
        let now = Timestamp::now();
        let silences = query::silences(view.connection(), now).await?;
        Ok(show(found, &silences, now))
    }

    /// Takes an alarm on: it escalates no further.
    pub async fn acknowledge_alarm(
        &self,
        by: &Caller,
        alarm: AlarmId,
        note: Option<String>,
    ) -> Result<AlarmView> {
        let view = self.node.read().await?;
        self.alarm_seen(&view, by, alarm, Permission::AlarmsWrite)
            .await?;
        self.propose(by, AcknowledgeAlarm { alarm, note }).await?;
        self.alarm(by, alarm).await
    }

    /// How many alarms are open, by severity.
    pub(super) async fn alarm_counts(
        &self,
        view: &StateView,
        by: &Caller,
    ) -> Result<BTreeMap<String, u64>> {
        let visible = self.visible(view, by, Permission::AlarmsRead).await?;
        let mut counts: BTreeMap<String, u64> =
            [Severity::Critical, Severity::Warning, Severity::Info]
                .map(|severity| (severity.to_string(), 0))
                .into();
        for ((_, severity), count) in query::alarm_counts(view.connection(), &visible).await? {
            *counts.entry(severity.to_string()).or_default() += count;
        }
        Ok(counts)
    }

    /// The same by rule, and how each channel is doing, for metrics.
    pub(crate) async fn alarm_metrics(&self, by: &Caller) -> Result<AlarmMetrics> {
        let view = self.read(by).await?;
        let conn = view.connection();
        Ok(AlarmMetrics {
            open: query::alarm_counts(conn, &Visible::Everything).await?,
            channels: self.channels_of(&view).await?.into_keys().collect(),
            health: query::channel_health(conn).await?,
        })
    }

    /// The silences that are not over and that are about something that is seen.
    pub async fn silences(&self, by: &Caller) -> Result<Page<SilenceView>> {
        let view = self.read(by).await?;
        let mut items = Vec::new();
        for silence in query::silences(view.connection(), Timestamp::now()).await? {
            let scope = (silence.fleet.as_ref(), silence.cluster.as_ref());
            if self
                .reaches_scope(&view, by, Permission::AlarmsRead, scope)
                .await?
            {
                items.push(silence.into());
            }
        }
        Ok(Page {
            items,
            next_cursor: None,
        })
    }

    /// Says of which alarms nobody is told for a while.
    pub async fn silence_alarms(&self, by: &Caller, wanted: WantedSilence) -> Result<SilenceView> {
        let view = self.node.read().await?;
        let scope = (wanted.fleet.as_ref(), wanted.cluster.as_ref());
        self.demand_scope(&view, by, scope).await?;
        refuse_below(&view, schema::NOTICES).await?;
        let command = SilenceAlarms {
            silence: SilenceId::from_uuid(Uuid::now_v7()),
            rule: wanted.rule,
            fleet: wanted.fleet,
            cluster: wanted.cluster,
            reason: wanted.reason,
            until: wanted.until,
        };
        let id = self.propose(by, command).await?;
        let view = self.read(by).await?;
        let found = query::silence(view.connection(), id).await?;
        found
            .map(SilenceView::from)
            .ok_or_else(|| AppError::not_found("silence", id))
    }

    /// Ends a silence before its time.
    pub async fn end_silence(&self, by: &Caller, silence: SilenceId) -> Result<()> {
        let view = self.node.read().await?;
        let found = query::silence(view.connection(), silence).await?;
        let found = found.ok_or_else(|| AppError::not_found("silence", silence))?;
        let scope = (found.fleet.as_ref(), found.cluster.as_ref());
        if !self
            .reaches_scope(&view, by, Permission::AlarmsRead, scope)
            .await?
        {
            return Err(AppError::not_found("silence", silence));
        }
        self.demand_scope(&view, by, scope).await?;
        self.propose(by, EndSilence { silence }).await
    }

    /// An alarm, if the caller may do this with it. One that he does not see is to him
    /// as one that is not there.
    async fn alarm_seen(
        &self,
        view: &StateView,
        by: &Caller,
        id: AlarmId,
        permission: Permission,
    ) -> Result<query::AlarmView> {
        let unseen = || AppError::not_found("alarm", id);
        let found = query::alarm(view.connection(), id).await?;
        let found = found.ok_or_else(unseen)?;
        match &found.cluster {
            Some(cluster) => {
                let needs = (permission, Permission::AlarmsRead);
                self.demand_of(view, by, needs, cluster, unseen).await?;
            }
            None => {
                let rights = self.rights(view, by).await?;
                if !rights.everywhere(Permission::AlarmsRead) {
                    return Err(unseen());
                }
                if !rights.everywhere(permission) {
                    return Err(forbidden(permission, " for everything"));
                }
            }
        }
        Ok(found)
    }

    /// Whether a permission reaches to all that is of a fleet or a cluster, or to
    /// everything.
    async fn reaches_scope(
        &self,
        view: &StateView,
        by: &Caller,
        permission: Permission,
        (fleet, cluster): (Option<&Name>, Option<&Name>),
    ) -> Result<bool> {
        let visible = self.visible(view, by, permission).await?;
        if visible.is_everything() {
            return Ok(true);
        }
        if let Some(cluster) = cluster {
            return Ok(query::sees_cluster(view.connection(), &visible, cluster).await?);
        }
        let labels = Labels::new();
        Ok(fleet.is_some_and(|fleet| {
            visible.sees(Place {
                fleet,
                labels: &labels,
            })
        }))
    }

    async fn demand_scope(
        &self,
        view: &StateView,
        by: &Caller,
        scope: (Option<&Name>, Option<&Name>),
    ) -> Result<()> {
        let permission = Permission::AlarmsWrite;
        if self.reaches_scope(view, by, permission, scope).await? {
            return Ok(());
        }
        match scope {
            (_, Some(cluster)) => self.demand_at(view, by, permission, cluster).await,
            (Some(fleet), None) => {
                let whereof = format!(" for the fleet \"{fleet}\"");
                Err(forbidden(permission, &whereof))
            }
            (None, None) => Err(forbidden(permission, " for everything")),
        }
    }
}

/// What metrics tell of alarms.
#[derive(Debug)]
pub(crate) struct AlarmMetrics {
    pub(crate) open: BTreeMap<(AlarmRule, Severity), u64>,
    pub(crate) channels: Vec<Name>,
    pub(crate) health: BTreeMap<Name, query::ChannelHealth>,
}
