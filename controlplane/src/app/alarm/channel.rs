//! Channels: tried, and what they were told.

use std::collections::BTreeMap;

use holdfast_consensus::StateView;
use holdfast_state::query::{self, Page, PageRequest, ResourceFilter};
use holdfast_types::alarm::{AlarmRule, DeliveryState, NoticeAlarm, NoticeKind};
use holdfast_types::resource::{Document, Kind, NotificationChannel, Resource};
use holdfast_types::{Name, NoticeId, Secret};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::App;
use super::super::caller::Caller;
use super::super::code::Code;
use super::super::error::{AppError, Result};
use crate::notice::{Message, OpenChannel, check_secret};
use crate::secure::Purpose;

/// Something that a channel is or was told.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// The notice, by which the receiver knows a repeat: its `Idempotency-Key`.
    #[schema(value_type = String)]
    pub notice: NoticeId,
    /// The first notice of what this one goes on about.
    #[schema(value_type = String)]
    pub thread: NoticeId,
    /// What it says of its alarms.
    pub kind: NoticeKind,
    /// Their rule.
    pub rule: AlarmRule,
    /// Their fleet.
    #[schema(value_type = Option<String>)]
    pub fleet: Option<Name>,
    /// The alarms as they were.
    pub alarms: Vec<NoticeAlarm>,
    /// How many of the thread are still open, or not acknowledged.
    pub remaining: u64,
    /// `pending`, `sent` or `failed`.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u64,
    /// What came of the last attempt that failed.
    pub last_error: Option<String>,
    /// When it was to be told.
    pub created_at: Timestamp,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// When the channel took it, or it was given up.
    pub done_at: Option<Timestamp>,
}

impl From<query::NoticeView> for DeliveryView {
    fn from(found: query::NoticeView) -> Self {
        Self {
            notice: found.id,
            thread: found.thread,
            kind: found.kind,
            rule: found.rule,
            fleet: found.fleet,
            alarms: found.alarms,
            remaining: found.remaining,
            state: found.state,
            attempts: found.attempts,
            last_error: found.error,
            created_at: found.created_at,
            next_attempt_at: found.next_at,
            done_at: found.done_at,
        }
    }
}

/// What a channel said to a test message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelTest {
    /// The channel.
    #[schema(value_type = String)]
    pub channel: Name,
    /// Whether it took the message.
    pub delivered: bool,
    /// What it said, or why it could not be reached.
    pub said: String,
    /// How long that took.
    pub seconds: f64,
}

impl App {
    /// Every channel by name.
    pub(crate) async fn channels_of(
        &self,
        view: &StateView,
    ) -> Result<BTreeMap<Name, NotificationChannel>> {
        let (kind, filter) = (Kind::NotificationChannel, ResourceFilter::default());
        let (mut all, mut page) = (BTreeMap::new(), PageRequest::longest());
        loop {
            let found = query::resources(view.connection(), kind, &filter, &page).await?;
            for one in found.items {
                let name = one.name().clone();
                if let Resource::NotificationChannel(channel) = one.document.resource {
                    all.insert(name, *channel);
                }
            }
            match found.next_cursor {
                None => return Ok(all),
                cursor => page.cursor = cursor,
            }
        }
    }

    /// Sends a test message to a channel, and says what that said.
    pub async fn test_channel(&self, by: &Caller, name: &Name) -> Result<ChannelTest> {
        let view = self.node.read().await?;
        let channel = self.channel(&view, name).await?;
        let began = std::time::Instant::now();
        let key = NoticeId::from_uuid(Uuid::now_v7());
        let by = by.principal().to_string();
        let message = Message::test(name.clone(), key, Timestamp::now(), &by);
        let sent = match self.open_channel(&view, &channel).await? {
            Ok(open) => open.send(&message, self.config.alarms.timeout.get()).await,
            Err(unusable) => Err(unusable),
        };
        let delivered = sent.is_ok();
        let (Ok(said) | Err(said)) = sent;
        Ok(ChannelTest {
            channel: name.clone(),
            delivered,
            said,
            seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// One page of what a channel is and was told, newest first.
    pub async fn deliveries(
        &self,
        by: &Caller,
        name: &Name,
        state: Option<DeliveryState>,
        page: &PageRequest,
    ) -> Result<Page<DeliveryView>> {
        let view = self.read(by).await?;
        self.channel(&view, name).await?;
        let found = query::notices_of(view.connection(), name, state, page).await?;
        Ok(found.map(DeliveryView::from))
    }

    async fn channel(&self, view: &StateView, name: &Name) -> Result<NotificationChannel> {
        let kind = Kind::NotificationChannel;
        let found = query::resource(view.connection(), kind, name).await?;
        match found.map(|found| found.document.resource) {
            Some(Resource::NotificationChannel(channel)) => Ok(*channel),
            _ => Err(AppError::not_found("notification channel", name)),
        }
    }

    /// A channel with its secrets unsealed, in memory and for one use (I-10); or why it
    /// cannot be used.
    pub(crate) async fn open_channel(
        &self,
        view: &StateView,
        channel: &NotificationChannel,
    ) -> Result<std::result::Result<OpenChannel, String>> {
        let mut secrets: BTreeMap<Name, Secret> = BTreeMap::new();
        for (field, name) in channel.secrets() {
            let Some(value) = self.channel_secret(view, name).await? else {
                return Ok(Err(format!("{field}: there is no secret \"{name}\"")));
            };
            if let Err(why) = check_secret(channel, name, &value) {
                return Ok(Err(format!("{field}: the secret \"{name}\" {why}")));
            }
            secrets.insert(name.clone(), value);
        }
        Ok(OpenChannel::open(channel, &secrets))
    }

    /// Refuses channels whose secrets, as far as they are there, cannot do what they are
    /// for: that would only show when something is wrong.
    pub(in crate::app) async fn check_channels(
        &self,
        view: &StateView,
        documents: &[&Document],
    ) -> Result<()> {
        for document in documents {
            let Resource::NotificationChannel(channel) = &document.resource else {
                continue;
            };
            for (field, name) in channel.secrets() {
                // That one is missing is refused with the reference.
                let Some(value) = self.channel_secret(view, name).await? else {
                    continue;
                };
                if let Err(why) = check_secret(channel, name, &value) {
                    let message = format!("the secret \"{name}\" {why}");
                    let error = AppError::new(Code::INVALID_DOCUMENT, message);
                    return Err(error.with_field(field));
                }
            }
            OpenChannel::check(channel).map_err(|(field, why)| {
                AppError::new(Code::INVALID_DOCUMENT, why).with_field(field)
            })?;
        }
        Ok(())
    }

    /// Refuses a new value of a secret that a channel could not use.
    pub(in crate::app) async fn check_channel_secret(
        &self,
        view: &StateView,
        name: &Name,
        value: &Secret,
    ) -> Result<()> {
        for (channel, declared) in self.channels_of(view).await? {
            if let Err(why) = check_secret(&declared, name, value) {
                let message =
                    format!("the notification channel \"{channel}\" names it, and it {why}");
                return Err(AppError::invalid("value", message));
            }
        }
        Ok(())
    }

    async fn channel_secret(&self, view: &StateView, name: &Name) -> Result<Option<Secret>> {
        match query::sealed_secret(view.connection(), name).await? {
            None => Ok(None),
            Some(sealed) => {
                let plain = self.sealer.unseal_text(&Purpose::Secret(name), &sealed)?;
                Ok(Some(plain))
            }
        }
    }
}
