//! What a person does about each error, with the exact line or statement.

use std::net::IpAddr;

use crate::error::Target;
use crate::{Error, ServerMessage};

impl Error {
    /// What to do about it, in one or two sentences.
    pub fn hint(&self) -> String {
        self.exact_hint()
            .unwrap_or_else(|| self.general_hint().to_owned())
    }

    /// Hints that name the role, the line or the statement.
    fn exact_hint(&self) -> Option<String> {
        Some(match self {
            Self::WrongPassword { target, .. } => format!(
                "store the right password in the secret that passwordSecret names, or set it: \
                 ALTER ROLE {} PASSWORD '...'",
                quote(&target.user)
            ),
            Self::HbaRefused { target, message } => format!(
                "add this line to pg_hba.conf above those that match more, then \
                 SELECT pg_reload_conf(): {}",
                hba_line(target, message)
            ),
            Self::RoleRefused { target, .. } => format!(
                "create the role: CREATE ROLE {} LOGIN REPLICATION PASSWORD '...' IN ROLE \
                 pg_monitor; with peer authentication the operating system's user must be allowed \
                 by pg_ident.conf",
                quote(&target.user)
            ),
            Self::NotPermitted { target, .. } => {
                let role = quote(&target.user);
                format!(
                    "ALTER ROLE {role} REPLICATION; GRANT pg_monitor TO {role}; \
                     `holdfast-agent doctor` prints every grant that is missing"
                )
            }
            _ => return None,
        })
    }

    fn general_hint(&self) -> &'static str {
        match self {
            Self::InvalidConnection(_) => {
                "write key=value pairs such as \"host=/run/postgresql port=5432 user=holdfast\"; \
                 the password goes into passwordSecret"
            }
            Self::Unreachable { target, .. } if target.local => {
                "check that the server runs and that host= names its socket directory \
                 (SHOW unix_socket_directories)"
            }
            Self::Unreachable { .. } => {
                "check that the server runs, listen_addresses and the firewall"
            }
            Self::TimedOut { .. } | Self::Disconnected { .. } => {
                "it is tried again; if it stays, look at the server's log and the network"
            }
            Self::Tls { .. } => {
                "check sslmode and sslrootcert of the connection and ssl = on of the server"
            }
            Self::UnsupportedAuthentication { .. } => {
                "use scram-sha-256, md5, password, peer or trust in pg_hba.conf for this role"
            }
            Self::NoSuchDatabase { .. } => {
                "set dbname= of the connection to a database that exists"
            }
            Self::NotAccepting { .. } | Self::ShutDown { .. } => {
                "it is tried again as soon as the server takes connections"
            }
            Self::Exhausted { .. } => {
                "raise max_wal_senders, max_replication_slots or max_connections and restart \
                 PostgreSQL, or free what is unused"
            }
            Self::SlotInUse { .. } => {
                "another receiver holds it; it is free soon after that one ends (see \
                 pg_replication_slots.active_pid)"
            }
            Self::SlotMissing { .. } => {
                "it is created anew; WAL written meanwhile may be missing and is recorded as a gap"
            }
            Self::SlotExists { .. } => "use it, or drop it first",
            Self::SlotInvalidated { .. } | Self::WalRemoved { .. } => {
                "the gap is recorded and a new backup is needed; raise max_slot_wal_keep_size or \
                 wal_keep_size if it happens again"
            }
            Self::OtherSystem { .. } => {
                "the address leads to another database, or this one was created anew: correct the \
                 connection, or enrol it as a new lineage"
            }
            _ => "look at the server's log",
        }
    }
}

/// An identifier as SQL needs it.
fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// The line of pg_hba.conf that would have let us in. The client's address is
/// taken from the message as the server sees it, whatever its language.
fn hba_line(target: &Target, message: &ServerMessage) -> String {
    let database = if target.database == "replication" {
        "replication".to_owned()
    } else {
        quote(&target.database)
    };
    let user = quote(&target.user);
    if target.local {
        return format!("local {database} {user} scram-sha-256");
    }
    let address = message
        .message
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'))
        .find_map(|word| word.parse::<IpAddr>().ok());
    let address = match address {
        Some(IpAddr::V4(ip)) => format!("{ip}/32"),
        Some(IpAddr::V6(ip)) => format!("{ip}/128"),
        None => "samehost".to_owned(),
    };
    format!("host {database} {user} {address} scram-sha-256")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Doing;

    fn refused(local: bool, database: &str, text: &str) -> Error {
        let target = Target {
            server: "db1:5432".to_owned(),
            user: "holdfast".to_owned(),
            database: database.to_owned(),
            local,
        };
        let message = ServerMessage {
            sqlstate: "28000".to_owned(),
            message: text.to_owned(),
            ..ServerMessage::default()
        };
        Error::from_server(&target, Doing::Connecting, message)
    }

    #[test]
    fn the_hint_is_the_exact_line_of_pg_hba() {
        let german = "kein pg_hba.conf-Eintrag für Replikationsverbindung von Host »10.1.2.3«, \
                      Benutzer »holdfast«";
        let error = refused(false, "replication", german);
        assert_eq!(error.code(), "pg_hba_refused");
        let line = "host replication \"holdfast\" 10.1.2.3/32 scram-sha-256";
        assert!(error.hint().ends_with(line), "{}", error.hint());
        let local = refused(
            true,
            "postgres",
            "no pg_hba.conf entry for host \"[local]\"",
        );
        assert!(
            local
                .hint()
                .ends_with("local \"postgres\" \"holdfast\" scram-sha-256")
        );
    }
}
