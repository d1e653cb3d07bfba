//! How to reach one PostgreSQL server: a libpq connection string and, apart
//! from it, a password.
//!
//! An instance is one server, so a string names one host. Passwords inside the
//! string are refused: it is kept in clear, the secret is not (I-10).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use holdfast_types::Secret;
use tokio_postgres::config::{ChannelBinding, Config, Host};

use crate::Error;
use crate::error::Target;

const DEFAULT_PORT: u16 = 5432;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Exists in every cluster, so it is where a role without a database looks.
const DEFAULT_DATABASE: &str = "postgres";

/// How much TLS the connection string asks for, as libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it; the certificate is not checked.
    Prefer,
    /// Always; the certificate is checked when a root certificate is given.
    Require,
    /// Always, signed by the root certificate.
    VerifyCa,
    /// Always, signed by the root certificate and naming the host.
    VerifyFull,
}

/// A parsed connection string and the password that goes with it.
#[derive(Clone)]
pub struct ConnectionInfo {
    config: Config,
    /// As libpq takes them; never a password, never a database.
    pairs: Vec<(String, String)>,
    user: String,
    tls: TlsMode,
    root_certificate: Option<PathBuf>,
    password: Option<Secret>,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

impl ConnectionInfo {
    /// Parses `text` (`key=value` pairs) and takes the password with it.
    pub fn parse(text: &str, password: Option<Secret>) -> Result<Self, Error> {
        let invalid = |reason: &str| Error::InvalidConnection(reason.to_owned());
        if text.contains("://") {
            return Err(invalid("URLs are not understood, only key=value pairs"));
        }
        let mut plain = String::new();
        let (mut tls, mut root_certificate) = (TlsMode::Prefer, None);
        let mut kept = Vec::new();
        for (key, value) in pairs(text)? {
            if key != "dbname" {
                kept.push((key.clone(), value.clone()));
            }
            match key.as_str() {
                "password" => return Err(invalid("it must not hold a password")),
                "sslmode" => tls = parse_tls_mode(&value)?,
                "sslrootcert" => root_certificate = Some(PathBuf::from(value)),
                // They change nothing for us, and people paste them.
                "gssencmode" | "client_encoding" | "fallback_application_name" => {}
                "keepalives_count" => push_pair(&mut plain, "keepalives_retries", &value),
                _ => push_pair(&mut plain, &key, &value),
            }
        }
        let config = plain.parse::<Config>().map_err(|error| {
            let source = std::error::Error::source(&error);
            invalid(&source.map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        if config.get_hosts().len() > 1 || config.get_hostaddrs().len() > 1 {
            return Err(invalid(
                "it names several hosts, and an instance is one server",
            ));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("it names no host"));
        }
        let user = config
            .get_user()
            .ok_or_else(|| invalid("it names no user"))?
            .to_owned();
        if matches!(tls, TlsMode::VerifyCa | TlsMode::VerifyFull) && root_certificate.is_none() {
            return Err(invalid(
                "sslmode=verify-ca and verify-full need sslrootcert",
            ));
        }
        Ok(Self {
            config,
            pairs: kept,
            user,
            tls,
            root_certificate,
            password,
        })
    }

    /// The role.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database for SQL: `dbname`, else `postgres`.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or(DEFAULT_DATABASE)
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// A connection string for PostgreSQL's own programs, with the database and
    /// without the password: command lines are for everyone to read (I-10).
    pub fn conninfo(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.pairs {
            push_pair(&mut text, key, value);
        }
        push_pair(&mut text, "dbname", self.database());
        text.truncate(text.trim_end().len());
        text
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.config
            .get_ports()
            .first()
            .copied()
            .unwrap_or(DEFAULT_PORT)
    }

    /// How long to try to connect, authentication included.
    pub fn connect_timeout(&self) -> Duration {
        self.config
            .get_connect_timeout()
            .copied()
            .unwrap_or(DEFAULT_TIMEOUT)
    }

    pub(crate) fn tls(&self) -> TlsMode {
        self.tls
    }

    pub(crate) fn root_certificate(&self) -> Option<&PathBuf> {
        self.root_certificate.as_ref()
    }

    pub(crate) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn requires_channel_binding(&self) -> bool {
        self.config.get_channel_binding() == ChannelBinding::Require
    }

    pub(crate) fn application_name(&self) -> &str {
        self.config.get_application_name().unwrap_or("holdfast")
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match (
            self.config.get_hostaddrs().first(),
            self.config.get_hosts().first(),
        ) {
            (None, Some(Host::Unix(directory))) => {
                Endpoint::Unix(directory.join(format!(".s.PGSQL.{}", self.port())))
            }
            (Some(address), _) => Endpoint::Tcp {
                host: address.to_string(),
                port: self.port(),
            },
            (None, Some(Host::Tcp(host))) => Endpoint::Tcp {
                host: host.clone(),
                port: self.port(),
            },
            (None, None) => Endpoint::Tcp {
                host: "localhost".to_owned(),
                port: self.port(),
            },
        }
    }

    /// The name that a certificate must carry: `host`, even with `hostaddr`.
    pub(crate) fn tls_name(&self) -> String {
        match (self.config.get_hosts().first(), self.endpoint()) {
            (Some(Host::Tcp(host)), _) => host.clone(),
            (_, Endpoint::Tcp { host, .. }) => host,
            (_, Endpoint::Unix(_)) => "localhost".to_owned(),
        }
    }

    /// Who and where, for errors. `database` is `replication` for the
    /// replication protocol, since that is what pg_hba.conf matches.
    pub(crate) fn target(&self, database: &str) -> Target {
        let (server, local) = match self.endpoint() {
            Endpoint::Unix(path) => (path.display().to_string(), true),
            Endpoint::Tcp { host, port } => (format!("{host}:{port}"), false),
        };
        Target {
            server,
            local,
            user: self.user.clone(),
            database: database.to_owned(),
        }
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionInfo({self})")
    }
}

impl fmt::Display for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}",
            self.user,
            self.target(self.database()).server
        )
    }
}

fn parse_tls_mode(value: &str) -> Result<TlsMode, Error> {
    Ok(match value {
        "disable" => TlsMode::Disable,
        "allow" | "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => {
            return Err(Error::InvalidConnection(format!(
                "sslmode \"{value}\" is unknown"
            )));
        }
    })
}

fn push_pair(text: &mut String, key: &str, value: &str) {
    let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
    text.push_str(&format!("{key}='{quoted}' "));
}

/// Splits as libpq's `conninfo_parse` does: `key = value`, values may be
/// quoted by `'` and escaped by `\`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(found);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_whitespace() && *c != '=') {
            key.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if key.is_empty() || chars.next() != Some('=') {
            return Err(Error::InvalidConnection(
                "a key is not followed by =".to_owned(),
            ));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some('\\') => value.extend(chars.next()),
                Some(c) => value.push(c),
                None if quoted => {
                    let reason = format!("the quoted value of {key} does not end");
                    return Err(Error::InvalidConnection(reason));
                }
                None => break,
            }
        }
        found.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<ConnectionInfo, Error> {
        ConnectionInfo::parse(text, Some(Secret::new("hunter2")))
    }

    #[test]
    fn reads_what_the_contract_shows() {
        let info = parse("host=/run/postgresql port=5433 user=holdfast").unwrap();
        assert_eq!(
            info.endpoint(),
            Endpoint::Unix("/run/postgresql/.s.PGSQL.5433".into())
        );
        assert_eq!((info.user(), info.database()), ("holdfast", "postgres"));
        assert_eq!(
            format!("{info:?}"),
            "ConnectionInfo(holdfast at /run/postgresql/.s.PGSQL.5433)"
        );
    }

    #[test]
    fn quoting_is_that_of_libpq() {
        let info = parse(r"user = 'o\'brien \\ co' dbname='a b' host=db1").unwrap();
        assert_eq!((info.user(), info.database()), (r"o'brien \ co", "a b"));
        assert_eq!(
            info.endpoint(),
            Endpoint::Tcp {
                host: "db1".to_owned(),
                port: 5432
            }
        );
    }

    #[test]
    fn programs_are_told_all_but_the_password() {
        let info = parse(r"host=/run/pg user='o\'brien' dbname=a keepalives_count=3").unwrap();
        assert_eq!(
            info.with_database(r"x'\=y").conninfo(),
            r"host='/run/pg' user='o\'brien' keepalives_count='3' dbname='x\'\\=y'"
        );
        assert_eq!(info.with_database("b").database(), "b");
    }

    #[test]
    fn refusals_show_no_value() {
        for (bad, reason) in [
            ("host=a user=u password=topsecret", "password"),
            ("host=a,b user=u", "several hosts"),
            ("user=u", "no host"),
            ("host=a", "no user"),
            ("host=a user=u sslmode=verify-full", "sslrootcert"),
            ("host=a user=u nonsense=topsecret", "nonsense"),
            ("postgresql://u:topsecret@a/db", "URLs"),
            ("host", "="),
            ("host='a", "does not end"),
        ] {
            let text = parse(bad).unwrap_err().to_string();
            assert!(
                text.contains(reason) && !text.contains("topsecret"),
                "{bad}: {text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_quoting(value in "[^\0]{1,20}") {
            let mut text = String::new();
            push_pair(&mut text, "user", &value);
            prop_assert_eq!(pairs(&text).unwrap(), [("user".to_owned(), value)]);
        }

        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = parse(&text);
        }
    }
}
