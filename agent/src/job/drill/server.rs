//! The server of a drill: how it is spoken to.

use std::path::PathBuf;

use holdfast_pg::ConnectionInfo;
use holdfast_pg::binaries::{Programs, RunAs};
use holdfast_pg::instance::Instance;
use holdfast_pg::sql::Session;
use holdfast_types::Failure;
use tokio::process::Command;

use crate::job::backup::Stopped;

/// Databases that are always there, unless somebody has dropped one of them.
const ALWAYS: [&str; 2] = ["postgres", "template1"];

/// A server that runs and has what it was to have.
pub(super) struct Server {
    pub(super) programs: Programs,
    /// Its data directory.
    pub(super) dir: PathBuf,
    /// Where its socket is.
    pub(super) sockets: PathBuf,
    pub(super) port: u16,
    pub(super) superuser: String,
}

impl Server {
    pub(super) fn instance(&self) -> Instance {
        Instance::new(self.programs.clone(), &self.dir)
    }

    /// As whom its programs run.
    pub(super) fn user(&self) -> Result<RunAs, Failure> {
        RunAs::owner_of(&self.dir)
            .map_err(|error| Failure::permanent(error.code(), error.to_string(), error.hint()))
    }

    /// A command that runs a program of its own release.
    pub(super) fn command(&self, program: &str) -> Result<Command, Failure> {
        Ok(self.programs.command(program, self.user()?))
    }

    /// The words by which `user` reaches a database.
    pub(super) fn conninfo(&self, user: &str, database: &str) -> String {
        format!(
            "host={} port={} user={} dbname={} sslmode=disable",
            word(&self.sockets.display().to_string()),
            self.port,
            word(user),
            word(database),
        )
    }

    /// A session of `user` with a database.
    pub(super) async fn session(
        &self,
        user: &str,
        database: &str,
    ) -> Result<Session, holdfast_pg::Error> {
        Session::connect(&ConnectionInfo::parse(
            &self.conninfo(user, database),
            None,
        )?)
        .await
    }

    /// A session of the superuser with a database that is there.
    pub(super) async fn any_session(&self) -> Result<Session, Stopped> {
        let mut outcome = self.session(&self.superuser, ALWAYS[0]).await;
        if let Err(holdfast_pg::Error::NoSuchDatabase { .. }) = outcome {
            outcome = self.session(&self.superuser, ALWAYS[1]).await;
        }
        Ok(outcome?)
    }

    /// The databases that can be connected to and are no templates.
    pub(super) async fn databases(&self) -> Result<Vec<String>, Stopped> {
        let query = "SELECT datname::text FROM pg_database \
                     WHERE datallowconn AND NOT datistemplate ORDER BY datname";
        let rows = self.any_session().await?.rows(query, &[]).await?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }
}

fn word(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
