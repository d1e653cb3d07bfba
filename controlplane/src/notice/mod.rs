//! Telling a channel something: the message, its form in each kind of channel, and what
//! the channel said.
//!
//! Secrets are opened for one use and are in no message that comes back: what a channel
//! says is shown to people, so everything in it that is a secret is taken out (I-10).

mod email;
mod http;
mod message;
mod pagerduty;
mod slack;
mod webhook;

#[cfg(test)]
mod starttls;
#[cfg(test)]
mod tests;

pub(crate) use webhook::post_signed;

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_types::resource::{ChannelSettings, NotificationChannel, check_address};
use holdfast_types::{Name, Secret};

pub(crate) use message::Message;

/// A signature with less would be guessed.
const SIGNING_BYTES: usize = 32;
/// So much of what a channel says is kept.
const SAID_MOST: usize = 300;

/// A channel with its secrets.
pub(crate) struct OpenChannel {
    way: Way,
    /// What must not come back in what the channel says.
    secrets: Vec<Secret>,
}

enum Way {
    Email(email::Mail),
    Webhook(webhook::Webhook),
    Slack { url: Secret },
    Pagerduty { url: String, key: Secret },
}

impl std::fmt::Debug for OpenChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenChannel(hidden)")
    }
}

/// Why the value of a secret cannot do what the channel names it for; nothing of the
/// value is in the answer.
pub(crate) fn check_secret(
    channel: &NotificationChannel,
    name: &Name,
    value: &Secret,
) -> Result<(), String> {
    let text = line(value);
    let is = |named: &Option<Name>| named.as_ref() == Some(name);
    if is(&channel.secret) && text.len() < SIGNING_BYTES {
        return Err(format!(
            "is too short to sign with: {} bytes, and {SIGNING_BYTES} are needed",
            text.len()
        ));
    }
    if is(&channel.url_secret) {
        check_address(text).map_err(|why| format!("holds no address that can be used: {why}"))?;
    }
    let in_header = channel.secret_headers.values().any(|named| named == name);
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if (in_header || is(&channel.routing_key_secret)) && (text.is_empty() || !printable) {
        return Err("is not one line of ASCII".to_owned());
    }
    Ok(())
}

/// A secret without the end of line that files have.
fn line(secret: &Secret) -> &str {
    secret.expose().trim_end_matches(['\r', '\n'])
}

impl OpenChannel {
    /// Refuses settings that only the libraries that send can judge.
    pub(crate) fn check(channel: &NotificationChannel) -> Result<(), (String, String)> {
        match channel.settings() {
            Some(ChannelSettings::Email(settings)) => email::check(&settings),
            Some(_) | None => Ok(()),
        }
    }

    /// A channel with the secrets that it names, by name.
    pub(crate) fn open(
        channel: &NotificationChannel,
        secrets: &BTreeMap<Name, Secret>,
    ) -> Result<Self, String> {
        let of = |name: &Name| {
            let found = secrets.get(name).map(|secret| Secret::new(line(secret)));
            found.ok_or_else(|| format!("there is no secret \"{name}\""))
        };
        let settings = channel.settings().ok_or("its settings are not complete")?;
        let way = match settings {
            ChannelSettings::Email(settings) => {
                let password = settings.login.map(|(_, name)| of(name)).transpose()?;
                Way::Email(email::Mail::new(&settings, password)?)
            }
            ChannelSettings::Webhook(settings) => {
                let url = match (settings.url, settings.url_secret) {
                    (Some(url), _) => Secret::new(url),
                    (None, Some(name)) => of(name)?,
                    (None, None) => return Err("it has no address".to_owned()),
                };
                let plain = settings.headers.iter();
                let plain = plain.map(|(name, value)| (name.clone(), Secret::new(value.as_str())));
                let mut headers: Vec<(String, Secret)> = plain.collect();
                for (name, secret) in settings.secret_headers {
                    headers.push((name.clone(), of(secret)?));
                }
                let secret = of(settings.secret)?;
                Way::Webhook(webhook::Webhook {
                    url,
                    secret,
                    headers,
                })
            }
            ChannelSettings::Slack(url) => Way::Slack { url: of(url)? },
            ChannelSettings::Pagerduty { url, routing_key } => Way::Pagerduty {
                url: url.to_owned(),
                key: of(routing_key)?,
            },
        };
        let named = channel.secrets().into_iter().map(|(_, name)| of(name));
        let secrets = named.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { way, secrets })
    }

    /// Tells it, and gives what it said: that it took it, or why not.
    pub(crate) async fn send(&self, message: &Message, within: Duration) -> Result<String, String> {
        let sending = async {
            match &self.way {
                Way::Email(mail) => mail.send(message).await,
                Way::Webhook(webhook) => webhook.send(message).await,
                Way::Slack { url } => {
                    let body = slack::body(message).to_string();
                    http::post(url.expose(), &[], body).await
                }
                Way::Pagerduty { url, key } => {
                    let body = pagerduty::body(message, key).to_string();
                    http::post(url, &[], body).await
                }
            }
        };
        let said = match tokio::time::timeout(within, sending).await {
            Ok(said) => said,
            Err(_) => Err(format!("no answer came within {} s", within.as_secs_f64())),
        };
        match said {
            Ok(said) => Ok(self.clean(&said)),
            Err(said) => Err(self.clean(&said)),
        }
    }

    /// One line without any secret.
    fn clean(&self, said: &str) -> String {
        let mut said = said.to_owned();
        for secret in &self.secrets {
            // What is so short hides nothing, and would be found anywhere.
            if secret.expose().len() >= 4 {
                said = said.replace(secret.expose(), "[secret]");
            }
        }
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let line: String = said.chars().map(plain).take(SAID_MOST).collect();
        line.trim().to_owned()
    }
}

/// What can be said to people of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
