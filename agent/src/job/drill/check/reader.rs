//! Who asks the queries of a drill: a role that may read everything and nothing else.
//!
//! Whoever may write a policy must not thereby become a superuser of a host's
//! PostgreSQL, who can run programs there.

use holdfast_pg::sql::Session;
use uuid::Uuid;

use super::super::server::Server;
use super::Fate;
use crate::job::backup::Stopped;
use crate::job::dump::quoted;

/// No query of a drill takes longer.
const STATEMENT_TIMEOUT: &str = "30min";

/// Whether a role may connect to a database as it is.
const MAY_CONNECT: &str = "SELECT has_database_privilege($1::text::name, $2::text, 'CONNECT')";

/// A role that was made for one drill.
pub(super) struct Reader {
    role: String,
    fate: Fate,
    /// Databases that had to be opened to it.
    opened: Vec<String>,
}

impl Reader {
    pub(super) async fn make(
        (server, fate): (&Server, Fate),
        databases: &[String],
    ) -> Result<Self, Stopped> {
        // A name that nothing in the copy has.
        let role = format!("holdfast_drill_{}", Uuid::new_v4().simple());
        let session = server.any_session().await?;
        let make = format!(
            "SET session_replication_role = replica; \
             CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS \
             IN ROLE pg_read_all_data",
            quoted(&role)
        );
        session.execute(&make).await?;
        let mut opened = Vec::new();
        for database in databases {
            let may = session.row(MAY_CONNECT, &[&role, database]).await?;
            if may.try_get(0).unwrap_or(false) {
                continue;
            }
            // Whoever closed it to others did so for the original's users.
            let open = format!(
                "GRANT CONNECT ON DATABASE {} TO {}",
                quoted(database),
                quoted(&role)
            );
            session.execute(&open).await?;
            opened.push(database.clone());
        }
        Ok(Self { role, fate, opened })
    }

    /// Takes it away again: nobody gets a server with a role that reads everything.
    pub(super) async fn leave(self, server: &Server) -> Result<(), Stopped> {
        let session = server.any_session().await?;
        let role = quoted(&self.role);
        let mut away = String::from("SET session_replication_role = replica; ");
        for database in &self.opened {
            let database = quoted(database);
            away.push_str(&format!(
                "REVOKE CONNECT ON DATABASE {database} FROM {role}; "
            ));
        }
        away.push_str(&format!("DROP ROLE {role}"));
        session.execute(&away).await?;
        Ok(())
    }

    /// Whether its queries are to change nothing by any means: of a copy that is thrown
    /// away nobody minds.
    pub(super) fn is_strict(&self) -> bool {
        self.fate == Fate::Kept
    }

    /// A session with a database, read-only, in UTC.
    pub(super) async fn session(
        &self,
        server: &Server,
        database: &str,
    ) -> Result<Session, holdfast_pg::Error> {
        let session = server.session(&self.role, database).await?;
        let set = format!(
            "SET default_transaction_read_only = on; SET timezone = 'UTC'; \
             SET datestyle = 'ISO, YMD'; SET statement_timeout = '{STATEMENT_TIMEOUT}'; \
             SET lock_timeout = '1min'"
        );
        session.execute(&set).await?;
        Ok(session)
    }
}
