//! Mail. What belongs together is one thread, a repeat has the same Message-ID, and
//! nobody's absence note answers it.

use holdfast_types::Secret;
use holdfast_types::resource::{EmailSettings, MailTls};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Letter};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::chain;
use super::message::Message;

/// A server that is known by now how to be reached.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

macro_rules! header {
    ($type:ident, $name:literal) => {
        #[derive(Clone)]
        struct $type(String);

        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}

header!(ListId, "List-Id");
header!(AutoSubmitted, "Auto-Submitted");

/// What is wrong with addresses, by field.
pub(super) fn check(settings: &EmailSettings<'_>) -> Result<(), (String, String)> {
    let why = |text: &str| format!("\"{text}\" is no address");
    if settings.from.parse::<Mailbox>().is_err() {
        return Err(("spec.from".to_owned(), why(settings.from)));
    }
    for (index, to) in settings.to.iter().enumerate() {
        if to.parse::<Mailbox>().is_err() {
            return Err((format!("spec.to[{index}]"), why(to)));
        }
    }
    Ok(())
}

impl Mail {
    pub(super) fn new(
        settings: &EmailSettings<'_>,
        password: Option<Secret>,
    ) -> Result<Self, String> {
        Self::trusting(settings, password, None)
    }

    /// Trusts a CA besides those that the host trusts.
    pub(super) fn trusting(
        settings: &EmailSettings<'_>,
        password: Option<Secret>,
        ca: Option<Certificate>,
    ) -> Result<Self, String> {
        check(settings).map_err(|(field, why)| format!("{field}: {why}"))?;
        let parameters = || {
            let mut builder = TlsParameters::builder(settings.host.to_owned());
            if let Some(ca) = ca.clone() {
                builder = builder.add_root_certificate(ca);
            }
            builder.build_rustls().map_err(|error| chain(&error))
        };
        let tls = match settings.tls {
            // Never without: a server that does not offer it is told nothing.
            MailTls::Starttls => Tls::Required(parameters()?),
            MailTls::Implicit => Tls::Wrapper(parameters()?),
            MailTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host)
            .port(settings.port)
            .tls(tls);
        if let Some(((user, _), password)) = settings.login.zip(password) {
            let password = password.expose().to_owned();
            builder = builder.credentials(Credentials::new(user.to_owned(), password));
        }
        let address = |text: &str| text.parse::<Mailbox>().map_err(|error| error.to_string());
        Ok(Self {
            transport: builder.build(),
            from: address(settings.from)?,
            to: settings
                .to
                .iter()
                .map(|to| address(to))
                .collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, String> {
        let letter = self.letter(message)?;
        let answer = self.transport.send(letter).await;
        let answer = answer.map_err(|error| chain(&error))?;
        let text: Vec<&str> = answer.message().collect();
        Ok(format!("SMTP {}: {}", answer.code(), text.join(" ")))
    }

    fn letter(&self, message: &Message) -> Result<Letter, String> {
        let domain = self.from.email.domain();
        let id = |key: &dyn std::fmt::Display| format!("<{key}@{domain}>");
        let list = match &message.fleet {
            Some(fleet) => format!("Holdfast alarms of {fleet} <{fleet}.alarms.holdfast>"),
            None => "Holdfast alarms <alarms.holdfast>".to_owned(),
        };
        let mut letter = Letter::builder()
            .from(self.from.clone())
            .subject(format!("[Holdfast] {}", message.headline()))
            .date_now()
            .message_id(Some(id(&message.key)))
            .header(ListId(list))
            .header(AutoSubmitted("auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            letter = letter.to(to.clone());
        }
        if message.thread != message.key {
            let first = id(&message.thread);
            letter = letter.in_reply_to(first.clone()).references(first);
        }
        letter.body(text(message)).map_err(|error| chain(&error))
    }
}

/// The text of a mail.
pub(super) fn text(message: &Message) -> String {
    let mut text = vec![message.headline(), String::new()];
    text.extend(message.lines().into_iter().map(|line| format!("- {line}")));
    if let Some(rest) = message.rest() {
        text.extend([String::new(), rest]);
    }
    if let Some(advice) = message.advice() {
        text.extend([String::new(), format!("What to do: {advice}.")]);
    }
    let rule = message.rule.map(|rule| format!("rule {rule}, "));
    let about = format!(
        "-- \nHoldfast, {}channel {}, {:.0}, {}",
        rule.unwrap_or_default(),
        message.channel,
        message.at,
        message.key
    );
    text.extend([String::new(), about, String::new()]);
    text.join("\r\n").replace("-- \n", "-- \r\n")
}
