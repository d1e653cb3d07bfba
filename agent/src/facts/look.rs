//! One look at one instance.

use std::path::Path;
use std::time::Duration;

use holdfast_pg::ConnectionInfo;
use holdfast_pg::sql::{Facts, Session};
use holdfast_proto::InstanceAccess;
use holdfast_types::{ArchiverFacts, Failure, InstanceRole, Observation, ServerFacts, SlotFacts};

use super::disk;
use crate::failure;
use crate::host::Host;

/// Sizes of large clusters take their time; a server that hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at one instance, over one connection for as long as that lives.
pub(super) struct Eye {
    access: InstanceAccess,
    session: Option<Session>,
}

impl Eye {
    pub(super) const fn new(access: InstanceAccess) -> Self {
        Self {
            access,
            session: None,
        }
    }

    pub(super) async fn look(&mut self, host: &Host) -> Observation {
        match self.facts().await {
            Ok(facts) => {
                let observed = self.describe(&facts, host);
                Observation::Reachable(Box::new(observed))
            }
            Err(failure) => Observation::Unreachable(failure),
        }
    }

    async fn facts(&mut self) -> Result<Facts, Failure> {
        let asked = tokio::time::timeout(PATIENCE, self.ask()).await;
        let facts = asked.unwrap_or_else(|_| Err(hangs(&self.access)));
        let facts = facts.and_then(|facts| self.expected(facts));
        if facts.is_err() {
            // The next look connects anew.
            self.session = None;
        }
        facts
    }

    async fn ask(&mut self) -> Result<Facts, Failure> {
        let postgres = |error: holdfast_pg::Error| failure::of_postgres(&error);
        if let Some(session) = &self.session {
            match session.facts().await {
                Ok(facts) => return Ok(facts),
                // The server restarted, or ended our connection: that alone
                // says nothing about how it is now.
                Err(error) if error.is_transient() => self.session = None,
                Err(error) => return Err(postgres(error)),
            }
        }
        let InstanceAccess {
            connection,
            password,
            ..
        } = &self.access;
        let info = ConnectionInfo::parse(connection, password.clone()).map_err(postgres)?;
        let session = self
            .session
            .insert(Session::connect(&info).await.map_err(postgres)?);
        session.facts().await.map_err(postgres)
    }

    /// Another database at the same address must never pass for the instance.
    fn expected(&self, facts: Facts) -> Result<Facts, Failure> {
        match self.access.system_identifier {
            Some(expected) if expected != facts.system_identifier => {
                Err(foreign(&self.access, expected, facts.system_identifier))
            }
            _ => Ok(facts),
        }
    }

    fn describe(&self, facts: &Facts, host: &Host) -> ServerFacts {
        let told = self.access.told_directory().map(Path::new);
        let directory = told.unwrap_or(&facts.data_directory);
        let volume = disk::volume(directory, facts.system_identifier);
        if let Some(volume) = &volume {
            host.peers().allow(volume.owner);
        }
        let slots = facts.slots.iter().map(|slot| SlotFacts {
            name: slot.name.clone(),
            active: slot.active,
            restart_lsn: slot.restart_lsn,
            wal_status: slot.wal_status.clone(),
            retained_bytes: slot.retained_bytes.unwrap_or(0),
        });
        let role = if facts.in_recovery {
            InstanceRole::Standby
        } else {
            InstanceRole::Primary
        };
        ServerFacts {
            server_version: u32::try_from(facts.server_version_num).unwrap_or(0),
            system_identifier: facts.system_identifier,
            role,
            timeline: facts.timeline,
            data_directory: directory.display().to_string(),
            database_bytes: facts.database_bytes,
            checksums: facts.data_checksums,
            archiver: ArchiverFacts {
                mode: facts.archiver.mode.clone(),
                last_archived: facts.archiver.last_archived.clone(),
                last_failed: facts.archiver.last_failed.clone(),
            },
            slots: slots.collect(),
            disk: volume.map(|volume| volume.disk),
        }
    }
}

fn foreign(access: &InstanceAccess, expected: u64, found: u64) -> Failure {
    Failure::permanent(
        "foreign_system_identifier",
        format!(
            "the PostgreSQL at \"{}\" has system identifier {found}, and the one enrolled has \
             {expected}",
            access.connection
        ),
        "another server took the place of the enrolled one: correct the connection, or delete the \
         cluster and apply it anew if this is the new one",
    )
}

fn hangs(access: &InstanceAccess) -> Failure {
    Failure::transient(
        "pg_timed_out",
        format!(
            "the PostgreSQL at \"{}\" did not answer within {} s",
            access.connection,
            PATIENCE.as_secs()
        ),
        "it is asked again; look at the server's log and load",
    )
}
