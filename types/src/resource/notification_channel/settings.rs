//! The settings of a channel by its type, and the rules for addresses and headers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{ChannelType, NotificationChannel};
use crate::Name;
use crate::backup::as_word;

/// Where PagerDuty takes events.
pub const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// How a mail server is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum MailTls {
    /// TLS after the greeting; without it nothing is said.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None.
    None,
}

as_word!(MailTls {
    Starttls = "starttls",
    Implicit = "implicit",
    None = "none",
});

impl MailTls {
    /// The port of mail servers that talk so.
    pub const fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// What a channel needs to be told something, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelSettings<'a> {
    /// Mail.
    Email(EmailSettings<'a>),
    /// A webhook.
    Webhook(WebhookSettings<'a>),
    /// Slack: the secret that holds the address.
    Slack(&'a Name),
    /// PagerDuty.
    Pagerduty {
        /// Where to.
        url: &'a str,
        /// The secret that holds the routing key.
        routing_key: &'a Name,
    },
}

/// Those of `email`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailSettings<'a> {
    /// The server.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// How it is talked to.
    pub tls: MailTls,
    /// Who logs in, and the secret that holds the password.
    pub login: Option<(&'a str, &'a Name)>,
    /// The sender.
    pub from: &'a str,
    /// The recipients.
    pub to: &'a [String],
}

/// Those of `webhook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookSettings<'a> {
    /// Where to, when it is no secret.
    pub url: Option<&'a str>,
    /// The secret that holds it, when it is.
    pub url_secret: Option<&'a Name>,
    /// The secret that signs.
    pub secret: &'a Name,
    /// Further headers.
    pub headers: &'a BTreeMap<String, String>,
    /// Further headers, with the secrets that hold their values.
    pub secret_headers: &'a BTreeMap<String, Name>,
}

impl NotificationChannel {
    /// Its settings; `None` of what a check refuses.
    pub fn settings(&self) -> Option<ChannelSettings<'_>> {
        Some(match self.channel_type {
            ChannelType::Email => {
                let tls = self.tls.unwrap_or(MailTls::Starttls);
                ChannelSettings::Email(EmailSettings {
                    host: self.host.as_deref()?,
                    port: self.port.unwrap_or(tls.port()),
                    tls,
                    login: self.user.as_deref().zip(self.password_secret.as_ref()),
                    from: self.from.as_deref()?,
                    to: &self.to,
                })
            }
            ChannelType::Webhook => ChannelSettings::Webhook(WebhookSettings {
                url: self.url.as_deref(),
                url_secret: self.url_secret.as_ref(),
                secret: self.secret.as_ref()?,
                headers: &self.headers,
                secret_headers: &self.secret_headers,
            }),
            ChannelType::Slack => ChannelSettings::Slack(self.url_secret.as_ref()?),
            ChannelType::Pagerduty => ChannelSettings::Pagerduty {
                url: self.url.as_deref().unwrap_or(PAGERDUTY),
                routing_key: self.routing_key_secret.as_ref()?,
            },
        })
    }
}

/// Whether a host is the nodes' own, by its name alone.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// What is wrong with an address that notices go to. The answer does not hold it, for it
/// may be a secret (I-10).
pub fn check_address(text: &str) -> Result<(), &'static str> {
    let url = Url::parse(text).map_err(|_| "it is an address such as https://host/path")?;
    let own = match url.host() {
        Some(Host::Domain(name)) => is_loopback(name),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("it names no host"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into it: send them by secretHeaders");
    }
    if url.fragment().is_some() {
        return Err("what follows # is sent to nobody: leave it out");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if own => Ok(()),
        "http" => Err("https only; http is for the nodes' own host (127.0.0.1, ::1, localhost)"),
        _ => Err("it begins with https://"),
    }
}

/// What is wrong with the name of a header.
pub(super) fn check_header(name: &str) -> Result<(), &'static str> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(token) {
        return Err("it is no name of a header");
    }
    const OURS: [&str; 8] = [
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "user-agent",
    ];
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) || lower.starts_with("holdfast-") {
        return Err("Holdfast sets it itself");
    }
    Ok(())
}

/// Whether a header is made for credentials.
pub(super) fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let words = [
        "authorization",
        "cookie",
        "token",
        "secret",
        "password",
        "api-key",
        "apikey",
    ];
    words.iter().any(|word| lower.contains(word))
}
