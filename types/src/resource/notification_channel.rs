//! Where alarms are told: by mail, by a webhook, in Slack or by PagerDuty.
//!
//! What is secret is named and never said: passwords, keys, and addresses that whoever
//! knows them may post to (I-10).

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::settings::{
    ChannelSettings, EmailSettings, MailTls, PAGERDUTY, WebhookSettings, check_address, is_loopback,
};
use super::{InvalidDocument, Labels};
use crate::alarm::Severity;
use crate::backup::as_word;
use crate::{Name, Span};

/// More would be a list, which mail servers have.
const TO_MOST: usize = 50;
const HEADERS_MOST: usize = 20;
/// Who has not looked by then is not waited for.
const AFTER_MOST: Span = Span::from_secs(7 * 24 * 3600);

/// By what a channel tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ChannelType {
    /// Mail by SMTP.
    Email,
    /// Signed JSON by HTTPS.
    Webhook,
    /// Slack, or what takes its messages.
    Slack,
    /// PagerDuty, or what takes its events.
    Pagerduty,
}

as_word!(ChannelType {
    Email = "email",
    Webhook = "webhook",
    Slack = "slack",
    Pagerduty = "pagerduty",
});

/// A channel: by what it tells, what of, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = NotificationChannelSpec))]
pub struct NotificationChannel {
    /// `email`, `webhook`, `slack` or `pagerduty`.
    #[serde(rename = "type")]
    pub channel_type: ChannelType,
    /// Only alarms of these fleets; of all when it is not said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub fleets: Vec<Name>,
    /// Only alarms of clusters with all of these labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, String>))]
    pub selector: Labels,
    /// Only alarms that are at least so bad: `info`, `warning` or `critical`; all when
    /// it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_severity: Option<Severity>,
    /// Escalation: only alarms that after so long are still open, and that nobody has
    /// acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "15m"))]
    pub after: Option<Span>,
    /// Of `email`: the mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Of `email`: its port; 587 with `starttls`, 465 with `implicit`, 25 with `none`
    /// when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Of `email`: `starttls`, which is demanded and the default, `implicit`, or `none`,
    /// which only a server on the nodes' own host is trusted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MailTls>,
    /// Of `email`: who logs in; nobody when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of `email`: the secret that holds the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub password_secret: Option<Name>,
    /// Of `email`: the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schema(example = "Holdfast <holdfast@example.com>")
    )]
    pub from: Option<String>,
    /// Of `email`: the recipients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Of `webhook` and `pagerduty`: where to. `https`, or `http` to the nodes' own host.
    /// PagerDuty's own when it is not said there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of `webhook` and `slack`: the secret that holds where to, when whoever knows the
    /// address may post there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub url_secret: Option<Name>,
    /// Of `webhook`: the secret that signs, at least 32 bytes long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub secret: Option<Name>,
    /// Of `webhook`: further headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Of `webhook`: further headers whose values are secrets, such as `Authorization`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, String>))]
    pub secret_headers: BTreeMap<String, Name>,
    /// Of `pagerduty`: the secret that holds the routing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub routing_key_secret: Option<Name>,
}

impl NotificationChannel {
    /// Whether it is for alarms of everything, also of what belongs to no cluster.
    pub fn is_for_everything(&self) -> bool {
        self.fleets.is_empty() && self.selector.is_empty()
    }

    /// The secrets that it names, by field.
    pub fn secrets(&self) -> Vec<(String, &Name)> {
        let named = [
            ("passwordSecret", &self.password_secret),
            ("urlSecret", &self.url_secret),
            ("secret", &self.secret),
            ("routingKeySecret", &self.routing_key_secret),
        ];
        let named = named.into_iter().filter_map(|(field, secret)| {
            let secret = secret.as_ref()?;
            Some((format!("spec.{field}"), secret))
        });
        let headers = self.secret_headers.iter();
        let headers = headers.map(|(name, secret)| (format!("spec.secretHeaders.{name}"), secret));
        named.chain(headers).collect()
    }

    pub(super) fn check(&self) -> Result<(), InvalidDocument> {
        self.refuse_of_others()?;
        let mut seen = BTreeSet::new();
        for (index, fleet) in self.fleets.iter().enumerate() {
            if !seen.insert(fleet) {
                let message = format!("{fleet} is named twice");
                return Err(InvalidDocument::new(
                    format!("spec.fleets[{index}]"),
                    message,
                ));
            }
        }
        if self.after.is_some_and(|after| after > AFTER_MOST) {
            let message = format!("an alarm escalates within {AFTER_MOST}");
            return Err(InvalidDocument::new("spec.after", message));
        }
        match self.channel_type {
            ChannelType::Email => self.check_email(),
            ChannelType::Webhook => self.check_webhook(),
            ChannelType::Slack => self.required("urlSecret", self.url_secret.is_some()),
            ChannelType::Pagerduty => {
                self.required("routingKeySecret", self.routing_key_secret.is_some())?;
                self.check_url()
            }
        }
    }

    /// Refuses settings of another type, which would do nothing.
    fn refuse_of_others(&self) -> Result<(), InvalidDocument> {
        use ChannelType::{Email, Pagerduty, Slack, Webhook};
        let settings: [(&str, bool, &[ChannelType]); 13] = [
            ("host", self.host.is_some(), &[Email]),
            ("port", self.port.is_some(), &[Email]),
            ("tls", self.tls.is_some(), &[Email]),
            ("user", self.user.is_some(), &[Email]),
            ("passwordSecret", self.password_secret.is_some(), &[Email]),
            ("from", self.from.is_some(), &[Email]),
            ("to", !self.to.is_empty(), &[Email]),
            ("url", self.url.is_some(), &[Webhook, Pagerduty]),
            ("urlSecret", self.url_secret.is_some(), &[Webhook, Slack]),
            ("secret", self.secret.is_some(), &[Webhook]),
            ("headers", !self.headers.is_empty(), &[Webhook]),
            ("secretHeaders", !self.secret_headers.is_empty(), &[Webhook]),
            (
                "routingKeySecret",
                self.routing_key_secret.is_some(),
                &[Pagerduty],
            ),
        ];
        for (name, is_set, of) in settings {
            if is_set && !of.contains(&self.channel_type) {
                let message = format!("it is no setting of type: {}", self.channel_type);
                return Err(InvalidDocument::new(format!("spec.{name}"), message));
            }
        }
        Ok(())
    }

    fn required(&self, name: &str, is_set: bool) -> Result<(), InvalidDocument> {
        if is_set {
            return Ok(());
        }
        let message = format!("type: {} needs it", self.channel_type);
        Err(InvalidDocument::new(format!("spec.{name}"), message))
    }

    fn check_email(&self) -> Result<(), InvalidDocument> {
        let invalid = |field: &str, message: &str| {
            Err(InvalidDocument::new(format!("spec.{field}"), message))
        };
        self.required("host", self.host.is_some())?;
        self.required("from", self.from.is_some())?;
        self.required("to", !self.to.is_empty())?;
        let host = self.host.as_deref().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte);
        if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
            return invalid("host", "it is a host name or an address");
        }
        if self.port == Some(0) {
            return invalid("port", "it is 1 to 65535");
        }
        if self.tls == Some(MailTls::None) && !is_loopback(host) {
            return invalid(
                "tls",
                "without TLS only a server on the nodes' own host (127.0.0.1, ::1, localhost) \
                 is told anything",
            );
        }
        if self.user.is_some() != self.password_secret.is_some() {
            return invalid("user", "who logs in has both a user and a passwordSecret");
        }
        if !is_mailbox(self.from.as_deref().unwrap_or_default()) {
            return invalid(
                "from",
                "it is an address such as Holdfast <holdfast@example.com>",
            );
        }
        if self.to.len() > TO_MOST {
            return invalid("to", "50 recipients at most: name a mailing list");
        }
        for (index, to) in self.to.iter().enumerate() {
            if !is_mailbox(to) {
                let field = format!("to[{index}]");
                return invalid(&field, "it is an address such as dba@example.com");
            }
        }
        Ok(())
    }

    fn check_webhook(&self) -> Result<(), InvalidDocument> {
        if self.url.is_some() == self.url_secret.is_some() {
            let message = "say either url or urlSecret";
            return Err(InvalidDocument::new("spec.url", message));
        }
        self.check_url()?;
        self.required("secret", self.secret.is_some())?;
        if self.headers.len() + self.secret_headers.len() > HEADERS_MOST {
            let message = "20 headers at most";
            return Err(InvalidDocument::new("spec.headers", message));
        }
        let mut seen = BTreeSet::new();
        let plain = self.headers.keys().map(|name| ("headers", name));
        let secret = self.secret_headers.keys();
        for (field, name) in plain.chain(secret.map(|name| ("secretHeaders", name))) {
            let at = || format!("spec.{field}.{name}");
            settings::check_header(name).map_err(|why| InvalidDocument::new(at(), why))?;
            if field == "headers" && settings::is_credential(name) {
                let message = "what it holds is a secret: name one in secretHeaders";
                return Err(InvalidDocument::new(at(), message));
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(InvalidDocument::new(at(), "it is given twice"));
            }
        }
        for (name, value) in &self.headers {
            let visible = |byte: u8| (0x20..0x7f).contains(&byte);
            if value.len() > 1024 || !value.bytes().all(visible) {
                let field = format!("spec.headers.{name}");
                let message = "a value is one line of ASCII";
                return Err(InvalidDocument::new(field, message));
            }
        }
        Ok(())
    }

    fn check_url(&self) -> Result<(), InvalidDocument> {
        match &self.url {
            None => Ok(()),
            Some(url) => check_address(url).map_err(|why| InvalidDocument::new("spec.url", why)),
        }
    }
}

/// Roughly: whoever sends it reads it exactly.
fn is_mailbox(text: &str) -> bool {
    let clean = !text.is_empty() && text.len() <= 320 && !text.chars().any(char::is_control);
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => rest.strip_suffix('>'),
        None => Some(text),
    };
    let split = address.and_then(|address| address.rsplit_once('@'));
    clean && split.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
}

#[cfg(test)]
mod tests;
